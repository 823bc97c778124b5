"""An atlas: one matrix, one data set, six settings of strengths, six architectures.

All six networks begin with the same weights and positions, a lattice of several neurons at each
site of MNIST-1D's ring, and see the same samples in the same order; S, I, rate and steps are equal.
Only strengths differ, and the weight w0 at which a neuron carries itself for free. What the data
say is not the question here: see `fields`, `modular`, `difficulty` and `locally_connected` for
that. Twin: the same network after one step. Refuted when a setting does not give its structure in 4
of 5 seeds, or when the twin has any of the structures that are asked for (but for being fully
connected, which a dense start is). In the figure are the weights that carry signal.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis.ordering import Group, layer_groups, order_groups
from analysis.plots.matrix import draw_matrix, magnitude_norm
from analysis.plots.style import FONT, INK, new_figure
from experiments.claims import Check, Measured, Row, column, in_most_seeds, spread
from experiments.commands.judging import arrays, judge
from experiments.twins import ONE_STEP
from urn import Run, TrainConfig
from urn.data.tasks import MNIST1D, Dataset

# The claim.
CLAIM = "From the same weights, data and places, six settings of strengths make six architectures"
SOURCE = "ours, after Golkar 2019 (arXiv 1911.11691)"  # Where it is from.
# What the paper reports.
PAPER = "the relative strengths of the regularisers determine the structure; no such figure"

FIRST_SEED = 300  # No setting was chosen on these seeds.
SEEDS = {"quick": 1, "paper": 5}  # Networks of each kind.

SITES = 40  # Of MNIST-1D.
N_OUTPUTS = 10  # Its classes.
N_DRAWS = 200  # Of a null model: enough for a yes or no.

# What makes layers that are not re-used, from a trial with seed 0.
LAYERS: dict[str, Any] = {
    "activity": 1e-3,
    "bias": 1e-3,
    "self": 1.0,
    "depth": {"value": 0.05, "warmup": 300},
}
# Strengths, w0, and the verdicts that must and must not be there, for each network.
NETWORKS: dict[str, tuple[dict[str, Any], float, tuple[str, ...], tuple[str, ...]]] = {
    "no price": ({"weight": 0.0}, 0.0, (), ("recurrent", "residual", "locally_connected")),
    "layered": ({"weight": 1e-4, **LAYERS}, 0.0, ("fully_connected",), ("recurrent",)),
    "recurrent": ({"weight": 3e-4}, 0.0, ("recurrent",), ("locally_connected", "residual")),
    "residual": (
        {"weight": 3e-5, "activity": 1e-4, "bias": 1e-3, "self": 1.0},
        1.0,
        ("residual",),
        ("locally_connected",),
    ),
    "local": (
        {"locality": 1e-2, **LAYERS},
        0.0,
        ("locally_connected",),
        ("convolutional", "recurrent"),
    ),
    "convolutional": (
        {
            "locality": 3e-3,
            "symmetry": 0.1,
            "activity": 1e-4,
            "self": 1.0,
            "depth": {"value": 5e-3, "warmup": 300},
        },
        0.0,
        ("convolutional",),
        (),
    ),
}
# Every verdict that is asked of a network.
ASKED = tuple(dict.fromkeys(name for entry in NETWORKS.values() for name in entry[2]))
NOT_ASKED_OF_TWINS = "fully_connected"  # A dense start is that, and nothing else.


def arms(scale: str) -> dict[str, TrainConfig]:
    """The six, and each after one step."""
    channels = 8 if scale == "paper" else 4
    configs = {
        name: TrainConfig(
            task="mnist1d",
            task_options={"ring": True},
            hidden_positions="lattice",
            channels=channels,
            n_neurons=SITES * (1 + channels) + N_OUTPUTS,
            steps=1500 if scale == "paper" else 800,
            batch_size=100,
            learning_rate=3e-3,
            strengths=strengths,
            self_target=w0,
            locality_power=4.0,
            log_every=250,
            snapshots=0,
        )
        for name, (strengths, w0, _, _) in NETWORKS.items()
    }
    first = next(iter(configs.values()))
    return configs | {ONE_STEP: first.replace(steps=1)}


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Accuracy, weights used, and every verdict."""
    report = judge(run, data, n_null=N_DRAWS)
    return {
        "test accuracy": run.test_accuracy,
        "weights used": report.n_used_weights,
        "verdicts": [name for name, verdict in report.verdicts.items() if verdict.present],
        "summary": report.summary,
    }


def checks(measured: Measured, scale: str) -> list[Check]:
    """Each network has its structure and lacks that of others; the start has none."""
    listed = []
    for arm, (_, _, has, lacks) in NETWORKS.items():
        names = column(measured[arm], "verdicts")
        holds = [set(has) <= set(given) and not set(lacks) & set(given) for given in names]
        asked = " and ".join([*has, *(f"not {name}" for name in lacks)]).replace("_", " ")
        shown = f"{spread(holds)}: {measured[arm][0]['summary']}"
        listed.append(in_most_seeds(f"{arm}: {asked}", holds, shown))

    start = [
        sorted(set(given) & (set(ASKED) - {NOT_ASKED_OF_TWINS}))
        for given in column(measured[ONE_STEP], "verdicts")
    ]
    none = [not given for given in start]
    listed.append(in_most_seeds("after one step: none of these structures", none))
    return listed


def notes(measured: Measured, scale: str) -> list[str]:
    """What each costs."""
    said = [
        f"{arm}: {spread(column(rows, 'test accuracy'))} of unseen samples with "
        f"{spread(column(rows, 'weights used'))} weights"
        for arm, rows in measured.items()
    ]
    return ["; ".join(said) + "."]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """The six matrices of the first seed, with what they cost."""
    data = MNIST1D(ring=True).load()
    figure = new_figure(10.4, 7.6)
    panels = figure.subplots(2, 3).ravel()
    for axes, arm in zip(panels, NETWORKS, strict=True):
        run = runs[arm][0]
        row = measured[arm][0]
        W, groups = _used_and_ordered(arm, run, data)
        draw_matrix(axes, W, groups, magnitude_norm(W))
        axes.set_xticks([])
        axes.set_yticks([])
        cost = f"{row['test accuracy']:.0%} right, {row['weights used']:,} weights"
        axes.set_title(f"{arm}\n{cost}", fontsize=FONT + 1, color=INK)
    figure.supxlabel("from: inputs, hidden neurons, outputs", fontsize=FONT)
    figure.supylabel("to", fontsize=FONT)
    return {"W": figure}


def _used_and_ordered(arm: str, run: Run, data: Dataset) -> tuple[np.ndarray, list[Group]]:
    """W `(S, S)` without weights that carry no signal, and its neurons in groups.

    By layer where layers emerged, elsewhere by channel and site.
    """
    report = judge(run, data, n_null=N_DRAWS)
    W = arrays(run)[0]
    carries = np.zeros(W.size, dtype=bool)
    carries[np.unique(report.effective.unrolled.pair)] = True
    W = np.where(carries.reshape(W.shape), W, 0.0)

    if arm not in ("layered", "local"):
        ends = [*range(0, len(W) - N_OUTPUTS + 1, SITES), len(W)]
        return W, [(str(a), np.arange(a, b)) for a, b in pairwise(ends)]
    groups = layer_groups(report.layer_of, len(W), SITES, N_OUTPUTS)
    if arm == "layered":
        return W, order_groups(W, groups)
    # Along the ring, whatever the channel; the outputs lie nowhere.
    return W, [
        (name, members if name == "outputs" else members[np.argsort(members % SITES)])
        for name, members in groups
    ]
