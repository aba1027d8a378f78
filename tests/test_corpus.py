"""Every file of the DICOM corpus against its reference decoder, against DCMTK, and against its siblings.

The run prints the tables of recipes/RESULTS.md at its end (RADZOO_TEST_DATA names the folder of data).

The reference is not the truth. Where a file has none or ours differs, the table below says why, and DCMTK is the judge.
"""

import collections
import shutil
import subprocess

import cv2
import imagecodecs
import numpy as np
import pydicom
import pytest
from corpus import DECODED, by_reason, by_syntax, looked_at, outcome, rows, stored

from radzoo.images import read

IDCT = (
    "lossy JPEG, whose cosine transform decoders round differently: at most 1 grey level from the reference; equal to "
    "DCMTK bit for bit"
)
CHROMA = (
    "lossy JPEG with a quarter of the chroma, which decoders interpolate differently (the files beside it with "
    "half or all of it are equal to the reference): at most 2 grey levels in RGB; equal to DCMTK bit for bit"
)
TWELVE = "12-bit JPEG that the reference decoder refuses; equal to DCMTK bit for bit"
DIFFERENT = {  # files that are not equal to the manifest's digest, and why
    "pydicom/SC_jpeg_no_color_transform.dcm": IDCT,
    "pydicom/SC_rgb_dcmtk__eb_cy_n1.dcm": CHROMA,
    "pydicom/SC_rgb_dcmtk__eb_cy_np.dcm": CHROMA,
    "pydicom/JPGExtended.dcm": IDCT,
    "pylibjpeg-data/JPEGBaseline_1s_1f_u_08_08.dcm": IDCT,
    "cornerstoneWADOImageLoader/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm": IDCT,
    "pydicom/examples_ybr_color.dcm": "lossy JPEG with half of the chroma, whose cosine transform decoders round "
    "differently: at most 3 grey levels in RGB from the reference; equal to DCMTK bit for bit",
    "pydicom/JPEG-lossy.dcm": TWELVE,
    "dicom-test-files/MR3_JPLY": TWELVE,
    "dicom-test-files/MR4_JPLY": TWELVE,
    "dicom-test-files/XA1_JPLY": TWELVE,
    "dicom-test-files/RG3_JPLY": "12-bit JPEG that the reference decoder refuses; BitsStored is 10 and some samples "
    "decode to 1024: kept at 1023, the rest equal to DCMTK",
}
REFUSED = {  # beyond files without pixel data: (part of) the reason
    "pydicom/JPEG2000-embedded-sequence-delimiter.dcm": "the JPEG 2000 codestream",  # its size is overwritten
    "pydicom-data/liver_deflate.dcm": "the DICOM transfer syntax is unknown",  # to pydicom 3.0.2; a segmentation
    "pydicom-data/liver_nonbyte_aligned_deflate.dcm": "the DICOM transfer syntax is unknown",
    "pydicom/MR_truncated.dcm": "the file is truncated",
    "dwv/dwv-test_no-number-rows.dcm": "Rows or Columns is missing",
    "pydicom/meta_missing_tsyntax.dcm": "PhotometricInterpretation and SamplesPerPixel",
    "pydicom/nested_priv_SQ.dcm": "PhotometricInterpretation and SamplesPerPixel",
    "pydicom-data/liver_rle.dcm": "RLE with one bit per pixel",  # which the standard forbids
    "pydicom-data/liver_nonbyte_aligned_rle.dcm": "RLE with one bit per pixel",
    "pydicom/badVR.dcm": "NumberOfFrames is not a number",
}
PAIRS = [  # one image in several lossless encodings, of different decoders
    ("dicom-test-files/CT1_JLSL", "cornerstoneWADOImageLoader/CT1_J2KR"),
    ("dicom-test-files/CT2_JLSL", "cornerstoneWADOImageLoader/CT2_J2KR", "dicom-test-files/CT2_JPLL",
     "dicom-test-files/CT2_RLE"),
    ("dicom-test-files/MR3_JLSL", "dicom-test-files/MR3_J2KR", "dicom-test-files/MR3_JPLL"),
    ("dicom-test-files/MR4_JLSL", "dicom-test-files/MR4_J2KR", "dicom-test-files/MR4_JPLL"),
    ("dicom-test-files/XA1_JLSL", "dicom-test-files/XA1_J2KR", "dicom-test-files/XA1_JPLL"),
    ("dicom-test-files/VL1_RLE", "dicom-test-files/VL1_J2KR"),
    ("dicom-test-files/VL2_RLE", "dwv/nema-vl2_j2kr.dcm"),
    ("dicom-test-files/VL3_RLE", "dicom-test-files/VL3_J2KR"),
    ("pydicom/MR_small_implicit.dcm", "pydicom/MR_small_bigendian.dcm", "pydicom/MR_small_RLE.dcm",
     "pydicom/MR_small_jp2klossless.dcm", "pydicom/MR_small_jpeg_ls_lossless.dcm"),
    ("pydicom-data/693_UNCR.dcm", "pylibjpeg-data/693_J2KR.dcm"),
    ("pydicom-data/693_UNCI.dcm", "pydicom/693_J2KI.dcm"),  # lossy, and decompressed by another decoder
]  # fmt: skip
NO_PICTURE = ("RTDOSE", "SEG")  # doses and segmentations: their frames decode, and are refused as images
VOLUMES = [  # the only objects of several frames that say where in the patient each of them lies
    "cornerstoneWADOImageLoader/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm",
    "pydicom-data/eCT_Supplemental.dcm",
]
LOSSY_PAIRS = [  # a lossless image and its JPEG 2000 lossy sibling
    ("dicom-test-files/CT1_JLSL", "fo-dicom/CT1_J2KI"),
    ("dicom-test-files/CT2_JLSL", "dicom-test-files/CT2_J2KI"),
    ("dicom-test-files/MR3_JLSL", "dicom-test-files/MR3_J2KI"),
    ("dicom-test-files/MR4_JLSL", "dicom-test-files/MR4_J2KI"),
    ("dicom-test-files/XA1_JLSL", "dicom-test-files/XA1_J2KI"),
    ("dicom-test-files/VL1_RLE", "dicom-test-files/VL1_J2KI"),
    ("dicom-test-files/US1_RLE", "dwv/nema-us1_j2ki.dcm"),
]
TOOLS = {"4.50": "dcmdjpeg", "4.51": "dcmdjpeg", "4.57": "dcmdjpeg", "4.70": "dcmdjpeg", "4.80": "dcmdjpls",
         "4.81": "dcmdjpls", "5": "dcmdrle"}  # fmt: skip


