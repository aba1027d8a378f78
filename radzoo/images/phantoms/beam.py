"""From mass in the beam to the pixels that a detector delivers: four fictitious scanners.

Primary     Beer-Lambert at one effective energy; mass attenuation coefficients from NIST SRD 126 (Hubbell & Seltzer),
            Table 4, ICRU-44 tissues. https://physics.nist.gov/PhysRefData/XrayMassCoef/tab4.html
Geometry    point source at 1800 mm, rays labelled by where they cross the mid-coronal plane.
Scatter     single scattering, T ln(1/T) of the primary T, widely blurred and thinned by the grid.
Noise       Poisson in the number of absorbed quanta, then the detector's blur, then electronic noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SOURCE_DETECTOR = 1800.0  # mm
SOURCE_PLANE = 1680.0  # source to mid-coronal plane, mm
MAGNIFICATION = SOURCE_DETECTOR / SOURCE_PLANE
SCATTER_WIDTH = 35.0  # mm at the detector, sigma
BONE, SOFT = 1.92, 1.06  # densities of cortical bone and soft tissue, g/cm^3 (NIST SRD 126, Table 2)

ENERGIES = (40.0, 50.0, 60.0, 80.0)  # keV
COEFFICIENTS = {  # mu/rho in cm^2/g at ENERGIES; lung tissue and water lie within 1 % of soft tissue
    "soft": (0.2688, 0.2264, 0.2048, 0.1823),
    "bone": (0.6655, 0.4242, 0.3148, 0.2229),
}


@dataclass(frozen=True)
class Scanner:
    """A machine that exists nowhere.

    Attributes:
        kvp: tube voltage; the effective energy behind a patient is taken as half of it, in keV.
        field: side of the square detector in mm; the pixel is `field / size`.
        quanta: absorbed quanta per mm^2 that the automatic exposure aims at behind the lungs.
        scatter: scatter-to-primary ratio behind the grid, per optical depth of the patient.
        blur: sigma of the Gaussian point spread in mm (its MTF is exp(-2 (pi blur f)^2)).
        equalise: share of the coarse structure that the display processing takes away.
        sharpen: gain of the unsharp mask.
        gamma: of the display curve.
        bits, slope: stored bits and rescale slope of the file; `inverted` files are MONOCHROME1.
    """

    name: str
    maker: str
    modality: str
    kvp: float
    field: float
    quanta: float
    scatter: float
    blur: float
    equalise: float
    sharpen: float
    gamma: float
    bits: int
    slope: float = 1.0
    inverted: bool = False


SCANNERS = (
    Scanner("Lumen 400", "Fata Morgana", "DX", 120.0, 410.0, 40e3, 0.08, 0.5, 0.35, 0.5, 1.00, 14),
    Scanner("Umbra S", "Castle in the Air", "DX", 140.0, 430.0, 25e3, 0.13, 0.7, 0.20, 0.9, 0.85, 12),
    Scanner("Camera Lucida", "Fata Morgana", "CR", 110.0, 390.0, 9e3, 0.12, 1.0, 0.45, 0.7, 1.10, 12, 0.25),
    Scanner("Negative One", "Utopia Imaging", "DX", 125.0, 400.0, 18e3, 0.10, 0.8, 0.30, 0.3, 0.95, 14, 1.0, True),
)


def attenuation(material: str, kev: float) -> float:
    """Mass attenuation coefficient in cm^2/g, interpolated between NIST's energies in log-log."""
    return float(np.exp(np.interp(np.log(kev), np.log(ENERGIES), np.log(COEFFICIENTS[material]))))


@dataclass(frozen=True)
class Rays:
    """The rays of one image: `x` `(1, w)` and `y` `(h, 1)` in mm where they cross the mid-coronal plane.

    x runs to the patient's left (the image's right), y down, z (depth) towards the source, so the patient's front is
    negative. An object at depth z is seen larger by `SOURCE_PLANE / (SOURCE_PLANE - z)`.
    """

    x: np.ndarray
    y: np.ndarray
    pixel: float  # mm in the mid-coronal plane

    @classmethod
    def of(cls, scanner: Scanner, size: int) -> Rays:
        pixel = scanner.field / size / MAGNIFICATION
        axis = ((np.arange(size) - (size - 1) / 2) * pixel).astype("float32")
        return cls(axis[None, :], axis[:, None], pixel)

    def moved(self, right: float, down: float) -> Rays:
        return Rays(self.x - np.float32(right), self.y - np.float32(down), self.pixel)


