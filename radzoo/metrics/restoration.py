"""Many cases of a restoration: the table of cases, ways and windows, means with intervals, and two ways compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t

from radzoo.errors import BadInput
from radzoo.metrics.areas import FEW
from radzoo.metrics.bootstrap import intervals
from radzoo.metrics.intervals import number, quantile, ratio_variance
from radzoo.metrics.resampling import grouped
from radzoo.metrics.restored import MEASURES, WINDOWS, measure_restored

KEYS = ["way", "window", "low", "high", "data_range"]


def evaluate_restoration(cases, *, windows=WINDOWS) -> pd.DataFrame:
    """The table: one row per case, way and window.

    Args:
        cases: an iterable of `{"case", "patient", "wanted", "ways", "body"}`, looked at one by one: `ways` is a dict
            from the name of a way to its image, `body` a mask or None.
        windows: of `restored.Window`.
    Returns:
        Rows as `measure_restored`.
    Raises:
        BadInput: as `measure_restored`, naming case and way.
    """
    rows = []
    for each in cases:
        for way, restored in each["ways"].items():
            named = {"case": each["case"], "patient": each["patient"], "way": way}
            try:
                rows += measure_restored(restored, each["wanted"], **named, windows=windows, body=each["body"])
            except BadInput as error:
                raise BadInput(f"case {each['case']}, {way}: {error}") from None
    return pd.DataFrame(rows)


def restoration_summary(table: pd.DataFrame, *, bootstrap: int = 2000, seed: int = 0) -> dict:
    """Means over cases, with 95 % intervals from the bootstrap over patients (`bootstrap`); all rows share resamples.

    Args:
        table: as `evaluate_restoration`.
        bootstrap: number of resamples; 0 leaves the intervals undefined.
    Returns:
        `cases patients claim` (a claim from 10 patients on) and `rows`, one per way and window in the order of the
        table: `way window low high data_range`, and each of `restored.MEASURES` as `{"value", "low", "high"}`: the
        mean over the cases in which it is defined (the mean of dB, and of the RMSE of each case).
    Raises:
        BadInput: as `_wide`.
    """
    keys, values, patients = _wide(table)
    people = grouped(patients)

    def statistics(weights):
        return {name: _mean(np.asarray(weights, float), column) for name, column in values.items()}

    entries = intervals(statistics, people, bootstrap, seed)
    rows = [key | {measure: entries[i, measure] for measure in MEASURES} for i, key in enumerate(keys)]
    return {"cases": len(patients), "patients": people.count, "claim": people.count >= FEW, "rows": rows}


def compare_restoration(table: pd.DataFrame, one: str, other: str, *, measure: str = "rmse") -> list[dict]:
    """The mean of way `one` minus that of way `other` on the same cases, window by window: a paired t test.

    Over patients: the variance is that of a mean over cases whose number differs between patients (Cochran 1977,
    chapter 6), with Student's quantiles, as in `compare_regression`.

    Args:
        table: as `evaluate_restoration`.
        measure: one of `restored.MEASURES`.
    Returns:
        Per window `{"one", "other", "measure", "window", "low", "high", "data_range", "cases", "difference"}`, the last
        `{"value", "low", "high", "p"}`, None where undefined; cases in which one way has no value are left out.
    Raises:
        BadInput: a way that the table does not have, or as `_wide`.
    """
    keys, values, patients = _wide(table)
    ways = list(dict.fromkeys(key["way"] for key in keys))
    for name in (one, other):
        if name not in ways:
            raise BadInput(f"way '{name}' came, expected one of {', '.join(ways)}")
    found = []
    place = {(key["way"], key["window"]): i for i, key in enumerate(keys)}
    for key in (key for key in keys if key["way"] == one):
        away = values[place[one, key["window"]], measure] - values[place[other, key["window"]], measure]
        known = ~np.isnan(away)
        window = {name: key[name] for name in KEYS[1:]}
        said = {"one": one, "other": other, "measure": measure, **window, "cases": int(known.sum())}
        found.append(said | {"difference": _difference(away[known], patients[known])})
    return found


def _difference(away, patients) -> dict:
    result = {"value": float(away.mean()) if len(away) else None, "low": None, "high": None, "p": None}
    people = grouped(patients)
    if not len(away) or people.count < 2:
        return result
    if not away.any():
        return result | {"low": 0.0, "high": 0.0, "p": 1.0}
    error, value = np.sqrt(ratio_variance(away, people)), result["value"]
    half = quantile(people.count - 1) * error
    p = 2 * t.sf(abs(value) / error, people.count - 1) if error > 0 else 0.0
    return result | {"low": value - half, "high": value + half, "p": number(p)}


def _wide(table: pd.DataFrame) -> tuple[list[dict], dict, np.ndarray]:
    """Ways and windows (`KEYS`); `(place of one, measure)` -> `(cases,)`; and the patient of each case.

    Raises:
        BadInput: no rows, a case without one row for each way and window, or a case of two patients.
    """
    if not len(table):
        raise BadInput("a table without rows came, expected one row for each case, way and window")
    groups = [(dict(zip(KEYS, key, strict=True)), rows) for key, rows in table.groupby(KEYS, sort=False)]
    patients = table.drop_duplicates(["case", "patient"]).set_index("case")["patient"]
    if patients.index.has_duplicates:
        raise BadInput("a case of two patients came: every case belongs to one")
    for key, rows in groups:
        if len(rows) != len(patients) or rows["case"].duplicated().any():
            raise BadInput(
                f"{len(rows)} rows of {key['way']} in window {key['window']} {key['low']:g} to {key['high']:g} came, "
                f"expected one for each of {len(patients)} cases"
            )
    values = {
        (i, measure): rows.set_index("case").loc[patients.index, measure].to_numpy(float)
        for i, (_, rows) in enumerate(groups)
        for measure in MEASURES
    }
    return [key for key, _ in groups], values, patients.to_numpy()


def _mean(weights, column) -> np.ndarray:
    """`(rows,)` weighted means over the cases in which a measure is defined; NaN where there is none."""
    known = ~np.isnan(column)
    with np.errstate(invalid="ignore", divide="ignore"):
        return weights[:, known] @ column[known] / weights[:, known].sum(1)
