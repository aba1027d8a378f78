"""Bone age in months on radiographs of the left hand: ResNet-50 with sex beside the image (Larson 2018).

Radiology 287:313-322: 14,036 radiographs, a mean absolute difference of half a year to the reviewers.

Expect   on 360 phantoms, from scratch: mean absolute error 42 months (95 % CI 35 to 50) on 72 hands, the median 56,
         sex alone 56, grey levels alone 35: too few hands for 23 million weights without ImageNet's; eight minutes

Run      radzoo run bone_age
         radzoo run bone_age --data.index INDEX.csv --data.image file --data.label bone_age --data.covariates sex
         --weights imagenet --ways features finetune scratch --size 224
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("resnet50",),
    weights=None,
    ways=("scratch",),
    size=128,
    task="regression",
    data=Data(
        index="phantom:hand",
        image="file",
        label="bone_age",
        patient="patient_id",
        covariates=("sex",),
        split=(0.6, 0.2, 0.2),
    ),
    phases=(
        Phase(epochs=5, learning_rate=1e-3, freeze_below="head"),
        Phase(epochs=20, learning_rate=1e-4, schedule="cosine", warmup=1),
    ),
    scratch=Phase(epochs=15, learning_rate=1e-3, schedule="cosine", warmup=1, patience=15),
    augment=Augment(shift=0.05, rotate=10, zoom=0.1, brightness=0.05, contrast=0.1),
)
