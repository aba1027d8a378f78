"""Images and what a restoration should make of them: decoded once, and kept on disk on the image's own pixels."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from radzoo.atomic import whole as written
from radzoo.data.aligned import beside, check_pair
from radzoo.data.cases import worked
from radzoo.data.mapped import mapped
from radzoo.data.masks import read_mask
from radzoo.data.store import WHITE, cache_folder, image_digest
from radzoo.data.worse import Worse
from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.images.paths import EXAMPLE, file_of, shown
from radzoo.images.volumes import Volume
from radzoo.images.volumes.fitted import percentiles

FORMAT = 2  # counts up when the same files would be decoded to other numbers


class Pairs:
    """Images, targets, and label maps of what they show where there are some.

    Args:
        spec: what the network expects; its channels are those of the image.
        window: `(center, width)` of the target, None for that of the image.
        worse: makes the image of its target; None where both are files.
        folder: default is `<cache>/pairs/<digest of the transform>`.
    """

    def __init__(self, spec: Input, window, worse: Worse | None, folder: Path | None = None):
        self.spec, self.worse = spec, worse
        self.sources: dict[str, str] = {}  # the paths of images, by key
        self.wanted = replace(
            spec, shape=(*spec.shape[:-1], 1), window=window or spec.window, files=1, mean=(0.0,), std=(1.0,),
            scale=1.0, modality=() if window else spec.modality,
        )  # fmt: skip
        transform = {
            "format": FORMAT, "channels": spec.shape[-1], "rank": len(spec.shape), "window": spec.window,
            "target": window, "modality": spec.modality, "uneven": spec.uneven, "files": spec.files,
            "worse": worse and worse.told,
        }  # fmt: skip
        name = hashlib.sha256(json.dumps(transform, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = Path(folder) if folder else cache_folder() / "pairs" / name

    def add(self, paths, targets, masks, *, progress: bool = True) -> list[str]:
        """Decodes what is not there yet; returns the key of each pair.

        Args:
            paths: of images, as in `Index.table`.
            targets: of each the path of its target; empty where `worse` makes the image.
            masks: of each the path of its label map, empty for none.
        Raises:
            BadInput: the first image that cannot be used, and how many others; the good ones are kept.
        """
        from tqdm import tqdm

        keys, bad = [], []
        rows = list(zip(paths, targets, masks, strict=True))
        for number, row in enumerate(tqdm(rows, "images", file=sys.stderr, disable=not progress), start=1):
            try:
                keys.append(self._add(*row))
            except BadInput as error:
                name = shown(row[0])
                bad.append(f"{name} (image {number} of {len(rows)}): {str(error).removeprefix(f'{name}: ')}")
        if bad:
            more = f" ({len(bad) - 1} more images cannot be used either)" if len(bad) > 1 else ""
            raise BadInput(f"{bad[0]}, or remove it from the index{more}")
        return keys

    def image(self, key: str) -> np.ndarray:
        """uint16 `(*size, channels)`, white is 65535, not read before it is looked at."""
        return mapped(self._path(key, "image"))

    def target(self, key: str) -> np.ndarray:
        """uint16 `(*size, 1)`, white is 65535."""
        return mapped(self._path(key, "target"))

    @property
    def same(self) -> bool:
        """Whether image and target are of one kind, so that one can be compared with the other."""
        return self.wanted.window == self.spec.window and self.spec.shape[-1] == 1

    def again(self, key: str) -> np.ndarray:
        """The image of a second scan with noise of its own: what both differ by is noise and nothing else."""
        path = self._path(key, "rescan")
        if not path.is_file():
            good = self.spec.opened(self.sources[key])[0]  # the kept target is cut to the window: rays need all of it
            generator = np.random.default_rng((int(key[:16], 16), 1))
            image = worked(self.spec, [self.worse(good, generator)], whole=False)[0]
            with written(path) as temporary, open(temporary, "wb") as file:
                np.save(file, np.round(image * WHITE).astype("uint16"))
        return mapped(path)

    def labels(self, key: str) -> np.ndarray | None:
        """The label map on the image's pixels, or None where it has none."""
        return mapped(self._path(key, "labels")) if self.facts(key)["values"] else None

    def facts(self, key: str) -> dict:
        """`size spacing_mm` along the axes, `modality`, `applied`, `content` (a hash of the decoded image), `values` of
        its label map, `beside` (`data.aligned`; None of a pair that cannot be compared)."""
        return json.loads(self._path(key, "json").read_text(encoding="utf-8"))

    def digests(self, keys) -> list[str]:
        """Equal for identical images, whatever their targets and files."""
        return [self.facts(key)["content"] for key in keys]

    def _path(self, key: str, what: str) -> Path:
        return self.folder / key[:2] / (f"{key}.{what}" + ("" if what == "json" else ".npy"))

    def _add(self, path: str, target: str, mask: str) -> str:
        if EXAMPLE.match(path):
            raise BadInput("an image of a dataset came, expected a file: name the index that the dataset was made of")
        for file in filter(None, (target, mask)):
            if not os.path.exists(file_of(file)):
                raise BadInput(f"{os.path.basename(file)} does not exist: mend the path in the index")
        digests = [image_digest(each) if each else "" for each in (path, target, mask)]
        key = hashlib.sha256("\n".join(digests).encode()).hexdigest()
        self.sources[key] = path
        if not all(self._path(key, what).is_file() for what in ("json", "image", "target")):
            self._write(key, path, target, mask)
        for what in ("image", "target"):
            mapped(self._path(key, what))
        return key

    def _scaled(self, image) -> Input:
        """How the target is read: where percentiles are the window, by those of the image, since noise moves them."""
        if self.wanted.window != self.spec.window or not isinstance(self.spec.window, str):
            return self.wanted
        if isinstance(image, Volume):
            low, high = np.percentile(image.values, percentiles(self.spec.window))
            width = float(high - low) + 1  # `intensity.ends`
            return replace(self.wanted, window=(float(low) + width / 2, width))
        if self.spec.window != "header":
            raise BadInput(
                f"window {self.spec.window!r} would scale the image and its target each by its own values: pass "
                "--window header, or center and width"
            )
        return self.wanted

    def _write(self, key: str, path: str, target: str, mask: str) -> None:
        images = self.spec.opened(path)
        wanted = self.wanted.opened(target)[0] if target else images[0]
        if target:
            check_pair(images[0], wanted)
        else:
            images = [self.worse(images[0], np.random.default_rng(int(key[:16], 16)))]
        values, facts = worked(self.spec, images, whole=False)
        aim, aimed = worked(self._scaled(images[0]), [wanted], whole=False)
        _check_told(values, aim, self.same)
        facts["beside"] = beside(values, aim) if target and self.same else None
        facts["burnt_in"] = facts["burnt_in"] or aimed["burnt_in"]  # both are shown
        facts |= {"content": aimed["content"] if not target else facts["content"], "values": []}
        arrays = {"image": np.round(values * WHITE).astype("uint16"), "target": np.round(aim * WHITE).astype("uint16")}
        if mask:
            arrays["labels"] = read_mask(mask, wanted)[0]
            facts["values"] = [int(each) for each in np.unique(arrays["labels"]) if each]
        self._path(key, "json").parent.mkdir(parents=True, exist_ok=True)
        for what, array in arrays.items():
            with written(self._path(key, what)) as temporary, open(temporary, "wb") as file:
                np.save(file, array)
        with written(self._path(key, "json")) as temporary:  # last: where it is, all is
            temporary.write_text(json.dumps(facts), encoding="utf-8")


def _check_told(image: np.ndarray, target: np.ndarray, same: bool) -> None:
    """What no measure can be taken of is said before hours of training.

    Args:
        image: `(*size, channels)`, and target `(*size, 1)`, in 0..1.
        same: both are of one kind.
    """
    if target.min() == target.max():
        raise BadInput("all pixels of the target are equal within the window: take another window")
    if same and np.array_equal(image, target):
        raise BadInput("the image equals its target: name the degraded and the wanted one")
