"""Masks: what `radzoo.train.run` does where the task is `segmentation`."""

from radzoo.train.segmentation.prepared import prepared, tables
from radzoo.train.segmentation.run import go

__all__ = ["go", "prepared", "tables"]
