"""Lifetime: one network lives through three tasks, and its structure follows them.

Shells 2 and 3 of radii 1 to 4 are to be told apart (easy), then all four by parity, which turns the
labels of those two round (hard), then the two again. MNIST-1D in order, with its positions
shuffled, and in order again. Each life goes on from the weights it has, and is not told that the
task has changed: in every phase the same rule lets neurons be born into free slots, until a few
that no other neuron takes input from are in reserve, and the same prices let them fade. So a
reserve that was pruned away can always come back: dormant neurons need not be held, for the slots
are what is scarce, not the random weights in them.

Every phase stands beside one at the same age in which nothing changes, begun from the same
network: births, prices and time alone show there as well. Refuted if accuracy does not recover; if,
seed by seed, the network does not use a third more weights for the hard task than where the task
stays easy, or more neurons born since; or if receptive fields do not widen against a life that
stays in order, nor narrow again against one that stays shuffled.

That the network prunes when its task gets easier is not claimed: lives that stay hard prune as
well. The notes give both, and whether a life that was hard once differs from one that never was
(hysteresis). No phase is taken at rest: births go on for as long as a network lives.
"""

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import analyse
from analysis.plots import sorted_matrices
from analysis.plots.style import (
    BLUE,
    FONT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    VERMILION,
    new_figure,
    plain_axes,
)
from experiments.claims import Check, Measured, Row, column, most, spread
from experiments.commands.judging import judge, samples, task_data
from experiments.twins import difference, differs
from urn import Run, Snapshot, TrainConfig
from urn.data.tasks import Dataset
from urn.io import short

# The claim.
CLAIM = (
    "A network grows from its reserve when its task gets harder, more than one of its age whose "
    "task stays, and learns every task of its life"
)
# Where it is from.
SOURCE = (
    "Golkar 2019 (arXiv 1911.11691): lifetime structure evolution; growth by birth and death after "
    "Miconi 2016"
)
# What the paper reports.
PAPER = "structure evolves with the tasks over a lifetime; the figure is not at hand"

# Networks of each kind.
SEEDS = {"quick": 1, "paper": 20}
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data.

EASY = "shells easy"  # First phase of the life with shells.
HARD = "shells hard"  # Its second phase.
AGAIN = "shells easy again"  # Its third phase.
SAME = "shells easy, no change"  # The control: a second phase in which nothing changes.
STAYS_HARD = "shells hard, no change"  # The control of AGAIN: a third phase at the hard task.
ALWAYS_EASY = "shells easy, never a change"  # The other one: a third phase of a life that was easy.
ORDER = "MNIST-1D"  # First phase of the life with MNIST-1D.
SHUFFLED = "MNIST-1D shuffled"  # Its second phase.
BACK = "MNIST-1D again"  # Its third phase.
IN_ORDER = "MNIST-1D, no change"  # The control of SHUFFLED: a second phase in order.
STAYS_SHUFFLED = "MNIST-1D shuffled, no change"  # The control of BACK: a third phase shuffled.
LIVES = ((EASY, HARD, AGAIN), (ORDER, SHUFFLED, BACK))  # The phases of each life, in turn.
# The phase that each goes on from.
AFTER = {
    HARD: EASY,
    AGAIN: HARD,
    SAME: EASY,
    STAYS_HARD: HARD,
    ALWAYS_EASY: SAME,
    SHUFFLED: ORDER,
    BACK: SHUFFLED,
    IN_ORDER: ORDER,
    STAYS_SHUFFLED: SHUFFLED,
}

# The rule of births and deaths, the same in every phase: ten neurons without a use are kept in
# reserve. Chosen on validation seeds (docs/experiments.md).
GROWTH = {
    "start": 30,
    "reserve": 10,
    "threshold": 0.02,
    "add_probability": 1.0,
    "every": 10,
    "newborn_scale": 0.3,
}
# Options of the task beside the radii.
SHELLS = {
    "dimension": 3,
    "label": "parity",
    "n_train": 20_000,
    "n_validation": 1000,
    "n_test": 5000,
    "data_seed": DATA_SEED,
}
# Strengths of the life with shells, chosen on validation seeds.
LAYERED = {
    "weight": 5e-4,
    "activity": 3e-3,
    "bias": 3e-3,
    "self": 1.0,
    "depth": {"value": 1e-2, "warmup": 400},
}
N_DRAWS = 200  # Of a null model: every snapshot is judged, and enough for a yes or no.

