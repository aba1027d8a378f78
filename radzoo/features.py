"""Fixed features: the backbone runs once per image, then scikit-learn classifies."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from radzoo.atomic import whole
from radzoo.data import Store, batches, cache_folder
from radzoo.data.stratify import stratify
from radzoo.errors import BadInput
from radzoo.metrics import auc

FOLDS = 5
LONE = "A label has (or lacks) a single training patient, so no support vector machine was tried on the fixed features."
CHUNK = 8  # batches between two writes to the cache
# What skops may rebuild besides its own list; a run folder can name no other class.
TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",
)


def extractor(model: keras.Model) -> keras.Model:
    """From the input of a `create_model(..., head="pool")` to its pooled features `(batch, channels)`."""
    return keras.Model(model.input, model.get_layer("head_pool").output, name=f"{model.name}_features")


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


@dataclass(frozen=True)
class Choice:
    """The classifier that cross-validation on the training part chose, fitted on all of it."""

    detail: str
    classifier: object
    table: tuple[tuple[str, float], ...]  # candidate, mean AUC over the folds
    note: str = ""  # what the reader of the report must know

    def probability(self, features: np.ndarray) -> np.ndarray:
        """`(n, k)` probabilities: binary k=1, multiclass k classes, multilabel k labels."""
        return _probability(self.classifier, features)


def choose(
    features, labels, patients, *, task: str, class_weights: bool = True, seed: int = 0, progress=True
) -> Choice:
    """Logistic regression, support vector machine or random forest, by cross-validation grouped by patient.

    Args:
        features: `(n, channels)` of the training part; nothing else may be shown to this function.
        labels: `(n, k)` as in `data.Index`.
        patients: `(n,)`; a patient is in one fold only.

    A multilabel column that a single patient has (or lacks) cannot be held out and learned from at once: the support
    vector machine, which needs that for its probabilities, is then left out, and the note says so.

    Raises:
        BadInput: a class of a binary or multiclass task has fewer than two patients.
    """
    from tqdm import tqdm

    folds = patient_folds(labels, patients, task=task, seed=seed)
    target = _target(labels, task)
    scores = {}
    candidates = _candidates(task, class_weights, seed)
    lone = _kinds(labels, patients, task).sum(0).min() < 2
    if lone:
        candidates = {name: make for name, make in candidates.items() if "support vector" not in name}
    for name, make in tqdm(candidates.items(), "classifiers", file=sys.stderr, disable=not progress):
        scores[name] = np.nanmean([_fold_auc(make(None), features, target, labels, *fold) for fold in folds])
    best = max(scores, key=scores.get)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = candidates[best](folds).fit(features, target)
    table = tuple((name, float(score)) for name, score in scores.items())
    return Choice(best, fitted, table, LONE if lone else "")


def patient_folds(labels, patients, *, task: str, seed: int, count: int = FOLDS) -> list[tuple[np.ndarray, np.ndarray]]:
    """Up to `count` pairs of training and validation positions, stratified by label, each patient in one fold."""
    kinds = _kinds(labels, patients, task)
    rarest = int(kinds.sum(0).min())
    if rarest < 2 and task != "multilabel":
        raise BadInput("a class has one patient in the training part: choosing a classifier needs at least two")
    count = min(count, len(kinds) if task == "multilabel" else rarest)
    patient = np.unique(np.asarray(patients), return_inverse=True)[1]
    part = stratify(kinds, np.ones(len(kinds)), np.full(count, 1 / count), np.random.default_rng(seed))[patient]
    return [(np.flatnonzero(part != i), np.flatnonzero(part == i)) for i in range(count)]


def _kinds(labels, patients, task: str) -> np.ndarray:
    """`(patients, kinds)`: which patients have which class; to lack a label is a class too."""
    patient = np.unique(np.asarray(patients), return_inverse=True)[1]
    labels = labels if task == "multiclass" else np.hstack([labels, 1 - labels])
    kinds = np.zeros((patient.max() + 1, labels.shape[1]))
    np.maximum.at(kinds, patient, labels)
    return kinds


def save_classifier(choice: Choice, path: Path) -> None:
    """Writes the classifier in the format of skops, which runs no code when it is read."""
    import skops.io

    skops.io.dump({"detail": choice.detail, "classifier": choice.classifier}, path)


def load_classifier(path: Path) -> Choice:
    """Reads what `save_classifier` wrote; a file that names any other class than scikit-learn's is refused."""
    import skops.io

    strange = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
    if strange:
        raise BadInput(f"{path.name} asks for {', '.join(sorted(strange))}, which no run of radzoo writes: not loaded")
    content = skops.io.load(path, trusted=list(TRUSTED))
    return Choice(content["detail"], content["classifier"], ())


def _candidates(task: str, class_weights: bool, seed: int) -> dict:
    """Name -> function of the folds that makes an unfitted classifier.

    With folds, the support vector machine gets probabilities from a sigmoid on its out-of-fold scores (Platt); while
    candidates are compared its scores are enough.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    weight = "balanced" if class_weights else None
    each = OneVsRestClassifier if task == "multilabel" else (lambda classifier: classifier)

    def logistic(C):
        return lambda folds: make_pipeline(
            StandardScaler(), each(LogisticRegression(C=C, max_iter=2000, class_weight=weight))
        )

    def svm(C):
        def make(folds):
            machine = SVC(C=C, class_weight=weight)
            if folds is not None:
                machine = CalibratedClassifierCV(machine, cv=folds, ensemble=False)
            return make_pipeline(StandardScaler(), each(machine))

        return make

    def forest(leaf):
        return lambda folds: RandomForestClassifier(
            300, min_samples_leaf=leaf, class_weight=weight, random_state=seed, n_jobs=-1
        )

    return (
        {f"logistic regression, C={C:g}": logistic(C) for C in (1e-4, 1e-3, 1e-2, 1e-1)}
        | {f"support vector machine, C={C:g}": svm(C) for C in (0.1, 1, 10)}
        | {f"random forest, leaves of {leaf}": forest(leaf) for leaf in (1, 5)}
    )


def _fold_auc(classifier, features, target, labels, train, held_out) -> float:
    """Mean AUC over the classes that the fold holds; NaN where it holds none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rare label may be missing from a fold: its AUC is left out below
        classifier.fit(features[train], target[train])
        scores = _probability(classifier, features[held_out], scores=True)
        return float(np.nanmean([auc(*column) for column in zip(labels[held_out].T, scores.T, strict=True)]))


def _probability(classifier, features, *, scores: bool = False) -> np.ndarray:
    if scores and hasattr(classifier, "decision_function"):
        given = classifier.decision_function(features)
        if given.ndim == 1 and classifier.classes_.dtype != bool:  # a multiclass task with two classes
            given = np.stack([-given, given], axis=1)
    else:
        given = classifier.predict_proba(features)
        if isinstance(given, list):  # a forest of several labels; of a constant label it knows one class alone
            pairs = zip(given, classifier.classes_, strict=True)
            given = np.stack([p[:, 1] if len(known) > 1 else np.full(len(p), known[0]) for p, known in pairs], axis=1)
        elif classifier.classes_.dtype == bool:  # binary, see `_target`
            given = given[:, 1]
    return given.reshape(len(features), -1)


def _target(labels: np.ndarray, task: str) -> np.ndarray:
    """Labels as scikit-learn wants them; the type says whether two classes are one column of probabilities or two."""
    if task == "multilabel":
        return labels.astype(int)
    return labels.argmax(1) if task == "multiclass" else labels[:, 0].astype(bool)


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
