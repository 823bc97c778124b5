"""Modular: parallel sub-networks that hand each other next to no signal.

A module is a set of hidden neurons; inputs and outputs may be shared. Neurons that compute between
two hidden layers belong together where signal passes between them. Hidden neurons that only read
inputs and only feed outputs are a branch of depth 1 beside deeper ones; among them, modules show in
the inputs that they hear and the outputs that they feed.

Modules are sought in two ways. *Parts*: what hangs together by signal (`LEAK` of it may cross).
*Groups*: the leading eigenvectors of the signal between neighbouring layers less what neurons of
that size exchange by chance (modularity, Newman 2006, within each pair of layers). A lattice, a
ring or a chain can be cut at any place with few edges lost, without being modules: so groups must
hold together inside, which shows as a gap after the eigenvalues that tell groups apart.

Effect: coherence, the share of the signal between modules' layers that stays in its module, less
chance, over 1 less chance. Null model: the targets of all connections exchanged within each pair of
layers, which keeps the layers and what every neuron sends and receives. Its statistic is the
leading eigenvalue. Every module has a share of the signal of at least MIN_SHARE.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, eigsh

from analysis.arrays import Bools, Floats, Ints, Matrix
from analysis.effective import EffectiveGraph
from analysis.layers import Layers
from analysis.nulls import empirical_p
from analysis.paths import path_shares
from analysis.verdicts.verdict import FEW_DRAWS, QUARTER, Bar, Case, Verdict, decide, p_bar

MIN_COHERENCE = 0.7
"""Share of the signal that stays in its module, beyond chance. By judgement, on planted
networks."""
MIN_SHARE = 0.1
"""Share of the signal through a module. By judgement: less is a detail of another."""
MIN_NEURONS = 2
"""Hidden neurons of a module: a single one is no network. By judgement."""
LEAK = 0.02
"""Share of what a neuron hears and tells that is no connection. By judgement."""
MIN_GAP = 0.25
"""Eigenvalue of the weakest split between groups less that of the strongest within: 1 for separate
random modules, near 0 for lattices. By judgement, on planted networks."""
SAME = 1e-9
"""Shares that differ by less are equal: rounding."""
MAX_MODULES = 8
"""Groups that eigenvectors are asked for. By judgement."""
DENSE = 400
"""Neurons up to which all eigenvalues are computed, which is then faster."""
NULL_CONNECTIONS = 2**14
"""Connections up to which the null model is drawn as often as asked for; with more, MIN_DRAWS.
By judgement: time grows with both."""
MIN_DRAWS = 200
"""Draws in large networks: enough for a p of ALPHA."""


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

    def where(self, chosen: Bools) -> "Signal":
        """The same nodes with some of the connections."""
        return replace(
            self,
            source=self.source[chosen],
            target=self.target[chosen],
            power=self.power[chosen],
            pair=self.pair[chosen],
        )


def modular(case: Case) -> Verdict:
    """Judge whether the hidden neurons fall into modules."""
    signal = _signal(case.graph, case.layers)
    evidence: dict[str, Any] = {
        "effect_is": "share of the signal that stays in its module, beyond chance",
        "n_modules": 0,
        "modules": [],
    }
    if signal.hidden.sum() < 2 * MIN_NEURONS:
        evidence["note"] = "too few hidden neurons"
        return Verdict("modular", False, 0.0, None, evidence)

    label = _parts(signal)
    gap = 1.0
    by = "parts"
    if _n_modules(label, signal) < 2:
        label, gap = _groups(signal)
        by = "groups"
    label = _largest(label, signal)
    coherence, tested = _coherence(signal, label)
    n_modules = _n_modules(label, signal)
    bars = [
        Bar("modules", float(n_modules), 2.0),
        Bar("coherence", coherence, MIN_COHERENCE),
        Bar("gap", gap, MIN_GAP),
    ]
    # Where a bar is missed anyway, a few draws are enough: p cannot be small.
    n_draws = case.n_draws if len(signal.power) <= NULL_CONNECTIONS else MIN_DRAWS
    if not all(bar.holds(1 - QUARTER) for bar in bars):
        n_draws = FEW_DRAWS
    draws = np.array([_leading(_exchanged(signal, case.rng)) for _ in range(n_draws)])
    p_value = empirical_p(_leading(signal), draws)
    # Branches of other depths differ by their layers, which the null model keeps.
    if tested:
        bars.append(p_bar(p_value))

    evidence |= {
        "by": by,
        "gap": gap,
        "n_modules": n_modules,
        "modules": _described(signal, label) if n_modules > 1 else [],
    }
    return decide("modular", coherence if n_modules > 1 else 0.0, p_value, evidence, bars)


def _signal(graph: EffectiveGraph, layering: Layers) -> Signal:
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
    source, target = of_node[edges.source], of_node[edges.target]
    joined = source * len(keys) + target
    pairs, first, place = np.unique(joined, return_index=True, return_inverse=True)
    return Signal(
        source=source[first],
        target=target[first],
        power=np.bincount(place, share, minlength=len(pairs)),
        pair=node_layer[source[first]] * n_layers + node_layer[target[first]],
        neuron=keys // n_layers,
        layer=node_layer,
        through=np.bincount(number, through.ravel()[used], minlength=len(keys)),
        hidden=(node_layer > 0) & (node_layer < n_layers - 1),
    )


def _matrix(signal: Signal, chosen: Bools) -> Matrix:
    """(n, n) symmetric signal over the chosen connections."""
    n = len(signal.neuron)
    one_way = sparse.coo_array(
        (signal.power[chosen], (signal.source[chosen], signal.target[chosen])), shape=(n, n)
    ).tocsr()
    return one_way + one_way.T


def _parts(signal: Signal) -> Ints:
    """(n,) label of the part that each hidden node hangs together with; -1 for others."""
    inside = signal.inside
    told = np.bincount(signal.source, signal.power, minlength=len(signal.neuron))
    heard = np.bincount(signal.target, signal.power, minlength=len(signal.neuron))
    # A connection counts where it is a real share of what one of its ends tells or hears.
    weight = np.maximum(
        signal.power / told[signal.source].clip(min=np.finfo(float).tiny),
        signal.power / heard[signal.target].clip(min=np.finfo(float).tiny),
    )
    label = connected_components(_matrix(signal, inside & (weight > LEAK)), directed=False)[1]

    # The nodes of a neuron in several layers belong together.
    label = _joined_by_neuron(label, signal)
    inside_count = np.zeros(len(signal.neuron), dtype=bool)
    inside_count[signal.source[inside]] = True
    inside_count[signal.target[inside]] = True
    alone = signal.hidden & ~inside_count
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
    """Labels of hidden nodes without hidden neighbours, by the inputs and outputs they share.

    Inputs and outputs that two modules share join them, unless all of either are shared.
    """
    n = len(signal.neuron)
    labels = np.full(n, n)
    chosen = alone[signal.source] | alone[signal.target]
    for side in (signal.source, signal.target):
        outer = ~alone[side] & chosen
        part = connected_components(_matrix(signal, outer), directed=False)[1]
        distinct = np.unique(part[alone])
        if len(distinct) > 1:
            labels[alone] = n + part[alone]
    return labels[alone]


def _modularity(signal: Signal) -> LinearOperator:
    """(n, n) symmetric: signal less chance within each pair of layers, scaled to degrees of 1.

    Of separate modules the eigenvalues that tell them apart are 1.
    """
    n = len(signal.neuron)
    signal = signal.between_hidden
    _, pair = np.unique(signal.pair, return_inverse=True)
    power = signal.power / np.bincount(pair, signal.power)[pair]
    shape = (n, int(pair.max()) + 1)
    sent = sparse.coo_array((power, (signal.source, pair)), shape=shape).tocsr()
    heard = sparse.coo_array((power, (signal.target, pair)), shape=shape).tocsr()
    joint = sparse.coo_array((power, (signal.source, signal.target)), shape=(n, n)).tocsr()

    degree = np.asarray(sent.sum(axis=1) + heard.sum(axis=1)).ravel()
    root = np.divide(1.0, np.sqrt(degree), out=np.zeros(n), where=degree > 0)
    scale = sparse.diags_array(root)
    sent, heard = scale @ sent, scale @ heard
    joint = scale @ (joint + joint.T) @ scale

    def times(vectors: Floats) -> Floats:
        return joint @ vectors - sent @ (heard.T @ vectors) - heard @ (sent.T @ vectors)

    return LinearOperator((n, n), matvec=times, matmat=times, dtype=float)


def _eigen(operator: LinearOperator, k: int) -> tuple[Floats, Floats]:
    """The k largest eigenvalues, descending, and their eigenvectors as columns."""
    n = operator.shape[0]
    if n <= max(DENSE, k + 2):
        values, vectors = eigh(operator @ np.eye(n), subset_by_index=[n - k, n - 1])
    else:
        start = np.random.default_rng(0).normal(size=n)
        values, vectors = eigsh(operator, k=k, which="LA", v0=start, tol=1e-3)
    order = np.argsort(-values)
    return values[order], vectors[:, order]


def _leading(signal: Signal) -> float:
    """The leading eigenvalue of the modularity operator."""
    return float(_eigen(_modularity(signal), 1)[0][0])


def _exchanged(signal: Signal, rng: np.random.Generator) -> Signal:
    """The targets of the connections exchanged within each pair of layers."""
    order = np.lexsort((rng.random(len(signal.pair)), signal.pair))
    home = np.argsort(signal.pair, kind="stable")
    target = np.empty_like(signal.target)
    target[home] = signal.target[order]
    return replace(signal, target=target)


def _groups(signal: Signal) -> tuple[Ints, float]:
    """Labels of the hidden nodes by the leading eigenvectors, and the gap after them."""
    n = len(signal.neuron)
    label = np.where(signal.hidden, 0, -1)
    k = min(MAX_MODULES + 1, n - 1)
    values, vectors = _eigen(_modularity(signal), k)
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
    for _ in range(20):  # Lloyd's steps; they settle after a few
        label = (rows @ middle.T).argmax(axis=1)
        sums = np.array([rows[label == g].sum(axis=0) for g in range(n_groups)])
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        middle = np.divide(sums, norms, out=middle, where=norms > 0)
    return label


def _n_modules(label: Ints, signal: Signal) -> int:
    """Labels with a real share of the signal and of the neurons."""
    return len(_real(label, signal))


def _real(label: Ints, signal: Signal) -> list[int]:
    """Labels of the modules, the one with most signal first."""
    through = signal.through / np.maximum(_of_layers(signal), np.finfo(float).tiny)
    shares = {}
    for name in np.unique(label[label >= 0]).tolist():
        inside = label == name
        # The largest share that it has of any layer's signal.
        layers = np.unique(signal.layer[inside])
        largest = max(through[inside & (signal.layer == k)].sum() for k in layers)
        if largest >= MIN_SHARE and len(set(signal.neuron[inside])) >= MIN_NEURONS:
            shares[name] = largest
    return sorted(shares, key=lambda name: -shares[name])


def _of_layers(signal: Signal) -> Floats:
    """(n,) signal through the whole network, to compare each node with."""
    inputs = signal.through[signal.layer == 0].sum()
    return np.full(len(signal.through), inputs if inputs > 0 else 1.0)


def _largest(label: Ints, signal: Signal) -> Ints:
    """The labels of the modules as 0, 1, ..., and -1 for all else."""
    out = np.full(len(label), -1)
    for number, name in enumerate(_real(label, signal)):
        out[label == name] = number
    return out


def _coherence(signal: Signal, label: Ints) -> tuple[float, bool]:
    """Share of the signal between hidden nodes that stays in its module, beyond chance.

    Where no signal passes between hidden nodes, that from and to the ends counts, each of which
    belongs to the module that it has most signal with.

    Returns
    -------
    coherence : float
        1 where the modules have no pair of layers in common: then no signal could cross.
    tested : bool
        Whether they have.
    """
    is_flat = not signal.inside.any()
    if is_flat:
        label = _with_ends(signal, label)
    signal = signal.between_hidden
    power = signal.power
    _, pair = np.unique(signal.pair, return_inverse=True)
    total = np.bincount(pair, power)

    # Column 0 of these tables is for nodes of no module.
    a, b = label[signal.source], label[signal.target]
    sent = np.zeros((len(total), int(label.max()) + 2))
    heard = np.zeros_like(sent)
    np.add.at(sent, (pair, a + 1), power)
    np.add.at(heard, (pair, b + 1), power)
    within = (a == b) & (a >= 0)
    stays = np.bincount(pair[within], power[within], minlength=len(total)) / total
    by_chance = (sent * heard)[:, 1:].sum(axis=1) / total**2

    # A pair of layers that one module has alone says nothing of the others.
    shared = by_chance < 1 - SAME
    if not shared.any():
        return 1.0, False
    coherence = (stays[shared] - by_chance[shared]) / (1 - by_chance[shared])
    if is_flat:
        return float(coherence.max()), True
    return float(np.average(coherence, weights=total[shared])), True


def _with_ends(signal: Signal, label: Ints) -> Ints:
    """The labels with inputs and outputs in the module that they have most signal with."""
    n_modules = int(label.max()) + 1
    if n_modules < 1:
        return label
    n = len(label)
    votes = np.zeros((n, n_modules))
    for end, other in ((signal.source, signal.target), (signal.target, signal.source)):
        named = label[other] >= 0
        np.add.at(votes, (end[named], label[other[named]]), signal.power[named])
    ends = (label < 0) & ~signal.hidden & (votes.sum(axis=1) > 0)
    out = label.copy()
    out[ends] = votes[ends].argmax(axis=1)
    return out


def _described(signal: Signal, label: Ints) -> list[dict[str, Any]]:
    """Each module: its neurons, its layers' widths, its share of the signal, the ends it uses."""
    modules = []
    total = _of_layers(signal)[0]
    for number in range(int(label.max()) + 1):
        inside = label == number
        layers = np.unique(signal.layer[inside])
        widths = [int((inside & (signal.layer == k)).sum()) for k in layers]
        heard = np.isin(signal.target, np.flatnonzero(inside)) & (signal.layer[signal.source] == 0)
        told = np.isin(signal.source, np.flatnonzero(inside)) & ~signal.hidden[signal.target]
        modules.append(
            {
                "neurons": np.unique(signal.neuron[inside]).tolist(),
                "widths": widths,
                "share": float(
                    max(signal.through[inside & (signal.layer == k)].sum() for k in layers) / total
                ),
                "n_inputs": len(np.unique(signal.neuron[signal.source[heard]])),
                "n_outputs": len(np.unique(signal.neuron[signal.target[told]])),
            }
        )
    return modules
