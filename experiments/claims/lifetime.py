"""Lifetime: one network lives through three tasks, and its structure follows them.

Shells 2 and 3 of radii 1 to 4 are to be told apart (easy), then all four by parity, which turns the
labels of those two round (hard), then the two again. MNIST-1D in order, with its positions
shuffled, and in order again. Each life goes on from the weights it has, and is not told that the
task has changed: in every phase the same rule lets neurons be born into free slots, until a few
that no other neuron takes input from are in reserve, and the same prices let them fade. So a
reserve that was pruned away can always come back: dormant neurons need not be held, for the slots
are what is scarce, not the random weights in them.

Refuted if accuracy does not recover, or if the network does not grow for the hard task by neurons
born after the easy one. Control: a life in which nothing changes must not grow. Receptive fields
are to widen, by any amount, when the order is lost. That the network prunes again when the task
gets easier is not claimed: beside it stands a life whose task stays hard, at the same age, and the
notes give both numbers.
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
from experiments.claims import Check, Measured, Row, column, in_most_seeds, most, spread
from experiments.commands.judging import judge, samples, task_data
from experiments.twins import difference
from urn import Run, Snapshot, TrainConfig
from urn.data.tasks import Dataset
from urn.io import short

# The claim.
CLAIM = (
    "A network grows from its reserve when its task gets harder, and learns every task of its life"
)
# Where it is from.
SOURCE = (
    "Golkar 2019 (arXiv 1911.11691): lifetime structure evolution; growth by birth and death after "
    "Miconi 2016"
)
# What the paper reports.
PAPER = "structure evolves with the tasks over a lifetime; the figure is not at hand"

EASY = "shells easy"  # First phase of the life with shells.
HARD = "shells hard"  # Its second phase.
AGAIN = "shells easy again"  # Its third phase.
SAME = "shells easy, no change"  # The control: a second phase in which nothing changes.
STAYS_HARD = "shells hard, no change"  # The control of AGAIN: a third phase at the hard task.
ORDER = "MNIST-1D"  # First phase of the life with MNIST-1D.
SHUFFLED = "MNIST-1D shuffled"  # Its second phase.
BACK = "MNIST-1D again"  # Its third phase.
LIVES = ((EASY, HARD, AGAIN), (ORDER, SHUFFLED, BACK))  # The phases of each life, in turn.
# The phase that each goes on from.
AFTER = {
    HARD: EASY,
    AGAIN: HARD,
    SAME: EASY,
    STAYS_HARD: HARD,
    SHUFFLED: ORDER,
    BACK: SHUFFLED,
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

GROWS = 1.3  # Weights used at the hard task, against the phase before: at least. By judgement.
# Weights used where nothing changes, against the phase before: at most. By judgement.
SAME_SIZE = 1.1
RECOVERED = 0.95  # Test accuracy at the end of each phase. By judgement.
CHANGED = 0.8  # Accuracy just after a change, at most: or the task has not changed. By judgement.
# Neurons that compute at the hard task and were born after the easy one. By judgement.
MIN_BORN = 3
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
    tasks = {EASY: easy, HARD: hard, AGAIN: easy, SAME: easy, STAYS_HARD: hard}
    phases = {arm: shells.replace(task_options=options) for arm, options in tasks.items()}
    return phases if scale == "quick" else phases | _mnist1d()


def _mnist1d() -> dict[str, TrainConfig]:
    """The phases of the life with MNIST-1D."""
    ordered = TrainConfig(
        task="mnist1d",
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

    shuffled = ordered.replace(task_options={"shuffled": True})
    # The first phase lasts until fields have narrowed: they go on narrowing for about 3000 steps,
    # whatever comes after.
    return {ORDER: ordered.replace(steps=3000), SHUFFLED: shuffled, BACK: ordered}


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
    """Growth and recovery, and the control."""
    used = {arm: np.array(column(rows, "weights used"), float) for arm, rows in measured.items()}
    accuracy = [column(measured[arm], "test accuracy") for arm in LIVES[0]]
    least = [min(phases) for phases in zip(*accuracy, strict=True)]
    # A row of history is written every few steps, so that the first one is from just after the
    # change.
    just_after = [column(measured[arm], "accuracy at the change") for arm in (HARD, AGAIN)]
    larger = [max(phases) for phases in zip(*just_after, strict=True)]
    # Computing at the hard task, and not held at the end of the easy one: born in between.
    born = [
        len(set(later["computing ids"]) - set(before["living ids"]))
        for before, later in zip(measured[EASY], measured[HARD], strict=True)
    ]

    return [
        _in_most_seeds("shells: test accuracy, the least of the three phases", least, RECOVERED),
        _in_most_seeds(
            "shells: accuracy just after a change, the larger of both",
            larger,
            CHANGED,
            or_less=True,
        ),
        _in_most_seeds(
            "shells: weights used, hard over easy", (used[HARD] / used[EASY]).tolist(), GROWS
        ),
        _in_most_seeds(
            "shells: neurons computing at the hard task that were born after the easy one",
            born,
            MIN_BORN,
        ),
        _in_most_seeds(
            "control, nothing changes: weights used over those before",
            (used[SAME] / used[EASY]).tolist(),
            SAME_SIZE,
            or_less=True,
        ),
    ]


def notes(measured: Measured, scale: str) -> list[str]:
    """Whether it prunes when the task gets easier, beside a life in which the task stays hard."""
    used = {arm: np.array(column(rows, "weights used"), float) for arm, rows in measured.items()}
    easier = (used[AGAIN] / used[HARD]).tolist()
    stays = (used[STAYS_HARD] / used[HARD]).tolist()
    return [
        "Weights used in the third phase over those in the second: the task gets easier "
        f"{spread(easier)}, it stays hard {spread(stays)}; the difference, paired over seeds, is "
        f"{difference(easier, stays)}. Below 0 the network would prune because its task is easier."
    ]


def _in_most_seeds(
    title: str, values: Sequence[float], bound: float, *, or_less: bool = False
) -> Check:
    """Numbers that must be up to a bound, or from it on, in 4 of 5 seeds."""
    passed = [value <= bound if or_less else value >= bound for value in values]
    asked = f"{bound:g} or {'less' if or_less else 'more'} in 4 of 5 seeds"
    return Check(title, spread(list(values)), asked, most(passed))


def _of_mnist1d(measured: Measured) -> list[Check]:
    """Accuracy at the end of the life, and fields that widen and narrow."""
    score = {arm: median(column(measured[arm], "test accuracy")) for arm in LIVES[1]}
    gained = score[BACK] - score[ORDER]
    # Spread over that under permuted positions: below 1 where fields are narrow.
    ratio = {
        arm: np.array(column(measured[arm], "spread / permuted"), dtype=float) for arm in LIVES[1]
    }
    wider = (ratio[SHUFFLED] > ratio[ORDER]).tolist()
    narrower = (ratio[BACK] < ratio[SHUFFLED]).tolist()

    along = " ".join(short(median(ratio[arm])) for arm in LIVES[1])
    return [
        Check(
            "MNIST-1D: test accuracy, again less before",
            f"{gained:+.1%} ({' '.join(map(short, score.values()))})",
            "-3 % or better",
            gained >= -MAX_LOST,
        ),
        in_most_seeds(
            "MNIST-1D: receptive fields wider when shuffled", wider, f"{spread(wider)}; {along}"
        ),
        in_most_seeds("MNIST-1D: and narrower again after", narrower),
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
