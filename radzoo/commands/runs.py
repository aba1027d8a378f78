"""`radzoo run`, `radzoo evaluate`, `radzoo predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro

import radzoo
from radzoo.atomic import replacing
from radzoo.commands.parsing import parse, start_keras
from radzoo.errors import BadInput
from radzoo.recipe import read_recipe, recipe_names

Positional = tyro.conf.Positional
USAGE = """usage: radzoo run RECIPE [--field value ...]
       radzoo run --resume RUN"""


def run(arguments: list[str]) -> None:
    """`radzoo run NAME [--field value ...]`: the recipe's name first, then any of its fields; or `--resume RUN`."""
    if any(word == "--resume" or word.startswith("--resume=") for word in arguments):
        _resume([part for word in arguments for part in word.split("=", 1 if word.startswith("--resume=") else 0)])
        return
    if not arguments or arguments[0].startswith("-"):
        print(f"{USAGE}\n\nrecipes: {', '.join(recipe_names())}")
        if not {"-h", "--help"} & set(arguments):
            raise BadInput("no recipe named: `radzoo run NAME`, such as `radzoo run chest_radiograph`")
        return
    name, *fields = arguments
    recipe, text = read_recipe(name)
    recipe = parse(
        type(recipe), fields, default=recipe, prog=f"radzoo run {name}", description=text,
        config=(tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff),
    )  # fmt: skip
    start_keras()
    _say(radzoo.run(recipe, name=Path(name).stem))


def _resume(arguments: list[str]) -> None:
    if len(arguments) != 2 or arguments[0] != "--resume":
        raise BadInput(
            "`radzoo run --resume RUN` takes the folder of an interrupted run and nothing else: its recipe is in there"
        )
    start_keras()
    _say(radzoo.resume(Path(arguments[1])))


def evaluate(
    run: Positional[Path],
    index: Positional[str],
    image: tuple[str, ...] | None = None,
    label: tuple[str, ...] | None = None,
    patient: str | None = None,
    study: str | None = None,
    positive: str | None = None,
    where: str | None = None,
    reference: str | None = None,
):
    """Tries the model of a finished run on another hospital's images, as it is, and adds a column to its report.

    Args:
        run: the run folder.
        index: a CSV with one row per image. Its columns are called as those of the run's own index, unless named here.
        image: column of the path, or one per contrast phase.
        label: label column, or one per class.
        patient: column that tells patients apart.
        study: column that tells studies apart.
        positive: the value of a binary label that counts as positive.
        where: rows to keep, such as `view == PA`; by default the filter of the run, and '' keeps all.
        reference: of candidates, a CSV of all lesions in their scans, beside the index.
    """
    start_keras()
    _say(
        radzoo.evaluate(
            run,
            index,
            image=image,
            label=label,
            patient=patient,
            study=study,
            positive=positive,
            where=where,
            reference=reference,
        )
    )


def ensemble(runs: Positional[tuple[Path, ...]], how: str = "weights", out: Path | None = None):
    """Makes one run of the chosen networks of several, which must have seen the same patients in the same parts.

    Args:
        runs: the run folders, two or more.
        how: `mean` of the probabilities, or `weights` chosen on validation.
        out: the new run folder; by default the first free runs/ensemble-1, runs/ensemble-2, ...
    """
    start_keras()
    _say(radzoo.ensemble(runs, how=how, out=out))


def predict(
    run: Positional[Path],
    files: Positional[tuple[str, ...]],
    out: Path | None = None,
    kind: Literal["auto", "nifti", "dicom_seg", "dicom", "png"] = "auto",
    batch: int | None = None,
    together: bool = False,
    covariates: tuple[str, ...] = (),
):
    """Runs the model of a finished run on images; a segmentation writes masks, a restoration better images.

    Args:
        run: the run folder.
        files: images in any format that an index may name, such as the folder of a DICOM series.
        out: CSV to write, which must not exist; the standard output by default. Of a segmentation or restoration
            the folder for masks or images, of which a table is printed; without it none are written.
        kind: of these files: `auto` is DICOM (SEG of masks, a derived series of images) for DICOM volumes, NIfTI for
            other volumes, PNG for images.
        batch: images per step; of a segmentation or restoration windows.
        together: the files are one study or one patient, for a run that decides per study or patient.
        covariates: `COLUMN=VALUE` for a run that takes some beside the image; the same for all files.
    """
    beside = dict(_pair(word) for word in covariates)
    start_keras()
    from radzoo.cleaning import cleans
    from radzoo.drawing import draws

    images = draws(run) or cleans(run)
    if out is not None and not images:
        check_new(out)
    options = {"out": out, "kind": kind} if images or kind != "auto" else {}
    table = radzoo.predict(run, files, batch=batch, together=together, covariates=beside, **options)
    text = table.to_csv(index=False, float_format="%.6g")
    if out is None or images:
        print(text, end="")
    else:
        write(out, text)


def _pair(word: str) -> tuple[str, str]:
    name, mark, value = word.partition("=")
    if not (name and mark and value):
        raise BadInput(f"--covariates {word!r} came, expected COLUMN=VALUE such as sex=F")
    return name, value


def check_new(path: Path) -> None:
    """Refuses a file that exists, and a folder that does not."""
    if path.exists():
        raise BadInput(f"{path} exists and is never overwritten: choose another name")
    if not path.parent.is_dir():
        raise BadInput(f"{path} was not written: the folder {path.parent} does not exist")


def write(path: Path, text: str) -> None:
    """A new file, whole or not at all."""
    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise BadInput(f"{path} was not written: {error.strerror}") from None


def _say(finished) -> None:
    from radzoo.report import table

    print(f"{table(finished.metrics)}\n\nreport: {finished.report.resolve()}")
