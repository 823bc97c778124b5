"""Residual: skips appear when carrying a value is cheap and useful, and the network then needs them.

One dial: the price on the diagonal of W. At one end a neuron that hands on its own value is free and any change costs
(self term with w0 = 1), at the other carrying costs (w0 = 0) and so does speaking at two iterations (depth term). All
else is equal along the dial. Real digits, and `carry`, a linear map plus a small correction. One matrix serves at every
iteration, so that a residual network is also a recurrent one here.

Refuted if networks at the free end are not called residual, if those at the dear end are, if the shares do not fall
along the dial, or if cutting as much weight at random hurts as much as cutting the skips.
"""

from itertools import pairwise
from statistics import median

import numpy as np
from matplotlib.figure import Figure

from analysis.causal import lesions
from analysis.layers import steps_on_path
from analysis.plots import sorted_matrices
from analysis.plots.style import (
    BLUE,
    FONT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SKY,
    VERMILION,
    new_figure,
    plain_axes,
)
from analysis.verdicts.residual import MIN_EFFECT
from experiments.claims import Check, column, most, short, spread
from experiments.commands.judging import arrays, judge, samples, task_data
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

CLAIM = "Skips appear where carrying a value is cheap, the network then needs them, and they are gone where carrying is priced"
SOURCE = "Golkar 2019 (arXiv 1911.11691): residual networks; path lengths after Veit, Wilber & Belongie 2016"
PAPER = (
    "residual networks emerge from the same URN and the same loss; strengths and figure not at hand"
)

DEPTH = {"value": 0.1, "warmup": 500}
DIAL = {
    "change 1": (1.0, {"self": 1.0}),
    "change 1e-2": (1.0, {"self": 1e-2}),
    "change 1e-3": (1.0, {"self": 1e-3}),
    "change 1e-4": (1.0, {"self": 1e-4}),
    "no price": (0.0, {}),
    "carrying 1e-3": (0.0, {"self": 1e-3}),
    "carrying 1": (0.0, {"self": 1.0}),
    "carrying 1, depth 1e-3": (0.0, {"self": 1.0, "depth": DEPTH | {"value": 1e-3}}),
    "carrying 1, depth 1e-1": (0.0, {"self": 1.0, "depth": DEPTH}),
}
"""What is priced, from carrying is free to carrying is dear: w0 and the strengths of the self and depth terms."""
FREE, DEAR = "change 1", "carrying 1, depth 1e-1"
QUICK_DIAL = (FREE, "change 1e-3", "no price", DEAR)
TASKS = {
    "digits": {
        "n_neurons": 200,
        "steps": 2000,
        "strengths": {"weight": 5e-5, "activity": 1e-4, "bias": 1e-3},
    },
    "carry": {"n_neurons": 240, "steps": 3000, "strengths": {"weight": 3e-6, "activity": 1e-3}},
}
"""Chosen on the validation sets with seeds 0-4: see docs/experiments.md."""
QUICK = {"digits": {"n_neurons": 150, "steps": 1200}, "carry": {}}
N_RANDOM = 100
"""Random cuts beside the cut of the skips, so that p can be as small as 1 %."""


