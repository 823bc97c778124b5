"""The effective graph drawn in layers, from left to right, skips as arcs.

Computes no layers: they come from the caller. Draws any weighted edges, over neurons or over
(neuron, iteration).
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.arrays import Floats, Ints
from analysis.ordering import order_groups
from analysis.plots.style import FONT, INK, NEGATIVE, POSITIVE, new_figure, titled

# Opacity of a vanishing weight. By judgement: a reader sees it when it is alone.
FAINTEST = 0.06

# Points of an arc. By judgement: enough for a curve that looks smooth in print.
CURVE = np.linspace(0, 1, 24)[:, None]

# Edges between two layers that fit at full ink. By judgement, on layers of 30 to 300 neurons.
CROWD = 1000

# Largest gap between neighbours of a layer, of the figure's height. By judgement.
SPACING = 0.06

# Edges above which a vector file holds them as an image. By judgement: it stays under 1 MB.
RASTER_ABOVE = 5000


@dataclass(frozen=True)
class _Edges:
    """Edges between nodes, numbered 0 .. n - 1; all arrays (M,)."""

    source: Ints
    target: Ints
    weight: Floats

    def __len__(self) -> int:
        return len(self.weight)

    def strongest(self, n: int) -> "_Edges":
        """The n strongest, weak ones first: strong ones are then drawn on top."""
        chosen = np.argsort(np.abs(self.weight), kind="stable")[-n:]
        return _Edges(self.source[chosen], self.target[chosen], self.weight[chosen])


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

    Edges to the next layer are straight. Skips arch over (or under) the layers between; edges back
    or within a layer sag between the columns; a self-loop is a ring around its neuron. Opacity is
    tanh of |weight| over twice the root mean square, so the strong edges stand out and a few huge
    ones do not hide the rest. Blue: positive; vermilion: negative. Neurons are ordered within
    layers for few crossings (barycentre sweeps), or by position.

    Parameters
    ----------
    edges : iterable of (node, node, float)
        (source, target, weight), as `graph.edges(data="weight")` of networkx gives them.
    layer_of : dict of node to int
        {node: layer}. Every node that an edge touches must be here. The lowest layer is called
        "inputs" and the highest "outputs" unless `names` says otherwise; these two keep the order
        in which `layer_of` lists them.
    positions : dict of node to float, or None
        {node: coordinate} to order layers by, where all nodes of the layer have one.
    names : dict of int to str, or None
        {layer: name}.
    max_edges : int
        Only the strongest are drawn above this number, and the figure says so.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For no nodes, an edge to a node without a layer, a weight that is not finite, and
        `max_edges` under 1.
    """
    if not layer_of:
        raise ValueError("layer_of must name at least one node")
    if max_edges < 1:
        raise ValueError(f"max_edges must be at least 1, got {max_edges}")

    number = {node: index for index, node in enumerate(layer_of)}
    layer = np.array([layer_of[node] for node in number])
    layers, column = np.unique(layer, return_inverse=True)
    all_edges = _edge_arrays(edges, number)
    coordinates = None
    if positions is not None:
        coordinates = np.array([[positions.get(node, np.nan)] for node in number], dtype=float)
    places = _layout(all_edges, column, coordinates)

    figure = new_figure(7.0, 4.6)
    axes = figure.add_subplot()
    axes.add_collection(_edge_lines(all_edges.strongest(max_edges), places, column))
    area = _node_area(column)
    x, y = places.T
    axes.scatter(x, y, s=area, c="white", edgecolors=INK, linewidths=0.6, zorder=3)
    _name_columns(axes, layers, column, names or {})
    n = len(all_edges)
    _add_legend(figure, f"strongest {max_edges} of {n} edges" if n > max_edges else f"{n} edges")
    axes.margins(0.03)
    return titled(figure, title)


def _edge_arrays(
    edges: Iterable[tuple[Hashable, Hashable, float]], number: Mapping[Hashable, int]
) -> _Edges:
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
    return _Edges(source, target, weight)


def _layout(edges: _Edges, column: Ints, coordinates: Floats | None) -> Floats:
    """Point of every node, (nodes, 2): columns at x = 0, 1, ..., each centred on y = 0.

    y lies within -0.5 .. 0.5. `coordinates` (nodes, 1) order the columns where they are known.
    """
    joined = np.zeros((len(column), len(column)))
    np.add.at(joined, (edges.target, edges.source), np.abs(edges.weight))
    n_columns = column.max() + 1
    groups = [(_plain_name(k, n_columns), np.flatnonzero(column == k)) for k in range(n_columns)]

    places = np.empty((len(column), 2))
    for k, (_, members) in enumerate(order_groups(joined, groups, coordinates)):
        height = min(1.0, SPACING * (len(members) - 1))
        even = np.linspace(height / 2, -height / 2, len(members))
        places[members, 0] = k
        places[members, 1] = even if len(members) > 1 else 0.0
    return places


