"""What emerges where: maps over two strengths each, from the sweep files that users are given.

Digits, the price of serving at several iterations (c_depth) by that of activity (c_n), and MNIST-1D on a lattice, the price
of distance (c_loc) by that of asymmetry (c_sym). Refuted when prices change nothing, that is when a map does not hold what
its axes are for: on digits networks that serve at several iterations where c_depth is least and layers where it is largest
(of those that are connected), and fewer neurons the dearer activity is, to the point of disconnection; on MNIST-1D no local
fields without c_loc, and shared kernels only where both prices are paid.

This was written down before a map was trained, and stands as it was. The borders that were found follow.
"""

from collections import Counter
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import heat_map, phase_map
from experiments import borders, sweeps
from experiments.claims import Check, short
from experiments.sweeps.measure import measure as row_of
from experiments.sweeps.plan import read_plan
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

CLAIM = "Data and the strengths of the regularisers decide which architecture emerges, with borders where the prices balance"
SOURCE = "Golkar 2019 (arXiv 1911.11691); maps of ours"
PAPER = "the strengths decide which structure emerges; no maps at hand"

MAPS = {"quick": {"digits": "digits-small"}, "paper": {"digits": "digits", "MNIST-1D": "mnist1d"}}
LABELS = {"depth": "c_depth", "activity": "c_n", "locality": "c_loc", "symmetry": "c_sym"}
KEPT = (
    "architecture",
    "test_accuracy",
    "used_neurons",
    "used_connections",
    "recurrent",
    "locally_connected",
    "convolutional",
)
"""Columns of a sweep's row that are kept of every network."""


@cache
def points(scale: str) -> dict[str, tuple[str, dict[str, float], TrainConfig]]:
    """{arm: (map, strengths of the two axes, configuration)} of every point of every map."""
    found = {}
    for name, file in MAPS[scale].items():
        for point in read_plan(Path(sweeps.__file__).parent / f"{file}.toml").points:
            at = {axis.rpartition(".")[2]: float(value) for axis, value in point.changes.items()}
            text = ", ".join(f"{LABELS[axis]} = {value:.3g}" for axis, value in at.items())
            found[f"{name}, {text}"] = (name, at, point.config)
    return found


def arms(scale: str) -> dict[str, TrainConfig]:
    """Every point."""
    return {arm: config for arm, (_, _, config) in points(scale).items()}


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """What the row of a sweep would say, in part."""
    row = row_of(run, data)[0]
    return {name: row.get(name) for name in KEPT} | {"hidden layers": row.get("depth")}


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """At the ends of the axes."""
    found = _of_digits(_map(measured, scale, "digits"))
    return found + (
        _of_mnist1d(_map(measured, scale, "MNIST-1D")) if "MNIST-1D" in MAPS[scale] else []
    )


def notes(measured: dict[str, list[dict]], scale: str) -> list[str]:
    """A paragraph on each border of each map."""
    return [
        text
        for name in MAPS[scale]
        for text in borders.paragraphs(name, _map(measured, scale, name), LABELS)
    ]


def _map(measured: dict[str, list[dict]], scale: str, name: str) -> list[dict]:
    """The networks of one map: strengths and row in one."""
    return [
        at | row
        for arm, (of, at, _) in points(scale).items()
        if of == name
        for row in measured[arm]
    ]


def _of_digits(rows: list[dict]) -> list[Check]:
    lowest, highest, cheap, dear = (
        [row for row in rows if row[axis] == end(row[axis] for row in rows)]
        for axis, end in (("depth", min), ("depth", max), ("activity", min), ("activity", max))
    )
    serving = [_share(some, "recurrent") for some in (lowest, highest)]
    sizes = [median(row["used_neurons"] or 0 for row in some) for some in (cheap, dear)]
    lost = [
        np.mean([row["architecture"] == borders.DISCONNECTED for row in some])
        for some in (cheap, dear)
    ]
    return [
        Check(
            "digits: recurrent networks among the connected, least and largest c_depth",
            " ".join(map(short, serving)),
            "0.9 or more, 0.1 or less",
            serving[0] >= 0.9 and serving[1] <= 0.1,
        ),
        Check(
            "digits: neurons used, median, least and largest c_n",
            " ".join(map(short, sizes)),
            "falls tenfold or more",
            sizes[0] >= 10 * sizes[1],
        ),
        Check(
            "digits: disconnected networks, least and largest c_n",
            " ".join(map(short, lost)),
            "none, half or more",
            lost[0] == 0 and lost[1] >= 0.5,
        ),
    ]


def _of_mnist1d(rows: list[dict]) -> list[Check]:
    free, priced = (
        [row for row in rows if (row["locality"] > 0) is wanted] for wanted in (False, True)
    )
    asymmetric, symmetric = (
        [row for row in priced if row["symmetry"] == value]
        for value in (0, max(row["symmetry"] for row in rows))
    )
    local = [_share(some, "locally_connected") for some in (free, priced)]
    shared = [_share(some, "convolutional") for some in (free, asymmetric, symmetric)]
    return [
        Check(
            "MNIST-1D: local networks, without and with c_loc",
            " ".join(map(short, local)),
            "0.1 or less, half or more",
            local[0] <= 0.1 and local[1] >= 0.5,
        ),
        Check(
            "MNIST-1D: convolutional networks without c_loc, with c_loc alone, with both",
            " ".join(map(short, shared)),
            "0.1 or less, 0.1 or less, half or more",
            max(shared[:2]) <= 0.1 and shared[2] >= 0.5,
        ),
    ]


def _share(rows: list[dict], verdict: str) -> float:
    """Share of the connected networks for which a verdict holds."""
    connected = [bool(row[verdict]) for row in rows if row["architecture"] != borders.DISCONNECTED]
    return float(np.mean(connected)) if connected else float("nan")


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """Of each map the architectures, the accuracy, and the neurons in use."""
    scale = next(scale for scale in MAPS if set(points(scale)) == set(measured))
    found = {}
    for name in MAPS[scale]:
        rows = _map(measured, scale, name)
        x, y = (axis for axis in LABELS if axis in rows[0])
        at = [[row[axis] for row in rows] for axis in (x, y)]
        labels = {"x_label": LABELS[x], "y_label": LABELS[y]}
        found[f"{name}-architectures"] = phase_map(
            *at, _kinds(rows), **labels, title=f"{name}: what emerges where"
        )
        for column, title in (("test_accuracy", "test accuracy"), ("used_neurons", "neurons used")):
            values = [np.nan if row[column] is None else row[column] for row in rows]
            found[f"{name}-{column}"] = heat_map(*at, values, **labels, name=title)
    return found


def _kinds(rows: list[dict], most: int = 8) -> list[str]:
    """What each network that learned is called; rare kinds together, so that a colour means something."""
    kinds = [row["architecture"] for row in rows]
    common = {kind for kind, _ in Counter(kinds).most_common(most - 1)}
    return [kind if kind in common else "other" for kind in kinds]
