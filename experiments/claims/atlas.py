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
# One life: of each phase the network that it is to become, its strengths and its steps. Found with
# seeds 0 to 4: prices that take much away come late, and layers need a dearer depth in a network
# that re-uses its neurons already (docs/experiments.md).
LIFE = "one life: "  # Begins the names of its arms.
PHASES: dict[str, tuple[dict[str, Any], int]] = {
    "no price": ({}, 1000),
    "recurrent": ({}, 800),
    "convolutional": ({}, 2500),
    "residual": ({}, 3000),
    "local": ({"depth": {"value": 0.3, "warmup": 300}}, 3000),
    "layered": ({}, 3000),
}
# Every phase goes on from the one before it.
AFTER = {LIFE + later: LIFE + earlier for earlier, later in pairwise(PHASES)}
LIFE_CHANNELS = 4  # As at quick scale, where its settings were found.
# Every verdict that is asked of a network.
ASKED = tuple(dict.fromkeys(name for entry in NETWORKS.values() for name in entry[2]))
NOT_ASKED_OF_TWINS = "fully_connected"  # A dense start is that, and nothing else.


def arms(scale: str) -> dict[str, TrainConfig]:
    """The six, and each after one step; at paper scale the phases of one life too."""
    channels = 8 if scale == "paper" else 4
    steps = 1500 if scale == "paper" else 800
    configs = {name: _config(name, channels, steps) for name in NETWORKS}
    configs[ONE_STEP] = next(iter(configs.values())).replace(steps=1)
    if scale == "paper":
        for name, (strengths, steps) in PHASES.items():
            config = _config(name, LIFE_CHANNELS, steps)
            configs[LIFE + name] = config.replace(
                strengths=config.to_dict()["strengths"] | strengths
            )
    return configs


def _config(name: str, channels: int, steps: int) -> TrainConfig:
    """A network with its strengths."""
    strengths, w0, _, _ = NETWORKS[name]
    return TrainConfig(
        task="mnist1d",
        task_options={"ring": True},
        hidden_positions="lattice",
        channels=channels,
        n_neurons=SITES * (1 + channels) + N_OUTPUTS,
        steps=steps,
        batch_size=100,
        learning_rate=3e-3,
        strengths=strengths,
        self_target=w0,
        locality_power=4.0,
        log_every=250,
        snapshots=0,
    )


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
    listed = [_is_one(arm, arm, measured) for arm in NETWORKS]
    # Nothing is asked of where the life begins.
    phases = [name for name in list(PHASES)[1:] if LIFE + name in measured]
    listed += [_is_one(LIFE + name, name, measured) for name in phases]

    start = [
        sorted(set(given) & (set(ASKED) - {NOT_ASKED_OF_TWINS}))
        for given in column(measured[ONE_STEP], "verdicts")
    ]
    none = [not given for given in start]
    listed.append(in_most_seeds("after one step: none of these structures", none))
    return listed


def _is_one(arm: str, network: str, measured: Measured) -> Check:
    """Whether an arm has the structure of one of the six, in most seeds."""
    _, _, has, lacks = NETWORKS[network]
    names = column(measured[arm], "verdicts")
    holds = [set(has) <= set(given) and not set(lacks) & set(given) for given in names]
    asked = " and ".join([*has, *(f"not {name}" for name in lacks)]).replace("_", " ")
    shown = f"{spread(holds)}: {measured[arm][0]['summary']}"
    return in_most_seeds(f"{arm}: {asked}", holds, shown)


def notes(measured: Measured, scale: str) -> list[str]:
    """What each costs."""
    said = [
        f"{arm}: {spread(column(rows, 'test accuracy'))} of unseen samples with "
        f"{spread(column(rows, 'weights used'))} weights"
        for arm, rows in measured.items()
    ]
    return ["; ".join(said) + "."]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """The six matrices of the first seed, with what they cost; those of one life likewise."""
    drawn = {"W": _matrices(runs, measured, {name: name for name in NETWORKS})}
    life = {LIFE + name: name for name in PHASES}
    if set(life) <= set(runs):
        drawn["life"] = _matrices(runs, measured, life)
    return drawn


def _matrices(runs: dict[str, list[Run]], measured: Measured, networks: dict[str, str]) -> Figure:
    """W of some arms, each with the name of what it is to be."""
    data = MNIST1D(ring=True).load()
    figure = new_figure(10.4, 7.6)
    panels = figure.subplots(2, 3).ravel()
    for axes, (arm, name) in zip(panels, networks.items(), strict=True):
        row = measured[arm][0]
        W, groups = _used_and_ordered(name, runs[arm][0], data)
        draw_matrix(axes, W, groups, magnitude_norm(W))
        axes.set_xticks([])
        axes.set_yticks([])
        cost = f"{row['test accuracy']:.0%} right, {row['weights used']:,} weights"
        axes.set_title(f"{name}\n{cost}", fontsize=FONT + 1, color=INK)
    figure.supxlabel("from: inputs, hidden neurons, outputs", fontsize=FONT)
    figure.supylabel("to", fontsize=FONT)
    return figure


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
