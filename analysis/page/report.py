"""The page of one network: its verdicts, weights, graph and training under two sliders. Judges and reads nothing."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.page.moments import MAX_EDGES, Moment, pack_moments
from analysis.page.packing import packed, plain
from analysis.page.shell import render

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
    moments: Sequence[Moment],
    n_inputs: int,
    n_outputs: int,
    score_name: str,
    input_positions=None,
    history: Sequence[Mapping[str, float]] = (),
    strengths: Sequence[Mapping] = (),
    tables: Sequence[Mapping] = (),
    measures: Mapping[str, str] | None = None,
    configuration: Sequence[tuple[str, str]] = (),
) -> str:
    """The report page as the text of one HTML file.

    Parameters
    ----------
    name : of the run. headline, lead : what came out, in a few words and in a sentence.
    facts : {label: value}, the key figures.
    warning : shown on top when something went wrong, else None.
    moments : `Moment`s by step, at least one. n_inputs, n_outputs : sizes of the two ends.
    score_name : what the score of levels and `validation_accuracy` of the history is.
    input_positions : (n_inputs, dim) places of the inputs, or None.
    history : rows with "step" and other numbers.
    strengths : {"name", "text", "values"} of each regulariser, its strength at every row of the history.
    tables : {"title", "note", "columns", "rows"} to show below the verdicts, cells being texts.
    measures : {name: value} to show below the matrix. configuration : (field, value) of the run.
    """
    places = None if input_positions is None else np.asarray(input_positions, dtype=float)
    data = {
        **pack_moments(moments, n_inputs, n_outputs),
        "n_inputs": n_inputs,
        "n_outputs": n_outputs,
        "n_neurons": len(moments[0].weights),
        "max_edges": MAX_EDGES,
        "score_name": score_name,
        "input_positions": None
        if places is None
        else {"dim": places.shape[1], **packed(places, "f4")},
        "history": plain(
            {key: [row.get(key) for row in history] for key in (history[0] if history else ())}
        ),
        "strengths": plain(list(strengths)),
    }
    texts = {"name": name, "headline": headline, "lead": lead, "facts": facts, "warning": warning}
    lists = {"tables": tables, "measures": measures or {}, "configuration": configuration}
    return render(
        "report.html", scripts=SCRIPTS, data=data, n_moments=len(moments), **texts, **lists
    )