def arms(scale: str) -> dict[str, TrainConfig]:
    """Every task at every place of the dial."""
    found = {}
    for task, common in TASKS.items():
        fields = common | (QUICK[task] if scale == "quick" else {})
        for place in QUICK_DIAL if scale == "quick" else DIAL:
            w0, priced = DIAL[place]
            strengths = {"strengths": fields["strengths"] | priced}
            found[f"{task}, {place}"] = TrainConfig(
                task=task, self_target=w0, snapshots=0, **fields | strengths
            )
    return found


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """Verdict, shares, path lengths, and what is lost when the skips, or as much weight at random, are cut."""
    report = judge(run, data)
    residual, evidence = report.verdicts["residual"], report.verdicts["residual"].evidence
    found = {
        "residual": residual.present,
        "signal over skips": residual.effect,
        "p": residual.p_value,
        "carry and add": evidence.get("carry_and_add_share", 0.0),
        "skip targets": evidence.get("n_skip_targets", 0),
        "re-used share": report.verdicts["recurrent"].effect,
        "test score": run.test_accuracy,
        "weights used": report.n_used_weights,
        "lost without skips": 0.0,
        "lost by random cuts": None,
        "p of the cut": None,
        "path depths": report.path_depths.tolist(),
        "weighted steps": steps_on_path(report.effective).tolist(),
        "summary": report.summary,
    }
    if report.status == "ok":
        W, b, _ = arrays(run)
        score, cuts = lesions(
            W, b, *samples(data), report, n_random=N_RANDOM, rng=np.random.default_rng(0)
        )
        for cut in cuts:
            if cut.name == "skips":
                random = score - np.quantile(
                    cut.random_scores, [0.95, 0.5, 0.05]
                )  # little, in the middle, much
                found |= {
                    "lost without skips": cut.lost,
                    "lost by random cuts": float(random[1]),
                    "p of the cut": cut.p_value,
                }
                found |= {"weights cut": cut.count, "random cuts": random.tolist(), "whole": score}
    return found


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """What must show in 4 of 5 seeds at the ends of the dial, and between them."""
    return [check for task in TASKS for check in _of_task(task, measured)]


def _of_task(task: str, measured: dict[str, list[dict]]) -> list[Check]:
    free, dear = measured[f"{task}, {FREE}"], measured[f"{task}, {DEAR}"]
    along = {
        place: measured[f"{task}, {place}"] for place in DIAL if f"{task}, {place}" in measured
    }
    here, gone = column(free, "residual"), [not present for present in column(dear, "residual")]
    needed = [
        row["lost without skips"] >= 0.1 and (row["p of the cut"] or 1.0) <= 0.05 for row in free
    ]
    found = [
        Check(f"{task}, carrying free: residual", spread(here), "4 of 5 seeds", most(here)),
        Check(f"{task}, carrying priced: not residual", spread(gone), "4 of 5 seeds", most(gone)),
        Check(
            f"{task}, carrying free: without skips 0.1 of the score is lost, and more than by 95 % of equal random cuts",
            f"{spread(needed)}; {_median(free, 'lost without skips')} against {_median(free, 'lost by random cuts')}",
            "4 of 5 seeds",
            most(needed),
        ),
    ]
    for share in ("signal over skips", "carry and add"):
        medians = [median(column(rows, share)) for rows in along.values()]
        rise = max(later - earlier for earlier, later in pairwise(medians))
        asked = f"from {MIN_EFFECT} or more to 0.05 or less, rising nowhere by over 0.05"
        passed = medians[0] >= MIN_EFFECT and medians[-1] <= 0.05 and rise <= 0.05
        found.append(
            Check(
                f"{task}: share '{share}' along the dial",
                " ".join(map(short, medians)),
                asked,
                passed,
            )
        )
    scores = [median(column(rows, "test score")) for rows in along.values()]
    found.append(
        Check(
            f"{task}: test score along the dial",
            " ".join(map(short, scores)),
            "0.9 or more",
            min(scores) >= 0.9,
        )
    )
    whole = [median(row["weighted steps"][-1] for row in rows) for rows in (free, dear)]
    what = f"{task}: flow over paths with a weight at every step, carrying free and priced"
    asked = "0.9 or less, 0.99 or more"
    return [
        *found,
        Check(what, " ".join(map(short, whole)), asked, whole[0] <= 0.9 and whole[1] >= 0.99),
    ]


def _median(rows: list[dict], name: str) -> str:
    values = [value for value in column(rows, name) if value is not None]
    return short(median(values)) if values else "nothing to cut"


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """The dial, path lengths beside those of the MLP, what the cuts cost, and W at both ends."""
    drawn = {"dial": _dial(measured), "paths": _paths(measured), "cuts": _cuts(measured)}
    for task in TASKS:
        panels = []
        for run in (runs[f"{task}, {place}"][0] for place in (FREE, DEAR)):
            data = task_data(run)
            report = judge(run, data, n_null=200)
            panels.append((report.summary, run.weights.numpy(), report.layer_of))
        drawn[f"W-{task}"] = sorted_matrices(
            panels, n_inputs=data.n_inputs, n_outputs=data.n_outputs
        )
    return drawn


