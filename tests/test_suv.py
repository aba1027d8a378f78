"""SUV by body weight, worked by hand."""

import pydicom
import pytest
import slices

from radzoo.errors import BadInput
from radzoo.images.dicom import suv
from radzoo.images.volumes import series

HALF_LIFE = 6586.2  # of F-18, seconds


def pet(**changes):
    data, medicine = pydicom.Dataset(), pydicom.Dataset()
    data.Units, data.CorrectedImage, data.DecayCorrection = "BQML", ["NORM", "ATTN", "DECY"], "START"
    data.SeriesDate, data.SeriesTime, data.AcquisitionDate = "20240310", "103000", "20240310"
    data.AcquisitionTime, data.PatientWeight = "103001.5", 70
    medicine.RadionuclideTotalDose, medicine.RadionuclideHalfLife = 370e6, HALF_LIFE
    medicine.RadiopharmaceuticalStartTime = "093000.00"
    data.RadiopharmaceuticalInformationSequence = [medicine]
    for name, value in changes.items():
        holder = medicine if name.startswith("Radio") and name != "RadiopharmaceuticalInformationSequence" else data
        if value is None:
            delattr(holder, name)
        else:
            setattr(holder, name, value)
    return data


def test_by_hand():
    """An hour after 370 MBq there are 370e6 * 2^(-3600/6586.2) = 253.3 MBq in 70 kg: 2.763e-4 g/Bq."""
    assert suv.factor(pet()) == pytest.approx(70000 / (370e6 * 2 ** (-3600 / HALF_LIFE)))
    assert suv.factor(pet()) == pytest.approx(2.7634e-4, rel=1e-4)
    assert suv.factor(pet(DecayCorrection="ADMIN")) == pytest.approx(70000 / 370e6)
    late = pet(SeriesTime="003000", AcquisitionTime="003001", RadiopharmaceuticalStartTime="233000")
    assert suv.factor(late) == pytest.approx(suv.factor(pet()))  # injected before midnight
    dated = pet(RadiopharmaceuticalStartDateTime="20240310093000.000000+0100")
    assert suv.factor(dated) == pytest.approx(suv.factor(pet()))
    assert suv.factor(pet(Units="GML")) == 1
    counts = pet(Units="CNTS")
    counts.add_new((0x7053, 0x1000), "DS", "0.0002")
    assert suv.factor(counts) == pytest.approx(0.0002)
    counts[0x7053, 0x1000].value = "0"
    counts.add_new((0x7053, 0x1009), "DS", "1.5")
    assert suv.factor(counts) == pytest.approx(1.5 * suv.factor(pet()))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"Units": "PROPCNTS"}, "Units is not BQML"),
        ({"Units": "CNTS"}, "Units is CNTS"),
        ({"PatientWeight": None}, "PatientWeight is missing"),
        ({"RadionuclideTotalDose": 0}, "RadionuclideTotalDose is missing or not positive"),
        ({"CorrectedImage": ["ATTN"]}, "CorrectedImage lacks"),
        ({"DecayCorrection": "NONE"}, "DecayCorrection is not START"),
        ({"RadiopharmaceuticalStartTime": None}, "RadiopharmaceuticalStartTime is missing"),
        ({"SeriesTime": "113000"}, "SeriesTime is later than AcquisitionTime"),
        ({"RadiopharmaceuticalInformationSequence": None}, "InformationSequence is missing"),
        ({"RadiopharmaceuticalStartDateTime": "20240308093000"}, "not within a day"),
    ],
)
def test_what_is_missing_is_named(changes, message):
    with pytest.raises(BadInput, match=f"PET without SUV: .*{message}"):
        suv.factor(pet(**changes))


def test_a_series_is_read_in_suv(tmp_path):
    planes = slices.even(count=3, Modality="PT", RescaleIntercept=0, RescaleSlope=2.5)
    for plane in planes:
        plane.update(pet())
    found = series.read(slices.write(tmp_path / "pet", planes))
    stored = planes[-1].pixel_array * 2.5
    assert found.values[0] == pytest.approx(stored * suv.factor(pet()), rel=1e-5)
    assert found.modality == "PT" and found.applied == ("rescale", "SUV by body weight")
    del planes[0].PatientWeight
    with pytest.raises(BadInput, match=r"000\.dcm: PET without SUV: PatientWeight"):
        series.read(slices.write(tmp_path / "other", planes))
