"""The effective graph drawn in layers, from left to right, skips as arcs.

Computes no layers: they come from the caller. Draws any weighted edges, over neurons or over (neuron, iteration).
"""

from collections.abc import Hashable, Iterable, Mapping

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.plots.ordering import order_groups
from analysis.plots.style import FONT, INK, NEGATIVE, POSITIVE, new_figure

FAINTEST = 0.06  # opacity of a vanishing weight: seen when it is alone
CURVE = np.linspace(0, 1, 24)[:, None]  # points of an arc
CROWD = 1000  # edges between two layers that fit at full ink
SPACING = 0.06  # most room between neighbours in a layer, of the figure's height


def layered_graph(
    edges: Iterable[tuple[Hashable, Hashable, float]],
    layer_of: Mapping[Hashable, int],
    *,
    positions: Mapping[Hashable, float] | None = None,
    names: Mapping[int, str] | None = None,
    max_edges: int = 20_000,
    title: str | None = None,
) -> Figure:
    """Draw a weighted directed graph in layers.

    Edges to the next layer are straight. Skips arch over (or under) the layers between; edges back or within a layer
    sag between the columns; a self-loop is a ring around its neuron. Opacity is tanh of |weight| over twice the
    root mean
    square, so the strong edges stand out and a few huge ones do not hide the rest. Blue: positive; vermilion:
    negative. Neurons are ordered within layers for few crossings (barycentre sweeps), or by position.

    Parameters
    ----------
    edges : (source, target, weight), as `graph.edges(data="weight")` of networkx gives them.
    layer_of : {node: layer}. Every node that an edge touches must be here. The lowest layer is called "inputs" and
        the highest "outputs" unless `names` says otherwise; these two keep the order in which `layer_of` lists them.
    positions : {node: coordinate} to order layers by, where all nodes of the layer have one.
    names : {layer: name}.
    max_edges : only the strongest are drawn above this number, and the figure says so.
    title : shown above.

    Raises
    ------
    ValueError : no nodes, an edge to a node without a layer, a weight that is not finite, `max_edges` under 1.
    """
    if not layer_of:
        raise ValueError("layer_of must name at least one node")
    if max_edges < 1:
        raise ValueError(f"max_edges must be at least 1, got {max_edges}")
    number = {node: index for index, node in enumerate(layer_of)}
    layer = np.array([layer_of[node] for node in number])
    source, target, weight = _edge_arrays(edges, number)
    levels = np.unique(layer)
    places = _layout(source, target, weight, layer, levels, number, positions)
    strongest = np.argsort(np.abs(weight), kind="stable")[
        -max_edges:
    ]  # weak first: strong ones are drawn on top
    figure = new_figure(7.0, 4.6)
    axes = figure.add_subplot()
    column = np.searchsorted(levels, layer)
    axes.add_collection(
        _edge_lines(source[strongest], target[strongest], weight[strongest], places, column)
    )
    axes.scatter(
        *places.T, s=_node_area(column), c="white", edgecolors=INK, linewidths=0.6, zorder=3
    )
    _name_columns(axes, levels, layer, names)
    handles = [
        Line2D([], [], color=POSITIVE, label="positive"),
        Line2D([], [], color=NEGATIVE, label="negative"),
    ]
    note = (
        f"strongest {max_edges} of {len(weight)} edges"
        if len(weight) > max_edges
        else f"{len(weight)} edges"
    )
    figure.legend(
        handles=handles,
        title=note,
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=FONT,
        title_fontsize=FONT,
    )
    axes.margins(0.03)
    if title:
        figure.suptitle(title, fontsize=FONT + 3, color=INK)
    return figure


