"""What a segment is, as SNOMED CT codes of DICOM (PS3.16, CID 7150 and 7151), by the words of its class.

| words of the class | category | type | region |
|---|---|---|---|
| one of `FINDINGS` (`liver tumour`) | morphologically abnormal structure | the finding | the organ, if one is named |
| one of `ORGANS` (`left lung`) | anatomical structure | the organ | |
| anything else | tissue | tissue | |

`left` or `right` among the words is the side of the type. The label of the segment keeps the name of the class whole.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

FINDINGS = {  # word: pydicom's name of the concept
    **dict.fromkeys(("neoplasm", "tumor", "tumour", "cancer", "carcinoma", "metastasis"), "Neoplasm"),
    "nodule": "Nodule", "cyst": "Cyst", "edema": "Edema", "oedema": "Edema", "necrosis": "Necrosis",
    "lesion": "Lesion",
}  # fmt: skip
ORGANS = {  # those of several words first
    "gray matter": "GrayMatter", "grey matter": "GrayMatter", "white matter": "CerebralWhiteMatter",
    "cerebrospinal fluid": "CerebrospinalFluid", "csf": "CerebrospinalFluid", "spinal cord": "SpinalCord",
    "portal vein": "PortalVein", "inferior vena cava": "InferiorVenaCava", "adrenal gland": "AdrenalGland",
    "lung": "Lung", "liver": "Liver", "kidney": "Kidney", "heart": "Heart", "hippocampus": "Hippocampus",
    "prostate": "Prostate", "spleen": "Spleen", "pancreas": "Pancreas", "bladder": "Bladder", "stomach": "Stomach",
    "gallbladder": "Gallbladder", "aorta": "Aorta", "brain": "Brain", "trachea": "Trachea", "esophagus": "Esophagus",
    "duodenum": "Duodenum", "colon": "Colon", "clavicle": "Clavicle", "rib": "Rib", "vertebra": "Vertebra",
    "sacrum": "Sacrum", "femur": "Femur", "humerus": "Humerus", "scapula": "Scapula", "breast": "Breast",
    "thyroid": "Thyroid", "thalamus": "Thalamus", "putamen": "Putamen", "bone": "Bone", "vessel": "BloodVessel",
}  # fmt: skip
MANY = {"vertebrae": "vertebra", "metastases": "metastasis"}


class Coded(NamedTuple):
    """Codes of one class; side and region are None where the name says nothing of them."""

    category: Code
    type: Code
    side: Code | None = None
    region: Code | None = None


def coded(name: str) -> Coded:
    """What the table above says of the name of a class."""
    words = [_one(word) for word in re.findall(r"[a-z]+", name.lower())]
    organ = next((getattr(codes.SCT, key) for phrase, key in ORGANS.items() if _holds(words, phrase.split())), None)
    finding = next((getattr(codes.SCT, key) for word, key in FINDINGS.items() if word in words), None)
    sides = [getattr(codes.SCT, word.title()) for word in ("left", "right") if word in words]
    side = sides[0] if len(sides) == 1 else None
    if finding:
        return Coded(codes.SCT.MorphologicallyAbnormalStructure, finding, side, organ)
    if organ:
        return Coded(codes.SCT.AnatomicalStructure, organ, side)
    return Coded(codes.SCT.Tissue, codes.SCT.Tissue)


def _one(word: str) -> str:
    """The singular of a plural that the table knows."""
    single = MANY.get(word, word.removesuffix("s"))
    return single if single in FINDINGS or single in ORGANS else word


def _holds(words: list[str], phrase: list[str]) -> bool:
    return any(words[at : at + len(phrase)] == phrase for at in range(len(words)))
