"""The DICOM corpus, each file read as frames, as images and as a volume, in a process of its own with a time limit.

The reference is the digest of the pixels that pydicom 3.0.2 with pylibjpeg decodes (its GPL plugin for JPEG included).
"""

from __future__ import annotations

import collections
import csv
import hashlib
import multiprocessing
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import convert_color_space

from radzoo import images
from radzoo.errors import BadInput
from radzoo.images import volumes
from radzoo.images.dicom import frames

SECONDS = 30  # for one file; the slowest takes half a second
NEW = {"1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression"}  # not known to pydicom 3.0.2
DECODED = ("equal", "different", "new")


def rows(data: Path):
    """The manifest; `name` is the path below files/."""
    with open(data / "dicom_corpus/manifest.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield row | {"name": row["file"].removeprefix("files/"), "path": data / "dicom_corpus" / row["file"]}


def stored(path) -> tuple[np.ndarray, str]:
    """Stored values, `(h, w)`, or `(frames, h, w)` of several, or with colours; and what they truly are."""
    decoded = [work() for work in frames.read(path)[1]]
    values = [each for each, _ in decoded]
    return values[0] if len(values) == 1 else np.stack(values), decoded[0][1]


def equals(array, photometric, digest) -> bool:
    """Whether these are the bytes of pydicom's pixel_array: colours as RGB, big-endian files in their own order."""
    if photometric == "YBR_FULL":
        array = convert_color_space(array, "YBR_FULL", "RGB")
    orders = (array, array.astype(array.dtype.newbyteorder(">")))
    return digest in [hashlib.sha256(np.ascontiguousarray(each).tobytes()).hexdigest()[:32] for each in orders]


def outcome(row) -> str:
    """One of equal, different, new (the reference has no pixels); or the reason of a refusal."""
    try:
        array, photometric = stored(row["path"])
    except BadInput as error:
        return str(error)
    if row["pydicom_decode"] != "ok":
        return "new"
    return "equal" if equals(array, photometric, row["decoded_sha256_32"]) else "different"


def as_images(row) -> list[str]:
    """`read`, or the reason of a refusal, of the file, or of each of its frames."""
    count = int(row["frames"]) if row["frames"].isdigit() else 1
    names = [row["path"]] if count < 2 else [f"{row['path']}#{place}" for place in range(count)]
    found = []
    for name in names:
        try:
            pixels = images.read(name, window="percentile")
        except BadInput as error:
            found.append(_line(error, row))
            continue
        values = pixels.values
        assert values.dtype == np.float32 and 0 <= values.min() < values.max() <= 1
        if row["kind"] != "not-dicom":
            assert pixels.applied and pixels.spacing_source and (pixels.modality or "") == row["modality"]
        found.append("read")
    return found


def as_volume(row) -> str:
    """`read`, or the reason of a refusal."""
    try:
        assert np.isfinite(volumes.read(row["path"]).values).all()
    except BadInput as error:
        return _line(error, row)
    return "read"


def _line(error, row) -> str:
    """The reason, which must be one line that names the file without its folder."""
    text, name = str(error), row["path"].name
    assert text.startswith(name) and "\n" not in text, text
    return text.removeprefix(name).partition(": ")[2]


def looked_at(data: Path) -> list[dict]:
    """The rows with `outcome`, `images` and `volume`; a crash or a hang is an AssertionError that names the file."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_child, args=(there, data), daemon=True)
    child.start()
    there.close()
    found = []
    try:
        assert here.poll(60) and here.recv() == "started"
        for row in rows(data):
            assert here.poll(SECONDS), f"{row['name']} takes more than {SECONDS} s"
            found.append(row | _received(here, child, row["name"]))
    finally:
        child.kill()
        child.join()
    return found


def _received(here, child, name: str) -> dict:
    try:
        result = here.recv()
    except EOFError:
        child.join()
        raise AssertionError(f"{name} ends the process (exit code {child.exitcode})") from None
    assert isinstance(result, dict), f"{name}: {result}"
    return result


def _child(there, data: Path) -> None:
    there.send("started")
    for row in rows(data):
        try:
            there.send({"outcome": outcome(row), "images": as_images(row), "volume": as_volume(row)})
        except BaseException as error:  # what no reader may raise
            there.send(f"{type(error).__name__}: {error}")


# ---- the tables of recipes/RESULTS.md


def by_syntax(found: list[dict]) -> str:
    """Markdown, one row per transfer syntax."""
    cells = collections.defaultdict(collections.Counter)
    for row in found:
        name = NEW.get(row["transfer_syntax"]) or pydicom.uid.UID(row["transfer_syntax"]).name or "none given"
        cell = cells["not DICOM" if row["kind"] == "not-dicom" else name.partition(",")[0]]
        cell["files"] += 1
        cell[row["outcome"] if row["outcome"] in DECODED else "refused"] += 1
    columns = ("files", "equal", "different", "new", "refused")
    lines = ["| transfer syntax | files | equal to the reference | differing, explained | new | refused |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    total = sum(cells.values(), collections.Counter())
    for name, cell in [*sorted(cells.items()), ("all", total)]:
        lines.append(f"| {name} | {' | '.join(str(cell[column]) for column in columns)} |")
    return "\n".join(lines)


def by_reason(found: list[dict]) -> str:
    """Markdown: what becomes of the files as frames, of their images, and of the files as volumes, and why not."""
    outcomes = {
        "files, all frames of each decoded to stored values": [row["outcome"] for row in found],
        "images (single ones, and each frame of the others)": [each for row in found for each in row["images"]],
        "files as volumes": [row["volume"] for row in found],
    }
    lines = []
    for what, each in outcomes.items():
        good = [text for text in each if text in (*DECODED, "read")]
        lines += ["", f"{len(good)} of {len(each)} {what}, 0 crashes, {len(each) - len(good)} refused:", ""]
        reasons = collections.Counter(_short(text) for text in each if text not in (*DECODED, "read"))
        lines += [f"- {count} x {reason}" for reason, count in reasons.most_common()]
    return "\n".join(lines)


def _short(reason: str) -> str:
    """A reason without advice, and without what differs from file to file."""
    if "holds no pixel data" in reason:
        return "holds no pixel data, or ends before it"
    return reason.rsplit(": ", 1)[0]
