"""What a verdict is, what it is given, and how it is registered. Measures nothing.

`decide` only asks whether the bars that a verdict was given hold.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import numpy as np

from analysis.arrays import Floats
from analysis.effective import EffectiveGraph
from analysis.layers import Layers
from analysis.network import FlatNetwork

ALPHA = 0.01
"""Largest p with which something is called present. By judgement."""


FEW_DRAWS = 20
"""Draws from a null model where the verdict is clear without it: enough for what an effect is by
chance, and p cannot be small."""
MANY = 2**14
"""Weights up to which a null model is drawn as often as asked for; of more, DRAWS_OF_MANY times.
By judgement: time grows with both."""
DRAWS_OF_MANY = 200
"""Draws in large networks: enough for a p of ALPHA."""
QUARTER = 0.25
"""How far a bar is moved to see whether a verdict hangs on where it stands. By judgement."""


@dataclass(frozen=True)
class Bar:
    """A number that a verdict asks for.

    Attributes
    ----------
    name : str
        What is measured.
    value : float
        What was measured.
    limit : float
        Where the bar stands.
    at_least : bool
        Whether the value has to reach the limit, or may not exceed it.
    """

    name: str
    value: float
    limit: float
    at_least: bool = True

    def holds(self, factor: float = 1.0) -> bool:
        """Whether the value is on the right side of the limit times `factor`."""
        limit = self.limit * factor
        return bool(self.value >= limit if self.at_least else self.value <= limit)

    @property
    def margin(self) -> float:
        """Distance from the limit relative to it, negative on the wrong side."""
        distance = (self.value - self.limit) / self.limit
        return float(distance if self.at_least else -distance)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "name": self.name,
            "value": float(self.value),
            "limit": self.limit,
            "at_least": self.at_least,
            "margin": self.margin,
        }


class SweepStep(TypedDict):
    """A verdict at another threshold."""

    threshold: float
    present: bool
    effect: float
    p_value: float | None


@dataclass(frozen=True)
class Verdict:
    """Whether a kind of structure is there, and the evidence.

    Attributes
    ----------
    name : str
        The kind.
    present : bool
    effect : float
        The effect size that `evidence["effect_is"]` names.
    p_value : float or None
        Empirical p; None where no null model applies or nothing could be tested.
    evidence : dict
        Plain numbers, strings and lists by name, as they are written to disk.
    sweep : list of SweepStep
        The verdict at other thresholds; empty for exactly sparse weights.
    bars : tuple of Bar
        The numbers that decide: present means that all of them hold. Empty where there was nothing
        to judge.
    """

    name: str
    present: bool
    effect: float
    p_value: float | None
    evidence: dict[str, Any] = field(default_factory=dict)
    sweep: list[SweepStep] = field(default_factory=list)
    bars: tuple[Bar, ...] = ()

    @property
    def margin(self) -> float | None:
        """The least margin of any bar; negative where the verdict is absent, None without bars."""
        return min((bar.margin for bar in self.bars), default=None)

    @property
    def nearly(self) -> bool:
        """Whether the verdict would be another if one bar were moved by a quarter."""
        return any(self._moved(bar) != self.present for bar in self.bars)

    def _moved(self, bar: Bar) -> bool:
        """Whether all bars hold, this one moved towards the value's other side."""
        easier = bar.at_least != self.present
        factor = 1 - QUARTER if easier else 1 + QUARTER
        others = all(other.holds() for other in self.bars if other is not bar)
        return bar.holds(factor) and others

    def with_sweep(self, sweep: list[SweepStep]) -> "Verdict":
        """The same verdict with those at other thresholds beside it."""
        return replace(self, sweep=sweep)

    def at(self, threshold: float) -> SweepStep:
        """This verdict as a step of a sweep."""
        return {
            "threshold": threshold,
            "present": self.present,
            "effect": self.effect,
            "p_value": self.p_value,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "present": self.present,
            "effect": self.effect,
            "p_value": self.p_value,
            "margin": self.margin,
            "nearly": self.nearly,
            "bars": [bar.to_dict() for bar in self.bars],
            "evidence": self.evidence,
            "sweep": self.sweep,
        }


def decide(
    name: str,
    effect: float,
    p_value: float | None,
    evidence: dict[str, Any],
    bars: Iterable[Bar],
) -> Verdict:
    """The verdict of a kind whose bars are these: present where all of them hold."""
    asked = tuple(bars)
    present = all(bar.holds() for bar in asked)
    return Verdict(name, present, float(effect), p_value, evidence, bars=asked)


def p_bar(p_value: float) -> Bar:
    """The bar on p: at most ALPHA."""
    return Bar("p", p_value, ALPHA, at_least=False)


@dataclass(frozen=True)
class Case:
    """All that a verdict may look at.

    Attributes
    ----------
    net : FlatNetwork
        With the weights that count; the others are zero.
    graph : EffectiveGraph
        With an edge at least.
    layers : Layers
        Of the graph.
    rng : numpy Generator
        Of this verdict alone: other verdicts change none of its draws.
    n_draws : int
        Draws from each null model.
    earlier : mapping
        {name: Verdict} of the kinds that this one comes after.
    inputs : (B, n_inputs) array or None
        The data, where the network is judged on any.
    """

    net: FlatNetwork
    graph: EffectiveGraph
    layers: Layers
    rng: np.random.Generator
    n_draws: int
    earlier: Mapping[str, Verdict] = field(default_factory=dict)
    inputs: Floats | None = None

    def affordable(self, n_weights: int) -> int:
        """Draws of a null model whose time grows with a number of weights."""
        return self.n_draws if n_weights <= MANY else min(self.n_draws, DRAWS_OF_MANY)

    @property
    def positions(self) -> Floats | None:
        """(S, dim) positions, NaN where a neuron has none, or None."""
        return self.net.positions


@dataclass(frozen=True)
class Kind:
    """A kind of structure: an entry of `analysis.verdicts.VERDICTS`.

    Attributes
    ----------
    name : str
        Of the verdict, in reports and on disk.
    word : str
        In the summary of a network that has it; "" for none.
    judge : function
        From a Case to a Verdict of that name.
    after : tuple of str
        Kinds that are judged before, and whose verdicts `Case.earlier` holds.
    number : int, optional
        Of its stream of random numbers; by default from the name.
    """

    name: str
    word: str
    judge: Callable[[Case], Verdict]
    after: tuple[str, ...] = ()
    number: int | None = None

    def rng(self, seed: int) -> np.random.Generator:
        """The generator of this kind; what else is judged changes nothing in its draws."""
        number = zlib.crc32(self.name.encode()) if self.number is None else self.number
        return np.random.default_rng([seed, number])
