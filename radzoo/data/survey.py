"""What images lie in a folder: an index of them, and a reason for every file that is left out.

Headers are read, pixels are not. Patients and studies appear as keys (`radzoo.data.keys`).
"""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from radzoo.data.keys import Keys
from radzoo.data.look import digest, look
from radzoo.errors import BadInput

PARTS = ("train", "val", "valid", "validation", "test")


@dataclass(frozen=True, eq=False)
class Survey:
    """The images of a folder.

    Attributes:
        table: text, one row per image: `file` (absolute) and what is known of it, see `survey`.
        left_out: `file` and `reason` of every file that is not in the table.
        notes: sentences about patients and labels.
    """

    table: pd.DataFrame
    left_out: pd.DataFrame
    notes: tuple[str, ...]


def survey(folder: str | os.PathLike, *, label: str | None = None, progress: bool = True) -> Survey:
    """Lists the images of a folder and its sub-folders.

    Columns are `file`; `label`, the first sub-folder's name, where sub-folders are classes; `split`, where the
    sub-folders are train, val and test, and the classes lie in them; `rows` and `columns`; and, where there is DICOM,
    `patient` and `study` (keys), `modality`, `view`, `laterality`, `manufacturer`, `model`, `presentation_intent`
    (PRESENTATION, PROCESSING), `burnt_in` (YES, NO), `secondary_capture` (0, 1), `photometric` and `body_part`.

    Args:
        label: `folder` takes the sub-folders as classes and `none` does not; None takes them where at least two of
            them hold images, and none of them the images of one patient only.
    Raises:
        BadInput: no such folder, or no image in it.
    """
    folder = os.path.abspath(Path(folder).expanduser())
    if not os.path.isdir(folder):
        raise BadInput(f"{folder} is no folder: expected one with images in it")
    files, left_out = walk(folder)
    images = _looked_at(files, left_out, progress)
    images = sorted(images, key=lambda image: image["file"])
    about_labels: list[str] = []
    images = _without_copies(_classes(images, folder, label, about_labels), left_out, folder)
    if not images:
        reasons = Counter(reason for _, reason in left_out).most_common(3)
        found = "; ".join(f"{count}: {reason}" for reason, count in reasons) or "it is empty"
        raise BadInput(f"{folder} holds no image that an index could name ({found})")
    table = pd.DataFrame([{k: v for k, v in image.items() if k[0] != "_"} for image in images], dtype=str).fillna("")
    first = [name for name in ("file", "patient", "study", "split", "label") if name in table]
    table = table[first + [name for name in table if name not in first]]
    shown = sorted((printable(path), printable(reason)) for path, reason in left_out)
    return Survey(table, pd.DataFrame(shown, columns=["file", "reason"], dtype=str), (*_notes(images), *about_labels))


def printable(text: str) -> str:
    """A name that is not Unicode, as far as it goes."""
    return os.fsencode(text).decode("utf-8", "replace")


def walk(folder: str) -> tuple[list[str], list[tuple[str, str]]]:
    """All files, and `(path, reason)` of folders not entered. Links come last, and nothing is entered twice."""
    files, left_out, seen, queue = [], [], set(), [folder]

    def refuse(error: OSError) -> None:
        left_out.append((error.filename, f"the folder cannot be read ({error.strerror})"))

    while queue:
        for place, folders, names in os.walk(queue.pop(0), onerror=refuse):
            here = os.stat(place)
            if (here.st_dev, here.st_ino) in seen:
                left_out.append((place, "a link to a folder that is listed already"))
                folders.clear()
                continue
            seen.add((here.st_dev, here.st_ino))
            left_out += [(os.path.join(place, name), "a hidden folder") for name in folders if name[0] == "."]
            folders[:] = sorted(name for name in folders if name[0] != ".")
            paths = [os.path.join(place, name) for name in folders]
            queue += [path for path in paths if os.path.islink(path)]
            files += [os.path.join(place, name) for name in sorted(names)]
    return files, left_out


class NoKeys(Exception):
    """There is no secret to make keys with."""


