"""Yasaka's liver CNNs: masses from three contrast phases, fibrosis from one MR image and three numbers beside it.

Yasaka et al., Deep Learning with CNN for Differentiation of Liver Masses at Dynamic Contrast-enhanced CT, Radiology
2018, https://doi.org/10.1148/radiol.2017170706; Liver Fibrosis: Deep CNN for Staging by Using Gadoxetic Acid-enhanced
Hepatobiliary Phase MR Images, Radiology 2018, https://doi.org/10.1148/radiol.2017171928

Known of the masses: three phases as channels, six convolutions, three max poolings, three dense layers, five classes.
Known of fibrosis: a hepatobiliary-phase image with field strength, hepatitis B and hepatitis C beside it; the grade F0
to F4 as one number (identity, squared error). Reconstructed, because no layer table could be read: input sizes (70x70
and 128x128), 3x3 convolutions that keep the size, all filters and units, where dropout stands and that fibrosis has
none, that fibrosis pools after each of four convolutions and its numbers join the flattened maps. The numbers of
parameters are our own.
"""

from radzoo.layers import classifier, concat
from radzoo.models.vgg import dense_layers, vgg
from radzoo.registry import register


@register(
    liver_mass_cnn={},
    liver_tiny={"blocks": ((4, 4), (6, 6)), "units": 8},
    kind="classification",
    year=2018,
    fidelity="reconstruction",
    inputs={"liver_mass_cnn": (70, 70, 3)},
    parameters={"liver_mass_cnn": 1_352_869, "liver_tiny": 13_225},
)
def liver_mass_cnn(image, *, blocks=((32, 32), (64, 64), (128, 128)), prefix=""):
    """Pairs of rectified 3x3 convolutions with max pooling in between; arguments and features as `vgg`.

    The image has the phases as channels, or one channel in which they lie side by side.
    """
    return vgg(image, blocks=blocks, prefix=prefix)


@liver_mass_cnn.top
def liver_mass_cnn_top(features, *, classes=5, activation="softmax", units=128, dropout=0.5):
    """The last pooling, two dense layers with dropout, and the classes: three dense layers in all."""
    return classifier(dense_layers(features, {"head_fc1": units, "head_fc2": units}, dropout), classes, activation)


@register(
    liver_fibrosis_cnn={"covariates": 3},
    liver_fibrosis_tiny={"blocks": ((4,), (6,)), "units": (8, 4), "covariates": 3},
    kind="classification",
    year=2018,
    fidelity="reconstruction",
    inputs={"liver_fibrosis_cnn": (128, 128, 1)},
    parameters={"liver_fibrosis_cnn": 1_297_665, "liver_fibrosis_tiny": 12_695},
)
def liver_fibrosis_cnn(image, *, blocks=((32,), (64,), (128,), (128,)), prefix=""):
    """Four rectified 3x3 convolutions with max pooling in between; arguments and features as `vgg`."""
    return vgg(image, blocks=blocks, prefix=prefix)


@liver_fibrosis_cnn.top
def liver_fibrosis_cnn_top(
    features, *, classes=1, activation=None, units=(128, 64), dropout=0.0, covariates=None
):  # fmt: skip
    """The last pooling, the covariates beside it, two dense layers, and the grade as a number.

    Five classes and softmax make it the classifier over grades that the review compares it with.

    Args:
        covariates: `(batch, n)`, or None for the image alone.
    """
    join = None if covariates is None else lambda x: concat([x, covariates], name="head_beside")
    x = dense_layers(features, dict(zip(("head_fc1", "head_fc2"), units, strict=True)), dropout, join)
    return classifier(x, classes, activation)