# Weights used at the hard task, against where the task stays easy: at least. By judgement.
GROWS = 1.3
RECOVERED = 0.95  # Test accuracy at the end of each phase. By judgement.
CHANGED = 0.8  # Accuracy just after a change, at most: or the task has not changed. By judgement.
MAX_LOST = 0.03  # Test accuracy that a life with MNIST-1D may cost. By judgement.


def arms(scale: str) -> dict[str, TrainConfig]:
    """Every phase of every life; at quick scale that of shells only."""
    shells = TrainConfig(
        task="shells",
        n_neurons=80,
        steps=2400,
        snapshots=8,
        log_every=5,
        strengths=LAYERED,
        growth=GROWTH,
        learning_rate=2e-3,
    )

    easy = {"radii": [2, 3], **SHELLS}
    hard = {"radii": [1, 2, 3, 4], **SHELLS}
    tasks = {EASY: easy, HARD: hard, AGAIN: easy, SAME: easy, STAYS_HARD: hard, ALWAYS_EASY: easy}
    phases = {arm: shells.replace(task_options=options) for arm, options in tasks.items()}
    return phases if scale == "quick" else phases | _mnist1d()


def _mnist1d() -> dict[str, TrainConfig]:
    """The phases of the life with MNIST-1D."""
    ordered = TrainConfig(
        task="mnist1d",
        task_options={"data_seed": DATA_SEED},
        n_neurons=130,
        steps=1500,
        batch_size=100,
        snapshots=6,
        log_every=25,
        hidden_positions="learned",
        locality_power=2.0,
        strengths={"locality": 2e-2},
        growth=GROWTH | {"newborn_scale": 0.1},
        learning_rate={"value": 3e-3, "milestones": [0.6, 0.85], "factor": 0.2},
    )

    shuffled = ordered.replace(task_options={"shuffled": True, "data_seed": DATA_SEED})
    # The first phase lasts until fields have narrowed: they go on narrowing for about 3000 steps,
    # whatever comes after.
    lived = {ORDER: ordered.replace(steps=3000), SHUFFLED: shuffled, BACK: ordered}
    return lived | {IN_ORDER: ordered, STAYS_SHUFFLED: shuffled}


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """The phase as it ended; accuracy and neurons over it, and structure at every snapshot."""
    snapshots = [_structure(snapshot, run, data) for snapshot in run.snapshots]
    end = snapshots[-1]
    # Ids name a neuron over its whole life: comparing them tells newborns from those that were
    # there.
    held = run.kept.numpy()
    hidden = slice(data.n_inputs, run.config.n_neurons - data.n_outputs)
    curves = ("step", "validation_accuracy", "living_neurons")

    return {
        "accuracy at the change": run.history[0]["validation_accuracy"],
        "test accuracy": run.test_accuracy,
        "living neurons": int(held[hidden].sum()),
        "computing neurons": end["computing"],
        "weights used": end["weights"],
        "depth": end["depth"],
        "spread / permuted": end["local"],
        "computing ids": end["ids"],
        "living ids": np.flatnonzero(held).tolist(),
        "history": {name: column(run.history, name) for name in curves},
        "moments": [
            {name: value for name, value in snapshot.items() if name != "ids"}
            for snapshot in snapshots
        ],
        "summary": end["summary"],
    }