def test_every_file_is_equal_explained_or_refused(real_data, printed):
    """As frames, as images, as a volume; a crash or a hang is told by the name of its file."""
    found = looked_at(real_data)
    printed("DICOM corpus: tests/test_corpus.py", f"{by_syntax(found)}\n{by_reason(found)}")
    for row in found:
        name, result = row["name"], row["outcome"]
        if row["kind"] == "not-dicom":
            assert result not in DECODED, name
        elif name in DIFFERENT:
            assert result == ("different" if row["pydicom_decode"] == "ok" else "new"), name
        elif row["pydicom_decode"] == "nopix":
            assert "holds no pixel data" in result, name
        elif name in REFUSED:
            assert REFUSED[name] in result and row["pydicom_decode"] != "ok", name
        else:
            assert result == "equal", name
            assert row["modality"] in NO_PICTURE or row["images"] == ["read"] * max(1, int(row["frames"] or 1)), name
    assert len(found) == 219
    assert collections.Counter(row["outcome"] for row in found if row["outcome"] in DECODED) == {
        "equal": 150, "different": 7, "new": 5,
    }  # fmt: skip
    shown = sum(row["images"].count("read") for row in found)
    assert shown == 143 + 90 + 2  # single images, frames of eleven objects, and two pictures that are no DICOM
    assert [row["name"] for row in found if row["volume"] == "read"] == VOLUMES


def test_lossless_siblings_are_equal(real_data):
    """The decoders are of different origin, so that equal pixels are right pixels."""
    for first, *others in PAIRS:
        expected = stored(real_data / "dicom_corpus/files" / first)[0]
        for other in others:
            np.testing.assert_array_equal(stored(real_data / "dicom_corpus/files" / other)[0], expected, err_msg=other)


def test_lossy_siblings_are_near(real_data):
    for first, other in LOSSY_PAIRS:
        one, two = (stored(real_data / "dicom_corpus/files" / name)[0].astype(float) for name in (first, other))
        assert 0 < np.abs(one - two).mean() < 0.02 * np.ptp(one), other


