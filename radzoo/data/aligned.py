"""Whether an image and its target show the same pixels of the same place, made in the same way."""

from __future__ import annotations

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.volumes import Volume

APART = 0.01  # mm by which the places of two images in the patient may differ
BESIDE = 1.0  # pixels, from which on a target is said to lie beside its image


def check_pair(image, target) -> None:
    """What the headers of both say.

    Raises:
        BadInput: another size, another spacing, another place in the patient, another reconstruction kernel; as
            `check_rescaled`.
    """
    if image.size != target.size:
        came, wanted = (" x ".join(map(str, each.size)) for each in (target, image))
        raise BadInput(f"the target has {came} pixels, the image {wanted}: bring both to one grid")
    if not isinstance(image, Volume):
        return
    for each in (image, target):
        check_rescaled(each)
    corners = np.array(np.meshgrid(*[(0, side - 1) for side in image.size])).reshape(3, -1).T
    away = np.abs(image.positions(corners) - target.positions(corners)).max()
    if away > APART:
        raise BadInput(
            f"the target lies up to {away:.3g} mm beside the image: register and resample it onto the image first"
        )
    if image.kernel and target.kernel and image.kernel != target.kernel:
        raise BadInput(
            f"the image was reconstructed with kernel {image.kernel}, its target with {target.kernel}: a network would "
            "learn the kernel and not the noise, reconstruct both alike"
        )


def check_rescaled(volume: Volume) -> None:
    """Raises BadInput for CT whose stored values nobody made HU of."""
    least, most = float(volume.values.min()), float(volume.values.max())
    if volume.modality == "CT" and least >= 0 and not {"rescale", "modality LUT"} & set(volume.applied):
        raise BadInput(f"the series has no rescale, its values {least:.4g} to {most:.4g} are no HU: export it again")


def beside(image: np.ndarray, target: np.ndarray) -> float:
    """Pixels by which the middle planes of `(*spatial, 1)` best match beside each other: a patient who moved.

    The peak of their cross-correlation, to a quarter of a pixel (Guizar-Sicairos et al., Optics Letters 2008).
    """
    from skimage.registration import phase_cross_correlation

    planes = [each[..., 0] if each.ndim == 3 else each[len(each) // 2, ..., 0] for each in (target, image)]
    planes = [each - each.mean() for each in planes]
    if not all(each.any() for each in planes):  # an even plane matches anything
        return 0.0
    shift, *_ = phase_cross_correlation(*planes, upsample_factor=4, normalization=None)
    return float(np.hypot(*shift))


def said(beside: list[float | None]) -> list[str]:
    """A note on the pairs that seem to lie beside each other, or none."""
    far = [each for each in beside if each is not None and each >= BESIDE]
    if not far:
        return []
    return [
        f"{len(far)} of {len(beside)} targets seem to lie beside their image, by up to {max(far):.3g} pixels "
        "(cross-correlation of the middle plane): a network learns to blur what does not match; register them first."
    ]
