"""Mass or no mass on mammography patches around candidates: a small VGG-like network (Kooi 2017).

Medical Image Analysis 35:303-312: patches of 5 cm at 200 micrometres, about 45,000 images, AUC .929 against .91 of the
feature-based system. The layers are a reconstruction.

Expect   on 240 phantom patients: AUC .85 (95 % CI .75 to .92) on 130 patches, grey levels alone .67; on the 48
         mammograms of mini-MIAS, malignant or not, .54 (.38 to .70): nothing; one minute

Run      radzoo run mammography_lesions
         radzoo run mammography_lesions --data.index INDEX.csv --data.image file --data.label lesion
         --data.patient patient
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("kooi_cnn",),
    weights=None,
    ways=("scratch",),
    head="paper",
    data=Data(
        index="phantom:mammography_lesions", image="file", label="lesion", patient="patient_id", split=(0.6, 0.2, 0.2)
    ),
    scratch=Phase(epochs=20, learning_rate=5e-4, patience=8),
    augment=Augment(shift=0.05, zoom=0.1, rotate=15, flip=True),
)
