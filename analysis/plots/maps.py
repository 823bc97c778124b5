"""Maps of many networks, over two strengths or two measures. Draws given numbers.

A network is an entry of every array. Two strengths that form a grid give a map of cells, equally
wide, named by their values; samples give a scatter plot.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike, NDArray

from analysis.network import Floats
from analysis.plots.style import (
    BLUE,
    FONT,
    GREEN,
    GREY,
    INK,
    MAGNITUDE,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    new_figure,
    plain_axes,
    short,
    titled,
)

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Colours of kinds of networks, by frequency. By judgement: as many as a reader can tell apart.
KINDS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, "#8C6D31")

# Outcomes that are no kind of network, with their greys. By judgement: greys recede.
FAILED = {"disconnected": "#B8B8B8", "nothing learned": "#A3937C", "diverged": "#6A6A6A"}

# Share of the cells that must hold a network for two strengths to count as a grid. By judgement: a
# sweep that has only begun still shows as a grid, and a sample never does.
FILLED = 0.25

# Ratio of largest to smallest above which an axis is logarithmic. By judgement.
DECADE = 10.0

# Values named along a side of a grid. By judgement: more of them run into each other.
MOST_TICKS = 16


@dataclass(frozen=True)
class Phase:
    """What emerges at a point of a map.

    Attributes
    ----------
    column, row : int
        The point, counted along the distinct values of x and y.
    networks : (n,) int array
        Indices of its networks, the seeds.
    kind : str
        The most frequent kind; of equally frequent ones the first by name.
    share : float
        Of the networks that are of this kind, from 0 to 1.
    colour : (3,) array
        Of the kind, paler the smaller the share, from 0 to 1.
    tied : bool
        Whether another kind is as frequent.
    """

    column: int
    row: int
    networks: Integers
    kind: str
    share: float
    colour: Floats
    tied: bool = False


@dataclass(frozen=True)
class _Points:
    """The distinct points (x, y) of a map: values of x and y, and column and row (p,) of each."""

    xs: np.ndarray
    ys: np.ndarray
    column: Integers
    row: Integers

    @property
    def fill_grid(self) -> bool:
        """Whether they fill enough of the cells for a grid."""
        return len(self.column) >= FILLED * len(self.xs) * len(self.ys)


def colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for every kind of network, the most frequent first.

    Beyond seven kinds the rare ones share grey. Outcomes in `FAILED` have greys of their own.
    """
    counted = Counter(label for label in labels if label not in FAILED)
    ranked = sorted(counted, key=lambda label: (-counted[label], label))
    chosen = {label: KINDS[k] if k < len(KINDS) else GREY for k, label in enumerate(ranked)}
    return chosen | {label: colour for label, colour in FAILED.items() if label in set(labels)}


def phases(
    x: ArrayLike,
    y: ArrayLike,
    labels: Sequence[str],
    palette: Mapping[str, str] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[Phase], bool]:
    """What emerges at every point of a map; `phase_map` draws it.

    Parameters
    ----------
    x, y, labels, palette
        As in `phase_map`.

    Returns
    -------
    xs, ys : arrays
        Distinct values of x and of y.
    points : list of Phase
        Row by row.
    grid : bool
        Whether the points fill a grid.
    """
    x, y, kinds = _columns(x, y, labels)
    palette = palette or colours(kinds.tolist())
    points, members = _points(x, y)

    out = []
    for column, row, networks in zip(points.column, points.row, members, strict=True):
        count = Counter(kinds[networks].tolist())
        most = max(count.values())
        kind = min(label for label, n in count.items() if n == most)
        share = count[kind] / count.total()
        colour = 1 - share * (1 - np.array(to_rgb(palette.get(kind, GREY))))
        tied = sum(n == most for n in count.values()) > 1
        out.append(Phase(int(column), int(row), networks, kind, share, colour, tied))
    return points.xs, points.ys, out, points.fill_grid


