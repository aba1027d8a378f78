"""Stage of liver fibrosis as a number, from hepatobiliary-phase MR with two covariates in the head (Yasaka 2018).

Radiology 287:146-155: 534 patients, static field strength and HBV/HCV status beside the image, F0 to F4 learnt as a
number; Spearman .63 with the pathologist. The layers are a reconstruction. --task ordinal learns the grades in their
order instead, --task multiclass as a softmax (both with --head pool).

Expect   on 200 phantom patients: mean absolute error .75 grades (95 % CI .60 to .96), Spearman .71 (.51 to .83); grey
         levels alone .79 and .68, the covariates alone 1.11 and .23; one and a half minutes

Run      radzoo run liver_fibrosis
         radzoo run liver_fibrosis --task ordinal --head pool
         radzoo run liver_fibrosis --data.index INDEX.csv --data.image file --data.label fibrosis --data.patient patient
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("liver_fibrosis_cnn",),
    weights=None,
    ways=("scratch",),
    head="paper",
    task="regression",
    data=Data(
        index="phantom:liver_mr",
        image="file",
        label="fibrosis",
        patient="patient_id",
        covariates=("field_strength", "hbv_hcv"),
        split=(0.6, 0.2, 0.2),
    ),
    scratch=Phase(epochs=15, learning_rate=5e-4, patience=8),
    augment=Augment(shift=0.05, rotate=10, brightness=0.1, contrast=0.2),
)
