"""Maps of many networks over two strengths. Draws given numbers.

A network is an entry of every array. Two strengths that form a grid give a map of cells, equally
wide, named by their values; samples give a scatter plot. Networks that are marked show as hatched
cells, or as dots with a dark ring.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from analysis.arrays import Bools, Floats, Ints
from analysis.plots.kinds import HATCH, colours, legend, marked_handle, marks
from analysis.plots.many import colour_scale, columns, dot_size, name_axes, norm_of, spread_out
from analysis.plots.style import FONT, GREY, INK, MAGNITUDE, new_figure, short, titled

# Share of the cells that must hold a network for two strengths to count as a grid. By judgement: a
# sweep that has only begun still shows as a grid, and a sample never does.
FILLED = 0.25

# Values named along a side of a grid. By judgement: more of them run into each other.
MOST_TICKS = 16

# Side of an inferred point, in sides of a cell. By judgement: its colour still shows, and it is not
# taken for a network.
INFERRED_SIZE = 0.36


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
    n_marked : int
        How many of the networks of this kind are marked.
    inferred : bool
        Whether the kind is inferred from other points, and no network was trained at this one.
    """

    column: int
    row: int
    networks: Ints
    kind: str
    share: float
    colour: Floats
    tied: bool = False
    n_marked: int = 0
    inferred: bool = False


@dataclass(frozen=True)
class _Points:
    """The distinct points (x, y) of a map: values of x and y, and column and row (p,) of each."""

    xs: np.ndarray
    ys: np.ndarray
    column: Ints
    row: Ints

    @property
    def fill_grid(self) -> bool:
        """Whether they fill enough of the cells for a grid."""
        return len(self.column) >= FILLED * len(self.xs) * len(self.ys)


