"""Volume of the hippocampus in millilitres, from a crop of T1-weighted MR around it: a 3-D regression.

The images are those of the Decathlon's hippocampus task (Antonelli et al., Nature Communications 2022;13:4128), where a
network outlines it; here it says one number. How large a crop was cut out tells something of it, too: the baseline of
metadata knows the crop's size, and the network has to be better than that.

Expect   on the Decathlon's 120 volumes in 3 folds: mean absolute error .29 ml (95 % CI .26 to .33), Spearman .52,
         fine-tuned from ImageNet; .33 from scratch, .34 by fixed features; grey levels alone .31, metadata (the crop's
         size) .32, the median .36: not shown to be better than either; nine minutes. On 120 phantoms from scratch .38,
         the median .37: nothing; one minute

Run      radzoo run hippocampus_volume
         radzoo run hippocampus_volume --data.index INDEX.csv --data.image image --data.label volume_ml
         --data.patient patient_id --data.split 3 --weights imagenet --ways features finetune scratch
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("squeezenet",),
    weights=None,
    ways=("scratch",),
    size=(48, 64, 48),
    spacing_mm=(1.0, 1.0, 1.0),
    window="percentile",
    task="regression",
    data=Data(
        index="phantom:hippocampus", image="file", label="volume_ml", patient="patient_id", split=(0.6, 0.2, 0.2)
    ),
    phases=(
        Phase(epochs=5, learning_rate=1e-3, freeze_below="head"),
        Phase(epochs=40, learning_rate=2e-4, schedule="cosine", warmup=2, patience=15),
    ),
    scratch=Phase(epochs=60, learning_rate=1e-3, schedule="cosine", warmup=2, patience=20),
    batch=8,
    augment=Augment(shift=0.05, rotate=10, brightness=0.05, contrast=0.1, noise=0.02),
)
