"""FROC: how many lesions are found at how many false positives per scan.

A hit is a candidate within the radius of a reference lesion, as in LUNA16 (Setio et al., Medical Image Analysis 2017);
of several on one lesion the highest counts and the others are ignored, neither hits nor false positives. Sensitivity is
over all reference lesions, those without a candidate included, false positives over all scans, those without candidates
included. Sensitivity at a rate is that of the lowest threshold which keeps it; nothing is interpolated.
"""

from __future__ import annotations

import numpy as np

from radzoo.errors import BadInput
from radzoo.metrics.bootstrap import intervals
from radzoo.metrics.resampling import grouped

RATES = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)  # false positives per scan; their mean sensitivity is LUNA16's CPM


def hits(places, lesions, radii_mm) -> np.ndarray:
    """The lesion that each candidate hits.

    Args:
        places: `(n, 3)` of the candidates of one scan, mm.
        lesions: `(m, 3)`, the reference lesions of the same scan, mm.
        radii_mm: `(m,)`.
    Returns:
        `(n,)` numbers of lesions, the nearest where several are hit; -1 for none. On the radius itself is no hit.
    """
    places, lesions = np.reshape(places, (-1, 3)), np.reshape(lesions, (-1, 3))
    if not len(lesions):
        return np.full(len(places), -1)
    apart = np.linalg.norm(places[:, None] - lesions[None], axis=-1)
    apart[apart >= np.asarray(radii_mm, float)] = np.inf
    return np.where(np.isfinite(apart.min(1)), apart.argmin(1), -1)


def evaluate_froc(scan, score, lesion, *, lesions, patients, rates=RATES, bootstrap: int = 2000, seed: int = 0) -> dict:
    """The FROC curve of candidates, sensitivities at fixed rates and their mean (CPM), with intervals over patients.

    Args:
        scan: `(n,)`, the number of each candidate's scan.
        score: `(n,)`, higher is surer.
        lesion: `(n,)`, the number of the lesion that each candidate hits, counted over all scans; -1 for none.
        lesions: `(m,)`, the number of each reference lesion's scan, found or not.
        patients: `(scans,)`, whose each scan is, scans without candidates included.
        rates: false positives per scan.
    Returns:
        `curve` (`threshold`, `false_positives` per scan, `sensitivity`, at every score), `sensitivity` (one entry with
        `rate`, `value`, `low`, `high` per rate), `cpm`, and counts: `scans`, `patients`, `lesions`, `candidates`,
        `without_candidate` (lesions that no candidate hits: no threshold finds them).
    Raises:
        BadInput: no lesion, numbers that fit nothing, scores that are not finite.
    """
    scan, lesion, lesions = (np.asarray(each, int).ravel() for each in (scan, lesion, lesions))
    score, rates = np.asarray(score, float).ravel(), np.asarray(rates, float)
    _check(scan, score, lesion, lesions, len(patients))
    counted = _counted(score, lesion)
    scan, score, true = scan[counted], score[counted], lesion[counted] >= 0
    order = np.argsort(-score, kind="stable")
    scan, score, true = scan[order], score[order], true[order]
    ends = np.flatnonzero(np.r_[np.diff(score) != 0, True]) if len(score) else np.zeros(0, int)

    def curve(weights):
        """False positives per scan and sensitivity, `(rows, thresholds + 1)`, from "nothing is called" on."""
        weights = np.asarray(weights, float)
        each = weights[:, scan]
        with np.errstate(invalid="ignore", divide="ignore"):
            false = np.cumsum(each * ~true, axis=1)[:, ends] / weights.sum(1, keepdims=True)
            found = np.cumsum(each * true, axis=1)[:, ends] / weights[:, lesions].sum(1, keepdims=True)
        start = np.zeros((len(weights), 1))
        return np.hstack([start, false]), np.hstack([start, found])

    def statistics(weights):
        false, found = curve(weights)
        kept = np.where(false[:, None] <= rates[:, None] + 1e-12, found[:, None], 0).max(-1)
        kept = np.where(np.asarray(weights)[:, lesions].sum(1, keepdims=True) > 0, kept, np.nan)
        return {"cpm": kept.mean(1)} | {f"at {i}": kept[:, i] for i in range(len(rates))}

    people = grouped(patients)
    measured = intervals(statistics, people, bootstrap, seed)
    (false,), (found,) = curve(np.ones((1, len(people.group))))
    return {
        "curve": {"threshold": score[ends].tolist(), "false_positives": false[1:].tolist(),
                  "sensitivity": found[1:].tolist()},
        "sensitivity": [{"rate": float(rate)} | measured[f"at {i}"] for i, rate in enumerate(rates)],
        "cpm": measured["cpm"],
        "scans": len(people.group), "patients": people.count, "lesions": len(lesions), "candidates": len(order),
        "without_candidate": int(len(lesions) - true.sum()),
    }  # fmt: skip


def _counted(score: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """Booleans: false positives, and of the candidates on one lesion the one with the highest score."""
    counted = lesion < 0
    best = {}
    for place in np.flatnonzero(lesion >= 0):
        if lesion[place] not in best or score[place] > score[best[lesion[place]]]:
            best[lesion[place]] = place
    counted[list(best.values())] = True
    return counted


def _check(scan, score, lesion, lesions, scans: int) -> None:
    if not len(lesions):
        raise BadInput("no reference lesion came: a sensitivity needs at least one")
    if not len(scan) == len(score) == len(lesion):
        raise BadInput(
            f"{len(scan)} scans, {len(score)} scores, {len(lesion)} lesions came, expected one per candidate"
        )
    if not np.isfinite(score).all():
        raise BadInput("a score is NaN or infinite: leave this candidate out, or give it a number")
    named = np.concatenate([scan, lesions])
    if not 0 <= named.min() <= named.max() < scans:
        raise BadInput(f"a candidate or a lesion names a scan that is not one of the {scans}")
    if (lesion >= len(lesions)).any():
        raise BadInput(f"a candidate hits lesion {lesion.max()}, the reference has {len(lesions)}")
    hit = lesion >= 0
    if (lesions[lesion[hit]] != scan[hit]).any():
        raise BadInput("a candidate hits a lesion of another scan: number lesions over all scans")
