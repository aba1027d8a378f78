"""The command line: which word runs which command, and how each ends.

Keras is imported only by the commands that need it, so that the others answer at once.
"""

from __future__ import annotations

import errno
import os
import sys

from radzoo.commands import bench, candidates, compare, dataset, index, models, runs, weights
from radzoo.commands.parsing import deferred, parse
from radzoo.errors import BadInput
from radzoo.registry import suggest

HELP = """usage: radzoo COMMAND ...

  list [PATTERN]            the registered models
  describe MODEL            what is known of a model
  recipes                   the recipes that come with radzoo
  index FOLDER --out CSV    an index of the images in a folder, and a reason for each file that is left out
  candidates INDEX ...      places within and away from the lesions of masks, as an index of candidates
  dataset INDEX --name NAME an index written as a dataset of TensorFlow Datasets, which recipes read as tfds:NAME
  run RECIPE [--field ...]  run a recipe (a name or a .py file); `radzoo run RECIPE --help` lists its fields
  run --resume RUN          go on with a run that was interrupted
  evaluate RUN INDEX        the model of a finished run on another hospital's images, as a column of its report
  compare RUN RUN...        finished runs on the same test patients, pair by pair, as a table and a page
  ensemble RUN RUN...       the networks of several runs as one run
  predict RUN FILES...      the model of a finished run on new images, as CSV
  weights list|describe|fetch|verify|import
  bench volumes|segmentation  how fast this machine is, against the plain way to do the same

`radzoo COMMAND --help` says more. Errors in the input are one line, with exit code 2."""

COMMANDS = {
    "list": models.list_models,
    "describe": models.describe,
    "recipes": models.recipes,
    "index": index.index,
    "candidates": candidates.candidates,
    "dataset": dataset.dataset,
    "evaluate": runs.evaluate,
    "predict": runs.predict,
    "compare": compare.compare,
    "ensemble": runs.ensemble,
}
GROUPS = {"weights": weights, "bench": bench}


def dispatch(arguments: list[str]) -> None:
    """Runs one command line, without the name of the program."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP)
        return
    command, *rest = arguments
    if command == "run":
        runs.run(rest)
        return
    known, prog = COMMANDS, "radzoo"
    if command in GROUPS:
        known, prog = GROUPS[command].COMMANDS, f"radzoo {command}"
        command, *rest = rest or ["--help"]
        if command in ("-h", "--help"):
            print(f"usage: {prog} {'|'.join(known)} ...")
            return
    if command not in known:
        names = [*known, *(("run", *GROUPS) if known is COMMANDS else ())]
        raise BadInput(f"unknown command {command!r}{suggest(command, names)}: {prog} has {', '.join(names)}")
    parse(deferred(known[command]), rest, prog=f"{prog} {command}")()


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
