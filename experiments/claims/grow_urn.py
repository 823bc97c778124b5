"""Growth on a URN: does a network that starts with one hidden neuron find the structure that one
finds that starts with many?

Shells and digits with the depth term, digits also with locality. Each once grown from one hidden
neuron and once cut down from the whole S, same loss, same steps. That both end alike is a claim
that only a test of equivalence can support: a difference that was not seen may have been missed.
Two one-sided tests each, on differences seed by seed. Refuted when one does not reject that the
accuracies differ by 2 points or more, the hidden layers by a half, or the share of seeds in which a
verdict is given by a quarter. With one seed there is no test, and the differences alone are held
against these margins.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import sorted_matrices
from experiments import digits
from experiments.claims import Check, Measured, Row, column, fully_connected
from experiments.commands.judging import arrays, judge, task_data
from experiments.twins import equivalent
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

# Networks of each kind: fewer leave no equivalence of shares to be shown.
SEEDS = {"quick": 1, "paper": 20}
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data.

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
# Margins of equivalence. By judgement: of accuracy what seeds differ by, of layers less than one,
# of the share of seeds with a verdict what five of twenty are.
SAME_ACCURACY = 0.02
SAME_DEPTH = 0.5  # Layers.
SAME_SHARE = 0.25  # Of seeds with a verdict.
N_DRAWS = 200  # Of a null model: enough for a yes or no.

GROWN = ", grown"  # End of the name of an arm that grows.
CUT_DOWN = ", cut down"  # End of the name of an arm that starts with all neurons.


def arms(scale: str) -> dict[str, TrainConfig]:
    """Each task grown and cut down; shells as in `fully_connected`, digits as in the main job."""
    layered = TrainConfig(
        **digits.COMMON,
        task_options={"data_seed": DATA_SEED},
        strengths=digits.SETTINGS["layered"],
    )
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
    """The same accuracy, depth and verdicts, grown as cut down."""
    listed = []
    for task in [arm.removesuffix(GROWN) for arm in measured if arm.endswith(GROWN)]:
        margins = {"test accuracy": SAME_ACCURACY, "hidden layers": SAME_DEPTH}
        margins |= dict.fromkeys(VERDICTS, SAME_SHARE)
        for name, margin in margins.items():
            pair = [column(measured[task + end], name) for end in (GROWN, CUT_DOWN)]
            numbers = [[float(value) for value in values] for values in pair]
            title = f"{task}: {name.replace('_', ' ')}, grown against cut down"
            listed.append(equivalent(title, *numbers, margin))
    return listed


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
