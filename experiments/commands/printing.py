"""What `urn inspect` prints in the terminal: the verdicts, and what was measured beside them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.census import TRIADS
from experiments.commands.inspection import Inspection
from experiments.commands.judging import verdict_table
from experiments.report import AT_CHANCE, faithfulness_table
from urn.io import short
from urn.provenance import changes


def print_inspection(inspection: Inspection, structure: dict[str, Any]) -> None:
    """Print the verdicts of an inspected run, given its structure.json."""
    console = Console()
    for k, line in enumerate(_headline(inspection)):
        console.print(Text(line, style="" if k else "bold"))
    console.print(verdict_table(inspection.report))
    for remark in inspection.report.remarks:
        console.print(Text(remark))
    if inspection.report.status != "ok":
        return

    if structure["lesions"]["cuts"]:
        console.print(_lesions(structure["lesions"]))
    if structure["lesions"]["faithfulness"]:
        console.print(_faithfulness(structure["lesions"]["faithfulness"], inspection.score_name))
    if "triads" in structure:
        console.print(_triads(structure["triads"]))
    measures = [f"{name} {value:.3f}" for name, value in structure["measures"].items()]
    console.print(Text("  ".join(measures)))
    if "random_mask" in structure:
        accuracy = structure["random_mask"]["test_accuracy"]
        console.print(
            Text(
                "random mask of equal density, trained for the task alone: "
                f"test {inspection.score_name} {accuracy:.4f}"
            )
        )


def _headline(inspection: Inspection) -> Iterator[str]:
    """Lines that stand above the table of verdicts."""
    run = inspection.run
    report = inspection.report
    yield report.summary
    if run.status != "ok":
        yield f"status {run.status} after {run.steps_done:,} of {run.config.steps:,} steps"

    if run.folder:
        yield from changes(run.folder)
    if report.status == "ok":
        if not inspection.learned:
            yield AT_CHANCE
        score = f"test {inspection.score_name} {run.test_accuracy:.4f}"
        yield f"depth {report.depth}, {report.n_used_weights:,} weights used, {score}"
    else:
        yield "no path of weights leads from an input to an output in the iterations there are"

    cut = report.threshold
    if cut.dropped:
        yield (
            f"weights up to {cut.value:.3g} count as zero: {cut.dropped:,} weights, "
            f"{cut.dropped_mass:.0%} of sum |W|"
        )


def _triads(triads: dict[str, Any]) -> Table:
    """A row for each kind of triad that the network or a null model has."""
    nulls = list(triads["nulls"])
    names = [name.replace("_", " ") for name in nulls]
    table = Table(
        "triad", "count", *names, title=f"triads, beside the mean of {triads['draws']} draws"
    )
    for k, triad in enumerate(TRIADS):
        columns = [triads["nulls"][name] for name in nulls]
        if not triads["counts"][k] and not any(column["mean"][k] for column in columns):
            continue
        cells = [f"{short(column['mean'][k])} (p {column['p'][k]:.2g})" for column in columns]
        table.add_row(triad, f"{triads['counts'][k]:,}", *cells)
    return table


def _faithfulness(kept: dict[str, Any], score_name: str) -> Table:
    """What is left with only the used graph intact."""
    content = faithfulness_table(kept, score_name)
    table = Table(*content["columns"], title=content["title"], caption=content["note"])
    for row in content["rows"]:
        table.add_row(*row)
    return table


def _lesions(structure: dict[str, Any]) -> Table:
    """A row for each structure that was cut."""
    score = structure["score"]
    names = ("cut", "how many", "score lost", "lost by random cuts")
    table = Table(*names, title=f"lesions, of {score:.3f}")
    for cut in structure["cuts"]:
        lost_at_random = ""
        if cut["random_scores"]:
            lost_at_random = f"{score - float(np.median(cut['random_scores'])):.3f}"
        count = f"{cut['count']} {cut['kind']}"
        table.add_row(cut["name"], count, f"{cut['lost']:.3f}", lost_at_random)
    return table
