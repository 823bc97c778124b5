"""The last stage: the kind that was chosen is trained for longer, and the best of it is kept.

The search picks strengths after few steps, when a high price may still help. So all of them are
tried again with as many steps as there is time for, beside the network of the confirmation. Test
data say nothing here: validation samples do.
"""

import math

import numpy as np

from experiments.discover.batches import Batches
from experiments.discover.dials import Arm
from experiments.discover.search import Best, Observer, Point, points_of, watcher
from experiments.discover.sizes import Sizing
from urn import TrainConfig


def finish(
    arm: Arm, best: Best, batches: Batches, sizing: Sizing, points: list[Point], observer: Observer
) -> tuple[TrainConfig, list[Point]]:
    """The configuration to keep, and all networks that were trained to find it.

    Parameters
    ----------
    arm : Arm
        The kind that was chosen.
    best : Best
        The strengths that it was confirmed with.
    batches : Batches
    sizing : Sizing
    points : list of Point
        All networks so far, for the observer.
    observer : callable
    """
    # The network that is kept is trained once more, on its own, in its folder.
    n = batches.n_processes
    n_rounds = math.ceil(len(arm.strengths) / n) + 1
    steps = sizing.last(arm, n_rounds, batches.per_work() * n, batches.spent)
    members = [(strengths, steps) for strengths in arm.strengths]
    # What was confirmed may be best as it is: more steps can fit noise.
    members.append((best.strengths, sizing.sizes.steps))
    jobs = {
        k: batches.candidate(arm, strengths, sizing.sizes, n_steps, k)
        for k, (strengths, n_steps) in enumerate(members)
    }
    watch = watcher(observer, f"last stage, {steps} steps", "last stage", points)
    trained = batches.train(jobs, lambda k, batch: watch(arm.name, batch))

    # The first seed of the confirmation stands for all: it is the one that is kept.
    scores, validation, weights = (
        np.concatenate([getattr(batch, name) for batch in trained.values()])
        for name in ("scores", "validation", "weights")
    )
    kept = pick(scores, weights, np.isfinite(validation))
    config = jobs[kept].configs[0]
    return config, [
        point for batch in trained.values() for point in points_of(arm.name, "last stage", batch)
    ]


def pick(scores: np.ndarray, weights: np.ndarray, is_whole: np.ndarray) -> int:
    """Of the networks within a standard error of the best, the one with the fewest weights.

    Parameters
    ----------
    scores : ndarray
        `(K, n)`, what each validation sample brings to the score of each network. The error is that
        of the difference to the best, sample by sample (Breiman et al. 1984, in pairs).
    weights : ndarray
        `(K,)`.
    is_whole : ndarray
        `(K,)` bool, False for what diverged: that is never kept while there is another.
    """
    (numbers,) = np.nonzero(is_whole)
    if not len(numbers):
        return 0
    scores = scores[numbers]
    behind = scores[scores.mean(1).argmax()] - scores
    error = behind.std(1, ddof=1) / behind.shape[1] ** 0.5
    good = numbers[behind.mean(1) <= error]
    return int(good[weights[good].argmin()])
