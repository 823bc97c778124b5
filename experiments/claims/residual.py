"""Residual: skips appear when carrying a value is cheap, and the trained network then needs them.

One dial: the price on the diagonal of W. At one end a neuron that hands on its own value is free
and any change costs (self term with w0 = 1), at the other carrying costs (w0 = 0) and so does
firing at two iterations (depth term). All else is equal along the dial. Real digits, and `carry`, a
linear map plus a small correction. The same matrix is applied at every iteration, so that a
residual network is also a recurrent one here.

That there are skips is the price's doing: twins with random labels, and after one step, have them
too, and the notes show both. What is claimed of the strengths is that they decide: the share of the
signal over skips falls along the dial, and differs between its ends seed by seed. What is claimed
of training is that the network comes to need what it carries. Refuted if cutting the weights with
which neurons carry their value costs no more than cutting as many of the largest other weights of
the same neurons, or as much weight at random; or if a twin loses as much. `no price` is the middle
of the dial.
"""

from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import StructureReport
from analysis.causal import lesions, network_of, score
from analysis.forward import forward
from analysis.layers import carry_and_add, steps_on_path
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
from experiments.claims import Check, Measured, Row, column, in_most_seeds, spread
from experiments.commands.judging import arrays, judge, samples, task_data
from experiments.twins import differs, twins_of
from urn import Run, TrainConfig
from urn.data.tasks import Dataset
from urn.io import short

# The claim.
CLAIM = (
    "The price of carrying decides whether there are skips; where there are, training makes the "
    "network need them more than its largest other weights"
)
# Where it is from.
SOURCE = (
    "Golkar 2019 (arXiv 1911.11691): residual networks; path lengths after Veit, Wilber & "
    "Belongie 2016"
)
# What the paper reports.
PAPER = (
    "residual networks emerge from the same URN and the same loss; strengths and figure not at hand"
)

# Networks of each kind: enough for a rank test.
SEEDS = {"quick": 1, "paper": 20}
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data.

# The depth term at the dear end, warmed up as in the main job.
DEPTH = {"value": 0.1, "warmup": 500}
# What is priced, from carrying is free to carrying is dear: w0 and strengths of self and depth.
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
FREE = "change 1"  # The end where carrying is free.
DEAR = "carrying 1, depth 1e-1"  # The end where it is dear.
NO_PRICE = "no price"  # The setting in the middle.
QUICK_DIAL = (FREE, "change 1e-3", NO_PRICE, DEAR)  # The dial at quick scale.
# Chosen on the validation sets with seeds 0-4: see docs/experiments.md.
TASKS: dict[str, dict[str, Any]] = {
    "digits": {
        "n_neurons": 200,
        "steps": 2000,
        "strengths": {"weight": 5e-5, "activity": 1e-4, "bias": 1e-3},
    },
    "carry": {"n_neurons": 240, "steps": 3000, "strengths": {"weight": 3e-6, "activity": 1e-3}},
}
QUICK = {"digits": {"n_neurons": 150, "steps": 1200}, "carry": {}}  # What differs at quick scale.

TWINS = ("random labels", "one step")  # Of the free end.

N_CUTS = 100  # Random cuts beside the cut of the skips, so that p can be as small as 1 %.
N_DRAWS = 200  # Of a null model, for verdicts that only name a picture.
MIN_LOST = 0.1  # Score lost without the skips at the free end. By judgement.
LEVEL = 0.05  # p below which the cut of the skips is worse than random ones: the usual one.
GONE = 0.05  # Shares at the dear end, and how far they may rise on the way. By judgement.
LEARNED = 0.9  # Test score everywhere on the dial. By judgement.
QUANTILES = (0.95, 0.5, 0.05)  # Of the scores after random cuts: little, middling and much is lost.


