"""Recurrent: without the depth term neurons are re-used over iterations; with it, each speaks at one iteration only.

One URN on digits, one dial: the strength of the depth term, from 0 up. Nothing else changes, and accuracy must not either.

Refuted if networks without the term are not called recurrent, if those at its largest are, if the share of re-used neurons
does not fall along the dial, or if accuracy moves by more than 3 points, for then the dial changed more than the wiring.
"""

from itertools import pairwise
from statistics import median

import numpy as np
from matplotlib.figure import Figure

from analysis.causal import lesions
from analysis.plots import dial, sorted_matrices
from experiments.claims import Check, column, most, short, spread
from experiments.commands.judging import activity, arrays, judge, samples, shared_neurons
from urn import Run, TrainConfig
from urn.data.tasks import Dataset, Digits

CLAIM = "Without the depth term neurons are re-used over iterations; raising it turns the same URN into layers at equal accuracy"
SOURCE = "ours; the loss is that of Golkar 2019 (arXiv 1911.11691) with the depth term added"
PAPER = "layers from the activity price alone; recurrence is not reported"

STRENGTHS = {"weight": 5e-5, "activity": 1e-4, "bias": 1e-3}
DEPTHS = (0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 1e-2, 1e-1)
QUICK_DEPTHS = (0, 1e-4, 1e-3, 1e-1)


def arms(scale: str) -> dict[str, TrainConfig]:
    """One arm a strength of the depth term."""
    size = (
        {"n_neurons": 150, "steps": 1200} if scale == "quick" else {"n_neurons": 200, "steps": 2000}
    )
    config = TrainConfig(task="digits", snapshots=0, **size)
    return {
        f"depth {c:g}": config.replace(strengths=STRENGTHS | {"depth": {"value": c, "warmup": 500}})
        for c in (QUICK_DEPTHS if scale == "quick" else DEPTHS)
    }


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """How many neurons serve again, what is lost when they may not, and how well the task is done."""
    report = judge(run, data)
    recurrent = report.verdicts["recurrent"]
    found = {
        "recurrent": recurrent.present,
        "re-used share": recurrent.effect,
        "re-used": recurrent.evidence.get("n_reused", 0),
        "computing": recurrent.evidence.get("n_computing", 0),
        "neurons shared": shared_neurons(run.weights.numpy(), activity(run, data), data.n_outputs),
        "fully connected": report.verdicts["fully_connected"].present,
        "test accuracy": run.test_accuracy,
        "weights used": report.n_used_weights,
        "lost without re-use": 0.0,
        "summary": report.summary,
    }
    if report.status == "ok":
        W, b, _ = arrays(run)
        _, cuts = lesions(W, b, *samples(data), report, rng=np.random.default_rng(0))
        found["lost without re-use"] = sum(cut.lost for cut in cuts if cut.name == "re-use")
    return found


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """Recurrent at one end, layers at the other, a fall between them, equal accuracy."""
    rows = list(measured.values())
    again, never = (
        column(rows[0], "recurrent"),
        [not present for present in column(rows[-1], "recurrent")],
    )
    shares = [median(column(row, "re-used share")) for row in rows]
    accuracy = [median(column(row, "test accuracy")) for row in rows]
    rise = max(later - earlier for earlier, later in pairwise(shares))
    lost = column(rows[0], "lost without re-use")
    return [
        Check("no depth term: recurrent", spread(again), "4 of 5 seeds", most(again)),
        Check("largest depth term: not recurrent", spread(never), "4 of 5 seeds", most(never)),
        Check(
            "no depth term: accuracy lost if no neuron serves again",
            spread(lost),
            "0.05 or more",
            median(lost) >= 0.05,
        ),
        Check(
            "share of re-used neurons along the dial",
            " ".join(map(short, shares)),
            "from 0.5 or more to 0.05 or less, rising nowhere by over 0.05",
            shares[0] >= 0.5 and shares[-1] <= 0.05 and rise <= 0.05,
        ),
        Check(
            "test accuracy along the dial",
            " ".join(map(short, accuracy)),
            "all within 0.03",
            max(accuracy) - min(accuracy) <= 0.03,
        ),
    ]


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """The dial, and W of the first seed along it."""
    strengths = [float(arm.removeprefix("depth ")) for arm in measured]
    named = {
        "re-used share": "share of re-used neurons",
        "test accuracy": "test accuracy",
        "weights used": "weights used",
    }
    curves = {
        label: np.array([column(rows, name) for rows in measured.values()])
        for name, label in named.items()
    }
    data, arms = Digits().load(), list(runs)
    panels = []
    for arm in (arms[0], arms[len(arms) // 2], arms[-1]):
        report = judge(runs[arm][0], data, n_null=200)
        panels.append((f"{arm}: {report.summary}", runs[arm][0].weights.numpy(), report.layer_of))
    return {
        "dial": dial(
            strengths, curves, label="strength of the depth term", logarithmic=["weights used"]
        ),
        "W": sorted_matrices(panels, n_inputs=data.n_inputs, n_outputs=data.n_outputs, columns=3),
    }
