"""Bootstrap intervals of any statistic: bias-corrected and accelerated, expanded for few patients.

Efron, Better Bootstrap Confidence Intervals, JASA 1987: the levels are moved by the bias of the resampled values and by
their skewness, the acceleration, from the jackknife over patients. Bootstrap variances are those of n where n - 1 is
right, and quantiles are the normal's: levels are those of Student's quantile times sqrt(n / (n - 1)) (Hesterberg, What
Teachers Should Know About the Bootstrap, The American Statistician 2015, section 3.2). n counts patients.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from radzoo.metrics.intervals import measured, quantile
from radzoo.metrics.resampling import Patients, left_out, resamples


def bca(value, drawn, jackknife, count: int) -> dict:
    """`{"value", "low", "high"}` of one statistic, `"undefined"` added where some resamples had none.

    Args:
        value: of all units.
        drawn: `(resamples,)` over resampled patients, NaN where undefined.
        jackknife: over patients left out; what is undefined there counts for nothing.
        count: number of patients.
    """
    known = drawn[np.isfinite(drawn)]
    undefined = len(drawn) - len(known)
    if not np.isfinite(value) or len(known) < 2 or count < 2:
        return measured(value, undefined=undefined)
    below = ((known < value).mean() + (known <= value).mean()) / 2  # ties are halved
    bias = norm.ppf(np.clip(below, 1 / (2 * len(known)), 1 - 1 / (2 * len(known))))
    z = bias + np.array([-1, 1]) * quantile(count - 1) * np.sqrt(count / (count - 1))
    turned = 1 - acceleration(jackknife) * z
    levels = norm.cdf(bias + z / np.where(turned > 0, turned, 1e-9))
    return measured(value, *np.quantile(known, levels), undefined)


def acceleration(jackknife) -> float:
    """A sixth of the skewness of the jackknife's influence; 0 where nothing varies."""
    away = np.asarray(jackknife, float)
    away = away[np.isfinite(away)]
    away = away.mean() - away if len(away) else np.zeros(1)
    scale = (away**2).sum() ** 1.5
    return float((away**3).sum() / (6 * scale)) if scale > 1e-300 else 0.0


def intervals(statistics, people: Patients, bootstrap: int, seed: int) -> dict[str, dict]:
    """`bca` of several statistics that are computed together.

    Args:
        statistics: from `(rows, n)` weights to name -> `(rows,)` values.
        bootstrap: number of resamples; 0 leaves the intervals undefined.
    """
    point = statistics(np.ones((1, len(people.group))))
    drawn = [statistics(block) for block in resamples(people, bootstrap, seed)]
    without = [statistics(block) for block in left_out(people)] if bootstrap and people.count > 1 else []
    return {
        name: bca(float(value[0]), _joined(drawn, name), _joined(without, name), people.count)
        for name, value in point.items()
    }


def _joined(blocks, name) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(block[name] for block in blocks)])
