"""CT of the head from MR, as attenuation correction and radiotherapy need it (Leynes, J. Nuclear Medicine 2018).

A 3-D U-Net with a linear end and the paper's kind of loss: absolute error, and differences of gradients and Laplacians.
The paper sees ZTE and Dixon images, the phantom has T1 alone; its target is in HU. Classes instead of HU are another
recipe, `pseudo_ct_tissues`.

Expect   no number yet: nobody has run it to its end

Run      radzoo run pseudo_ct
         radzoo run pseudo_ct --data.index PAIRS.csv --data.image zte fat water --channels phases --data.target ct
"""

from radzoo import Data, Phase, Recipe, Restoration

RECIPE = Recipe(
    models=("unet3d_small",),
    weights=None,
    ways=("scratch",),
    size=(32, 48, 32),
    window="percentile",
    task="restoration",
    data=Data(
        index="phantom:pseudo_ct", image="input", target="target", patient="patient_id", split=(0.45, 0.1, 0.45)
    ),
    restoration=Restoration(window=(1024.0, 4096.0), patches=16, overlap=0.5, turns=False),
    loss="l1 + gradient + laplacian",
    scratch=Phase(epochs=20, learning_rate=2e-3, schedule="cosine", warmup=1, patience=20),
    batch=4,
)  # fmt: skip
