"""Many networks as dots in the plane of two measures. Draws given numbers.

A network is an entry of every array.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from analysis.arrays import Ints
from analysis.plots.kinds import FAILED, colours, legend, marks
from analysis.plots.many import colour_scale, columns, dot_size, name_axes, norm_of, spread_out
from analysis.plots.style import FONT, GREY, INK, MAGNITUDE, new_figure, titled


def pareto_front(costs: ArrayLike, scores: ArrayLike) -> Ints:
    """Indices of the networks that no other beats in both (lower cost, higher score).

    Parameters
    ----------
    costs, scores : (n,) arrays
        Entries with NaN never belong to the front.

    Returns
    -------
    (k,) int array
        By rising cost. Of equal networks the first is named.
    """
    costs = np.asarray(costs, dtype=float)
    scores = np.asarray(scores, dtype=float)
    order = np.lexsort((-scores, costs))
    order = order[np.isfinite(costs[order]) & np.isfinite(scores[order])]
    best = np.maximum.accumulate(scores[order]) if len(order) else scores[order]
    first = np.concatenate([[True], best[1:] > best[:-1]])[: len(order)]
    return order[first]


def trade_off(
    costs: ArrayLike,
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    cost_label: str,
    score_label: str,
    palette: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Figure:
    """Score against cost (accuracy against connections, say), every network a dot.

    The Pareto front is ringed and joined.

    Parameters
    ----------
    costs, scores : (n,) arrays
        Networks with NaN or a cost of 0 are left out.
    labels : sequence of n str
        Kind of each network; those in `FAILED` are on no front.
    cost_label, score_label : str
        Of the axes.
    palette : dict of str to str, or None
        {kind: colour}, of `colours` unless given.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        Where no network is left, or for arrays of different lengths.
    """
    costs, scores, kinds = columns(
        np.asarray(costs, dtype=float), np.asarray(scores, dtype=float), labels
    )
    palette = dict(palette or colours(kinds.tolist()))
    known = np.isfinite(costs) & np.isfinite(scores) & (costs > 0)
    costs, scores, kinds = columns(costs[known], scores[known], kinds[known])

    figure = new_figure(6.0, 4.0)
    axes = figure.add_subplot()
    fills = [palette.get(kind, GREY) for kind in kinds]
    axes.scatter(costs, scores, s=dot_size(len(costs)), c=fills, alpha=0.7, linewidths=0)

    front = pareto_front(np.where(np.isin(kinds, list(FAILED)), np.nan, costs), scores)
    axes.plot(costs[front], scores[front], drawstyle="steps-post", color=INK, linewidth=0.9)
    ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 0.9}
    axes.scatter(costs[front], scores[front], s=26, **ring, zorder=3)
    spread_out(axes, "x", costs)
    name_axes(axes, cost_label, score_label)

    line: dict[str, Any] = {"color": INK, "marker": "o", "fillstyle": "none", "linewidth": 0.9}
    handles = [*marks(palette, kinds.tolist()), Line2D([], [], **line, label="Pareto front")]
    legend(figure, handles)
    return titled(figure, title)


def measure_plane(
    x: ArrayLike,
    y: ArrayLike,
    values: ArrayLike,
    *,
    x_label: str,
    y_label: str,
    name: str,
    title: str | None = None,
) -> Figure:
    """Networks in the plane of two measures, a third as colour.

    Parameters
    ----------
    x, y, values : (n,) arrays
        Networks with NaN in any are left out; those with the highest value are drawn on top.
    x_label, y_label, name : str
        Of the three measures.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        Where no network is left.
    """
    x, y, numbers = (np.asarray(column, dtype=float) for column in (x, y, values))
    known = np.isfinite(x) & np.isfinite(y) & np.isfinite(numbers)
    x, y, numbers = columns(x[known], y[known], numbers[known])

    figure = new_figure(5.2, 4.0)
    axes = figure.add_subplot()
    norm = norm_of(numbers)
    order = np.argsort(numbers)  # the highest on top
    axes.scatter(
        x[order],
        y[order],
        s=dot_size(len(x)),
        c=numbers[order],
        cmap=MAGNITUDE,
        norm=norm,
        linewidths=0,
        alpha=0.8,
    )
    name_axes(axes, x_label, y_label)
    colour_scale(figure, axes, norm, numbers).set_label(name, fontsize=FONT + 1)
    return titled(figure, title)
