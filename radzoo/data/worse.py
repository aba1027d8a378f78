"""A worse image made of a good one: the scan that would have spared dose or time (`radzoo.physics`)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.volumes import Volume
from radzoo.physics import low_dose, sparse_view
from radzoo.recipe import Restoration


@dataclass(frozen=True)
class Worse:
    """How a restoration's image is made of its target.

    Attributes:
        how: of the recipe.
        clean: the good images hold no noise of their own, as phantoms do; otherwise noise is added to what they have.
    """

    how: Restoration
    clean: bool

    @property
    def told(self) -> dict:
        """What images depend on, and what a report says."""
        if self.how.simulate == "sparse_view":
            return {"simulate": "sparse_view", "views": self.how.views, "keep": self.how.keep}
        names = ("simulate", "photons", "dose", "electronic")
        return {name: getattr(self.how, name) for name in names} | {"clean": self.clean}

    @property
    def sentence(self) -> str:
        """For a reader of the report."""
        if self.how.simulate == "sparse_view":
            kept = len(range(0, self.how.views, self.how.keep))
            return f"The images are simulated: filtered back-projection of {kept} of {self.how.views} parallel views."
        left = f"{self.how.photons * self.how.dose:g} of {self.how.photons:g} photons per reading"
        if self.clean:
            return f"The images are simulated scans of fabricated ones, with {left} (parallel beam)."
        return (
            f"Noise was added to real images as if {left} were left; how many there were is an assumption, and the "
            "targets hold the noise of their own dose."
        )

    def __call__(self, volume: Volume, generator: np.random.Generator) -> Volume:
        """The worse volume, of the same grid.

        Raises:
            BadInput: no CT in HU; as `physics.low_dose` and `physics.sparse_view`.
        """
        if not isinstance(volume, Volume):
            raise BadInput("an image without HU came, a scan is simulated of CT volumes: pass --size 1 H W for planes")
        if volume.modality not in ("CT", None):
            raise BadInput(f"the image is {volume.modality}, scans are simulated of CT: give its own column of targets")
        square, box = padded(np.asarray(volume.values, "float32"))
        values, _ = self._scan(square, volume.spacing_mm, generator)
        return replace(volume, values=values[box].astype("float32"))

    def _scan(self, values: np.ndarray, spacing_mm, generator: np.random.Generator):
        how = self.how
        if how.simulate == "sparse_view":
            return sparse_view.simulate(values, spacing_mm, keep=how.keep, views=how.views)
        options = {"electronic": how.electronic}
        if self.clean:
            return low_dose.simulate(values, spacing_mm, generator, photons=how.photons * how.dose, **options)
        return low_dose.insert(values, spacing_mm, generator, fraction=how.dose, photons=how.photons, **options)


def worse(how: Restoration, *, clean: bool) -> Worse | None:
    """None where targets are files."""
    return None if how.simulate == "none" else Worse(how, clean)


def padded(values: np.ndarray) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Slices `(z, y, x)` with their least value, air, around them until they are square; and where they lie in it."""
    side = max(values.shape[1:])
    before = [(side - each) // 2 for each in values.shape[1:]]
    around = [(0, 0), *((a, side - each - a) for a, each in zip(before, values.shape[1:], strict=True))]
    box = (slice(None), *(slice(a, a + each) for a, each in zip(before, values.shape[1:], strict=True)))
    return np.pad(values, around, constant_values=values.min()), box
