"""The paper's experiment: a flat matrix of 5000 neurons, trained on shells, ends as a small MLP.

Refuted by an accuracy below 99.9 % on fresh samples, by more than 120 living hidden neurons in any seed, by weight mass that
skips layers, or by another depth than three. Control: a smaller network without any price, which learns the task as well,
must not be called an MLP: it has dense blocks in three layers too, but its neurons serve in several of them. Beside it,
without a check: the paper's two prices alone.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.forward import forward
from analysis.network import flat_network
from analysis.plots import sorted_matrix
from experiments.claims import Check, column, spread
from experiments.commands.judging import arrays, judge
from urn import Run, TrainConfig
from urn.data.tasks import Dataset, Shells

CLAIM = (
    "A URN of S = 5000, I = 4 trained on 10-dimensional shells ends as an MLP with 3 hidden layers"
)
SOURCE = "Golkar 2019 (arXiv 1911.11691), the fully connected experiment"
PAPER = (
    "100 % accuracy, about 120 active neurons, W block sub-diagonal: an MLP with 3 hidden layers"
)

PRICES = {"weight": {"value": 3e-4, "milestones": [0.2], "factor": 0.333}, "activity": 1e-3}
MAX_HIDDEN, MEDIAN_HIDDEN, MIN_ACCURACY, MIN_MASS, MAX_REUSED = 120, 60, 0.999, 0.95, 0.1
PAPERS, CONTROL = "weight and activity alone", "no prices"


def arms(scale: str) -> dict[str, TrainConfig]:
    """The paper's network (quick: a small one), and small ones beside it."""

    def config(n_neurons: int, steps: int, strengths: dict) -> TrainConfig:
        rate = {"value": 1e-3 if n_neurons > 1000 else 2e-3, "milestones": [0.7], "factor": 0.2}
        return TrainConfig(
            task="shells",
            n_neurons=n_neurons,
            n_iterations=4,
            steps=steps,
            learning_rate=rate,
            strengths=strengths,
            log_every=250,
            snapshots=12,
        )

    S, steps = (5000, 6000) if scale == "paper" else (400, 4000)
    # In 5000 neurons that all speak the depth term outweighs the task: it stays weak until most of them are gone.
    small = {"value": 0.1, "warmup": steps // 4, "milestones": [0.5], "factor": 5}
    large = {"value": 1e-2, "warmup": 500, "milestones": [0.16, 0.5], "factor": 10}
    rest = {"bias": 3e-3, "self": 1.0, "depth": large if scale == "paper" else small}
    return {
        "layered": config(S, steps, PRICES | rest),
        PAPERS: config(400, 3000, PRICES),
        CONTROL: config(400, 1000, {}),
    }


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """Accuracy on 10,000 samples drawn for this seed alone, and the structure."""
    report = judge(run, data)
    X, y = (
        Shells(data_seed=1000 + run.config.seed, n_train=1, n_validation=1, n_test=10_000)
        .load()
        .test
    )
    W, b, _ = arrays(run)
    kept = run.kept.numpy()
    W, b = W[np.ix_(kept, kept)], b[kept]
    net = flat_network(
        W,
        b,
        n_inputs=data.n_inputs,
        n_outputs=data.n_outputs,
        n_iterations=run.config.n_iterations,
    )
    answers = forward(net, X.numpy().astype(float)).outputs.argmax(1)
    verdict = report.verdicts["fully_connected"]
    return {
        "accuracy": float(np.mean(answers == y.numpy())),
        "hidden neurons": run.history[-1]["living_neurons"],
        "weights used": report.n_used_weights,
        "neighbour mass": float(verdict.evidence.get("neighbour_mass", 0.0)),
        "fully_connected": verdict.present,
        "depth": report.depth,
        "re-used share": report.verdicts["recurrent"].effect,
        "summary": report.summary,
    }


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """Every seed must pass; the control must fail."""
    rows, controls = measured["layered"], measured[CONTROL]
    accuracy, hidden, mass = (
        column(rows, name) for name in ("accuracy", "hidden neurons", "neighbour mass")
    )
    ends, ends_control = ([_is_mlp(row) for row in some] for some in (rows, controls))
    middle = float(np.median(hidden))
    return [
        Check(
            "accuracy on 10,000 fresh samples",
            spread(accuracy),
            ">= 99.9 %",
            min(accuracy) >= MIN_ACCURACY,
        ),
        Check(
            "living hidden neurons, every seed",
            spread(hidden),
            f"<= {MAX_HIDDEN}",
            max(hidden) <= MAX_HIDDEN,
        ),
        Check(
            "living hidden neurons, median",
            f"{middle:g}",
            f"<= {MEDIAN_HIDDEN}",
            middle <= MEDIAN_HIDDEN,
        ),
        Check(
            "weight mass between neighbouring layers",
            spread(mass),
            ">= 95 %",
            min(mass) >= MIN_MASS,
        ),
        Check("fully connected, 3 distinct hidden layers", spread(ends), "all seeds", all(ends)),
        Check(
            "a smaller one without any price (control)",
            spread(ends_control),
            "no seed",
            not any(ends_control),
        ),
    ]


def _is_mlp(row: dict) -> bool:
    """Three hidden layers in dense blocks, each neuron in one of them."""
    return row["fully_connected"] and row["depth"] == 3 and row["re-used share"] < MAX_REUSED


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """|W| sorted by layer of the first seed, and living neurons over training."""
    drawn = {}
    data = Shells(n_train=1).load()
    for name, arm in (("W", "layered"), ("W_two_prices", PAPERS)):
        run, row = runs[arm][0], measured[arm][0]
        report = judge(run, data, n_null=200)
        title = (
            f"{arm}: {row['summary']}, S = {run.config.n_neurons:,}, accuracy {row['accuracy']:.2%}"
        )
        drawn[name] = sorted_matrix(
            run.weights.numpy(), report.layer_of, n_inputs=10, n_outputs=2, title=title
        )
    return drawn | {"living": _living(runs["layered"])}


def _living(runs: list[Run]) -> Figure:
    figure = Figure((6, 3.6), layout="constrained")
    axes = figure.subplots()
    for run in runs:
        axes.plot(
            column(run.history, "step"),
            column(run.history, "living_neurons"),
            label=f"seed {run.config.seed}",
        )
    axes.set(yscale="log", xlabel="step", ylabel="living hidden neurons")
    axes.axhline(MAX_HIDDEN, color="0.5", linestyle=":", linewidth=1)
    axes.text(0, MAX_HIDDEN * 1.08, "the paper's figure", color="0.35", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
