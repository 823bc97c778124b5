"""Lifetime: one network lives through three tasks, and its structure follows them.

Shells 2 and 3 of radii 1 to 4 are to be told apart (easy), then all four by parity, which turns the labels of those two round
(hard), then the two again. MNIST-1D in order, with its positions shuffled, and in order again. Each life goes on from the
weights it has, and is not told that the task has changed: in every phase the same rule lets neurons be born into free
slots, until a few that nobody listens to are in reserve, and the same prices let them fade. So a reserve that was pruned
away can always come back: dormant neurons need not be kept, for the slots are what is scarce, not the random weights in them.

Refuted if accuracy does not recover, if the network does not grow for the hard task by neurons born after the easy one, or if
it does not prune again. Control: a life in which nothing changes must not grow. Receptive fields are to widen, by any amount,
when the order is lost.
"""

from statistics import median

import numpy as np
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
from experiments.claims import Check, column, most, short, spread
from experiments.commands.judging import judge, samples, task_data
from urn import Run, Snapshot, TrainConfig
from urn.data.tasks import Dataset

CLAIM = "Structure follows the task over a network's life: it grows from its reserve when the task gets harder, and prunes again"
SOURCE = "Golkar 2019 (arXiv 1911.11691): lifetime structure evolution; growth by birth and death after Miconi 2016"
PAPER = "structure evolves with the tasks over a lifetime; the figure is not at hand"

EASY, HARD, AGAIN, SAME = (
    "shells easy",
    "shells hard",
    "shells easy again",
    "shells easy, no change",
)
ORDER, SHUFFLED, BACK = "MNIST-1D", "MNIST-1D shuffled", "MNIST-1D again"
LIVES = ((EASY, HARD, AGAIN), (ORDER, SHUFFLED, BACK))
AFTER = {HARD: EASY, AGAIN: HARD, SAME: EASY, SHUFFLED: ORDER, BACK: SHUFFLED}

GROWTH = {
    "start": 30,
    "reserve": 10,
    "threshold": 0.02,
    "add_probability": 1.0,
    "every": 10,
    "newborn_scale": 0.3,
}
"""The rule of births and deaths, the same in every phase: ten neurons that nobody listens to are kept in reserve."""
SHELLS = {
    "dimension": 3,
    "label": "parity",
    "n_train": 20_000,
    "n_validation": 1000,
    "n_test": 5000,
}
LAYERED = {
    "weight": 5e-4,
    "activity": 3e-3,
    "bias": 3e-3,
    "self": 1.0,
    "depth": {"value": 1e-2, "warmup": 400},
}
N_DRAWS = 200
GROWS, PRUNES, SAME_SIZE = 1.3, 0.8, 1.1
"""Weights used, against the phase before: at least, at most, and (where nothing changes) at most."""


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
    easy, hard = ({"radii": radii, **SHELLS} for radii in ([2, 3], [1, 2, 3, 4]))
    found = {EASY: easy, HARD: hard, AGAIN: easy, SAME: easy}
    found = {arm: shells.replace(task_options=options) for arm, options in found.items()}
    if scale == "quick":
        return found
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
    # The first phase lasts until fields have narrowed: they go on narrowing for about 3000 steps, whatever comes after.
    return found | {ORDER: ordered.replace(steps=3000), SHUFFLED: shuffled, BACK: ordered}


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """The phase as it ended, and how it went: accuracy and living neurons, and structure at every snapshot."""
    moments = [_look(moment, run, data) for moment in run.snapshots]
    kept = run.kept.numpy()
    hidden = slice(data.n_inputs, run.config.n_neurons - data.n_outputs)
    end = moments[-1]
    return {
        "accuracy at the change": run.history[0]["validation_accuracy"],
        "test accuracy": run.test_accuracy,
        "living neurons": int(kept[hidden].sum()),
        "computing neurons": end["computing"],
        "weights used": end["weights"],
        "depth": end["depth"],
        "spread / permuted": end["local"],
        "computing ids": end.pop("ids"),
        "living ids": np.flatnonzero(kept).tolist(),
        "history": {
            name: column(run.history, name)
            for name in ("step", "validation_accuracy", "living_neurons")
        },
        "moments": [
            {name: value for name, value in moment.items() if name != "ids"} for moment in moments
        ],
        "summary": end["summary"],
    }


