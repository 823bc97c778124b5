"""One module per kind of structure, and the registry of them.

Each kind is a function from a `Case` (network, effective graph, layers, positions) to a `Verdict`;
none draws or prints. A verdict never rests on a p-value or a z-score alone: it needs an effect of a
stated size as well, and p at most ALPHA.

A new verdict is a module here with such a function, and a line in VERDICTS. From outside the
package, `register(Kind(name, word, function))` adds that line.
"""

from graphlib import TopologicalSorter

from analysis.verdicts.convolutional import convolutional
from analysis.verdicts.fully_connected import fully_connected
from analysis.verdicts.locally_connected import locally_connected
from analysis.verdicts.modular import modular
from analysis.verdicts.recurrent import recurrent
from analysis.verdicts.residual import residual
from analysis.verdicts.verdict import ALPHA, Case, Kind, SweepStep, Verdict

__all__ = [
    "ALPHA",
    "VERDICTS",
    "Case",
    "Kind",
    "SweepStep",
    "Verdict",
    "in_order",
    "register",
]

VERDICTS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        # Fixed numbers: a seed draws the same random numbers in every version.
        Kind("fully_connected", "", fully_connected, ("locally_connected", "residual"), number=2),
        Kind("locally_connected", "local", locally_connected, ("convolutional",), number=0),
        Kind("convolutional", "convolutional", convolutional, number=3),
        Kind("residual", "residual", residual, number=1),
        Kind("recurrent", "recurrent", recurrent, number=4),
        Kind("modular", "modular", modular, number=5),
    )
}
"""The kinds that `analyse` judges, by name and in the order of the report. A summary puts their
words from the last to the first."""


def register(kind: Kind) -> Kind:
    """Add a kind to VERDICTS.

    Raises
    ------
    ValueError
        Where there is a kind of that name, or none of those that it is to come after.
    """
    if kind.name in VERDICTS:
        raise ValueError(f"name: there is a verdict {kind.name!r} already")
    unknown = sorted(set(kind.after) - set(VERDICTS))
    if unknown:
        raise ValueError(f"after: there is no verdict {', '.join(unknown)}")
    VERDICTS[kind.name] = kind
    return kind


def in_order() -> list[Kind]:
    """The kinds, each behind those that it comes after."""
    sorter = TopologicalSorter({kind.name: kind.after for kind in VERDICTS.values()})
    return [VERDICTS[name] for name in sorter.static_order()]
