"""What an example of a dataset holds that radzoo wrote, and the image that it becomes again.

Columns of the index keep their names. An image column `COL` is

- of images: PNG `(h, w, channels)`, uint8 or uint16 whose greatest number is white, or where that would lose something
  float32 in 0..1. The window is applied, since the header that says how to show the values does not travel.
- of volumes: `(z, y, x)`, turned to SPL, in units of the modality (HU in CT).

Beside it stands `COL_about`: `modality`, `spacing_mm` (z y x, or y x; 0 is unknown), `affine` of volumes (voxel z y x 1
to LPS x y z 1 in mm), `applied`, `spacing_source`, `burnt_in` and the `dtype` that the voxels had.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field

import numpy as np

from radzoo import images
from radzoo.errors import BadInput
from radzoo.images import Pixels, intensity
from radzoo.images.arrays import unit_range
from radzoo.images.volumes import Volume

FORMAT = 1
ABOUT = "_about"
ROW, KEY, FOLD = "row", "key", "fold"
STEP = "; "  # between the steps of `applied`
IMAGE_TYPES = ("uint8", "uint16", "float32")  # each holds all values of those before it
WHITES = {"uint8": 255, "uint16": 65535}
CODE = re.compile(r"[A-Z0-9_ ]{1,16}")  # a modality; other text of a header may hold anything


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the metadata of a dataset say beside its features, as JSON under `radzoo`.

    Attributes:
        volumes: whether the image columns hold volumes.
        image, mask, label, patient, study: the columns, as of `Data`.
        texts: the columns of covariates and metadata, which are text.
        task, classes: as of `Index`.
        window: of images, applied.
        folds, seed: of the cross-validation, 0 folds for parts; in `seed`, patients were dealt.
        segments: names of the labels 1, 2, … of the masks; empty where they are only numbers.
        synthetic, notes: as of `Index`.
    """

    volumes: bool
    image: tuple[str, ...]
    label: tuple[str, ...]
    task: str
    classes: tuple[str, ...]
    window: str | tuple[float, float]
    folds: int
    seed: int
    mask: str | None = None
    patient: str | None = None
    study: str | None = None
    texts: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    format: int = field(default=FORMAT)

    def to_metadata(self) -> dict:
        return {"radzoo": asdict(self)}

    @classmethod
    def of(cls, metadata) -> Told | None:
        """None for a dataset that somebody else wrote."""
        kept = dict(metadata or {}).get("radzoo")
        if kept is None:
            return None
        if kept.get("format") != FORMAT:
            raise BadInput(f"the dataset has radzoo's format {kept.get('format')}, this version reads {FORMAT}")
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()})


def features(told: Told, dtype: str, channels: int, mask_dtype: str, labels: dict[str, tuple[str, ...]]):
    """The `tfds.features.FeaturesDict` of a dataset.

    Args:
        dtype: of the image columns.
        channels: of images.
        mask_dtype: uint8 or uint16.
        labels: the values of each label column in the order of their numbers; none for a regression.
    """
    import tensorflow_datasets as tfds

    kinds = tfds.features
    made = {ROW: kinds.Scalar(np.int64), KEY: kinds.Text()}
    for name in told.image:
        made[name] = _grid(told, dtype, channels)
        exact = {"dtype": np.float64, "encoding": "bytes"}  # TFDS keeps other floats in 32 bits
        about = {"spacing_mm": kinds.Tensor(shape=(3 if told.volumes else 2,), **exact)}
        if told.volumes:
            about["affine"] = kinds.Tensor(shape=(4, 4), **exact)
        words = ("modality", "applied", "spacing_source", "burnt_in", "dtype")
        made[name + ABOUT] = kinds.FeaturesDict(about | {word: kinds.Text() for word in words})
    if told.mask:
        made[told.mask] = _grid(told, mask_dtype, 1)
    for name in told.label:
        made[name] = kinds.ClassLabel(names=list(labels[name])) if labels[name] else kinds.Scalar(np.float32)
    made |= {name: kinds.Text() for name in (told.patient, told.study, *told.texts) if name}
    if told.folds:
        made[FOLD] = kinds.Scalar(np.int64)
    return kinds.FeaturesDict(made)


