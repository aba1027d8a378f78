"""Liver in CT by a 3-D network, and a minimum cut that follows its edges (Lu, IJCARS 2017; a reconstruction).

The network's layers are not public: what is built in their place says so (`radzoo describe liver3d_cnn`). The cut and
the largest component are tried beside the plain masks.

Expect   on the phantoms, 16 patients to learn from and 11 to be tested: Dice .962 (95 % CI .958 to .967) with the cut,
         .958 without (difference .004, p < .001), pixels without shapes .949; 9 minutes beside other work. What they
         taught finds the liver in one patient (Dice .74) and not in another (.04)

Run      radzoo run liver_graph_cut
         radzoo run liver_graph_cut --data.index INDEX.csv --data.classes liver=5 --data.others background
"""

from radzoo import Augment, Data, Mask, Phase, Recipe

RECIPE = Recipe(
    models=("liver3d_cnn",),
    weights=None,
    ways=("scratch",),
    size=(32, 64, 64),
    window=(60.0, 400.0),
    task="segmentation",
    data=Data(
        index="phantom:liver_lesions", image="image", mask="mask", patient="patient_id", classes=("liver=1+2",),
        split=(0.5, 0.15, 0.35),
    ),
    mask=Mask(patches=4, refine="graph_cut"),
    loss="dice_crossentropy",
    class_weights=False,
    scratch=Phase(epochs=30, learning_rate=1e-3, schedule="cosine", warmup=1, patience=30),
    batch=2,
    augment=Augment(rotate=10, zoom=0.1, noise=0.02),
)  # fmt: skip
