"""Small multiples: several sorted matrices side by side, and measures along a dial with their spread over seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from analysis.plots.matrix import draw_matrix, group_edges, magnitude_norm
from analysis.plots.ordering import layer_groups, order_groups
from analysis.plots.style import FONT, INK, new_figure, plain_axes, short, square_matrix

EVEN = 0.02
"""A measure that moves by less than this share of its size is drawn as even."""
NAMED = 8
"""Strengths that are named one by one on an axis."""


def sorted_matrices(
    panels: Sequence[tuple], *, n_inputs: int, n_outputs: int, columns: int = 2
) -> Figure:
    """Draw several |W| as `sorted_matrix` does, each on a colour scale of its own.

    Parameters
    ----------
    panels : (title, weights (S, S), layer_of) or (title, weights, layer_of, positions (S, dim)) each.
    n_inputs, n_outputs : of all of them.
    columns : panels in a row.
    """
    if not panels:
        raise ValueError("panels must hold at least one")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(3.6 * columns, 3.4 * rows)
    for axes, panel in zip(
        figure.subplots(rows, columns, squeeze=False).flat, panels, strict=False
    ):
        title, weights, layer_of, *positions = panel
        weights = square_matrix(weights)
        groups = order_groups(
            weights, layer_groups(layer_of, len(weights), n_inputs, n_outputs), *positions
        )
        axes.set_title(title, fontsize=FONT + 1, color=INK)
        if groups:
            living = np.concatenate([members for _, members in groups])
            draw_matrix(axes, weights, groups, magnitude_norm(weights[np.ix_(living, living)]))
            edges = group_edges([len(members) for _, members in groups])
            names = [f"{name} ({len(members)})" for name, members in groups]
            axes.set_yticks((edges[:-1] + edges[1:]) / 2, names, fontsize=FONT - 1)
        axes.set_xticks([])
        axes.tick_params(length=0)
    for axes in figure.axes[len(panels) :]:
        axes.remove()
    return figure


def dial(
    strengths: Sequence[float],
    measures: Mapping[str, np.ndarray],
    *,
    label: str,
    logarithmic: Sequence[str] = (),
    title: str | None = None,
) -> Figure:
    """Draw measures against a strength, one below the other: the median over seeds, its range as a band, seeds as dots.

    Parameters
    ----------
    strengths : (n,) ascending, on a logarithmic axis; a first one of 0 is drawn at its left edge. Or text, side by side.
    measures : {name: (n, seeds)}. logarithmic : names of those on a logarithmic axis.
    label : of the strength.
    """
    strengths = np.asarray(strengths)
    spaced = (
        np.issubdtype(strengths.dtype, np.number) and strengths.min() >= 0 and strengths.max() > 0
    )
    place = strengths.astype(float) if spaced else np.arange(len(strengths), dtype=float)
    if spaced and place[0] == 0:
        place[0] = place[1] ** 2 / place[2] if len(place) > 2 else place[1] / 10
    figure = new_figure(5.6, 0.9 + 1.9 * len(measures))
    for axes, (name, values) in zip(
        figure.subplots(len(measures), 1, sharex=True, squeeze=False).flat,
        measures.items(),
        strict=True,
    ):
        values = np.asarray(values, dtype=float)
        axes.fill_between(place, np.nanmin(values, 1), np.nanmax(values, 1), alpha=0.2, linewidth=0)
        axes.plot(place, np.nanmedian(values, 1), linewidth=1.5)
        axes.plot(place, values, linestyle="none", marker="o", markersize=3, color="C0", alpha=0.6)
        axes.set(
            xscale="log" if spaced else "linear", yscale="log" if name in logarithmic else "linear"
        )
        if name in logarithmic:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.ticklabel_format(axis="y", style="plain", useOffset=False)
            middle, largest = np.nanmean(values), np.nanmax(np.abs(values))
            if (
                np.nanmax(values) - np.nanmin(values) < EVEN * largest
            ):  # else rounding would look like a change
                axes.set_ylim(middle - EVEN * largest, middle + EVEN * largest)
        axes.set_ylabel(name, fontsize=FONT + 1)
        plain_axes(axes)
    axes.set_xlabel(label, fontsize=FONT + 1)
    if not spaced or strengths[0] == 0 or len(strengths) <= NAMED:
        axes.set_xticks(place, [short(strength) for strength in strengths])
        axes.minorticks_off()
    if title:
        figure.suptitle(title, fontsize=FONT + 3, color=INK)
    return figure
