"""The prostate in T2-weighted MR, in 3-D (Milletari, V-Net, 3DV 2016; PROMISE12).

A V-Net of half the width, normalised so that it learns from scratch, with the paper's Dice loss, on voxels of
1.5 x 1 x 1 mm as in the paper. There the test Dice is .869 on 30 cases of PROMISE12. The prostate is one piece: its
largest component is tried beside all.

Expect   on the phantoms, 15 patients to learn from and 11 to be tested: Dice .887 (95 % CI .827 to .910), HD95 8.2 mm,
         of the largest component alone .885 and 4.5 mm; pixels without shapes .765; 39 minutes beside other work

Run      radzoo run prostate_vnet
         radzoo run prostate_vnet --data.index INDEX.csv --data.classes prostate=1 --data.patient patient_id
"""

from radzoo import Augment, Data, Mask, Phase, Recipe

RECIPE = Recipe(
    models=("vnet_small",),
    weights=None,
    ways=("scratch",),
    size=(32, 64, 64),
    spacing_mm=(1.5, 1.0, 1.0),
    window="percentile",
    task="segmentation",
    data=Data(
        index="phantom:prostate_mr", image="image", mask="mask", patient="patient_id", classes=("prostate",),
        split=(0.5, 0.15, 0.35),
    ),
    mask=Mask(patches=4, foreground=0.7, refine="largest"),
    loss="dice",
    class_weights=False,
    scratch=Phase(epochs=24, learning_rate=1e-3, schedule="cosine", warmup=1, patience=24),
    batch=2,
    augment=Augment(rotate=10, elastic=0.04, brightness=0.1, contrast=0.2),
)  # fmt: skip
