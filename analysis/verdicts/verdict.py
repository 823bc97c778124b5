"""What a verdict is, what it is given, and how it is registered. Judges nothing."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import numpy as np

from analysis.arrays import Floats
from analysis.effective import EffectiveGraph
from analysis.layers import Layers
from analysis.network import FlatNetwork

ALPHA = 0.01
"""Largest p with which something is called present. By judgement."""


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
    """

    name: str
    present: bool
    effect: float
    p_value: float | None
    evidence: dict[str, Any] = field(default_factory=dict)
    sweep: list[SweepStep] = field(default_factory=list)

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
            "evidence": self.evidence,
            "sweep": self.sweep,
        }


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
    """

    net: FlatNetwork
    graph: EffectiveGraph
    layers: Layers
    rng: np.random.Generator
    n_draws: int
    earlier: Mapping[str, Verdict] = field(default_factory=dict)

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
