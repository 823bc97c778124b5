"""Kinds of networks in figures: their colours, and the legend that names them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.plots.style import BLUE, FONT, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION

# Colours of kinds of networks, by frequency. By judgement: as many as a reader can tell apart.
KINDS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, "#8C6D31")

# Outcomes that are no kind of network, with their greys. By judgement: greys recede.
FAILED = {"disconnected": "#B8B8B8", "nothing learned": "#A3937C", "diverged": "#6A6A6A"}


# Cells that are marked: dark lines, which show on every colour of KINDS and on its pale forms.
HATCH: dict[str, Any] = {"fill": False, "hatch": "///", "edgecolor": INK, "linewidth": 0}


def colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for every kind of network, the most frequent first.

    Beyond seven kinds the rare ones share grey. Outcomes in `FAILED` have greys of their own.
    """
    counted = Counter(label for label in labels if label not in FAILED)
    ranked = sorted(counted, key=lambda label: (-counted[label], label))
    chosen = {label: KINDS[k] if k < len(KINDS) else GREY for k, label in enumerate(ranked)}
    return chosen | {label: colour for label, colour in FAILED.items() if label in set(labels)}


def marks(palette: Mapping[str, str], kinds: Sequence[str]) -> list[Artist]:
    """A square in its colour for every kind there is, with how often it comes."""
    count = Counter(kinds)
    square: dict[str, Any] = {"marker": "s", "markersize": 7, "linewidth": 0}
    return [
        Line2D([], [], color=colour, **square, label=f"{kind} ({count[kind]:,})")
        for kind, colour in palette.items()
        if kind in count
    ]


def marked_handle(label: str, is_cell: bool) -> Artist:
    """What a marked cell or dot looks like, for the legend."""
    if is_cell:
        return Patch(**HATCH, label=label)
    ring: dict[str, Any] = {"marker": "o", "markersize": 7, "linewidth": 0}
    return Line2D([], [], **ring, markerfacecolor="none", markeredgecolor=INK, label=label)


def legend(figure: Figure, handles: Sequence[Artist], note: str | None = None) -> None:
    """The kinds of networks at the right of the figure, under `note`."""
    figure.legend(
        handles=handles,
        loc="outside right upper",
        frameon=False,
        fontsize=FONT,
        title=note,
        title_fontsize=FONT,
    )
