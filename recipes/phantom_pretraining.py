"""Pretraining on chest phantoms: the weights that the demo transfers to a finding they have never seen.

Fabricated images of 1,200 patients with nodules, masses, effusions, enlarged hearts and pneumothoraces, but no
consolidation; one network, five labels, from scratch. The shipped `mobilenet_v2_035.phantom_chest` is the backbone of
this run (`recipes/RESULTS.md` has the commands). It is for demonstrations: it has never seen a patient.

Expect   mean test AUC .91 (95 % CI .88 to .94) over the five findings on 120 phantoms when the weights
         of the demo were made; 14 minutes on two cores

Run      radzoo run phantom_pretraining --out RUN
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("mobilenet_v2_035",),
    weights=None,
    ways=("scratch",),
    size=160,
    task="multilabel",
    data=Data(
        index="phantom:chest_pretraining",
        image="file",
        patient="patient_id",
        label=("nodule", "mass", "effusion", "cardiomegaly", "pneumothorax"),
        split=(0.8, 0.1, 0.1),
    ),
    scratch=Phase(epochs=24, learning_rate=2e-3, patience=8),
    augment=Augment(shift=0.05, rotate=5, zoom=0.1, brightness=0.05, contrast=0.1),
)
