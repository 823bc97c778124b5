"""Growth on a URN: does a network that starts with one hidden neuron find the structure that one finds that starts with many?

Shells and digits with the depth term, digits also with locality. Each once grown from one hidden neuron and once cut down
from the whole S, same loss, same steps. Refuted when the verdicts differ, or when the grown network is less accurate by 2
points. A verdict is compared by its majority over seeds.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import sorted_matrices
from experiments import digits
from experiments.claims import Check, column, fully_connected, spread
from experiments.commands.judging import arrays, judge, task_data
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

CLAIM = "Grown from one hidden neuron, a URN ends with the structure and the accuracy of one that started with all of them"
SOURCE = "Miconi 2016 (arXiv 1606.06216), proposed for feed-forward networks; Golkar 2019 (arXiv 1911.11691), what emerges"
PAPER = "not tried"

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
"""A reserve of eight that is filled quickly: ReLU neurons that hear little hardly learn, so newborns are loud."""
VERDICTS = ("fully_connected", "locally_connected", "residual", "recurrent")
WORSE = 0.02


def arms(scale: str) -> dict[str, TrainConfig]:
    """Each task grown and cut down; the shells as in the claim `fully_connected`, digits as in the main job."""
    layered = TrainConfig(**digits.COMMON, strengths=digits.SETTINGS["layered"])
    tasks = {"shells": fully_connected.arms(scale)["layered"], "digits": layered}
    if scale == "paper":
        strengths = layered.strengths | {"locality": 8e-3}
        tasks["digits, local"] = layered.replace(
            hidden_positions="learned", locality_floor=0.05, strengths=strengths
        )
    found = {}
    for name, config in tasks.items():
        found[f"{name}, grown"] = config.replace(
            growth=GROWTH | {"cap": min(300, config.n_neurons - 80)}
        )
        found[f"{name}, cut down"] = config
    return found


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """Verdicts, depth, widths, accuracy."""
    report = judge(run, data, n_null=200)
    return {
        "hidden layers": report.depth,
        "neurons used": int(np.sum(report.widths)),
        "weights used": report.n_used_weights,
        "test accuracy": run.test_accuracy,
        "widths": list(report.widths),
        "summary": report.summary,
        "sizes": [row["living_neurons"] for row in run.history],
    } | {name: report.verdicts[name].present for name in VERDICTS}


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """The same verdicts, and the same accuracy, grown as cut down."""
    found = []
    for task in [arm.removesuffix(", grown") for arm in measured if arm.endswith(", grown")]:
        grown, cut = measured[f"{task}, grown"], measured[f"{task}, cut down"]
        ours, theirs = (
            [name for name in VERDICTS if np.mean(column(rows, name)) > 0.5]
            for rows in (grown, cut)
        )
        said = " against ".join(", ".join(names) or "none" for names in (ours, theirs))
        found.append(
            Check(f"{task}: verdicts, grown against cut down", said, "the same", ours == theirs)
        )
        scores = [column(rows, "test accuracy") for rows in (grown, cut)]
        lost = float(np.median(scores[1]) - np.median(scores[0]))
        said = f"{spread(scores[0])} against {spread(scores[1])}"
        found.append(Check(f"{task}: test accuracy", said, "at most 2 points worse", lost <= WORSE))
    return found


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """The sorted matrices, grown beside cut down."""
    found, ends = {}, {}
    for arm, (run, *_) in runs.items():
        data = task_data(run)
        W, _, positions = arrays(run)
        layers = judge(run, data, n_null=200).layer_of
        ends.setdefault((data.n_inputs, data.n_outputs), []).append(
            (arm, W, layers, *([] if positions is None else [positions]))
        )
    for (n_inputs, n_outputs), panels in ends.items():
        found[panels[0][0].split(",")[0]] = sorted_matrices(
            panels, n_inputs=n_inputs, n_outputs=n_outputs
        )
    return found
