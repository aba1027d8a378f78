"""Noise power and edge response of all ways, one figure each."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm

from radzoo.metrics.edges import Edge
from radzoo.metrics.noise import NoisePower
from radzoo.report.figures import STYLE, png

# Baselines are grey or dashed, networks have Okabe & Ito's colours in the order they come in.
BASELINES = {
    "noisy": ("#5b6770", (0, (1.5, 1.2))),
    "nlm": ("#009E73", (0, (6, 1.5, 1.5, 1.5))),
    "tv": ("#AA4499", (0, (3, 1, 1, 1, 1, 1))),
    "bm3d": ("#882255", (0, (5, 1.5))),
    "wanted": ("#1f262c", "-"),
}
NETWORKS = ("#D55E00", "#0072B2", "#E69F00", "#56B4E9", "#CC79A7")


def style(ways) -> dict[str, dict]:
    """Colour and dash of each way; a name that is no baseline is a network's."""
    networks = [way for way in ways if way not in BASELINES]
    found = {}
    for way in ways:
        colour, dash = BASELINES.get(way) or (NETWORKS[networks.index(way) % len(NETWORKS)], "-")
        found[way] = {"color": colour, "ls": dash, "lw": 1.4 if way in BASELINES else 2}
    return found


def noise_power(path: Path, spectra: dict[str, NoisePower], titles: dict[str, str]) -> Path:
    """Radial noise power spectra, on a logarithmic scale: ways differ by orders of magnitude.

    Args:
        spectra: from a way to its spectrum.
        titles: from a way to what it is called.
    """
    looks = style(spectra)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        panel = figure.subplots()
        for way, spectrum in spectra.items():
            label = f"{titles[way]}: {spectrum.sd:.1f} HU, mean {spectrum.mean_frequency:.3f}/mm"
            panel.semilogy(*spectrum.radial, label=label, **looks[way])
        panel.set(xlabel="spatial frequency (1/mm)", ylabel="noise power (HU\N{SUPERSCRIPT TWO} mm\N{SUPERSCRIPT TWO})")
        panel.set_xlim(left=0)
        panel.grid(color="#eceff1", lw=0.8)
        panel.set_axisbelow(True)
        figure.legend(loc="outside lower left", ncols=2, fontsize=8)
        return png(figure, path)


def edge(path: Path, edges: dict[str, Edge], titles: dict[str, str]) -> Path:
    """Responses across one edge, measured (dots) and fitted (lines).

    Args:
        edges: from a way to its edge.
        titles: from a way to what it is called.
    """
    looks = style(edges)
    widest = max(each.width_mm for each in edges.values())
    reach = min(2.5 * widest, max(np.abs(each.distance_mm).max() for each in edges.values()))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        panel = figure.subplots()
        grid = np.linspace(-reach, reach, 200)
        for way, each in edges.items():
            shown = np.abs(each.distance_mm) <= reach
            panel.plot(each.distance_mm[shown], each.response[shown], ".", ms=3, alpha=0.45, color=looks[way]["color"])
            label = f"{titles[way]}: {each.width_mm:.2f} mm"
            panel.plot(grid, norm.cdf(-grid / each.sigma_mm), label=label, **looks[way])
        panel.axhspan(0.1, 0.9, color="#eceff1", zorder=0)
        panel.set(xlabel="distance from the edge (mm)", ylabel="part of the step", xlim=(-reach, reach))
        panel.set(ylim=(-0.25, 1.25))
        figure.legend(
            loc="outside lower left",
            ncols=2,
            fontsize=8,
            title="width, 10 % to 90 %",
            title_fontsize=8,
            alignment="left",
        )
        return png(figure, path)
