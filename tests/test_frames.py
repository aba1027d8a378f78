"""The frames of multi-frame objects: those of the corpus against its reference decoder, and what is damaged."""

import csv
import hashlib

import numpy as np
import pytest
import slices
from pydicom.pixels import convert_color_space

from radzoo.errors import BadInput
from radzoo.images.dicom import frames

LOSSY = {  # JPEG, whose cosine transform decoders round differently; within one grey level, of chroma within more
    "cornerstoneWADOImageLoader/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm",
    "pydicom/examples_ybr_color.dcm",
}
REFUSED = ("SEG", "RTDOSE")  # a SEG is read by `volumes.segments`


def test_frames_of_the_corpus(real_data):
    told = {"equal": 0, "lossy": 0, "refused": 0}
    with open(real_data / "dicom_corpus/manifest.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["frames"].isdigit() and int(row["frames"]) > 1]
    for row in rows:
        name = row["file"].removeprefix("files/")
        if row["pydicom_decode"] != "ok" or row["modality"] in REFUSED:
            with pytest.raises(BadInput):
                frames.read(real_data / "dicom_corpus" / row["file"])
            told["refused"] += 1
            continue
        parts, works = frames.read(real_data / "dicom_corpus" / row["file"])
        decoded = [work() for work in works]
        assert len(parts) == len(decoded) == int(row["frames"]), name
        array = np.stack([values for values, _ in decoded])
        if decoded[0][1] == "YBR_FULL":
            array = np.stack([convert_color_space(values, "YBR_FULL", "RGB") for values in array])
        orders = (array, array.astype(array.dtype.newbyteorder(">")))
        same = row["decoded_sha256_32"] in [hashlib.sha256(each.tobytes()).hexdigest()[:32] for each in orders]
        assert same or name in LOSSY, name
        told["equal" if same else "lossy"] += 1
    assert told == {"equal": 9, "lossy": 2, "refused": 9}


def test_each_frame_has_its_own_header():
    data = slices.enhanced(slices.even(count=4))
    parts = list(frames.headers(data))
    places = [part.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient for part in parts]
    assert [place[2] for place in places] == [50, 48, 46, 44]
    assert [part.NumberOfFrames for part in parts] == [1] * 4 and data.NumberOfFrames == 4
    assert len(data.PerFrameFunctionalGroupsSequence) == 4


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"NumberOfFrames": 5}, "NumberOfFrames is 5, the functional groups are of 6 frames"),
        ({"NumberOfFrames": -1}, "no number of frames"),
        ({"PixelData": b"\0\0"}, "the pixel data has 2 of 420 bytes: the file is truncated"),
    ],
)
def test_damaged_objects(tmp_path, changes, message):
    data = slices.enhanced(slices.even())
    for name, value in changes.items():
        setattr(data, name, value)
    data.save_as(tmp_path / "a.dcm")
    with pytest.raises(BadInput, match=message):
        frames.read(tmp_path / "a.dcm")
