"""|W| sorted by layer: the picture in which an architecture is seen at a glance.

Writes no file and finds no layers: these come from the caller.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from analysis.network import Floats
from analysis.ordering import Group, layer_groups, order_groups
from analysis.plots.style import FONT, INK, MAGNITUDE, PALE, new_figure, square_matrix, titled

# Of the picture's side. By judgement: over 200 to the inch in print.
PIXELS = 1200

# Of the picture's side, about 3 points. By judgement: a lone weight that a reader still finds.
SMALLEST_CELL = 1 / 120

# Of the picture's side. By judgement: room for the name of a layer of two neurons.
SMALLEST_GROUP = 0.05

# By judgement: weights under 1/1000 of the largest share the faintest colour.
COLOUR_DECADES = 3


def sorted_matrix(
    weights: ArrayLike,
    layer_of: Mapping[int, int],
    *,
    n_inputs: int,
    n_outputs: int,
    positions: ArrayLike | None = None,
    title: str | None = None,
) -> Figure:
    """Draw |W| of the used neurons, sorted by layer, with borders, names and sizes of the layers.

    A layered network shows blocks under the diagonal, local wiring shows bands, residual streams
    show diagonals, re-use fills the block on the diagonal. Exact zeros are white, or a faint tint
    in blocks that hold any weight.

    Parameters
    ----------
    weights : (S, S) array
        `weights[i, j]` from neuron j to neuron i.
    layer_of : dict of int to int
        {neuron: layer} of the used neurons; others are simply missing. Layers of one value only (a
        recurrent network) give one group.
    n_inputs, n_outputs : int
        Sizes of the two ends of the vector.
    positions : (S, dim) array or None
        x before y; NaN for neurons without a position. Orders a layer where given; without them
        hidden neurons are ordered by the likeness of their connections.
    title : str or None
        Shown above the picture.

    Raises
    ------
    ValueError
        For an argument of the wrong shape, or one that is not finite.

    Notes
    -----
    Every non-zero weight is drawn at least `SMALLEST_CELL` wide and every group `SMALLEST_GROUP`
    wide, so small layers and lone weights stay visible. The price: in large matrices a cell may
    cover its neighbours; the larger weight wins.
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
    used = np.concatenate([members for _, members in groups])
    norm = magnitude_norm(weights[np.ix_(used, used)])
    draw_matrix(axes, weights, groups, norm)
    _name_groups(axes, groups)

    if norm is not None:
        _add_scale(figure, axes, norm, weights)
    return titled(figure, title)


def magnitude_norm(weights: Floats) -> LogNorm | None:
    """The logarithmic colour scale for |weights|, at most `COLOUR_DECADES` long.

    None when all weights are zero.
    """
    sizes = np.abs(weights[weights != 0])
    if not sizes.size:
        return None
    largest = sizes.max()
    return LogNorm(min(max(sizes.min(), largest / 10**COLOUR_DECADES), largest / 2), largest)


def draw_matrix(axes: Axes, weights: Floats, groups: Sequence[Group], norm: LogNorm | None) -> None:
    """Draw the ordered groups' |weights| into `axes`: tint of filled blocks, picture, borders.

    Draws no names and no scale.
    """
    order = np.concatenate([members for _, members in groups])
    sizes = [len(members) for _, members in groups]
    edges = group_edges(sizes)
    magnitudes = np.abs(weights[np.ix_(order, order)])

    tints = [
        Rectangle((edges[column], edges[row]), np.diff(edges)[column], np.diff(edges)[row])
        for row, column in np.argwhere(_filled_blocks(magnitudes, sizes))
    ]
    axes.add_collection(PatchCollection(tints, facecolor=PALE, edgecolor="none", zorder=0))

    shown = np.ma.masked_equal(matrix_image(magnitudes, sizes), 0.0)
    axes.imshow(
        shown, cmap=MAGNITUDE, norm=norm, extent=(0, 1, 1, 0), interpolation="nearest", zorder=1
    )

    upright = [[(edge, 0), (edge, 1)] for edge in edges]
    across = [[(0, edge), (1, edge)] for edge in edges]
    # A white rim around each border lets it stand out on dark cells.
    for colour, width in (("white", 1.4), (INK, 0.6)):
        axes.add_collection(
            LineCollection(
                upright + across, colors=colour, linewidths=width, zorder=2, clip_on=False
            )
        )
    axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal")
    axes.spines[:].set_visible(False)


