"""|W| sorted by layer: the picture in which an architecture is seen at a glance.

Writes no file and finds no layers: these come from the caller.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.plots.ordering import layer_groups, order_groups
from analysis.plots.style import FONT, INK, MAGNITUDE, PALE, new_figure, square_matrix

PIXELS = 1200  # of the picture's side: over 200 to the inch in print
SMALLEST_CELL = (
    1 / 120
)  # of the picture's side, about 3 points: a lone weight that a reader still finds
SMALLEST_GROUP = 0.05  # of the picture's side: room for the name of a layer of two neurons
COLOUR_DECADES = 3  # weights under 1/1000 of the largest share the faintest colour


def sorted_matrix(
    weights,
    layer_of: Mapping[int, int],
    *,
    n_inputs: int,
    n_outputs: int,
    positions=None,
    title: str | None = None,
) -> Figure:
    """Draw |W| of the living neurons, sorted by layer, with block borders and the layers' names and sizes.

    A layered network shows blocks under the diagonal, local wiring shows bands, residual streams show diagonals,
    re-use fills the block on the diagonal. Exact zeros are white, or a faint tint in blocks that hold any weight.
    Every non-zero weight is drawn at least `SMALLEST_CELL` wide and every group `SMALLEST_GROUP` wide, so small
    layers and lone weights stay visible (the price: in large matrices a cell may cover its neighbours; the larger
    weight wins).

    Parameters
    ----------
    weights : `(S, S)`, `weights[i, j]` from neuron j to neuron i.
    layer_of : {neuron: layer} of the living neurons; dead ones are simply missing. Layers of one value only (a
        recurrent network) give one group.
    n_inputs, n_outputs : sizes of the two ends of the vector.
    positions : `(S, dim)`, x before y, or None; NaN for neurons without a place. Orders a layer where given;
        without them hidden neurons are ordered by the likeness of their connections.
    title : shown above the picture.

    Raises
    ------
    ValueError : an argument of the wrong shape, or not finite.
    """
    weights = square_matrix(weights)
    if positions is not None:
        positions = np.asarray(positions, dtype=float)
        if positions.ndim != 2 or len(positions) != len(weights):
            raise ValueError(
                f"positions must have shape ({len(weights)}, dim), got {positions.shape}"
            )
    groups = order_groups(
        weights, layer_groups(layer_of, len(weights), n_inputs, n_outputs), positions
    )
    if not groups:
        raise ValueError("layer_of must name at least one neuron")
    figure = new_figure(6.6, 6.2)
    axes = figure.add_subplot()
    living = np.concatenate([members for _, members in groups])
    norm = magnitude_norm(weights[np.ix_(living, living)])
    draw_matrix(axes, weights, groups, norm)
    names = [f"{name} ({len(members)})" for name, members in groups]
    edges = group_edges([len(members) for _, members in groups])
    centres = (edges[:-1] + edges[1:]) / 2
    axes.set_xticks(centres, names, rotation=40, ha="left", rotation_mode="anchor", fontsize=FONT)
    axes.set_yticks(centres, names, fontsize=FONT)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xlabel("from neuron", fontsize=FONT + 1)
    axes.set_ylabel("to neuron", fontsize=FONT + 1)
    if norm is not None:
        cut = np.abs(weights[weights != 0]).min() < norm.vmin
        extend = "min" if cut else "neither"
        bar = figure.colorbar(
            ScalarMappable(norm, MAGNITUDE), ax=axes, shrink=0.6, pad=0.02, extend=extend
        )
        bar.set_label("|weight|   (white and pale: exactly zero)", fontsize=FONT + 1)
        bar.ax.tick_params(labelsize=FONT)
    if title:
        figure.suptitle(title, fontsize=FONT + 3, color=INK)
    return figure


def magnitude_norm(weights: np.ndarray) -> LogNorm | None:
    """The logarithmic colour scale for |weights|, at most `COLOUR_DECADES` long; None when all are zero."""
    used = np.abs(weights[weights != 0])
    if not used.size:
        return None
    largest = used.max()
    return LogNorm(min(max(used.min(), largest / 10**COLOUR_DECADES), largest / 2), largest)


def draw_matrix(axes: Axes, weights: np.ndarray, groups: list, norm: LogNorm | None) -> None:
    """Draw the ordered groups' |weights| into `axes`: tint of used blocks, picture, borders. No names, no scale."""
    order = np.concatenate([members for _, members in groups])
    sizes = [len(members) for _, members in groups]
    edges = group_edges(sizes)
    magnitudes = np.abs(weights[np.ix_(order, order)])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    used = (
        np.add.reduceat(np.add.reduceat(magnitudes > 0, starts, axis=0, dtype=int), starts, axis=1)
        > 0
    )
    tints = [
        Rectangle((edges[column], edges[row]), np.diff(edges)[column], np.diff(edges)[row])
        for row, column in np.argwhere(used)
    ]
    axes.add_collection(PatchCollection(tints, facecolor=PALE, edgecolor="none", zorder=0))
    picture = matrix_image(magnitudes, sizes)
    shown = np.ma.masked_equal(picture, 0.0)
    axes.imshow(
        shown, cmap=MAGNITUDE, norm=norm, extent=(0, 1, 1, 0), interpolation="nearest", zorder=1
    )
    borders = [[(edge, 0), (edge, 1)] for edge in edges] + [
        [(0, edge), (1, edge)] for edge in edges
    ]
    for colour, width in (
        ("white", 1.4),
        (INK, 0.6),
    ):  # the white rim lets them be seen on dark cells
        axes.add_collection(
            LineCollection(borders, colors=colour, linewidths=width, zorder=2, clip_on=False)
        )
    axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal")
    axes.spines[:].set_visible(False)


