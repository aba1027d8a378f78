"""Cells in electron microscopy, parted by their membranes (Ronneberger, U-Net, MICCAI 2015; ISBI 2012).

The U-Net of the paper with a quarter of its channels, valid convolutions and mirrored tiles, its weight map along
membranes between cells, elastic deformation and turns. Cells are scored as in the challenge: the Rand score of the
parts, thinned to where they meet, and the warping and pixel error.

Expect   on the last four of the challenge's 20 sections, 13 to learn from and 3 to guide: foreground Rand score .78,
         warping error .013, pixel error .127; pixels without shapes .28, .030 and .128: four sections, so no interval;
         17 minutes beside other work. Of ten sections instead of sixteen .76, of five .48

Run      radzoo run em_membranes
         radzoo run em_membranes --data.index INDEX.csv --data.patient None
"""

from radzoo import Augment, Data, Mask, Phase, Recipe

RECIPE = Recipe(
    models=("unet_small",),
    weights=None,
    ways=("scratch",),
    size=316,
    task="segmentation",
    data=Data(
        index="phantom:membranes", image="image", mask="mask", patient="patient_id", classes=("cell",),
        split=(0.6, 0.2, 0.2),
    ),
    mask=Mask(patches=10, foreground=0.0, overlap=0.25, border=(10.0, 5.0), membranes=True),
    scratch=Phase(epochs=20, learning_rate=1e-3, schedule="cosine", warmup=1, patience=20),
    batch=2,
    augment=Augment(rotate=180, zoom=0.1, elastic=0.04, brightness=0.1, contrast=0.2, flip=True),
)  # fmt: skip
