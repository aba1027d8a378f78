"""Fixed features: the backbone runs once per image, then scikit-learn classifies, or predicts a number."""

from radzoo.features.choice import Choice, choose, load_classifier, patient_folds, save_classifier
from radzoo.features.extraction import extract, extractor

__all__ = ["Choice", "choose", "extract", "extractor", "load_classifier", "patient_folds", "save_classifier"]
