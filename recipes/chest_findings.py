"""Several findings at once on chest radiographs: DenseNet-121 with one sigmoid each (CheXNet, Rajpurkar 2017).

arXiv:1711.05225: 112,120 radiographs of ChestX-ray14 with 14 labels, ImageNet weights, one network for all labels.

Expect   on 240 phantom patients, from scratch: mean AUC .84 (95 % CI .77 to .89) on 94 test images, from 1.00
         (pneumothorax, cardiomegaly) down to .55 (mass); grey levels alone .57; six minutes. On the 14 labels of 156
         NIH radiographs with MobileNet v2: .59 (.55 to .64) by ImageNet features, .47 (.43 to .51) from scratch

Run      radzoo run chest_findings
         radzoo run chest_findings --data.index INDEX.csv --data.image file --data.patient patient
         --data.label atelectasis cardiomegaly … --weights imagenet --ways features finetune scratch --size 224
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("densenet121",),
    weights=None,
    ways=("scratch",),
    size=128,
    task="multilabel",
    data=Data(
        index="phantom:chest",
        image="file",
        label=("nodule", "mass", "effusion", "consolidation", "cardiomegaly", "pneumothorax"),
        patient="patient_id",
        split=(0.6, 0.2, 0.2),
    ),
    phases=(
        Phase(epochs=5, learning_rate=1e-3, freeze_below="head"),
        Phase(epochs=15, learning_rate=1e-4, schedule="plateau"),
    ),
    scratch=Phase(epochs=12, learning_rate=1e-3, patience=6),
    augment=Augment(shift=0.05, rotate=7, zoom=0.1, brightness=0.05, contrast=0.1),
    depth_decay=0.7,
)