def _grid(told: Told, dtype: str, channels: int):
    import tensorflow_datasets as tfds

    if told.volumes:
        return tfds.features.Tensor(shape=(None,) * 3, dtype=np.dtype(dtype), encoding="zlib")
    shape = (None, None, channels)
    if dtype == "float32":
        return tfds.features.Tensor(shape=shape, dtype=np.float32, encoding="zlib")
    return tfds.features.Image(shape=shape, dtype=np.dtype(dtype), encoding_format="png")


def read_image(path: str, told: Told, uneven: str) -> Pixels | Volume:
    """One image of an index, before it is fitted to anything."""
    if told.volumes:
        from radzoo.images import volumes

        return volumes.read(path, uneven=uneven)
    return images.read(path, window=told.window)


def narrowest(image: Pixels | Volume) -> str:
    """The first of `IMAGE_TYPES` that holds an image exactly; the type of a volume's voxels."""
    if isinstance(image, Volume):
        return image.values.dtype.name
    for dtype, white in WHITES.items():
        if (unit_range(np.rint(image.values * white).astype(dtype))[0] == image.values).all():
            return dtype
    return "float32"


def encoded(image: Pixels | Volume, dtype: str, channels: int) -> tuple[object, dict]:
    """The features `COL` and `COL_about` of an image."""
    about = {
        "spacing_mm": np.array(image.spacing_mm or (0, 0), float),
        "modality": image.modality if CODE.fullmatch(image.modality or "") else "",
        "applied": STEP.join(image.applied),
        "spacing_source": image.spacing_source or "",
        "burnt_in": getattr(image, "burnt_in", None) or "",
        "dtype": image.values.dtype.name,
    }
    if isinstance(image, Volume):
        return image.values.astype(dtype), about | {"affine": image.affine}
    values = image.values if image.values.ndim == 3 else np.repeat(image.values[..., None], channels, axis=-1)
    if dtype == "float32":
        return np.ascontiguousarray(values), about
    return png(np.rint(values * WHITES[dtype]).astype(dtype)), about


def png(values: np.ndarray) -> bytes:
    """Encoded here, since TFDS keeps a graph in memory for every shape of image that it encodes."""
    import tensorflow as tf

    return tf.io.encode_png(values).numpy()


def decoded(array: np.ndarray, about: dict, told: Told, window) -> Pixels | Volume:
    """The image that was `encoded`.

    Args:
        window: what the reader asks for; images must have been written with it.
    Raises:
        BadInput: another window, where the header is gone that it would need.
    """
    known = {name: about[name].decode() for name in ("modality", "applied", "spacing_source", "burnt_in", "dtype")}
    modality, applied = known["modality"] or None, tuple(filter(None, known["applied"].split(STEP)))
    if told.volumes:
        return Volume(array.astype(known["dtype"]), about["affine"], modality, applied)
    values = array if array.dtype == np.float32 else unit_range(array)[0]
    if (values == values[..., :1]).all():  # grey in a dataset of colours
        values = np.ascontiguousarray(values[..., 0])
    if _same(window, told.window):
        more = ()
    elif told.window == "header" and not known["spacing_source"]:  # it was no DICOM: nothing has been applied
        values, more = intensity.without_units(values, window)
    else:
        raise BadInput(
            f"the images of the dataset were written with the window {_words(told.window)}, {_words(window)} is asked "
            "for: pass that window to --window, or write another dataset"
        )
    spacing_mm = tuple(float(side) for side in about["spacing_mm"]) if about["spacing_mm"].any() else None
    applied = (*applied, *more)
    return Pixels(values, modality, spacing_mm, known["spacing_source"] or None, applied, known["burnt_in"] or None)


def _same(one, two) -> bool:
    return one == two if isinstance(one, str) or isinstance(two, str) else tuple(one) == tuple(two)


def _words(window) -> str:
    return window if isinstance(window, str) else " ".join(f"{number:g}" for number in np.ravel(window))
