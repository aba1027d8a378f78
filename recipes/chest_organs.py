"""Lungs and heart on chest radiographs: a U-Net decoder on a network that knows ImageNet, against one that does not.

Masks that a radiologist or a thresholding student drew, whole images, 256 pixels a side. What it can be used for:
cardiothoracic ratios, cropping, and looking at what a classifier looks at. An organ is one piece: the largest is tried
beside all pieces.

Expect   on 27 radiographs of 22 patients in three folds, from ImageNet weights a mean Dice of .78 (95 % CI .73 to
         .82; lungs .85 and .87, mediastinum .70, airways .69), from scratch .67 (.62 to .71), pixels without shapes
         .60; 54 minutes beside other work

Run      radzoo run chest_organs
         radzoo run chest_organs --data.index INDEX.csv --data.mask organ_mask --data.patient patient_id
         --data.classes "left lung" "right lung" mediastinum airways --data.split 3
"""

from radzoo import Augment, Data, Mask, Phase, Recipe

RECIPE = Recipe(
    models=("mobilenet_v2_035",),
    weights="imagenet",
    ways=("finetune", "scratch"),
    size=256,
    task="segmentation",
    data=Data(
        index="phantom:chest_organs", image="image", mask="mask", patient="patient_id",
        classes=("left lung", "right lung", "heart"), split=(0.6, 0.2, 0.2),
    ),
    mask=Mask(refine="largest"),
    loss="dice_crossentropy",
    class_weights=False,
    phases=(
        Phase(epochs=6, learning_rate=2e-3, freeze_below="head", patience=6),
        Phase(epochs=40, learning_rate=5e-4, schedule="cosine", warmup=1, patience=40),
    ),
    scratch=Phase(epochs=46, learning_rate=2e-3, schedule="cosine", warmup=1, patience=46),
    batch=4,
    augment=Augment(shift=0.05, rotate=10, zoom=0.1, brightness=0.1, contrast=0.2),
)  # fmt: skip
