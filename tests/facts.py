"""What is known of every registered model, and how it is measured.

`name: (trainable parameters of the whole network, channels of its features, probe in 2-D, probe in 3-D)`
A model without a row fails `test_models.py`, which prints the measured row.
"""

import keras
import numpy as np

FACTS = {
    "alexnet": (60965224, (96, 256, 256), None, None),
    "alexnet_owt": (61100840, (64, 192, 256), None, None),
    "alexnet_owt_tiny": (24332, (8, 12, 12), 2.33383, 2.61854),
    "alexnet_tiny": (25924, (8, 16, 12), 2.98871, 2.29963),
    "caffenet": (60965224, (96, 256, 256), None, None),
    "conv_autoencoder": (112001, (64, 64, 64), None, None),
    "conv_autoencoder_tiny": (593, (4, 4, 4), 1.19776, 2.97521),
    "densenet121": (7978856, (64, 256, 512, 1024, 1024), None, None),
    "densenet169": (14149480, (64, 256, 512, 1280, 1664), None, None),
    "densenet201": (20013928, (64, 256, 512, 1792, 1920), None, None),
    "densenet_tiny": (48216, (16, 32, 32), 1.44204, 4.39643),
    "dncnn": (556097, (64,), None, None),
    "dncnn_tiny": (381, (4,), 0.7839, 3.84817),
    "fbpconvnet": (34562945, (64, 128, 256, 512, 1024), None, None),
    "fbpconvnet_small": (2164193, (16, 32, 64, 128, 256), None, None),
    "fbpconvnet_tiny": (8537, (4, 8, 16), 7.9445, 3.62132),
    "fcn16s": (134357354, (64, 128, 256, 512, 512), None, None),
    "fcn32s": (134346581, (64, 128, 256, 512, 512), None, None),
    "fcn32s_tiny": (3121, (4, 4, 6, 6, 8), 1.96419, 2.77175),
    "fcn8s": (134362751, (64, 128, 256, 512, 512), None, None),
    "fcn8s_tiny": (3415, (4, 4, 6, 6, 8), 1.96419, 2.77175),
    "googlenet": (13378280, (64, 192, 480, 832, 1024), None, None),
    "googlenet_bn": (13004888, (64, 192, 480, 832, 1024), None, None),
    "googlenet_bn_tiny": (372472, (8, 24, 28, 40), 21.70439, 1.9802),
    "googlenet_tiny": (324412, (8, 24, 28, 40), 3.90232, 2.32028),
    "ild_cnn": (471567, (144,), None, None),
    "ild_tiny": (6933, (18,), 1.71185, 2.25012),
    "inception_tiny": (226102, (4, 12, 16, 48, 128), 71.17439, 0.71838),
    "inception_v3": (27161264, (64, 192, 288, 768, 2048), None, None),
    "kooi_cnn": (4446066, (16, 16, 32, 64), None, None),
    "kooi_tiny": (5552, (4, 6, 8), 3.02868, 1.13182),
    "ldct_cnn": (24513, (32,), None, None),
    "ldct_cnn_tiny": (1785, (4,), 2.8037, 4.30708),
    "liver3d_cnn": (502017, (64, 64), None, None),
    "liver3d_tiny": (1081, (6, 4), 2.49685, 1.09935),
    "liver_fibrosis_cnn": (1297665, (32, 64, 128, 128), None, None),
    "liver_fibrosis_tiny": (12695, (4, 6), 1.7292, 0.25004),
    "liver_mass_cnn": (1352869, (32, 64, 128), None, None),
    "liver_tiny": (13225, (4, 6), 0.48318, 5.69906),
    "meshnet_20": (87183, (20,), None, None),
    "meshnet_21": (96408, (21,), None, None),
    "meshnet_5": (5598, (5,), None, None),
    "meshnet_tiny": (423, (4,), 1.98725, 3.03278),
    "mobilenet": (4231976, (64, 128, 256, 512, 1024), None, None),
    "mobilenet_025": (470072, (16, 32, 64, 128, 256), None, None),
    "mobilenet_tiny": (70200, (16, 32, 64), 0.56576, 0.92005),
    "mobilenet_v2": (3504872, (16, 24, 32, 96, 1280), None, None),
    "mobilenet_v2_035": (1677128, (8, 8, 16, 32, 1280), None, None),
    "mobilenet_v2_tiny": (38984, (8, 8, 32), 1.513, 0.99913),
    "multistream_committee": (442242, (24, 32, 48), None, None),
    "multistream_late": (49394, (24, 32, 48), None, None),
    "multistream_mixed": (147606, (24, 32, 48), None, None),
    "multistream_tiny": (5052, (4, 6), 1.70915, 2.28985),
    "multiview3d": (1119874, (16, 32, 64), None, None),
    "multiview3d_inception": (1077018, (16, 32, 64), None, None),
    "multiview3d_inception_resnet": (1077874, (16, 32, 64), None, None),
    "multiview3d_inception_resnet_tiny": (33842, (8, 16), 4.93503, 4.21344),
    "multiview3d_inception_tiny": (33426, (8, 16), 1.08791, 2.33571),
    "multiview3d_streams": (3355490, (48, 96, 192), None, None),
    "multiview3d_tiny": (12648, (4, 6), 1.7292, 0.25004),
    "redcnn": (1848865, (96,), None, None),
    "redcnn_tiny": (1821, (4,), 1.98792, 2.43495),
    "rednet10": (296641, (64,), None, None),
    "rednet10_128": (1183105, (128,), None, None),
    "rednet20": (665921, (64,), None, None),
    "rednet20_128": (2658945, (128,), None, None),
    "rednet30": (1035201, (64,), None, None),
    "rednet30_128": (4134785, (128,), None, None),
    "rednet_tiny": (741, (4,), 1.18978, 2.54116),
    "resnet101": (44549160, (64, 256, 512, 1024, 2048), None, None),
    "resnet152": (60192808, (64, 256, 512, 1024, 2048), None, None),
    "resnet18": (11689512, (64, 64, 128, 256, 512), None, None),
    "resnet34": (21797672, (64, 64, 128, 256, 512), None, None),
    "resnet50": (25557032, (64, 256, 512, 1024, 2048), None, None),
    "resnet_bottleneck_tiny": (74896, (8, 32, 64), 43.56385, 1.86167),
    "resnet_tiny": (27728, (8, 8, 16), 8.55719, 1.15089),
    "segnet": (29449355, (64, 128, 256, 512, 512), None, None),
    "segnet_basic": (1416587, (64, 64, 64, 64), None, None),
    "segnet_basic_tiny": (3043, (4, 4), 2.91562, 0.89125),
    "segnet_tiny": (2891, (4, 6, 8), 8.90526, 13.82272),
    "squeezenet": (1235496, (64, 128, 256, 512), None, None),
    "squeezenet_tiny": (69624, (8, 32, 64), 3.42315, 2.63896),
    "tcnn1": (21310568, (96,), None, None),
    "tcnn2": (22273384, (96, 256), None, None),
    "tcnn3": (23682792, (96, 256, 384), None, None),
    "tcnn4": (24346728, (96, 256, 384), None, None),
    "tcnn5": (24265064, (96, 256, 256), None, None),
    "tcnn_hybrid": (62538088, (96, 256, 256), None, None),
    "tcnn_hybrid_tiny": (26180, (8, 16, 12), 3.96367, 2.56817),
    "tcnn_tiny": (20420, (8, 16, 12), 2.13368, 1.9228),
    "unet": (31030658, (64, 128, 256, 512, 1024), None, None),
    "unet3d": (19069955, (64, 128, 256, 512), None, None),
    "unet3d_small": (1193571, (16, 32, 64, 128), None, None),
    "unet3d_tiny": (1431, (4, 8), 0.57328, 0.21278),
    "unet_same": (31031685, (64, 128, 256, 512, 1024), None, None),
    "unet_same_small": (1943778, (16, 32, 64, 128, 256), None, None),
    "unet_same_tiny": (7634, (4, 8, 16), 6.60536, 10.73212),
    "unet_small": (1940834, (16, 32, 64, 128, 256), None, None),
    "unet_tiny": (1722, (4, 8), 1.94441, 1.73127),
    "unet_wdk24": (536913, (16, 32, 64, 128), None, None),
    "unet_wdk24_tiny": (8429, (4, 8, 16), 6.60536, 10.73212),
    "vgg16": (138357544, (64, 128, 256, 512, 512), None, None),
    "vgg19": (143667240, (64, 128, 256, 512, 512), None, None),
    "vgg_tiny": (39420, (8, 12, 16), 2.50601, 3.59452),
    "vnet": (65175314, (16, 32, 64, 128, 256), None, None),
    "vnet_released": (61982682, (16, 32, 64, 128, 256), None, None),
    "vnet_small": (16299530, (8, 16, 32, 64, 128), None, None),
    "vnet_tiny": (25950, (4, 8, 16), 24.95865, 17.32545),
    "zfnet": (62357608, (96, 256, 256), None, None),
    "zfnet_tiny": (22388, (8, 12, 8), 2.256, 1.52186),
}

