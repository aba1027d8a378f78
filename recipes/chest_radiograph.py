"""Findings on chest radiographs: ImageNet weights by fixed features and by fine-tuning, beside training from scratch.

Expect   NIH ChestX-ray14 subset, "no finding", within one source, 156 images in 5 folds: AUC .65 (95 % CI .54 to .74)
         by fixed features, .58 (.47 to .68) fine-tuned, .45 (.34 to .56) from scratch, .43 from grey levels alone:
         little, and honest. recipes/RESULTS.md has the commands.

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
