"""The report page of a run: its snapshots judged in turn, each cut down to its strongest weights.

Draws nothing itself.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from analysis.causal import score
from analysis.forward import forward
from analysis.network import Floats, core, flat_network
from analysis.page import Content, Level, Samples, Snapshot, pair_page, report_page
from analysis.threshold import cut as cut_off
from experiments.commands.inspection import Inspection
from experiments.commands.judging import arrays, judge
from urn import Run
from urn.settings.schedules import Schedule

# On the training slider. By judgement: more of them show nothing that these do not.
MAX_SNAPSHOTS = 16

# Shares of the weights on the slider of the strongest. By judgement: finer where structure goes.
KEPT = (0.8, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05)

# Weights. By judgement: a network that holds more is drawn but not judged while it trains.
MAX_JUDGED = 30_000

# From each null model, for all but the network of the end: the fewest that give p < 0.01.
N_DRAWS = 200

# The warning of a run that went well and has no structure.
NO_PATH = (
    "No path of weights that carries anything leads from an input to an output in the iterations "
    "there are."
)

# The warning of a run that learned nothing.
AT_CHANCE = "No better than chance on the validation data: what shape the network has says nothing."

# The warning of a run that did not end as it should, by its status.
STATUS = {
    "disconnected": "No path of weights leads from an input to an output: the strengths were too "
    "high.",
    "diverged": "Training diverged (NaN or Inf came up). The last snapshot holds the last good "
    "weights.",
    "interrupted": "Training was interrupted. The last snapshot is where it stopped.",
}


def page(inspected: Inspection, structure: dict[str, Any]) -> str:
    """The page, as the text of one HTML file.

    Parameters
    ----------
    inspected : Inspection
    structure : dict
        What `urn inspect` wrote to structure.json.
    """
    return report_page(**vars(_content(inspected, structure)))


def page_of_two(
    left: tuple[Inspection, dict[str, Any]], right: tuple[Inspection, dict[str, Any]]
) -> str:
    """The page of two runs side by side, as the text of one HTML file.

    Parameters
    ----------
    left, right : pair of Inspection and dict
        A run, and what `urn inspect` wrote to its structure.json.
    """
    return pair_page(_content(*left), _content(*right))


def _content(inspected: Inspection, structure: dict[str, Any]) -> Content:
    """All that a page shows of a run."""
    run = inspected.run
    positions = inspected.data.positions

    return Content(
        name=structure["run"],
        headline=inspected.report.summary,
        lead=_lead(inspected),
        facts=_facts(inspected),
        warning=_warning(inspected),
        snapshots=_snapshots(inspected),
        n_inputs=inspected.data.n_inputs,
        n_outputs=inspected.data.n_outputs,
        score_name=f"validation {inspected.score_name}",
        samples=_samples(inspected),
        input_positions=None if positions is None else positions.numpy(),
        history=run.history,
        strengths=_strengths(run),
        tables=list(_tables(inspected, structure)),
        measures=_measures(inspected, structure),
        configuration=_configuration(run),
    )


def _warning(inspected: Inspection) -> str | None:
    """What to know before any number on the page."""
    if inspected.run.status in STATUS:
        return STATUS[inspected.run.status]
    if inspected.report.status != "ok":
        return NO_PATH
    return None if inspected.learned else AT_CHANCE


def _samples(inspected: Inspection) -> Samples:
    """Validation samples for the page: those that it scores, or streams of symbols."""
    run = inspected.run
    inputs, targets = inspected.inputs, inspected.targets
    if inputs is None or targets is None:
        inputs, targets = (part.numpy() for part in inspected.data.validation)
    return Samples(inputs, targets, run.config.n_iterations, run.config.activation, run.input_mode)


def _snapshots(inspected: Inspection) -> list[Snapshot]:
    """Snapshots evenly over training, and the end."""
    run = inspected.run
    # The last snapshot may be the end itself, which comes in its own right.
    before = [snapshot for snapshot in run.snapshots if snapshot.step < run.steps_done]
    even = np.linspace(0, len(before) - 1, min(len(before), MAX_SNAPSHOTS - 1))
    runs = [
        replace(
            run,
            weights=before[k].weights,
            biases=before[k].biases,
            positions=before[k].positions,
            steps_done=before[k].step,
        )
        for k in np.unique(even.round().astype(int))
    ]

    console = Console(stderr=True)
    hidden = not console.is_terminal
    steps: Sequence[Run] | Any = track(
        runs, "judging snapshots", console=console, transient=True, disable=hidden
    )
    return [*(_snapshot(inspected, earlier) for earlier in steps), _snapshot(inspected, run)]


def _snapshot(inspected: Inspection, run: Run) -> Snapshot:
    """The run at a snapshot, or at its end."""
    W, b, positions = arrays(run)
    activity = None
    if inspected.inputs is not None:
        # Mean of |N| over samples, (I + 1, S): what the page shows of a neuron at each iteration.
        trace = forward(flat_network(W, b, **_modes(inspected)), inspected.inputs)
        activity = np.abs(trace.activity).mean(axis=1)
    levels = list(_levels(inspected, run, W, b))
    return Snapshot(run.steps_done, W, b, positions, activity, levels)


def _levels(inspected: Inspection, run: Run, W: Floats, b: Floats) -> Iterator[Level]:
    """All weights, then ever fewer of the strongest.

    The end is judged with each of these, an earlier step with the first that are few enough: to
    judge all took three quarters of the time of a page.
    """
    is_end = run is inspected.run
    judge_at = partial(judge, run, inspected.data, N_DRAWS, inspected.seed, sweep=False)

    # The end has been judged already, with all draws; earlier networks get fewer.
    size = np.sort(np.abs(W[W != 0]))[::-1]
    whole = inspected.report if is_end else None
    if whole is None and len(size) <= MAX_JUDGED:
        whole = judge_at()
    threshold = whole.threshold.value if whole else 0.0
    total = int((size > threshold).sum())
    yield Level(threshold, total, whole, _score(inspected, W, b, threshold))

    kept = total
    judged = whole is not None
    for share in KEPT:
        # The threshold is the size of the first weight that goes: weights up to it count as zero.
        rank = int(np.ceil(share * total))
        if not 0 < rank < len(size):
            continue
        threshold = float(size[rank])
        fewer = int((size > threshold).sum())  # weights of the same size go together
        if not 0 < fewer < kept:
            continue

        kept = fewer
        report = None
        # A step whose whole network has been judged is not judged again.
        if kept <= MAX_JUDGED and (is_end or not judged):
            report = judge_at(threshold=threshold)
            judged = True
        yield Level(threshold, kept, report, _score(inspected, W, b, threshold))


def _score(inspected: Inspection, W: Floats, b: Floats, threshold: float) -> float | None:
    """The score with the weights above a threshold; None for symbol streams."""
    if inspected.inputs is None:
        return None
    assert inspected.targets is not None  # they come with the inputs
    net, _ = core(flat_network(cut_off(W, threshold), b, **_modes(inspected)))
    return score(forward(net, inspected.inputs).outputs, inspected.targets)


def _modes(inspected: Inspection) -> dict[str, Any]:
    """How the matrix is applied, as `flat_network` takes it."""
    config = inspected.run.config
    return {
        "n_inputs": inspected.data.n_inputs,
        "n_outputs": inspected.data.n_outputs,
        "n_iterations": config.n_iterations,
        "input_mode": inspected.run.input_mode,
        "activation": config.activation,
    }


def _lead(inspected: Inspection) -> str:
    """The network in a sentence, and what of it is used."""
    config = inspected.run.config
    report = inspected.report
    matrix = f"One flat matrix of {config.n_neurons:,} neurons, applied {config.n_iterations} times"
    if report.status != "ok":
        return f"{matrix}: nothing that enters it comes out."

    n_hidden = len(report.layer_of) - report.n_inputs - report.n_outputs
    layers = f"{report.depth} layer{'s' if report.depth != 1 else ''}"
    return (
        f"{matrix}. Used at the end: {n_hidden} hidden neurons in {layers}, "
        f"{report.n_used_weights:,} weights."
    )


def _facts(inspected: Inspection) -> dict[str, str]:
    """The key figures."""
    run = inspected.run
    report = inspected.report
    accuracy = "none" if np.isnan(run.test_accuracy) else f"{run.test_accuracy:.4f}"
    facts = {
        "task": run.config.task,
        f"test {inspected.score_name}": accuracy,
        "steps": f"{run.steps_done:,} of {run.config.steps:,}",
        "iterations": str(run.config.n_iterations),
        "depth": str(report.depth),
        "used weights": f"{report.n_used_weights:,}",
    }

    noise = report.threshold
    if noise.dropped:
        share = f"{noise.dropped_mass:.0%} of sum |W|"
        facts["weights cut as noise"] = f"{noise.dropped:,} ({share})"
    return facts


def _strengths(run: Run) -> list[dict[str, Any]]:
    """The strength of each term, in words and at every row of the history."""
    # A row of the history is written after its step, and schedules count steps from 0.
    n_steps = run.config.steps
    return [
        {
            "name": name,
            "text": _schedule(schedule),
            "values": [schedule.at(int(row["step"]) - 1, n_steps) for row in run.history],
        }
        for name, schedule in run.config.strengths.items()
    ]


def _schedule(schedule: Schedule) -> str:
    """A strength over time, in words."""
    text = f"{schedule.value:g}"
    if schedule.warmup:
        text += f", rising over {schedule.warmup:,} steps"
    if schedule.milestones:
        shares = ", ".join(f"{milestone:.0%}" for milestone in schedule.milestones)
        text += f", × {schedule.factor:g} at {shares}"
    if schedule.moves:
        text += f", then turned {len(schedule.moves)} times, last to {schedule.moves[-1][1]:g}"
    return text


def _tables(inspected: Inspection, structure: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the lesions of `urn inspect` cost, and what the used graph alone keeps."""
    lesions = structure.get("lesions", {})
    if lesions.get("cuts"):
        yield _lesions(inspected, lesions)
    if lesions.get("faithfulness"):
        yield faithfulness_table(lesions["faithfulness"], inspected.score_name)


