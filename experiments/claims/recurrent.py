"""Recurrent: without the depth term neurons are re-used over iterations; with it, each fires at one
iteration only.

One URN on digits, one dial: the strength of the depth term, from 0 up. Nothing else changes, and
accuracy must not either.

Refuted if networks without the term are not called recurrent, if those at its largest are, if the
share of re-used neurons does not fall along the dial, or if accuracy moves by more than 3 points,
for then the dial changed more than the wiring.
"""

from itertools import pairwise
from statistics import median

import numpy as np
from matplotlib.figure import Figure

from analysis.causal import lesions
from analysis.plots import dial, sorted_matrices
from experiments.claims import Check, Measured, Row, column, in_most_seeds, spread
from experiments.commands.judging import activity, arrays, judge, samples, shared_neurons
from urn import Run, TrainConfig
from urn.data.tasks import Dataset, Digits
from urn.io import short

# The claim.
CLAIM = (
    "Without the depth term neurons are re-used over iterations; raising it turns the same URN "
    "into layers at equal accuracy"
)
# Where it is from.
SOURCE = "ours; the loss is that of Golkar 2019 (arXiv 1911.11691) with the depth term added"
# What the paper reports.
PAPER = "layers from the activity price alone; recurrence is not reported"

# The same for all; chosen on validation seeds (docs/experiments.md).
STRENGTHS = {"weight": 5e-5, "activity": 1e-4, "bias": 1e-3}
DEPTHS = (0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 1e-2, 1e-1)  # The dial.
QUICK_DEPTHS = (0, 1e-4, 1e-3, 1e-1)  # The dial at quick scale.

MIN_REUSED = 0.5  # Share of re-used neurons without the term. By judgement.
MAX_REUSED = 0.05  # The same at its largest, and how far it may rise on the way. By judgement.
MIN_LOST = 0.05  # Accuracy lost when no neuron may compute twice. By judgement.
SAME_ACCURACY = 0.03  # Range of accuracy along the dial. By judgement.
N_DRAWS = 200  # Of a null model, for verdicts that only name a picture.


def arms(scale: str) -> dict[str, TrainConfig]:
    """One arm a strength of the depth term."""
    is_quick = scale == "quick"
    config = TrainConfig(
        task="digits",
        snapshots=0,
        n_neurons=150 if is_quick else 200,
        steps=1200 if is_quick else 2000,
    )
    return {
        f"depth {c:g}": config.replace(strengths=STRENGTHS | {"depth": {"value": c, "warmup": 500}})
        for c in (QUICK_DEPTHS if is_quick else DEPTHS)
    }


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """How many neurons compute again, what is lost when they may not, and the accuracy."""
    report = judge(run, data)
    recurrent = report.verdicts["recurrent"]
    # The lesion holds re-used neurons at their mean at all but one iteration: what is lost was done
    # by re-use.
    lost = 0.0
    if report.status == "ok":
        W, b, _ = arrays(run)
        inputs, targets = samples(data)
        assert inputs is not None  # images, not symbols
        assert targets is not None
        _, cuts = lesions(W, b, inputs, targets, report, rng=np.random.default_rng(0))
        lost = sum(cut.lost for cut in cuts if cut.name == "re-use")

    return {
        "recurrent": recurrent.present,
        "re-used share": recurrent.effect,
        "re-used": recurrent.evidence.get("n_reused", 0),
        "computing": recurrent.evidence.get("n_computing", 0),
        "neurons shared": shared_neurons(run.weights.numpy(), activity(run, data), data.n_outputs),
        "fully connected": report.verdicts["fully_connected"].present,
        "test accuracy": run.test_accuracy,
        "weights used": report.n_used_weights,
        "lost without re-use": lost,
        "summary": report.summary,
    }


def checks(measured: Measured, scale: str) -> list[Check]:
    """Recurrent at one end, layers at the other, a fall between them, equal accuracy."""
    rows = list(measured.values())
    # The arms are in the order of the dial: the first has no depth term, the last the largest.
    layered = [not present for present in column(rows[-1], "recurrent")]
    lost = column(rows[0], "lost without re-use")
    shares = [median(column(row, "re-used share")) for row in rows]
    rise = max(later - earlier for earlier, later in pairwise(shares))
    falls = shares[0] >= MIN_REUSED and shares[-1] <= MAX_REUSED and rise <= MAX_REUSED
    accuracy = [median(column(row, "test accuracy")) for row in rows]

    return [
        in_most_seeds("no depth term: recurrent", column(rows[0], "recurrent")),
        in_most_seeds("largest depth term: not recurrent", layered),
        Check(
            "no depth term: accuracy lost if no neuron serves again",
            spread(lost),
            "0.05 or more",
            median(lost) >= MIN_LOST,
        ),
        Check(
            "share of re-used neurons along the dial",
            " ".join(map(short, shares)),
            "from 0.5 or more to 0.05 or less, rising nowhere by over 0.05",
            falls,
        ),
        Check(
            "test accuracy along the dial",
            " ".join(map(short, accuracy)),
            "all within 0.03",
            max(accuracy) - min(accuracy) <= SAME_ACCURACY,
        ),
    ]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
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

    data = Digits().load()
    arms = list(runs)
    panels = []
    for arm in (arms[0], arms[len(arms) // 2], arms[-1]):
        run = runs[arm][0]
        report = judge(run, data, n_null=N_DRAWS)
        panels.append((f"{arm}: {report.summary}", run.weights.numpy(), report.layer_of))
    return {
        "dial": dial(
            strengths, curves, label="strength of the depth term", logarithmic=["weights used"]
        ),
        "W": sorted_matrices(panels, n_inputs=data.n_inputs, n_outputs=data.n_outputs, columns=3),
    }
