"""Segmentation: training steps and sliding windows against plain Keras and MONAI, in turns, each in its own process."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from radzoo.errors import BadInput

SIZES = {"full": (64, 128), "small": (32, 64)}  # sides of a window and of a volume
WORKS = {"step": "training step", "slide": "sliding window", "windows": "windows alone"}
NETWORKS = {"unet3d_small": ("UNet", "BasicUNet"), "vnet_small": ("VNet",)}  # and what MONAI has
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Measured:
    """One way to do one work.

    Attributes:
        seconds: of every turn.
        peak, added: MB of its process, at most, and what of that came with the turns.
        facts: `versions`; of a network `parameters` and `multiply_adds` (of the convolutions, for one window).
    """

    work: str
    network: str
    way: str
    seconds: list[float]
    peak: float
    added: float
    facts: dict

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def ratios(self, ours: Measured) -> list[float]:
        """How many times as long as `ours` it took, turn by turn."""
        return [mine / its for mine, its in zip(self.seconds, ours.seconds, strict=True)]


def check(torch: Path) -> None:
    """BadInput unless this interpreter has torch and MONAI."""
    try:
        found = subprocess.run([torch, "-c", "import torch, monai"], capture_output=True, env=_plain()).returncode == 0
    except OSError:
        found = False
    if not found:
        raise BadInput(f"--torch {torch} does not import torch and monai: name the Python of an environment with both")


def measure(size: str, rounds: int, torch: Path | None) -> Iterator[list[Measured]]:
    """Cell by cell, radzoo's way first; the first turn of each way is not counted."""
    cells = [(what, network) for network in NETWORKS for what in ("step", "slide")] + [("windows", "")]
    with tqdm(total=len(cells) * (rounds + 1), desc="turns", file=sys.stderr) as bar:
        for what, network in cells:
            theirs = NETWORKS.get(network, ("",)) if torch else ()
            yield _cell(what, network, theirs, SIZES[size], rounds, torch, bar)


def _cell(what: str, network: str, theirs: tuple, sides: tuple, rounds: int, torch, bar) -> list[Measured]:
    task = {"what": what, "network": network, "patch": sides[0], "side": sides[1]}
    own, other = [sys.executable, "-m", "radzoo.bench.segmentation_keras"], [torch, HERE / "segmentation_monai.py"]
    commands = {way: [*own, json.dumps(task | {"way": way})] for way in ("radzoo", "keras")}
    commands |= {f"MONAI {way}".strip(): [*other, json.dumps(task | {"way": way})] for way in theirs}
    with contextlib.ExitStack() as stack:
        ways = {way: stack.enter_context(_Way(way, command)) for way, command in commands.items()}
        facts = {way: process.answer() for way, process in ways.items()}  # all of them start at once, and then wait
        seconds = {way: [] for way in ways}
        for _ in range(rounds + 1):
            for way, process in ways.items():
                bar.set_postfix_str(f"{WORKS[what]} {network}, {way}")
                seconds[way].append(process.turn())
            bar.update()
        found = []
        for way, process in ways.items():
            peak = process.end()
            memory = [value / 1e6 for value in (peak, peak - facts[way]["before"])]
            found.append(Measured(WORKS[what], network, way, seconds[way][1:], *memory, facts[way]))
    return found


class _Way:
    """A process that `serving.serve`s one way; ended with the block that it is opened in."""

    def __init__(self, name: str, command: list):
        self.name, self.said = name, tempfile.TemporaryFile("w+")  # noqa: SIM115 closed in __exit__
        environment = dict(os.environ) if command[0] == sys.executable else _plain()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True, env=environment
        )

    def __enter__(self) -> _Way:
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.communicate()
        self.said.close()

    def turn(self) -> float:
        self._tell("go\n")
        return self.answer()

    def end(self) -> int:
        self.process.stdin.close()
        self.process.stdin = None  # nothing more to say: `communicate` would
        return self.answer()

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # the answer that then fails to come says why
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def answer(self):
        """Its next line, the first of which are facts."""
        line = self.process.stdout.readline()
        if not line:
            self.said.seek(0)
            last = (self.said.read().strip().splitlines() or ["it said nothing: out of memory?"])[-1]
            raise BadInput(f"the process of {self.name} ended: {last}; --size small needs less memory")
        return json.loads(line)


def _plain() -> dict:
    """The environment without what would lead another interpreter to this one's packages."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
