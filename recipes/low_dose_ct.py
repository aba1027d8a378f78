"""Less noise in low-dose CT: a residual encoder-decoder on single planes (Chen, RED-CNN, IEEE TMI 2017).

The image is simulated: noise as if a quarter of the photons were left, for fabricated bodies from their attenuation, in
real scans on top of their own noise. How many photons a real scan had is assumed: as many as explain its own noise,
or `--restoration.photons`. So a result says what was learnt of that noise and nothing of a scanner's. Beside it stand
the noisy image, non-local means and total variation. Other networks go by name: `--models rednet10`, `ldct_cnn` (Chen,
BOE 2017), `conv_autoencoder` (Nishio, a reconstruction).

Expect   a quarter of the assumed photons, learnt from one patient with CT and tested on another (n = 1): error in the
         soft tissue window 13.7 HU; the noisy image 22.4, non-local means 16.4, total variation 14.8
         (recipes/RESULTS.md)

Run      radzoo run low_dose_ct
         radzoo run low_dose_ct --data.index INDEX.csv --data.patient patient_id --data.mask
         radzoo run low_dose_ct --data.index PAIRS.csv --data.image input --data.target target
         --restoration.simulate none
"""

from radzoo import Data, Phase, Recipe, Restoration

RECIPE = Recipe(
    models=("redcnn",),
    weights=None,
    ways=("scratch",),
    size=(1, 64, 64),
    window=(1024.0, 4096.0),
    task="restoration",
    data=Data(index="phantom:low_dose_ct", image="image", mask="mask", patient="patient_id", split=(0.45, 0.1, 0.45)),
    restoration=Restoration(simulate="low_dose", dose=0.25, patches=32, turns=False),
    loss="mse",
    scratch=Phase(epochs=12, learning_rate=1e-3, schedule="cosine", warmup=1, patience=12),
    batch=8,
)
