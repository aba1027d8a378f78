"""Stupid baselines: what can be predicted without looking at anatomy, from grey levels or from metadata alone.

Pictures of the ill often come from another source than pictures of the healthy, and a network that tells the sources
apart looks like one that sees disease (Zech et al., PLoS Medicine 2018; DeGrave et al., Nature Machine Intelligence
2021). So every model stands beside two predictors that cannot know better. What they may see was decided before any
result was seen, and does not depend on the data set.
"""

from radzoo.baselines.classify import Baseline, constant, fit, suspicion
from radzoo.baselines.grey import grey_levels
from radzoo.baselines.metadata import Metadata, clues, metadata_columns

__all__ = ["Baseline", "Metadata", "clues", "constant", "fit", "grey_levels", "metadata_columns", "suspicion"]
