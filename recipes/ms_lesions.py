"""Lesions of multiple sclerosis on FLAIR and T1-weighted MR, in 3-D.

Both images of a patient are channels; windows lie on lesions half of the time, for nearly all of a brain is none.

Expect   on the phantoms, 15 patients to learn from and 11 to be tested: Dice .74 (95 % CI .71 to .75), pixels without
         shapes .28; 17 minutes beside other work. What they taught finds little in patients: Dice .01 and .50 on two

Run      radzoo run ms_lesions
         radzoo run ms_lesions --data.index INDEX.csv --data.image flair t1 --data.mask lesion --data.patient patient_id
"""

from radzoo import Augment, Data, Mask, Phase, Recipe

RECIPE = Recipe(
    models=("unet3d_small",),
    weights=None,
    channels="phases",
    ways=("scratch",),
    size=(32, 48, 32),
    spacing_mm=(2.0, 2.0, 2.0),
    window="percentile",
    task="segmentation",
    data=Data(
        index="phantom:ms_lesions", image=("image", "t1"), mask="mask", patient="patient_id", classes=("lesion",),
        split=(0.5, 0.15, 0.35),
    ),
    mask=Mask(patches=4, foreground=0.5),
    loss="dice_crossentropy",
    class_weights=False,
    scratch=Phase(epochs=40, learning_rate=2e-3, schedule="cosine", warmup=1, patience=40),
    batch=4,
    augment=Augment(rotate=10, zoom=0.1, brightness=0.1, contrast=0.2, noise=0.02),
)  # fmt: skip
