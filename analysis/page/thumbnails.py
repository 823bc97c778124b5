"""Small pictures of |W|, sorted by layer, a kilobyte each: enough to tell architectures apart."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats
from analysis.ordering import layer_groups, order_groups
from analysis.plots.matrix import COLOUR_DECADES, cell_edges, group_edges
from analysis.plots.style import square_matrix

SIDE = 48
"""Pixels. By judgement: blocks, bands and diagonals show, and 700 networks fit into a megabyte."""

SHADES = 15
"""Of weights, beside no weight: two pixels fit into a byte."""

MOST_ORDERED = 300
"""Used neurons. By judgement: in a thumbnail of more the order within a layer does not show."""

ROUNDING = 1e-9
"""Of edges on a side of length 1; far below the width of a neuron."""


def thumbnail(
    weights: ArrayLike,
    layer_of: Mapping[int, int],
    *,
    n_inputs: int,
    n_outputs: int,
    positions: ArrayLike | None = None,
) -> dict[str, Any]:
    """The picture of one network for the scripts of a page.

    Parameters
    ----------
    weights : (S, S) array
        `weights[i, j]` from neuron j to neuron i.
    layer_of : dict of int to int
        {neuron: layer} of the used neurons, at least one.
    n_inputs, n_outputs : int
        Sizes of the two ends of the vector.
    positions : (S, dim) array or None

    Returns
    -------
    dict
        `pixels`: SIDE x SIDE shades, row by row, two in a byte (the first in the high bits), in
        base64; 0 is no weight, and 1 to SHADES are weights on a logarithmic scale. `groups`: (name,
        how many neurons, where it ends on a side of length 1) of each.

    Raises
    ------
    ValueError
        Where `layer_of` names no neuron, or one that is not there.
    """
    weights = square_matrix(weights)
    places = None if positions is None else np.asarray(positions, dtype=float)
    groups = layer_groups(layer_of, len(weights), n_inputs, n_outputs)
    if not groups:
        raise ValueError("layer_of must name at least one neuron")
    if sum(len(members) for _, members in groups) <= MOST_ORDERED:
        groups = order_groups(weights, groups, places)

    order = np.concatenate([members for _, members in groups])
    sizes = [len(members) for _, members in groups]
    shades = _shades(_pooled(np.abs(weights[np.ix_(order, order)]), cell_edges(sizes)))
    halves = shades.reshape(-1, 2)
    ends = np.round(group_edges(sizes)[1:], 3).tolist()
    return {
        "pixels": base64.b64encode((halves[:, 0] << 4 | halves[:, 1]).tobytes()).decode(),
        "groups": [
            [name, size, end] for (name, _), size, end in zip(groups, sizes, ends, strict=True)
        ],
    }


def _pooled(magnitudes: Floats, edges: Floats) -> Floats:
    """(SIDE, SIDE) pixels, each the largest of the entries that it touches."""
    # An edge that is that of a pixel but for rounding is the same edge.
    sides = np.arange(SIDE + 1) / SIDE
    first = np.searchsorted(edges, sides[:-1] + ROUNDING, side="right") - 1
    last = np.searchsorted(edges, sides[1:] - ROUNDING, side="left")

    # reduceat takes from each bound to the next one: every second piece is a pixel.
    bounds = np.column_stack([first, last]).ravel()
    padded = np.pad(magnitudes, ((0, 1), (0, 1)))
    rows = np.maximum.reduceat(padded, bounds, axis=0)[::2]
    return np.maximum.reduceat(rows, bounds, axis=1)[:, ::2]


def _shades(pixels: Floats) -> np.ndarray:
    """Shades from 1 to SHADES of what is not 0, logarithmic below the largest."""
    largest = pixels.max()
    if largest == 0:
        return np.zeros(pixels.shape, dtype=np.uint8)

    with np.errstate(divide="ignore"):
        share = 1 + np.log10(pixels / largest) / COLOUR_DECADES
    shades = 1 + np.round((SHADES - 1) * np.clip(share, 0, 1))
    return np.where(pixels > 0, shades, 0).astype(np.uint8)
