"""Depth from difficulty: I, S and every strength are fixed, and only the data differ.

The label is the parity of k of eight signs, which takes more the larger k is. Measured is the mean
number of nonlinear nodes on a path from input to output, weighted by flow, and the number of
nonlinear nodes there are. Refuted when either does not rise with k: rank correlation (Spearman) of
every seed's four networks, whose interval over seeds must lie above 0.8. Networks that did not
learn count, as they came out. Twins: random labels, and one step of training, where depth must not
follow k.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from analysis.plots import dial as dial_plot
from experiments.claims import Check, Measured, Row, column, spread
from experiments.commands.judging import judge
from experiments.twins import difference, differs, twins_of
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

# The claim.
CLAIM = "Depth and width follow the difficulty of the task, at equal I, S and strengths"
SOURCE = (
    "ours, after Golkar 2019 (arXiv 1911.11691): the structure of the data decides"  # Its root.
)
PAPER = "other depths and widths: figures not at hand"  # What the paper reports.

SEEDS = {"quick": 1, "paper": 20}  # Networks of each kind: enough for a rank test.
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data.

BITS = (1, 2, 3, 4)  # k, the signs whose parity is asked for.
TWINS = ("random labels", "one step")  # Where depth must not follow k.
MIN_CORRELATION = 0.8  # By judgement: of four networks in a row, one pair of neighbours may swap.
N_DRAWS = 200  # Of null models: verdicts are not asked for here.
NONLINEAR = 0.01  # Nonlinearity above which a node counts; 1 is a rectified centred Gaussian.


def arms(scale: str) -> dict[str, TrainConfig]:
    """A network for each number of signs, and twins of the easiest and the hardest."""

    def config(k: int) -> TrainConfig:
        return TrainConfig(
            task="parity",
            task_options={"k": k, "data_seed": DATA_SEED},
            n_neurons=200,
            n_iterations=5,
            steps=4000 if scale == "paper" else 2000,
            strengths={
                "weight": {"value": 3e-4, "warmup": 1000},
                "activity": 1e-3,
                "bias": 1e-3,
                "self": 1.0,
                "depth": {"value": 0.05, "warmup": 3000 if scale == "paper" else 1500},
            },
            snapshots=0,
        )

    configs = {_arm(k): config(k) for k in BITS}
    for k in BITS:
        twins = twins_of(config(k), ["random_labels"])
        configs |= {f"{_arm(k)}, {name}": twin for name, twin in twins.items()}
    return configs


def _arm(k: int) -> str:
    return f"parity of {k}"


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Accuracy, depth as nonlinear nodes on a path, width as nonlinear nodes in all."""
    report = judge(run, data, n_null=N_DRAWS, sweep=False)
    graph = report.effective
    return {
        "test accuracy": run.test_accuracy,
        "nonlinear nodes on a path": report.effective_depth,
        "nonlinear nodes": int((graph.computing & (graph.nonlinearity > NONLINEAR)).sum()),
        "weights used": report.n_used_weights,
        "summary": report.summary,
    }


def checks(measured: Measured, scale: str) -> list[Check]:
    """Both numbers rise with k, and more than on twins."""
    listed = []
    for name in ("nonlinear nodes on a path", "nonlinear nodes"):
        rank = _rank_correlations(measured, name, "")
        d = difference(rank, [0.0] * len(rank))
        passed = d.low > MIN_CORRELATION
        shown = f"{spread(rank)}: mean {d.mean:.2f} ({d.low:.2f} to {d.high:.2f})"
        title = f"{name}: rank correlation with the number of signs"
        listed.append(Check(title, shown, "interval above 0.8", passed))
        for twin in TWINS:
            on_twin = _rank_correlations(measured, name, f", {twin}")
            listed.append(differs(f"{title}, data less {twin}", rank, on_twin, 0.0))
    return listed


def _rank_correlations(measured: Measured, name: str, twin: str) -> list[float]:
    """Spearman's correlation of a number with k, for each seed; 0 where it does not vary."""
    table = np.array([column(measured[_arm(k) + twin], name) for k in BITS], dtype=float)
    varies = np.ptp(table, axis=0) > 0
    return [
        float(stats.spearmanr(BITS, values).statistic) if v else 0.0
        for values, v in zip(table.T, varies, strict=True)
    ]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Both numbers and the accuracy along k."""
    names = ("nonlinear nodes on a path", "nonlinear nodes", "test accuracy")
    values = {name: [column(measured[_arm(k)], name) for k in BITS] for name in names}
    return {"dial": dial_plot(BITS, values, label="k, the signs whose parity is asked for")}
