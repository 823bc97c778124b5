"""Recurrent: without the depth term neurons are re-used over iterations; with it, each fires at one
iteration only.

One URN on digits, one dial: the strength of the depth term, from 0 up. Nothing else changes, and
accuracy must not either. A matrix that is applied I times re-uses its neurons before it has learned
anything, so that it takes twins to say what the data made: random labels, and one step of training.

Refuted if networks without the term re-use no more of their neurons than the twins do, or lose no
more than these when no neuron may compute twice; if those at the largest strength do not re-use
less by half of the neurons, or the share does not fall along the dial; or if accuracy moves by more
than 3 points, for then the dial changed more than the wiring.
"""

from itertools import pairwise
from statistics import median

import numpy as np
from matplotlib.figure import Figure

from analysis.causal import lesions
from analysis.plots import dial, sorted_matrices
from experiments.claims import Check, Measured, Row, column, spread
from experiments.commands.judging import activity, arrays, judge, samples, shared_neurons
from experiments.twins import differs, twins_of
from urn import Run, TrainConfig
from urn.data.tasks import Dataset, Digits
from urn.io import short

# The claim.
CLAIM = (
    "Trained without the depth term, neurons are re-used over iterations, more than in the same "
    "network on random labels or after one step; raising the term turns it into layers at equal "
    "accuracy"
)
# Where it is from.
SOURCE = "ours; the loss is that of Golkar 2019 (arXiv 1911.11691) with the depth term added"
# What the paper reports.
PAPER = "layers from the activity price alone; recurrence is not reported"

# Networks of each kind: enough for a rank test.
SEEDS = {"quick": 1, "paper": 20}
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data.

# The same for all; chosen on validation seeds (docs/experiments.md).
STRENGTHS = {"weight": 5e-5, "activity": 1e-4, "bias": 1e-3}
DEPTHS = (0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 1e-2, 1e-1)  # The dial.
QUICK_DEPTHS = (0, 1e-4, 1e-3, 1e-1)  # The dial at quick scale.

FREE = "depth 0"  # The arm without the term.
TWINS = ("random labels", "one step")  # Of that arm.

MIN_REUSED = 0.5  # Share of re-used neurons that the term must be worth. By judgement.
MAX_REUSED = 0.05  # The same at its largest, and how far it may rise on the way. By judgement.
MIN_LOST = 0.05  # Accuracy lost when no neuron may compute twice. By judgement.
SAME_ACCURACY = 0.03  # Range of accuracy along the dial. By judgement.
N_DRAWS = 200  # Of a null model, for verdicts that only name a picture.


def arms(scale: str) -> dict[str, TrainConfig]:
    """One arm a strength of the depth term, and the twins of the one without."""
    is_quick = scale == "quick"
    config = TrainConfig(
        task="digits",
        task_options={"data_seed": DATA_SEED},
        snapshots=0,
        n_neurons=150 if is_quick else 200,
        steps=1200 if is_quick else 2000,
    )
    configs = {
        _arm(c): config.replace(strengths=STRENGTHS | {"depth": {"value": c, "warmup": 500}})
        for c in (QUICK_DEPTHS if is_quick else DEPTHS)
    }
    twins = twins_of(configs[FREE], ["random_labels"])
    return configs | {f"{FREE}, {name}": twin for name, twin in twins.items()}


def _arm(c_depth: float) -> str:
    """The name of an arm of the dial."""
    return f"depth {c_depth:g}"


def _dial(measured: Measured) -> dict[float, list[Row]]:
    """The rows of the dial, from no depth term to the largest."""
    return {c: measured[_arm(c)] for c in DEPTHS if _arm(c) in measured}


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
    """More re-use than on twins; less with the term, falling along the dial at equal accuracy."""
    along = list(_dial(measured).values())
    free = along[0]
    lost = column(free, "lost without re-use")
    shares = [median(column(rows, "re-used share")) for rows in along]
    rise = max(later - earlier for earlier, later in pairwise(shares))
    falls = shares[-1] <= MAX_REUSED and rise <= MAX_REUSED
    accuracy = [median(column(rows, "test accuracy")) for rows in along]

    return [
        *_more_than_twins(measured, "re-used share", "share of re-used neurons"),
        *_more_than_twins(measured, "lost without re-use", "accuracy lost without re-use"),
        Check(
            "no depth term: accuracy lost if no neuron serves again",
            spread(lost),
            "0.05 or more",
            median(lost) >= MIN_LOST,
        ),
        differs(
            "share of re-used neurons, no depth term less the largest",
            column(free, "re-used share"),
            column(along[-1], "re-used share"),
            MIN_REUSED,
        ),
        Check(
            "share of re-used neurons along the dial",
            " ".join(map(short, shares)),
            "to 0.05 or less, rising nowhere by over 0.05",
            falls,
        ),
        Check(
            "test accuracy along the dial",
            " ".join(map(short, accuracy)),
            "all within 0.03",
            max(accuracy) - min(accuracy) <= SAME_ACCURACY,
        ),
    ]


def _more_than_twins(measured: Measured, name: str, title: str) -> list[Check]:
    """A number of the arm without the term, data less each twin."""
    on_data = column(measured[FREE], name)
    return [
        differs(
            f"no depth term: {title}, data less {twin}",
            on_data,
            column(measured[f"{FREE}, {twin}"], name),
            0.0,
        )
        for twin in TWINS
    ]


def notes(measured: Measured, scale: str) -> list[str]:
    """The verdicts on data and on twins, side by side."""
    arms = [FREE, *(f"{FREE}, {twin}" for twin in TWINS), _arm(DEPTHS[-1])]
    said = [
        f"{arm}: recurrent in {spread(column(measured[arm], 'recurrent'))}, re-used share "
        f"{spread(column(measured[arm], 're-used share'))}, accuracy "
        f"{spread(column(measured[arm], 'test accuracy'))}"
        for arm in arms
    ]
    return ["; ".join(said) + "."]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """The dial, and W of the first seed along it."""
    along = _dial(measured)
    named = {
        "re-used share": "share of re-used neurons",
        "test accuracy": "test accuracy",
        "weights used": "weights used",
    }
    curves = {
        label: np.array([column(rows, name) for rows in along.values()])
        for name, label in named.items()
    }

    data = Digits(data_seed=DATA_SEED).load()
    arms = [_arm(c) for c in along]
    panels = []
    for arm in (arms[0], arms[len(arms) // 2], arms[-1]):
        run = runs[arm][0]
        report = judge(run, data, n_null=N_DRAWS)
        panels.append((f"{arm}: {report.summary}", run.weights.numpy(), report.layer_of))
    return {
        "dial": dial(
            list(along), curves, label="strength of the depth term", logarithmic=["weights used"]
        ),
        "W": sorted_matrices(panels, n_inputs=data.n_inputs, n_outputs=data.n_outputs, columns=3),
    }