# Strides of the features, where they are not 2, 4, 8, … as far as there are features.
STRIDES = {
    **dict.fromkeys(("vgg_tiny", "kooi_tiny", "liver_tiny", "liver_fibrosis_tiny", "unet_wdk24_tiny"), (1, 2, 4)),
    **dict.fromkeys(
        ("multiview3d_tiny", "multiview3d_inception_tiny", "multiview3d_inception_resnet_tiny", "multistream_tiny"),
        (1, 2),
    ),
    **dict.fromkeys(("unet_tiny", "unet3d_tiny", "segnet_basic_tiny"), (1, 2)),
    **dict.fromkeys(("unet_same_tiny", "vnet_tiny", "segnet_tiny"), (1, 2, 4)),
    **dict.fromkeys(("conv_autoencoder_tiny", "fbpconvnet_tiny"), (1, 2, 4)),
    **dict.fromkeys(("dncnn_tiny", "ldct_cnn_tiny", "redcnn_tiny", "rednet_tiny"), (1,)),
    **dict.fromkeys(("fcn32s_tiny", "fcn8s_tiny"), (1, 2, 4, 8, 16)),
    "ild_tiny": (1,),
    "meshnet_tiny": (1,),
    "zfnet_tiny": (2, 8, 16),
}
VIEWS = ("multistream_tiny",)  # the first axis of a volume is that of views, across which nothing looks
BORDERS = {
    "ild_tiny": 2,
    "multistream_tiny": 4,
    "redcnn_tiny": 12,
    "unet_tiny": 7,
    "unet3d_tiny": 7,
    "fcn32s_tiny": 110,
    "fcn8s_tiny": 110,
}  # pixels that valid convolutions cost the features, or that a border adds, where more than 1.5


def fill(model: keras.Model) -> keras.Model:
    """Gives every weight a value from one seed, the same on all backends; variances stay positive."""
    generator = np.random.RandomState(0)
    for layer in model.layers:
        values = []
        for weight in layer.get_weights():
            spread = generator.standard_normal(weight.shape) * (2 / max(weight[..., 0].size, 1)) ** 0.5
            values.append(np.abs(spread) + 0.5 if weight.ndim == 1 else spread)
        layer.set_weights(values)
    return model


def probe(model: keras.Model) -> float:
    """Mean absolute last output for one image from `RandomState(0)`."""
    image = np.random.RandomState(0).rand(1, *model.input_shape[1:]).astype("float32")
    outputs = model(image, training=False)
    last = outputs[-1] if isinstance(outputs, list) else outputs
    return float(keras.ops.mean(keras.ops.abs(last)))


def count(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
