"""Better images: what `radzoo.train.run` does where the task is `restoration`."""

from radzoo.train.restoration.prepared import prepared, tables
from radzoo.train.restoration.run import go

__all__ = ["go", "prepared", "tables"]
