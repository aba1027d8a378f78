"""Images with their masks: decoded once, and kept on disk on the grid that a segmentation network works on.

Labels are kept as they stand in the files; what they mean (`data.classes`) is looked up when they are read.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from radzoo.atomic import whole as written
from radzoo.data.classes import Meaning
from radzoo.data.mapped import mapped
from radzoo.data.masks import read_mask
from radzoo.data.store import WHITE, cache_folder, image_digest
from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.images.paths import EXAMPLE, separated, shown
from radzoo.images.volumes import Volume

FORMAT = 1  # counts up when the same files would be decoded to other numbers


class Cases:
    """Images on the working grid as uint16 arrays, masks of all readers on the image's own pixels.

    The working grid is `spec.shape`, into which the whole image is scaled (`whole`); otherwise the image's own pixels,
    or for volumes `spec.spacing_mm`. `scale` and `offset` of the facts lead from a pixel of the image to the working
    grid, axis by axis: `working = own * scale + offset`.

    Args:
        spec: what the network expects.
        whole: whether it sees whole images rather than windows of them.
        folder: default is `<cache>/cases/<digest of the transform>`.
    """

    def __init__(self, spec: Input, *, whole: bool, folder: Path | None = None):
        transform = {
            "format": FORMAT, "shape": spec.shape if whole else spec.shape[-1:], "window": spec.window,
            "modality": spec.modality, "spacing_mm": spec.spacing_mm, "uneven": spec.uneven, "files": spec.files,
            "rank": len(spec.shape),
        }  # fmt: skip
        name = hashlib.sha256(json.dumps(transform, sort_keys=True).encode()).hexdigest()[:16]
        self.spec, self.whole = spec, whole
        self.folder = Path(folder) if folder else cache_folder() / "cases" / name

    def add(self, paths, masks, *, progress: bool = True) -> list[str]:
        """Decodes what is not there yet; returns the key of each case.

        Args:
            paths: of images, as in `Index.table`.
            masks: of each the paths of its masks (`paths.joined`), empty for a reader who drew none.
        Raises:
            BadInput: the first image or mask that cannot be used, and how many others; the good ones are kept.
        """
        from tqdm import tqdm

        keys, bad = [], []
        both = list(zip(paths, masks, strict=True))
        for number, (path, mask) in enumerate(tqdm(both, "cases", file=sys.stderr, disable=not progress), start=1):
            try:
                keys.append(self._add(path, separated(mask)))
            except BadInput as error:
                bad.append(
                    f"{shown(path)} (image {number} of {len(both)}): {str(error).removeprefix(f'{shown(path)}: ')}"
                )
        if bad:
            more = f" ({len(bad) - 1} more cases cannot be used either)" if len(bad) > 1 else ""
            raise BadInput(f"{bad[0]}, or remove it from the index{more}")
        return keys

    def image(self, key: str) -> np.ndarray:
        """uint16 `(*working, channels)`, white is 65535, not read before it is looked at."""
        return mapped(self._path(key, "image"))

    def labels(self, key: str, meaning: Meaning) -> np.ndarray:
        """uint8 classes on the working grid."""
        facts = self.facts(key)
        return nearest(self.truth(key, meaning), facts["scale"], facts["offset"], facts["working"])

    def objects(self, key: str) -> np.ndarray:
        """The labels of the first mask on the working grid, as they are: uint16."""
        facts = self.facts(key)
        return nearest(self.stored(key)[0], facts["scale"], facts["offset"], facts["working"])

    def stored(self, key: str) -> np.ndarray:
        """uint16 `(readers, *own size)`, as it stands in the masks."""
        return mapped(self._path(key, "masks"))

    def truth(self, key: str, meaning: Meaning, reader: int = 0) -> np.ndarray:
        """uint8 classes of the image's own pixels, as one reader drew them."""
        facts = self.facts(key)
        names, values = facts["names"][reader], facts["values"][reader]
        table = meaning.table(tuple(names), max([1, *values]))
        return table[self.stored(key)[facts["readers"].index(reader)]]

    def facts(self, key: str) -> dict:
        """`size working scale offset spacing_mm` along the axes, `modality`, `applied`, `content` (a hash of the
        decoded image), and of each reader `names` of segments and `values` of labels; `readers` who drew this one."""
        return _facts(self._path(key, "json"))

    def shown(self, key: str) -> np.ndarray:
        """The image as the network sees it, on its own pixels: float32 `(*own size)` in 0..1, or colours last."""
        colours = self.spec.photometric == "RGB"
        channels = np.moveaxis(self.image(key), -1, 0)[: None if colours else 1]
        values = np.stack([interpolated(each, self.facts(key)) for each in channels], -1) / np.float32(WHITE)
        return values if colours else values[..., 0]

    def digests(self, keys) -> list[str]:
        """Equal for identical images, whatever their masks and files."""
        return [self.facts(key)["content"] for key in keys]

    def _path(self, key: str, what: str) -> Path:
        return self.folder / key[:2] / (f"{key}.{what}" + ("" if what == "json" else ".npy"))

    def _add(self, path: str, masks: list[str]) -> str:
        if any(EXAMPLE.match(each) for each in (path, *masks)):
            raise BadInput("masks of a dataset came, expected files: name the index that the dataset was made of")
        for file in filter(None, masks):
            if not os.path.exists(file):
                raise BadInput(f"the mask {os.path.basename(file)} does not exist: mend the path in the index")
        digests = [image_digest(each) if each else "" for each in (path, *masks)]
        key = hashlib.sha256("\n".join(digests).encode()).hexdigest()
        if not all(self._path(key, what).is_file() for what in ("json", "image", "masks")):
            self._write(key, path, masks)
        for what in ("image", "masks"):
            mapped(self._path(key, what))
        return key

    def _write(self, key: str, path: str, masks: list[str]) -> None:
        images = self.spec.opened(path)
        values, facts = worked(self.spec, images, self.whole)
        readers = [reader for reader, mask in enumerate(masks) if mask]
        read = {reader: read_mask(masks[reader], images[0]) for reader in readers}
        drawn = np.stack([read[reader][0] for reader in readers])
        facts |= {
            "names": [list(read[each][1]) if each in read else [] for each in range(len(masks))],
            "values": [np.unique(read[each][0]).tolist() if each in read else [] for each in range(len(masks))],
            "readers": readers,
        }
        self._path(key, "json").parent.mkdir(parents=True, exist_ok=True)
        for what, array in (("image", np.round(values * WHITE).astype("uint16")), ("masks", drawn)):
            with written(self._path(key, what)) as temporary, open(temporary, "wb") as file:
                np.save(file, array)
        with written(self._path(key, "json")) as temporary:  # last: where it is, all is
            temporary.write_text(json.dumps(facts), encoding="utf-8")


