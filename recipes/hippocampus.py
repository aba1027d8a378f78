"""The hippocampus in T1-weighted MR, its anterior and posterior part, in 3-D (Medical Segmentation Decathlon, task 4).

A 3-D U-Net of an eighth of the paper's size and with padding (Cicek, MICCAI 2016), at 1 mm. nnU-Net reaches a Dice of
about .90 and .89 on the whole task (Isensee, Nature Methods 2021), with 208 training cases and a GPU.

Expect   on the Decathlon's 120 volumes, 72 to learn from and 24 to be tested: Dice .88 (95 % CI .86 to .89) anterior
         and .86 (.85 to .88) posterior, HD95 1.4 and 1.5 mm; pixels without shapes .80 and .76; 37 minutes beside other
         work. A V-Net (`--models vnet_small --batch 2`) after 8 epochs .84 and .84

Run      radzoo run hippocampus
         radzoo run hippocampus --data.index INDEX.csv --data.mask label --data.patient patient_id
"""

from radzoo import Augment, Data, Mask, Phase, Recipe

RECIPE = Recipe(
    models=("unet3d_small",),
    weights=None,
    ways=("scratch",),
    size=(40, 56, 40),
    spacing_mm=(1.0, 1.0, 1.0),
    window="percentile",
    task="segmentation",
    data=Data(
        index="phantom:hippocampus_masks", image="image", mask="mask", patient="patient_id",
        classes=("anterior", "posterior"), split=(0.6, 0.2, 0.2),
    ),
    mask=Mask(patches=1, foreground=0.0),
    loss="dice_crossentropy",
    class_weights=False,
    scratch=Phase(epochs=30, learning_rate=2e-3, schedule="cosine", warmup=1, patience=30),
    batch=4,
    augment=Augment(rotate=10, zoom=0.1, brightness=0.1, contrast=0.2, noise=0.03),
)  # fmt: skip
