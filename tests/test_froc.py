"""FROC on cases that are worked by hand."""

import numpy as np
import pytest

from radzoo import metrics
from radzoo.errors import BadInput


def test_a_hit_lies_within_the_radius():
    lesions, radii = [[0, 0, 0], [10, 0, 0]], [3, 8]
    places = [[2.9, 0, 0], [3, 0, 0], [0, 0, 3], [5, 0, 0], [2.5, 0, 0], [30, 0, 0]]
    # the second lies on the radius of the first lesion but within that of the second; the third on the radius of one
    assert metrics.hits(places, lesions, radii).tolist() == [0, 1, -1, 1, 0, -1]
    assert metrics.hits(places, [], []).tolist() == [-1] * 6
    assert metrics.hits([], lesions, radii).tolist() == []


def test_by_hand():
    """Four scans (one without candidates), four lesions (one never hit), two candidates on one lesion.

    From the highest score: .9 hit of lesion 0, .8 false, .7 the same lesion (ignored), .6 hit of 1, .6 false, .5 false,
    .4 hit of 2. False positives per scan: 0, .25, .5, .75; sensitivity: .25, .25, .5, .5, .75.
    """
    told = metrics.evaluate_froc(
        scan=[0, 0, 0, 1, 1, 2, 2], score=[0.9, 0.8, 0.7, 0.6, 0.6, 0.5, 0.4], lesion=[0, -1, 0, 1, -1, -1, 2],
        lesions=[0, 1, 2, 3], patients=list("abcd"), rates=(0.1, 0.25, 0.5, 0.7, 0.75, 8), bootstrap=0,
    )  # fmt: skip
    assert told["curve"] == {
        "threshold": [0.9, 0.8, 0.6, 0.5, 0.4],
        "false_positives": [0, 0.25, 0.5, 0.75, 0.75],
        "sensitivity": [0.25, 0.25, 0.5, 0.5, 0.75],
    }
    assert [each["value"] for each in told["sensitivity"]] == [0.25, 0.25, 0.5, 0.5, 0.75, 0.75]
    assert told["cpm"]["value"] == pytest.approx(np.mean([0.25, 0.25, 0.5, 0.5, 0.75, 0.75]))
    counts = {name: told[name] for name in ("scans", "patients", "lesions", "candidates", "without_candidate")}
    assert counts == {"scans": 4, "patients": 4, "lesions": 4, "candidates": 6, "without_candidate": 1}


def test_scans_and_lesions_without_candidates_count():
    told = metrics.evaluate_froc([], [], [], lesions=[0, 1], patients=list("abc"), bootstrap=50)
    assert told["cpm"]["value"] == 0 and told["without_candidate"] == 2
    one = metrics.evaluate_froc([0, 0], [1, 0.5], [0, -1], lesions=[0], patients=["a"], rates=(0.5, 1), bootstrap=0)
    four = metrics.evaluate_froc([0, 0], [0.5, 1], [0, -1], lesions=[0], patients=list("abcd"), rates=(0.2, 0.25),
                                 bootstrap=0)  # fmt: skip
    assert [each["value"] for each in one["sensitivity"]] == [1, 1]
    assert [each["value"] for each in four["sensitivity"]] == [0, 1]  # its false positive is one of four scans


def cohort(rng, patients=40):
    """Scans of patients who resemble themselves; each lesion has a candidate in nine of ten."""
    scan, score, lesion, lesions, whose = [], [], [], [], []
    for patient in range(patients):
        shift = rng.normal()
        for _ in range(rng.integers(1, 3)):
            here = len(whose)
            whose.append(patient)
            for _ in range(rng.integers(0, 3)):
                if rng.random() < 0.9:
                    scan, score = [*scan, here], [*score, rng.normal(1.5 + shift)]
                    lesion.append(len(lesions))
                lesions.append(here)
            for _ in range(rng.poisson(5)):
                scan, score, lesion = [*scan, here], [*score, rng.normal(shift)], [*lesion, -1]
    return {"scan": scan, "score": score, "lesion": lesion, "lesions": lesions, "patients": whose}


def test_against_a_plain_loop():
    """Every rate by brute force over all thresholds, and the interval holds it."""
    told = cohort(np.random.default_rng(3))
    found = metrics.evaluate_froc(**told, bootstrap=200)
    score, lesion = np.array(told["score"]), np.array(told["lesion"])
    for entry in found["sensitivity"]:
        best = 0.0
        for threshold in score:
            called = score >= threshold
            if (called & (lesion < 0)).sum() / len(told["patients"]) <= entry["rate"]:
                best = max(best, len(set(lesion[called & (lesion >= 0)])) / len(told["lesions"]))
        assert entry["value"] == pytest.approx(best)
        assert entry["low"] <= entry["value"] <= entry["high"]
    assert 0 < found["cpm"]["low"] < found["cpm"]["value"] < found["cpm"]["high"] < 1
    assert metrics.evaluate_froc(**told, bootstrap=200) == found


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"lesions": []}, "no reference lesion"),
        ({"score": [1, np.nan]}, "NaN or infinite"),
        ({"score": [1]}, "2 scans, 1 scores, 2 lesions came"),
        ({"scan": [0, 7]}, "names a scan that is not one of the 2"),
        ({"lesion": [0, 5]}, "hits lesion 5, the reference has 1"),
        ({"scan": [1, 1]}, "hits a lesion of another scan"),
    ],
)
def test_bad_input(changes, message):
    told = {"scan": [0, 1], "score": [1, 0.5], "lesion": [0, -1], "lesions": [0], "patients": ["a", "b"]}
    with pytest.raises(BadInput, match=message):
        metrics.evaluate_froc(**told | changes)
