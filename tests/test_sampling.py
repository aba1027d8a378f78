"""Candidates from masks: what is within lies within, what is away lies away, and an index reads both."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from radzoo import Data
from radzoo.data import read_index
from radzoo.data.sampling import sample_candidates
from radzoo.errors import BadInput
from radzoo.images.volumes import read

SPACING = (1.5, 1.0, 2.0)  # x y z of the file


@pytest.fixture
def masked(tmp_path):
    """Three oblique scans: two lesions (one of 3 x 4 x 5 voxels), one of a single voxel, none."""
    rng, rows = np.random.default_rng(0), []
    turn = np.array([[0.8, 0.6, 0], [-0.6, 0.8, 0], [0, 0, 1]])
    for number, boxes in enumerate(([(2, 2, 2, 3, 4, 5), (12, 12, 2, 2, 2, 2)], [(8, 9, 10, 1, 1, 1)], [])):
        values, mask = rng.normal(100, 10, (16, 18, 14)), np.zeros((16, 18, 14), "uint8")
        for i, j, k, *size in boxes:
            mask[i : i + size[0], j : j + size[1], k : k + size[2]] = number + 1
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = turn * SPACING, rng.uniform(-50, 50, 3)
        names = [f"{kind}{number}.nii.gz" for kind in ("scan", "mask")]
        nibabel.save(nibabel.Nifti1Image(values.astype("float32"), affine), tmp_path / names[0])
        nibabel.save(nibabel.Nifti1Image(mask, affine), tmp_path / names[1])
        rows.append((*names, f"p{number}"))
    pd.DataFrame(rows, columns=["scan", "mask", "who"]).to_csv(tmp_path / "index.csv", index=False)
    return tmp_path / "index.csv"


COLUMNS = {"image": "scan", "mask": "mask", "patient": "who"}


def test_places_lie_where_they_are_said_to(masked):
    found, lesions = sample_candidates(masked, **COLUMNS, within=5, away=6, margin_mm=4, progress=False)
    counts = found[found["label"] == 1].groupby(["scan", "lesion_id"]).size()
    assert sorted(counts)[::2] == [1, 5] and 1 < sorted(counts)[1] <= 5 and (found["label"] == 0).sum() == 3 * 6
    assert list(lesions["lesion_id"]) == ["1", "2", "1", ""]
    large = lesions["diameter_mm"][:2].astype(float).max()
    assert large == pytest.approx((6 / np.pi * 60 * 3) ** (1 / 3), abs=0.01)
    assert float(lesions["diameter_mm"][2]) == 2  # the width of its voxel: a ball of 3 mm3 is 1.79 mm wide
    assert (lesions.iloc[3][["x", "y", "z", "diameter_mm"]] == "").all()
    for path, here in found.groupby("scan"):
        mask = read(path.replace("scan", "mask"))
        voxels = mask.voxels(here[["x", "y", "z"]].astype(float).to_numpy())
        np.testing.assert_allclose(voxels, voxels.round(), atol=2e-3)
        within = mask.values[tuple(voxels.round().astype(int).T)] > 0
        assert (within == (here["label"] == 1)).all()
        outside = here[here["label"] == 0][["x", "y", "z"]].astype(float).to_numpy()
        marked = mask.positions(np.argwhere(mask.values))
        if len(marked):
            assert np.linalg.norm(outside[:, None] - marked[None], axis=-1).min() > 4


def test_an_index_reads_them_and_every_place_hits(masked, cli):
    out = masked.parent / "candidates.csv"
    code, said, _ = cli("candidates", masked, "--image", "scan", "--patient", "who", "--within", "3", "--out", out,
                        "--reference", masked.parent / "lesions.csv")  # fmt: skip
    assert code == 0 and said.startswith("31 candidates, 7 of them within 3 lesions, in 3 volumes")
    data = Data(index=str(out), image="scan", label="label", patient="who", place=("x", "y", "z"))
    by_radius = read_index(Data(**{**vars(data), "reference": "lesions.csv"})).candidates
    by_name = read_index(Data(**{**vars(data), "reference": "lesions.csv", "lesion": "lesion_id"})).candidates
    assert by_radius.lesion.tolist() == by_name.lesion.tolist() and (by_radius.lesion >= 0).sum() == 7
    assert len(by_name.scans) == 3 and len(by_name.lesions) == 3


def test_the_same_seed_gives_the_same_places_whatever_other_rows(masked):
    one, two = (sample_candidates(masked, **COLUMNS, seed=seed, progress=False)[0] for seed in (1, 2))
    assert not one.equals(two)
    pd.read_csv(masked).iloc[:2].to_csv(masked.parent / "fewer.csv", index=False)
    fewer = sample_candidates(masked.parent / "fewer.csv", **COLUMNS, seed=1, progress=False)[0]
    assert fewer.equals(one.iloc[: len(fewer)])


def test_labels_are_chosen(masked):
    _, lesions = sample_candidates(masked, **COLUMNS, labels=(2,), progress=False)
    assert list(lesions["lesion_id"]) == ["", "1", ""]
    with pytest.raises(BadInput, match=r"hold no lesion: are \(9,\) the right ones"):
        sample_candidates(masked, **COLUMNS, labels=(9,), progress=False)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"margin_mm": 500.0}, "no place farther than 500 mm"),
        ({"away": -1}, "away -1"),
        ({"mask": "who"}, r"index\.csv, row 2 \(the header is row 1\): the mask p0: "),
        ({"patient": "whom"}, "no column 'whom'"),
    ],
)
def test_bad_masks_and_numbers(masked, changes, message):
    with pytest.raises(BadInput, match=message):
        sample_candidates(masked, **{**COLUMNS, **changes}, progress=False)


def test_nothing_is_overwritten(masked, cli):
    taken = masked.parent / "taken.csv"
    taken.write_text("mine")
    code, _, error = cli("candidates", masked, "--image", "scan", "--patient", "who", "--out", taken, "--reference",
                         masked.parent / "lesions.csv")  # fmt: skip
    assert code == 2 and "taken.csv exists and is never overwritten" in error and taken.read_text() == "mine"
