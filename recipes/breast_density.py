"""Breast density as ordered grades on mammograms: CaffeNet (Mohamed 2018).

Medical Physics 45:314-321: 22,000 images, scattered against heterogeneously dense, AUC .94 from scratch and .93 by
transfer. Here all four grades are learnt in their order: the network gives the probabilities to reach b, c and d.

Expect   on 400 phantoms: mean AUC over the cuts .77 (95 % CI .67 to .85), kappa .47; grey levels alone .81, .52: from
         scratch it learns no more than the share of dense tissue says by itself; one minute

Run      radzoo run breast_density
         radzoo run breast_density --data.index INDEX.csv --data.image file --data.label density --data.patient patient
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("caffenet",),
    weights=None,
    ways=("scratch",),
    size=128,
    task="ordinal",
    data=Data(
        index="phantom:mammogram",
        image="file",
        label="density",
        classes=("a", "b", "c", "d"),
        patient="patient_id",
        split=(0.6, 0.2, 0.2),
    ),
    phases=(Phase(epochs=5, learning_rate=1e-3, freeze_below="head"), Phase(epochs=20, learning_rate=1e-4)),
    scratch=Phase(epochs=30, learning_rate=3e-4, patience=10),
    augment=Augment(shift=0.05, rotate=5, contrast=0.1),
)
