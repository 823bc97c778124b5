"""One module per kind of structure. Each takes an effective graph with its layers and returns a `Verdict`; none
draws or prints.

A verdict never rests on a p-value or a z-score alone: it needs an effect of a stated size as well, and p at most ALPHA.
"""

from dataclasses import dataclass, field, replace

ALPHA = 0.01


@dataclass(frozen=True)
class Verdict:
    """Whether one kind of structure is there, and the evidence.

    Attributes
    ----------
    name : the kind.
    present : bool.
    effect : float, the effect size that `evidence["effect_is"]` names.
    p_value : empirical p, or None where no null model applies or nothing could be tested.
    evidence : dict of plain numbers, strings and lists.
    sweep : list of {"threshold", "present", "effect", "p_value"}, empty for exactly sparse weights.
    """

    name: str
    present: bool
    effect: float
    p_value: float | None
    evidence: dict = field(default_factory=dict)
    sweep: list = field(default_factory=list)

    def with_sweep(self, sweep):
        """The same verdict with the threshold sweep filled in."""
        return replace(self, sweep=sweep)

    def to_dict(self):
        """Plain JSON types."""
        return {
            "present": self.present,
            "effect": self.effect,
            "p_value": self.p_value,
            "evidence": self.evidence,
            "sweep": self.sweep,
        }