def arms(scale: str) -> dict[str, TrainConfig]:
    """Every task at every setting of the dial."""
    configs = {}
    for task, common in TASKS.items():
        fields = common | (QUICK[task] if scale == "quick" else {})
        for setting in QUICK_DIAL if scale == "quick" else DIAL:
            w0, priced = DIAL[setting]
            # Only what is priced changes along the dial: w0, and the strengths of self and depth.
            fields_here = fields | {"strengths": fields["strengths"] | priced}
            config = TrainConfig(
                task=task,
                task_options={"data_seed": DATA_SEED},
                self_target=w0,
                snapshots=0,
                **fields_here,
            )
            configs[f"{task}, {setting}"] = config

        free = f"{task}, {FREE}"
        twins = twins_of(configs[free], ["random_labels"])
        configs |= {f"{free}, {name}": twin for name, twin in twins.items()}
    return configs


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Verdict, shares, path lengths, and what is lost when skips, or weights at random, are cut."""
    report = judge(run, data)
    residual = report.verdicts["residual"]
    row: Row = {
        "residual": residual.present,
        "signal over skips": residual.effect,
        "p": residual.p_value,
        "carry and add": residual.evidence.get("carry_and_add_share", 0.0),
        "skip targets": residual.evidence.get("n_skip_targets", 0),
        "re-used share": report.verdicts["recurrent"].effect,
        "test score": run.test_accuracy,
        "weights used": report.n_used_weights,
        "lost without skips": 0.0,
        "lost by random cuts": None,
        "p of the cut": None,
        "lost without carrying": 0.0,
        "lost without other weights": 0.0,
        "carrying less other": 0.0,
        "path depths": report.path_depths.tolist(),
        "weighted steps": steps_on_path(report.effective).tolist(),
        "summary": report.summary,
    }
    if report.status != "ok":
        return row

    W, b, _ = arrays(run)
    rng = np.random.default_rng(0)
    # Cutting the skips is held against random cuts of as much weight: skips are needed where the
    # first loses more than nearly all of the others.
    inputs, targets = samples(data)
    assert inputs is not None  # images, not symbols
    assert targets is not None
    whole, cuts = lesions(W, b, inputs, targets, report, n_random=N_CUTS, rng=rng)
    for cut in cuts:
        if cut.name == "skips":
            losses = whole - np.quantile(cut.random_scores, QUANTILES)
            row |= {
                "lost without skips": cut.lost,
                "lost by random cuts": float(losses[1]),
                "p of the cut": cut.p_value,
                "weights cut": cut.count,
                "random cuts": losses.tolist(),
                "whole": whole,
            }
    return row | _cut_beside_others(W, b, inputs, targets, report)


def _cut_beside_others(
    W: np.ndarray, b: np.ndarray, inputs: np.ndarray, targets: np.ndarray, report: StructureReport
) -> Row:
    """What is lost without the weights that carry, and without as many others of these neurons."""
    neurons = np.flatnonzero(carry_and_add(report.effective).any(axis=0))
    own = np.zeros(W.shape, dtype=bool)
    own[neurons, neurons] = True

    def score_without(gone: np.ndarray) -> float:
        cut = network_of(report, np.where(gone, 0.0, W), b)
        return score(forward(cut, inputs).outputs, targets)

    whole = score_without(np.zeros_like(own))
    lost = [whole - score_without(gone) for gone in (own, largest_others(W, neurons))]
    return {
        "carrying neurons": len(neurons),
        "lost without carrying": lost[0],
        "lost without other weights": lost[1],
        "carrying less other": lost[0] - lost[1],
    }


def largest_others(W: np.ndarray, neurons: np.ndarray) -> np.ndarray:
    """For each neuron its largest weight, incoming or outgoing, that is not its own to itself.

    Parameters
    ----------
    W : (S, S) array
        Weights.
    neurons : (n,) array
        Which neurons; none takes a weight that one before it has taken.

    Returns
    -------
    (S, S) bool array
        With n true entries, or fewer where there are no more weights.
    """
    size = np.abs(W)
    np.fill_diagonal(size, 0.0)
    taken = np.zeros(W.shape, dtype=bool)
    for i in neurons:
        incoming = int(size[i].argmax())
        outgoing = int(size[:, i].argmax())
        pair = (i, incoming) if size[i, incoming] >= size[outgoing, i] else (outgoing, i)
        if size[pair] > 0:
            taken[pair] = True
            size[pair] = 0.0
    return taken


def checks(measured: Measured, scale: str) -> list[Check]:
    """What must show in most seeds at the ends of the dial, and between them."""
    return [check for task in TASKS for check in _of_task(task, measured)]


def _of_task(task: str, measured: Measured) -> list[Check]:
    """The checks of one task."""
    # The dial in its order, from carrying is free to carrying is dear; at quick scale some settings
    # are missing.
    along = {
        setting: measured[f"{task}, {setting}"]
        for setting in DIAL
        if f"{task}, {setting}" in measured
    }
    scores = [median(column(rows, "test score")) for rows in along.values()]
    return [
        differs(
            f"{task}: share 'signal over skips', carrying free less carrying priced",
            column(along[FREE], "signal over skips"),
            column(along[DEAR], "signal over skips"),
            MIN_EFFECT,
        ),
        *(_falls(task, share, along) for share in ("signal over skips", "carry and add")),
        Check(
            f"{task}: test score along the dial",
            " ".join(map(short, scores)),
            "0.9 or more",
            min(scores) >= LEARNED,
        ),
        *_needed(task, measured),
    ]


def _needed(task: str, measured: Measured) -> list[Check]:
    """That what is carried is needed: more than other weights, than chance cuts, than on twins."""
    free = f"{task}, {FREE}"
    rows = measured[free]
    # Both are asked for: an effect of a size that matters, and one that chance does not make.
    needed = [
        row["lost without skips"] >= MIN_LOST and (row["p of the cut"] or 1.0) <= LEVEL
        for row in rows
    ]
    skips = _median(rows, "lost without skips")
    random_cuts = _median(rows, "lost by random cuts")
    on_data = column(rows, "carrying less other")

    return [
        in_most_seeds(
            f"{task}, carrying free: without skips 0.1 of the score is lost, and more than by "
            "95 % of equal random cuts",
            needed,
            f"{spread(needed)}; {skips} against {random_cuts}",
        ),
        differs(
            f"{task}, carrying free: score lost without what neurons carry, less without as many "
            "of their largest other weights",
            column(rows, "lost without carrying"),
            column(rows, "lost without other weights"),
            0.0,
        ),
        *(
            differs(
                f"{task}: the same, data less {twin}",
                on_data,
                column(measured[f"{free}, {twin}"], "carrying less other"),
                0.0,
            )
            for twin in TWINS
        ),
    ]


def notes(measured: Measured, scale: str) -> list[str]:
    """Skips on data and on twins side by side, and at the other end."""
    listed = []
    for task in TASKS:
        arms = [f"{task}, {FREE}", *(f"{task}, {FREE}, {twin}" for twin in TWINS)]
        said = [_in_words(arm, measured[arm]) for arm in [*arms, f"{task}, {DEAR}"]]
        listed.append("; ".join(said) + ". The price makes the skips.")
    return listed


def _in_words(arm: str, rows: list[Row]) -> str:
    """The numbers of an arm as a note gives them."""
    return (
        f"{arm}: residual in {spread(column(rows, 'residual'))}, signal over skips "
        f"{spread(column(rows, 'signal over skips'))}, score {spread(column(rows, 'test score'))}, "
        f"lost without carrying {spread(column(rows, 'lost without carrying'))}, without the "
        f"largest other weights {spread(column(rows, 'lost without other weights'))}"
    )


def _falls(task: str, share: str, along: dict[str, list[Row]]) -> Check:
    """That a share falls along the dial."""
    medians = [median(column(rows, share)) for rows in along.values()]
    # A dial that ends lower may still have a bump: the largest rise from one setting to the next.
    rise = max(later - earlier for earlier, later in pairwise(medians))
    return Check(
        f"{task}: share '{share}' along the dial",
        " ".join(map(short, medians)),
        f"from {MIN_EFFECT} or more to 0.05 or less, rising nowhere by over 0.05",
        medians[0] >= MIN_EFFECT and medians[-1] <= GONE and rise <= GONE,
    )


def _median(rows: list[Row], name: str) -> str:
    """Median of the numbers that there are."""
    values = [value for value in column(rows, name) if value is not None]
    return short(median(values)) if values else "nothing to cut"


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """The dial, path lengths beside those of the MLP, what the cuts cost, and W at both ends."""
    drawn = {"dial": _dial(measured), "paths": _paths(measured), "cuts": _cuts(measured)}
    for task in TASKS:
        panels = []
        for end in (FREE, DEAR):
            run = runs[f"{task}, {end}"][0]
            data = task_data(run)
            report = judge(run, data, n_null=N_DRAWS)
            panels.append((report.summary, run.weights.numpy(), report.layer_of))
        drawn[f"W-{task}"] = sorted_matrices(
            panels, n_inputs=data.n_inputs, n_outputs=data.n_outputs
        )
    return drawn


def _dial(measured: Measured) -> Figure:
    """Shares and score along the dial, a panel a task."""
    figure = new_figure(6.8, 3.6)
    panels = figure.subplots(1, len(TASKS), sharey=True)
    for axes, task in zip(panels, TASKS, strict=True):
        _draw_dial(axes, task, measured)
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


def _draw_dial(axes: Axes, task: str, measured: Measured) -> None:
    """The panel of one task: medians as lines, seeds as dots."""
    lines = (
        ("carry and add", BLUE, "o"),
        ("signal over skips", VERMILION, "s"),
        ("re-used share", GREEN, "^"),
        ("test score", INK, "D"),
    )
    settings = [setting for setting in DIAL if f"{task}, {setting}" in measured]
    for name, colour, marker in lines:
        values = [column(measured[f"{task}, {setting}"], name) for setting in settings]
        axes.plot(
            [median(seeds) for seeds in values],
            color=colour,
            marker=marker,
            markersize=4,
            linewidth=1.2,
            label=name,
        )
        for x, seeds in enumerate(values):
            axes.plot([x] * len(seeds), seeds, ".", color=colour, markersize=2.5, alpha=0.6)

    axes.axvline(settings.index(NO_PRICE), color=GREY, linewidth=0.7, linestyle=":")
    axes.set_xticks(range(len(settings)), settings, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_ylim(-0.03, 1.03)
    axes.set_title(f"{task} (median; dots: seeds)", fontsize=FONT + 1)
    plain_axes(axes)


def _paths(measured: Measured) -> Figure:
    """Mean distribution over the seeds at the two ends."""
    figure = new_figure(6.8, 4.4)
    rows = figure.subplots(2, len(TASKS), sharey="row")
    kinds = (
        ("weighted steps", "steps with a weight on the path"),
        ("path depths", "nonlinear nodes on the path"),
    )

    for row, (name, label) in zip(rows, kinds, strict=True):
        for axes, task in zip(row, TASKS, strict=True):
            _draw_paths(axes, task, name, measured)
            axes.set_title(task, fontsize=FONT + 1)
            axes.set_xlabel(label)
            plain_axes(axes)
        row[0].set_ylabel("share of the flow")
    rows[0][0].legend(fontsize=FONT - 1, frameon=False)
    return figure


def _draw_paths(axes: Axes, task: str, name: str, measured: Measured) -> None:
    """Bars of both ends beside each other."""
    ends = ((-0.2, FREE, "carrying free", ORANGE), (0.2, DEAR, "carrying priced", SKY))
    # The mean over seeds of a distribution is a distribution again.
    for shift, setting, label, colour in ends:
        shares = np.mean(column(measured[f"{task}, {setting}"], name), axis=0)
        axes.bar(
            np.arange(len(shares)) + shift,
            shares,
            0.4,
            color=colour,
            edgecolor=INK,
            linewidth=0.5,
            label=label,
        )
    axes.set_xticks(range(len(shares)))


def _cuts(measured: Measured) -> Figure:
    """Score of each seed at the free end: whole, without skips, and after random cuts."""
    figure = new_figure(6.0, 2.8)
    panels = figure.subplots(1, len(TASKS))
    for axes, task in zip(panels, TASKS, strict=True):
        rows = [row for row in measured[f"{task}, {FREE}"] if "whole" in row]
        _draw_cuts(axes, rows)
        axes.set_title(task, fontsize=FONT + 1)
        plain_axes(axes)

    figure.legend(
        *panels[-1].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3,
        fontsize=FONT,
        frameon=False,
    )
    return figure


def _draw_cuts(axes: Axes, rows: list[Row]) -> None:
    """The panel of one task; bars reach from 5 to 95 % of the random cuts."""
    x = np.arange(len(rows))
    whole = np.array(column(rows, "whole"))
    # QUANTILES of the score after random cuts, each (seeds,).
    little, middle, much = whole - np.array(column(rows, "random cuts")).reshape(-1, 3).T
    axes.plot(x, whole, "D", color=INK, markersize=4, label="whole")
    axes.errorbar(
        x - 0.12,
        middle,
        [middle - much, little - middle],
        fmt="o",
        color=GREY,
        markersize=4,
        label="as much cut at random",
    )

    without = whole - column(rows, "lost without skips")
    axes.plot(x + 0.12, without, "s", color=VERMILION, markersize=4, label="skips cut")
    axes.set(xlim=(-0.7, len(rows) - 0.3), xticks=x, xlabel="seed", ylabel="validation score")
