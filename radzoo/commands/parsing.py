"""From words to calls: tyro with one-line errors, and a quiet start of Keras."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import re
import sys

import tyro

from radzoo.errors import BadInput


def deferred(function):
    """A function of the same signature that only binds its arguments: errors of parsing and of running stay apart."""

    @functools.wraps(function)
    def bind(*args, **kwargs):
        return functools.partial(function, *args, **kwargs)

    return bind


def parse(what, arguments: list[str], **options):
    """tyro, with its boxed errors cut to one line."""
    boxed = io.StringIO()
    try:
        with contextlib.redirect_stderr(boxed):
            return tyro.cli(what, args=arguments, **options)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise BadInput(_one_line(boxed.getvalue())) from None


def _one_line(boxed: str) -> str:
    """The text within a box of tyro, without its frame and its hint."""
    lines = (re.sub(r"\x1b\[[0-9;]*m", "", line).strip("│╭╮╰╯─ ") for line in boxed.splitlines())
    text = " ".join(line for line in lines if line.strip("-") and line != "Parsing error")
    return re.sub(r"\s*For full helptext, (see|run) ", ": see ", text)


def start_keras() -> None:
    """Imports Keras without the start-up notes of TensorFlow's C++ side, which would drown the one line of an error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        importlib.import_module("keras")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
