"""PET in standardised uptake values by body weight, where the header allows it.

The rules are those of the vendor-neutral pseudo-code of the RSNA's QIBA (SUV Technical Subcommittee, happy path and
Philips); what is missing for them is an error, because volumes of several patients must have one unit.
"""

from __future__ import annotations

import datetime

from radzoo.errors import BadInput
from radzoo.images.dicom import luts
from radzoo.images.dicom.header import number, text

PHILIPS_SUV, PHILIPS_ACTIVITY = (0x7053, 0x1000), (0x7053, 0x1009)  # from counts to SUV, to Bq/ml
DAY = 86400.0


def factor(dataset) -> float:
    """What rescaled PET values are multiplied by to be SUV (g/ml); call it within `header.quiet`.

    Raises:
        BadInput: names the attributes that are missing or contradict each other, without their values.
    """
    units = text(dataset, "Units")
    if units == "GML" and text(dataset, "SUVType") in ("", "BW"):
        return 1.0
    if units == "CNTS":
        direct = _private(dataset, PHILIPS_SUV)
        return direct or _private(dataset, PHILIPS_ACTIVITY) * _by_weight(dataset) or _refuse("Units is CNTS")
    if units != "BQML":
        _refuse("Units is not BQML, CNTS or GML")
    return _by_weight(dataset)


def _by_weight(dataset) -> float:
    """Grams per decayed becquerel."""
    corrected = {str(each) for each in dataset.get("CorrectedImage") or ()}
    if not {"ATTN", "DECY"} <= corrected:
        _refuse("CorrectedImage lacks ATTN or DECY")
    (medicine,) = luts.items(dataset, "RadiopharmaceuticalInformationSequence") or [None]
    if medicine is None:
        _refuse("RadiopharmaceuticalInformationSequence is missing")
    weight, dose = number(dataset, "PatientWeight", 0.0), number(medicine, "RadionuclideTotalDose", 0.0)
    life = number(medicine, "RadionuclideHalfLife", 0.0)
    for name, value in (("PatientWeight", weight), ("RadionuclideTotalDose", dose), ("RadionuclideHalfLife", life)):
        if value <= 0:
            _refuse(f"{name} is missing or not positive")
    decay = text(dataset, "DecayCorrection")
    if decay == "ADMIN":
        return 1000 * weight / dose
    if decay != "START":
        _refuse("DecayCorrection is not START or ADMIN")
    return 1000 * weight / (dose * 2 ** (-_waited(dataset, medicine) / life))


def _waited(dataset, medicine) -> float:
    """Seconds from the injection to the start of the scan."""
    start = _moment(text(dataset, "SeriesDate") + text(dataset, "SeriesTime"), "SeriesDate and SeriesTime")
    acquired = text(dataset, "AcquisitionDate") + text(dataset, "AcquisitionTime")
    if acquired and _moment(acquired, "AcquisitionTime") < start:
        _refuse("SeriesTime is later than AcquisitionTime, so that the start of the scan is not known")
    whole = text(medicine, "RadiopharmaceuticalStartDateTime").split("+")[0].split("-")[0]  # without its time zone
    if whole:
        waited = (start - _moment(whole, "RadiopharmaceuticalStartDateTime")).total_seconds()
    else:
        clock = text(dataset, "SeriesDate") + text(medicine, "RadiopharmaceuticalStartTime")
        waited = (start - _moment(clock, "RadiopharmaceuticalStartTime")).total_seconds()
        waited += DAY if waited < 0 else 0  # injected before midnight
    if not 0 <= waited < DAY:
        _refuse("the injection is not within a day before the scan")
    return waited


def _moment(written: str, name: str) -> datetime.datetime:
    for pattern in ("%Y%m%d%H%M%S.%f", "%Y%m%d%H%M%S", "%Y%m%d%H%M"):
        try:
            return datetime.datetime.strptime(written, pattern)
        except ValueError:
            continue
    _refuse(f"{name} is missing or no time")


def _private(dataset, tag) -> float:
    try:
        return max(float(dataset[tag].value), 0.0)
    except Exception:  # absent, or no number
        return 0.0


def _refuse(why: str):
    raise BadInput(f"PET without SUV: {why}; convert it where its header is whole, or leave it out")
