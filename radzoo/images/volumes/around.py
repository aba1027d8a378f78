"""What a network gets of places in volumes: nine planes or cubes around each, in 0..1."""

from __future__ import annotations

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.paths import Place
from radzoo.images.volumes import fitted, patches
from radzoo.images.volumes.volume import Volume

PATCHES = ("planes", "cubes")


def around(volumes, places: list[Place], shape, patch: str, patch_mm, window) -> list[np.ndarray]:
    """Patches of one scan.

    Args:
        volumes: of one patient and one frame, such as contrast phases; each makes channels of its own.
        shape: `(9, h, h)` for `planes`, `(n, n, n)` for `cubes`.
        patch: `planes` (`patches.NINE`) of one size, or `cubes` of one size or several, which are channels.
        patch_mm: the sizes.
        window: as in `fitted`; outside of a volume is black.
    Returns:
        For each place float32 `(*shape, channels)`; channels are cubes of one volume, then those of the next.
    Raises:
        BadInput: a place outside of its volume, CT without a window.
    """
    scales = [(volume, fitted.scale(volume, window)) for volume in volumes]
    return [
        np.concatenate([scale(_patch(volume, place, shape, patch, patch_mm)) for volume, scale in scales], axis=-1)
        for place in places
    ]


def _patch(volume: Volume, place: Place, shape, patch: str, patch_mm) -> np.ndarray:
    """`(*shape, sizes)` in the units of the volume."""
    centre = volume.position(place)
    if patch == "planes":
        return patches.planes(volume, centre, size_mm=patch_mm[0], pixels=shape[1], fill=-np.inf)[..., None]
    return np.moveaxis(patches.cubes(volume, centre, sizes_mm=patch_mm, voxels=shape[0], fill=-np.inf), 0, -1)


def check(shape, patch: str, patch_mm) -> None:
    """Whether an input of this shape can be such patches.

    Raises:
        BadInput: another kind of patch, sizes or shape.
    """
    if patch not in PATCHES:
        raise BadInput(f"patch {patch!r} came, expected {' or '.join(PATCHES)}")
    if not patch_mm or min(patch_mm) <= 0 or (patch == "planes" and len(patch_mm) > 1):
        some = "one positive size" if patch == "planes" else "positive sizes"
        raise BadInput(f"patch_mm {tuple(patch_mm)} came with patch={patch!r}, expected {some} in mm")
    planes = len(shape) == 4 and shape[0] == len(patches.NINE) and shape[1] == shape[2]
    cubes = len(shape) == 4 and len(set(shape[:3])) == 1
    if not (planes if patch == "planes" else cubes):
        expected = "9 planes of one square size, as 9 64 64" if patch == "planes" else "equal sides, as 32 32 32"
        raise BadInput(f"size {' '.join(map(str, shape[:-1]))} came with patch={patch!r}, expected {expected}")
