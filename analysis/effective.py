"""From a weight matrix to the effective computation graph of DESIGN section 3: unroll, prune, fold constants,
contract relays.

What stays are the nodes (neuron, iteration) on a path from an input to an output that is exactly I steps long, and
whose value can depend on the input. Nothing is judged here. Every non-zero weight counts: see threshold.py for
weights that are only nearly zero.

Nodes are numbered l * S + i throughout: node // S is the iteration, node % S the neuron.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from analysis.forward import PHI, forward
from analysis.paths import accumulate, path_shares

RELAY_SHARE = 0.99  # with data, a relay gets at least this share of its pre-activation's variance over one edge
ECHO = 0.05  # with data, a node with less of its neuron's signal power than this is left out
VARIES = 1e-9  # activity that varies less than this, relative to its size, is constant
# 1 - R^2 of relu(z) on z for z ~ N(0, 1): covariance 1/2, variance of relu(z) 1/2 - 1/(2 pi)
GAUSSIAN_RELU = 1.0 - 0.25 / (0.5 - 0.5 / np.pi)


@dataclass(frozen=True)
class Edges:
    """Edges as parallel arrays of shape (M,): source and target node, weight, and the node where the last step
    starts.
    """

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    via: np.ndarray

    def __len__(self):
        return len(self.source)

    def where(self, mask):
        """The edges that `mask` selects."""
        return Edges(self.source[mask], self.target[mask], self.weight[mask], self.via[mask])


@dataclass(frozen=True)
class EffectiveGraph:
    """The unrolled, pruned network and its contraction. Arrays over nodes have shape (I + 1, S)."""

    n_neurons: int
    n_inputs: int
    n_outputs: int
    n_iterations: int
    input_mode: str
    activation: str
    has_data: bool
    alive: np.ndarray  # bool: on an input -> output path, and not constant
    relay: np.ndarray  # bool: alive, and only hands one value on
    spread: (
        np.ndarray
    )  # standard deviation of the activity over the data; 1 where no data were given
    nonlinearity: np.ndarray  # 0 for linear nodes, 1 for a ReLU driven by a centred Gaussian, and for any computing node without data
    unrolled: Edges  # each spans one iteration
    edges: Edges  # relays contracted: each joins two nodes that are no relays

    @property
    def is_source(self):
        """(I + 1, S) bool: living nodes that hold the input (l = 0; with clamped input every l < I)."""
        return self.alive & source_mask(
            self.n_neurons, self.n_inputs, self.n_iterations, self.input_mode
        )

    @property
    def computing(self):
        """(I + 1, S) bool: hidden nodes that compute; neither inputs, nor the read-out, nor relays."""
        hidden = self.alive & ~self.relay & ~self.is_source
        hidden[-1] = False
        return hidden


def source_mask(n_neurons, n_inputs, n_iterations, input_mode):
    """(I + 1, S) bool: where the input is written, alive or not."""
    mask = np.zeros((n_iterations + 1, n_neurons), dtype=bool)
    mask[: 1 if input_mode == "pulse" else n_iterations, :n_inputs] = True
    return mask


def effective_graph(
    weights,
    biases,
    *,
    n_inputs,
    n_outputs,
    n_iterations,
    inputs=None,
    input_mode="pulse",
    activation="relu",
    faint=0.0,
):
    """The effective computation graph of a recurrently applied matrix.

    Parameters
    ----------
    weights : (S, S) array or scipy sparse array, `weights[i, j]` from neuron j to neuron i; every non-zero entry
    counts.
    biases : (S,) array.
    inputs : (B, n_inputs) array or None. With data, nodes that do not vary over it are folded away, nodes that
        carry under 5 % of their neuron's signal power are left out, and a relay is a node whose pre-activation is
        never negative on it. Without, only what holds for every input is used.
    faint : edges with less than this share of the mean signal power per edge of their iteration are dropped; 0 keeps
        all. For weights that are not exactly sparse, where stray ones survive any threshold.

    Returns
    -------
    EffectiveGraph. Nothing is alive where no input reaches an output.

    Notes
    -----
    O(I (S + M)) for M non-zero weights; with data B times that.
    """
    wiring = sparse.coo_array(weights)
    wiring.eliminate_zeros()
    sizes = (wiring.shape[0], n_inputs, n_outputs, n_iterations)
    source = source_mask(sizes[0], n_inputs, n_iterations, input_mode)
    reached, bias = reach(wiring, biases, source, activation)
    spread, computing = np.ones(reached.shape), np.ones(reached.shape)
    if inputs is None:
        # a positive weight from a rectified node, and no negative bias: linear whatever the input
        linear = (bias >= 0) if activation == "relu" else np.zeros_like(reached)
    else:
        spread, lowest, computing, varies = _observe(
            wiring, biases, inputs, sizes, input_mode, activation
        )
        reached &= varies
        linear = (lowest >= 0) if activation == "relu" else np.zeros_like(reached)
    linear[-1] = False
    linear &= ~source
    unrolled = unroll(wiring, reached, source, n_outputs)
    if inputs is not None and len(unrolled):
        unrolled = _without_echoes(unrolled, source, spread)
    if faint > 0 and len(unrolled):
        unrolled = _without_faint(unrolled, source, faint)
    unrolled, relay = _find_relays(unrolled, linear, source, spread, on_graph_alone=inputs is None)
    alive = np.zeros(reached.size, dtype=bool)
    alive[unrolled.source] = alive[unrolled.target] = True
    alive = alive.reshape(reached.shape)
    relay &= alive
    computing = np.where(alive & ~relay & ~source, computing, 0.0)
    computing[-1] = 0.0
    return EffectiveGraph(
        *sizes,
        input_mode,
        activation,
        inputs is not None,
        alive,
        relay,
        spread,
        computing,
        unrolled,
        _contract(unrolled, relay),
    )


def reach(wiring, biases, source, activation, fixed=None):
    """Nodes whose value can depend on the input, and the bias of each node with the constant nodes folded in; both
    (I + 1, S).

    Holds for every input, unless `fixed` (I + 1, S) says what more is constant: a value, or NaN where nothing is known.
    """
    (i, j), w = wiring.coords, wiring.data
    n_neurons = wiring.shape[0]
    reached, bias = source.copy(), np.zeros(source.shape)
    constant = np.zeros(n_neurons)
    for l in range(len(source) - 1):
        live = reached[l][j]
        bias[l + 1] = biases + np.bincount(
            i[~live], w[~live] * constant[j[~live]], minlength=n_neurons
        )
        if activation == "relu" and l + 2 < len(
            source
        ):  # rectified sources with negative weights cannot lift a node above zero
            can_rise = np.bincount(i[live & ((w > 0) | source[l][j])], minlength=n_neurons) > 0
            varies = can_rise | (
                (np.bincount(i[live], minlength=n_neurons) > 0) & (bias[l + 1] > 0)
            )
        else:
            varies = np.bincount(i[live], minlength=n_neurons) > 0
        held = (
            np.isfinite(fixed[l + 1]) & ~source[l + 1]
            if fixed is not None
            else np.zeros(n_neurons, dtype=bool)
        )
        reached[l + 1] |= varies & ~held
        constant = np.where(reached[l + 1], 0.0, PHI[activation](bias[l + 1]))
        constant[held] = fixed[l + 1][held] if fixed is not None else 0.0
    return reached, bias


def _observe(wiring, biases, inputs, sizes, input_mode, activation):
    """On data, each (I + 1, S): standard deviation, lowest pre-activation, nonlinearity, and whether the node
    varies.
    """
    n_neurons, n_inputs, n_outputs, n_iterations = sizes
    wired = np.zeros(n_neurons, dtype=bool)
    wired[:n_inputs] = wired[n_neurons - n_outputs :] = True
    wired[wiring.coords[0]] = wired[wiring.coords[1]] = True
    ids = np.flatnonzero(wired)
    matrix = wiring.tocsr()[ids][:, ids]
    if matrix.nnz > 0.1 * matrix.shape[0] ** 2:
        matrix = matrix.toarray()
    activity, before, _ = forward(
        matrix,
        biases[ids],
        inputs,
        n_iterations,
        n_outputs=n_outputs,
        input_mode=input_mode,
        activation=activation,
    )
    std, std_before = activity.std(axis=1), before.std(axis=1)
    covariance = (
        (activity - activity.mean(1, keepdims=True)) * (before - before.mean(1, keepdims=True))
    ).mean(1)
    scale = std * std_before
    r2 = np.divide(covariance, scale, out=np.ones_like(scale), where=scale > 0) ** 2

    def full(values, fill):
        out = np.full((n_iterations + 1, n_neurons), fill, dtype=values.dtype)
        out[:, ids] = values
        return out

    varies = std > VARIES * np.abs(activity).max(axis=1)
    return (
        full(std, 0.0),
        full(before.min(axis=1), -np.inf),
        full(np.clip((1 - r2) / GAUSSIAN_RELU, 0, 1), 0.0),
        full(varies, False),
    )


def unroll(wiring, reached, source, n_outputs):
    """Edges between reached nodes that lie on a path to an output at the last iteration."""
    (i, j), w = wiring.coords, wiring.data
    n_neurons, n_iterations = wiring.shape[0], len(reached) - 1
    reached = reached.copy()
    for l in range(n_iterations):  # what varies must have a source that varies
        fed = np.bincount(i[reached[l][j]], minlength=n_neurons) > 0
        reached[l + 1] &= fed | source[l + 1]
    useful = np.zeros(n_neurons, dtype=bool)
    useful[n_neurons - n_outputs :] = reached[-1, n_neurons - n_outputs :]
    parts = []
    for l in reversed(range(n_iterations)):
        used = (useful & ~source[l + 1])[i] & reached[l][j]
        parts.append((l * n_neurons + j[used], (l + 1) * n_neurons + i[used], w[used]))
        useful = np.bincount(j[used], minlength=n_neurons) > 0
    source_node, target, weight = (np.concatenate(part[::-1]) for part in zip(*parts, strict=True))
    return Edges(source_node, target, weight, source_node)


def _find_relays(unrolled, linear, source, spread, on_graph_alone):
    """Relays, and the edges without the weak ones (under 1 % of the variance) into relays and without what these
    leave useless.
    """
    n_nodes, shape = linear.size, linear.shape
    power = (unrolled.weight * spread.ravel()[unrolled.source]) ** 2
    total = np.bincount(unrolled.target, power, minlength=n_nodes)
    main = power >= (1.0 if on_graph_alone else RELAY_SHARE) * total[unrolled.target]
    main &= linear.ravel()[unrolled.target]
    if on_graph_alone:
        main &= (unrolled.weight > 0) & ~source.ravel()[unrolled.source]
    relay = np.zeros(n_nodes, dtype=bool)
    relay[unrolled.target[main]] = True
    unrolled = unrolled.where(main | ~relay[unrolled.target])
    return unrolled.where(_on_paths(unrolled, source)), relay.reshape(shape)


def _without_echoes(unrolled, source, spread):
    """The unrolled edges without hidden nodes that carry under ECHO of what their neuron carries over all iterations.

    Power of a node: variance of its activity on the data times the squared weights on its paths to the outputs. A
    trained layered network fires faintly at iterations other than its own; counted as nodes, these echoes would
    make every neuron re-used.
    """
    shape = source.shape
    outputs = np.zeros(source.shape)
    outputs[
        -1, np.unique(unrolled.target[unrolled.target // shape[1] == shape[0] - 1]) % shape[1]
    ] = 1.0
    backwards = range(shape[0] - 2, -1, -1)
    behind, logs = accumulate(
        unrolled.target, unrolled.source, unrolled.weight**2, outputs.ravel(), backwards, shape
    )
    power = spread**2 * behind.reshape(shape) * np.exp(logs - logs.max())[:, None]
    power[-1] = 0.0
    power[source] = 0.0
    echo = power < ECHO * power.sum(axis=0)
    echo[source] = False
    echo[-1] = False
    echo = echo.ravel()
    kept = unrolled.where(~echo[unrolled.source] & ~echo[unrolled.target])
    return kept.where(_on_paths(kept, source))


def _without_faint(unrolled, source, faint):
    """The unrolled edges without those that carry next to nothing, nor what hangs on them alone. Power = squared
    weights.
    """
    shape = source.shape
    outputs = np.unique(unrolled.target[unrolled.target // shape[1] == shape[0] - 1])
    share, _ = path_shares(
        unrolled.source, unrolled.target, unrolled.weight**2, source.ravel(), outputs, shape
    )
    iteration = unrolled.target // shape[1]
    mean = np.bincount(iteration, share) / np.maximum(np.bincount(iteration), 1)
    kept = unrolled.where(share >= faint * mean[iteration])
    return kept.where(_on_paths(kept, source))


def _on_paths(unrolled, source):
    """(M,) bool: edges on a path from a source to a node of the last iteration, within the given edges."""
    shape = source.shape
    order = np.argsort(unrolled.target // shape[1], kind="stable")
    cuts = np.searchsorted(unrolled.target[order] // shape[1], np.arange(shape[0] + 1))
    steps = [order[a:b] for a, b in pairwise(cuts)]
    fed, useful = source.ravel().copy(), np.zeros(source.size, dtype=bool)
    useful[-shape[1] :] = True
    kept = np.zeros(len(unrolled), dtype=bool)
    for step in steps:
        kept[step] = fed[unrolled.source[step]]
        fed[unrolled.target[step[kept[step]]]] = True
    for step in reversed(steps):
        kept[step] &= useful[unrolled.target[step]]
        useful[unrolled.source[step[kept[step]]]] = True
    return kept


def _contract(unrolled, relay):
    """Edges between nodes that are no relays; the weight is the product along the chain. Parallel chains stay
    separate edges.
    """
    n_nodes, n_neurons = relay.size, relay.shape[1]
    relay = relay.ravel()
    root, gain = np.arange(n_nodes), np.ones(n_nodes)
    into = unrolled.where(relay[unrolled.target])
    for l in np.unique(into.target // n_neurons):
        step = into.where(into.target // n_neurons == l)
        root[step.target] = root[step.source]
        gain[step.target] = gain[step.source] * step.weight
    rest = unrolled.where(~relay[unrolled.target])
    return Edges(root[rest.source], rest.target, rest.weight * gain[rest.source], rest.source)
