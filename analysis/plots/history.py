"""Structure forming during training, from snapshots of the weights.

Trains nothing and reads no files: the snapshots come as arrays.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import ArrayLike, NDArray

from analysis.network import Floats
from analysis.ordering import Group, layer_groups, order_groups
from analysis.plots.matrix import draw_matrix, magnitude_norm
from analysis.plots.style import BLUE, FONT, INK, new_figure, plain_axes, square_matrix, titled

# Small multiples in the figure. By judgement: two rows of three fill a page's width.
MATRICES = 6


def structure_over_training(
    snapshots: Sequence[tuple[int, ArrayLike]],
    layer_of: Mapping[int, int],
    *,
    n_inputs: int,
    n_outputs: int,
    positions: ArrayLike | None = None,
    title: str | None = None,
) -> Figure:
    """Joined neurons and connections over training, and |W| at up to six snapshots.

    All matrices show the neurons in `layer_of` (those used at the end) in one and the same order,
    taken from the last snapshot, and share one colour scale, so that the eye can follow a block as
    it forms. A hidden neuron counts as joined while it has both incoming and outgoing weights, its
    weight to itself left out.

    Parameters
    ----------
    snapshots : sequence of (int, (S, S) array)
        Step and weights, by increasing step.
    layer_of : dict of int to int
        {neuron: layer} at the end, as for `sorted_matrix`.
    n_inputs, n_outputs : int
        Sizes of the two ends of the vector.
    positions : (S, dim) array or None
        As for `sorted_matrix`.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For no snapshots, steps that do not increase, matrices that are not square, finite and of
        one size, and an empty `layer_of`.
    """
    steps, matrices = _steps_and_matrices(snapshots)
    size = len(matrices[-1])
    places = None if positions is None else np.asarray(positions, dtype=float)
    groups = order_groups(matrices[-1], layer_groups(layer_of, size, n_inputs, n_outputs), places)
    if not groups:
        raise ValueError("layer_of must name at least one neuron")

    hidden = slice(n_inputs, size - n_outputs)
    neurons = [int(_is_joined(weights)[hidden].sum()) for weights in matrices]
    connections = [int(np.count_nonzero(weights)) for weights in matrices]

    figure = new_figure(6.8, 6.0)
    grid = figure.add_gridspec(3, 6, height_ratios=(0.8, 1, 1))
    _draw_counts(figure.add_subplot(grid[0, :3]), steps, neurons, "joined hidden neurons")
    _draw_counts(figure.add_subplot(grid[0, 3:]), steps, connections, "connections")
    _draw_matrices(figure, grid, steps, matrices, groups)
    return titled(figure, title)


def _steps_and_matrices(
    snapshots: Sequence[tuple[int, ArrayLike]],
) -> tuple[list[int], list[Floats]]:
    """Steps and weights of the snapshots; ValueError where they are not as they must be."""
    if not len(snapshots):
        raise ValueError("snapshots must hold at least one (step, weights)")

    steps = [int(step) for step, _ in snapshots]
    if steps != sorted(set(steps)):
        raise ValueError(f"snapshots must come by increasing step, got {steps}")

    matrices = [square_matrix(weights, "snapshots") for _, weights in snapshots]
    if any(len(weights) != len(matrices[-1]) for weights in matrices):
        raise ValueError("snapshots must all have the same number of neurons")
    return steps, matrices


def _draw_counts(axes: Axes, steps: list[int], counts: list[int], name: str) -> None:
    """`counts` over `steps`, on a logarithmic scale when they span a decade.

    A count of 0 then lies at 1.
    """
    heights: NDArray[np.int64] = np.asarray(counts)
    if heights.max() >= 10 * max(heights.min(), 1):
        heights = np.maximum(heights, 1)
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, max(heights.max(), 1) * 1.08)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    axes.plot(steps, heights, color=BLUE, marker="o", markersize=3, linewidth=1.3)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_title(name, fontsize=FONT + 1, color=INK)
    axes.set_xlabel("training step")
    plain_axes(axes)


def _draw_matrices(
    figure: Figure,
    grid: GridSpec,
    steps: list[int],
    matrices: list[Floats],
    groups: Sequence[Group],
) -> None:
    """Up to `MATRICES` snapshots, evenly over training, below the counts."""
    order = np.concatenate([members for _, members in groups])
    norm = magnitude_norm(np.stack([weights[np.ix_(order, order)] for weights in matrices]))

    even = np.linspace(0, len(steps) - 1, min(MATRICES, len(steps)))
    for panel, number in enumerate(np.unique(np.round(even).astype(int))):
        row, column = divmod(panel, 3)
        axes = figure.add_subplot(grid[1 + row, 2 * column : 2 * column + 2])
        draw_matrix(axes, matrices[number], groups, norm)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(f"step {steps[number]}", fontsize=FONT + 1, color=INK)


def _is_joined(weights: Floats) -> NDArray[np.bool_]:
    """(S,) bool: neurons with a weight from another neuron and a weight to another."""
    edges = weights != 0
    np.fill_diagonal(edges, False)
    return edges.any(axis=0) & edges.any(axis=1)
