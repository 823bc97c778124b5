"""The borders of the maps of `phase_map` in words: where, along one price, most networks become something else."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

from experiments.claims import short
from experiments.sweeps.measure import UNLEARNED

DISCONNECTED = "disconnected"


def learned(row: dict) -> bool:
    """Whether what a network became serves its task."""
    return row["architecture"] not in (DISCONNECTED, UNLEARNED)


@dataclass(frozen=True)
class Border:
    """Along one axis of a map, what most networks become, told for every value of the other axis. `counted`: of these."""

    title: str
    along: str
    across: str
    beyond: Callable[[dict], bool]
    why: str
    counted: Callable[[dict], bool] = learned


BORDERS = {
    "digits": (
        Border(
            "Recurrent to layered",
            along="depth",
            across="activity",
            beyond=lambda row: not row["recurrent"],
            why="A neuron that speaks at several iterations pays the price of depth, but also that of activity each time: "
            "layers come where either is dear and the other least, which the forecast (recurrent at the least c_depth) "
            "overlooked.",
        ),
        Border(
            "Feed-forward with shortcuts to an MLP whose every connection leads one layer on",
            along="activity",
            across="depth",
            beyond=lambda row: row["architecture"] == "MLP",
            counted=lambda row: learned(row) and not row["recurrent"],
            why="Why, was not looked into.",
        ),
        Border(
            "Learning to chance",
            along="activity",
            across="depth",
            beyond=lambda row: not learned(row),
            counted=lambda row: True,
            why="The forecast was disconnection. Some weights stay, and the verdicts still name their shape, but the "
            "answers are no better than always the same one; the map shows such points as having learned nothing.",
        ),
    ),
    "MNIST-1D": (
        Border(
            "Wires to anywhere to local fields",
            along="locality",
            across="symmetry",
            beyond=lambda row: row["locally_connected"],
            why="Where asymmetry is priced as well, distance has to cost more before wires are short: plausibly because a "
            "weight that all sites share earns what all of them need.",
        ),
        Border(
            "A kernel for every site to kernels shared by all",
            along="symmetry",
            across="locality",
            beyond=lambda row: row["convolutional"],
            why="Without local fields nothing is called a convolution, but the accuracy rises at about the same price: "
            "plausibly weights are shared there too, over kernels as wide as the ring.",
        ),
    ),
}


def crossings(rows: list[dict], border: Border) -> dict[float, float | None]:
    """{value across: the first value along the axis from which on at least half of the networks counted are beyond}, or None.

    `rows` hold the strengths of both axes and what was measured. Points where nothing is counted say nothing, nor do lines.
    """
    found = {}
    for across in sorted({row[border.across] for row in rows}):
        line = [row for row in rows if row[border.across] == across and border.counted(row)]
        if line:
            found[across] = None
        for along in sorted({row[border.along] for row in line}, reverse=True):
            if (
                np.mean([bool(border.beyond(row)) for row in line if row[border.along] == along])
                < 0.5
            ):
                break
            found[across] = along
    return found


def told(name: str, rows: list[dict], labels: dict[str, str]) -> list[str]:
    """A paragraph on each border of a map."""
    return [_paragraph(name, border, crossings(rows, border), labels) for border in BORDERS[name]]


def _paragraph(
    name: str, border: Border, found: dict[float, float | None], labels: dict[str, str]
) -> str:
    along, across = labels[border.along], labels[border.across]
    crossed = {value: at for value, at in found.items() if at is not None}
    never = [short(value) for value, at in found.items() if at is None]
    text = f"{name}, {border.title[0].lower()}{border.title[1:]}: "
    if crossed:
        ats = list(crossed.values())
        text += f"from {along} = {short(median(ats))} on"
        if min(ats) < max(ats):
            course = ", ".join(f"{short(at)} at {short(value)}" for value, at in crossed.items())
            text += f" (median over {across}; by {across}: {course})"
        text += f"; nowhere at {across} = {', '.join(never)}. " if never else ". "
    else:
        text += f"nowhere on the {along} there are. "
    return (text + border.why).strip()