def _structure(snapshot: Snapshot, run: Run, data: Dataset) -> dict[str, Any]:
    """The structure of a network at a snapshot."""
    positions = None
    if snapshot.positions is not None:
        positions = snapshot.positions.numpy().astype(float)
    network = run.flat() | {
        "weights": snapshot.weights.numpy().astype(float),
        "biases": snapshot.biases.numpy().astype(float),
        "positions": positions,
        # Both lives have a price that pulls weights to zero exactly.
        "threshold": 0.0,
    }
    report = analyse(**network, inputs=samples(data)[0], n_null=N_DRAWS)

    # Inputs and outputs compute as well, but are there from the start: only hidden neurons count.
    hidden = range(data.n_inputs, run.config.n_neurons - data.n_outputs)
    computing = np.flatnonzero(report.effective.computing.any(0))
    ids = [int(i) for i in computing if i in hidden]
    local = report.verdicts["locally_connected"].effect
    return {
        "step": snapshot.step,
        "ids": ids,
        "computing": len(ids),
        "weights": report.n_used_weights,
        "depth": report.depth,
        "effective depth": report.effective_depth,
        "local": None if positions is None else local,
        "summary": report.summary,
    }


def checks(measured: Measured, scale: str) -> list[Check]:
    """Growth and recovery in the life with shells; locality in that with MNIST-1D."""
    return _of_shells(measured) + (_of_mnist1d(measured) if ORDER in measured else [])


def _of_shells(measured: Measured) -> list[Check]:
    """Recovery, and growth beside a life of the same age in which nothing changes."""
    accuracy = [column(measured[arm], "test accuracy") for arm in LIVES[0]]
    least = [min(phases) for phases in zip(*accuracy, strict=True)]
    # A row of history is written every few steps, so that the first one is from just after the
    # change.
    just_after = [column(measured[arm], "accuracy at the change") for arm in (HARD, AGAIN)]
    larger = [max(phases) for phases in zip(*just_after, strict=True)]

    return [
        _in_most_seeds("shells: test accuracy, the least of the three phases", least, RECOVERED),
        _in_most_seeds(
            "shells: accuracy just after a change, the larger of both",
            larger,
            CHANGED,
            or_less=True,
        ),
        differs(
            "shells: logarithm of weights used, task gets hard less task stays easy",
            _logarithms(measured[HARD]),
            _logarithms(measured[SAME]),
            float(np.log(GROWS)),
        ),
        differs(
            "shells: computing neurons born after the easy task, task gets hard less stays easy",
            _born(measured[EASY], measured[HARD]),
            _born(measured[EASY], measured[SAME]),
            0.0,
        ),
    ]


def _logarithms(rows: Sequence[Row]) -> list[float]:
    """Logarithms of the weights used; of none as of one."""
    return np.log(np.maximum(column(rows, "weights used"), 1)).tolist()


def _born(before: Sequence[Row], later: Sequence[Row]) -> list[int]:
    """How many neurons compute later that were not held at the end of the phase before."""
    return [
        len(set(row["computing ids"]) - set(earlier["living ids"]))
        for earlier, row in zip(before, later, strict=True)
    ]


def notes(measured: Measured, scale: str) -> list[str]:
    """Whether it prunes when the task gets easier, and whether a life remembers (hysteresis)."""
    size = {arm: _logarithms(rows) for arm, rows in measured.items()}
    easier = np.subtract(size[AGAIN], size[HARD]).tolist()
    stays = np.subtract(size[STAYS_HARD], size[HARD]).tolist()
    return [
        "Logarithm of weights used in the third phase less the second: the task gets easier "
        f"{spread(easier)}, it stays hard {spread(stays)}; the difference, paired over seeds, is "
        f"{difference(easier, stays)}. Below 0 the network would prune because its task is easier.",
        "Logarithm of weights used in the third phase, a life that was hard once less one that "
        f"never was: {difference(size[AGAIN], size[ALWAYS_EASY])}. At 0 it has left nothing "
        "behind.",
    ]


def _in_most_seeds(
    title: str, values: Sequence[float], bound: float, *, or_less: bool = False
) -> Check:
    """Numbers that must be up to a bound, or from it on, in 4 of 5 seeds."""
    passed = [value <= bound if or_less else value >= bound for value in values]
    asked = f"{bound:g} or {'less' if or_less else 'more'} in 4 of 5 seeds"
    return Check(title, spread(list(values)), asked, most(passed))


