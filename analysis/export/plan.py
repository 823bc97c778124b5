"""From an exact computation graph to layers that can be written as modules: which block of weights is of which kind.

Depth of a node = longest path from the inputs. Nodes of a depth are one layer, or two where some of them are the channels
of a convolution and others are not. Each layer is the sum of a block of weights from every layer it reads; the first block
carries the bias. A block is a dense matrix unless what was found says otherwise:

    local   few sources for each target; asked for by neuron
    conv    a convolution on a lattice (analysis/export/lattice.py), beside a block for what it leaves, if they are smaller
"""

from dataclasses import dataclass, field, replace

import numpy as np

from analysis.export.exact import ExactGraph
from analysis.export.lattice import Convolution, Lattice, as_convolution, as_lattice


@dataclass(frozen=True)
class Block:
    """Weights from layer `source`: (T, N) dense, (T, F) from the nodes `index` (T, F), or those of a Convolution."""

    source: int
    kind: str
    weight: np.ndarray
    index: np.ndarray | None = None
    convolution: Convolution | None = None
    lattice: Lattice | None = None  # of the source, for a convolution
    order: np.ndarray | None = None  # of the source, where its nodes are not in the lattice's order


@dataclass(frozen=True)
class Layer:
    """Nodes of a layer: number (T,) and bias (T,) of each, and the blocks that feed it. `name` is its depth, and "b" for
    those beside a convolution.
    """

    name: str
    nodes: np.ndarray
    bias: np.ndarray
    blocks: tuple = ()


@dataclass(frozen=True)
class Plan:
    """Layers of an exact network, in the order of computation; the first is the input, the last the read-out."""

    activation: str
    layers: tuple = field(repr=False)

    @property
    def widths(self):
        """Nodes in each layer, inputs and outputs included."""
        return tuple(len(layer.nodes) for layer in self.layers)


def plan(graph: ExactGraph, *, local=(), coordinates=None):
    """Layers and blocks of an ExactGraph.

    Parameters
    ----------
    local : neurons whose incoming weights are to be written as receptive fields.
    coordinates : (S, dim) whole coordinates of neurons on a lattice, NaN where there is none; with them, blocks that are
        convolutions are found.

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
    n, last = graph.n_neurons, graph.n_iterations
    depth_of = _depth_of(graph)
    depth, inputs = int(depth_of.max()), np.arange(graph.n_inputs)
    found = [Layer("0", inputs, np.zeros(len(inputs)))]
    source, frame = (
        0,
        None if coordinates is None else as_lattice(coordinates[inputs]),
    )  # the latest layer on a lattice
    for k in range(1, depth + 1):
        members = (
            last * n + np.arange(n - graph.n_outputs, n)
            if k == depth
            else np.flatnonzero(depth_of == k)
        )
        members = members[np.lexsort((members // n, members % n))]  # by neuron, then by iteration
        layers, rest = list(found), members
        if frame is not None and k < depth:
            convolution = _convolution(
                graph, found[source].nodes[frame[1]], frame[0], members, coordinates
            )
            if convolution is not None:
                nodes, order = members[convolution.order], frame[1]
                order = None if np.array_equal(order, np.arange(len(order))) else order
                block = Block(
                    source, "conv", convolution.kernel, None, convolution, frame[0], order
                )
                found.append(_layer(graph, str(k), nodes, layers, local, block))
                rest = members[~np.isin(members, nodes)]
                source, frame = len(found) - 1, (convolution.lattice, np.arange(len(nodes)))
        if len(rest) == len(members):
            source, frame = (
                len(found),
                None if coordinates is None else as_lattice(coordinates[members % n]),
            )
        if len(rest):
            found.append(_layer(graph, str(k) if rest is members else f"{k}b", rest, layers, local))
    return Plan(graph.activation, tuple(found))


def _convolution(graph, sources, lattice, members, coordinates):
    """The Convolution of most channels from nodes on a lattice to some of the nodes `members`, `order` among these; or None."""
    neurons = members % graph.n_neurons
    placed = np.isfinite(coordinates[neurons]).all(axis=1)
    best = None
    for some in (np.flatnonzero(placed & (neurons >= graph.n_inputs)), np.flatnonzero(placed)):
        matrix = _matrix(graph, sources, members[some])
        found = as_convolution(matrix, lattice, coordinates[neurons[some]])
        if found is None:
            continue
        left = len(found.order) * np.count_nonzero(found.rest, axis=1).max()
        if found.kernel.size + left >= np.count_nonzero(matrix[found.order]):
            continue
        if best is None or found.lattice.channels > best.lattice.channels:
            best = replace(found, order=some[found.order])
    return best


def _layer(graph, name, nodes, layers, local, first=None):
    """A Layer of these nodes: the block `first`, if there is one, and a block from every other layer that they read."""
    wanted_local = np.isin(nodes % graph.n_neurons, local).mean() >= 0.5
    blocks = [] if first is None else [first]
    for s in sorted(
        range(len(layers)), key=lambda s: (int(layers[s].name.rstrip("b")), -s), reverse=True
    ):
        matrix = _matrix(graph, layers[s].nodes, nodes)
        if first is not None and s == first.source:
            matrix = np.zeros_like(matrix)
            matrix[:, slice(None) if first.order is None else first.order] = first.convolution.rest
        if matrix.any():
            blocks.append(_block(s, matrix, wanted_local or s == getattr(first, "source", None)))
    return Layer(name, nodes, graph.bias.ravel()[nodes], tuple(blocks))


def _depth_of(graph):
    """(nodes,) longest path from the inputs; -1 for nodes that take no part; outputs lie behind all."""
    n = graph.n_neurons
    depth = np.full(graph.bias.size, -1)
    depth[: graph.n_inputs] = 0
    iteration = graph.target // n
    for l in range(1, graph.n_iterations + 1):
        step = iteration == l
        np.maximum.at(depth, graph.target[step], depth[graph.source[step]] + 1)
    hidden = depth[: graph.n_iterations * n]
    depth[graph.n_iterations * n :] = -1
    depth[(graph.n_iterations + 1) * n - graph.n_outputs :] = hidden.max() + 1
    return depth


def _matrix(graph, sources, targets):
    """Weights (T, N) between two lists of nodes."""
    row, column = (np.full(graph.bias.size, -1) for _ in range(2))
    row[targets], column[sources] = np.arange(len(targets)), np.arange(len(sources))
    i, j = row[graph.target], column[graph.source]
    here = (i >= 0) & (j >= 0)
    matrix = np.zeros((len(targets), len(sources)))
    matrix[i[here], j[here]] = graph.weight[here]
    return matrix


def _block(source, matrix, wanted_local):
    """A block as receptive fields where that is wanted and half of the weights are zero, else as a matrix."""
    size = int((matrix != 0).sum(axis=1).max())
    if not wanted_local or 2 * np.count_nonzero(matrix) > matrix.size or size == matrix.shape[1]:
        return Block(source, "linear", matrix)
    index = np.argsort(matrix == 0, axis=1, kind="stable")[:, :size]
    return Block(source, "local", np.take_along_axis(matrix, index, axis=1), index)
