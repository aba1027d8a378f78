"""Tuberculosis on chest radiographs: AlexNet and GoogLeNet, and their weighted mean (Lakhani & Sundaram 2017).

Radiology 284:574-582. 1,007 radiographs, 68/17/15 %; the ensemble's weights are swept from 10:1 to 1:10 on validation,
never on the test part. The paper reached an AUC of .99 with ImageNet weights, which do not come with radzoo: without a
network this recipe learns from scratch.

Expect   on 300 phantom patients, from scratch: AUC .83 (95 % CI .69 to .91) by GoogLeNet (chosen, .823 to .822 on
         validation), .83 (.70 to .91) together, .75 (.57 to .87) by AlexNet; grey levels alone .54; six minutes

Run      radzoo run chest_tuberculosis
         radzoo run chest_tuberculosis --data.index INDEX.csv --data.image file --data.label tb --data.patient patient
         --weights imagenet_torch --ways finetune scratch --size 224
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("alexnet_owt", "googlenet_bn"),
    weights=None,
    ways=("scratch",),
    size=128,
    data=Data(index="phantom:tuberculosis", image="file", label="tb", patient="patient_id", split=(0.68, 0.17, 0.15)),
    phases=(
        Phase(epochs=5, learning_rate=1e-3, freeze_below="head"),
        Phase(epochs=20, learning_rate=1e-4, schedule="cosine", warmup=1),
    ),
    scratch=Phase(epochs=20, learning_rate=3e-4, patience=10),
    augment=Augment(shift=0.05, rotate=7, zoom=0.1, brightness=0.05, contrast=0.1),
    dropout=0.5,
    weight_decay=1e-4,
    ensemble="weights",
)