def test_high_throughput_jpeg2000_equals_openjph(real_data):
    """OpenJPEG decodes; OpenJPH was written apart from it."""
    for name, lossy in (("HTJ2KLossless_08_RGB.dcm", 0), ("HTJ2K_08_RGB.dcm", 1)):
        path = real_data / "dicom_corpus/files/pydicom-data" / name
        frame = pydicom.encaps.get_frame(pydicom.dcmread(path).PixelData, 0, number_of_frames=1)
        theirs = imagecodecs.htj2k_decode(frame)
        apart = (stored(path)[0].astype(int) - theirs + 128) % 256 - 128  # lossy overshoot of theirs wraps: 255 to 0
        assert np.abs(apart).max() == lossy


def dcmtk(row, out):
    """Stored values that DCMTK decodes, without any transform of colours; None where it has no decoder."""
    tool = TOOLS.get(row["transfer_syntax"].removeprefix("1.2.840.10008.1.2."))
    if tool is None or not shutil.which(tool):
        return None
    options = ["--conv-never"] if tool == "dcmdjpeg" else []
    done = subprocess.run([tool, *options, row["path"], out], capture_output=True)
    return None if done.returncode else stored(out)[0]


@pytest.mark.slow
def test_compressed_files_equal_dcmtk(real_data, tmp_path):
    """JPEG, JPEG-LS and RLE: another implementation, bit for bit, in every file; lossy ones too."""
    if not shutil.which("dcmdjpeg"):
        pytest.skip("dcmdjpeg (DCMTK) is not installed: not compared")
    compared = 0
    for row in rows(real_data):
        if outcome(row) in DECODED:
            theirs = dcmtk(row, tmp_path / "out.dcm")
            if theirs is None:
                continue
            ours, compared = stored(row["path"])[0], compared + 1
            if row["name"] == "dicom-test-files/RG3_JPLY":  # beyond its ten bits, cut to 0 in the file of DCMTK
                assert 0 < ((ours == 1023) & (theirs == 0)).sum() < 20
                theirs = np.where((ours == 1023) & (theirs == 0), 1023, theirs)
            np.testing.assert_array_equal(ours, theirs, err_msg=row["name"])
    assert compared == 59


@pytest.mark.slow
def test_pictures_equal_dcmtk(real_data, tmp_path):
    """Through the whole chain: colours and palettes within rounding, grey in one window exactly."""
    if not shutil.which("dcmj2pnm"):
        pytest.skip("dcmj2pnm (DCMTK) is not installed: not compared")
    compared = collections.Counter()
    for row in rows(real_data):
        grey = row["photometric"].startswith("MONOCHROME")
        dataset = pydicom.dcmread(row["path"], force=True, stop_before_pixels=True) if row["photometric"] else ()
        if not row["photometric"] or "PixelPaddingValue" in dataset or "PixelAspectRatio" in dataset:
            continue  # DCMTK shows padding, and stretches other pixels in another way
        if outcome(row) not in DECODED or row["name"].endswith("RG3_JPLY") or row["modality"] in NO_PICTURE:
            continue  # RG3_JPLY: see DIFFERENT
        theirs = picture(row["path"], tmp_path / "out.png", grey)
        if theirs is None or theirs.min() == theirs.max():
            continue
        name = f"{row['path']}#0" if row["frames"] not in ("", "1") else row["path"]  # DCMTK shows the first frame
        ours = read(name, window=(500, 800) if grey else "header")
        if any(step.startswith("square pixels") for step in ours.applied):
            continue
        apart = np.abs(ours.values - (theirs if ours.values.ndim == theirs.ndim else theirs[..., 0]))
        whole = float(dataset.get("RescaleSlope") or 1).is_integer()  # DCMTK cuts rescaled values to whole numbers
        assert apart.max() < ((2e-5 if whole else 1 / 799) if grey else 1.6 / 255), row["name"]
        compared["grey" if grey else "colour"] += 1
    assert compared["grey"] >= 35 and compared["colour"] >= 20, compared


def picture(path, out, grey):
    out.unlink(missing_ok=True)
    options = ["+Ww", "500", "800", "+on2"] if grey else ["+on"]
    subprocess.run(["dcmj2pnm", *options, path, out], capture_output=True)
    image = cv2.imread(str(out), cv2.IMREAD_UNCHANGED) if out.exists() else None
    if image is None:
        return None
    return image / np.iinfo(image.dtype).max if image.ndim == 2 else image[..., ::-1] / 255
