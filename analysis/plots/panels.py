"""Small multiples: several sorted matrices side by side, and measures along a dial with their
spread over seeds.
"""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike

from analysis.network import Floats
from analysis.ordering import layer_groups, order_groups
from analysis.plots.matrix import draw_matrix, group_edges, magnitude_norm
from analysis.plots.style import FONT, INK, new_figure, plain_axes, short, square_matrix, titled

LINE = 44
"""Letters of a title on one line: as many as stand over a panel without reaching the next."""

# By judgement: a measure that moves by less than this share of its size is drawn as even.
EVEN = 0.02

# Strengths that are named each on an axis. By judgement: more of them run into each other.
NAMED = 8


def sorted_matrices(
    panels: Sequence[tuple[Any, ...]], *, n_inputs: int, n_outputs: int, columns: int = 2
) -> Figure:
    """Draw several |W| as `sorted_matrix` does, each on a colour scale of its own.

    Parameters
    ----------
    panels : sequence of tuples
        (title, weights (S, S), layer_of) or (title, weights, layer_of, positions (S, dim)) each.
    n_inputs, n_outputs : int
        Of all of them.
    columns : int
        Panels in a row.

    Raises
    ------
    ValueError
        For no panels, or a matrix that is not square and finite.
    """
    if not panels:
        raise ValueError("panels must hold at least one")

    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(3.6 * columns, 3.4 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, panel in zip(grid, panels, strict=False):
        title, weights, layer_of, *positions = panel
        axes.set_title(fill(title, LINE), fontsize=FONT + 1, color=INK)
        _draw_panel(axes, square_matrix(weights), layer_of, (n_inputs, n_outputs), *positions)

    for axes in figure.axes[len(panels) :]:
        axes.remove()
    return figure


def dial(
    strengths: Sequence[Any],
    measures: Mapping[str, ArrayLike],
    *,
    label: str,
    logarithmic: Sequence[str] = (),
    title: str | None = None,
) -> Figure:
    """Draw measures against a strength, one below the other.

    Each panel shows the median over seeds as a line, their range as a band and seeds as dots.

    Parameters
    ----------
    strengths : sequence of n numbers, or of n texts
        Ascending numbers stand on a logarithmic axis; a first 0 is drawn at its left edge. Texts
        stand side by side.
    measures : dict of str to (n, seeds) array
        {name: values}.
    label : str
        Of the strength.
    logarithmic : sequence of str
        Names of the measures on a logarithmic axis.
    title : str or None
        Shown above.
    """
    values = np.asarray(strengths)
    spaced = np.issubdtype(values.dtype, np.number) and values.min() >= 0 and values.max() > 0
    x = _along_axis(values) if spaced else np.arange(len(values), dtype=float)

    figure = new_figure(5.6, 0.9 + 1.9 * len(measures))
    panels = figure.subplots(len(measures), 1, sharex=True, squeeze=False).flat
    for axes, (name, numbers) in zip(panels, measures.items(), strict=True):
        axes.set_xscale("log" if spaced else "linear")
        _draw_measure(axes, x, np.asarray(numbers, dtype=float), name in logarithmic)
        axes.set_ylabel(name, fontsize=FONT + 1)
        plain_axes(axes)

    axes.set_xlabel(label, fontsize=FONT + 1)
    if not spaced or values[0] == 0 or len(values) <= NAMED:
        axes.set_xticks(x, [short(value) for value in values])
        axes.minorticks_off()
    return titled(figure, title)


def _draw_panel(
    axes: Axes,
    weights: Floats,
    layer_of: Mapping[int, int],
    ends: tuple[int, int],
    positions: Floats | None = None,
) -> None:
    """A sorted matrix, its groups named on the left; `ends` holds n_inputs and n_outputs."""
    groups = order_groups(weights, layer_groups(layer_of, len(weights), *ends), positions)

    # Where no neuron is used the panel stays empty.
    if groups:
        used = np.concatenate([members for _, members in groups])
        draw_matrix(axes, weights, groups, magnitude_norm(weights[np.ix_(used, used)]))
        edges = group_edges([len(members) for _, members in groups])
        names = [f"{name} ({len(members)})" for name, members in groups]
        axes.set_yticks((edges[:-1] + edges[1:]) / 2, names, fontsize=FONT - 1)
    axes.set_xticks([])
    axes.tick_params(length=0)


def _along_axis(strengths: Floats) -> Floats:
    """Strengths as they lie on a logarithmic axis: a first 0 goes one step left of the others."""
    x = strengths.astype(float)
    if x[0] == 0:
        x[0] = x[1] ** 2 / x[2] if len(x) > 2 else x[1] / 10
    return x


def _draw_measure(axes: Axes, x: Floats, values: Floats, logarithmic: bool) -> None:
    """Range, median and dots of `values` (n, seeds) at `x` (n,), on a scale that suits them."""
    axes.fill_between(x, np.nanmin(values, 1), np.nanmax(values, 1), alpha=0.2, linewidth=0)
    axes.plot(x, np.nanmedian(values, 1), linewidth=1.5)
    axes.plot(x, values, linestyle="none", marker="o", markersize=3, color="C0", alpha=0.6)

    axes.set_yscale("log" if logarithmic else "linear")
    if logarithmic:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        return

    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    largest = np.nanmax(np.abs(values))
    # On an axis of its own range, the rounding of an even measure would look like a change.
    if np.nanmax(values) - np.nanmin(values) < EVEN * largest:
        middle = np.nanmean(values)
        axes.set_ylim(middle - EVEN * largest, middle + EVEN * largest)
