"""Air, soft tissue and bone of the head on T1-weighted MR, for attenuation correction of PET (Liu, Radiology 2018).

The paper's network is a SegNet on single planes, with the encoder of VGG-16 (`--models segnet`, 29 million parameters);
here it is the small SegNet. Each class stands for one HU in the paper: a mask says no more of bone than that. HU of
its own for every voxel are another recipe, `pseudo_ct`.

Expect   no number yet: nobody has run it to its end

Run      radzoo run pseudo_ct_tissues
         radzoo run pseudo_ct_tissues --data.index INDEX.csv --data.image t1 --data.mask tissues
         --data.patient patient_id
"""

from radzoo import Data, Mask, Phase, Recipe

RECIPE = Recipe(
    models=("segnet_basic",),
    weights=None,
    ways=("scratch",),
    size=(1, 64, 64),
    window="percentile",
    task="segmentation",
    data=Data(
        index="phantom:pseudo_ct", image="input", mask="mask", patient="patient_id", classes=("soft", "bone"),
        split=(0.45, 0.1, 0.45),
    ),
    mask=Mask(patches=32, foreground=0.5),
    loss="dice_crossentropy",
    class_weights=False,
    scratch=Phase(epochs=20, learning_rate=2e-3, schedule="cosine", warmup=1, patience=20),
    batch=8,
)  # fmt: skip
