"""Liver, then lesions inside it, on single planes of CT, and a dense CRF over the volume (Christ, MICCAI 2016).

Two small 2-D U-Nets one after the other: the second sees the liver that the first one found, and black around it. The
conditional random field is tried beside the plain masks.

Expect   on the phantoms, 16 patients to learn from and 11 to be tested: Dice of the liver .953 (95 % CI .942 to .959),
         of lesions .68 (.37 to .85), with the random field .960 and .77 (.45 to .88), though five patients of
         validation chose to leave it out; pixels without shapes .92 and .25; 11 minutes beside other work

Run      radzoo run liver_cascade
         radzoo run liver_cascade --data.index INDEX.csv --data.classes liver=1 lesion=2 --data.patient patient_id
"""

from radzoo import Augment, Data, Mask, Phase, Recipe

RECIPE = Recipe(
    models=("unet_same_small",),
    weights=None,
    ways=("scratch",),
    size=(1, 96, 96),
    window=(150.0, 500.0),
    task="segmentation",
    data=Data(
        index="phantom:liver_lesions", image="image", mask="mask", patient="patient_id", classes=("liver", "lesion"),
        split=(0.5, 0.15, 0.35),
    ),
    mask=Mask(patches=16, foreground=0.7, inside="liver", refine="crf"),
    loss="dice_crossentropy",
    class_weights=False,
    scratch=Phase(epochs=12, learning_rate=1e-3, schedule="cosine", warmup=1, patience=12),
    batch=8,
    augment=Augment(rotate=15, zoom=0.15, noise=0.02),
)  # fmt: skip
