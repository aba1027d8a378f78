"""The noise of a tenth of the dose, taken away by RED-CNN and by a convolutional auto-encoder (Nishio, Heliyon 2017).

The paper's pairs are scans of a chest phantom at 300 and 10 mA; here photons are fabricated, see `low_dose_ct`. The
layers of its auto-encoder could not be read: `radzoo describe conv_autoencoder` says what stands in their place.

Expect   a tenth of the assumed photons, learnt from one patient with CT and tested on another (n = 1): error in the
         soft tissue window 18.2 HU by RED-CNN, 42.1 by the auto-encoder, which blurs; the noisy image 39.6, non-local
         means 23.9, total variation 21.8 (recipes/RESULTS.md)

Run      radzoo run ultra_low_dose_ct
         radzoo run ultra_low_dose_ct --data.index INDEX.csv --data.patient patient_id --data.mask
"""

from radzoo import Data, Phase, Recipe, Restoration

RECIPE = Recipe(
    models=("redcnn", "conv_autoencoder"),
    weights=None,
    ways=("scratch",),
    size=(1, 64, 64),
    window=(1024.0, 4096.0),
    task="restoration",
    data=Data(
        index="phantom:low_dose_ct", image="image", mask="mask", patient="patient_id", split=(0.45, 0.1, 0.45)
    ),
    restoration=Restoration(simulate="low_dose", dose=0.1, patches=32, turns=False),
    loss="mse",
    scratch=Phase(epochs=12, learning_rate=1e-3, schedule="cosine", warmup=1, patience=12),
    batch=8,
)  # fmt: skip
