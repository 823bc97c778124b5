"""What emerges where: maps over two strengths each, from the sweep files that users are given.

Digits, the price of firing at several iterations (c_depth) by that of activity (c_n), and MNIST-1D
on a lattice, the price of distance (c_loc) by that of asymmetry (c_sym). Refuted when prices change
nothing, that is when a map does not hold what its axes are for: on digits networks that compute at
several iterations where c_depth is least and layers where it is largest (of those that are
connected), and fewer neurons the dearer activity is, to the point of disconnection; on MNIST-1D no
local fields without c_loc, and shared kernels only where both prices are paid.

This was written down before a map was trained. Its bars stand as they were, each as a difference
between two ends of a map, seed by seed.

Whose are the borders? Corners on both sides of each are trained on random labels too. There the
prices are the same and there is nothing to learn, so a border that stands there as well is not
counted as the data's. The claim says that all of them are the prices', and is refuted too when one
is not there on random labels. What the data make is that networks on both sides answer: refuted
when one does not, against the same network on random labels. How large each border is on data and
on random labels is said side by side, and not counted.

The borders that were found follow.
"""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import heat_map
from analysis.plots import phase_map as draw_phase_map
from experiments import borders, sweeps
from experiments.claims import Check, Measured, Row, column, spread
from experiments.sweeps.measure import measure as row_of
from experiments.sweeps.plan import read_plan
from experiments.twins import difference, differs, twin_of
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

# The claim.
CLAIM = (
    "The strengths of the regularisers decide which architecture emerges, with borders where the "
    "prices balance: on random labels too, so that these are not the data's; what the data make "
    "is that networks on both sides of a border answer"
)
SOURCE = "Golkar 2019 (arXiv 1911.11691); maps of ours"  # Where it is from.
PAPER = "the strengths decide which structure emerges; no maps at hand"  # What the paper reports.
# Networks of each kind: the fewest with which signed ranks can reject (p = 0.03).
SEEDS = {"paper": 6}
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data.

TWIN = "random labels"  # Ends the name of the twin of a point.

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
    "reuse_share",
    "locality_ratio",
    "kernel_share",
)

NEARLY_ALL = 0.9  # Share of networks. By judgement.
HALF = 0.5  # Share of networks. By judgement.
NEARLY_NONE = 0.1  # Share of networks. By judgement.
LEAST_FALL = 10  # Factor by which dear activity is to make networks smaller. By judgement.
# Accuracy by which a network that answers is above its twin. By judgement.
ANSWERS = 0.5
# The price of distance at whose corners there are twins: that of `convolutional`. At the dearest
# hardly a wire may be left.
NARROW = 3e-3
MOST_KINDS = 8  # Colours of a map, by judgement: more are not told apart.


class Edge(NamedTuple):
    """Two corners of a map, one on each side of a border.

    Attributes
    ----------
    of : str
        The map.
    title : str
        What is more at the first corner than at the second, and where they are.
    corners : pair of dict
        The strengths of the axes at both.
    effect : str
        The name in EFFECTS.
    """

    of: str
    title: str
    corners: tuple[dict[str, float], dict[str, float]]
    effect: str


def _neurons(row: Row) -> float:
    """Logarithm of the neurons that are used."""
    return float(np.log10(max(row["used_neurons"] or 1, 1)))


# Effects of a network, 0 where there was nothing to judge.
EFFECTS = {
    "re-used": lambda row: row["reuse_share"] or 0.0,
    "neurons": _neurons,
    "narrow": lambda row: 0.0 if row["locality_ratio"] is None else 1 - row["locality_ratio"],
    "shared": lambda row: row["kernel_share"] or 0.0,
}


@cache
def points(scale: str) -> dict[str, tuple[str, dict[str, float], TrainConfig]]:
    """{arm: (map, strengths of the two axes, configuration)} of every point of every map."""
    listed = {}
    for name, file in MAPS[scale].items():
        # The files that users are given: but for the data seed, what `urn sweep run` makes.
        for point in read_plan(Path(sweeps.__file__).parent / f"{file}.toml").points:
            # Changes may be of any field; those of a map are numbers, the strengths of its axes.
            changes: dict[str, Any] = dict(point.changes)
            at = {axis.rpartition(".")[2]: float(value) for axis, value in changes.items()}
            options = point.config.to_dict()["task_options"] | {"data_seed": DATA_SEED}
            config = point.config.replace(task_options=options)
            listed[_arm(name, at)] = (name, at, config)
    return listed


def _arm(name: str, at: dict[str, float]) -> str:
    """The name of the arm of a point."""
    return f"{name}, " + ", ".join(f"{LABELS[axis]} = {value:.3g}" for axis, value in at.items())