def _dial(measured: dict[str, list[dict]]) -> Figure:
    figure = new_figure(6.8, 3.6)
    lines = {"carry and add": (BLUE, "o"), "signal over skips": (VERMILION, "s"), "re-used share": (GREEN, "^"), "test score": (INK, "D")}  # fmt: skip # noqa: E501
    panels = figure.subplots(1, len(TASKS), sharey=True)
    for axes, task in zip(panels, TASKS, strict=True):
        places = [place for place in DIAL if f"{task}, {place}" in measured]
        for name, (colour, marker) in lines.items():
            values = [column(measured[f"{task}, {place}"], name) for place in places]
            axes.plot(
                [median(v) for v in values],
                color=colour,
                marker=marker,
                markersize=4,
                linewidth=1.2,
                label=name,
            )
            for x, seeds in enumerate(values):
                axes.plot([x] * len(seeds), seeds, ".", color=colour, markersize=2.5, alpha=0.6)
        axes.axvline(places.index("no price"), color=GREY, linewidth=0.7, linestyle=":")
        axes.set_xticks(range(len(places)), places, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_ylim(-0.03, 1.03)
        axes.set_title(f"{task} (median; dots: seeds)", fontsize=FONT + 1)
        plain_axes(axes)
    panels[0].set_ylabel("share")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=4,
        fontsize=FONT,
        frameon=False,
    )
    figure.supxlabel("what is priced", fontsize=FONT + 1)
    return figure


def _paths(measured: dict[str, list[dict]]) -> Figure:
    """Mean distribution over the seeds at the two ends."""
    figure = new_figure(6.8, 4.4)
    rows = figure.subplots(2, len(TASKS), sharey="row")
    kinds = (
        ("weighted steps", "steps with a weight on the path"),
        ("path depths", "nonlinear nodes on the path"),
    )
    for row, (name, label) in zip(rows, kinds, strict=True):
        for axes, task in zip(row, TASKS, strict=True):
            for shift, place, what, colour in (
                (-0.2, FREE, "carrying free", ORANGE),
                (0.2, DEAR, "carrying priced", SKY),
            ):
                shares = np.mean(column(measured[f"{task}, {place}"], name), axis=0)
                axes.bar(
                    np.arange(len(shares)) + shift,
                    shares,
                    0.4,
                    color=colour,
                    edgecolor=INK,
                    linewidth=0.5,
                    label=what,
                )
            axes.set_xticks(range(len(shares)))
            axes.set_title(task, fontsize=FONT + 1)
            axes.set_xlabel(label)
            plain_axes(axes)
        row[0].set_ylabel("share of the flow")
    rows[0][0].legend(fontsize=FONT - 1, frameon=False)
    return figure


def _cuts(measured: dict[str, list[dict]]) -> Figure:
    """Score of each seed at the free end: whole, skips cut, and as much weight cut at random (5 to 95 % of the cuts)."""
    figure = new_figure(6.0, 2.8)
    for axes, task in zip(figure.subplots(1, len(TASKS)), TASKS, strict=True):
        rows = [row for row in measured[f"{task}, {FREE}"] if "whole" in row]
        x, whole = np.arange(len(rows)), np.array(column(rows, "whole"))
        little, middle, much = whole - np.array(column(rows, "random cuts")).reshape(-1, 3).T
        axes.plot(x, whole, "D", color=INK, markersize=4, label="whole")
        axes.errorbar(x - 0.12, middle, [middle - much, little - middle], fmt="o", color=GREY, markersize=4, label="as much cut at random")  # fmt: skip # noqa: E501
        axes.plot(
            x + 0.12,
            whole - column(rows, "lost without skips"),
            "s",
            color=VERMILION,
            markersize=4,
            label="skips cut",
        )
        axes.set(xlim=(-0.7, len(rows) - 0.3), xticks=x, xlabel="seed", ylabel="validation score")
        axes.set_title(task, fontsize=FONT + 1)
        plain_axes(axes)
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3,
        fontsize=FONT,
        frameon=False,
    )
    return figure
