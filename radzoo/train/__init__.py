"""`run(recipe)`: the only training loop, and the run folder that it leaves behind."""

from radzoo.train.run import Run, ensemble, evaluate, resume, run

__all__ = ["Run", "ensemble", "evaluate", "resume", "run"]