def _look(moment: Snapshot, run: Run, data: Dataset) -> dict:
    """The structure of a network at one moment."""
    positions = None if moment.positions is None else moment.positions.numpy().astype(float)
    report = analyse(
        moment.weights.numpy().astype(float),
        moment.biases.numpy().astype(float),
        n_inputs=data.n_inputs,
        n_outputs=data.n_outputs,
        n_iterations=run.config.n_iterations,
        positions=positions,
        inputs=samples(data)[0],
        n_null=N_DRAWS,
        threshold=run.flat()["threshold"],
    )
    hidden = range(data.n_inputs, run.config.n_neurons - data.n_outputs)
    ids = [int(i) for i in np.flatnonzero(report.effective.computing.any(0)) if i in hidden]
    return {
        "step": moment.step,
        "ids": ids,
        "computing": len(ids),
        "weights": report.n_used_weights,
        "depth": report.depth,
        "effective depth": report.effective_depth,
        "local": report.verdicts["locally_connected"].effect if positions is not None else None,
        "summary": report.summary,
    }


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """Growth, pruning and recovery in 4 of 5 seeds of the life with shells; locality in that with MNIST-1D."""
    used = {
        arm: np.array(column(rows, "weights used"), dtype=float) for arm, rows in measured.items()
    }
    least = [
        min(rows)
        for rows in zip(*(column(measured[arm], "test accuracy") for arm in LIVES[0]), strict=True)
    ]
    fell = [
        max(rows)
        for rows in zip(
            *(column(measured[arm], "accuracy at the change") for arm in (HARD, AGAIN)), strict=True
        )
    ]
    born = [
        len(set(later["computing ids"]) - set(before["living ids"]))
        for before, later in zip(measured[EASY], measured[HARD], strict=True)
    ]
    found = [
        Check(
            "shells: test accuracy, the least of the three phases",
            spread(least),
            "0.95 or more in 4 of 5 seeds",
            most(a >= 0.95 for a in least),
        ),
        Check(
            "shells: accuracy just after a change, the larger of both",
            spread(fell),
            "0.8 or less in 4 of 5 seeds",
            most(a <= 0.8 for a in fell),
        ),
        _factor("shells: weights used, hard over easy", used[HARD] / used[EASY], GROWS, True),
        Check(
            "shells: neurons computing at the hard task that were born after the easy one",
            spread(born),
            "3 or more in 4 of 5 seeds",
            most(n >= 3 for n in born),
        ),
        _factor(
            "shells: weights used, easy again over hard", used[AGAIN] / used[HARD], PRUNES, False
        ),
        _factor(
            "control, nothing changes: weights used over those before",
            used[SAME] / used[EASY],
            SAME_SIZE,
            False,
        ),
    ]
    if ORDER not in measured:
        return found
    score = {arm: median(column(measured[arm], "test accuracy")) for arm in LIVES[1]}
    back = score[BACK] - score[ORDER]
    found.append(
        Check(
            "MNIST-1D: test accuracy, again less before",
            f"{back:+.1%} ({' '.join(map(short, score.values()))})",
            "-3 % or better",
            back >= -0.03,
        )
    )
    ratio = {
        arm: np.array(column(measured[arm], "spread / permuted"), dtype=float) for arm in LIVES[1]
    }
    lost, regained = ratio[SHUFFLED] > ratio[ORDER], ratio[BACK] < ratio[SHUFFLED]
    shown = " ".join(short(median(ratio[arm])) for arm in LIVES[1])
    found.append(
        Check(
            "MNIST-1D: receptive fields wider when shuffled",
            f"{spread(lost.tolist())}; {shown}",
            "4 of 5 seeds",
            most(lost),
        )
    )
    return [
        *found,
        Check(
            "MNIST-1D: and narrower again after",
            spread(regained.tolist()),
            "4 of 5 seeds",
            most(regained),
        ),
    ]


def _factor(what: str, factors: np.ndarray, bound: float, at_least: bool) -> Check:
    passed = factors >= bound if at_least else factors <= bound
    return Check(
        what,
        spread(factors.tolist()),
        f"{bound:g} or {'more' if at_least else 'less'} in 4 of 5 seeds",
        most(passed),
    )


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
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


def _curves(life: tuple[str, ...], measured: dict[str, list[dict]]) -> Figure:
    """Accuracy, neurons, weights, and depth or locality over a whole life; lines are seeds, the thick one their median."""
    local = measured[life[0]][0]["moments"][-1]["local"] is not None
    last = (
        ("spread / permuted", "local")
        if local
        else ("nonlinear nodes\non a path", "effective depth")
    )
    rows = (
        ("validation\naccuracy", "validation_accuracy", INK),
        ("living\nneurons", "living_neurons", BLUE),
        ("computing\nneurons", "computing", GREEN),
        ("weights\nused", "weights", ORANGE),
        (*last, VERMILION),
    )
    ends = np.cumsum([0] + [measured[arm][0]["history"]["step"][-1] for arm in life])
    figure = new_figure(6.8, 6.6)
    panels = figure.subplots(len(rows), 1, sharex=True)
    for axes, (label, name, colour) in zip(panels, rows, strict=True):
        steps, lines = [], []
        for begun, arm in zip(ends, life, strict=False):
            first = measured[arm][0]
            if name in first["history"]:
                steps += (begun + np.array(first["history"]["step"])).tolist()
                lines += np.transpose([row["history"][name] for row in measured[arm]]).tolist()
            else:
                steps += (begun + np.array(column(first["moments"], "step"))).tolist()
                lines += np.transpose(
                    [column(row["moments"], name) for row in measured[arm]]
                ).tolist()
        axes.plot(steps, lines, color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(steps, np.median(lines, axis=1), color=colour, linewidth=1.6)
        for end in ends[1:-1]:
            axes.axvline(end, color=GREY, linewidth=0.8, linestyle="--")
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
    axes.set_xlabel("step of life")
    return figure
