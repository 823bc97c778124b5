"""One row of plain numbers from a run and its report."""

import numpy as np

from analysis import StructureReport
from experiments.commands.judging import judge, judged, learned
from experiments.sweeps.columns import EFFECTS
from urn import Run
from urn.data.tasks import Dataset

N_NULL = 200
"""Draws from each null model: the fewest with which a verdict can be reached."""
UNLEARNED = "nothing learned"
"""The architecture of a network at chance: what shape its remains have says nothing."""


def measure(run: Run, data: Dataset) -> tuple[dict, dict | None]:
    """The row of one trained network, without its seconds, and its whole report, both plain; what could not be measured is
    missing."""
    row = {
        "status": run.status,
        "architecture": run.status,
        "test_accuracy": finite(run.test_accuracy),
    }
    if run.history:
        last = run.history[-1]
        names = (
            "validation_accuracy",
            "loss",
            "living_neurons",
            "connections",
            *(name for name in last if name.startswith("R_")),
        )
        row |= {name: finite(last[name]) for name in names}
    if run.status in ("diverged", "interrupted") or not run.weights.any():
        return row, None
    report = judge(run, data, n_null=N_NULL)
    row |= structure(report)
    if report.status == "ok" and not learned(row.get("validation_accuracy"), data):
        row["architecture"] = UNLEARNED
    return row, report.to_dict()


def structure(report: StructureReport) -> dict:
    """What a report says, as columns."""
    if report.status != "ok":
        return {"status": report.status, "architecture": report.status, "summary": report.summary}
    n, shares = len(report.layer_of), report.path_depths
    around = np.arange(len(shares)) - report.effective_depth
    row = {
        "architecture": report.summary.rsplit(" ", 1)[0],
        "summary": report.summary,
        "used_neurons": n,
        "used_connections": report.n_used_weights,
        "density": report.n_used_weights / max(n * (n - 1), 1),
        "depth": report.depth,
        "widths": "-".join(map(str, report.widths)),
        "path_depth": report.effective_depth,
        "path_depth_spread": float(np.sqrt(shares @ around**2)),
    }
    for name, verdict in report.verdicts.items():
        p = None if verdict.p_value is None else float(verdict.p_value)
        effect = finite(verdict.effect) if judged(verdict) else None
        row |= {name: int(verdict.present), f"{name}_p": p, EFFECTS[name]: effect}
    return row


def finite(value: float | None) -> float | None:
    """A number, or nothing in place of NaN and Inf, which neither SQL nor JSON knows."""
    return None if value is None or not np.isfinite(value) else value
