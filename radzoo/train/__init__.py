"""`run(recipe)`: the only training loop, and the run folder that it leaves behind."""

from radzoo.train.run import Run, evaluate, resume, run

__all__ = ["Run", "evaluate", "resume", "run"]