def _edge_lines(edges: _Edges, places: Floats, column: Ints) -> LineCollection:
    """All edges as one collection: their paths, colours, opacities and widths."""
    span = column[edges.target] - column[edges.source]
    crowd = _ink_share(edges, column)
    scale = 2 * np.sqrt(np.mean(edges.weight**2)) if edges.weight.any() else 1.0
    strength = np.tanh(np.abs(edges.weight) / scale)

    colours = np.empty((len(edges), 4))
    positive = (edges.weight > 0)[:, None]
    colours[:, :3] = np.where(positive, to_rgb(POSITIVE), to_rgb(NEGATIVE))
    # Skips are few and long: they keep some ink however many there are.
    share = np.where(span == 1, crowd, np.maximum(crowd, 0.15))
    colours[:, 3] = (FAINTEST + (1 - FAINTEST) * strength) * share
    widths = (0.4 + 0.9 * strength) * np.maximum(crowd, 0.4) + 0.3 * (span != 1)

    return LineCollection(
        _edge_paths(edges, places, span),
        colors=colours,
        linewidths=widths,
        zorder=1,
        rasterized=len(edges) > RASTER_ABOVE,
    )


def _edge_paths(edges: _Edges, places: Floats, span: Ints) -> list[Floats]:
    """The points (n, 2) of each edge: a straight line, an arc or a loop."""
    start = places[edges.source]
    end = places[edges.target]
    paths = list(np.stack([start, end], axis=1))  # of (edges, 2, 2)
    for edge in np.flatnonzero(span != 1):
        if edges.source[edge] == edges.target[edge]:
            paths[edge] = _loop(start[edge], places)
        else:
            paths[edge] = _arc(start[edge], end[edge], span[edge])
    return paths


def _ink_share(edges: _Edges, column: Ints) -> Floats:
    """Share of full ink for each edge: crowded pairs of layers would print as a solid bar."""
    pairs = np.stack([column[edges.source], column[edges.target]])
    _, pair, count = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    return np.minimum(1.0, (CROWD / count[pair]) ** 0.75)


def _arc(start: Floats, end: Floats, span: int) -> Floats:
    """A quadratic curve that stays clear of the layers.

    It arches over the layers between for skips, and sags between the columns for edges back or
    within a layer.
    """
    middle = (start + end) / 2
    if span > 1:
        control = np.array([middle[0], (1.0 if middle[1] >= 0 else -1.0) * (0.75 + 0.12 * span)])
    elif span == 0:
        control = middle + np.array([0.45, 0.0])
    else:
        control = middle + np.array([0.0, -0.2])
    return (1 - CURVE) ** 2 * start + 2 * CURVE * (1 - CURVE) * control + CURVE**2 * end


def _loop(centre: Floats, places: Floats) -> Floats:
    """A ring that leaves its neuron to the upper right; round whatever the number of columns."""
    angle = 2 * np.pi * CURVE[:, 0]
    width = 0.035 * max(np.ptp(places[:, 0]), 1.0)
    return centre + np.column_stack(
        [width * (1 - np.cos(angle)) / 2, 0.025 * np.sin(angle) + 0.012 * (1 - np.cos(angle))]
    )


def _node_area(column: Ints) -> float:
    """Square points of a node's mark, so that the fullest column keeps gaps between its marks."""
    return float(np.clip((230 / np.bincount(column).max()) ** 2 * 0.6, 1.5, 40))


def _name_columns(axes: Axes, layers: Ints, column: Ints, names: Mapping[int, str]) -> None:
    """Names and sizes of the layers under their columns; no frame and no other axis."""
    labels = []
    for k, layer in enumerate(layers):
        name = names.get(int(layer), _plain_name(k, len(layers)))
        labels.append(f"{name}\n{(column == k).sum()}")
    axes.set_xticks(np.arange(len(layers)), labels, fontsize=FONT, color=INK)
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _add_legend(figure: Figure, note: str) -> None:
    """The colours of the two signs, and a note, below the picture."""
    handles = [
        Line2D([], [], color=POSITIVE, label="positive"),
        Line2D([], [], color=NEGATIVE, label="negative"),
    ]
    figure.legend(
        handles=handles,
        title=note,
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=FONT,
        title_fontsize=FONT,
    )


def _plain_name(column: int, columns: int) -> str:
    """The name of a column that the caller has not named."""
    if column == 0:
        return "inputs"
    return "outputs" if column == columns - 1 else f"layer {column}"