def group_edges(sizes: list[int]) -> np.ndarray:
    """Where the groups begin and end on a side of length 1, shape `(len(sizes) + 1,)`.

    Lengths go with the number of neurons, but none falls under `SMALLEST_GROUP` (or under half an even share).
    """
    share = np.asarray(sizes, dtype=float) / sum(sizes)
    least = min(SMALLEST_GROUP, 0.5 / len(sizes))
    small = share < least
    while True:
        length = np.where(small, least, share * (1 - least * small.sum()) / share[~small].sum())
        if (small == (length <= least)).all():
            return np.concatenate([[0.0], np.cumsum(length)]) / length.sum()
        small = length <= least


def cell_edges(sizes: list[int]) -> np.ndarray:
    """Where the neurons begin and end on a side of length 1, shape `(sum(sizes) + 1,)`; even within a group."""
    edges = group_edges(sizes)
    steps = [
        np.full(size, (stop - start) / size)
        for size, start, stop in zip(sizes, edges, edges[1:], strict=False)
    ]
    return np.concatenate([[0.0], np.cumsum(np.concatenate(steps))])


def matrix_image(magnitudes: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Picture of `magnitudes` `(n, n)`, whose neurons come in groups of `sizes`, as `(PIXELS, PIXELS)` values.

    Cells narrower than `SMALLEST_CELL` are widened to it about their middle, less so in dense matrices, and never
    over the border of their group. A pixel takes the largest of the cells that it touches.
    """
    groups, edges = group_edges(sizes), cell_edges(sizes)
    density = np.count_nonzero(magnitudes) / magnitudes.size
    widest = np.diff(edges).mean() * np.sqrt(
        0.5 / max(density, 1e-12)
    )  # widened cells may cover half the picture
    half = np.maximum(np.diff(edges), min(SMALLEST_CELL, widest)) / 2
    low, high = np.repeat(groups[:-1], sizes), np.repeat(groups[1:], sizes)
    half = np.minimum(half, (high - low) / 2)
    middle = np.clip((edges[:-1] + edges[1:]) / 2, low + half, high - half)
    pixel = (np.arange(PIXELS) + 0.5) / PIXELS
    first = np.searchsorted(middle + half, pixel, side="right").clip(0, len(middle) - 1)
    last = (np.searchsorted(middle - half, pixel, side="left") - 1).clip(first, len(middle) - 1)
    rows = np.stack(
        [magnitudes[start : stop + 1].max(axis=0) for start, stop in zip(first, last, strict=True)]
    )
    return np.stack(
        [rows[:, start : stop + 1].max(axis=1) for start, stop in zip(first, last, strict=True)],
        axis=1,
    )
