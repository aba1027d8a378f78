"""What became of every tensor of a file and of every weight of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radzoo.errors import BadInput


@dataclass(frozen=True)
class Report:
    """What became of the tensors of a file and of the weights of a model, by variable path.

    Attributes:
        loaded: assigned as they are in the file.
        adapted: assigned after an adaptation to the input's channels; in an inflated model inflated, too.
        initialised: weights of the model that the file cannot have: its new head, its learned adapter of channels.
        skipped: tensors of the file's own head.
        inflated: assigned after they gained an axis (`radzoo.inflation`).
        transposed: assigned after their axes were brought into Keras' order.
        dropped: tensors that Keras has no use for, by their name in the file.
        notes: what was done to the names of the file, a clause each.
        rows: one `(path, shape, what became of it, name in the file)` for each of them, in the model's order.
    """

    weights: str
    loaded: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    initialised: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    inflated: tuple[str, ...] = ()
    transposed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rows: tuple[tuple[str, str, str, str], ...] = ()

    def __str__(self):
        parts = [f"{len(self.loaded)} tensors loaded"]
        for word in ("transposed", "adapted", "inflated", "initialised", "skipped", "dropped"):
            keys = getattr(self, word)
            if keys or word in ("adapted", "initialised", "skipped"):
                parts.append(f"{len(keys)} {word}" + (f" ({few(keys)})" if keys else ""))
        return "; ".join([f"{self.weights}: {', '.join(parts)}", *self.notes])

    def table(self) -> list[str]:
        """One line for each tensor: its path in the model, its shape, what became of it, its name in the file."""
        widths = [max((len(row[i]) for row in self.rows), default=0) for i in range(3)]
        return ["  ".join(cell.ljust(w) for cell, w in zip(row, [*widths, 0], strict=True)) for row in self.rows]


def told(what: str, model, content, named: dict, *, adapted=(), inflated=(), initialised=(), skipped=()) -> Report:
    """The report of tensors `named` that were assigned to `model`, read from `content` (`reading.Content`)."""
    changed = {*adapted, *inflated}
    transposed = tuple(key for key in named if key in content.moved and key not in changed)
    loaded = tuple(key for key in named if key not in changed and key not in content.moved)
    words = {
        "adapted": adapted, "inflated": inflated, "transposed": transposed, "loaded": loaded,
        "left at its initial value": initialised,
    }  # fmt: skip
    word = {key: word for word, keys in reversed(words.items()) for key in keys}
    rows = [
        (weight.path, _size(weight.shape), word[weight.path], content.origin.get(weight.path, ""))
        for weight in model.weights
        if weight.path in word
    ]
    rows += [(key, _size(content.named[key].shape), "left out", content.origin.get(key, "")) for key in skipped]
    rows += [("", "", "of no use in Keras", name) for name in content.dropped]
    return Report(
        weights=what, loaded=loaded, adapted=tuple(adapted), initialised=tuple(initialised), skipped=tuple(skipped),
        inflated=tuple(inflated), transposed=transposed, dropped=content.dropped, notes=content.notes, rows=tuple(rows),
    )  # fmt: skip


def assign(model, named: dict[str, np.ndarray], what: str, spared=()) -> None:
    """Assigns every tensor to the weight of its path, after a check of all; `spared` weights keep their values.

    Raises:
        BadInput: missing, surplus or misshapen tensors; nothing is assigned then.
    """
    weights = {weight.path: weight for weight in model.weights if weight.path not in spared}
    if len(weights) + len(spared) != len(model.weights):
        raise ValueError(f"{model.name} has two weights of one path")
    faults = {
        "missing": [path for path in weights if path not in named],
        "surplus": [key for key in named if key not in weights],
        "misshapen": [
            f"{key} {named[key].shape} for {tuple(weight.shape)}"
            for key, weight in weights.items()
            if key in named and named[key].shape != tuple(weight.shape)
        ],
    }
    if any(faults.values()):
        listed = "; ".join(f"{len(keys)} {word}: {few(keys)}" for word, keys in faults.items() if keys)
        advice = "use weights of this model and of these overrides"
        if faults["misshapen"] and not faults["missing"] and not faults["surplus"]:
            advice = _misfit(weights, named) or advice
        raise BadInput(f"{what} does not fit {model.name} ({listed}): {advice}")
    for path, weight in weights.items():
        weight.assign(named[path])


def _misfit(weights: dict, named: dict) -> str | None:
    """Another head or another number of channels, where nothing else differs."""
    wrong = {key for key, weight in weights.items() if named[key].shape != tuple(weight.shape)}
    if all(key.startswith("head") and not key.startswith("head_fc") for key in wrong):
        ours, theirs = ({key: a.shape[-1] for key, a in side.items()} for side in (weights, named))
        key = sorted(wrong)[0]
        return f"the head of the file has {theirs[key]} outputs, the model {ours[key]}: ask for as many classes"
    if len(wrong) == 1:
        (key,) = wrong
        ours, theirs = tuple(weights[key].shape), named[key].shape
        if len(ours) == len(theirs) > 3 and ours[:-2] == theirs[:-2] and ours[-1] == theirs[-1]:
            return (
                f"the file is for images of {theirs[-2]} channels, the model for {ours[-2]}: ask for as many channels"
            )
    return None


def few(keys) -> str:
    """The first five of many."""
    return ", ".join(list(keys)[:5]) + (", …" if len(keys) > 5 else "")


def _size(shape) -> str:
    return "x".join(map(str, shape)) or "1"
