"""The demo: a finding that the weights have never seen, learnt from about a hundred labelled patients.

Chest radiographs are fabricated (phantoms), and so is the consolidation to be found. A small network that was trained
on phantoms with *other* findings (`recipes/phantom_pretraining.py`) is transferred in two ways, by fixed features and
by fine-tuning, beside training from scratch on the same images.

Expect   test AUC .87 (95 % CI .80 to .92) fine-tuned, .71 (.60 to .80) by fixed features (which 34 validation patients
         choose), .51 (.43 to .59) from scratch, on 139 phantoms; two and a half minutes on two cores

Run      radzoo run demo
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("mobilenet_v2_035",),
    weights="phantom_chest",
    data=Data(
        index="phantom:chest",
        image="file",
        patient="patient_id",
        label=("consolidation",),
        split=(0.28, 0.14, 0.58),  # 67 patients to learn from, 34 for choices; the others make the test precise
    ),
    phases=(
        Phase(epochs=6, learning_rate=2e-3, freeze_below="head"),
        Phase(epochs=12, learning_rate=3e-4, freeze_below="stage2", patience=6),
    ),
    scratch=Phase(epochs=16, learning_rate=2e-3, patience=16),
    augment=Augment(shift=0.05, rotate=5, zoom=0.1, brightness=0.05, contrast=0.1),
)
