"""Streaks of few views, taken away after filtered back-projection (Jin, FBPConvNet, IEEE TIP 2017).

A U-Net learns what to add to the reconstruction from 50 of 1,000 parallel views. The paper's network has 34.6 million
parameters and wants a GPU: the recipe takes one of a quarter of its width, `--models fbpconvnet` the whole.

Expect   no number yet: nobody has run it to its end

Run      radzoo run sparse_view_ct
         radzoo run sparse_view_ct --data.index INDEX.csv --data.patient patient_id
"""

from radzoo import Data, Phase, Recipe, Restoration

RECIPE = Recipe(
    models=("fbpconvnet_small",),
    weights=None,
    ways=("scratch",),
    size=(1, 128, 128),
    window=(1024.0, 4096.0),
    task="restoration",
    data=Data(index="phantom:sparse_view_ct", image="image", patient="patient_id", split=(0.45, 0.1, 0.45)),
    restoration=Restoration(simulate="sparse_view", views=1000, keep=20, patches=32, overlap=0.5),
    loss="mse",
    scratch=Phase(epochs=20, learning_rate=1e-3, schedule="cosine", warmup=1, patience=20),
    batch=4,
)
