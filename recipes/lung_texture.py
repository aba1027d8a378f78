"""Patterns of interstitial lung disease on CT patches: the ILD network and a texture network (Anthimopoulos 2016).

IEEE TMI 35:1207-1216: 14,696 patches of 32 x 32 pixels from 120 CTs in seven classes, about .855 right. Texture has no
place in the patch, so that the T-CNN (Andrearczyk & Whelan 2016) pools each map over all of it.

Expect   on 1,400 phantom patches: mean AUC .97 (95 % CI .93 to .98), 76 % right; grey levels alone .94: HU are most of
         the pattern; the T-CNN, whose first kernels are a third of the patch, learns nothing (.50); three minutes

Run      radzoo run lung_texture
         radzoo run lung_texture --data.index INDEX.csv --data.image file --data.label pattern --data.patient patient
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("ild_cnn", "tcnn3"),
    weights=None,
    ways=("scratch",),
    head="paper",
    size=32,
    task="multiclass",
    window=(-500.0, 1500.0),
    data=Data(index="phantom:lung_texture", image="file", label="pattern", patient="patient_id", split=(0.6, 0.2, 0.2)),
    phases=(Phase(epochs=5, learning_rate=1e-3, freeze_below="head"), Phase(epochs=20, learning_rate=1e-4)),
    scratch=Phase(epochs=30, learning_rate=1e-3, patience=10),
    augment=Augment(flip=True, rotate=10),
    batch=64,
)
