"""Parts and groups of a network by the signal between its neurons. Judges nothing.

Hidden neurons that signal passes between are parts of one sub-network (`parts`). Where all hang
together, the leading eigenvectors of the signal less what neurons of that size exchange by chance
tell groups apart (`groups`; modularity, Newman 2006, PNAS 103, 8577, taken within each pair of
layers, so that the layers themselves are no groups).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, eigsh

from analysis.arrays import Bools, Floats, Ints, Matrix
from analysis.effective import EffectiveGraph
from analysis.layers import Layers
from analysis.paths import path_shares

LEAK = 0.02
"""Share of what a neuron hears and sends that is no connection. By judgement."""
MAX_MODULES = 8
"""Groups that eigenvectors are asked for. By judgement."""
DENSE = 400
"""Neurons up to which all eigenvalues are computed, which is then faster."""
LLOYD_STEPS = 20
"""Rounds in which groups of directions are refined; they settle after a few."""


@dataclass(frozen=True)
class Signal:
    """Signal between neurons of neighbouring places in the order of computation.

    Attributes
    ----------
    source, target : (M,) int arrays
        Numbers of nodes: a used neuron in a layer.
    power : (M,) array
        Share of the signal through each connection.
    pair : (M,) int array
        The pair of layers that it joins.
    neuron : (n,) int array
        Of each node.
    layer : (n,) int array
    through : (n,) array
        Share of the signal through each node.
    hidden : (n,) bool array
    """

    source: Ints
    target: Ints
    power: Floats
    pair: Ints
    neuron: Ints
    layer: Ints
    through: Floats
    hidden: Bools

    @property
    def inside(self) -> Bools:
        """(M,) bool: connections between hidden nodes."""
        return self.hidden[self.source] & self.hidden[self.target]

    @property
    def between_hidden(self) -> "Signal":
        """With these connections only; with all where there are none, in a flat network."""
        inside = self.inside
        return self.where(inside) if inside.any() else self

    @property
    def by_pair(self) -> "Signal":
        """Connections between hidden nodes in the order of their pairs, each of which sums to 1."""
        inner = self.between_hidden
        inner = inner.where(np.argsort(inner.pair, kind="stable"))
        pairs, pair = np.unique(inner.pair, return_inverse=True)
        total = np.bincount(pair, inner.power, minlength=len(pairs))
        return replace(inner, pair=pair, power=inner.power / total[pair])

    @property
    def compact(self) -> "Signal":
        """Without nodes that have no connection: to eigenvalues they add zeros, and time."""
        used, ends = np.unique([self.source, self.target], return_inverse=True)
        source, target = ends.reshape(2, -1)
        return replace(
            self,
            source=source,
            target=target,
            neuron=self.neuron[used],
            layer=self.layer[used],
            through=self.through[used],
            hidden=self.hidden[used],
        )

    def where(self, chosen: Bools | Ints) -> "Signal":
        """The same nodes with some of the connections, in the order in which they are asked for."""
        return replace(
            self,
            source=self.source[chosen],
            target=self.target[chosen],
            power=self.power[chosen],
            pair=self.pair[chosen],
        )


def signal_between(graph: EffectiveGraph, layering: Layers) -> Signal:
    """The contracted graph with the iterations of a neuron in a layer put together."""
    edges = graph.edges
    share, through = path_shares(edges, edges.weight**2, graph.is_source, graph.is_output)
    layer = layering.layer.ravel()
    n_layers = layering.depth + 2
    # A node is a neuron in a layer: number them over both.
    key = graph.neurons_of(np.arange(graph.n_nodes)) * n_layers + layer
    used = np.flatnonzero(layer >= 0)
    keys, number = np.unique(key[used], return_inverse=True)
    of_node = np.full(graph.n_nodes, -1)
    of_node[used] = number

    node_layer = keys % n_layers
    # Edges of several iterations between the same two nodes are one connection.
    source = of_node[edges.source]
    target = of_node[edges.target]
    joined = source * len(keys) + target
    pairs, first, number_of_edge = np.unique(joined, return_index=True, return_inverse=True)
    return Signal(
        source=source[first],
        target=target[first],
        power=np.bincount(number_of_edge, share, minlength=len(pairs)).astype(float),
        pair=node_layer[source[first]] * n_layers + node_layer[target[first]],
        neuron=keys // n_layers,
        layer=node_layer,
        through=np.bincount(number, through.ravel()[used], minlength=len(keys)).astype(float),
        hidden=(node_layer > 0) & (node_layer < n_layers - 1),
    )


def _matrix(signal: Signal, chosen: Bools) -> Matrix:
    """(n, n) symmetric signal over the chosen connections."""
    n = len(signal.neuron)
    one_way = sparse.coo_array(
        (signal.power[chosen], (signal.source[chosen], signal.target[chosen])), shape=(n, n)
    ).tocsr()
    return one_way + one_way.T


def parts(signal: Signal) -> Ints:
    """(n,) label of the part that each hidden node hangs together with; -1 for others."""
    inside = signal.inside
    sent = np.bincount(signal.source, signal.power, minlength=len(signal.neuron))
    heard = np.bincount(signal.target, signal.power, minlength=len(signal.neuron))
    # A connection counts where it is a real share of what one of its ends sends or hears.
    weight = np.maximum(
        signal.power / sent[signal.source].clip(min=np.finfo(float).tiny),
        signal.power / heard[signal.target].clip(min=np.finfo(float).tiny),
    )
    label = connected_components(_matrix(signal, inside & (weight > LEAK)), directed=False)[1]

    # The nodes of a neuron in several layers belong together.
    label = _joined_by_neuron(label, signal)
    alone = signal.hidden.copy()
    alone[signal.source[inside]] = False
    alone[signal.target[inside]] = False
    if alone.any():
        label[alone] = _ends(signal, alone)
    label[~signal.hidden] = -1
    return label


def _joined_by_neuron(label: Ints, signal: Signal) -> Ints:
    """The labels with all nodes of a neuron under one of them."""
    n = int(label.max()) + 1
    hidden = np.flatnonzero(signal.hidden)
    neurons, row = np.unique(signal.neuron[hidden], return_inverse=True)
    joins = sparse.coo_array((np.ones(len(hidden)), (row, label[hidden])), shape=(len(neurons), n))
    merged = connected_components(joins.T @ joins, directed=False)[1]
    return merged[label]


def _ends(signal: Signal, alone: Bools) -> Ints:
    """Labels, above all others, of hidden nodes without hidden neighbours.

    They fall apart by the inputs that they hear, or else by the outputs that they feed: where
    either are all shared, they are one part.
    """
    n = len(signal.neuron)
    labels = np.full(int(alone.sum()), n)
    # Connections to outputs first; those from inputs have the last word.
    for hidden_end in (signal.source, signal.target):
        part = connected_components(_matrix(signal, alone[hidden_end]), directed=False)[1]
        if len(np.unique(part[alone])) > 1:
            labels = n + part[alone]
    return labels


def _modularity(signal: Signal) -> Floats | LinearOperator:
    """(n, n) symmetric: signal `by_pair` less chance within each, scaled to degrees of 1.

    Of separate modules the eigenvalues that tell them apart are 1.
    """
    n = len(signal.neuron)
    pair, power = signal.pair, signal.power
    # Nodes that hear and send much count no more than others.
    degree = np.bincount(signal.source, power, n) + np.bincount(signal.target, power, n)
    root = np.divide(1.0, np.sqrt(degree), out=np.zeros(n), where=degree > 0)
    sends, hears = root[signal.source], root[signal.target]

    # What a node sends and hears in each pair of layers, of which there are few.
    n_pairs = int(pair.max()) + 1
    sent = _summed(signal.source * n_pairs + pair, power * sends, (n, n_pairs))
    heard = _summed(signal.target * n_pairs + pair, power * hears, (n, n_pairs))
    shared = power * sends * hears
    if n <= DENSE:
        one_way = _summed(signal.source * n + signal.target, shared, (n, n)) - sent @ heard.T
        return one_way + one_way.T

    joint = sparse.coo_array((shared, (signal.source, signal.target)), shape=(n, n)).tocsr()
    joint = (joint + joint.T).tocsr()

    def times(vectors: Floats) -> Floats:
        return joint @ vectors - sent @ (heard.T @ vectors) - heard @ (sent.T @ vectors)

    return LinearOperator((n, n), matvec=times, matmat=times, dtype=float)


def _summed(cells: Ints, values: Floats, shape: tuple[int, int]) -> Floats:
    """Values summed into the cells of a matrix, which are numbered along its rows."""
    total = np.bincount(cells, values, shape[0] * shape[1])
    return np.asarray(total, dtype=float).reshape(shape)


def _eigen(matrix: Floats | LinearOperator, k: int) -> tuple[Floats, Floats]:
    """The k largest eigenvalues, descending, and their eigenvectors as columns."""
    n = matrix.shape[0]
    if n <= max(DENSE, k + 2):
        whole = matrix if isinstance(matrix, np.ndarray) else matrix @ np.eye(n)
        values, vectors = eigh(whole, subset_by_index=[n - k, n - 1])
    else:
        start = np.random.default_rng(0).normal(size=n)
        values, vectors = eigsh(matrix, k=k, which="LA", v0=start, tol=1e-3)
    order = np.argsort(-values)
    return values[order], vectors[:, order]


def leading(signal: Signal, n_draws: int, rng: np.random.Generator) -> tuple[float, Floats]:
    """The leading eigenvalue of the modularity, and that of each draw from its null model.

    In a draw the targets of connections are exchanged within each pair of layers.
    """
    inner = signal.by_pair.compact

    def value(target: Ints) -> float:
        matrix = _modularity(replace(inner, target=target))
        if not isinstance(matrix, np.ndarray):
            return float(_eigen(matrix, 1)[0][0])
        last = len(matrix) - 1
        return float(eigh(matrix, eigvals_only=True, subset_by_index=[last, last])[0])

    def exchanged() -> Ints:
        # Pairs stay in their order: only within each is the order random.
        return inner.target[np.argsort(inner.pair + rng.random(len(inner.pair)))]

    return value(inner.target), np.array([value(exchanged()) for _ in range(n_draws)])


def groups(signal: Signal) -> tuple[Ints, float]:
    """Labels of the hidden nodes by the leading eigenvectors, and the gap after them."""
    n = len(signal.neuron)
    label = np.where(signal.hidden, 0, -1)
    k = min(MAX_MODULES + 1, n - 1)
    values, vectors = _eigen(_modularity(signal.by_pair), k)
    gaps = values[:-1] - values[1:]
    n_splits = int(gaps.argmax()) + 1
    hidden = np.flatnonzero(signal.hidden)

    # Rows of the leading eigenvectors point in one direction for each group.
    rows = vectors[hidden][:, :n_splits]
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, length, out=np.zeros(rows.shape), where=length > 0)
    label[hidden] = _directions(rows, n_splits + 1)
    return label, float(gaps.max())


def _directions(rows: Floats, n_groups: int) -> Ints:
    """Labels of unit rows by the nearest of `n_groups` rows that lie far apart, then refined."""
    centres = [rows[0]]
    for _ in range(n_groups - 1):
        closest = np.max([rows @ centre for centre in centres], axis=0)
        centres.append(rows[closest.argmin()])

    middle = np.array(centres)
    for _ in range(LLOYD_STEPS):
        label = (rows @ middle.T).argmax(axis=1)
        sums = np.array([rows[label == g].sum(axis=0) for g in range(n_groups)])
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        middle = np.divide(sums, norms, out=middle, where=norms > 0)
    return label
