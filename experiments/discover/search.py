"""The strengths of every kind of network, by successive halving on validation data."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from experiments.discover.batches import Batch, Batches
from experiments.discover.dials import Arm, Strengths
from experiments.discover.sizes import RUNGS, Sizing

DIGITS = 2
"""Of a score that is compared: of those alike to a point, fewer weights win. By judgement."""


@dataclass(frozen=True)
class Point:
    """A network, or the mean of several, on the plane of accuracy against weights.

    Attributes
    ----------
    arm : str
    stage : str
        Where it was trained: "search" or "confirmation".
    accuracy : float
        On validation data.
    weights : float
    """

    arm: str
    stage: str
    accuracy: float
    weights: float


@dataclass(frozen=True)
class Best:
    """What the search says of an arm."""

    strengths: Strengths
    accuracy: float
    weights: float


def search(
    arms: Iterable[Arm],
    batches: Batches,
    sizing: Sizing,
    observer: Callable[[str, list[Point]], object],
) -> tuple[dict[str, Best], list[Point]]:
    """Try all strengths with few steps, and the better half of every kind with more.

    Halving is within a kind: what learns slowly, as shared weights do, is not held against others.

    Parameters
    ----------
    arms : iterable of Arm
    batches : Batches
    sizing : Sizing
        Says how many steps there is time for.
    observer : callable
        Told of every batch: what it was, and all networks so far.

    Returns
    -------
    best : dict
        {arm: Best}.
    points : list of Point
        Every network that was tried.
    """
    arms = list(arms)
    best = {}
    points: list[Point] = []
    left = {arm.name: list(arm.strengths) for arm in arms}
    for k in range(len(RUNGS)):
        steps = sizing.rung(k, batches.per_work, batches.spent)
        for arm in arms:
            tried = left[arm.name]
            batch = batches.search(arm, tried, sizing.sizes, k)
            # The best comes first; of those alike, the one with the fewest weights.
            order = sorted(range(len(tried)), key=lambda i, b=batch: rank(b, i), reverse=True)

            # A later rung, of longer trainings, overwrites what an earlier one said.
            first = order[0]
            accuracy = float(batch.validation[first])
            best[arm.name] = Best(tried[first], accuracy, float(batch.weights[first]))
            left[arm.name] = [tried[i] for i in order[: math.ceil(len(tried) / 2)]]
            points += _points(arm, batch)
            observer(f"search, {steps} steps: {arm.name}", points)
    return best, points


def rank(batch: Batch, k: int) -> tuple[float, float]:
    """What networks are sorted by: score, then how few weights."""
    return round(float(batch.validation[k]), DIGITS), -float(batch.weights[k])


def front(points: Iterable[Point]) -> list[Point]:
    """Those that no other beats in accuracy with as few weights, fewest weights first (Pareto)."""
    # From few weights to many, a point belongs to the front where it is better than all before.
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.weights, -point.accuracy)):
        if not kept or point.accuracy > kept[-1].accuracy:
            kept.append(point)
    return kept


def _points(arm: Arm, batch: Batch) -> list[Point]:
    figures = zip(batch.validation.tolist(), batch.weights.tolist(), strict=True)
    return [Point(arm.name, "search", accuracy, weights) for accuracy, weights in figures]
