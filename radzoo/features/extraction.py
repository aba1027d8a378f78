"""Features of images, computed once and kept."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from radzoo.atomic import whole
from radzoo.data import Store, batches, cache_folder
from radzoo.errors import BadInput

CHUNK = 8  # batches between two writes to the cache


def extractor(model: keras.Model) -> keras.Model:
    """From the input of a `create_model(..., head="pool")` to its pooled features `(batch, channels)`."""
    return keras.Model(model.inputs[0], model.get_layer("head_pool").output, name=f"{model.name}_features")


def extract(model: keras.Model, store: Store, keys, *, batch: int, folder: Path | None = None, progress=True):
    """Features of every image, computed where the cache does not have them.

    Args:
        model: `extractor(...)`; the cache's folder is named by all of its weights and by the input's transform.
        keys: of `store.add`.
        folder: default is `<cache>/features/<digest>`.

    Returns:
        float32 `(len(keys), channels)`.
    """
    from tqdm import tqdm

    folder = folder or cache_folder() / "features" / _digest(model, store)
    paths = {key: folder / key[:2] / f"{key}.npy" for key in keys}
    absent = [key for key, path in paths.items() if not path.exists()]
    bar = tqdm(total=len(absent), desc=f"{model.name}", file=sys.stderr, disable=not progress or not absent)
    for start in range(0, len(absent), CHUNK * batch):
        part = absent[start : start + CHUNK * batch]
        images = batches(store, part, np.zeros((len(part), 1)), batch=batch)
        for key, row in zip(part, model.predict(images, verbose=0), strict=False):  # the last batch is padded
            _write(paths[key], row.astype("float32"))  # np.save cannot keep bfloat16
        bar.update(len(part))
    bar.close()
    return np.stack([np.load(paths[key]) for key in keys])


def _digest(model: keras.Model, store: Store) -> str:
    place = {"spec": asdict(store.spec), "pixels": store.folder.name, "backend": keras.backend.backend()}
    digest = hashlib.sha256(json.dumps(place, sort_keys=True).encode())
    for weight in model.weights:
        digest.update(weight.path.encode() + np.ascontiguousarray(weight).tobytes())
    digest.update(re.sub(r"_\d+\b", "", model.to_json()).encode())  # Keras numbers what has no name by its process
    return digest.hexdigest()[:16]


def _write(path: Path, row: np.ndarray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as temporary, open(temporary, "xb") as file:
            np.save(file, row)
    except OSError as error:
        raise BadInput(f"cannot write to {path.parent}: {error.strerror}; make room, or set RADZOO_CACHE") from None
