"""I and the depth term set the depth: one URN on digits, applied 2, 3, 4 or 5 times, with the same
strengths.

How many layers there are is I's doing and not the data's: a linear task, which needs none, gets as
many (at 0.3 times the strengths, for its loss is smaller), and that is part of the claim. That no
neuron is in two of them is the doing of the depth and self terms: the effect is how many more are
re-used without them. Refuted when the number of hidden layers is not I - 1 in at least 4 of 5 seeds
at every I, on digits and on the linear task, or a tenth of the neurons or more compute at several
iterations; when a network has not learned its task; when the same network without the two terms
does not re-use a tenth more; or when a twin with random labels or after one step has the asked
layers in more than 1 of 20 seeds, for then they are there without training on anything.

Whether the data's difficulty shows in anything else, `difficulty` asks.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import sorted_matrices
from experiments.claims import Check, Measured, Row, column, in_most_seeds, spread
from experiments.commands.judging import activity, judge, shared_neurons
from experiments.twins import differs, twins_of
from urn import Run, TrainConfig
from urn.data.tasks import Dataset, Digits

# The claim.
CLAIM = (
    "The same URN ends with 1, 2, 3 or 4 distinct hidden layers, on digits and on a linear task: "
    "the number of iterations and the depth term set it, not the data"
)
SOURCE = "Golkar 2019 (arXiv 1911.11691): networks of different depths"  # Where it is from.
# What the paper reports.
PAPER = "I fixes the number of hidden layers (3 at I = 4); other depths: figures not at hand"

# Networks of each kind: enough for a rank test.
SEEDS = {"quick": 1, "paper": 20}
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data.

# Those of the main job (docs/experiments.md).
STRENGTHS = {
    "weight": 2e-4,
    "activity": 3e-3,
    "bias": 1e-3,
    "self": 1.0,
    "depth": {"value": 0.1, "warmup": 1000, "milestones": [0.5], "factor": 5},
}
DEPTHS = (1, 2, 3, 4)  # Hidden layers asked for, at I = depth + 1.
CONTROL = "I = 5, no depth, no self"  # The arm in which layers are not to be distinct.
LINEAR = "linear task"  # End of the name of an arm whose task needs no hidden layer.
# Of all strengths on that task, whose squared error is smaller than a cross entropy: at 1 the
# network of I = 5 learns nothing on seed 0, at 0.3 it does (docs/experiments.md).
LINEAR_SCALE = 0.3
LEARNED = 0.9  # Test score, R^2 on the linear task: a network that learned nothing proves nothing.
TWINS = ("random labels", "one step")  # Of the deepest arm.
MOST_IN_TWINS = 1 / 20  # Share of seeds in which a twin may have the asked layers.
MIXED = 0.1  # Share of re-used neurons from which layers are not distinct. By judgement.
N_DRAWS = 200  # Of a null model, for verdicts that only name a picture.


def arms(scale: str) -> dict[str, TrainConfig]:
    """One arm a depth and task, alike but for I; the twins of the deepest, and the control."""
    is_paper = scale == "paper"
    strengths = STRENGTHS if is_paper else STRENGTHS | {"weight": 4e-4}
    config = TrainConfig(
        task="digits",
        task_options={"data_seed": DATA_SEED},
        n_neurons=300 if is_paper else 200,
        steps=4000 if is_paper else 2500,
        strengths=strengths,
        snapshots=0,
    )

    configs = {_arm(depth): config.replace(n_iterations=depth + 1) for depth in DEPTHS}
    # `carry` without its correction is a linear map.
    linear = {"data_seed": DATA_SEED, "correction": 0.0}
    cheaper = {
        name: schedule.model_dump() | {"value": LINEAR_SCALE * schedule.value}
        for name, schedule in config.strengths.items()
    }
    configs |= {
        f"{arm}, {LINEAR}": deep.replace(task="carry", task_options=linear, strengths=cheaper)
        for arm, deep in configs.items()
    }
    twins = twins_of(configs[DEEPEST], ["random_labels"])
    configs |= {f"{DEEPEST}, {name}": twin for name, twin in twins.items()}
    # The control differs from the deepest arm in the two terms that separate layers, and in nothing
    # else.
    free = {name: value for name, value in strengths.items() if name not in ("depth", "self")}
    return configs | {CONTROL: configs[DEEPEST].replace(strengths=free)}


def _arm(depth: int) -> str:
    """The name of the arm that is to end with so many hidden layers."""
    return f"I = {depth + 1}"


DEEPEST = _arm(DEPTHS[-1])  # The arm with the most layers: it has twins and a control.


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Depth, widths, and how many neurons any two layers share."""
    report = judge(run, data, n_null=N_DRAWS)
    return {
        "hidden layers": report.depth,
        "neurons shared": shared_neurons(run.weights.numpy(), activity(run, data), data.n_outputs),
        "re-used share": report.verdicts["recurrent"].effect,
        "test accuracy": run.test_accuracy,
        "weights used": report.n_used_weights,
        "widths": list(report.widths),
        "summary": report.summary,
    }


def checks(measured: Measured, scale: str) -> list[Check]:
    """The asked depth in distinct layers on both tasks and on no twin, and what the terms do."""
    listed = []
    for depth in DEPTHS:
        for arm in (_arm(depth), f"{_arm(depth)}, {LINEAR}"):
            asked = [_has_layers(row, depth) for row in measured[arm]]
            listed.append(in_most_seeds(f"{arm}: {depth} distinct hidden layers", asked))

    scores = [
        float(np.median(column(measured[arm + end], "test accuracy")))
        for arm in map(_arm, DEPTHS)
        for end in ("", f", {LINEAR}")
    ]
    passed = min(scores) >= LEARNED
    listed.append(Check("test score, least median", f"{min(scores):.3g}", ">= 0.9", passed))

    for twin in TWINS:
        has = [_has_layers(row, DEPTHS[-1]) for row in measured[f"{DEEPEST}, {twin}"]]
        passed = float(np.mean(has)) <= MOST_IN_TWINS
        listed.append(Check(f"{DEEPEST}, {twin}: the same", spread(has), "<= 1 of 20", passed))

    title = f"{DEEPEST}: share of re-used neurons, without the depth and self terms less with them"
    shares = [column(measured[arm], "re-used share") for arm in (CONTROL, DEEPEST)]
    return [*listed, differs(title, *shares, MIXED)]


def _has_layers(row: Row, depth: int) -> bool:
    """So many layers, and distinct ones: neurons that compute twice would belong to two."""
    return row["hidden layers"] == depth and row["re-used share"] < MIXED


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Four sorted matrices of the first seed."""
    data = Digits(data_seed=DATA_SEED).load()
    panels = []
    for depth in DEPTHS:
        run = runs[_arm(depth)][0]
        report = judge(run, data, n_null=N_DRAWS)
        panels.append((f"{_arm(depth)}: {report.summary}", run.weights.numpy(), report.layer_of))
    return {"W": sorted_matrices(panels, n_inputs=64, n_outputs=10)}
