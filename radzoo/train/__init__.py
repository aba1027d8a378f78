"""`run(recipe)`: the only training loop, and the run folder that it leaves behind."""

from radzoo.train.run import Run, run

__all__ = ["Run", "run"]
