"""Kinds of networks in figures: their colours, and the legend that names them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.plots.style import BLUE, FONT, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION

# Colours of kinds of networks, by frequency. By judgement: as many as a reader can tell apart.
KINDS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, "#8C6D31")

# Outcomes that are no kind of network, with their greys. By judgement: greys recede.
FAILED = {"disconnected": "#B8B8B8", "nothing learned": "#A3937C", "diverged": "#6A6A6A"}


def colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for every kind of network, the most frequent first.

    Beyond seven kinds the rare ones share grey. Outcomes in `FAILED` have greys of their own.
    """
    counted = Counter(label for label in labels if label not in FAILED)
    ranked = sorted(counted, key=lambda label: (-counted[label], label))
    chosen = {label: KINDS[k] if k < len(KINDS) else GREY for k, label in enumerate(ranked)}
    return chosen | {label: colour for label, colour in FAILED.items() if label in set(labels)}


def marks(palette: Mapping[str, str], kinds: Sequence[str]) -> list[Line2D]:
    """A square in its colour for every kind there is, with how often it comes."""
    count = Counter(kinds)
    square: dict[str, Any] = {"marker": "s", "markersize": 7, "linewidth": 0}
    return [
        Line2D([], [], color=colour, **square, label=f"{kind} ({count[kind]:,})")
        for kind, colour in palette.items()
        if kind in count
    ]


def legend(figure: Figure, handles: Sequence[Line2D], note: str | None = None) -> None:
    """The kinds of networks at the right of the figure, under `note`."""
    figure.legend(
        handles=handles,
        loc="outside right upper",
        frameon=False,
        fontsize=FONT,
        title=note,
        title_fontsize=FONT,
    )
