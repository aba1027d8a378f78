"""A worse image made of a good one: the scan that would have spared dose or time (`radzoo.physics`)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from radzoo.errors import BadInput
from radzoo.images.volumes import Volume
from radzoo.physics import low_dose, readings, sparse_view
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
    def noisy(self) -> bool:
        """Whether two scans of one good image differ."""
        return self.how.simulate == "low_dose"

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
        part = f"{100 * self.how.dose:g} %"
        if self.clean:
            photons = self.how.photons or readings.PHOTONS
            return f"The images are simulated scans of fabricated ones, with {part} of {photons:g} photons per reading."
        known = f"{self.how.photons:g}" if self.how.photons else "the number that explains the noise of each"
        return (
            f"Noise was added to real images as if {part} of their photons were left. How many they had is an "
            f"assumption ({known}, images.csv), and the targets hold the noise of their own dose."
        )

    def __call__(self, volume: Volume, generator: np.random.Generator) -> Volume:
        """The worse volume, of the same grid; the last of its steps says how it was made.

        Raises:
            BadInput: no CT in HU; as `physics.low_dose` and `physics.sparse_view`.
        """
        if not isinstance(volume, Volume):
            raise BadInput("an image without HU came, a scan is simulated of CT volumes: pass --size 1 H W for planes")
        if volume.modality not in ("CT", None):
            raise BadInput(f"the image is {volume.modality}, scans are simulated of CT: give its own column of targets")
        values, step = self._scan(np.asarray(volume.values, "float32"), volume.spacing_mm, generator)
        return replace(volume, values=values, applied=(*volume.applied, step))

    def _scan(self, values: np.ndarray, spacing_mm, generator: np.random.Generator) -> tuple[np.ndarray, str]:
        how, photons = self.how, {"photons": self.how.photons} if self.how.photons else {}
        if how.simulate == "sparse_view":
            found, facts = sparse_view.simulate(values, spacing_mm, keep=how.keep, views=how.views)
            return found, f"{facts['views']} of {facts['of_views']} views"
        if self.clean:
            left = (how.photons or readings.PHOTONS) * how.dose
            found, facts = low_dose.simulate(values, spacing_mm, generator, photons=left, electronic=how.electronic)
            few = _few(facts["raised_share"], f"below {readings.LEAST:g}, where it is biased")
            return found, f"scan with {left:.3g} photons per reading{few}"
        found, facts = low_dose.insert(
            values, spacing_mm, generator, fraction=how.dose, electronic=how.electronic, **photons
        )
        few = _few(facts["below_10_photons_share"], "below 10, where a Gaussian stands badly for Poisson")
        known = f"{facts['photons']:.3g} of {facts['assumed_photons']:.3g} assumed photons per reading"
        return found, f"noise of {known}{few}"


def _few(share: float, what: str) -> str:
    """How many readings had too few photons for the simulation to be right; nothing where none had."""
    return f" ({100 * share:.3g} % of readings {what})" if share else ""


def worse(how: Restoration, *, clean: bool) -> Worse | None:
    """None where targets are files."""
    return None if how.simulate == "none" else Worse(how, clean)
