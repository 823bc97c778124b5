"""One row of plain numbers from a run and its report."""

from typing import Any

import numpy as np

from analysis import StructureReport
from experiments.commands.judging import activity, judge, judged, learned
from experiments.sweeps.columns import EFFECTS, UNLEARNED
from urn import Run
from urn.data.tasks import Dataset
from urn.io import null_for_nan

N_DRAWS = 1000
"""Draws from each null model, as many as a report takes. A p that is doubled can then be 0.002, and
q be 0.01 where a fifth of the networks of a sweep have a structure; with 200, which a verdict alone
needs, nearly all had to have it. Measured: 0.3 to 0.4 s more for a network of digits, S = 150."""

Row = dict[str, Any]
"""Columns of a sweep, by name, with plain values."""


def measure(run: Run, data: Dataset) -> tuple[Row, dict | None]:
    """Measure one trained network.

    Parameters
    ----------
    run : Run
        The network, with its history.
    data : Dataset
        The data of its task.

    Returns
    -------
    row : dict
        Its columns, all but the seconds; what could not be measured is missing or None.
    report : dict or None
        The whole report as plain types; None where there is no structure to report.
    """
    row: Row = {
        "status": run.status,
        "architecture": run.status,
        "test_accuracy": null_for_nan(run.test_accuracy),
    }
    if run.history:
        row |= _last_of(run.history)

    if run.status in ("diverged", "interrupted") or not run.weights.any():
        return row, None

    # Weights may be finite where the answers overflow: then there is no signal to judge.
    if not _is_finite_on(run, data):
        return row | {"status": "diverged", "architecture": "diverged"}, None

    report = judge(run, data, n_null=N_DRAWS)
    row |= structure(report)
    if report.status == "ok" and not learned(row.get("validation_accuracy"), data):
        row["architecture"] = UNLEARNED
    return row, report.to_dict()


def _is_finite_on(run: Run, data: Dataset) -> bool:
    """Whether the network's answers to validation data are numbers."""
    if data.kind == "stream":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(activity(run, data)).all())


def _last_of(history: list[dict]) -> Row:
    """The columns that the last row of a history fills."""
    last = history[-1]
    terms = [name for name in last if name.startswith("R_")]
    names = ("validation_accuracy", "loss", "living_neurons", "connections", *terms)
    return {name: null_for_nan(last[name]) for name in names}


def structure(report: StructureReport) -> Row:
    """The columns that a report fills."""
    if report.status != "ok":
        return {"status": report.status, "architecture": report.status, "summary": report.summary}

    n = len(report.layer_of)
    shares = report.path_depths
    around = np.arange(len(shares)) - report.effective_depth
    row: Row = {
        "architecture": report.architecture,
        "summary": report.summary,
        "used_neurons": n,
        "used_connections": report.n_used_weights,
        "density": report.n_used_weights / max(n * (n - 1), 1),
        "depth": report.depth,
        "widths": "-".join(map(str, report.widths)),
        "path_depth": report.effective_depth,
        "path_depth_spread": float(np.sqrt(shares @ around**2)),
    }

    # Verdicts from outside the package have no columns; they are in the whole report.
    for name in EFFECTS:
        verdict = report.verdicts[name]
        p = None if verdict.p_value is None else float(verdict.p_value)
        effect = null_for_nan(verdict.effect) if judged(verdict) else None
        row |= {name: int(verdict.present), f"{name}_p": p, EFFECTS[name]: effect}
    return row
