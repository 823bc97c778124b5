"""From an exact computation graph to layers that can be written as modules: which block of weights is of which kind.

Layer of a node = longest path from the inputs. Each layer is the sum of a block of weights from every layer it reads; the
one from the layer just before it carries the bias. A block is a dense matrix unless what was found says otherwise:

    local   few sources for each target; asked for by neuron
    conv    exactly a convolution on a lattice (analysis/export/lattice.py), and smaller than the matrix
"""

from dataclasses import dataclass, field

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
    """Nodes of a layer: neuron (T,) and iteration (T,) of each, bias (T,), and the blocks that feed it."""

    neurons: np.ndarray
    iterations: np.ndarray
    bias: np.ndarray
    blocks: tuple = ()


@dataclass(frozen=True)
class Plan:
    """Layers of an exact network; the first is the input, the last the read-out."""

    activation: str
    layers: tuple = field(repr=False)

    @property
    def widths(self):
        """Nodes in each layer, inputs and outputs included."""
        return tuple(len(layer.neurons) for layer in self.layers)


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
    depth_of = _layer_of(graph)
    depth = int(depth_of.max())
    inputs = np.arange(graph.n_inputs)
    nodes, lattices, found = [inputs], [None if coordinates is None else as_lattice(coordinates[inputs])], []
    for k in range(1, depth + 1):
        members = last * n + np.arange(n - graph.n_outputs, n) if k == depth else np.flatnonzero(depth_of == k)
        members = members[np.lexsort((members // n, members % n))]  # by neuron, then by iteration
        bias = graph.bias.ravel()[members]
        readers = {s: _matrix(graph, nodes[s], members) for s in range(k)}
        readers = {s: matrix for s, matrix in readers.items() if matrix.any()}
        convolution, frame = None, lattices[k - 1]
        if frame is not None and k < depth and k - 1 in readers:
            lattice, order = frame
            convolution = as_convolution(readers[k - 1][:, order], lattice, coordinates[members % n])
        if convolution is not None and convolution.kernel.size < np.count_nonzero(readers[k - 1]):
            moved = convolution.order
            members, bias, readers = members[moved], bias[moved], {s: matrix[moved] for s, matrix in readers.items()}
            lattices.append((convolution.lattice, np.arange(len(members))))
        else:
            convolution = None
            lattices.append(None if coordinates is None else as_lattice(coordinates[members % n]))
        blocks = []
        for s in sorted(readers, reverse=True):
            if convolution is not None and s == k - 1:
                order = None if np.array_equal(frame[1], np.arange(len(frame[1]))) else frame[1]
                blocks.append(Block(s, "conv", convolution.kernel, None, convolution, frame[0], order))
            else:
                blocks.append(_block(s, readers[s], np.isin(members % n, local).mean() >= 0.5))
        found.append(Layer(members % n, members // n, bias, tuple(blocks)))
        nodes.append(members)
    return Plan(graph.activation, (Layer(inputs, np.zeros_like(inputs), np.zeros(len(inputs))), *found))


def _layer_of(graph):
    """(nodes,) longest path from the inputs; -1 for nodes that take no part; outputs lie behind all."""
    n = graph.n_neurons
    layer = np.full(graph.bias.size, -1)
    layer[: graph.n_inputs] = 0
    iteration = graph.target // n
    for l in range(1, graph.n_iterations + 1):
        step = iteration == l
        np.maximum.at(layer, graph.target[step], layer[graph.source[step]] + 1)
    hidden = layer[: graph.n_iterations * n]
    layer[graph.n_iterations * n :] = -1
    layer[(graph.n_iterations + 1) * n - graph.n_outputs :] = hidden.max() + 1
    return layer


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
    """A block as receptive fields where that is wanted and saves half of the products, else as a matrix."""
    size = int((matrix != 0).sum(axis=1).max())
    if not wanted_local or 2 * size > matrix.shape[1]:
        return Block(source, "linear", matrix)
    index = np.argsort(matrix == 0, axis=1, kind="stable")[:, :size]
    return Block(source, "local", np.take_along_axis(matrix, index, axis=1), index)