def _looked_at(files: list[str], left_out: list[tuple[str, str]], progress: bool) -> list[dict]:
    from tqdm import tqdm

    made = []

    def keys() -> Keys:  # no secret is made for a folder without DICOM
        if not made:
            try:
                made.append(Keys())
            except BadInput as error:  # no fault of the file that is looked at
                raise NoKeys(str(error)) from None
        return made[0]

    images = []
    for path in tqdm(files, "files", file=sys.stderr, disable=not progress):
        try:
            images.append({"file": path, **look(path, keys)})
        except NoKeys as error:
            raise BadInput(str(error)) from None
        except BadInput as error:
            left_out.append((path, str(error)))
        except FileNotFoundError:
            left_out.append((path, "a broken link, or removed meanwhile"))
        except OSError as error:
            left_out.append((path, f"cannot be read ({error.strerror or type(error).__name__})"))
        except MemoryError:
            left_out.append((path, "cannot be read (it asks for more memory than there is)"))
    mixed = any("patient" in image for image in images)
    for image in images:
        if mixed and "patient" not in image:  # a picture among DICOM files
            image["study"] = keys()("study of a file", digest(image["file"]))
            image["patient"], image["_nobody"] = keys()("nobody", image["study"]), True
    return images


def _classes(images: list[dict], folder: str, label: str | None, notes: list[str]) -> list[dict]:
    """Adds `label`, and `split` where the first sub-folders are train, val and test."""
    places = [os.path.relpath(image["file"], folder).split(os.sep)[:-1] for image in images]
    tops = {place[0] if place else "" for place in places}
    divided = len(tops) > 1 and {top.lower() for top in tops} <= set(PARTS)
    names = [place[divided] if len(place) > divided else "" for place in places]
    if divided:
        images = [{**image, "split": place[0]} for image, place in zip(images, places, strict=True)]
    owners = defaultdict(set)
    for image, name in zip(images, names, strict=True):
        owners[name].add(image.get("patient", image["file"]))
    classes = sorted(set(owners) - {""})
    if label == "folder" and len(classes) < 2:
        raise BadInput("--label folder came, but no two sub-folders hold images: there are no classes to take")
    if label == "none" or len(classes) < 2:
        return images
    lonely = [name for name in classes if len(owners[name]) == 1]
    if label is None and lonely:
        notes.append(
            f"{len(lonely)} of {len(classes)} sub-folders hold one patient only: sub-folders are not taken as classes "
            "(--label folder does)."
        )
        return images
    if "" in names:
        notes.append(
            f"{names.count('')} images lie in no class's folder and have no label: leave them out with "
            "--data.where \"label != ''\"."
        )
    return [{**image, "label": name} for image, name in zip(images, names, strict=True)]


def _without_copies(images: list[dict], left_out: list[tuple[str, str]], folder: str) -> list[dict]:
    """One image of those with the same bytes; none where they lie in the folders of several classes."""
    sizes = Counter(image["_size"] for image in images)
    copies = defaultdict(list)
    for image in images:
        if sizes[image["_size"]] > 1:
            copies[digest(image["file"])].append(image)
    gone = {}
    for first, *others in copies.values():
        names = [os.path.relpath(image["file"], folder) for image in (first, *others)]
        if len({image.get("label") for image in (first, *others)}) > 1:
            gone |= {first["file"]: f"the same bytes have another label too: {names[1]}"}
            gone |= {image["file"]: f"the same bytes have another label too: {names[0]}" for image in others}
        else:
            gone |= {image["file"]: f"the same bytes as: {names[0]}" for image in others}
    left_out += gone.items()
    return [image for image in images if image["file"] not in gone]


def _notes(images: list[dict]) -> list[str]:
    """What a user must know of the patients."""
    if images and "patient" not in images[0]:
        return ["Nothing says whose pictures these are: add a patient column, or one patient may be on two sides."]
    notes = []
    nobody = [image["patient"] for image in images if image.get("_nobody")]
    if nobody:
        notes.append(
            f"{len(nobody)} images have no patient id: each study counts as a patient, and each file that has no study "
            f"either ({len(set(nobody))} in all)."
        )
    issuers = defaultdict(set)
    for image in images:
        if image.get("_number"):
            issuers[image["_number"]].add(image["patient"])
    several = sum(len(patients) > 1 for patients in issuers.values())
    if several:
        notes.append(
            f"{several} patient ids come from several issuers, or with and without one: each is taken as another "
            "patient."
        )
    if len(issuers) == 1 and len({image["study"] for image in images}) > 1 and not nobody:
        notes.append("All images carry the same patient id: if it was blanked, use --data.patient study.")
    return notes
