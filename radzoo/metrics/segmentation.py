"""Many cases of a segmentation: the table of cases, means with intervals over patients, and two tables compared.

A missed and an invented class count with a Dice and IoU of 0. A class that is neither true nor predicted in a case has
none and is counted apart. Distances are means over the cases where both are there, so read them beside the counts of
missed cases.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t

from radzoo.errors import BadInput
from radzoo.metrics.areas import FEW
from radzoo.metrics.bootstrap import intervals
from radzoo.metrics.comparison import mean_of_defined
from radzoo.metrics.intervals import number, quantile
from radzoo.metrics.overlap import measure_case
from radzoo.metrics.resampling import Patients, grouped

MEASURES = ("dice", "iou", "voe", "rvd", "error_ml", "asd", "rmsd", "msd", "hd95")
STATUSES = ("measured", "both_empty", "missed", "invented")


def evaluate_segmentation(cases, classes) -> pd.DataFrame:
    """The table of cases, one row per case and class.

    Args:
        cases: an iterable of `{"case", "patient", "truth", "predicted", "spacing_mm"}`, looked at one by one.
        classes: names of the labels 1, 2, ...
    Returns:
        Rows as `overlap.measure_case`.
    Raises:
        BadInput: as `measure_case`.
    """
    return pd.DataFrame([
        row
        for each in cases
        for row in measure_case(
            each["truth"], each["predicted"], classes, spacing_mm=each["spacing_mm"], case=each["case"],
            patient=each["patient"],
        )
    ])  # fmt: skip


def segmentation_summary(table: pd.DataFrame, classes, *, bootstrap: int = 2000, seed: int = 0) -> dict:
    """Means over cases, with 95 % intervals from the bootstrap over patients (`bootstrap`).

    Args:
        table: as `evaluate_segmentation`, or rows of `measure_case` or `measure_readers`.
        classes: in the order that is wanted.
        bootstrap: number of resamples; 0 leaves the intervals undefined.
    Returns:
        `cases patients claim unit`, a mean over classes of each of `dice iou voe rvd error_ml asd rmsd msd hd95` as
        `{"value", "low", "high"}` (in a resample over those that are defined there), and `per_class` with the same of
        each class, `median_dice median_hd95 patients claim`, and how many are `measured both_empty missed invented`.
        `error_ml` is None without volumes. There is a claim from 10 patients on, of a class from 10 that hold it.
    Raises:
        BadInput: no rows, rows that are there twice or missing, distances in two units.
    """
    wide, patients = _wide(table, classes)
    units = table["unit"].unique()
    if len(units) > 1:
        raise BadInput("distances in mm and in px came: give a spacing for every case, or for none")
    measures = [name for name in MEASURES if name != "error_ml" or table[name].notna().any()]
    values = {name: wide[name].to_numpy(float) for name in measures}
    people = grouped(patients)

    def statistics(weights):
        weights, named = np.asarray(weights, float), {}
        for measure, columns in values.items():
            means = _means(weights, columns)
            named[measure] = mean_of_defined(means)
            named |= {f"{measure} {i}": mean for i, mean in enumerate(means)}
        return named

    entries = intervals(statistics, people, bootstrap, seed)
    return {
        "cases": len(wide), "patients": people.count, "claim": people.count >= FEW, "unit": str(units[0]),
        **{measure: entries.get(measure) for measure in MEASURES},
        "per_class": {
            name: {measure: entries.get(f"{measure} {i}") for measure in MEASURES} | _counts(wide, name, people)
            for i, name in enumerate(classes)
        },
    }  # fmt: skip


def compare_segmentation(one: pd.DataFrame, other: pd.DataFrame, classes, *, measure: str = "dice") -> dict:
    """The mean of `one` minus that of `other` on the same cases: a paired t test over patients.

    The variance is that of means over cases whose number differs between patients (Cochran 1977, chapter 6), with
    Student's quantiles, as in `compare_regression`.

    Args:
        one, other: tables as `evaluate_segmentation`, of the same cases and patients.
        measure: any of `MEASURES`.
    Returns:
        `{"value", "low", "high", "p"}` of the mean over classes, `pairs` (of a case and a class in which both are
        defined), `left_out` (one of them is), and `per_class` with the first six of each class; p is two-sided.
    Raises:
        BadInput: other cases or patients in the two tables.
    """
    first, patients = _wide(one, classes)
    second, others = _wide(other, classes)
    if set(first.index) != set(second.index) or (patients != others.loc[patients.index]).any():
        raise BadInput("two tables of different cases or patients came, expected the same: evaluate both on one part")
    a, b = first[measure].to_numpy(float), second.loc[first.index, measure].to_numpy(float)
    away, left_out, people = a - b, np.isnan(a) != np.isnan(b), grouped(patients)
    each = {
        name: _difference(away[:, [i]], people) | {"left_out": int(left_out[:, i].sum())}
        for i, name in enumerate(classes)
    }
    return _difference(away, people) | {"left_out": int(left_out.sum()), "per_class": each}


def _difference(away: np.ndarray, people: Patients) -> dict:
    """Of `(cases, classes)` differences, NaN where undefined: their mean over cases, then over classes."""
    counts = (~np.isnan(away)).sum(0)
    away, counts = away[:, counts > 0], counts[counts > 0]
    result = {"value": None, "low": None, "high": None, "p": None, "pairs": int(counts.sum())}
    if not len(counts):
        return result
    means = np.nanmean(away, axis=0)
    result["value"] = value = float(means.mean())
    if not np.nan_to_num(away).any():
        return result | {"low": 0.0, "high": 0.0, "p": 1.0}
    pulls = people.sums(np.nan_to_num((away - means) / counts).mean(1))  # what each patient moves the mean by
    here = people.only((~np.isnan(away)).any(1)).count
    error = np.sqrt(here / (here - 1) * (pulls**2).sum()) if here > 1 else np.nan
    if not error > 0:  # one patient, or all patients alike: no variance to judge by
        return result
    half = quantile(here - 1) * error
    return result | {
        "low": value - half, "high": value + half, "p": number(2 * t.sf(abs(value) / error, here - 1)),
    }  # fmt: skip


def _wide(table: pd.DataFrame, classes) -> tuple[pd.DataFrame, pd.Series]:
    """Columns (measure, class), one row per case in the order of the table; and the patient of each case."""
    table = table[table["class"].isin(list(classes))]
    cases = table["case"].drop_duplicates()
    if not len(table) or table.duplicated(["case", "class"]).any() or len(table) != len(cases) * len(classes):
        raise BadInput(f"{len(table)} rows of {len(cases)} cases came, expected one for each of {len(classes)} classes")
    patients = table.drop_duplicates(["case", "patient"]).set_index("case")["patient"]
    if len(patients) != len(cases):
        raise BadInput("a case of two patients came: every case belongs to one")
    wide = table.pivot(index="case", columns="class", values=[*MEASURES, "status"]).loc[cases]
    return wide.reindex(columns=list(classes), level=1), patients


def _means(weights, columns) -> np.ndarray:
    """`(classes, rows)` weighted means over the cases in which a class is defined; NaN where there is none."""
    defined = (~np.isnan(columns)).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ np.nan_to_num(columns) / (weights @ defined)).T


def _counts(wide: pd.DataFrame, name, people: Patients) -> dict:
    status, held = wide["status", name], wide["rvd", name].notna()  # a relative difference exists where there is truth
    holding = people.holding(held)
    return {
        "median_dice": number(wide["dice", name].astype(float).median()),
        "median_hd95": number(wide["hd95", name].astype(float).median()),
        "patients": holding,
        "claim": holding >= FEW,
        **{kind: int((status == kind).sum()) for kind in STATUSES},
    }
