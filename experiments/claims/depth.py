"""I and the depth term set the depth: one URN on digits, applied 2, 3, 4 or 5 times, with the same strengths.

Refuted when the number of hidden layers is not I - 1 in at least 4 of 5 seeds at every I, or when a tenth of
the neurons or more compute at several iterations. Control: at I = 5 without the depth and self terms a tenth must do so, or
nothing was separated.
"""

from matplotlib.figure import Figure

from analysis.plots import sorted_matrices
from experiments.claims import Check, column, most, spread
from experiments.commands.judging import activity, judge, shared_neurons
from urn import Run, TrainConfig
from urn.data.tasks import Dataset, Digits

CLAIM = "The same URN ends with 1, 2, 3 or 4 distinct hidden layers: the number of iterations and the depth term set it"
SOURCE = "Golkar 2019 (arXiv 1911.11691): networks of different depths"
PAPER = "I fixes the number of hidden layers (3 at I = 4); other depths: figures not at hand"

STRENGTHS = {
    "weight": 2e-4,
    "activity": 3e-3,
    "bias": 1e-3,
    "self": 1.0,
    "depth": {"value": 0.1, "warmup": 1000, "milestones": [0.5], "factor": 5},
}
DEPTHS = (1, 2, 3, 4)
CONTROL = "I = 5, no depth, no self"


def arms(scale: str) -> dict[str, TrainConfig]:
    """One arm a depth, alike but for I, and the control."""
    S, steps, strengths = (
        (300, 4000, STRENGTHS) if scale == "paper" else (200, 2500, STRENGTHS | {"weight": 4e-4})
    )
    config = TrainConfig(task="digits", n_neurons=S, steps=steps, strengths=strengths, snapshots=0)
    free = {name: value for name, value in strengths.items() if name not in ("depth", "self")}
    found = {f"I = {depth + 1}": config.replace(n_iterations=depth + 1) for depth in DEPTHS}
    return found | {CONTROL: config.replace(n_iterations=DEPTHS[-1] + 1, strengths=free)}


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """Depth, widths, and how many neurons any two layers share."""
    report = judge(run, data, n_null=200)
    return {
        "hidden layers": report.depth,
        "neurons shared": shared_neurons(run.weights.numpy(), activity(run, data), data.n_outputs),
        "re-used share": report.verdicts["recurrent"].effect,
        "test accuracy": run.test_accuracy,
        "weights used": report.n_used_weights,
        "widths": list(report.widths),
        "summary": report.summary,
    }


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """The asked depth, and layers that are distinct, in at least 4 of 5 seeds; re-use in the control."""
    found = []
    for depth in DEPTHS:
        rows = measured[f"I = {depth + 1}"]
        asked = [row["hidden layers"] == depth and row["re-used share"] < 0.1 for row in rows]
        found.append(
            Check(
                f"{depth} distinct hidden layers at I = {depth + 1}",
                spread(asked),
                "4 of 5 seeds",
                most(asked),
            )
        )
    reused = column(measured[CONTROL], "re-used share")
    mixed = [share >= 0.1 for share in reused]
    return [
        *found,
        Check(
            "control: neurons re-used without the depth and self terms",
            spread(mixed),
            "4 of 5 seeds",
            most(mixed),
        ),
    ]


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """Four sorted matrices of the first seed."""
    data, panels = Digits().load(), []
    for depth in DEPTHS:
        run = runs[f"I = {depth + 1}"][0]
        report = judge(run, data, n_null=200)
        panels.append((f"I = {depth + 1}: {report.summary}", run.weights.numpy(), report.layer_of))
    return {"W": sorted_matrices(panels, n_inputs=64, n_outputs=10)}