def magnify(z):
    """Size on the mid-coronal plane of what lies at depth z (mm)."""
    return SOURCE_PLANE / (SOURCE_PLANE - z)


def ellipsoid(rays: Rays, centre, axes, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Where diverging rays enter and leave an ellipsoid: depths in mm, equal where they miss it.

    Solves the quadratic of |(source + w (x, y, -SOURCE_PLANE) / SOURCE_PLANE - centre) / axes| = 1 for w, measured
    from the centre's depth (which keeps float32 exact enough).

    Args:
        centre, axes: (x, y, z) in mm; `tilt` turns the axes in the image plane, radians clockwise as seen.
    """
    (cx, cy, cz), (a, b, c) = (tuple(float(v) for v in triple) for triple in (centre, axes))
    cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
    p, q = rays.x / SOURCE_PLANE, rays.y / SOURCE_PLANE
    dx, dy = p * (SOURCE_PLANE - cz) - cx, q * (SOURCE_PLANE - cz) - cy
    if tilt:
        p, q, dx, dy = p * cos + q * sin, q * cos - p * sin, dx * cos + dy * sin, dy * cos - dx * sin
    p, q, dx, dy = p / a, q / b, dx / a, dy / b
    square, linear, constant = p * p + q * q + 1 / c**2, p * dx + q * dy, dx * dx + dy * dy - 1
    root = np.sqrt(np.maximum(linear * linear - square * constant, 0)) / square
    middle = cz + linear / square
    return middle - root, middle + root


def transmission(soft: np.ndarray, bone: np.ndarray, kev: float) -> np.ndarray:
    """Beer-Lambert: the primary that passes areal masses of soft tissue and bone (g/cm^2)."""
    return np.exp(-(attenuation("soft", kev) * soft + attenuation("bone", kev) * bone))


def expose(primary: np.ndarray, scanner: Scanner, generator: np.random.Generator, exposure: float = 1.0):
    """What the detector reports per pixel, as a share of the open beam: scatter, quanta, blur, electronics.

    The automatic exposure aims at `scanner.quanta` behind the more transparent half of the patient.
    """
    size = primary.shape[0]
    pixel = scanner.field / size
    source = primary * -np.log(np.clip(primary, 1e-6, 1))  # what scatters once on its way: nothing in open air
    coarse = cv2.resize(source, (32, 32), interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(coarse, (0, 0), SCATTER_WIDTH * 32 / scanner.field, borderType=cv2.BORDER_REPLICATE)
    scatter = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    beam = primary + np.float32(scanner.scatter) * np.maximum(scatter, 0)
    inside = beam[primary < 0.5]
    lung = float(np.percentile(inside if inside.size else beam, 75))
    quanta = exposure * scanner.quanta * pixel**2 / lung
    counted = generator.poisson(beam * np.float32(quanta)).astype("float32")
    counted = cv2.GaussianBlur(counted, (0, 0), scanner.blur / pixel)
    counted += 8 * generator.standard_normal(counted.shape, dtype="float32")
    return counted / np.float32(quanta)


def display(signal: np.ndarray, scanner: Scanner) -> np.ndarray:
    """Log conversion and the maker's processing: float32, dense tissue bright, most of the thorax within 0..1."""
    pixel = scanner.field / signal.shape[0]
    density = -np.log(np.maximum(signal, 1e-4))
    coarse = cv2.GaussianBlur(cv2.resize(density, (64, 64), interpolation=cv2.INTER_AREA), (0, 0), 8)
    coarse = cv2.resize(coarse, density.shape[::-1], interpolation=cv2.INTER_CUBIC)
    fine = density - cv2.GaussianBlur(density, (0, 0), 4 / pixel)
    level = density - np.float32(scanner.equalise) * (coarse - coarse.mean()) + np.float32(scanner.sharpen) * fine
    low, high = np.percentile(level[density > 0.8], (3, 97))
    unit = (level - np.float32(low)) / np.float32(high - low)
    film = 1 / (1 + np.exp(-4.5 * (unit - 0.5)))  # the S of a film's curve: most contrast is spent on the lungs
    return film ** np.float32(scanner.gamma)