def phase_map(
    x: ArrayLike,
    y: ArrayLike,
    labels: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    palette: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Figure:
    """Which kind of network emerges at which strengths.

    The most frequent kind of a point gives the colour, its share of the seeds the saturation.

    Parameters
    ----------
    x, y : (n,) arrays
        Strengths of each network; networks with both equal are seeds of the same point. Of equally
        frequent kinds the first by name is shown.
    labels : sequence of n str
        Kind of each network.
    x_label, y_label : str
        Of the axes.
    palette : dict of str to str, or None
        {kind: colour}, of `colours` unless given.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For nothing to draw, or arrays of different lengths.
    """
    x, y, kinds = _columns(x, y, labels)
    palette = dict(palette or colours(kinds.tolist()))
    xs, ys, at_points, _ = phases(x, y, kinds.tolist(), palette)
    column = np.array([point.column for point in at_points])
    row = np.array([point.row for point in at_points])

    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    rgb = np.array([point.colour for point in at_points])
    _draw_points(axes, _Points(xs, ys, column, row), rgb)
    _name_axes(axes, x_label, y_label)

    note = "points"
    if max(len(point.networks) for point in at_points) > 1:
        ties = ";\nties: first by name" if any(point.tied for point in at_points) else ""
        note = f"points where it dominates;\npaler: fewer of the seeds{ties}"
    handles = _marks(palette, [point.kind for point in at_points])
    _legend(figure, handles, note)
    return titled(figure, title)


def heat_map(
    x: ArrayLike,
    y: ArrayLike,
    values: ArrayLike,
    *,
    x_label: str,
    y_label: str,
    name: str,
    logarithmic: bool = False,
    title: str | None = None,
) -> Figure:
    """A measure over two strengths: on the left its median over seeds, on the right their range.

    The range (largest less smallest) is left out where every point has a single seed.

    Parameters
    ----------
    x, y : (n,) arrays
        Strengths of each network.
    values : (n,) array
        The measure; NaN where it does not exist: such a point stays empty.
    x_label, y_label : str
        Of the axes.
    name : str
        Of the measure.
    logarithmic : bool
        Whether the median is drawn as its logarithm.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For nothing to draw, or arrays of different lengths.
    """
    x, y, numbers = _columns(x, y, np.asarray(values, dtype=float))
    known = np.isfinite(numbers) & ((numbers > 0) | (not logarithmic))
    _columns(numbers[known])
    points, members = _points(x, y)
    groups = [numbers[rows[known[rows]]] for rows in members]
    medians, ranges = _medians_and_ranges(groups, logarithmic)

    panels = [(medians, f"{'log10 of ' if logarithmic else ''}median {name}")]
    if np.isfinite(ranges).any():
        panels.append((ranges, "range over seeds"))
    figure = new_figure(0.4 + 4.0 * len(panels), 3.6)
    grid = figure.subplots(1, len(panels), squeeze=False).flat
    for axes, (at_points, heading) in zip(grid, panels, strict=True):
        norm = _norm(at_points)
        _draw_points(axes, points, MAGNITUDE(norm(at_points))[:, :3], np.isfinite(at_points))
        _name_axes(axes, x_label, y_label)
        axes.set_title(heading, fontsize=FONT + 1, color=INK)
        _scale(figure, axes, norm, at_points)
    return titled(figure, title)


def pareto_front(costs: ArrayLike, scores: ArrayLike) -> Integers:
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
    labels: Sequence[str],
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
    costs, scores, kinds = _columns(
        np.asarray(costs, dtype=float), np.asarray(scores, dtype=float), labels
    )
    palette = dict(palette or colours(kinds.tolist()))
    known = np.isfinite(costs) & np.isfinite(scores) & (costs > 0)
    costs, scores, kinds = _columns(costs[known], scores[known], kinds[known])

    figure = new_figure(6.0, 4.0)
    axes = figure.add_subplot()
    fills = [palette.get(kind, GREY) for kind in kinds]
    axes.scatter(costs, scores, s=_dot(len(costs)), c=fills, alpha=0.7, linewidths=0)

    front = pareto_front(np.where(np.isin(kinds, list(FAILED)), np.nan, costs), scores)
    axes.plot(costs[front], scores[front], drawstyle="steps-post", color=INK, linewidth=0.9)
    ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 0.9}
    axes.scatter(costs[front], scores[front], s=26, **ring, zorder=3)
    _spread_out(axes, "x", costs)
    _name_axes(axes, cost_label, score_label)

    line: dict[str, Any] = {"color": INK, "marker": "o", "fillstyle": "none", "linewidth": 0.9}
    handles = [*_marks(palette, kinds.tolist()), Line2D([], [], **line, label="Pareto front")]
    _legend(figure, handles)
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
    x, y, numbers = _columns(x[known], y[known], numbers[known])

    figure = new_figure(5.2, 4.0)
    axes = figure.add_subplot()
    norm = _norm(numbers)
    order = np.argsort(numbers)  # the highest on top
    axes.scatter(
        x[order],
        y[order],
        s=_dot(len(x)),
        c=numbers[order],
        cmap=MAGNITUDE,
        norm=norm,
        linewidths=0,
        alpha=0.8,
    )
    _name_axes(axes, x_label, y_label)
    _scale(figure, axes, norm, numbers).set_label(name, fontsize=FONT + 1)
    return titled(figure, title)


def _columns(*columns: ArrayLike) -> tuple[np.ndarray, ...]:
    """Arrays of the same length, which is not 0."""
    arrays = tuple(np.asarray(column) for column in columns)
    if any(array.ndim != 1 or len(array) != len(arrays[0]) for array in arrays):
        raise ValueError(
            f"one entry a network is needed in each, got shapes {[array.shape for array in arrays]}"
        )
    if not len(arrays[0]):
        raise ValueError("no network to draw")
    return arrays


