"""I and the depth term set the depth: one URN on digits, applied 2, 3, 4 or 5 times, with the same
strengths.

Refuted when the number of hidden layers is not I - 1 in at least 4 of 5 seeds at every I, or when a
tenth of the neurons or more compute at several iterations. Control: at I = 5 without the depth and
self terms a tenth must do so, or nothing was separated.
"""

from matplotlib.figure import Figure

from analysis.plots import sorted_matrices
from experiments.claims import Check, Measured, Row, column, in_most_seeds
from experiments.commands.judging import activity, judge, shared_neurons
from urn import Run, TrainConfig
from urn.data.tasks import Dataset, Digits

# The claim.
CLAIM = (
    "The same URN ends with 1, 2, 3 or 4 distinct hidden layers: the number of iterations and the "
    "depth term set it"
)
SOURCE = "Golkar 2019 (arXiv 1911.11691): networks of different depths"  # Where it is from.
# What the paper reports.
PAPER = "I fixes the number of hidden layers (3 at I = 4); other depths: figures not at hand"

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
MIXED = 0.1  # Share of re-used neurons from which layers are not distinct. By judgement.
N_DRAWS = 200  # Of a null model, for verdicts that only name a picture.


def arms(scale: str) -> dict[str, TrainConfig]:
    """One arm a depth, alike but for I, and the control."""
    is_paper = scale == "paper"
    strengths = STRENGTHS if is_paper else STRENGTHS | {"weight": 4e-4}
    config = TrainConfig(
        task="digits",
        n_neurons=300 if is_paper else 200,
        steps=4000 if is_paper else 2500,
        strengths=strengths,
        snapshots=0,
    )

    # The control differs from the deepest arm in the two terms that separate layers, and in nothing
    # else.
    free = {name: value for name, value in strengths.items() if name not in ("depth", "self")}
    configs = {_arm(depth): config.replace(n_iterations=depth + 1) for depth in DEPTHS}
    return configs | {CONTROL: config.replace(n_iterations=DEPTHS[-1] + 1, strengths=free)}


def _arm(depth: int) -> str:
    """The name of the arm that is to end with so many hidden layers."""
    return f"I = {depth + 1}"


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
    """The asked depth, and layers that are distinct, in most seeds; re-use in the control."""
    listed = []
    for depth in DEPTHS:
        rows = measured[_arm(depth)]
        # So many layers, and distinct ones: neurons that compute twice would belong to two.
        asked = [row["hidden layers"] == depth and row["re-used share"] < MIXED for row in rows]
        listed.append(in_most_seeds(f"{depth} distinct hidden layers at {_arm(depth)}", asked))

    mixed = [share >= MIXED for share in column(measured[CONTROL], "re-used share")]
    title = "control: neurons re-used without the depth and self terms"
    return [*listed, in_most_seeds(title, mixed)]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Four sorted matrices of the first seed."""
    data = Digits().load()
    panels = []
    for depth in DEPTHS:
        run = runs[_arm(depth)][0]
        report = judge(run, data, n_null=N_DRAWS)
        panels.append((f"{_arm(depth)}: {report.summary}", run.weights.numpy(), report.layer_of))
    return {"W": sorted_matrices(panels, n_inputs=64, n_outputs=10)}
