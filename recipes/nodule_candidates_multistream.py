"""Lung nodules among a detector's candidates: nine planes through each, one shared stream (Setio 2016).

Expect   on 80 phantoms (24 scans tested, 574 candidates): at one false positive per scan 80 % of 50 lesions (95 % CI 67
         to 91), CPM .82 (.70 to .91; 5 lesions have no candidate); AUC of candidates .98, grey levels alone .69; seven
         minutes on two cores

Run      radzoo run nodule_candidates_multistream
         radzoo run nodule_candidates_multistream --data.index candidates.csv --data.reference lesions.csv
         radzoo run nodule_candidates_multistream --models mobilenet_v2_035 --weights imagenet --streams late
         --head pool --size 9 64 64 --ways features finetune scratch
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("multistream_late",),
    weights=None,
    ways=("scratch",),
    task="binary",
    data=Data(
        index="phantom:lung_ct", image="series", label="label", patient="patient_id", place=("x", "y", "z"),
        lesion="lesion_id", reference="lesions.csv", metadata=("scanner",), split=(0.5, 0.2, 0.3),
    ),
    head="paper",
    patch="planes",
    patch_mm=(50.0,),
    window=(-300.0, 1400.0),  # HU -1000 to 400 as 0 to 1
    balanced=True,
    phases=(Phase(epochs=5, learning_rate=1e-3, freeze_below="head"), Phase(epochs=20, learning_rate=1e-4)),
    scratch=Phase(epochs=30, learning_rate=1e-3, patience=8),
    augment=Augment(shift=0.02, zoom=0.1, rotate=10, flip=True),
    batch=64,
    threshold="sensitivity 0.90",
)  # fmt: skip
