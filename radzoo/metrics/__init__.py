"""How good a classifier or a predicted number is, and how sure of that one can be: NumPy and SciPy alone.

Every interval is nominally 95 %; `tests/test_coverage.py` measures what it really covers.
"""

from radzoo.metrics.areas import FEW
from radzoo.metrics.calibration import Recalibration, recalibrate
from radzoo.metrics.comparison import compare, holm
from radzoo.metrics.curves import auc, average_precision, roc_band
from radzoo.metrics.cuts import grade_names, grades, monotone
from radzoo.metrics.evaluation import evaluate
from radzoo.metrics.froc import evaluate_froc, hits
from radzoo.metrics.ordinal import evaluate_ordinal
from radzoo.metrics.regression import compare_regression, evaluate_regression
from radzoo.metrics.resampling import cluster_bootstrap
from radzoo.metrics.score import score, score_name
from radzoo.metrics.thresholds import read_rule, rule_text, threshold_for
from radzoo.metrics.units import Units, pool_units

__all__ = [
    "FEW",
    "Recalibration",
    "Units",
    "auc",
    "average_precision",
    "cluster_bootstrap",
    "compare",
    "compare_regression",
    "evaluate",
    "evaluate_froc",
    "evaluate_ordinal",
    "evaluate_regression",
    "grade_names",
    "grades",
    "hits",
    "holm",
    "monotone",
    "pool_units",
    "read_rule",
    "recalibrate",
    "roc_band",
    "rule_text",
    "score",
    "score_name",
    "threshold_for",
]
