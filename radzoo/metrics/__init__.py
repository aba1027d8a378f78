"""How good a class, a number, a segmentation or a restored image is, and how sure of that one can be: no Keras.

Every interval is nominally 95 %; `tests/test_coverage.py` measures what it really covers.
"""

from radzoo.metrics.areas import FEW
from radzoo.metrics.calibration import Recalibration, recalibrate
from radzoo.metrics.comparison import compare, holm
from radzoo.metrics.curves import auc, average_precision, roc_band
from radzoo.metrics.cuts import grade_names, grades, monotone
from radzoo.metrics.edges import Edge, disc_edge, straight_edge
from radzoo.metrics.evaluation import evaluate
from radzoo.metrics.froc import evaluate_froc, hits
from radzoo.metrics.inserts import measure_inserts
from radzoo.metrics.instances import evaluate_instances, instances_of
from radzoo.metrics.membranes import membrane_scores
from radzoo.metrics.noise import NoisePower, noise_level, noise_power, repeat_noise
from radzoo.metrics.ordinal import evaluate_ordinal
from radzoo.metrics.overlap import measure_case, measure_readers
from radzoo.metrics.regression import compare_regression, evaluate_regression
from radzoo.metrics.resampling import cluster_bootstrap
from radzoo.metrics.restoration import compare_restoration, evaluate_restoration, restoration_summary
from radzoo.metrics.restored import WINDOWS, Window, measure_restored
from radzoo.metrics.score import score, score_name
from radzoo.metrics.segmentation import compare_segmentation, evaluate_segmentation, segmentation_summary
from radzoo.metrics.sharpness import edge_ratio
from radzoo.metrics.thresholds import read_rule, rule_text, threshold_for
from radzoo.metrics.tissue import body_mask, tissue_bias
from radzoo.metrics.units import Units, pool_units

__all__ = [
    "FEW",
    "WINDOWS",
    "Edge",
    "NoisePower",
    "Recalibration",
    "Units",
    "Window",
    "auc",
    "average_precision",
    "body_mask",
    "cluster_bootstrap",
    "compare",
    "compare_regression",
    "compare_restoration",
    "compare_segmentation",
    "disc_edge",
    "edge_ratio",
    "evaluate",
    "evaluate_froc",
    "evaluate_instances",
    "evaluate_ordinal",
    "evaluate_regression",
    "evaluate_restoration",
    "evaluate_segmentation",
    "grade_names",
    "grades",
    "hits",
    "holm",
    "instances_of",
    "measure_case",
    "measure_inserts",
    "measure_readers",
    "measure_restored",
    "membrane_scores",
    "monotone",
    "noise_level",
    "noise_power",
    "pool_units",
    "read_rule",
    "recalibrate",
    "repeat_noise",
    "restoration_summary",
    "roc_band",
    "rule_text",
    "score",
    "score_name",
    "segmentation_summary",
    "straight_edge",
    "threshold_for",
    "tissue_bias",
]
