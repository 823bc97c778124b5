"""Growth on a URN: does a network that starts with one hidden neuron find the structure that one
finds that starts with many?

Shells and digits with the depth term, digits also with locality. Each once grown from one hidden
neuron and once cut down from the whole S, same loss, same steps. Refuted when the verdicts differ,
or when the grown network is less accurate by 2 points. A verdict is compared by its majority over
seeds.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import sorted_matrices
from experiments import digits
from experiments.claims import Check, Measured, Row, column, fully_connected, spread
from experiments.commands.judging import arrays, judge, task_data
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

# The claim.
CLAIM = (
    "Grown from one hidden neuron, a URN ends with the structure and the accuracy of one that "
    "started with all of them"
)
# Where it is from.
SOURCE = (
    "Miconi 2016 (arXiv 1606.06216), proposed for feed-forward networks; Golkar 2019 "
    "(arXiv 1911.11691), what emerges"
)
PAPER = "not tried"  # What the paper reports.

# A reserve of eight that is filled quickly. Newborns are loud: ReLU neurons whose input is faint
# hardly learn (docs/experiments.md).
GROWTH = {
    "reserve": 8,
    "add_probability": 0.5,
    "delete_probability": 0.2,
    "every": 2,
    "spare": "gradient",
    "youth": 50,
    "threshold": 0.05,
    "newborn_scale": 0.3,
    "newborn_norm": 1.0,
}
# Those that are compared: without a lattice no kernel is shared.
VERDICTS = ("fully_connected", "locally_connected", "residual", "recurrent")
WORSE = 0.02  # Accuracy that growth may cost. By judgement: what seeds differ by.
N_DRAWS = 200  # Of a null model: enough for a yes or no.

GROWN = ", grown"  # End of the name of an arm that grows.
CUT_DOWN = ", cut down"  # End of the name of an arm that starts with all neurons.


def arms(scale: str) -> dict[str, TrainConfig]:
    """Each task grown and cut down; shells as in `fully_connected`, digits as in the main job."""
    layered = TrainConfig(**digits.COMMON, strengths=digits.SETTINGS["layered"])
    tasks = {"shells": fully_connected.arms(scale)["layered"], "digits": layered}
    if scale == "paper":
        strengths = layered.strengths | {"locality": 8e-3}
        tasks["digits, local"] = layered.replace(
            hidden_positions="learned", locality_floor=0.05, strengths=strengths
        )

    configs = {}
    for task, config in tasks.items():
        cap = min(300, config.n_neurons - 80)
        configs[task + GROWN] = config.replace(growth=GROWTH | {"cap": cap})
        configs[task + CUT_DOWN] = config
    return configs


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Verdicts, depth, widths, accuracy."""
    report = judge(run, data, n_null=N_DRAWS)
    return {
        "hidden layers": report.depth,
        "neurons used": int(np.sum(report.widths)),
        "weights used": report.n_used_weights,
        "test accuracy": run.test_accuracy,
        "widths": list(report.widths),
        "summary": report.summary,
        "sizes": [row["living_neurons"] for row in run.history],
    } | {name: report.verdicts[name].present for name in VERDICTS}


def checks(measured: Measured, scale: str) -> list[Check]:
    """The same verdicts, and the same accuracy, grown as cut down."""
    listed = []
    for task in [arm.removesuffix(GROWN) for arm in measured if arm.endswith(GROWN)]:
        pair = (measured[task + GROWN], measured[task + CUT_DOWN])
        present = [_majority(rows) for rows in pair]
        both = " against ".join(", ".join(names) or "none" for names in present)
        same = present[0] == present[1]
        listed.append(Check(f"{task}: verdicts, grown against cut down", both, "the same", same))

        scores = [column(rows, "test accuracy") for rows in pair]
        lost = float(np.median(scores[1]) - np.median(scores[0]))
        both = f"{spread(scores[0])} against {spread(scores[1])}"
        asked = "at most 2 points worse"
        listed.append(Check(f"{task}: test accuracy", both, asked, lost <= WORSE))
    return listed


def _majority(rows: list[Row]) -> list[str]:
    """The verdicts that hold for more than half of the seeds."""
    return [name for name in VERDICTS if np.mean(column(rows, name)) > 0.5]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """The sorted matrices, grown beside cut down; a figure for tasks of the same sizes."""
    by_sizes: dict[tuple[int, int], list[tuple]] = {}
    for arm, (run, *_) in runs.items():
        data = task_data(run)
        W, _, positions = arrays(run)
        layers = judge(run, data, n_null=N_DRAWS).layer_of
        panel = (arm, W, layers) if positions is None else (arm, W, layers, positions)
        by_sizes.setdefault((data.n_inputs, data.n_outputs), []).append(panel)

    drawn = {}
    for (n_inputs, n_outputs), panels in by_sizes.items():
        task = panels[0][0].split(",")[0]
        drawn[task] = sorted_matrices(panels, n_inputs=n_inputs, n_outputs=n_outputs)
    return drawn