def group_edges(sizes: Sequence[int]) -> Floats:
    """Where the groups begin and end on a side of length 1, shape `(len(sizes) + 1,)`.

    Lengths go with the number of neurons, but none falls under `SMALLEST_GROUP` (or under half an
    even share).
    """
    share = np.asarray(sizes, dtype=float) / sum(sizes)
    least = min(SMALLEST_GROUP, 0.5 / len(sizes))
    small = share < least

    # Widening the small groups narrows the others, and may push these under the limit in turn.
    while True:
        length = np.where(small, least, share * (1 - least * small.sum()) / share[~small].sum())
        if (small == (length <= least)).all():
            return np.concatenate([[0.0], np.cumsum(length)]) / length.sum()
        small = length <= least


def cell_edges(sizes: Sequence[int]) -> Floats:
    """Where the neurons begin and end on a side of length 1, shape `(sum(sizes) + 1,)`.

    Neurons of a group are equally wide.
    """
    edges = group_edges(sizes)
    steps = [
        np.full(size, (stop - start) / size)
        for size, start, stop in zip(sizes, edges, edges[1:], strict=False)
    ]
    return np.concatenate([[0.0], np.cumsum(np.concatenate(steps))])


def matrix_image(magnitudes: Floats, sizes: Sequence[int]) -> Floats:
    """Picture of `magnitudes` `(n, n)` in groups of `sizes`, as `(PIXELS, PIXELS)` values.

    Cells narrower than `SMALLEST_CELL` are widened to it about their middle, less so in dense
    matrices, and never over the border of their group. A pixel takes the largest of the cells that
    it touches.
    """
    groups = group_edges(sizes)
    edges = cell_edges(sizes)
    density = np.count_nonzero(magnitudes) / magnitudes.size
    # Widened cells may cover half the picture, not more.
    widest = np.diff(edges).mean() * np.sqrt(0.5 / max(density, 1e-12))
    half = np.maximum(np.diff(edges), min(SMALLEST_CELL, widest)) / 2

    low = np.repeat(groups[:-1], sizes)
    high = np.repeat(groups[1:], sizes)
    half = np.minimum(half, (high - low) / 2)
    middle = np.clip((edges[:-1] + edges[1:]) / 2, low + half, high - half)

    pixel = (np.arange(PIXELS) + 0.5) / PIXELS
    first = np.searchsorted(middle + half, pixel, side="right").clip(0, len(middle) - 1)
    last = (np.searchsorted(middle - half, pixel, side="left") - 1).clip(first, len(middle) - 1)
    cells = list(zip(first, last, strict=True))
    rows = np.stack([magnitudes[start : stop + 1].max(axis=0) for start, stop in cells])
    return np.stack([rows[:, start : stop + 1].max(axis=1) for start, stop in cells], axis=1)


def _filled_blocks(magnitudes: Floats, sizes: Sequence[int]) -> np.ndarray:
    """(G, G) bool: blocks between two groups that hold any weight."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rows = np.add.reduceat(magnitudes > 0, starts, axis=0, dtype=int)
    return np.add.reduceat(rows, starts, axis=1) > 0


def _name_groups(axes: Axes, groups: Sequence[Group]) -> None:
    """Names and sizes of the groups along both sides."""
    names = [f"{name} ({len(members)})" for name, members in groups]
    edges = group_edges([len(members) for _, members in groups])
    centres = (edges[:-1] + edges[1:]) / 2

    axes.set_xticks(centres, names, rotation=40, ha="left", rotation_mode="anchor", fontsize=FONT)
    axes.set_yticks(centres, names, fontsize=FONT)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xlabel("from neuron", fontsize=FONT + 1)
    axes.set_ylabel("to neuron", fontsize=FONT + 1)


def _add_scale(figure: Figure, axes: Axes, norm: LogNorm, weights: Floats) -> None:
    """The colour scale beside the picture, pointed where it cuts small weights off."""
    cut = np.abs(weights[weights != 0]).min() < norm.vmin
    bar = figure.colorbar(
        ScalarMappable(norm, MAGNITUDE),
        ax=axes,
        shrink=0.6,
        pad=0.02,
        extend="min" if cut else "neither",
    )
    bar.set_label("|weight|   (white and pale: exactly zero)", fontsize=FONT + 1)
    bar.ax.tick_params(labelsize=FONT)
