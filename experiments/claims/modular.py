"""Modules out of independent sub-tasks: no term names modules, and only the data differ.

Five outputs are functions of one half of the inputs and five of the other. The price of weights
cuts what carries nothing, and what is left falls apart into one module a half. Control: every
output needs every projection, and projections hear inputs from all over. Twins: random targets, and
one step of training. Refuted when the verdict is not `modular` with two modules in 18 of 20 seeds,
when it is modular in more than 1 of 20 seeds of a control or twin, or when the share of the signal
that stays in its module does not differ from that of the control.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import sorted_matrices
from experiments.claims import Check, Measured, Row, column, spread
from experiments.commands.judging import judge
from experiments.twins import differs, twins_of
from urn import Run, TrainConfig
from urn.data.tasks import Dataset, Halves

# The claim.
CLAIM = "A network falls apart into modules where its task falls apart into independent ones"
SOURCE = (
    "ours, after Golkar 2019 (arXiv 1911.11691): the structure of the data decides"  # Its root.
)
PAPER = "nothing on modules is at hand"  # What the paper reports.

SEEDS = {"quick": 1, "paper": 20}  # Networks of each kind: enough for a rank test.
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data.

HALVES = "two halves"  # The arm of the claim.
MIXED = "mixed (control)"  # The arm whose task does not fall apart.
N_DRAWS = 1000  # Of the null model.
LEAST_MODULAR = 18 / 20  # Share of seeds.
MOST_ELSEWHERE = 1 / 20  # Share of seeds of a control or twin.
MIN_DIFFERENCE = 0.3  # Of coherence, data less control. By judgement: 1 is all there can be.


def arms(scale: str) -> dict[str, TrainConfig]:
    """Two halves, their twins, and the control."""

    def config(mixed: bool) -> TrainConfig:
        return TrainConfig(
            task="halves",
            task_options={"data_seed": DATA_SEED, "mixed": mixed},
            n_neurons=140,
            n_iterations=2,
            steps=4000 if scale == "paper" else 2000,
            learning_rate=3e-3,
            strengths={
                "weight": 1e-3,
                "bias": 1e-3,
                "self": 1.0,
                "depth": {"value": 0.05, "warmup": 500},
            },
            snapshots=0,
        )

    halves = config(mixed=False)
    twins = {
        f"{HALVES}, {name}": twin for name, twin in twins_of(halves, ["random_labels"]).items()
    }
    return {HALVES: halves, MIXED: config(mixed=True)} | twins


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """R^2, the verdict, and how much of the signal stays in its module."""
    report = judge(run, data, n_null=N_DRAWS)
    verdict = report.verdicts["modular"]
    return {
        "test R2": run.test_accuracy,
        "modular": verdict.present,
        "modules": verdict.evidence.get("n_modules", 0),
        "coherence": verdict.effect,
        "p": verdict.p_value,
        "weights used": report.n_used_weights,
        "summary": report.summary,
    }


def checks(measured: Measured, scale: str) -> list[Check]:
    """Two modules on data, none elsewhere, by a difference."""
    two = [row["modular"] and row["modules"] == 2 for row in measured[HALVES]]
    passed = float(np.mean(two)) >= LEAST_MODULAR
    listed = [Check(f"{HALVES}: two modules", spread(two), ">= 18 of 20 seeds", passed)]

    for arm in (other for other in measured if other != HALVES):
        has = column(measured[arm], "modular")
        passed = float(np.mean(has)) <= MOST_ELSEWHERE
        listed.append(Check(f"{arm}: modular", spread(has), "<= 1 of 20", passed))
    listed.append(
        differs(
            "coherence, two halves less mixed",
            column(measured[HALVES], "coherence"),
            column(measured[MIXED], "coherence"),
            MIN_DIFFERENCE,
        )
    )
    return listed


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """W of the first seed on data and of the control, sorted by module."""
    panels = []
    for arm, mixed in ((HALVES, False), (MIXED, True)):
        run = runs[arm][0]
        data = Halves(data_seed=DATA_SEED, mixed=mixed).load()
        report = judge(run, data, n_null=200)
        panels.append((f"{arm}: {report.summary}", run.weights.numpy(), report.layer_of))
    return {"W": sorted_matrices(panels, n_inputs=20, n_outputs=10)}
