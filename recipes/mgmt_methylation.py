"""MGMT methylation on slices of brain MR: residual networks of 18, 34 and 50 layers (Korfiatis 2017).

Journal of Digital Imaging 30:622-628. T2 slices of 155 patients in three classes: methylated, unmethylated, no tumour.
The paper's .949 per slice with ResNet-50 did not hold: a later study of more patients found no such signal
(arXiv:2304.00774), and slices of one patient on both sides of a split make it up. Here parts go by patient.

Expect   on 120 phantom patients, from scratch: mean AUC .82 (95 % CI .73 to .89) with 18 layers (chosen), .88
         (.81 to .92) with 34, .72 (.62 to .81) with 50; metadata alone .87, for the number of a slice tells which
         show no tumour; eight minutes

Run      radzoo run mgmt_methylation
         radzoo run mgmt_methylation --data.index INDEX.csv --data.image file --data.label mgmt --data.patient patient
         --data.split 5 --weights imagenet --ways features finetune scratch --size 224
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("resnet18", "resnet34", "resnet50"),
    weights=None,
    ways=("scratch",),
    size=96,
    task="multiclass",
    data=Data(index="phantom:brain_mr", image="file", label="mgmt", patient="patient_id", split=(0.6, 0.2, 0.2)),
    phases=(
        Phase(epochs=5, learning_rate=1e-3, freeze_below="head"),
        Phase(epochs=15, learning_rate=1e-4, freeze_below="stage3", schedule="cosine"),
    ),
    scratch=Phase(epochs=8, learning_rate=5e-4, patience=5),
    augment=Augment(shift=0.05, rotate=15, zoom=0.1, contrast=0.1, flip=True),
)