def _of_mnist1d(measured: Measured) -> list[Check]:
    """Accuracy at the end of the life; fields that widen and narrow, beside lives that stay."""
    score = {arm: median(column(measured[arm], "test accuracy")) for arm in LIVES[1]}
    gained = score[BACK] - score[ORDER]
    # Spread over that under permuted positions: below 1 where fields are narrow.
    ratio = {arm: column(measured[arm], "spread / permuted") for arm in measured}
    return [
        Check(
            "MNIST-1D: test accuracy, again less before",
            f"{gained:+.1%} ({' '.join(map(short, score.values()))})",
            "-3 % or better",
            gained >= -MAX_LOST,
        ),
        differs(
            "MNIST-1D: width of fields over chance, order is lost less order stays",
            ratio[SHUFFLED],
            ratio[IN_ORDER],
            0.0,
        ),
        differs(
            "MNIST-1D: width of fields over chance, order stays lost less order comes back",
            ratio[STAYS_SHUFFLED],
            ratio[BACK],
            0.0,
        ),
    ]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Every life as curves, and W of the first seed at the end of each phase."""
    drawn = {}
    for name, life in zip(("shells", "mnist1d"), LIVES, strict=True):
        if life[0] not in measured:
            continue
        drawn[name] = _curves(life, measured)

        panels = []
        for arm in life:
            run = runs[arm][0]
            data = task_data(run)
            report = judge(run, data, n_null=N_DRAWS)
            panels.append((f"{arm}: {report.summary}", run.weights.numpy(), report.layer_of))
        drawn[f"W-{name}"] = sorted_matrices(
            panels, n_inputs=data.n_inputs, n_outputs=data.n_outputs, columns=3
        )
    return drawn


def _curves(life: tuple[str, ...], measured: Measured) -> Figure:
    """Accuracy, neurons, weights, and depth or locality over a whole life."""
    is_local = measured[life[0]][0]["moments"][-1]["local"] is not None
    last = (
        ("spread / permuted", "local")
        if is_local
        else ("nonlinear nodes\non a path", "effective depth")
    )
    rows = (
        ("validation\naccuracy", "validation_accuracy", INK),
        ("living\nneurons", "living_neurons", BLUE),
        ("computing\nneurons", "computing", GREEN),
        ("weights\nused", "weights", ORANGE),
        (*last, VERMILION),
    )
    # Each phase counts its steps from 0; the life counts on.
    ends = np.cumsum([0] + [measured[arm][0]["history"]["step"][-1] for arm in life])

    figure = new_figure(6.8, 6.6)
    panels = figure.subplots(len(rows), 1, sharex=True)
    for axes, (label, name, colour) in zip(panels, rows, strict=True):
        _draw_curve(axes, name, colour, [measured[arm] for arm in life], ends)
        axes.set_ylabel(label)
        axes.margins(x=0.01)
        plain_axes(axes)

    for begun, arm in zip(ends, life, strict=False):
        panels[0].annotate(
            arm,
            (begun, 1),
            (3, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=FONT,
        )
    panels[-1].set_xlabel("step of life")
    return figure


def _draw_curve(
    axes: Axes, name: str, colour: str, phases: list[list[Row]], ends: np.ndarray
) -> None:
    """One number over the phases of a life: seeds as thin lines, their median as a thick one."""
    steps: list[float] = []
    lines: list[list[float]] = []  # (steps, seeds)
    for begun, rows in zip(ends, phases, strict=False):
        history = rows[0]["history"]
        if name in history:
            steps += (begun + np.array(history["step"])).tolist()
            seeds = [row["history"][name] for row in rows]
        else:
            steps += (begun + np.array(column(rows[0]["moments"], "step"))).tolist()
            seeds = [column(row["moments"], name) for row in rows]
        lines += np.transpose(seeds).tolist()

    axes.plot(steps, lines, color=colour, linewidth=0.6, alpha=0.35)
    axes.plot(steps, np.median(lines, axis=1), color=colour, linewidth=1.6)
    for end in ends[1:-1]:
        axes.axvline(end, color=GREY, linewidth=0.8, linestyle="--")
