"""What every dial brings: the same pair of networks, with it and without it, tested.

Seeds are fresh and test samples were never looked at. Where a dial brings something, the pair is
trained again on its null twin, and what it brings there is taken off.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.discover.batches import Batches
from experiments.discover.dials import Arm, Dial
from experiments.discover.differences import Difference, difference, holm
from experiments.discover.jobs import Batch, constant_scores
from experiments.discover.search import Best, Observer, Point
from experiments.discover.sizes import Sizes
from urn.data.twins import Kind

LEVEL = 0.01
"""p, corrected for the number of dials, below which a dial pays. By judgement: stricter than the
usual 0.05, for people build on the answer."""

LEAST = 0.005
"""Of a score, half a point: the lower end of the interval must be above it. By judgement."""

WORTH_A_TWIN = 0.05
"""p of the pair on the data up to which its twin is trained: above it, no twin could change the
answer."""

MOST_ON_TWIN = 1 / 3
"""Of what a dial brings, the part that it may bring on the twin too. As in the claim on fields."""


Key = tuple[str, Kind | None]
"""The name of an arm, and the twin that it is trained on, None for the data."""

Trained = dict[Key, Batch]
"""Batches with fresh seeds."""


@dataclass(frozen=True)
class Outcome:
    """What a dial brings.

    Attributes
    ----------
    dial : Dial
    on, off : str
        The arms that were compared.
    score_on, score_off : float
        Test scores, means over seeds.
    gain : Difference
        On the data.
    learned : Difference
        Of the arm with the dial, against the best constant answer.
    on_twin : Difference or None
        On the twin; None where it was not trained.
    beyond : Difference or None
        What the dial brings on the data beyond what it brings on the twin.
    p : float
        That of the test that is worst passed: all must be.
    q : float
        p corrected for the number of dials.
    """

    dial: Dial
    on: str
    off: str
    score_on: float
    score_off: float
    gain: Difference
    learned: Difference
    on_twin: Difference | None
    beyond: Difference | None
    p: float
    q: float

    @property
    def pays(self) -> bool:
        """Whether the data ask for it."""
        # Without a twin there was no gain to explain.
        if self.on_twin is None or self.beyond is None:
            return False
        # The twin may show no more than a part, and all three differences must point upwards.
        is_theirs = self.on_twin.mean <= MOST_ON_TWIN * self.gain.mean
        is_large = min(self.gain.low, self.beyond.low) > LEAST and self.learned.low > 0
        return self.q < LEVEL and is_large and is_theirs

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "dial": self.dial.name,
            "with": self.on,
            "without": self.off,
            "score_with": self.score_on,
            "score_without": self.score_off,
            "gain": self.gain.to_dict(),
            "against_constant": self.learned.to_dict(),
            "twin": self.dial.twin,
            "gain_on_twin": self.on_twin and self.on_twin.to_dict(),
            "gain_beyond_twin": self.beyond and self.beyond.to_dict(),
            "p": self.p,
            "p_corrected": self.q,
            "pays": self.pays,
        }


@dataclass(frozen=True)
class Confirmed:
    """All that the confirmation says: the dials, and what each arm reached with fresh seeds."""

    outcomes: list[Outcome]
    batches: dict[str, Batch]
    points: list[Point]


def confirm(
    arms: dict[str, Arm],
    dials: list[Dial],
    best: dict[str, Best],
    batches: Batches,
    sizes: Sizes,
    observer: Observer,
) -> Confirmed:
    """Train every pair with fresh seeds, and test what its dial brings.

    Parameters
    ----------
    arms, dials, best
        What can be tried, and the strengths that the search picked.
    batches : Batches
    sizes : Sizes
    observer : callable
        Told of every batch, with the points of the confirmation so far.
    """
    points: list[Point] = []

    def announce(key: Key, batch: Batch) -> None:
        name, kind = key
        points.extend([] if kind else [point_of(name, batch)])
        title = f"{kind.replace('_', ' ')}: {name}" if kind else f"confirmation: {name}"
        observer(title, points)

    def train(keys: Iterable[Key]) -> Trained:
        jobs = {
            (name, kind): batches.confirm(arms[name], best[name].strengths, sizes, kind)
            for name, kind in keys
        }
        return batches.train(jobs, announce)

    # An arm may stand in several pairs, and is trained once.
    pairs = [(dial, *picked(dial, best)) for dial in dials]
    trained = train(dict.fromkeys((name, None) for _, on, off in pairs for name in (on, off)))
    on_data = {name: batch for (name, _), batch in trained.items()}

    # On the twin the same networks are trained with the same seeds and strengths.
    trained |= train(
        (name, dial.twin)
        for dial, on, off in pairs
        for name in (on, off)
        if is_worth_a_twin(difference(_effect(trained, on, off)))
    )
    constant = constant_scores(batches.data)
    outcomes = corrected(_outcome(pair, trained, constant) for pair in pairs)
    # Whatever ended first, kinds come in the order in which they were asked.
    return Confirmed(outcomes, on_data, [point_of(*each) for each in on_data.items()])


def is_worth_a_twin(gain: Difference) -> bool:
    """Whether a gain on the data is such that a twin could change the answer."""
    return gain.p < WORTH_A_TWIN and gain.mean > 0


def picked(dial: Dial, best: dict[str, Best]) -> tuple[str, str]:
    """The pair of a dial whose arm with it did best in the search."""
    return max(dial.pairs, key=lambda pair: (best[pair[0]].accuracy, -best[pair[0]].weights))


def corrected(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The same with p corrected for how many there are."""
    outcomes = list(outcomes)
    q = holm([outcome.p for outcome in outcomes])
    return [Outcome(**{**vars(o), "q": value}) for o, value in zip(outcomes, q, strict=True)]


def _effect(trained: Trained, on: str, off: str, kind: Kind | None = None) -> np.ndarray:
    """What a dial brings to every answer, `(seeds, samples)`."""
    return trained[on, kind].scores - trained[off, kind].scores


def _outcome(pair: tuple[Dial, str, str], trained: Trained, constant: np.ndarray) -> Outcome:
    """An outcome, not yet corrected."""
    dial, on, off = pair
    D = _effect(trained, on, off)
    gain = difference(D)
    learned = difference(trained[on, None].scores - constant)
    on_twin = beyond = None
    if is_worth_a_twin(gain):
        D_twin = _effect(trained, on, off, dial.twin)
        on_twin = difference(D_twin)
        beyond = difference(D - D_twin)

    # All must hold, so the largest p is that of the whole (an intersection-union test).
    p = max(part.p for part in (gain, learned, beyond) if part is not None)
    score_on, score_off = (float(trained[name, None].scores.mean()) for name in (on, off))
    return Outcome(dial, on, off, score_on, score_off, gain, learned, on_twin, beyond, p, p)


def point_of(name: str, batch: Batch) -> Point:
    """The mean of the networks of a kind on the plane."""
    accuracy = float(batch.validation.mean())
    return Point(name, "confirmation", accuracy, float(batch.weights.mean()))
