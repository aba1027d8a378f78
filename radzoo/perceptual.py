"""The frozen network of a perceptual loss: grey images as an ImageNet network sees them."""

from __future__ import annotations

import keras
from keras import layers

from radzoo import channels, registry
from radzoo.errors import BadInput
from radzoo.weights import apply, find


def feature_network(weights: str) -> keras.Model:
    """From grey planes `(n, h, w, 1)` in 0..1 to the coarsest feature map, by published weights.

    Yang et al., Low-Dose CT Image Denoising Using a Generative Adversarial Network With Wasserstein Distance and
    Perceptual Loss, TMI 2018, https://arxiv.org/abs/1708.00961: the last convolution of VGG-19 (`vgg19.imagenet`). The
    grey enters folded (`radzoo.channels`), which gives what three copies would.

    Args:
        weights: `"model.tag"` of a 2-D network with weights for RGB.

    Returns:
        A model none of whose weights learns.

    Raises:
        BadInput: weights that are missing, or of another kind.
    """
    manifest = find(weights)
    if len(manifest.input.shape) != 3 or manifest.input.shape[-1] != 3:
        raise BadInput(f"{weights} sees {manifest.input.shape}, a perceptual loss takes weights for RGB images")
    spec = channels.adapted_spec(manifest.input, "fold")
    image = keras.Input((None, None, 1), name="image")
    x = layers.Rescaling(spec.scale / spec.std[0], -spec.mean[0] / spec.std[0], name="channels_normalised")(image)
    own, _ = registry.split_overrides(manifest.model, manifest.overrides)
    features = registry.backbone(manifest.model, channels.entry(x, "fold", manifest.input), **own)
    model = keras.Model(image, list(features), name=manifest.model)
    apply(model, manifest, channels="fold")
    model.trainable = False
    return keras.Model(image, model.outputs[-1], name=f"{manifest.model}_features")
