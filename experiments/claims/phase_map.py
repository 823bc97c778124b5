"""What emerges where: maps over two strengths each, from the sweep files that users are given.

Digits, the price of firing at several iterations (c_depth) by that of activity (c_n), and MNIST-1D
on a lattice, the price of distance (c_loc) by that of asymmetry (c_sym). Refuted when prices change
nothing, that is when a map does not hold what its axes are for: on digits networks that compute at
several iterations where c_depth is least and layers where it is largest (of those that are
connected), and fewer neurons the dearer activity is, to the point of disconnection; on MNIST-1D no
local fields without c_loc, and shared kernels only where both prices are paid.

This was written down before a map was trained, and stands as it was. The borders that were found
follow.
"""

from collections import Counter
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import heat_map
from analysis.plots import phase_map as draw_phase_map
from experiments import borders, sweeps
from experiments.claims import Check, Measured, Row
from experiments.sweeps.measure import measure as row_of
from experiments.sweeps.plan import read_plan
from urn import Run, TrainConfig
from urn.data.tasks import Dataset
from urn.io import short

# The claim.
CLAIM = (
    "Data and the strengths of the regularisers decide which architecture emerges, with borders "
    "where the prices balance"
)
SOURCE = "Golkar 2019 (arXiv 1911.11691); maps of ours"  # Where it is from.
PAPER = "the strengths decide which structure emerges; no maps at hand"  # What the paper reports.

# {scale: {map: sweep file}}.
MAPS = {"quick": {"digits": "digits-small"}, "paper": {"digits": "digits", "MNIST-1D": "mnist1d"}}
# How the axes are called.
LABELS = {"depth": "c_depth", "activity": "c_n", "locality": "c_loc", "symmetry": "c_sym"}
# Columns of a sweep's row that are kept of every network.
KEPT = (
    "architecture",
    "test_accuracy",
    "used_neurons",
    "used_connections",
    "recurrent",
    "locally_connected",
    "convolutional",
)

NEARLY_ALL = 0.9  # Share of networks. By judgement.
HALF = 0.5  # Share of networks. By judgement.
NEARLY_NONE = 0.1  # Share of networks. By judgement.
LEAST_FALL = 10  # Factor by which dear activity is to make networks smaller. By judgement.
MOST_KINDS = 8  # Colours of a map, by judgement: more are not told apart.


@cache
def points(scale: str) -> dict[str, tuple[str, dict[str, float], TrainConfig]]:
    """{arm: (map, strengths of the two axes, configuration)} of every point of every map."""
    listed = {}
    for name, file in MAPS[scale].items():
        # The very files that users are given: what is shown here is what `urn sweep run` makes.
        for point in read_plan(Path(sweeps.__file__).parent / f"{file}.toml").points:
            # Changes may be of any field; those of a map are numbers, the strengths of its axes.
            changes: dict[str, Any] = dict(point.changes)
            at = {axis.rpartition(".")[2]: float(value) for axis, value in changes.items()}
            text = ", ".join(f"{LABELS[axis]} = {value:.3g}" for axis, value in at.items())
            listed[f"{name}, {text}"] = (name, at, point.config)
    return listed


def arms(scale: str) -> dict[str, TrainConfig]:
    """Every point."""
    return {arm: config for arm, (_, _, config) in points(scale).items()}


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """The row of a sweep, in part."""
    row = row_of(run, data)[0]
    return {name: row.get(name) for name in KEPT} | {"hidden layers": row.get("depth")}


def checks(measured: Measured, scale: str) -> list[Check]:
    """At the ends of the axes."""
    listed = _of_digits(_map(measured, scale, "digits"))
    if "MNIST-1D" in MAPS[scale]:
        listed += _of_mnist1d(_map(measured, scale, "MNIST-1D"))
    return listed


def notes(measured: Measured, scale: str) -> list[str]:
    """A paragraph on each border of each map."""
    return [
        text
        for name in MAPS[scale]
        for text in borders.paragraphs(name, _map(measured, scale, name), LABELS)
    ]


def _map(measured: Measured, scale: str, name: str) -> list[Row]:
    """The networks of one map: strengths and row in one."""
    return [
        at | row
        for arm, (of, at, _) in points(scale).items()
        if of == name
        for row in measured[arm]
    ]


def _where(rows: list[Row], axis: str, value: float) -> list[Row]:
    """The networks at a value of an axis."""
    return [row for row in rows if row[axis] == value]


