"""Maps of many networks, over two strengths or two measures. Draws given numbers; a network is an entry of every array.

Two strengths that form a grid give a map of cells, equally wide, named by their values; samples give a scatter plot.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

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
)

KINDS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, "#8C6D31")
FAILED = {"disconnected": "#B8B8B8", "nothing learned": "#A3937C", "diverged": "#6A6A6A"}
"""Kinds of networks that are none, with their greys."""
FILLED = 0.25
"""Share of the cells that must hold a network for two strengths to count as a grid."""
DECADE = 10.0


def colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for every kind of network, the most frequent first; beyond seven kinds they share one.

    Networks that are none (FAILED) are grey.
    """
    counted = Counter(label for label in labels if label not in FAILED)
    ranked = sorted(counted, key=lambda label: (-counted[label], label))
    chosen = {label: KINDS[k] if k < len(KINDS) else GREY for k, label in enumerate(ranked)}
    return chosen | {label: colour for label, colour in FAILED.items() if label in set(labels)}


@dataclass(frozen=True)
class Phase:
    """What emerges at one point of a map.

    Attributes:
        column, row: where the point is, counted along the distinct values of x and y.
        networks: indices of its networks, the seeds.
        kind: the most frequent kind, of equally frequent ones the first by name; share: of the networks that are of it.
        colour: of the kind, paler the smaller the share, (3,) from 0 to 1.
        tied: whether another kind is as frequent.
    """

    column: int
    row: int
    networks: np.ndarray
    kind: str
    share: float
    colour: np.ndarray
    tied: bool = False


def phases(
    x, y, labels: Sequence[str], palette: Mapping[str, str] | None = None
) -> tuple[np.ndarray, np.ndarray, list[Phase], bool]:
    """Distinct values of x and of y, what emerges at every point there is, and whether the points fill a grid.

    Arguments as in `phase_map`, which draws this.
    """
    x, y, labels = _columns(x, y, labels)
    palette = palette or colours(labels.tolist())
    (xs, ys, columns, rows), members = _points(x, y)
    found = []
    for column, row, networks in zip(columns.tolist(), rows.tolist(), members, strict=True):
        count = Counter(labels[networks].tolist())
        kind = min(count, key=lambda label, count=count: (-count[label], label))
        share = count[kind] / count.total()
        colour = 1 - share * (1 - np.array(to_rgb(palette.get(kind, GREY))))
        tied = sum(n == count[kind] for n in count.values()) > 1
        found.append(Phase(column, row, networks, kind, share, colour, tied))
    return xs, ys, found, _fill_grid(xs, ys, columns)


