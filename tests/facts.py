"""What is known of every registered model, and how it is measured.

`name: (trainable parameters of the whole network, channels of its features, probe in 2-D, probe in 3-D)`
A model without a row fails `test_models.py`, which prints the measured row.
"""

import keras
import numpy as np

FACTS = {
    "densenet121": (7978856, (64, 256, 512, 1024, 1024), None, None),
    "densenet169": (14149480, (64, 256, 512, 1280, 1664), None, None),
    "densenet201": (20013928, (64, 256, 512, 1792, 1920), None, None),
    "densenet_tiny": (48216, (16, 32, 32), 1.44204, 4.39643),
    "mobilenet_v2": (3504872, (16, 24, 32, 96, 1280), None, None),
    "mobilenet_v2_035": (1677128, (8, 8, 16, 32, 1280), None, None),
    "mobilenet_v2_tiny": (38984, (8, 8, 32), 1.513, 0.99913),
    "squeezenet": (1235496, (64, 128, 256, 512), None, None),
    "squeezenet_tiny": (69624, (8, 32, 64), 3.42315, 2.63896),
}


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
