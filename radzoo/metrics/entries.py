"""What is reported about one class against the rest."""

from __future__ import annotations

import numpy as np

from radzoo.metrics.areas import FEW, auc_interval, carriers
from radzoo.metrics.comparison import spread
from radzoo.metrics.curves import auc, average_precision
from radzoo.metrics.intervals import logit_interval, measured, number, proportion, quantile, wilson
from radzoo.metrics.reliability import reliability
from radzoo.metrics.resampling import Patients, jackknife_deviation


def one_class(truth, score, limits, people: Patients, drawn, left_out) -> dict:
    """One class against the rest."""
    positives, negatives = int(truth.sum()), int((1 - truth).sum())
    events, others = people.holding(truth == 1), people.holding(truth == 0)
    entry = {"positives": positives, "negatives": negatives, "events": events, "non_events": others}
    entry |= {"claim": min(events, others) >= FEW, "note": _note(events, others)}
    if positives and negatives:
        area = auc(truth, score)
        deviation = None if people.single else spread(drawn)
        bounds = auc_interval(truth, score, area, people, deviation)
        entry["auc"] = measured(area, *bounds, 0 if people.single else np.isnan(drawn).sum())
        entry["average_precision"] = _precision(truth, score, people, left_out)
    else:  # with one class alone no curve exists, although sklearn would call its average precision 1
        entry |= {"auc": measured(np.nan), "average_precision": measured(np.nan)}
    known, called = ~np.isnan(limits), score >= limits
    entry["sensitivity"] = proportion(called, known & (truth == 1), people)
    entry["specificity"] = proportion(~called, known & (truth == 0), people)
    entry["threshold"] = shared(limits)[0]
    return entry | reliability(truth, score, people)


def _precision(truth, score, people, left_out):
    value = average_precision(truth, score)
    if value == 1:  # the jackknife has no width: as a share of the patients with the class (Boyd et al., ECML 2013)
        return measured(value, *wilson(1.0, people.holding(truth == 1)))
    return measured(value, *logit_interval(value, jackknife_deviation(left_out), quantile(carriers(truth, people) - 1)))


def _note(events: int, others: int) -> str | None:
    for count, name in ((events, "with"), (others, "without")):
        if count == 0:
            return f"no patients {name} the class: AUC is undefined"
        if count < FEW:
            return f"fewer than {FEW} patients {name} the class ({count}): counts, no claim"
    return None


def shared(limits) -> tuple[float | None, bool]:
    """The threshold that all units share and True; None and False where they differ."""
    alike = bool((limits == limits[0]).all() or np.isnan(limits).all())
    return (number(limits[0]) if alike else None), alike