def _twin(arm: str) -> str:
    """The name of the twin of an arm."""
    return f"{arm}, {TWIN}"


@cache
def edges(scale: str) -> tuple[Edge, ...]:
    """The two sides of every border."""
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for axis in ("depth", "activity"):
        values = [at[axis] for name, at, _ in points(scale).values() if name == "digits"]
        low[axis] = min(values)
        high[axis] = max(values)

    layered, small = (low | {axis: high[axis]} for axis in ("depth", "activity"))
    listed = [
        Edge(
            "digits",
            "share of neurons re-used, least less largest c_depth",
            (low, layered),
            "re-used",
        ),
        Edge("digits", "log10 of neurons used, least less largest c_n", (low, small), "neurons"),
    ]
    if "MNIST-1D" in MAPS[scale]:
        c_sym = max(at["symmetry"] for _, at, _ in points(scale).values() if "symmetry" in at)
        free, local = ({"locality": c_loc, "symmetry": 0.0} for c_loc in (0.0, NARROW))
        shared = {"locality": NARROW, "symmetry": c_sym}
        listed += [
            Edge(
                "MNIST-1D", "narrowness of fields, with c_loc less without", (local, free), "narrow"
            ),
            Edge("MNIST-1D", "kernels shared, with c_sym less without", (shared, local), "shared"),
        ]
    return tuple(listed)


def _corners(scale: str) -> dict[str, None]:
    """The arms that have twins, each once, in order."""
    return {_arm(edge.of, at): None for edge in edges(scale) for at in edge.corners}


def arms(scale: str) -> dict[str, TrainConfig]:
    """Every point, and the twins of the corners."""
    configs = {arm: config for arm, (_, _, config) in points(scale).items()}
    twins = {_twin(arm): twin_of(configs[arm], "random_labels") for arm in _corners(scale)}
    return configs | twins


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """The row of a sweep, in part."""
    row = row_of(run, data)[0]
    return {name: row.get(name) for name in KEPT} | {"hidden layers": row.get("depth")}


def checks(measured: Measured, scale: str) -> list[Check]:
    """What was forecast of the ends of the axes; whose the borders are; and who answers."""
    listed = _of_digits(_maps(measured, scale, "digits"))
    if "MNIST-1D" in MAPS[scale]:
        listed += _of_mnist1d(_maps(measured, scale, "MNIST-1D"))
    return [*listed, *_on_twins(measured, scale), *_answering(measured, scale)]


def notes(measured: Measured, scale: str) -> list[str]:
    """Each border's size on data and on random labels, and a paragraph on its course."""
    sizes = [_side_by_side(edge, measured) for edge in edges(scale)]
    return sizes + [
        text
        for name in MAPS[scale]
        for text in borders.paragraphs(name, _map(measured, scale, name), LABELS)
    ]


def _side_by_side(edge: Edge, measured: Measured) -> str:
    """The size of a border on data and on random labels, and the accuracy at its sides."""
    on_data, on_twin = (
        np.subtract(*_sides(edge, measured, is_twin=is_twin)).tolist() for is_twin in (False, True)
    )
    accuracy = [
        " and ".join(
            spread([row["test_accuracy"] or 0.0 for row in measured[name(_arm(edge.of, at))]])
            for at in edge.corners
        )
        for name in (str, _twin)
    ]
    return (
        f"{edge.of}, {edge.title}: {spread(on_data)} on data (accuracy {accuracy[0]}), "
        f"{spread(on_twin)} on {TWIN} (accuracy {accuracy[1]}); "
        f"difference {difference(on_data, on_twin)}."
    )


def _sides(edge: Edge, measured: Measured, *, is_twin: bool) -> tuple[list[float], list[float]]:
    """The effect at both corners, for each seed."""
    arms = [_arm(edge.of, at) for at in edge.corners]
    first, second = (
        [EFFECTS[edge.effect](row) for row in measured[_twin(arm) if is_twin else arm]]
        for arm in arms
    )
    return first, second


def _on_twins(measured: Measured, scale: str) -> list[Check]:
    """The borders on random labels: those are the prices'."""
    return [
        differs(f"{edge.of}, {TWIN}: {edge.title}", *_sides(edge, measured, is_twin=True), 0.0)
        for edge in edges(scale)
    ]


def _answering(measured: Measured, scale: str) -> list[Check]:
    """Networks on both sides of the borders of architecture have learned, and their twins not."""
    # Where activity is dearest none learns: that border is one of size.
    arms = {
        _arm(edge.of, at): None
        for edge in edges(scale)
        for at in edge.corners
        if edge.effect != "neurons"
    }
    return [
        differs(
            f"{arm}: test accuracy, data less {TWIN}",
            *([row["test_accuracy"] or 0.0 for row in measured[of]] for of in (arm, _twin(arm))),
            ANSWERS,
        )
        for arm in arms
    ]


