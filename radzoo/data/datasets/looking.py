"""What will be written, before anything is: every image is decoded once, patients are dealt, shards are cut."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from radzoo.data.datasets.layout import IMAGE_TYPES, Told, narrowest, read_image
from radzoo.data.masks import read_mask
from radzoo.data.store import image_digest
from radzoo.errors import BadInput
from radzoo.images.paths import separated, shown

LARGEST = 2**31 - 2**24  # bytes of an example: a protocol buffer holds 2 GiB, and names need room
LOOKED = "looked.jsonl"


@dataclass(frozen=True)
class Look:
    """What one row of the index holds.

    Attributes:
        key: of its images' files, by which patients are dealt.
        content: sha256 of what was decoded, the mask included.
        shown: sha256 of the images alone.
        dtypes: of the images.
        channels: of the images: 1 or 3.
        voxels: of the images together.
        mask_voxels, labels: of the mask: how many, and the greatest label.
        segments: their names, in the order of their labels.
    """

    key: str
    content: str
    shown: str
    dtypes: tuple[str, ...]
    channels: int
    voxels: int
    mask_voxels: int = 0
    labels: int = 0
    segments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """The images of one row, decoded."""

    images: list
    mask: np.ndarray | None
    segments: tuple[str, ...]

    def contents(self) -> tuple[str, str]:
        """The sha256 of images and mask, and of the images alone."""
        shown = hashlib.sha256(b"".join(image.content() for image in self.images))
        whole = shown.copy()
        if self.mask is not None:
            whole.update(self.mask.tobytes())
        return whole.hexdigest(), shown.hexdigest()


def read_row(path: str, mask: str | None, told: Told, uneven: str) -> Row:
    """The images of a row (`paths.joined`), and its mask in the frame of the first."""
    images = [read_image(each, told, uneven) for each in separated(path)]
    array, segments = read_mask(mask, images[0]) if mask else (None, ())
    return Row(images, array, segments)


def look(paths: list[str], read: Callable[[int], Row], folder: Path, *, progress: bool) -> list[Look]:
    """Decodes every row once; what was seen is kept in `folder`, so that a second call goes on.

    Args:
        paths: of the rows.
        read: the row at a position.
    Raises:
        BadInput: rows that cannot be used; all others have been looked at.
    """
    from tqdm import tqdm

    file, bad = folder / LOOKED, []
    seen = _kept(file)
    with open(file, "a", encoding="utf-8") as kept:
        places = tqdm(range(len(paths)), "looking", file=sys.stderr, disable=not progress)
        for place in places:
            if str(place) in seen:
                continue
            try:
                seen[str(place)] = _looked(paths[place], read(place))
            except BadInput as error:
                bad.append(
                    f"{shown(paths[place])} (image {place + 1} of {len(paths)}): {_without(error, paths[place])}"
                )
                continue
            kept.write(json.dumps({str(place): asdict(seen[str(place)])}) + "\n")
            kept.flush()
    if bad:
        more = f" ({len(bad) - 1} more images cannot be used either)" if len(bad) > 1 else ""
        raise BadInput(f"{bad[0]}, or remove it from the index{more}")
    return [seen[str(place)] for place in range(len(paths))]


def _without(error: BadInput, path: str) -> str:
    return str(error).removeprefix(f"{shown(path)}: ")


def _kept(file: Path) -> dict[str, Look]:
    """What an earlier call saw; a last line that was cut off is looked at again."""
    seen = {}
    if file.exists():
        lines = file.read_bytes().split(b"\n")
        for line in lines[:-1]:
            for place, kept in json.loads(line).items():
                seen[place] = Look(**{key: tuple(v) if isinstance(v, list) else v for key, v in kept.items()})
        file.write_bytes(b"".join(line + b"\n" for line in lines[:-1]))
    return seen


def _looked(path: str, row: Row) -> Look:
    content, images = row.contents()
    arrays = [image.values for image in row.images]
    return Look(
        key=image_digest(path),
        content=content,
        shown=images,
        dtypes=tuple(narrowest(image) for image in row.images),
        channels=max(array.shape[-1] if array.ndim == 3 and array.shape[-1] == 3 else 1 for array in arrays),
        voxels=sum(array.size for array in arrays),
        mask_voxels=0 if row.mask is None else row.mask.size,
        labels=0 if row.mask is None else int(row.mask.max()),
        segments=row.segments,
    )


def common_type(looks: list[Look], told: Told) -> str:
    """The smallest type that holds all images exactly."""
    kinds = sorted({dtype for each in looks for dtype in each.dtypes})
    return np.result_type(*kinds).name if told.volumes else max(kinds, key=IMAGE_TYPES.index)


def sizes(looks: list[Look], dtype: str, mask_dtype: str, name: Callable[[int], str]) -> np.ndarray:
    """Bytes of each row before compression.

    Raises:
        BadInput: a row that no example can hold.
    """
    found = [
        each.voxels * np.dtype(dtype).itemsize + each.mask_voxels * np.dtype(mask_dtype).itemsize for each in looks
    ]
    if max(found) > LARGEST:
        place = int(np.argmax(found))
        raise BadInput(
            f"{name(place)} has {looks[place].voxels} voxels, {found[place] / 2**30:.2f} GiB as {dtype}: an example "
            f"holds {LARGEST / 2**30:.2f} GiB at most, resample or crop this volume"
        )
    return np.array(found)


def shards(places: list[int], looks: list[Look], bytes_each: np.ndarray, limit: int) -> list[list[int]]:
    """Rows of one part, in an order that only the images decide, in shards of about `limit` bytes."""
    ordered = sorted(places, key=lambda place: (looks[place].key, place))
    total = int(bytes_each[places].sum())
    count = min(len(places), max(1, math.ceil(total / limit)))
    ends = np.cumsum(bytes_each[ordered])
    numbers = np.minimum((ends - bytes_each[ordered] / 2) * count // total, count - 1).astype(int)
    return [found for number in range(count) if (found := [ordered[i] for i in np.flatnonzero(numbers == number)])]
