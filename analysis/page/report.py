"""The page of one network: its verdicts, weights, graph and training under two sliders.

Judges and reads nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.page.packing import packed, plain
from analysis.page.shell import render
from analysis.page.snapshots import MAX_EDGES, Snapshot, pack_snapshots

# In the order they run: a script may use what those before it define.
SCRIPTS = (
    "state.js",
    "matrix.js",
    "graph.js",
    "neuron.js",
    "charts.js",
    "verdicts.js",
    "report.js",
)


def report_page(
    *,
    name: str,
    headline: str,
    lead: str,
    facts: Mapping[str, str],
    warning: str | None,
    snapshots: Sequence[Snapshot],
    n_inputs: int,
    n_outputs: int,
    score_name: str,
    input_positions: ArrayLike | None = None,
    history: Sequence[Mapping[str, float]] = (),
    strengths: Sequence[Mapping[str, Any]] = (),
    tables: Sequence[Mapping[str, Any]] = (),
    measures: Mapping[str, str] | None = None,
    configuration: Sequence[tuple[str, str]] = (),
    trained: bool = True,
) -> str:
    """The report page as the text of one HTML file.

    Parameters
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
    input_positions : (n_inputs, dim) array or None
    history : sequence of dicts
        Rows with "step" and other numbers.
    strengths : sequence of dicts
        {"name", "text", "values"} of each term of the loss: its strength in words, and at every row
        of the history.
    tables : sequence of dicts
        {"title", "note", "columns", "rows"} to show below the verdicts, cells being texts.
    measures : dict of str to str, or None
        {name: value} to show below the matrix.
    configuration : sequence of (str, str)
        (field, value) of the run.
    trained : bool
        Whether there was a training to show; False for a network from elsewhere.
    """
    data = {
        **pack_snapshots(snapshots, n_inputs, n_outputs),
        "n_inputs": n_inputs,
        "n_outputs": n_outputs,
        "n_neurons": len(snapshots[0].weights),
        "max_edges": MAX_EDGES,
        "score_name": score_name,
        "input_positions": _pack_positions(input_positions),
        "history": plain(_columns(history)),
        "strengths": plain(list(strengths)),
    }

    return render(
        "report.html",
        scripts=SCRIPTS,
        data=data,
        n_snapshots=len(snapshots),
        name=name,
        headline=headline,
        lead=lead,
        facts=facts,
        warning=warning,
        tables=tables,
        measures=measures or {},
        configuration=configuration,
        trained=trained,
    )


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
