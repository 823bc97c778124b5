"""Curves of networks that change their size, with medians over seeds: over training, and over how
much of them is pruned.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
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
    titled,
)

# Of curves, in turn. By judgement: neighbours of the list differ in lightness too.
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)

# Of criteria, in turn. By judgement: shapes that differ at 3 points.
MARKERS = "osD^v"


def growth_curves(
    steps: Mapping[str, Sequence[float]],
    measures: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    *,
    floors: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw measures over training, one below the other.

    Each kind of network has the median over seeds as a line and their quartiles as a band.

    Parameters
    ----------
    steps : dict of str to (T,) sequence
        {kind: steps}.
    measures : dict of str to dict of str to (seeds, T) sequence
        {name: {kind: values}}.
    floors : dict of str to float, or None
        {label: value}, lines in the first measure that no network can be below on average.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For no measures.
    """
    if not measures:
        raise ValueError("measures must hold at least one")

    figure = new_figure(6.4, 0.7 + 2.3 * len(measures))
    panels = figure.subplots(len(measures), 1, sharex=True, squeeze=False).flat
    for axes, (name, kinds) in zip(panels, measures.items(), strict=True):
        for colour, (kind, values) in zip(cycle(COLOURS), kinds.items(), strict=False):
            numbers = np.asarray(values, dtype=float)
            # Runs that ended early hold NaN from there on, and count no more.
            low, median, high = np.nanpercentile(numbers, [25, 50, 75], axis=0)
            axes.fill_between(steps[kind], low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(steps[kind], median, color=colour, linewidth=1.5, label=kind)
        axes.set_ylabel(name, fontsize=FONT + 1)
        plain_axes(axes)

    _draw_lines(figure.axes[0], floors or {})
    figure.axes[-1].legend(fontsize=FONT, frameon=False)
    figure.axes[-1].set_xlabel("step", fontsize=FONT + 1)
    return titled(figure, title)


def distributions(
    kinds: Mapping[str, Sequence[float]],
    *,
    label: str,
    lines: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw one number of every seed of several kinds as dots, with the median as a bar.

    Dots show two heaps where a mean would hide them.

    Parameters
    ----------
    kinds : dict of str to (seeds,) sequence
        {kind: values}.
    label : str
        Of the number.
    lines : dict of str to float, or None
        {label: value} to compare them with.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For no kinds.
    """
    if not kinds:
        raise ValueError("kinds must hold at least one")

    figure = new_figure(1.2 + 0.8 * len(kinds), 3.0)
    axes = figure.subplots()
    dots: dict[str, Any] = {
        "linestyle": "none",
        "marker": "o",
        "markersize": 3,
        "color": BLUE,
        "alpha": 0.6,
    }
    for column, numbers in enumerate(kinds.values()):
        values = np.sort(np.asarray(numbers, dtype=float))
        # Dots wander aside, so that equal values do not cover each other.
        aside = 0.25 * np.sin(2.4 * np.arange(len(values)))
        axes.plot(column + aside, values, **dots)
        axes.hlines(np.median(values), column - 0.35, column + 0.35, color=INK, linewidth=1.5)

    _draw_lines(axes, lines or {})
    axes.set_xticks(range(len(kinds)), list(kinds), rotation=30, ha="right")
    axes.set_ylabel(label)
    plain_axes(axes)
    return titled(figure, title)


def sparsity_curves(
    keeps: Sequence[float],
    panels: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    *,
    label: str = "test accuracy",
) -> Figure:
    """Draw accuracy against the share of weights that pruning keeps, a panel beside the other.

    Each criterion has the median over seeds as a line and their range as a band.

    Parameters
    ----------
    keeps : (T,) sequence
        Shares of the weights, from 0 to 1.
    panels : dict of str to dict of str to (seeds, T) sequence
        {title: {criterion: accuracies}}.
    label : str
        Of the y axes, where it is not accuracy that is drawn.

    Raises
    ------
    ValueError
        For no panels.
    """
    if not panels:
        raise ValueError("panels must hold at least one")

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(3.2 * columns, 0.3 + 2.3 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    for axes, (title, criteria) in zip(grid.flat, panels.items(), strict=False):
        _draw_criteria(axes, keeps, criteria)
        axes.set_xscale("log")
        axes.set_xticks(keeps, [f"{keep:.0%}" for keep in keeps], rotation=45)
        axes.minorticks_off()
        axes.set_title(title, fontsize=FONT + 1, color=INK)
        plain_axes(axes)

    for axes in grid[:, 0]:
        axes.set_ylabel(label)
    for axes in grid[-1]:
        axes.set_xlabel("weights kept")
    grid.flat[0].legend(fontsize=FONT, frameon=False)
    return figure


def _draw_lines(axes: Axes, lines: Mapping[str, float]) -> None:
    """Dotted level lines, each with its label at the right."""
    for label, value in lines.items():
        axes.axhline(value, color=INK, linestyle=":", linewidth=1)
        axes.annotate(
            label,
            (1, value),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=FONT - 1,
            color=INK,
        )


def _draw_criteria(
    axes: Axes, keeps: Sequence[float], criteria: Mapping[str, Sequence[Sequence[float]]]
) -> None:
    """Range and median of each criterion, in a colour and with a marker of its own."""
    looks = zip(cycle(COLOURS), cycle(MARKERS), criteria.items(), strict=False)
    for colour, marker, (criterion, accuracies) in looks:
        values = np.asarray(accuracies, dtype=float)

        # The band is pale: bands of several criteria lie over each other.
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
            label=criterion,
        )