def _lesions(inspected: Inspection, lesions: dict[str, Any]) -> dict[str, Any]:
    """A row for each structure that was cut."""
    whole = lesions["score"]
    rows = []
    for cut in lesions["cuts"]:
        scores = cut["random_scores"]
        random = f"{whole - np.median(scores):.3f}" if scores else ""
        size = f"{cut['count']:,} {cut['kind']}"
        rows.append([cut["name"], size, f"{cut['lost']:.3f}", random])
    return {
        "title": "What the task needs, at the end",
        "note": f"Validation {inspected.score_name} lost when a structure is cut ({whole:.3f} "
        "before), next to random cuts of its size.",
        "columns": ["cut", "size", "lost", "random"],
        "rows": rows,
    }


def faithfulness_table(kept: dict[str, Any], score_name: str) -> dict[str, Any]:
    """What is left with only the used graph intact, as a table of the page.

    Parameters
    ----------
    kept : dict
        Of `Faithfulness.to_dict`.
    score_name : str
        What the task is scored by.
    """
    # From all edges to none: the graph has to be near the first, random ones near the last.
    at_random = float(np.median(kept["random_scores"]))
    n_edges = f"{kept['n_edges']:,}"
    rows = [
        [
            "the whole network",
            f"{kept['n_edges'] + kept['n_outside']:,}",
            f"{kept['whole']:.3f}",
        ],
        ["the used graph alone", n_edges, f"{kept['score']:.3f}"],
        ["as many edges at random", n_edges, f"{at_random:.3f}"],
        ["none: answers of other samples", "0", f"{kept['chance']:.3f}"],
    ]
    outside = "All else carries what it does on other samples."
    if not kept["n_outside"]:
        outside = "There is nothing outside the used graph."
    return {
        "title": "Is the used graph all that the task needs?",
        "note": f"Validation {score_name} with these edges intact. {outside}",
        "columns": ["intact", "edges", score_name],
        "rows": rows,
    }


def _measures(inspected: Inspection, structure: dict[str, Any]) -> dict[str, str]:
    """Measures that no verdict rests on."""
    numbers = structure.get("measures", {})
    measures = {name.replace("_", " "): f"{value:.3f}" for name, value in numbers.items()}
    if "random_mask" in structure:
        accuracy = structure["random_mask"]["test_accuracy"]
        measures[f"random mask, test {inspected.score_name}"] = f"{accuracy:.4f}"
    return measures


def _configuration(run: Run) -> list[tuple[str, str]]:
    """Fields and values of the run, strengths aside: they have a table of their own."""
    config = run.config.to_dict() | {"learning_rate": _schedule(run.config.learning_rate)}
    return [
        (key, value if isinstance(value, str) else json.dumps(value))
        for key, value in config.items()
        if key != "strengths"
    ]
