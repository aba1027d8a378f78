"""Benign or malignant: a lung nodule in three cubes of different size, as three channels of a 3-D network (Kang 2017).

Kang's cubes are of 40, 50 and 60 voxels; here of 40, 30 and 20 mm. With --models multiview3d_streams each cube has a
network of its own.

Expect   on 72 phantoms, where shape alone tells: AUC .91 (95 % CI .79 to .96) for 68 tested nodules, grey levels alone
         .65, the scanner .48; four minutes on two cores

Run      radzoo run nodule_malignancy_multiview
         radzoo run nodule_malignancy_multiview --data.index INDEX.csv --data.image series --data.label malignant
         --data.patient patient_id --data.place x y z --data.frame lps
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("multiview3d",),
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
    phases=(Phase(epochs=5, learning_rate=1e-3, freeze_below="head"), Phase(epochs=20, learning_rate=1e-4)),
    scratch=Phase(epochs=80, learning_rate=1e-3, schedule="cosine", warmup=2, patience=30),
    augment=Augment(rotate=180, shift=0.03, zoom=0.1, flip=True),
    batch=16,
)  # fmt: skip
