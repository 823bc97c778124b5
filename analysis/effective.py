"""From a flat network to its effective computation graph (docs/structure.md).

Five steps: unroll, prune, fold constants, leave out what carries next to no signal, contract
relays. What stays are the nodes (neuron, iteration) on a path from an input to an output that is
exactly I steps long, and whose value can depend on the input. Nothing is judged here. See signal.py
for what carries signal, threshold.py for weights that are only nearly zero, and edges.py for the
numbers of nodes.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from analysis.arrays import Bools, Floats, Ints, Matrix
from analysis.edges import Edges, contract, iterations_of, neurons_of, node_numbers
from analysis.forward import PHI, forward
from analysis.network import FlatNetwork, core
from analysis.signal import FAINT, on_paths, without_echoes, without_faint

RELAY_SHARE = 0.99
"""With data, a relay gets this share of its pre-activation's variance over one edge. By judgement:
what is left out is then smaller than what any verdict asks for."""
MAX_FAN = 2
"""Nodes of an iteration to which relays hand the same value; more of them are a layer that reads a
single neuron. By judgement: a value that waits needs one relay, or two with opposite signs."""
VARIES = 1e-9
"""Activity that varies less than this, relative to its size, is constant: far above the rounding
of float64 and far below any signal."""
GAUSSIAN_RELU = 1.0 - 0.25 / (0.5 - 0.5 / np.pi)
"""1 - R^2 of relu(z) on z for z ~ N(0, 1): the covariance is 1/2, the variance of relu(z) is
1/2 - 1/(2 pi)."""
LARGEST = 1e100
"""Activity beyond it is refused: its squares and their products must stay finite in float64."""
FADED = 1e-60
"""Size of a weight up to which it counts as zero: its square times a signal must not vanish in
float64. Optimisers that never reach zero end near the smallest float32, 1e-45."""


@dataclass(frozen=True)
class EffectiveGraph:
    """The unrolled, pruned network and its contraction. Arrays over nodes have shape (I + 1, S).

    Attributes
    ----------
    n_neurons, n_inputs, n_outputs, n_iterations, input_mode, activation
        Of the network.
    has_data : bool
        Whether inputs were given.
    written : bool array
        Nodes into which the input is written, used or not.
    used : bool array
        Nodes on an input -> output path that are not constant.
    relay : bool array
        Used nodes that only hand one value on.
    spread : array
        Standard deviation of the activity over the data; 1 where no data were given.
    nonlinearity : array
        0 for linear nodes, 1 for a ReLU driven by a centred Gaussian, and 1 for any computing node
        without data.
    unrolled : Edges
        Each spans one iteration.
    edges : Edges
        Relays contracted: each joins two nodes that are no relays.
    """

    n_neurons: int
    n_inputs: int
    n_outputs: int
    n_iterations: int
    input_mode: str
    activation: str
    has_data: bool
    written: Bools
    used: Bools
    relay: Bools
    spread: Floats
    nonlinearity: Floats
    unrolled: Edges
    edges: Edges

    @property
    def is_source(self) -> Bools:
        """(I + 1, S) bool: used nodes that hold the input (at every l < I but after a pulse)."""
        return self.used & self.written

    @property
    def is_output(self) -> Bools:
        """(I + 1, S) bool: used nodes of the last iteration, the read-out."""
        outputs = np.zeros_like(self.used)
        outputs[-1] = self.used[-1]
        return outputs

    @property
    def computing(self) -> Bools:
        """(I + 1, S) bool: hidden nodes that compute; no inputs, no read-out, no relays."""
        hidden = self.used & ~self.relay & ~self.is_source
        hidden[-1] = False
        return hidden

    @property
    def n_nodes(self) -> int:
        """(I + 1) S, the nodes that are not used included."""
        return self.used.size

    def nodes_at(self, iteration: int, neurons: Ints) -> Ints:
        """Numbers of the nodes of some neurons at an iteration."""
        return node_numbers(iteration, neurons, self.n_neurons)

    def iterations_of(self, nodes: Ints) -> Ints:
        """The iteration of each node number."""
        return iterations_of(nodes, self.n_neurons)

    def neurons_of(self, nodes: Ints) -> Ints:
        """The neuron of each node number."""
        return neurons_of(nodes, self.n_neurons)


def effective_graph(
    net: FlatNetwork, inputs: Floats | None = None, *, faint: float = FAINT
) -> EffectiveGraph:
    """The effective computation graph of a recurrently applied matrix.

    Parameters
    ----------
    net : FlatNetwork
        Its weights may be sparse.
    inputs : (B, n_inputs) array, or (B, I, n_inputs) of sequences, optional
        With data, nodes that do not vary over it are folded away, signal is measured on it, nodes
        with under ECHO of their neuron's signal are left out, and a relay is a node whose
        pre-activation is never negative on it. Without, a signal's variance is what independent
        inputs of variance 1 would bring, and a relay is one for every input.
    faint : float
        Edges with less signal than this part of a typical edge of their iteration are left out; 0
        keeps every edge.

    Returns
    -------
    EffectiveGraph
        Nothing is used where no input reaches an output.

    Notes
    -----
    O(I (S + M)) for M non-zero weights; with data B times that.
    """
    # Which nodes can vary at all, and with data: which do.
    wiring = nonzero_wiring(net)
    written = net.input_mask
    reached, bias = reach(net, wiring)
    facts = _facts_of_wiring(bias) if inputs is None else _facts_on_data(net, wiring, inputs)
    reached &= facts.varies

    # The edges between them that lead to an output, without those that carry next to nothing.
    unrolled = unroll(net, wiring, reached)
    spread = None if inputs is None else facts.spread
    if spread is not None and len(unrolled):
        unrolled = without_echoes(unrolled, written, spread)
    if faint > 0 and len(unrolled):
        unrolled = without_faint(unrolled, written, spread, faint)

    unrolled, relay = _find_relays(net, unrolled, facts, spread)

    used = np.zeros(written.shape, dtype=bool)
    used.reshape(-1)[unrolled.source] = True
    used.reshape(-1)[unrolled.target] = True
    relay &= used
    nonlinearity = np.where(used & ~relay & ~written, facts.nonlinearity, 0.0)
    nonlinearity[-1] = 0.0
    return EffectiveGraph(
        n_neurons=net.n_neurons,
        n_inputs=net.n_inputs,
        n_outputs=net.n_outputs,
        n_iterations=net.n_iterations,
        input_mode=net.input_mode,
        activation=net.activation,
        has_data=inputs is not None,
        written=written,
        used=used,
        relay=relay,
        spread=facts.spread,
        nonlinearity=nonlinearity,
        unrolled=unrolled,
        edges=contract(unrolled, relay),
    )


def nonzero_wiring(net: FlatNetwork) -> Matrix:
    """The weights as a SciPy COO array without zeros, nor what has FADED."""
    wiring = sparse.coo_array(net.weights)
    (i, j), w = wiring.coords, wiring.data
    kept = np.abs(w) > FADED
    return sparse.coo_array((w[kept], (i[kept], j[kept])), shape=wiring.shape)


def reach(net: FlatNetwork, wiring: Matrix, fixed: Floats | None = None) -> tuple[Bools, Floats]:
    """Nodes whose value can depend on the input, and biases with the constant nodes folded in.

    Parameters
    ----------
    net : FlatNetwork
    wiring : COO array
        Its weights, of `nonzero_wiring`.
    fixed : (I + 1, S) array, optional
        What more is constant: a value, or NaN where nothing is known. Without it the result holds
        for every input.

    Returns
    -------
    reached : (I + 1, S) bool array
    bias : (I + 1, S) array
    """
    (i, j), w = wiring.coords, wiring.data
    written = net.input_mask
    reached = written.copy()
    bias = np.zeros(written.shape)
    constant = np.zeros(net.n_neurons)

    def count(edges: Bools) -> Ints:
        return np.bincount(i[edges], minlength=net.n_neurons)

    for l in range(net.n_iterations):
        # Constant sources add a constant: it goes into the bias of the target.
        live = reached[l][j]
        folded = w[~live] * constant[j[~live]]
        bias[l + 1] = net.biases + np.bincount(i[~live], folded, minlength=net.n_neurons)

        varies = count(live) > 0
        if net.activation == "relu" and l + 1 < net.n_iterations:
            # Rectified sources with negative weights cannot lift a node above zero.
            can_rise = count(live & ((w > 0) | written[l][j])) > 0
            varies = can_rise | (varies & (bias[l + 1] > 0))
        is_fixed = np.zeros(net.n_neurons, dtype=bool)
        if fixed is not None:
            is_fixed = np.isfinite(fixed[l + 1]) & ~written[l + 1]
        reached[l + 1] |= varies & ~is_fixed

        constant = np.where(reached[l + 1], 0.0, PHI[net.activation](bias[l + 1]))
        if fixed is not None:
            constant[is_fixed] = fixed[l + 1][is_fixed]

    return reached, bias


@dataclass(frozen=True)
class _NodeFacts:
    """Facts about each node, (I + 1, S) arrays: see `EffectiveGraph` for the first two.

    `lowest` is the lowest pre-activation, `varies` whether the activity does.
    """

    spread: Floats
    nonlinearity: Floats
    lowest: Floats
    varies: Bools


def _facts_of_wiring(bias: Floats) -> _NodeFacts:
    """Facts that hold for every input.

    A positive weight from a rectified node and no negative bias make a linear node, so the bias
    stands for the lowest pre-activation.
    """
    ones = np.ones(bias.shape)
    return _NodeFacts(ones, ones, bias, np.ones(bias.shape, dtype=bool))


def _facts_on_data(net: FlatNetwork, wiring: Matrix, inputs: Floats) -> _NodeFacts:
    """Facts on data; neurons without weights are left out of the products."""
    part, ids = core(replace(net, weights=wiring))
    with np.errstate(over="ignore", invalid="ignore"):
        activity, before, _ = forward(part, inputs)
    # The last pre-activation is that at l = I.
    if not np.abs(inputs).max(initial=0.0) <= LARGEST:
        raise ValueError(f"inputs must be at most {LARGEST:g} in size")
    if not np.abs(before).max(initial=0.0) <= LARGEST:
        raise ValueError(f"weights let activity on the inputs grow beyond {LARGEST:g}")
    spread = activity.std(axis=1)
    varies = spread > VARIES * np.abs(activity).max(axis=1)

    # The squared correlation of pre-activation and activity; 1 where either is constant.
    centred = activity - activity.mean(1, keepdims=True)
    covariance = (centred * (before - before.mean(1, keepdims=True))).mean(1)
    scale = spread * before.std(axis=1)
    r2 = np.divide(covariance, scale, out=np.ones_like(scale), where=scale > 0) ** 2
    nonlinearity = np.clip((1 - r2) / GAUSSIAN_RELU, 0, 1)

    shape = (net.n_iterations + 1, net.n_neurons)

    def filled(values: np.ndarray, rest: float) -> np.ndarray:
        full = np.full(shape, rest, dtype=values.dtype)
        full[:, ids] = values
        return full

    return _NodeFacts(
        filled(spread, 0.0),
        filled(nonlinearity, 0.0),
        filled(before.min(axis=1), -np.inf),
        filled(varies, False),
    )


def unroll(net: FlatNetwork, wiring: Matrix, reached: Bools) -> Edges:
    """Edges between reached nodes (I + 1, S) on a path to an output at the last iteration."""
    (i, j), w = wiring.coords, wiring.data
    n_neurons = net.n_neurons
    written = net.input_mask
    reached = reached.copy()
    # A node that varies must have a source that varies.
    for l in range(net.n_iterations):
        fed = np.bincount(i[reached[l][j]], minlength=n_neurons) > 0
        reached[l + 1] &= fed | written[l + 1]

    # Backwards from the outputs: an edge is kept if its target is useful and its source varies.
    # Nothing arrives at a node into which the input is written.
    is_output = np.arange(n_neurons) >= n_neurons - net.n_outputs
    useful = reached[-1] & is_output
    sources, targets, weights = [], [], []
    for l in reversed(range(net.n_iterations)):
        kept = (useful & ~written[l + 1])[i] & reached[l][j]
        sources.append(node_numbers(l, j[kept], n_neurons))
        targets.append(node_numbers(l + 1, i[kept], n_neurons))
        weights.append(w[kept])
        useful = np.bincount(j[kept], minlength=n_neurons) > 0

    source = np.concatenate(sources[::-1])
    target = np.concatenate(targets[::-1])
    return Edges(source, target, np.concatenate(weights[::-1]), source, n_neurons)


def _sole_sources(unrolled: Edges, spread: Floats | None) -> Bools:
    """(M,) bool: edges that bring a node all it gets, or with data nearly all of its variance."""
    held = 1.0 if spread is None else spread.ravel()[unrolled.source] ** 2
    power = unrolled.weight**2 * held
    total = np.bincount(unrolled.target, power, minlength=unrolled.n_neurons)
    share = 1.0 if spread is None else RELAY_SHARE
    return power >= share * total[unrolled.target]


def _find_relays(
    net: FlatNetwork, unrolled: Edges, facts: _NodeFacts, spread: Floats | None
) -> tuple[Edges, Bools]:
    """Relays (I + 1, S): linear nodes that get all they get over a single edge, and hand it on.

    Their other edges, under 1 % of the variance, are dropped, and what that leaves useless.
    """
    written = net.input_mask
    linear = (facts.lowest >= 0) & ~written & (net.activation == "relu")
    linear[-1] = False
    sole = _sole_sources(unrolled, spread)
    main = sole & linear.ravel()[unrolled.target]
    if spread is None:
        # Whatever the input, only what is never negative passes a node unchanged.
        main &= (unrolled.weight > 0) & ~written.ravel()[unrolled.source]

    # A value that many nodes read alone is read by a layer, not handed on.
    fan = np.bincount(unrolled.source[sole], minlength=written.size)
    main &= fan[unrolled.source] <= MAX_FAN
    relay = np.zeros(written.shape, dtype=bool)
    relay.reshape(-1)[unrolled.target[main]] = True
    unrolled = unrolled.where(main | ~relay.ravel()[unrolled.target])
    return unrolled.where(on_paths(unrolled, written)), relay
