"""Structure forming during training, from snapshots of the weights.

Trains nothing and reads no files: the snapshots come as arrays.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from analysis.plots.matrix import draw_matrix, magnitude_norm
from analysis.plots.ordering import layer_groups, order_groups
from analysis.plots.style import BLUE, FONT, INK, new_figure, plain_axes, square_matrix

MATRICES = 6  # small multiples in the figure


def structure_over_training(
    snapshots: Sequence[tuple[int, np.ndarray]],
    layer_of: Mapping[int, int],
    *,
    n_inputs: int,
    n_outputs: int,
    positions=None,
    title: str | None = None,
) -> Figure:
    """Living neurons and connections over training, and |W| at up to six snapshots.

    All matrices show the neurons in `layer_of` (those that live at the end) in one and the same order, found from the
    last snapshot, and share one colour scale, so that the eye can follow a block as it forms. A hidden neuron
    counts as living while it has both incoming and outgoing weights, itself left out.

    Parameters
    ----------
    snapshots : (step, weights `(S, S)`), by increasing step.
    layer_of : {neuron: layer} at the end, as for `sorted_matrix`.
    n_inputs, n_outputs : sizes of the two ends of the vector.
    positions : `(S, dim)` or None, as for `sorted_matrix`.
    title : shown above.

    Raises
    ------
    ValueError : no snapshots, steps that do not increase, matrices that are not square, finite and of one size, an
        empty `layer_of`.
    """
    if not len(snapshots):
        raise ValueError("snapshots must hold at least one (step, weights)")
    steps = [int(step) for step, _ in snapshots]
    if steps != sorted(set(steps)):
        raise ValueError(f"snapshots must come by increasing step, got {steps}")
    matrices = [square_matrix(weights, "snapshots") for _, weights in snapshots]
    size = len(matrices[-1])
    if any(len(weights) != size for weights in matrices):
        raise ValueError("snapshots must all have the same number of neurons")
    positions = None if positions is None else np.asarray(positions, dtype=float)
    groups = order_groups(
        matrices[-1], layer_groups(layer_of, size, n_inputs, n_outputs), positions
    )
    if not groups:
        raise ValueError("layer_of must name at least one neuron")
    hidden = slice(n_inputs, size - n_outputs)
    living = [int(_is_living(weights)[hidden].sum()) for weights in matrices]
    connections = [int(np.count_nonzero(weights)) for weights in matrices]
    figure = new_figure(6.8, 6.0)
    grid = figure.add_gridspec(3, 6, height_ratios=(0.8, 1, 1))
    _draw_counts(figure.add_subplot(grid[0, :3]), steps, living, "living hidden neurons")
    _draw_counts(figure.add_subplot(grid[0, 3:]), steps, connections, "connections")
    order = np.concatenate([members for _, members in groups])
    norm = magnitude_norm(np.stack([weights[np.ix_(order, order)] for weights in matrices]))
    chosen = np.unique(
        np.round(np.linspace(0, len(steps) - 1, min(MATRICES, len(steps)))).astype(int)
    )
    for place, number in enumerate(chosen):
        axes = figure.add_subplot(grid[1 + place // 3, place % 3 * 2 : place % 3 * 2 + 2])
        draw_matrix(axes, matrices[number], groups, norm)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(f"step {steps[number]}", fontsize=FONT + 1, color=INK)
    if title:
        figure.suptitle(title, fontsize=FONT + 3, color=INK)
    return figure


def _draw_counts(axes, steps: list[int], counts: list[int], name: str) -> None:
    """`counts` over `steps`, on a logarithmic scale when they span a decade (a count of 0 then lies at 1)."""
    counts = np.asarray(counts)
    if counts.max() >= 10 * max(counts.min(), 1):
        counts = np.maximum(counts, 1)
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, max(counts.max(), 1) * 1.08)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.plot(steps, counts, color=BLUE, marker="o", markersize=3, linewidth=1.3)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_title(name, fontsize=FONT + 1, color=INK)
    axes.set_xlabel("training step")
    plain_axes(axes)


def _is_living(weights: np.ndarray) -> np.ndarray:
    edges = weights != 0
    np.fill_diagonal(edges, False)
    return edges.any(axis=0) & edges.any(axis=1)
