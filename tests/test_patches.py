"""Planes and cubes around a place: exact on fields whose values are known everywhere."""

import numpy as np
import pytest

from radzoo.errors import BadInput
from radzoo.images.volumes import Volume, patches

CENTRE = np.array([12.0, -7.0, 30.0])


def field(x, y, z):
    return 2 * x - 3 * y + 5 * z


def linear(spacing=(2.5, 0.7, 0.9), mirrored=False):
    """A field that is linear in the patient, 90 mm wide around CENTRE; trilinear sampling is exact on it."""
    shape = tuple(int(90 / each) for each in spacing)
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]], affine[3, 3] = spacing, 1
    if mirrored:
        affine[:3, 2] *= -1
    affine[:3, 3] = CENTRE - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    place = np.indices(shape).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3]
    return Volume(field(*place.T).reshape(shape).astype("float32"), affine)


def test_the_nine_planes_are_those_of_the_cube():
    """Unit normals e_x, e_y, e_z and the six diagonals, each once (SPECS 15); rows and columns at right angles."""
    normals = np.cross(patches.NINE[:, 1], patches.NINE[:, 0])
    half = np.sqrt(0.5)
    wanted = {(1, 0, 0), (0, 1, 0), (0, 0, 1)}
    wanted |= {(half, half, 0), (half, -half, 0), (half, 0, half), (half, 0, -half), (0, half, half), (0, half, -half)}
    found = {tuple(np.round(n * np.sign(n[np.flatnonzero(np.abs(n) > 1e-9)[0]]), 9) + 0.0) for n in normals}
    assert found == {tuple(np.round(np.array(n, float), 9)) for n in wanted}
    np.testing.assert_allclose(np.einsum("nij,nkj->nik", patches.NINE, patches.NINE), [np.eye(2)] * 9, atol=1e-12)


@pytest.mark.parametrize(
    "volume", [linear(), linear((1, 1, 1)), linear(mirrored=True)], ids=["thick", "even", "mirrored"]
)
def test_every_pixel_is_the_value_at_its_place(volume):
    said = patches.planes(volume, CENTRE + np.array([0.3, -0.2, 0.1]))
    assert said.shape == (9, 64, 64) and said.dtype == np.float32
    step = 50 / 64
    for (down, right), plane in zip(patches.NINE, said, strict=True):
        for row, column in ((0, 0), (0, 63), (63, 0), (31, 32), (17, 45)):
            place = CENTRE + np.array([0.3, -0.2, 0.1]) + (row - 31.5) * step * down + (column - 31.5) * step * right
            assert plane[row, column] == pytest.approx(field(*place), abs=1e-3)


def test_patches_lie_as_a_radiologist_looks_at_them():
    """A bright voxel to the patient's left lies right in the axial and coronal patch, one to the head lies above."""
    values = np.zeros((41, 41, 41), "float32")
    affine = np.zeros((4, 4))
    affine[[2, 1, 0, 3], [0, 1, 2, 3]], affine[:3, 3] = 1, -20
    for offset, marks in (((10, 0, 0), {0: (0, 10), 1: (0, 10)}), ((0, 0, 10), {1: (-10, 0), 2: (-10, 0)}),
                          ((0, 10, 0), {0: (10, 0), 2: (0, 10)})):  # fmt: skip
        values[:] = 0
        values[20 + offset[2], 20 + offset[1], 20 + offset[0]] = 1
        said = patches.planes(Volume(values, affine), (0, 0, 0), size_mm=41, pixels=41)
        for plane, (row, column) in marks.items():
            assert np.unravel_index(said[plane].argmax(), (41, 41)) == (20 + row, 20 + column)


def test_cubes_of_several_sizes_share_their_middle():
    volume = linear()
    said = patches.cubes(volume, CENTRE, sizes_mm=(40, 50, 60), voxels=16)
    assert said.shape == (3, 16, 16, 16)
    for size, cube in zip((40, 50, 60), said, strict=True):
        for z, y, x in ((0, 0, 0), (15, 3, 8), (7, 8, 9)):
            place = CENTRE + (np.array([x, y, z]) - 7.5) * size / 16
            assert cube[z, y, x] == pytest.approx(field(*place), abs=1e-3)
    np.testing.assert_allclose(said.mean((1, 2, 3)), field(*CENTRE), atol=1e-2)


def test_outside_is_filled_and_a_place_outside_is_refused():
    volume = linear()
    corner = volume.positions([[0, 0, 0]])[0]
    said = patches.planes(volume, corner, fill=-1000)
    assert (said[0] == -1000).mean() == pytest.approx(0.75, abs=0.03)
    assert patches.planes(volume, corner).min() == volume.values.min()
    with pytest.raises(BadInput, match=r"outside of its volume, at voxel \(.*\) of \(36, 128, 100\): is it LPS, RAS"):
        patches.planes(volume, CENTRE * [-1, -1, 1] - [60, 0, 0])
    for centre in ((1, 2), (1, 2, np.nan)):
        with pytest.raises(BadInput, match="not three finite numbers"):
            patches.planes(volume, centre)
    with pytest.raises(BadInput, match="a patch of 0 mm"):
        patches.planes(volume, CENTRE, size_mm=0)
