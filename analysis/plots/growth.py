"""Curves of networks that change their size: over training, and over how much of them is pruned; medians over seeds."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from analysis.plots.style import (
    BLUE,
    FONT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    new_figure,
    plain_axes,
)

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)


def growth_curves(
    steps: Mapping[str, Sequence[int]],
    measures: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    *,
    floors: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw measures over training, one below the other: the median over seeds of each kind, its quartiles as a band.

    Parameters
    ----------
    steps : {kind: (T,)}.
    measures : {name: {kind: (seeds, T)}}.
    floors : {label: value}, lines in the first measure that no network can be below on average.
    """
    if not measures:
        raise ValueError("measures must hold at least one")
    figure = new_figure(6.4, 0.7 + 2.3 * len(measures))
    panels = figure.subplots(len(measures), 1, sharex=True, squeeze=False).flat
    for axes, (name, kinds) in zip(panels, measures.items(), strict=True):
        for colour, (kind, values) in zip(cycle(COLOURS), kinds.items(), strict=False):
            low, median, high = np.nanpercentile(
                np.asarray(values, dtype=float), [25, 50, 75], axis=0
            )
            axes.fill_between(steps[kind], low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(steps[kind], median, color=colour, linewidth=1.5, label=kind)
        axes.set_ylabel(name, fontsize=FONT + 1)
        plain_axes(axes)
    for label, value in (floors or {}).items():
        figure.axes[0].axhline(value, color=INK, linestyle=":", linewidth=1)
        figure.axes[0].annotate(
            label,
            (1, value),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=FONT - 1,
            color=INK,
        )
    figure.axes[-1].legend(fontsize=FONT, frameon=False)
    axes.set_xlabel("update", fontsize=FONT + 1)
    if title:
        figure.suptitle(title, fontsize=FONT + 3, color=INK)
    return figure


def distributions(
    kinds: Mapping[str, Sequence[float]],
    *,
    label: str,
    lines: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw one number of every seed of several kinds as dots, with the median as a bar: what two heaps a mean would hide.

    Parameters
    ----------
    kinds : {kind: (seeds,)}. label : of the number. lines : {label: value} to hold them against.
    """
    if not kinds:
        raise ValueError("kinds must hold at least one")
    figure = new_figure(1.2 + 0.8 * len(kinds), 3.0)
    axes = figure.subplots()
    for place, values in enumerate(kinds.values()):
        values = np.sort(np.asarray(values, dtype=float))
        aside = 0.25 * np.sin(
            2.4 * np.arange(len(values))
        )  # so that equal values do not cover each other
        axes.plot(
            place + aside, values, linestyle="none", marker="o", markersize=3, color=BLUE, alpha=0.6
        )
        axes.hlines(np.median(values), place - 0.35, place + 0.35, color=INK, linewidth=1.5)
    for name, value in (lines or {}).items():
        axes.axhline(value, color=INK, linestyle=":", linewidth=1)
        axes.annotate(
            name,
            (1, value),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=FONT - 1,
            color=INK,
        )
    axes.set_xticks(range(len(kinds)), list(kinds), rotation=30, ha="right")
    axes.set_ylabel(label)
    plain_axes(axes)
    if title:
        figure.suptitle(title, fontsize=FONT + 3, color=INK)
    return figure


def sparsity_curves(
    keeps: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
) -> Figure:
    """Draw accuracy against the share of weights that is kept, a panel beside the other: medians, the range as a band.

    Parameters
    ----------
    keeps : (T,) shares. panels : {title: {criterion: (seeds, T)}}.
    """
    if not panels:
        raise ValueError("panels must hold at least one")
    columns = min(2, len(panels))
    figure = new_figure(3.2 * columns, 0.3 + 2.3 * -(-len(panels) // columns))
    grid = figure.subplots(
        -(-len(panels) // columns), columns, sharex=True, sharey="row", squeeze=False
    )
    for axes, (title, kinds) in zip(grid.flat, panels.items(), strict=False):
        for colour, marker, (kind, values) in zip(
            cycle(COLOURS), cycle("osD^v"), kinds.items(), strict=False
        ):
            values = np.asarray(values, dtype=float)
            axes.fill_between(
                keeps, values.min(0), values.max(0), color=colour, alpha=0.12, linewidth=0
            )
            axes.plot(
                keeps,
                np.median(values, axis=0),
                color=colour,
                linewidth=1.4,
                marker=marker,
                markersize=3,
                label=kind,
            )
        axes.set_xscale("log")
        axes.set_xticks(keeps, [f"{keep:.0%}" for keep in keeps], rotation=45)
        axes.minorticks_off()
        axes.set_title(title, fontsize=FONT + 1, color=INK)
        plain_axes(axes)
    for axes in grid[:, 0]:
        axes.set_ylabel("test accuracy")
    for axes in grid[-1]:
        axes.set_xlabel("weights kept")
    grid.flat[0].legend(fontsize=FONT, frameon=False)
    return figure
