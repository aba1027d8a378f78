"""Liver masses in five categories on three-phase CT: phases as channels, or side by side (Yasaka 2018).

Radiology 286:887-896: plain, arterial and delayed crops of 460 patients, six convolutions, median accuracy .84 over
five repeats. The layers are a reconstruction. With --data.mosaic True --channels fold the same pixels stand side by
side as one grey image, and the filters are shared by construction.

Expect   on 160 phantoms, as channels: mean AUC .97 (95 % CI .94 to .98), 79 % of 62 test images right; as a mosaic .96
         (.93 to .98), 79 %; grey levels alone .78 and .72; three minutes on two cores

Run      radzoo run liver_masses
         radzoo run liver_masses --data.mosaic True --channels fold
         radzoo run liver_masses --data.index INDEX.csv --data.image plain arterial delayed --repeats 5
"""

from radzoo import Augment, Data, Phase, Recipe

RECIPE = Recipe(
    models=("liver_mass_cnn",),
    weights=None,
    ways=("scratch",),
    channels="phases",
    head="paper",
    task="multiclass",
    window=(60.0, 400.0),
    data=Data(
        index="phantom:liver_ct",
        image=("plain", "arterial", "delayed"),
        label="category",
        patient="patient_id",
        split=(0.6, 0.2, 0.2),
    ),
    phases=(Phase(epochs=5, learning_rate=1e-3, freeze_below="head"), Phase(epochs=20, learning_rate=1e-4)),
    scratch=Phase(epochs=80, learning_rate=1e-3, patience=25),
    augment=Augment(shift=0.05, rotate=15, zoom=0.1, noise=0.02),
)
