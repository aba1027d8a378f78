"""Strides for thick slices: the axis of long voxels is halved only once those of the other axes are about as long.

Isensee et al., nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation, Nature Methods
2021. https://doi.org/10.1038/s41592-020-01008-z An axis is halved where its spacing is less than twice the finest, as
in the authors' code. Kernels stay as they are, so that weights of isotropic or inflated networks fit (nnU-Net's own
kernels are flat across thick slices, too).
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar

from radzoo.errors import BadInput

RATIO = 2
# While a network is built: (z, y, x) of its maps -> the spacing of their voxels. A tensor does not say where it came
# from, but whatever changes its size goes through `layers` and `pooling`, which write down what they made.
_grids: ContextVar[dict | None] = ContextVar("grids", default=None)


@contextmanager
def building(image, spacing_mm: tuple[float, float, float] | None):
    """Within it strides act as the spacing asks for; without a spacing nothing changes.

    Args:
        image: `(batch, z, y, x, channels)`, with fixed sizes.
        spacing_mm: of the image's voxels, `(z, y, x)`.
    """
    if spacing_mm is None:
        yield
        return
    if len(image.shape) != 5 or None in image.shape[1:] or len(spacing_mm) != 3 or min(spacing_mm) <= 0:
        raise BadInput(
            f"spacing_mm={spacing_mm} came for the input {tuple(image.shape[1:])}, expected three positive numbers for "
            "a volume (z, y, x, channels) of a fixed size"
        )
    token = _grids.set({image.shape[1:-1]: tuple(spacing_mm)})
    try:
        yield
    finally:
        _grids.reset(token)


def acting(x, stride):
    """The part of a stride that acts on `x`: one number per axis; the same where no spacing is known.

    A stride of 4 is halving twice. An axis of one voxel, which nothing can halve, does not count as the finest.
    """
    if _grids.get() is None or not isinstance(stride, int) or stride == 1:
        return stride
    spacing, acts = _spacing(x), (1, 1, 1)
    steps = [2] * (stride.bit_length() - 1) if stride.bit_count() == 1 else [stride]
    for step in steps:
        lengths = [length * done for length, done in zip(spacing, acts, strict=True)]
        finest = min((each for each, size in zip(lengths, x.shape[1:-1], strict=True) if size > 1), default=lengths[0])
        acts = tuple(
            done * step if length < RATIO * finest else done for done, length in zip(acts, lengths, strict=True)
        )
    return acts


def window(size, stride, acts):
    """A pooling window `size` of a `stride` of which `acts` is left: windows that do not overlap shrink with it."""
    if stride == acts:
        return size
    sizes = (size,) * len(acts) if isinstance(size, int) else size
    return tuple(min(n, act) if n <= stride else n for n, act in zip(sizes, acts, strict=True))


def followed(x, stride, y):
    """`y`, after it is written down that it was made of `x` with this stride (one number, or one per axis)."""
    grids = _grids.get()
    if grids is not None and len(x.shape) == 5 and y.shape[1:-1] != x.shape[1:-1]:
        strides = (stride,) * 3 if isinstance(stride, int) else stride
        grids[y.shape[1:-1]] = tuple(a * b for a, b in zip(_spacing(x), strides, strict=True))
    return y


def between(fine, coarse, usual: int = 2):
    """The stride that leads from one map of a network to a coarser one: what a decoder has to undo.

    Args:
        usual: the stride where no spacing is known, along all axes.
    """
    if _grids.get() is None or len(fine.shape) != 5:
        return usual
    return tuple(round(b / a) for a, b in zip(_spacing(fine), _spacing(coarse), strict=True))


def _spacing(x) -> tuple[float, ...]:
    if x.shape[1:-1] not in _grids.get():
        raise BadInput(f"spacing_mm cannot be followed to maps of {x.shape[1:-1]}: this network has strides of its own")
    return _grids.get()[x.shape[1:-1]]
