"""`radzoo bench` runs to its end and prints every row; how fast anything is, is no test."""

import re

import pytest
import slices

ROWS = [
    *(f"series, {name}, {n}" for name in ("raw", "RLE", "JPEG 2000", "JPEG-LS", "--series")
      for n in ("1 thread", "2 threads")),
    "pipeline, decoding", "pipeline, fitting to the shape", "pipeline, reading the store", "pipeline, normalising",
    "pipeline, batches",
    "patches, nine planes of 64 x 64", "patches, one cube of 32 x 32 x 32",
    "peak memory, reading 16 x 16 x 8", "peak memory, reading 16 x 16 x 8, without Python",
]  # fmt: skip
NUMBER = r"[\d.e+]+ (planes/s|volumes/s|patches/s|MB)"


@pytest.mark.slow
def test_volumes(tmp_path, cli):
    slices.write(tmp_path / "own", slices.even())
    small = ("--planes", "8", "--size", "16", "--long", "8", "--rounds", "1")
    code, said, error = cli("bench", "volumes", *small, "--series", tmp_path / "own")
    assert code == 0, error
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines() if line[:1] == "|"]
    assert [line[0] for line in lines[2:]] == ROWS
    for work, ours, _, theirs, ratio in lines[2:]:
        assert re.fullmatch(NUMBER, ours) and re.fullmatch(f"-|{NUMBER}", theirs) and re.fullmatch(r"-|[\d.]+", ratio)
        assert (theirs == "-") == (ratio == "-") and (theirs != "-" or work.startswith("series")), work
    assert "Bottleneck of the first pass" in said and "Bottleneck of all later passes" in said


def test_wrong_words(cli, tmp_path):
    for words, message in ((("--planes", "2"), "at least 8"), (("--series", tmp_path / "no"), "is no folder")):
        code, _, error = cli("bench", "volumes", *words)
        assert code == 2 and message in error and "Traceback" not in error
    assert "volumes" in cli("bench")[1]
