"""Benign or malignant: a lung nodule in three cubes of different size, as three channels of a 3-D network (Kang 2017).

Expect   (to be measured)

Run      radzoo run nodule_malignancy_multiview
         radzoo run nodule_malignancy_multiview --data.index INDEX.csv --data.image series --data.label malignant
         --data.patient patient_id --data.place x y z --data.frame lps
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("multiview3d_inception",),
    weights=None,
    ways=("scratch",),
    task="binary",
    data=Data(
        index="phantom:lung_nodules", image="series", label="malignant", patient="patient_id", place=("x", "y", "z"),
        metadata=("scanner",), split=(0.5, 0.2, 0.3),
    ),
    head="paper",
    channels="cubes",
    patch="cubes",
    patch_mm=(40.0, 30.0, 20.0),
    window=(-300.0, 1400.0),  # HU -1000 to 400 as 0 to 1
    scratch=Phase(epochs=40, learning_rate=1e-3, schedule="cosine", warmup=2, patience=12),
    augment=Augment(rotate=20, shift=0.03, zoom=0.1, flip=True),
    batch=16,
)  # fmt: skip