def _maps(measured: Measured, scale: str, name: str) -> list[list[Row]]:
    """The networks of one map, seed by seed: strengths and row in one."""
    lines = [
        [at | row for row in measured[arm]]
        for arm, (of, at, _) in points(scale).items()
        if of == name
    ]
    return [list(rows) for rows in zip(*lines, strict=True)]


def _map(measured: Measured, scale: str, name: str) -> list[Row]:
    """The networks of one map, of all seeds."""
    return [row for rows in _maps(measured, scale, name) for row in rows]


def _where(rows: list[Row], axis: str, value: float) -> list[Row]:
    """The networks at a value of an axis."""
    return [row for row in rows if row[axis] == value]


def _ends(rows: list[Row], axis: str) -> tuple[list[Row], list[Row]]:
    """The networks at the least and at the largest value of an axis."""
    values = column(rows, axis)
    return _where(rows, axis, min(values)), _where(rows, axis, max(values))


def _of_digits(maps: list[list[Row]]) -> list[Check]:
    """Re-use along c_depth, size along c_n."""
    depths = [_ends(rows, "depth") for rows in maps]
    # Size and disconnection are asked along the price of activity, which every neuron that fires
    # pays.
    activities = [_ends(rows, "activity") for rows in maps]
    recurrent = [[_share(ends[k], "recurrent") for ends in depths] for k in (0, 1)]
    sizes = [
        [float(np.median(list(map(_neurons, ends[k])))) for ends in activities] for k in (0, 1)
    ]
    lost = [
        [float(np.mean(list(map(_is_disconnected, ends[k])))) for ends in activities]
        for k in (1, 0)
    ]

    return [
        differs(
            "digits: share of recurrent networks among the connected, least less largest c_depth",
            *recurrent,
            NEARLY_ALL - NEARLY_NONE,
        ),
        differs(
            "digits: log10 of neurons used, median, least less largest c_n",
            *sizes,
            float(np.log10(LEAST_FALL)),
        ),
        differs("digits: share of disconnected networks, largest less least c_n", *lost, HALF),
    ]


def _of_mnist1d(maps: list[list[Row]]) -> list[Check]:
    """Local fields with c_loc, shared kernels with both prices."""
    local: list[tuple[float, float]] = []
    shared: list[tuple[float, float]] = []
    for rows in maps:
        free = _where(rows, "locality", 0)
        priced = [row for row in rows if row["locality"] > 0]
        asymmetric, symmetric = _ends(priced, "symmetry")
        _, unlocal = _ends(free, "symmetry")
        # Locality is asked with and without its price, and sharing where both prices are paid, or
        # one of them.
        local.append((_share(priced, "locally_connected"), _share(free, "locally_connected")))
        others = [_share(part, "convolutional") for part in (unlocal, asymmetric)]
        shared.append((_share(symmetric, "convolutional"), max(others)))

    return [
        differs(
            "MNIST-1D: share of local networks, with c_loc less without",
            *map(list, zip(*local, strict=True)),
            HALF - NEARLY_NONE,
        ),
        differs(
            "MNIST-1D: share of convolutional networks, both prices less the more of either alone",
            *map(list, zip(*shared, strict=True)),
            HALF - NEARLY_NONE,
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
    scale = next(scale for scale in MAPS if set(arms(scale)) == set(measured))
    drawn = {}
    for name in MAPS[scale]:
        rows = _map(measured, scale, name)
        x, y = (axis for axis in LABELS if axis in rows[0])
        xs, ys = ([row[axis] for row in rows] for axis in (x, y))
        labels: dict[str, Any] = {"x_label": LABELS[x], "y_label": LABELS[y]}
        title = f"{name}: what emerges where"
        drawn[f"{name}-architectures"] = draw_phase_map(xs, ys, _kinds(rows), **labels, title=title)

        for key, title in (("test_accuracy", "test accuracy"), ("used_neurons", "neurons used")):
            values = [np.nan if row[key] is None else row[key] for row in rows]
            drawn[f"{name}-{key}"] = heat_map(xs, ys, values, **labels, name=title)
    return drawn


def _kinds(rows: list[Row], most: int = MOST_KINDS) -> list[str]:
    """The architecture of each network; rare ones together, so that a colour means something."""
    kinds = [row["architecture"] for row in rows]
    # The last colour is for all kinds that are rarer than these.
    common = {kind for kind, _ in Counter(kinds).most_common(most - 1)}
    return [kind if kind in common else "other" for kind in kinds]
