"""The report page of a run: its snapshots judged one by one, each cut down to its strongest weights. Draws nothing itself."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track

from analysis.causal import score
from analysis.forward import forward
from analysis.network import flat_network
from analysis.page import Level, Moment, report_page
from analysis.threshold import cut
from experiments.commands.judging import arrays, judge
from urn import Run

if TYPE_CHECKING:
    from experiments.commands.inspect import Inspection

MAX_MOMENTS = 16  # on the training slider
KEPT = (0.8, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05)  # shares of the weights on the slider of the strongest
MAX_JUDGED = 30_000  # weights: a network that holds more is drawn but not judged while it trains
DRAWS = 200  # from each null model, for all but the network of the end
SILENT = "No path of weights that carries anything leads from an input to an output in the iterations there are."
AT_CHANCE = "No better than chance on the validation data: what shape the network has says nothing."
STATUS = {
    "disconnected": "No path of weights leads from an input to an output: the strengths were too high.",
    "diverged": "Training diverged (NaN or Inf came up). The last moment holds the last good weights.",
    "interrupted": "Training was interrupted. The last moment is where it stopped.",
}


def page(seen: "Inspection", found: dict) -> str:
    """The page, as the text of one HTML file. `found` is what `urn inspect` wrote to structure.json."""
    run, report = seen.run, seen.report
    places = seen.data.positions
    return report_page(
        name=found["run"],
        headline=report.summary,
        lead=_lead(seen),
        facts=_facts(seen),
        warning=_warning(seen),
        moments=_moments(seen),
        **seen.sizes,
        score_name=f"validation {seen.score_name}",
        input_positions=None if places is None else places.numpy(),
        history=run.history,
        strengths=_strengths(run),
        tables=list(_tables(seen, found)),
        measures=_measures(seen, found),
        configuration=_configuration(run),
    )


def _warning(seen: "Inspection") -> str | None:
    """What to know before any number on the page."""
    if seen.run.status in STATUS:
        return STATUS[seen.run.status]
    if seen.report.status != "ok":
        return SILENT
    return None if seen.learned else AT_CHANCE


def _moments(seen: "Inspection") -> list[Moment]:
    """Snapshots evenly over training, and the end."""
    run = seen.run
    before = [moment for moment in run.snapshots if moment.step < run.steps_done]
    chosen = np.unique(
        np.linspace(0, len(before) - 1, min(len(before), MAX_MOMENTS - 1)).round().astype(int)
    )
    runs = [
        replace(
            run,
            weights=moment.weights,
            biases=moment.biases,
            positions=moment.positions,
            steps_done=moment.step,
        )
        for moment in (before[k] for k in chosen)
    ]
    console = Console(stderr=True)
    steps = track(
        runs, "judging snapshots", console=console, transient=True, disable=not console.is_terminal
    )
    return [*(_moment(seen, then) for then in steps), _moment(seen, run)]


def _moment(seen: "Inspection", run: Run) -> Moment:
    W, b, positions = arrays(run)
    activity = None
    if seen.inputs is not None:
        activity = np.abs(
            forward(flat_network(W, b, **_modes(seen)), seen.inputs).activity
        ).mean(axis=1)
    return Moment(run.steps_done, W, b, positions, activity, list(_levels(seen, run, W, b)))


def _levels(seen: "Inspection", run: Run, W: np.ndarray, b: np.ndarray) -> Iterator[Level]:
    """All weights, then ever fewer of the strongest."""
    size = np.sort(np.abs(W[W != 0]))[::-1]
    judged = len(size) <= MAX_JUDGED or run is seen.run
    whole = (
        seen.report
        if run is seen.run
        else judge(run, seen.data, DRAWS, seen.seed, sweep=False)
        if judged
        else None
    )
    threshold = whole.threshold.value if whole else 0.0
    total = kept = int((size > threshold).sum())
    yield Level(threshold, kept, whole, _score(seen, W, b, threshold))
    for share in KEPT:
        place = int(np.ceil(share * total))
        if not 0 < place < len(size):
            continue
        threshold = float(size[place])
        fewer = int((size > threshold).sum())  # weights of one size go together
        if 0 < fewer < kept:
            kept = fewer
            judged = kept <= MAX_JUDGED
            report = (
                judge(run, seen.data, DRAWS, seen.seed, threshold=threshold, sweep=False)
                if judged
                else None
            )
            yield Level(threshold, kept, report, _score(seen, W, b, threshold))


def _score(seen: "Inspection", W: np.ndarray, b: np.ndarray, threshold: float) -> float | None:
    if seen.inputs is None:
        return None
    net = flat_network(cut(W, threshold), b, **_modes(seen))
    return score(forward(net, seen.inputs).outputs, seen.targets)


def _modes(seen: "Inspection") -> dict:
    config = seen.run.config
    return {
        "n_inputs": seen.data.n_inputs,
        "n_outputs": seen.data.n_outputs,
        "n_iterations": config.n_iterations,
        "input_mode": config.input_mode,
        "activation": config.activation,
    }


def _lead(seen: "Inspection") -> str:
    run, report = seen.run, seen.report
    began = f"One flat matrix of {run.config.n_neurons:,} neurons, applied {run.config.n_iterations} times"
    if report.status != "ok":
        return f"{began}: nothing that enters it comes out."
    n_hidden = len(report.layer_of) - report.n_inputs - report.n_outputs
    layers = f"{report.depth} layer{'s' if report.depth != 1 else ''}"
    return f"{began}. What is in use now: {n_hidden} hidden neurons in {layers}, {report.n_used_weights:,} weights."


def _facts(seen: "Inspection") -> dict[str, str]:
    run, report = seen.run, seen.report
    facts = {
        "task": run.config.task,
        f"test {seen.score_name}": "none"
        if np.isnan(run.test_accuracy)
        else f"{run.test_accuracy:.4f}",
        "steps": f"{run.steps_done:,} of {run.config.steps:,}",
        "iterations": str(run.config.n_iterations),
        "depth": str(report.depth),
        "weights in use": f"{report.n_used_weights:,}",
    }
    if report.threshold.dropped:
        facts["weights cut as noise"] = (
            f"{report.threshold.dropped:,} ({report.threshold.dropped_mass:.0%} of sum |W|)"
        )
    return facts


def _strengths(run: Run) -> list[dict]:
    steps, n_steps = [row["step"] for row in run.history], run.config.steps
    return [
        {
            "name": name,
            "text": _schedule(schedule),
            "values": [schedule.at(step - 1, n_steps) for step in steps],
        }
        for name, schedule in run.config.strengths.items()
    ]


def _schedule(schedule) -> str:
    text = f"{schedule.value:g}"
    if schedule.warmup:
        text += f", rising over {schedule.warmup:,} steps"
    if schedule.milestones:
        text += f", × {schedule.factor:g} at " + ", ".join(
            f"{milestone:.0%}" for milestone in schedule.milestones
        )
    return text


def _tables(seen: "Inspection", found: dict) -> Iterator[dict]:
    """What the lesions of `urn inspect` cost."""
    cuts = found.get("lesions", {}).get("cuts", [])
    if cuts:
        whole = found["lesions"]["score"]
        rows = [
            [
                cut["name"],
                f"{cut['count']:,} {cut['kind']}",
                f"{cut['lost']:.3f}",
                f"{whole - np.median(cut['random_scores']):.3f}" if cut["random_scores"] else "",
            ]
            for cut in cuts
        ]
        note = f"Validation {seen.score_name} lost when a structure is cut ({whole:.3f} before), next to random cuts of its size."
        yield {
            "title": "What the task needs, at the end",
            "note": note,
            "columns": ["cut", "size", "lost", "random"],
            "rows": rows,
        }


def _measures(seen: "Inspection", found: dict) -> dict[str, str]:
    measures = {
        name.replace("_", " "): f"{value:.3f}" for name, value in found.get("measures", {}).items()
    }
    if "random_mask" in found:
        measures[f"random mask, test {seen.score_name}"] = (
            f"{found['random_mask']['test_accuracy']:.4f}"
        )
    return measures


def _configuration(run: Run) -> list[tuple[str, str]]:
    config = run.config.to_dict() | {"learning_rate": _schedule(run.config.learning_rate)}
    return [
        (key, value if isinstance(value, str) else json.dumps(value))
        for key, value in config.items()
        if key != "strengths"
    ]
