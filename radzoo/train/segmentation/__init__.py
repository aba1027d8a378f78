"""Masks: what `radzoo.train.run` does where the task is `segmentation`."""

from radzoo.train.segmentation.prepared import began_with, check_unchanged, prepared, tables
from radzoo.train.segmentation.run import go

__all__ = ["began_with", "check_unchanged", "go", "prepared", "tables"]
