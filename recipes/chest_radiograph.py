"""Findings on chest radiographs: ImageNet weights by fixed features and by fine-tuning, beside training from scratch.

Expect   NIH ChestX-ray14 subset, "no finding", within one source, 31 test images: AUC .79 (95 % CI .54 to .98) from
         ImageNet weights, .39 (.14 to .66) from scratch; the interval of the difference includes 0. PneumoniaMNIST at
         96 px, 524 test images: .992 (.986 to .996) from ImageNet weights, .984 (.973 to .992) from scratch.
         recipes/RESULTS.md has the commands.

Run      radzoo run chest_radiograph --data.index INDEX.csv --data.image file --data.patient patient_id
         --data.label no_finding --models mobilenet_v2_035 --weights imagenet --out RUN
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("mobilenet_v2_035",),
    weights="imagenet",
    channels="fold",
    data=Data(index="phantom:chest", image="file", label=("label",), patient="patient_id"),
    phases=(
        Phase(epochs=15, learning_rate=1e-3, freeze_below="head"),
        Phase(epochs=20, learning_rate=5e-5, freeze_below="stage3"),
    ),
    scratch=Phase(epochs=40, learning_rate=1e-3, patience=12),
    augment=Augment(shift=0.05, rotate=7, zoom=0.1, brightness=0.05, contrast=0.1),
)
