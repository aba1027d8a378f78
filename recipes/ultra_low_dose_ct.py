"""The noise of a tenth of the dose, taken away by a convolutional auto-encoder (Nishio, Heliyon 2017; reconstructed).

The paper's pairs are scans of a chest phantom at 300 and 10 mA; here photons are fabricated, see `low_dose_ct`. The
layers of the paper could not be read: `radzoo describe conv_autoencoder` says what stands in their place.

Expect   no number yet: nobody has run it to its end

Run      radzoo run ultra_low_dose_ct
         radzoo run ultra_low_dose_ct --data.index INDEX.csv --data.patient patient_id --data.mask
"""

from radzoo import Data, Phase, Recipe, Restoration

RECIPE = Recipe(
    models=("conv_autoencoder",),
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
    scratch=Phase(epochs=60, learning_rate=2e-3, schedule="cosine", warmup=1, patience=60),
    batch=8,
)  # fmt: skip