@cache
def _facts(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def worked(spec: Input, images, whole: bool) -> tuple[np.ndarray, dict]:
    """An opened image or volume on the working grid, float32 `(*working, channels)` in 0..1, and its facts."""
    first = images[0]
    if whole and not spec.volume:
        values = spec.fit(*images)
        scale, offset = _letterboxed(first.size, spec.shape[:2])
    else:
        values, grid = spec.fit_on_grid(*images) if whole else spec.unfitted(*images)
        scale, offset = _between(first, grid) if isinstance(first, Volume) else ((1.0, 1.0), (0.0, 0.0))
    return values, {
        "size": [int(side) for side in first.size],
        "working": [int(side) for side in values.shape[:-1]],
        "scale": [float(each) for each in scale],
        "offset": [float(each) for each in offset],
        "spacing_mm": None if first.spacing_mm is None else [float(each) for each in first.spacing_mm],
        "spacing_source": first.spacing_source,
        "modality": first.modality,
        "burnt_in": getattr(first, "burnt_in", None),
        "applied": [step for image in images for step in image.applied],
        "content": hashlib.sha256(b"".join(each.content() for each in images)).hexdigest(),
    }


def nearest(labels: np.ndarray, scale, offset, shape) -> np.ndarray:
    """Labels on the working grid `shape`: of each working pixel the nearest own one, outside of the image 0."""
    if _same(scale, offset, labels.shape, shape):
        return labels
    places = [np.rint((np.arange(n) - b) / a).astype(int) for n, a, b in zip(shape, scale, offset, strict=True)]
    inside = [(each >= 0) & (each < n) for each, n in zip(places, labels.shape, strict=True)]
    found = np.zeros(tuple(shape), labels.dtype)
    found[np.ix_(*inside)] = labels[np.ix_(*(each[ok] for each, ok in zip(places, inside, strict=True)))]
    return found


def own(labels: np.ndarray, facts: dict) -> np.ndarray:
    """Classes from the working grid on the image's own pixels: of each the nearest, beyond the grid background."""
    if same_grid(facts):
        return labels
    places, inside = _places(facts)
    places = [each.round().astype(int).clip(0, n - 1) for each, n in zip(places, facts["working"], strict=True)]
    return labels[np.ix_(*places)] * _box(inside)


def interpolated(values: np.ndarray, facts: dict) -> np.ndarray:
    """Numbers of the working grid `(*working)` on the image's own pixels, linearly: float32."""
    if same_grid(facts):
        return values
    move = {"output_shape": tuple(facts["size"]), "order": 1, "mode": "nearest", "prefilter": False}
    values = np.asarray(values, "float32")
    return ndimage.affine_transform(values, np.array(facts["scale"]), np.array(facts["offset"]), **move)


def likeliest(probability: np.ndarray, facts: dict) -> np.ndarray:
    """Probabilities `(*working, classes)` -> uint8 classes of the image's own pixels; one by one, to save memory."""
    best = interpolated(probability[..., 0], facts)
    labels = np.zeros(best.shape, "uint8")
    for each in range(1, probability.shape[-1]):
        other = interpolated(probability[..., each], facts)
        labels[other > best] = each
        best = np.maximum(best, other)
    return labels if same_grid(facts) else labels * _box(_places(facts)[1])


def same_grid(facts: dict) -> bool:
    """Whether the working grid is that of the image's own pixels."""
    return _same(facts["scale"], facts["offset"], facts["working"], facts["size"])


def _places(facts: dict) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Axis by axis where own pixels lie on the working grid, and whether that is less than a pixel beyond it."""
    places = [np.arange(n) * a + b for n, a, b in zip(facts["size"], facts["scale"], facts["offset"], strict=True)]
    return places, [(each > -1) & (each < n) for each, n in zip(places, facts["working"], strict=True)]


def _box(inside: list[np.ndarray]) -> np.ndarray:
    """The product of what is inside along each axis: uint8."""
    box = np.ones((), "uint8")
    for each in inside:
        box = box[..., None] * each.astype("uint8")
    return box


def _same(scale, offset, one, two) -> bool:
    return tuple(one) == tuple(two) and np.allclose(scale, 1, atol=1e-6) and np.allclose(offset, 0, atol=1e-3)


def _letterboxed(size, shape) -> tuple[list[float], list[float]]:
    """Where `geometry.letterbox` puts the pixels of an image."""
    ratio = min(side / length for side, length in zip(shape, size, strict=True))
    inner = [min(side, max(1, round(length * ratio))) for side, length in zip(shape, size, strict=True)]
    scale = [new / length for new, length in zip(inner, size, strict=True)]
    return scale, [each / 2 - 0.5 + (side - new) // 2 for each, side, new in zip(scale, shape, inner, strict=True)]


def _between(own: Volume, grid: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Both grids have the same axes, so that only the diagonal moves."""
    there = np.linalg.inv(grid.affine) @ own.affine
    return np.diag(there)[:3], there[:3, 3]
