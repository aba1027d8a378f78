"""Pneumonia on small radiographs (PneumoniaMNIST, Yang 2023): ImageNet transfer beside training from scratch.

Scientific Data 10:41, 5,856 radiographs of children. Published on its test part: ResNet-18 .944 at 28 px and .956 at
224 px, the best AutoML .991. Pixels of 28 are enlarged, because ImageNet's kernels know structures of some pixels.

Expect   on the official validation part (524 images), three seeds: mean AUC .996 and accuracy .96 fine-tuned, .988 and
         .94 from scratch, .950 and .88 by fixed features, grey levels alone .958; 25 minutes. On 600 phantoms .89
         (.81 to .93) fine-tuned, .56 (.45 to .65) from scratch; three minutes

Run      radzoo run pneumonia_mnist
         radzoo run pneumonia_mnist --data.index pneumoniamnist.npz --repeats 3
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("mobilenet_v2_035",),
    weights="imagenet",
    size=96,
    data=Data(index="phantom:pneumonia", image="image", label="pneumonia", split="split"),
    phases=(
        Phase(epochs=3, learning_rate=1e-3, freeze_below="head"),
        Phase(epochs=12, learning_rate=3e-4, schedule="cosine", warmup=1, patience=12),
    ),
    scratch=Phase(epochs=15, learning_rate=1e-3, schedule="cosine", warmup=1, patience=15),
    augment=Augment(shift=0.05, rotate=7, zoom=0.1, brightness=0.05, contrast=0.1),
)
