"""Batches for a network, out of the store. The only file that needs TensorFlow."""

from __future__ import annotations

import contextlib
from dataclasses import asdict

import numpy as np

from radzoo.data.store import Store
from radzoo.images.augment import augment as change
from radzoo.recipe import Augment


def batches(
    store: Store,
    keys,
    labels: np.ndarray,
    *,
    batch: int,
    augment: Augment | None = None,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = False,
    sample_weight: np.ndarray | None = None,
    workers: int = 2,
):
    """One epoch of images and labels, a pure function of `(seed, epoch, image)`.

    Every batch is full, so that nothing is compiled twice. With `shuffle` (training) the last one is filled from the
    start of the shuffled order; without, it repeats the last image: trim predictions to `len(keys)`. These repeats
    weigh 0 where there are weights.

    Args:
        keys: of `store.add`.
        labels: `(n, k)`.
        augment: for training images; None leaves images as they are.
        sample_weight: `(n,)`.
        workers: batches that are made at the same time.
    Returns:
        `tf.data.Dataset` of `(images, labels)` or `(images, labels, weights)`: float32 `(batch, h, w, channels)`
        normalised for the network, `(batch, k)`, `(batch,)`.
    """
    import tensorflow as tf

    keys, columns = list(keys), [np.asarray(labels, "float32")]
    order, real = _order(len(keys), batch, seed, epoch, shuffle)
    if sample_weight is not None:
        columns.append(np.asarray(sample_weight, "float32"))

    def make(number):
        chosen = order[number]
        images = np.stack([_image(store, keys[i], augment, seed, epoch) for i in chosen])
        rows = [column[chosen] for column in columns]
        if sample_weight is not None:
            rows[1] = rows[1] * real[number]
        return store.spec.normalise(images).astype("float32"), *rows

    shapes = [(batch, *store.spec.shape)] + [(batch, *column.shape[1:]) for column in columns]

    def load(number):
        tensors = tf.numpy_function(make, [number], [tf.float32] * len(shapes))
        return tuple(tf.ensure_shape(t, s) for t, s in zip(tensors, shapes, strict=True))

    numbers = tf.data.Dataset.range(len(order))
    return numbers.map(load, num_parallel_calls=workers, deterministic=True).prefetch(workers)


def settle_threads() -> bool:
    """Lets TensorFlow run one operation at a time, so that the same seed gives the same numbers on a CPU.

    Operations that finish in another order add up gradients in another order. Each may still use all cores.

    Returns:
        Whether it holds; False with a GPU, on another backend than TensorFlow (there it is not known), or where
        TensorFlow had already started with more threads.
    """
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":  # TensorFlow only feeds: it must not take the GPU's memory
        with contextlib.suppress(RuntimeError):
            tf.config.set_visible_devices([], "GPU")
        return False
    if tf.config.list_physical_devices("GPU"):
        return False
    with contextlib.suppress(RuntimeError):  # too late
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf.config.threading.get_inter_op_parallelism_threads() == 1


def _order(count: int, batch: int, seed: int, epoch: int, shuffle: bool) -> tuple[np.ndarray, np.ndarray]:
    """Positions `(steps, batch)`, and 1 where a position is no repeat, 0 where it pads an evaluation."""
    steps = -(-count // batch)
    if shuffle:
        order = np.random.default_rng((seed, epoch)).permutation(count)
        return np.resize(order, (steps, batch)), np.ones((steps, batch), "float32")
    order = np.arange(steps * batch).reshape(steps, batch)
    return np.minimum(order, count - 1), (order < count).astype("float32")


def _image(store: Store, key: str, augment: Augment | None, seed: int, epoch: int) -> np.ndarray:
    image = store[key]
    if augment is None:
        return image
    return change(image, np.random.default_rng((seed, epoch, int(key, 16))), **asdict(augment))