def _points(x: np.ndarray, y: np.ndarray) -> tuple[_Points, list[Integers]]:
    """The distinct points, row by row, and the networks of each."""
    xs, column = np.unique(x, return_inverse=True)
    ys, row = np.unique(y, return_inverse=True)
    order = np.lexsort((column, row))
    cells = (row * len(xs) + column)[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    members = np.split(order, starts[1:])
    cells = cells[starts]
    return _Points(xs, ys, cells % len(xs), cells // len(xs)), members


def _medians_and_ranges(groups: Iterable[Floats], logarithmic: bool) -> tuple[Floats, Floats]:
    """Median and range of the values of each point; NaN without values, and for a single range."""
    medians = []
    ranges = []
    for values in groups:
        median = np.median(values) if len(values) else np.nan
        medians.append(np.log10(median) if logarithmic else median)
        ranges.append(np.ptp(values) if len(values) > 1 else np.nan)
    return np.array(medians), np.array(ranges)


def _norm(numbers: Floats) -> Normalize:
    """From the smallest to the largest finite number; around it where they are the same."""
    low = np.nanmin(numbers)
    high = np.nanmax(numbers)
    return Normalize(low, high) if high > low else Normalize(low - 1, low + 1)


def _draw_points(axes: Axes, points: _Points, rgb: Floats, known: Flags | None = None) -> None:
    """Draw points in their colours `(p, 3)`, those `known` `(p,)` only.

    They are cells where all of them fill a grid, dots elsewhere.
    """
    shown = slice(None) if known is None else known
    column = points.column[shown]
    row = points.row[shown]
    rgb = rgb[shown]
    if points.fill_grid:
        picture = np.zeros((len(points.ys), len(points.xs), 4))
        picture[..., :3] = 1
        picture[row, column] = np.column_stack([rgb, np.ones(len(rgb))])
        _draw_cells(axes, picture, points.xs, points.ys)
        return

    dots: dict[str, Any] = {"s": max(14, _dot(len(rgb))), "edgecolors": GREY, "linewidths": 0.3}
    axes.scatter(points.xs[column], points.ys[row], c=rgb, **dots)
    _spread_out(axes, "x", points.xs)
    _spread_out(axes, "y", points.ys)


def _draw_cells(axes: Axes, picture: Floats, xs: np.ndarray, ys: np.ndarray) -> None:
    """A cell for each pixel of `picture` (rows, columns, 4), named by the values of x and y."""
    axes.set_facecolor("#F4F4F4")
    axes.imshow(picture, origin="lower", aspect="auto", interpolation="nearest")
    _name_cells(axes.set_xticks, xs, 60 if len(xs) > 6 else 0)
    _name_cells(axes.set_yticks, ys, 0)

    axes.set_xticks(np.arange(len(xs) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(ys) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.8)
    axes.tick_params(which="minor", length=0)


def _name_cells(set_ticks: Callable[..., object], values: np.ndarray, degrees: float) -> None:
    """Name every n-th value along a side, turned by `degrees`."""
    step = -(-len(values) // MOST_TICKS)
    names = [short(value) for value in values[::step]]
    set_ticks(range(0, len(values), step), names, rotation=degrees)


def _spread_out(axes: Axes, which: str, values: np.ndarray) -> None:
    """A logarithmic scale for numbers that span more than a decade, on the axis `which` ("x", "y").

    Where there is a 0 the scale is linear below the smallest other number.
    """
    if not np.issubdtype(values.dtype, np.number):
        return
    positive = values[values > 0]
    if not len(positive) or values.min() < 0 or positive.max() <= DECADE * positive.min():
        return

    set_scale = getattr(axes, f"set_{which}scale")
    if len(positive) < len(values):
        set_scale("symlog", linthresh=positive.min())
        return
    set_scale("log")
    # An axis with few powers of ten names what lies between them too.
    if positive.max() < DECADE**2 * positive.min():
        axis = getattr(axes, f"{which}axis")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def _dot(n: int) -> float:
    """Square points of a dot, so that n of them leave gaps."""
    return float(np.clip(4000 / n, 3, 18))


def _marks(palette: Mapping[str, str], kinds: Sequence[str]) -> list[Line2D]:
    """A square in its colour for every kind there is, with how often it comes."""
    count = Counter(kinds)
    square: dict[str, Any] = {"marker": "s", "markersize": 7, "linewidth": 0}
    return [
        Line2D([], [], color=colour, **square, label=f"{kind} ({count[kind]:,})")
        for kind, colour in palette.items()
        if kind in count
    ]


def _legend(figure: Figure, handles: Sequence[Line2D], note: str | None = None) -> None:
    """The kinds of networks at the right of the figure, under `note`."""
    figure.legend(
        handles=handles,
        loc="outside right upper",
        frameon=False,
        fontsize=FONT,
        title=note,
        title_fontsize=FONT,
    )


def _name_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Name both axes, in the plain look of all figures."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    plain_axes(axes)


def _scale(figure: Figure, axes: Axes, norm: Normalize, numbers: Floats) -> Colorbar:
    """The colour scale beside `axes`; a single tick where all numbers are the same."""
    bar = figure.colorbar(ScalarMappable(norm, MAGNITUDE), ax=axes, shrink=0.8, pad=0.02)
    if np.nanmin(numbers) == np.nanmax(numbers):
        bar.set_ticks([np.nanmin(numbers)], labels=[f"{np.nanmin(numbers):.4g}"])
    bar.ax.tick_params(labelsize=FONT)
    return bar