def _ends(rows: list[Row], axis: str) -> tuple[list[Row], list[Row]]:
    """The networks at the least and at the largest value of an axis."""
    values = [row[axis] for row in rows]
    return _where(rows, axis, min(values)), _where(rows, axis, max(values))


def _of_digits(rows: list[Row]) -> list[Check]:
    """Re-use along c_depth, size along c_n."""
    recurrent = [_share(end, "recurrent") for end in _ends(rows, "depth")]
    # Size and disconnection are asked along the price of activity, which every neuron that fires
    # pays.
    ends = _ends(rows, "activity")
    sizes = [median(row["used_neurons"] or 0 for row in end) for end in ends]
    lost = [float(np.mean([_is_disconnected(row) for row in end])) for end in ends]

    return [
        Check(
            "digits: recurrent networks among the connected, least and largest c_depth",
            " ".join(map(short, recurrent)),
            "0.9 or more, 0.1 or less",
            recurrent[0] >= NEARLY_ALL and recurrent[1] <= NEARLY_NONE,
        ),
        Check(
            "digits: neurons used, median, least and largest c_n",
            " ".join(map(short, sizes)),
            "falls tenfold or more",
            sizes[0] >= LEAST_FALL * sizes[1],
        ),
        Check(
            "digits: disconnected networks, least and largest c_n",
            " ".join(map(short, lost)),
            "none, half or more",
            lost[0] == 0 and lost[1] >= HALF,
        ),
    ]


def _of_mnist1d(rows: list[Row]) -> list[Check]:
    """Local fields with c_loc, shared kernels with both prices."""
    free = [row for row in rows if row["locality"] == 0]
    priced = [row for row in rows if row["locality"] > 0]
    asymmetric = _where(priced, "symmetry", 0)
    symmetric = _where(priced, "symmetry", max(row["symmetry"] for row in rows))
    # Locality is asked with and without its price, and sharing in the three corners that differ in
    # which of both prices is paid.
    local = [_share(part, "locally_connected") for part in (free, priced)]
    shared = [_share(part, "convolutional") for part in (free, asymmetric, symmetric)]

    return [
        Check(
            "MNIST-1D: local networks, without and with c_loc",
            " ".join(map(short, local)),
            "0.1 or less, half or more",
            local[0] <= NEARLY_NONE and local[1] >= HALF,
        ),
        Check(
            "MNIST-1D: convolutional networks without c_loc, with c_loc alone, with both",
            " ".join(map(short, shared)),
            "0.1 or less, 0.1 or less, half or more",
            max(shared[:2]) <= NEARLY_NONE and shared[2] >= HALF,
        ),
    ]


def _is_disconnected(row: Row) -> bool:
    """Whether no path leads from an input to an output."""
    return row["architecture"] == borders.DISCONNECTED


def _share(rows: list[Row], verdict: str) -> float:
    """Share of the connected networks for which a verdict holds."""
    connected = [bool(row[verdict]) for row in rows if not _is_disconnected(row)]
    return float(np.mean(connected)) if connected else float("nan")


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Of each map the architectures, the accuracy, and the neurons used."""
    # Figures are not told the scale; the arms say it.
    scale = next(scale for scale in MAPS if set(points(scale)) == set(measured))
    drawn = {}
    for name in MAPS[scale]:
        rows = _map(measured, scale, name)
        x, y = (axis for axis in LABELS if axis in rows[0])
        xs, ys = ([row[axis] for row in rows] for axis in (x, y))
        labels: dict[str, Any] = {"x_label": LABELS[x], "y_label": LABELS[y]}
        title = f"{name}: what emerges where"
        drawn[f"{name}-architectures"] = draw_phase_map(xs, ys, _kinds(rows), **labels, title=title)

        for column, title in (("test_accuracy", "test accuracy"), ("used_neurons", "neurons used")):
            values = [np.nan if row[column] is None else row[column] for row in rows]
            drawn[f"{name}-{column}"] = heat_map(xs, ys, values, **labels, name=title)
    return drawn


def _kinds(rows: list[Row], most: int = MOST_KINDS) -> list[str]:
    """The architecture of each network; rare ones together, so that a colour means something."""
    kinds = [row["architecture"] for row in rows]
    # The last colour is for all kinds that are rarer than these.
    common = {kind for kind, _ in Counter(kinds).most_common(most - 1)}
    return [kind if kind in common else "other" for kind in kinds]