def phase_map(
    x,
    y,
    labels: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    palette: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Figure:
    """Which kind of network emerges where: the most frequent one as colour, its share of the seeds as saturation.

    Parameters
    ----------
    x, y : `(n,)` strengths of each network; networks with both equal are seeds of one point. Of equally frequent
        kinds the first by name is shown.
    labels : `(n,)` kind of each network. palette : {kind: colour}, of `colours` unless given.
    x_label, y_label, title : of the axes and the figure.

    Raises
    ------
    ValueError : nothing to draw, or arrays of different lengths.
    """
    x, y, labels = _columns(x, y, labels)
    palette = dict(palette or colours(labels))
    xs, ys, points, _ = phases(x, y, labels, palette)
    places = (
        xs,
        ys,
        np.array([point.column for point in points]),
        np.array([point.row for point in points]),
    )
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    _draw_points(axes, places, np.array([point.colour for point in points]))
    _name_axes(axes, x_label, y_label)
    seen = Counter(point.kind for point in points)
    handles = [
        _mark(colour, f"{kind} ({seen[kind]:,})")
        for kind, colour in palette.items()
        if kind in seen
    ]
    note = "points"
    if max(len(point.networks) for point in points) > 1:
        ties = ";\nties: first by name" if any(point.tied for point in points) else ""
        note = f"points where it dominates;\npaler: fewer of the seeds{ties}"
    figure.legend(
        handles=handles,
        loc="outside right upper",
        frameon=False,
        fontsize=FONT,
        title=note,
        title_fontsize=FONT,
    )
    return _titled(figure, title)


def heat_map(
    x,
    y,
    values,
    *,
    x_label: str,
    y_label: str,
    name: str,
    logarithmic: bool = False,
    title: str | None = None,
) -> Figure:
    """A measure over two strengths: on the left its median over seeds, on the right their range (largest less smallest), where
    there are several.

    `x`, `y`, `values` `(n,)`, one entry a network; NaN where the measure does not exist: such a point stays empty. `name` of
    the measure; `logarithmic` its median. Raises ValueError when there is nothing to draw.
    """
    x, y, values = _columns(x, y, np.asarray(values, dtype=float))
    known = np.isfinite(values) & ((values > 0) | (not logarithmic))
    _columns(values[known])
    places, members = _points(x, y)
    members = [rows[known[rows]] for rows in members]
    medians, ranges = np.full((2, len(members)), np.nan)
    for k, rows in enumerate(members):
        if len(rows):
            medians[k] = (
                np.log10(np.median(values[rows])) if logarithmic else np.median(values[rows])
            )
        if len(rows) > 1:
            ranges[k] = np.ptp(values[rows])
    panels = [(medians, f"{'log10 of ' if logarithmic else ''}median {name}")]
    if np.isfinite(ranges).any():
        panels.append((ranges, "range over seeds"))
    figure = new_figure(0.4 + 4.0 * len(panels), 3.6)
    for axes, (numbers, what) in zip(
        figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True
    ):
        norm = _norm(numbers)
        _draw_points(axes, places, MAGNITUDE(norm(numbers))[:, :3], np.isfinite(numbers))
        _name_axes(axes, x_label, y_label)
        axes.set_title(what, fontsize=FONT + 1, color=INK)
        _scale(figure, axes, norm, numbers)
    return _titled(figure, title)


def pareto_front(costs, scores) -> np.ndarray:
    """Indices of the networks that no other beats in both (lower cost, higher score), by rising cost.

    `costs`, `scores` `(n,)`; entries with NaN never belong. Of equal ones the first is named.
    """
    costs, scores = np.asarray(costs, dtype=float), np.asarray(scores, dtype=float)
    order = np.lexsort((-scores, costs))
    order = order[np.isfinite(costs[order]) & np.isfinite(scores[order])]
    best = np.maximum.accumulate(scores[order]) if len(order) else scores[order]
    first = np.concatenate([[True], best[1:] > best[:-1]])[: len(order)]
    return order[first]


def trade_off(
    costs,
    scores,
    labels: Sequence[str],
    *,
    cost_label: str,
    score_label: str,
    palette: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Figure:
    """Score against cost (accuracy against connections, say), every network a dot; the Pareto front is ringed and joined.

    `costs`, `scores`, `labels` `(n,)`; networks with NaN or a cost of 0 are left out, and those of FAILED are on no front.
    Raises ValueError when none is left.
    """
    costs, scores, labels = _columns(
        np.asarray(costs, dtype=float), np.asarray(scores, dtype=float), labels
    )
    known = np.isfinite(costs) & np.isfinite(scores) & (costs > 0)
    palette = dict(palette or colours(labels))
    costs, scores, labels = _columns(costs[known], scores[known], labels[known])
    figure = new_figure(6.0, 4.0)
    axes = figure.add_subplot()
    axes.scatter(
        costs,
        scores,
        s=_dot(len(costs)),
        c=[palette.get(label, GREY) for label in labels],
        alpha=0.7,
        linewidths=0,
    )
    front = pareto_front(np.where(np.isin(labels, list(FAILED)), np.nan, costs), scores)
    axes.plot(costs[front], scores[front], drawstyle="steps-post", color=INK, linewidth=0.9)
    axes.scatter(
        costs[front],
        scores[front],
        s=26,
        facecolors="none",
        edgecolors=INK,
        linewidths=0.9,
        zorder=3,
    )
    _spread_out(axes, "x", costs)
    _name_axes(axes, cost_label, score_label)
    seen = Counter(labels.tolist())
    handles = [
        _mark(colour, f"{label} ({seen[label]:,})")
        for label, colour in palette.items()
        if label in seen
    ]
    handles.append(
        Line2D([], [], color=INK, marker="o", fillstyle="none", linewidth=0.9, label="Pareto front")
    )
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=FONT)
    return _titled(figure, title)


def measure_plane(
    x, y, values, *, x_label: str, y_label: str, name: str, title: str | None = None
) -> Figure:
    """Networks in the plane of two measures, a third as colour. `x`, `y`, `values` `(n,)`; those with NaN are left out.

    Raises ValueError when none is left.
    """
    x, y, values = (np.asarray(column, dtype=float) for column in (x, y, values))
    known = np.isfinite(x) & np.isfinite(y) & np.isfinite(values)
    x, y, values = _columns(x[known], y[known], values[known])
    figure = new_figure(5.2, 4.0)
    axes = figure.add_subplot()
    norm = _norm(values)
    order = np.argsort(values)  # the highest on top
    axes.scatter(
        x[order],
        y[order],
        s=_dot(len(x)),
        c=values[order],
        cmap=MAGNITUDE,
        norm=norm,
        linewidths=0,
        alpha=0.8,
    )
    _name_axes(axes, x_label, y_label)
    _scale(figure, axes, norm, values).set_label(name, fontsize=FONT + 1)
    return _titled(figure, title)


def _columns(*columns) -> tuple[np.ndarray, ...]:
    """Arrays of one length, which is not 0."""
    arrays = tuple(np.asarray(column) for column in columns)
    if any(array.ndim != 1 or len(array) != len(arrays[0]) for array in arrays):
        raise ValueError(
            f"one entry a network is needed in each, got shapes {[array.shape for array in arrays]}"
        )
    if not len(arrays[0]):
        raise ValueError("no network to draw")
    return arrays


def _points(x: np.ndarray, y: np.ndarray) -> tuple[tuple, list[np.ndarray]]:
    """Where the points are, (x values, y values, `(p,)` column and `(p,)` row of each), and the networks of each."""
    xs, column = np.unique(x, return_inverse=True)
    ys, row = np.unique(y, return_inverse=True)
    order = np.lexsort((column, row))
    cells = (row * len(xs) + column)[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    members = np.split(order, starts[1:])
    cells = cells[starts]
    return (xs, ys, cells % len(xs), cells // len(xs)), members


def _fill_grid(xs: np.ndarray, ys: np.ndarray, column: np.ndarray) -> bool:
    return len(column) >= FILLED * len(xs) * len(ys)


def _norm(numbers: np.ndarray) -> Normalize:
    """From the smallest to the largest finite number; around it where there is one only."""
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    return Normalize(low, high) if high > low else Normalize(low - 1, low + 1)


def _draw_points(
    axes: Axes, places: tuple, rgb: np.ndarray, known: np.ndarray | None = None
) -> None:
    """Draw points of colours `(p, 3)`, those `known`: as cells where all of them fill a grid, as dots elsewhere."""
    xs, ys, column, row = places
    known = np.ones(len(column), dtype=bool) if known is None else known
    grid = _fill_grid(xs, ys, column)
    column, row, rgb = column[known], row[known], rgb[known]
    if grid:
        picture = np.ones((len(ys), len(xs), 4))
        picture[..., 3] = 0
        picture[row, column] = np.column_stack([rgb, np.ones(len(rgb))])
        axes.set_facecolor("#F4F4F4")
        axes.imshow(picture, origin="lower", aspect="auto", interpolation="nearest")
        for values, ticks, turn in (
            (xs, axes.set_xticks, 60 if len(xs) > 6 else 0),
            (ys, axes.set_yticks, 0),
        ):
            step = -(-len(values) // 16)
            ticks(
                range(0, len(values), step),
                [short(value) for value in values[::step]],
                rotation=turn,
            )
        axes.set_xticks(np.arange(len(xs) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(ys) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=0.8)
        axes.tick_params(which="minor", length=0)
        return
    axes.scatter(
        xs[column], ys[row], c=rgb, s=max(14, _dot(len(rgb))), edgecolors=GREY, linewidths=0.3
    )
    _spread_out(axes, "x", xs)
    _spread_out(axes, "y", ys)


def _spread_out(axes: Axes, which: str, values: np.ndarray) -> None:
    """A logarithmic scale for numbers that span more than a decade; linear below the smallest where there is a 0."""
    if not np.issubdtype(values.dtype, np.number):
        return
    positive = values[values > 0]
    if not len(positive) or values.min() < 0 or positive.max() <= DECADE * positive.min():
        return
    if len(positive) < len(values):
        getattr(axes, f"set_{which}scale")("symlog", linthresh=positive.min())
        return
    getattr(axes, f"set_{which}scale")("log")
    if (
        positive.max() < DECADE**2 * positive.min()
    ):  # few powers of ten: name what lies between them too
        axis = getattr(axes, f"{which}axis")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def _dot(n: int) -> float:
    return float(np.clip(4000 / n, 3, 18))


def _mark(colour: str, label: str) -> Line2D:
    return Line2D([], [], color=colour, marker="s", markersize=7, linewidth=0, label=label)


def _name_axes(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    plain_axes(axes)


def _scale(figure: Figure, axes: Axes, norm: Normalize, numbers: np.ndarray) -> Colorbar:
    bar = figure.colorbar(ScalarMappable(norm, MAGNITUDE), ax=axes, shrink=0.8, pad=0.02)
    if np.nanmin(numbers) == np.nanmax(numbers):
        bar.set_ticks([np.nanmin(numbers)], labels=[f"{np.nanmin(numbers):.4g}"])
    bar.ax.tick_params(labelsize=FONT)
    return bar


def _titled(figure: Figure, title: str | None) -> Figure:
    if title:
        figure.suptitle(title, fontsize=FONT + 3, color=INK)
    return figure
