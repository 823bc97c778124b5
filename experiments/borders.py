"""The borders of the maps of `phase_map` in words.

Where, along one price, most networks become something else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

from experiments.sweeps.measure import UNLEARNED
from urn.io import short

DISCONNECTED = "disconnected"
"""The architecture of a network without a path from inputs to outputs."""


def learned(row: dict) -> bool:
    """Whether what a network became serves its task."""
    return row["architecture"] not in (DISCONNECTED, UNLEARNED)


@dataclass(frozen=True)
class Border:
    """Where, along one axis of a map, most networks become something else.

    Attributes
    ----------
    title : str
        From what to what.
    along, across : str
        The axis that is followed, and the other one.
    beyond : callable
        Whether the row of a network is of the new kind.
    why : str
        What explains it.
    counted : callable
        Which networks are asked.
    """

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
            why=(
                "A neuron that speaks at several iterations pays the price of depth, but also "
                "that of activity each time: layers come where either is dear and the other "
                "least, which the forecast (recurrent at the least c_depth) overlooked."
            ),
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
            why=(
                "The forecast was disconnection. Some weights stay, and the verdicts still name "
                "their shape, but the answers are no better than always the same one; the map "
                "shows such points as having learned nothing."
            ),
        ),
    ),
    "MNIST-1D": (
        Border(
            "Wires to anywhere to local fields",
            along="locality",
            across="symmetry",
            beyond=lambda row: row["locally_connected"],
            why=(
                "Where asymmetry is priced as well, distance has to cost more before wires are "
                "short: plausibly because a weight that all sites share earns what all of them "
                "need."
            ),
        ),
        Border(
            "A kernel for every site to kernels shared by all",
            along="symmetry",
            across="locality",
            beyond=lambda row: row["convolutional"],
            why=(
                "Without local fields nothing is called a convolution, but the accuracy rises at "
                "about the same price: plausibly weights are shared there too, over kernels as "
                "wide as the ring."
            ),
        ),
    ),
}
"""The borders of each map, as they were looked for and, in `why`, explained."""


def crossings(rows: list[dict], border: Border) -> dict[float, float | None]:
    """Find where a border is crossed.

    Parameters
    ----------
    rows : list of dict
        A network each: the strengths of both axes and what was measured.
    border : Border
        What to look for.

    Returns
    -------
    dict
        For every value across: the first value along the axis from which on at least half of the
        networks counted are beyond, or None. Points where nothing is counted say nothing, nor do
        lines.
    """
    # A line of the map: one value across, all values along.
    crossed: dict[float, float | None] = {}
    for across in sorted({row[border.across] for row in rows}):
        line = [row for row in rows if row[border.across] == across and border.counted(row)]
        if line:
            crossed[across] = _crossing(line, border)
    return crossed


def _crossing(line: list[dict], border: Border) -> float | None:
    """Where the networks of one line cross a border, coming from its far end."""
    crossing = None
    for along in sorted({row[border.along] for row in line}, reverse=True):
        beyond = [bool(border.beyond(row)) for row in line if row[border.along] == along]
        if np.mean(beyond) < 0.5:
            break
        crossing = along
    return crossing


def paragraphs(name: str, rows: list[dict], labels: dict[str, str]) -> list[str]:
    """A paragraph on each border of a map."""
    return [_paragraph(name, border, crossings(rows, border), labels) for border in BORDERS[name]]


def _paragraph(
    name: str, border: Border, crossed: dict[float, float | None], labels: dict[str, str]
) -> str:
    """One border in words."""
    along = labels[border.along]
    text = f"{name}, {border.title[0].lower()}{border.title[1:]}: "
    values = [value for value in crossed.values() if value is not None]
    if values:
        text += f"from {along} = {short(median(values))} on"
        text += _course(crossed, labels[border.across])
    else:
        text += f"nowhere on the {along} there are. "
    return (text + border.why).strip()


def _course(crossed: dict[float, float | None], across: str) -> str:
    """How a border runs over the other axis."""
    values = [value for value in crossed.values() if value is not None]
    never = [short(value) for value, crossing in crossed.items() if crossing is None]
    text = ""
    if min(values) < max(values):
        course = ", ".join(
            f"{short(crossing)} at {short(value)}"
            for value, crossing in crossed.items()
            if crossing is not None
        )
        text = f" (median over {across}; by {across}: {course})"
    return text + (f"; nowhere at {across} = {', '.join(never)}. " if never else ". ")
