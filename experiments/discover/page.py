"""The page of a discovery: one HTML file, its figure drawn as SVG by the template."""

import math
from pathlib import Path
from typing import Any

from analysis.page import render
from experiments.discover.confirm import LEAST, LEVEL, Outcome
from experiments.discover.jobs import MOST_TESTED
from experiments.discover.result import Discovery
from experiments.discover.search import Point
from experiments.discover.words import points
from urn.data.tasks import Dataset
from urn.io import atomic_write, short

INDEX = "index.html"
"""The page, in the folder of the discovery."""

BOX = (60.0, 620.0, 290.0, 20.0)
"""Left, right, bottom and top of the plot, in units of the template's drawing."""

N_TICKS = 5
"""Along the scores. By judgement."""

RADII = {"search": 3.0, "last stage": 4.5, "confirmation": 6.0}
"""Of dots, in the same units. By judgement."""

FILLS = {
    "search": "var(--muted)",
    "last stage": "var(--negative)",
    "confirmation": "var(--positive)",
}
"""Colours of the shell, which are others in the dark."""


def write_page(folder: Path, name: str, data: Dataset, discovery: Discovery) -> Path:
    """Write index.html into the folder of a discovery; returns its path."""
    sizes = discovery.sizes
    text = render(
        "discover.html",
        package="experiments",
        name=name,
        text=discovery.text,
        seeds=sizes.seeds,
        n_tested=min(MOST_TESTED, len(data.test[1])),
        score_name="R2" if data.kind == "regression" else "accuracy",
        level=LEVEL,
        least=points(LEAST),
        dials=[_row(outcome) for outcome in discovery.outcomes],
        plot=plot(discovery.points, discovery.front),
        front=discovery.front,
        arm=discovery.arm,
        summary=discovery.report.summary,
        chosen_score=f"{discovery.score:.4f}",
        chosen_steps=discovery.config.steps,
        config=discovery.config.to_toml(),
        hidden=sizes.hidden,
        channels=sizes.channels,
        steps=sizes.steps,
    )
    atomic_write(folder / INDEX, text.encode(errors="replace"))
    return folder / INDEX


def plot(every: list[Point], front: list[Point]) -> dict[str, Any]:
    """Where dots, line and ticks of the plot are, weights on a logarithmic axis.

    Scores below 0, of regressions that failed, are drawn at 0.
    """
    left, right, bottom, top = BOX
    # Weights span decades, so their axis is logarithmic; what diverged has no place on the plot.
    every = [point for point in every if math.isfinite(point.accuracy)]
    decades = [math.log10(max(1.0, point.weights)) for point in every] or [0.0]
    first = math.floor(min(decades))
    last = max(first + 1, math.ceil(max(decades)))
    heights = [max(0.0, point.accuracy) for point in every] or [0.0]
    low = math.floor(10 * min(heights)) / 10
    high = max(low + 0.1, math.ceil(10 * max(heights)) / 10)

    def x(weights: float) -> float:
        share = (math.log10(max(1.0, weights)) - first) / (last - first)
        return round(left + (right - left) * share, 1)

    def y(score: float) -> float:
        return round(bottom + (top - bottom) * (max(score, low) - low) / (high - low), 1)

    # Large dots are drawn last, so that none is hidden.
    dots = [_dot(point, x, y) for point in sorted(every, key=lambda p: RADII[p.stage])]
    ticks = [low + (high - low) * k / (N_TICKS - 1) for k in range(N_TICKS)]
    return {
        "x_ticks": [(x(10.0**n), f"{10**n:,}") for n in range(first, last + 1)],
        "y_ticks": [(y(tick), short(tick)) for tick in ticks],
        "line": " ".join(f"{x(p.weights)},{y(p.accuracy)}" for p in front),
        "dots": dots,
    }


def _dot(point: Point, x: Any, y: Any) -> dict[str, Any]:
    return {
        "x": x(point.weights),
        "y": y(point.accuracy),
        "r": RADII[point.stage],
        "fill": FILLS[point.stage],
        "title": f"{point.arm}: {point.accuracy:.4f} with {point.weights:,.0f} weights",
    }


def _row(outcome: Outcome) -> dict[str, Any]:
    """A row of the table of dials."""
    gain = outcome.gain
    return {
        "name": outcome.dial.name,
        "pays": outcome.pays,
        "points": points(gain.mean),
        "interval": f"{points(gain.low)} to {points(gain.high)}",
        "on": outcome.on,
        "off": outcome.off,
        "score_on": f"{outcome.score_on:.4f}",
        "score_off": f"{outcome.score_off:.4f}",
        "twin": outcome.dial.twin.replace("_", " "),
        "on_twin": "not trained" if outcome.on_twin is None else points(outcome.on_twin.mean),
        "p": f"{outcome.q:.2g}",
    }
