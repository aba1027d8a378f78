"""The classifier or regressor on fixed features, chosen by cross-validation on the training part alone."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radzoo.data.stratify import kinds_of, stratify
from radzoo.errors import BadInput
from radzoo.features.candidates import candidates
from radzoo.metrics import monotone, score
from radzoo.metrics.score import WORST

FOLDS = 5
FEWEST, HELD = 4, 3  # patients of a regression, and of each of its folds where there are enough
LONE = "A label has (or lacks) a single training patient, so no support vector machine was tried on the fixed features."
# What skops may rebuild besides its own list; a run folder can name no other class.
TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",
)


@dataclass(frozen=True)
class Choice:
    """The classifier or regressor that cross-validation on the training part chose, fitted on all of it."""

    detail: str
    classifier: object
    table: tuple[tuple[str, float], ...]  # candidate, mean `metrics.score` over the folds
    note: str = ""  # what the reader of the report must know
    task: str = ""  # empty in files that know neither ordinal nor regression

    def probability(self, features: np.ndarray) -> np.ndarray:
        """`(n, k)` probabilities: binary k=1, multiclass k classes, multilabel k labels, ordinal cuts that do not
        increase; in a regression `(n, 1)` numbers in the units of the target."""
        given = _told(self.classifier, features, self.task)
        return monotone(given) if self.task == "ordinal" else given


def choose(
    features, labels, patients, *, task: str, class_weights: bool = True, seed: int = 0, progress=True
) -> Choice:
    """Logistic (in a regression: ridge) regression, support vector machine or random forest, by cross-validation
    grouped by patient. The highest mean of `metrics.score` decides: AUC, in a regression Spearman's correlation.

    Args:
        features: `(n, channels)` of the training part; nothing else may be shown to this function.
        labels: `(n, k)` as in `data.Index`; in a regression in their own units.
        patients: `(n,)`; a patient is in one fold only.

    A label or cut that a single patient has (or lacks) cannot be held out and learned from at once: the support
    vector machine, which needs that for its probabilities, is then left out, and the note says so.

    Raises:
        BadInput: a class of a binary or multiclass task has fewer than two patients, a regression fewer than four.
    """
    from tqdm import tqdm

    folds = patient_folds(labels, patients, task=task, seed=seed)
    target = _target(labels, task)
    scores = {}
    tried = candidates(task, class_weights, seed)
    lone = task != "regression" and _kinds(labels, patients, task).sum(0).min() < 2
    if lone:
        tried = {name: make for name, make in tried.items() if "support vector" not in name}
    for name, make in tqdm(tried.items(), "classifiers", file=sys.stderr, disable=not progress):
        scores[name] = np.nanmean([_fold_score(make(None), features, target, labels, task, *fold) for fold in folds])
    best = max(scores, key=scores.get)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = tried[best](folds).fit(features, target)
    table = tuple((name, float(reached)) for name, reached in scores.items())
    return Choice(best, fitted, table, LONE if lone else "", task)


def patient_folds(labels, patients, *, task: str, seed: int, count: int = FOLDS) -> list[tuple[np.ndarray, np.ndarray]]:
    """Up to `count` pairs of training and validation positions, stratified by label, each patient in one fold."""
    patient = np.unique(np.asarray(patients), return_inverse=True)[1]
    if task == "regression":
        if patient.max() + 1 < FEWEST:
            raise BadInput(f"{patient.max() + 1} patients in the training part: a regression needs at least {FEWEST}")
        count = min(count, max(2, (patient.max() + 1) // HELD))
        kinds = kinds_of(labels, patient, task, count)
    else:
        kinds, loose = _kinds(labels, patients, task), task in ("multilabel", "ordinal")
        rarest = int(kinds.sum(0).min())
        if rarest < 2 and not loose:
            raise BadInput("a class has one patient in the training part: choosing a classifier needs at least two")
        count = min(count, len(kinds) if loose else rarest)
    part = stratify(kinds, np.ones(len(kinds)), np.full(count, 1 / count), np.random.default_rng(seed))[patient]
    return [(np.flatnonzero(part != i), np.flatnonzero(part == i)) for i in range(count)]


def _kinds(labels, patients, task: str) -> np.ndarray:
    """`(patients, kinds)`: which patients have which class; to lack a label is a class too."""
    patient = np.unique(np.asarray(patients), return_inverse=True)[1]
    labels = labels if task == "multiclass" else np.hstack([labels, 1 - labels])
    return kinds_of(labels, patient, "multilabel", FOLDS)


def save_classifier(choice: Choice, path: Path) -> None:
    """Writes the classifier in the format of skops, which runs no code when it is read."""
    import skops.io

    skops.io.dump({"detail": choice.detail, "classifier": choice.classifier, "task": choice.task}, path)


def load_classifier(path: Path) -> Choice:
    """Reads what `save_classifier` wrote; a file that names any other class than scikit-learn's is refused."""
    import skops.io

    strange = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
    if strange:
        raise BadInput(f"{path.name} asks for {', '.join(sorted(strange))}, which no run of radzoo writes: not loaded")
    content = skops.io.load(path, trusted=list(TRUSTED))
    return Choice(content["detail"], content["classifier"], (), task=content.get("task", ""))


def _fold_score(classifier, features, target, labels, task: str, train, held_out) -> float:
    """`metrics.score` of a fold; NaN where it can tell nothing, as a fold without one of the classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rare label may be missing from a fold: its AUC is left out
        classifier.fit(features[train], target[train])
        reached = score(task, labels[held_out], _told(classifier, features[held_out], task, scores=True))
    return np.nan if reached == WORST and task != "regression" else reached


def _told(classifier, features, task: str, *, scores: bool = False) -> np.ndarray:
    """`(n, k)`: numbers, probabilities, or with `scores` whatever orders like them."""
    if task == "regression":
        return classifier.predict(features)[:, None]
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
    if task == "regression":
        return labels[:, 0].astype(float)
    if task in ("multilabel", "ordinal"):
        return labels.astype(int)
    return labels.argmax(1) if task == "multiclass" else labels[:, 0].astype(bool)
