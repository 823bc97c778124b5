"""From an exact computation graph to layers that can be written as modules: which block of weights
is of which kind.

Depth of a node = longest path from the inputs. Nodes of a depth are one layer, or two where some of
them are the channels of a convolution and others are not. Each layer is the sum of a block of
weights from every layer it reads; the first block carries the bias. A block is a dense matrix
unless the verdicts say otherwise:

    local   few sources for each target; asked for by neuron
    conv    a convolution on a lattice (analysis/export/lattice.py), beside a block for what it
            leaves, if they are smaller
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, Ints
from analysis.edges import iterations_of, neurons_of
from analysis.export.exact import ExactGraph
from analysis.export.lattice import Convolution, Lattice, as_convolution, as_lattice

# By judgement: a layer is local if at least this share of its nodes is, and a block is written as
# receptive fields if at least this share of its weights is zero.
MOSTLY = 0.5


@dataclass(frozen=True)
class WeightBlock:
    """Weights from a layer to another.

    Attributes
    ----------
    source : int
        Index of the layer that is read.
    kind : str
        "linear", "local" or "conv".
    weight : array
        (T, N) where dense, (T, F) from the nodes `index` where local, else a kernel.
    index : (T, F) int array or None
    convolution : Convolution or None
    lattice : Lattice or None
        Of the source, for a convolution.
    order : int array or None
        Of the source, where its nodes are not in the lattice's order.
    """

    source: int
    kind: str
    weight: Floats
    index: Ints | None = None
    convolution: Convolution | None = None
    lattice: Lattice | None = None
    order: Ints | None = None


@dataclass(frozen=True)
class Layer:
    """Nodes of a layer: number (T,) and bias (T,) of each, and the blocks that feed it.

    `name` is its depth, and "b" for those beside a convolution.
    """

    name: str
    nodes: Ints
    bias: Floats
    blocks: tuple[WeightBlock, ...] = ()

    @property
    def depth(self) -> int:
        """The longest path from the inputs."""
        return int(self.name.rstrip("b"))


@dataclass(frozen=True)
class Plan:
    """Layers of an exact network, in the order of computation.

    The first is the input, the last the read-out.
    """

    activation: str
    layers: tuple[Layer, ...] = field(repr=False)

    @property
    def widths(self) -> tuple[int, ...]:
        """Nodes in each layer, inputs and outputs included."""
        return tuple(len(layer.nodes) for layer in self.layers)


@dataclass(frozen=True)
class _Frame:
    """The latest layer on a lattice: its index, the lattice, and the order of its nodes there."""

    source: int
    lattice: Lattice
    order: Ints


def plan(graph: ExactGraph, *, local: ArrayLike = (), coordinates: Floats | None = None) -> Plan:
    """Layers and blocks of an exact graph.

    Parameters
    ----------
    graph : ExactGraph
    local : (n,) int array
        Neurons whose incoming weights are to be written as receptive fields.
    coordinates : (S, dim) array or None
        Whole coordinates of neurons on a lattice, NaN where there is none. With them, blocks that
        are convolutions are written as such.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        Where no input reaches an output.
    """
    if not len(graph.source):
        raise ValueError("weights join no input to an output in the iterations there are")

    inputs = np.arange(graph.n_inputs)
    layers = [Layer("0", inputs, np.zeros(len(inputs)))]
    frame = _frame(0, coordinates, inputs)
    depth_of = _depth_of(graph)
    last = int(depth_of.max())
    for k in range(1, last + 1):
        members = _members(graph, depth_of, k)
        before = list(layers)
        rest = members
        block = None
        if frame is not None and coordinates is not None and k < last:
            block = _convolution_block(graph, layers, frame, members, coordinates)

        if block is not None and block.convolution is not None:
            nodes = members[block.convolution.order]
            frame = _Frame(len(layers), block.convolution.lattice, np.arange(len(nodes)))
            layers.append(_layer(graph, str(k), nodes, before, local, block))
            rest = members[~np.isin(members, nodes)]
        else:
            frame = _frame(len(layers), coordinates, neurons_of(members, graph.n_neurons))

        if len(rest):
            name = str(k) if block is None else f"{k}b"
            layers.append(_layer(graph, name, rest, before, local))
    return Plan(graph.activation, tuple(layers))


def _frame(source: int, coordinates: Floats | None, neurons: Ints) -> _Frame | None:
    """The lattice of layer `source`, which holds these neurons; None where they fill none."""
    lattice = None if coordinates is None else as_lattice(coordinates[neurons])
    return None if lattice is None else _Frame(source, *lattice)


def _members(graph: ExactGraph, depth_of: Ints, depth: int) -> Ints:
    """Nodes of a depth, by neuron, then by iteration; at the last depth all outputs."""
    n = graph.n_neurons
    if depth == depth_of.max():
        members = graph.n_iterations * n + np.arange(n - graph.n_outputs, n)
    else:
        members = np.flatnonzero(depth_of == depth)
    return members[np.lexsort((iterations_of(members, n), neurons_of(members, n)))]


def _convolution_block(
    graph: ExactGraph,
    layers: Sequence[Layer],
    frame: _Frame,
    members: Ints,
    coordinates: Floats,
) -> WeightBlock | None:
    """A block from the latest lattice to some of the nodes `members`, if there is a convolution."""
    sources = layers[frame.source].nodes[frame.order]
    convolution = _convolution(graph, sources, frame.lattice, members, coordinates)
    if convolution is None:
        return None

    in_order = np.array_equal(frame.order, np.arange(len(frame.order)))
    return WeightBlock(
        frame.source,
        "conv",
        convolution.kernel,
        convolution=convolution,
        lattice=frame.lattice,
        order=None if in_order else frame.order,
    )


def _convolution(
    graph: ExactGraph,
    sources: Ints,
    lattice: Lattice,
    members: Ints,
    coordinates: Floats,
) -> Convolution | None:
    """The convolution of most channels from nodes on a lattice to some of the nodes `members`.

    Its `order` counts among these. None where there is none that is smaller than the matrix.
    """
    neurons = neurons_of(members, graph.n_neurons)
    placed = np.isfinite(coordinates[neurons]).all(axis=1)
    best = None
    # Inputs that compute at a later iteration may or may not be part of the lattice.
    for group in (np.flatnonzero(placed & (neurons >= graph.n_inputs)), np.flatnonzero(placed)):
        matrix = _matrix(graph, sources, members[group])
        candidate = as_convolution(matrix, lattice, coordinates[neurons[group]])
        if candidate is None:
            continue

        # What a convolution leaves is written as receptive fields of the largest size.
        left = len(candidate.order) * np.count_nonzero(candidate.rest, axis=1).max()
        if candidate.kernel.size + left >= np.count_nonzero(matrix[candidate.order]):
            continue
        if best is None or candidate.lattice.channels > best.lattice.channels:
            best = replace(candidate, order=group[candidate.order])
    return best


def _layer(
    graph: ExactGraph,
    name: str,
    nodes: Ints,
    layers: Sequence[Layer],
    local: ArrayLike,
    first: WeightBlock | None = None,
) -> Layer:
    """A layer of these nodes: a block from each layer that they read, `first` if there is one.

    What a convolution leaves of its own source is a block too.
    """
    wanted_local = bool(np.isin(neurons_of(nodes, graph.n_neurons), local).mean() >= MOSTLY)
    blocks = [] if first is None else [first]

    # The nearest layers come first; of the two layers of a depth the earlier.
    for s in sorted(range(len(layers)), key=lambda s: (layers[s].depth, -s), reverse=True):
        matrix = _matrix(graph, layers[s].nodes, nodes)
        beside = first is not None and s == first.source
        if first is not None and first.convolution is not None and beside:
            matrix = np.zeros_like(matrix)
            columns = slice(None) if first.order is None else first.order
            matrix[:, columns] = first.convolution.rest
        if matrix.any():
            blocks.append(_block(s, matrix, wanted_local or beside))
    return Layer(name, nodes, graph.bias.ravel()[nodes], tuple(blocks))


def _depth_of(graph: ExactGraph) -> Ints:
    """(nodes,) longest path from the inputs; -1 for unused nodes; outputs lie behind all."""
    n = graph.n_neurons
    depth = np.full(graph.bias.size, -1)
    depth[: graph.n_inputs] = 0
    iteration = iterations_of(graph.target, n)
    for l in range(1, graph.n_iterations + 1):
        step = iteration == l
        np.maximum.at(depth, graph.target[step], depth[graph.source[step]] + 1)

    hidden = depth[: graph.n_iterations * n]
    depth[graph.n_iterations * n :] = -1
    depth[(graph.n_iterations + 1) * n - graph.n_outputs :] = hidden.max() + 1
    return depth


def _matrix(graph: ExactGraph, sources: Ints, targets: Ints) -> Floats:
    """Weights (T, N) between two lists of nodes."""
    row = np.full(graph.bias.size, -1)
    column = np.full(graph.bias.size, -1)
    row[targets] = np.arange(len(targets))
    column[sources] = np.arange(len(sources))
    i = row[graph.target]
    j = column[graph.source]

    # Edges from or to nodes of neither list have row or column -1.
    here = (i >= 0) & (j >= 0)
    matrix = np.zeros((len(targets), len(sources)))
    matrix[i[here], j[here]] = graph.weight[here]
    return matrix


def _block(source: int, matrix: Floats, wanted_local: bool) -> WeightBlock:
    """A block as receptive fields where that is wanted and half of it is zero, else dense."""
    size = int((matrix != 0).sum(axis=1).max())
    full = np.count_nonzero(matrix) > MOSTLY * matrix.size or size == matrix.shape[1]
    if not wanted_local or full:
        return WeightBlock(source, "linear", matrix)
    # Non-zero weights come first in each row; shorter fields are filled up with zeros.
    index = np.argsort(matrix == 0, axis=1, kind="stable")[:, :size]
    return WeightBlock(source, "local", np.take_along_axis(matrix, index, axis=1), index)
