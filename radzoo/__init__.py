"""radzoo: a Keras 3 model zoo for radiology with transfer-learning recipes.

The public names are loaded when they are first used: `import radzoo` imports neither Keras nor TensorFlow.
"""

import importlib

_HOME = {
    "BadInput": "errors",
    "list_models": "registry",
    "describe": "registry",
    "build": "registry",
    "create_model": "heads",
    "input_spec": "heads",
    "list_weights": "weights",
    "load": "inference",
    "predict": "inference",
    "phantoms": "data",
    "run": "train",
    "resume": "train",
    "evaluate": "train",
    "compare": "report",
    "ensemble": "train",
    "cam": "explain",
    "grad_cam": "explain",
    "Recipe": "recipe",
    "Data": "recipe",
    "Phase": "recipe",
    "Augment": "recipe",
    "Mask": "recipe",
    "Restoration": "recipe",
}
__all__ = [*_HOME]
__version__ = "0.1.0"


def __getattr__(name):
    if name in _HOME:
        globals()[name] = getattr(importlib.import_module(f"radzoo.{_HOME[name]}"), name)
        return globals()[name]
    raise AttributeError(f"module 'radzoo' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOME])