def _edge_arrays(edges, number: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges as arrays of node numbers and weights."""
    triples = list(edges)
    try:
        source = np.array([number[source] for source, _, _ in triples], dtype=int)
        target = np.array([number[target] for _, target, _ in triples], dtype=int)
    except KeyError as missing:
        raise ValueError(
            f"layer_of has no layer for node {missing.args[0]!r}, which has an edge"
        ) from None
    weight = np.array([weight for _, _, weight in triples], dtype=float)
    if not np.isfinite(weight).all():
        raise ValueError("edges must have finite weights")
    return source, target, weight


def _layout(source, target, weight, layer, levels, number, positions) -> np.ndarray:
    """Place of every node, shape (nodes, 2): columns at x = 0, 1, ..., each centred on y = 0 within -0.5 .. 0.5."""
    joined = np.zeros((len(layer), len(layer)))
    np.add.at(joined, (target, source), np.abs(weight))
    coordinates = None
    if positions is not None:
        coordinates = np.array([[positions.get(node, np.nan)] for node in number], dtype=float)
    groups = [
        (_plain_name(k, len(levels)), np.flatnonzero(layer == level))
        for k, level in enumerate(levels)
    ]
    places = np.empty((len(layer), 2))
    for column, (_, members) in enumerate(order_groups(joined, groups, coordinates)):
        height = min(1.0, SPACING * (len(members) - 1))
        places[members, 0] = column
        places[members, 1] = (
            np.linspace(height / 2, -height / 2, len(members)) if len(members) > 1 else 0.0
        )
    return places


def _edge_lines(source, target, weight, places, column) -> LineCollection:
    span = column[target] - column[source]
    start, end = places[source], places[target]
    paths = np.stack([start, end], axis=1)  # (edges, 2, 2)
    lines = list(paths)
    for edge in np.flatnonzero(span != 1):
        lines[edge] = (
            _loop(start[edge], places)
            if source[edge] == target[edge]
            else _arc(start[edge], end[edge], span[edge])
        )
    scale = 2 * np.sqrt(np.mean(weight**2)) if len(weight) and weight.any() else 1.0
    # Edges between two full layers get less ink each, or they would print as a solid bar.
    _, pair, count = np.unique(
        np.stack([column[source], column[target]]), axis=1, return_inverse=True, return_counts=True
    )
    crowd = np.minimum(1.0, (CROWD / count[pair]) ** 0.75)
    strength = np.tanh(np.abs(weight) / scale)
    colours = np.empty((len(weight), 4))
    colours[:, :3] = np.where((weight > 0)[:, None], to_rgb(POSITIVE), to_rgb(NEGATIVE))
    colours[:, 3] = (FAINTEST + (1 - FAINTEST) * strength) * np.where(
        span == 1, crowd, np.maximum(crowd, 0.15)
    )
    widths = (0.4 + 0.9 * strength) * np.maximum(crowd, 0.4) + 0.3 * (span != 1)
    return LineCollection(
        lines, colors=colours, linewidths=widths, zorder=1, rasterized=len(weight) > 5000
    )


def _arc(start: np.ndarray, end: np.ndarray, span: int) -> np.ndarray:
    """A quadratic curve: clear of the layers for skips, a sag between the columns for edges back or within a layer."""
    middle = (start + end) / 2
    if span > 1:
        control = np.array([middle[0], (1.0 if middle[1] >= 0 else -1.0) * (0.75 + 0.12 * span)])
    elif span == 0:
        control = middle + np.array([0.45, 0.0])
    else:
        control = middle + np.array([0.0, -0.2])
    return (1 - CURVE) ** 2 * start + 2 * CURVE * (1 - CURVE) * control + CURVE**2 * end


def _loop(centre: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A ring that leaves its neuron to the upper right; round in print whatever the number of columns."""
    angle = 2 * np.pi * CURVE[:, 0]
    width = 0.035 * max(np.ptp(places[:, 0]), 1.0)
    return centre + np.column_stack(
        [width * (1 - np.cos(angle)) / 2, 0.025 * np.sin(angle) + 0.012 * (1 - np.cos(angle))]
    )


def _node_area(column: np.ndarray) -> float:
    """Square points of a node's mark, so that the fullest column keeps gaps between its marks."""
    return float(np.clip((230 / np.bincount(column).max()) ** 2 * 0.6, 1.5, 40))


def _name_columns(axes, levels, layer, names) -> None:
    """Names and sizes of the layers under their columns; no frame and no other axis."""
    labels = []
    for column, level in enumerate(levels):
        name = (names or {}).get(int(level), _plain_name(column, len(levels)))
        labels.append(f"{name}\n{(layer == level).sum()}")
    axes.set_xticks(np.arange(len(levels)), labels, fontsize=FONT, color=INK)
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _plain_name(column: int, columns: int) -> str:
    if column == 0:
        return "inputs"
    return "outputs" if column == columns - 1 else f"layer {column}"
