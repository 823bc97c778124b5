"""The strengths of every kind of network, by successive halving on validation data."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from experiments.discover.batches import Batches
from experiments.discover.dials import Arm, Strengths
from experiments.discover.jobs import Batch
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
        Where it was trained: "search", "confirmation" or "last stage".
    accuracy : float
        On validation data.
    weights : float
    """

    arm: str
    stage: str
    accuracy: float
    weights: float


Observer = Callable[[str, list[Point]], object]
"""Is told of every batch: what it was, and all networks so far."""


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
    observer: Observer,
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
        jobs = {arm.name: batches.search(arm, left[arm.name], sizing.sizes, k) for arm in arms}
        trained = batches.train(jobs, watcher(observer, f"search, {steps} steps", "search", points))
        for arm in arms:
            batch = trained[arm.name]
            tried = left[arm.name]
            # The best comes first; of those alike, the one with the fewest weights.
            order = sorted(range(len(tried)), key=partial(rank, batch), reverse=True)

            # A later rung, of longer trainings, overwrites what an earlier one said.
            first = order[0]
            accuracy = float(batch.validation[first])
            best[arm.name] = Best(tried[first], accuracy, float(batch.weights[first]))
            left[arm.name] = [tried[i] for i in order[: math.ceil(len(tried) / 2)]]
            points += points_of(arm.name, "search", batch)
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


def watcher(
    observer: Observer, title: str, stage: str, points: list[Point]
) -> Callable[[str, Batch], None]:
    """What tells an observer of the batch of a kind, and of all networks so far."""
    so_far = list(points)

    def each(arm: str, batch: Batch) -> None:
        so_far.extend(points_of(arm, stage, batch))
        observer(f"{title}: {arm}", so_far)

    return each


def points_of(arm: str, stage: str, batch: Batch) -> list[Point]:
    """The networks of a batch on the plane."""
    figures = zip(batch.validation.tolist(), batch.weights.tolist(), strict=True)
    return [Point(arm, stage, accuracy, weights) for accuracy, weights in figures]
