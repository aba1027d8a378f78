"""How good a classifier, a predicted number or a segmentation is, and how sure of that one can be: no Keras.

Every interval is nominally 95 %; `tests/test_coverage.py` measures what it really covers.
"""

from radzoo.metrics.areas import FEW
from radzoo.metrics.calibration import Recalibration, recalibrate
from radzoo.metrics.comparison import compare, holm
from radzoo.metrics.curves import auc, average_precision, roc_band
from radzoo.metrics.cuts import grade_names, grades, monotone
from radzoo.metrics.evaluation import evaluate
from radzoo.metrics.froc import evaluate_froc, hits
from radzoo.metrics.instances import evaluate_instances, instances_of
from radzoo.metrics.membranes import membrane_scores
from radzoo.metrics.ordinal import evaluate_ordinal
from radzoo.metrics.overlap import measure_case, measure_readers
from radzoo.metrics.regression import compare_regression, evaluate_regression
from radzoo.metrics.resampling import cluster_bootstrap
from radzoo.metrics.score import score, score_name
from radzoo.metrics.segmentation import compare_segmentation, evaluate_segmentation, segmentation_summary
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
    "compare_segmentation",
    "evaluate",
    "evaluate_froc",
    "evaluate_instances",
    "evaluate_ordinal",
    "evaluate_regression",
    "evaluate_segmentation",
    "grade_names",
    "grades",
    "hits",
    "holm",
    "instances_of",
    "measure_case",
    "measure_readers",
    "membrane_scores",
    "monotone",
    "pool_units",
    "read_rule",
    "recalibrate",
    "roc_band",
    "rule_text",
    "score",
    "score_name",
    "segmentation_summary",
    "threshold_for",
]
