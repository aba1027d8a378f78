"""How good a classifier is, and how sure of that one can be: NumPy and SciPy alone, no training framework.

Every interval is nominally 95 %; `tests/test_coverage.py` measures what it really covers.
"""

from radzoo.metrics.areas import FEW
from radzoo.metrics.calibration import Recalibration, recalibrate
from radzoo.metrics.comparison import compare
from radzoo.metrics.curves import auc, average_precision, roc_band
from radzoo.metrics.evaluation import evaluate
from radzoo.metrics.resampling import cluster_bootstrap
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
    "evaluate",
    "pool_units",
    "read_rule",
    "recalibrate",
    "roc_band",
    "rule_text",
    "threshold_for",
]
