"""The page of one network, or of two side by side: verdicts, weights, graph and training under two
sliders, and what a network answers without some of its neurons.

Judges and reads nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.page.packing import packed, plain
from analysis.page.samples import Samples, pack_samples
from analysis.page.shell import render
from analysis.page.snapshots import MAX_EDGES, Snapshot, pack_snapshots

# Run once for every network, in this order: a script may use what those before it define.
EACH = (
    "state.js",
    "run.js",
    "matrix.js",
    "graph.js",
    "neuron.js",
    "charts.js",
    "verdicts.js",
    "silence.js",
    "groups.js",
)

# Run once a page, after the networks are defined.
SCRIPTS = ("report.js", "pair.js", "address.js", "save.js")

# What the two networks of a page are called. Their elements have these ids before their own.
LABELS = ("A", "B")


@dataclass(frozen=True, kw_only=True)
class Content:
    """All that a page shows of a network.

    Attributes
    ----------
    name : str
        Of the run.
    headline, lead : str
        What came out, in a few words and in a sentence.
    facts : dict of str to str
        {label: value}, the key figures.
    warning : str or None
        Shown on top when something went wrong.
    snapshots : sequence of Snapshot
        By step, at least one.
    n_inputs, n_outputs : int
        Sizes of the two ends.
    score_name : str
        What the score of levels and `validation_accuracy` of the history is.
    samples : Samples or None
        That the page runs the network on, with some neurons silenced; without them, it has no such
        control.
    input_positions : (n_inputs, dim) array or None
    history : sequence of dicts
        Rows with "step" and other numbers.
    strengths : sequence of dicts
        {"name", "text", "values"} of each term of the loss: its strength in words, and at every row
        of the history.
    tables : sequence of dicts
        {"title", "note", "columns", "rows"} to show below the verdicts, cells being texts.
    measures : dict of str to str
        {name: value} to show below the matrix.
    configuration : sequence of (str, str)
        (field, value) of the run.
    trained : bool
        Whether there was a training to show; False for a network from elsewhere.
    """

    name: str
    headline: str
    lead: str
    facts: Mapping[str, str]
    warning: str | None
    snapshots: Sequence[Snapshot]
    n_inputs: int
    n_outputs: int
    score_name: str
    samples: Samples | None = None
    input_positions: ArrayLike | None = None
    history: Sequence[Mapping[str, float]] = ()
    strengths: Sequence[Mapping[str, Any]] = ()
    tables: Sequence[Mapping[str, Any]] = ()
    measures: Mapping[str, str] | None = None
    configuration: Sequence[tuple[str, str]] = ()
    trained: bool = True


def report_page(**fields: Any) -> str:
    """The report page as the text of one HTML file.

    Parameters
    ----------
    **fields
        Those of `Content`.
    """
    shown = _shown(Content(**fields), "")
    return _render("report.html", [shown], n_positions=shown["n_snapshots"])


def pair_page(left: Content, right: Content) -> str:
    """The page of two networks side by side, as the text of one HTML file.

    Parameters
    ----------
    left, right : Content
        They may differ in all that they hold, sizes included.
    """
    steps = {snapshot.step for content in (left, right) for snapshot in content.snapshots}
    return _render(
        "pair.html",
        [_shown(left, LABELS[0]), _shown(right, LABELS[1])],
        n_positions=len(steps),
        figures=list(_figures(left, right)),
        differing=list(_differing(left, right)),
    )


def _render(template: str, networks: list[dict[str, Any]], **values: Any) -> str:
    """A page of networks; no group of neurons has been pinned in it."""
    groups: list[list[Any]] = [[] for _ in networks]
    return render(template, each=EACH, scripts=SCRIPTS, networks=networks, groups=groups, **values)


def _shown(content: Content, label: str) -> dict[str, Any]:
    """What templates take of a network, its data for the scripts among it."""
    fields = {name: getattr(content, name) for name in vars(content) if name != "snapshots"}
    return fields | {
        "label": label,
        "prefix": f"{label.lower()}-" if label else "",
        "n_snapshots": len(content.snapshots),
        "measures": content.measures or {},
        "data": _data(content, label),
    }


def _data(content: Content, label: str) -> dict[str, Any]:
    """Plain JSON types for the scripts."""
    samples = None if content.samples is None else content.samples.stored()
    ends = (content.n_inputs, content.n_outputs)
    return {
        **pack_snapshots(content.snapshots, *ends, runs=samples is not None),
        "label": label,
        "n_inputs": content.n_inputs,
        "n_outputs": content.n_outputs,
        "n_neurons": len(content.snapshots[0].weights),
        "max_edges": MAX_EDGES,
        "score_name": content.score_name,
        "samples": None if samples is None else pack_samples(samples),
        "input_positions": _pack_positions(content.input_positions),
        "history": plain(_columns(content.history)),
        "strengths": plain(list(content.strengths)),
    }


def _pack_positions(positions: ArrayLike | None) -> dict[str, Any] | None:
    """Positions (n, dim) for the scripts, with their dimension."""
    if positions is None:
        return None
    array = np.asarray(positions, dtype=float)
    return {"dim": array.shape[1], **packed(array, "f4")}


def _columns(history: Sequence[Mapping[str, float]]) -> dict[str, list[float | None]]:
    """{name: values} of the rows; None where a row has no such value."""
    names = history[0] if history else ()
    return {name: [row.get(name) for row in history] for name in names}


# ---- two networks


def _figures(left: Content, right: Content) -> Iterator[list[str]]:
    """Rows of the key figures and measures of both, with differences of those that are numbers."""
    ours = {**left.facts, **(left.measures or {})}
    theirs = {**right.facts, **(right.measures or {})}
    for name in dict.fromkeys([*ours, *theirs]):
        a = ours.get(name, "–")
        b = theirs.get(name, "–")
        yield [name, a, b, _difference(a, b)]


def _difference(a: str, b: str) -> str:
    """The second number less the first, as they are shown; nothing where one is no number."""
    try:
        difference = float(b.replace(",", "")) - float(a.replace(",", ""))
    except ValueError:
        return ""
    # Differences of numbers that are shown rounded have noise in their last digits.
    text = f"{round(difference, 6):+,.6g}"
    return text.replace("-", "−") if round(difference, 6) else "0"


def _differing(left: Content, right: Content) -> Iterator[list[str]]:
    """Rows of what was set otherwise: fields of the configuration, and strengths."""
    ours = _settings(left)
    theirs = _settings(right)
    for name in dict.fromkeys([*ours, *theirs]):
        a = ours.get(name, "–")
        b = theirs.get(name, "–")
        if a != b:
            yield [name, a, b]


def _settings(content: Content) -> dict[str, str]:
    """{name: value} of all that was set."""
    terms = {f"strength of {term['name']}": str(term["text"]) for term in content.strengths}
    return dict(content.configuration) | terms