def phases(
    x: ArrayLike,
    y: ArrayLike,
    labels: ArrayLike,
    palette: Mapping[str, str] | None = None,
    marked: ArrayLike | None = None,
    inferred: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray, list[Phase], bool]:
    """What emerges at every point of a map; `phase_map` draws it.

    Parameters
    ----------
    x, y, labels, palette, marked, inferred
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
    none = np.zeros(np.shape(x), dtype=bool)
    flags = [none if flag is None else flag for flag in (marked, inferred)]
    x, y, kinds, is_marked, is_inferred = columns(x, y, labels, *flags)
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
        n_marked = int(is_marked[networks[kinds[networks] == kind]].sum())
        at = (int(column), int(row))
        guessed = bool(is_inferred[networks].all())
        out.append(Phase(*at, networks, kind, share, colour, tied, n_marked, guessed))
    return points.xs, points.ys, out, points.fill_grid


def phase_map(
    x: ArrayLike,
    y: ArrayLike,
    labels: ArrayLike,
    *,
    x_label: str,
    y_label: str,
    palette: Mapping[str, str] | None = None,
    title: str | None = None,
    marked: ArrayLike | None = None,
    mark_label: str = "marked",
    inferred: ArrayLike | None = None,
) -> Figure:
    """Which kind of network emerges at which strengths.

    The most frequent kind of a point gives the colour, its share of the seeds the saturation. A
    point is marked where any of the networks of that kind is.

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
    marked : (n,) boolean array, optional
        Networks to mark; none by default.
    mark_label : str
        What marks mean, in the legend.
    inferred : (n,) boolean array, optional
        Entries that are no networks, but points whose kind is inferred from others: they are drawn
        small. None by default.

    Raises
    ------
    ValueError
        For nothing to draw, or arrays of different lengths.
    """
    x, y, kinds = columns(x, y, labels)
    palette = dict(palette or colours(kinds.tolist()))
    xs, ys, at_points, _ = phases(x, y, kinds.tolist(), palette, marked, inferred)
    column = np.array([point.column for point in at_points])
    row = np.array([point.row for point in at_points])
    points = _Points(xs, ys, column, row)

    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    rgb = np.array([point.colour for point in at_points])
    is_inferred = np.array([point.inferred for point in at_points])
    _draw_points(axes, points, rgb, ~is_inferred)
    _draw_inferred(axes, points, rgb, is_inferred)
    has_mark = np.array([point.n_marked > 0 for point in at_points])
    _draw_marks(axes, points, has_mark)
    name_axes(axes, x_label, y_label)

    note = "points"
    if max(len(point.networks) for point in at_points) > 1:
        ties = ";\nties: first by name" if any(point.tied for point in at_points) else ""
        note = f"points where it dominates;\npaler: fewer of the seeds{ties}"
    if is_inferred.any():
        note += f";\nsmall: inferred, not trained ({is_inferred.sum():,})"
    handles = marks(palette, [point.kind for point in at_points])
    if has_mark.any():
        handles.append(marked_handle(f"{mark_label} ({has_mark.sum():,})", points.fill_grid))
    legend(figure, handles, note)
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
    x, y, numbers = columns(x, y, np.asarray(values, dtype=float))
    known = np.isfinite(numbers) & ((numbers > 0) | (not logarithmic))
    columns(numbers[known])
    points, members = _points(x, y)
    groups = [numbers[rows[known[rows]]] for rows in members]
    medians, ranges = _medians_and_ranges(groups, logarithmic)

    panels = [(medians, f"{'log10 of ' if logarithmic else ''}median {name}")]
    if np.isfinite(ranges).any():
        panels.append((ranges, "range over seeds"))
    figure = new_figure(0.4 + 4.0 * len(panels), 3.6)
    grid = figure.subplots(1, len(panels), squeeze=False).flat
    for axes, (at_points, heading) in zip(grid, panels, strict=True):
        norm = norm_of(at_points)
        _draw_points(axes, points, MAGNITUDE(norm(at_points))[:, :3], np.isfinite(at_points))
        name_axes(axes, x_label, y_label)
        axes.set_title(heading, fontsize=FONT + 1, color=INK)
        colour_scale(figure, axes, norm, at_points)
    return titled(figure, title)


def _points(x: np.ndarray, y: np.ndarray) -> tuple[_Points, list[Ints]]:
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


def _draw_points(axes: Axes, points: _Points, rgb: Floats, known: Bools | None = None) -> None:
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

    dots: dict[str, Any] = {"s": _size(points), "edgecolors": GREY, "linewidths": 0.3}
    axes.scatter(points.xs[column], points.ys[row], c=rgb, **dots)
    spread_out(axes, "x", points.xs)
    spread_out(axes, "y", points.ys)


def _draw_inferred(axes: Axes, points: _Points, rgb: Floats, inferred: Bools) -> None:
    """Draw the inferred `(p,)` points in their colours `(p, 3)`, as small squares or dots."""
    if not inferred.any():
        return
    column = points.column[inferred]
    row = points.row[inferred]
    if not points.fill_grid:
        dots: dict[str, Any] = {"s": INFERRED_SIZE**2 * _size(points), "linewidths": 0}
        axes.scatter(points.xs[column], points.ys[row], c=rgb[inferred], **dots)
        return

    margin = INFERRED_SIZE / 2
    for x, y, colour in zip(column - margin, row - margin, rgb[inferred], strict=True):
        axes.add_patch(Rectangle((x, y), INFERRED_SIZE, INFERRED_SIZE, facecolor=colour))


def _size(points: _Points) -> float:
    """Square points of a dot."""
    return max(14, dot_size(len(points.column)))


def _draw_marks(axes: Axes, points: _Points, marked: Bools) -> None:
    """Hatch the cells of the marked `(p,)` points, or draw rings around their dots."""
    column = points.column[marked]
    row = points.row[marked]
    if not points.fill_grid:
        rings: dict[str, Any] = {"s": 2 * _size(points), "facecolors": "none", "edgecolors": INK}
        axes.scatter(points.xs[column], points.ys[row], linewidths=1.1, **rings)
        return

    for corner in zip(column - 0.5, row - 0.5, strict=True):
        axes.add_patch(Rectangle(corner, 1, 1, **HATCH))


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
