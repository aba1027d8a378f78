"""The command line: list, describe, run, predict, weights.

Keras is imported only by the commands that need it, so that the others answer at once.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import io
import os
import re
import sys
from pathlib import Path

import tyro

import radzoo
from radzoo.errors import BadInput
from radzoo.images import Input
from radzoo.recipe import read_recipe, recipe_names
from radzoo.registry import suggest

Positional = tyro.conf.Positional
HELP = """usage: radzoo COMMAND ...

  list [PATTERN]            the registered models
  describe MODEL            what is known of a model
  run RECIPE [--field ...]  run a recipe (a name or a .py file); `radzoo run RECIPE --help` lists its fields
  recipes                   the recipes that come with radzoo
  predict RUN FILES...      the model of a finished run on new images, as CSV
  weights list|describe|fetch|verify|import

`radzoo COMMAND --help` says more. Errors in the input are one line, with exit code 2."""

NO_TAG = "no weights named: `radzoo weights list` shows all tags, such as squeezenet.imagenet"


def list_models(pattern: Positional[str] = "*", kind: str | None = None):
    """Lists models.

    Args:
        pattern: shell pattern of the names.
        kind: classification, segmentation, restoration or text.
    """
    names = radzoo.list_models(pattern, kind=kind)
    if not names:
        raise BadInput(f"no model matches {pattern!r}: `radzoo list` shows all names")
    for name in names:
        card = radzoo.describe(name)
        print(f"{name:<20} {card.year}  {card.parameters:>12,} parameters  {card.title.split(':')[0]}")


def describe(model: Positional[str]):
    """Says what is known of a model."""
    card = radzoo.describe(model)
    for key in ("name", "family", "title", "paper", "year", "kind", "fidelity"):
        print(f"{key:<12} {getattr(card, key)}")
    print(f"{'parameters':<12} {card.parameters:,} (trainable, whole network of the paper)")
    print(f"{'weights':<12} {', '.join(card.weights) or 'none'}")


def recipes():
    """Lists the recipes that come with radzoo."""
    for name in recipe_names():
        print(f"{name:<24} {read_recipe(name)[1].partition(chr(10))[0]}")


def predict(
    run: Positional[Path],
    files: Positional[tuple[str, ...]],
    out: Path | None = None,
    batch: int = 32,
):
    """Runs the model of a finished run on images.

    Args:
        run: the run folder.
        files: images in any format that an index may name.
        out: CSV to write, which must not exist; the standard output by default.
        batch: images per step.
    """
    if out is not None and out.exists():
        raise BadInput(f"{out} exists and is never overwritten: choose another --out")
    if out is not None and not out.parent.is_dir():
        raise BadInput(f"{out} was not written: the folder {out.parent} does not exist")
    _start_keras()
    table = radzoo.predict(run, files, batch=batch)
    text = table.to_csv(index=False, float_format="%.6g")
    if out is None:
        print(text, end="")
    else:
        _write(out, text)


def _start_keras() -> None:
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


def _write(path: Path, text: str) -> None:
    """A new file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise BadInput(f"{path} was not written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)


def weights_list(pattern: Positional[str] = "*", commercial: bool = False):
    """Lists weights.

    Args:
        pattern: shell pattern of `model.tag`.
        commercial: only those whose code, weights and data are all known to allow commercial use.
    """
    from radzoo import weights

    for name in weights.list_weights(pattern, commercial=commercial or None):
        manifest = weights.find(name)
        try:
            here = "here" if weights.locate(manifest) else "not here"
        except BadInput:  # a file of that name with another hash
            here = "damaged"
        licences = ", ".join(f"{key} {manifest.licences[key]}" for key in ("code", "weights", "data"))
        print(f"{name:<28} {here:<9} {licences}")


def weights_describe(tag: Positional[str]):
    """Says what weights hold, what pixels they expect, where they come from, and under which licences."""
    from radzoo import weights

    print("\n".join(weights.describe_lines(weights.find(tag))))


def weights_fetch(tags: Positional[tuple[str, ...]], to: Path | None = None):
    """Downloads weights, resuming what was interrupted, and verifies them.

    Args:
        tags: `model.tag`, one or more.
        to: the folder to fill (for a machine without a network); the cache by default.
    """
    from radzoo import weights

    if not tags:
        raise BadInput(NO_TAG)
    for tag in tags:
        path, _ = weights.fetch(weights.find(tag), to)
        print(path)


def weights_verify(tags: Positional[tuple[str, ...]]):
    """Loads weights for good: hash, names, shapes, tensors, probe."""
    from radzoo import weights

    if not tags:
        raise BadInput(NO_TAG)
    _start_keras()
    for tag in tags:
        print(weights.verify(weights.find(tag)))


def weights_import(
    file: Positional[Path],
    model: str,
    tag: str,
    input: Input,
    to: Path | None = None,
    top: bool = False,
    licence_code: str = "unknown",
    licence_weights: str = "unknown",
    licence_data: str = "unknown",
):
    """Turns a Keras file (`.h5` or `.weights.h5`) into safetensors with a manifest, and says what was loaded.

    Args:
        file: the weights of `model`.
        model: registered name.
        tag: name of the weights, so that `model.tag` finds them.
        input: the pixels that the weights expect; no file says so.
        to: folder for both files; the cache by default.
        top: the file holds the whole network of the paper.
    """
    from radzoo import weights

    licences = {"code": licence_code, "weights": licence_weights, "data": licence_data}
    _start_keras()
    path = weights.import_file(file, model, tag, to=to or weights.cache(), input=input, top=top, licences=licences)
    print("\n".join([f"written      {path}", *weights.describe_lines(weights.read_manifest(path))]))


def run(arguments: list[str]) -> None:
    """`radzoo run NAME [--field value ...]`: the recipe's name first, then any of its fields."""
    if not arguments or arguments[0].startswith("-"):
        print(f"usage: radzoo run RECIPE [--field value ...]\n\nrecipes: {', '.join(recipe_names())}")
        if not {"-h", "--help"} & set(arguments):
            raise BadInput("no recipe named: `radzoo run NAME`, such as `radzoo run chest_radiograph`")
        return
    name, *fields = arguments
    recipe, text = read_recipe(name)
    recipe = _parse(
        type(recipe), fields, default=recipe, prog=f"radzoo run {name}", description=text,
        config=(tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff),
    )  # fmt: skip
    _start_keras()
    finished = radzoo.run(recipe, name=Path(name).stem)
    from radzoo.report import table

    print(f"{table(finished.metrics)}\n\nreport: {finished.report.resolve()}")


COMMANDS = {"list": list_models, "describe": describe, "recipes": recipes, "predict": predict}
WEIGHTS = {
    "list": weights_list,
    "describe": weights_describe,
    "fetch": weights_fetch,
    "verify": weights_verify,
    "import": weights_import,
}


def dispatch(arguments: list[str]) -> None:
    """Runs one command line, without the name of the program."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP)
        return
    command, *rest = arguments
    if command == "run":
        run(rest)
        return
    known, prog = COMMANDS, "radzoo"
    if command == "weights":
        known, prog = WEIGHTS, "radzoo weights"
        command, *rest = rest or ["--help"]
        if command in ("-h", "--help"):
            print(f"usage: {prog} {'|'.join(WEIGHTS)} ...")
            return
    if command not in known:
        names = [*known, *(("run", "weights") if known is COMMANDS else ())]
        raise BadInput(f"unknown command {command!r}{suggest(command, names)}: {prog} has {', '.join(names)}")
    _parse(_deferred(known[command]), rest, prog=f"{prog} {command}")()


def _deferred(function):
    """A function of the same signature that only binds its arguments: errors of parsing and of running stay apart."""

    @functools.wraps(function)
    def bind(*args, **kwargs):
        return functools.partial(function, *args, **kwargs)

    return bind


def _parse(what, arguments: list[str], **options):
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
    text = " ".join(line for line in lines if line and line != "Parsing error")
    return re.sub(r"\s*For full helptext, (see|run) ", ": see ", text)


def main() -> None:
    """The console script: bad input is one line and exit code 2, Ctrl-C is 130."""
    try:
        dispatch(sys.argv[1:])
    except BadInput as error:
        print(f"radzoo: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # `radzoo list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"radzoo: the disk is full: {error.filename or 'a file'} was not written", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nradzoo: stopped; what was finished is kept, and images and features are cached", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
