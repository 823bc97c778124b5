"""The computation graph that gives the network's outputs exactly: unrolled, pruned, constants folded, relays contracted.

The graph that structure is judged on (analysis/effective.py) leaves out what hardly matters on the data. This one leaves
out only what cannot matter for any input, and keeps the biases, so that it can be computed in the network's place.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analysis.effective import Edges, reach, source_mask, unroll
from analysis.forward import forward


@dataclass(frozen=True)
class ExactGraph:
    """Nodes are l * S + i (iteration l, neuron i); an input is node j at l = 0, also where it is clamped.

    Attributes
    ----------
    source, target, weight : (M,) edges between nodes that compute; no two join the same nodes.
    bias : (I + 1, S), with constants and what relays add folded in.
    computing : (I + 1, S) bool, hidden nodes that compute.
    """

    n_neurons: int
    n_inputs: int
    n_outputs: int
    n_iterations: int
    activation: str
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    computing: np.ndarray


def exact_graph(
    weights,
    biases,
    *,
    n_inputs,
    n_outputs,
    n_iterations,
    input_mode="pulse",
    activation="relu",
    inputs=None,
):
    """The exact computation graph of a recurrently applied matrix.

    Parameters
    ----------
    weights : (S, S) array, `weights[i, j]` from neuron j to neuron i. biases : (S,) array.
    inputs : (B, n_inputs) array or None. With data, nodes that do not vary over it are folded into biases as well:
        smaller, and right on inputs like these only. Without, the graph is right for every input.

    Returns
    -------
    ExactGraph

    Notes
    -----
    Contracted without data: a node with one edge from a node that is never negative, a positive weight and a bias that is
    not negative. It is then linear for every input.
    """
    wiring = sparse.coo_array(weights)
    wiring.eliminate_zeros()
    n = wiring.shape[0]
    written = source_mask(n, n_inputs, n_iterations, input_mode)
    fixed = None
    if inputs is not None:
        modes = {"n_outputs": n_outputs, "input_mode": input_mode, "activation": activation}
        activity, _, _ = forward(wiring.tocsr(), biases, inputs, n_iterations, **modes)
        fixed = np.where(np.ptp(activity, axis=1) == 0, activity[:, 0], np.nan)
        fixed[-1] = np.nan  # the read-out is never replaced
    reached, bias = reach(wiring, biases, written, activation, fixed)
    unrolled = unroll(wiring, reached, written, n_outputs)
    relay = (
        _relays(unrolled, bias, written, n_iterations)
        if activation == "relu"
        else np.zeros(bias.size, dtype=bool)
    )
    edges, bias = _contract(unrolled, relay, bias, written)
    pair, place = np.unique(edges.target * bias.size + edges.source, return_inverse=True)
    source, target = pair % bias.size, pair // bias.size
    computing = np.zeros(bias.size, dtype=bool)
    computing[source] = computing[target] = True
    computing = computing.reshape(written.shape) & ~written
    computing[-1] = False
    return ExactGraph(
        n,
        n_inputs,
        n_outputs,
        n_iterations,
        activation,
        source,
        target,
        np.bincount(place, edges.weight, minlength=len(pair)),
        bias,
        computing,
    )


def _relays(unrolled, bias, written, n_iterations):
    """(nodes,) bool: nodes that hand one non-negative value on, linearly for every input."""
    incoming = np.bincount(unrolled.target, minlength=bias.size)
    linear = (bias >= 0).ravel()
    linear[n_iterations * bias.shape[1] :] = False
    only = (
        (incoming[unrolled.target] == 1) & (unrolled.weight > 0) & ~written.ravel()[unrolled.source]
    )
    relay = np.zeros(bias.size, dtype=bool)
    relay[unrolled.target[only]] = True
    return relay & linear


def _contract(unrolled, relay, bias, written):
    """(Edges between nodes that are no relays, bias (nodes,) of those): a relay's value is gain * root + offset."""
    n_nodes, n_neurons = written.size, written.shape[1]
    root, gain, offset = np.arange(n_nodes), np.ones(n_nodes), np.zeros(n_nodes)
    root[written.ravel()] %= n_neurons  # a clamped input is the same at every iteration
    into = unrolled.where(relay[unrolled.target])
    for l in np.unique(into.target // n_neurons):
        step = into.where(into.target // n_neurons == l)
        root[step.target], gain[step.target] = root[step.source], gain[step.source] * step.weight
        offset[step.target] = offset[step.source] * step.weight + bias.ravel()[step.target]
    rest = unrolled.where(~relay[unrolled.target])
    added = np.bincount(rest.target, rest.weight * offset[rest.source], minlength=n_nodes)
    edges = Edges(root[rest.source], rest.target, rest.weight * gain[rest.source], rest.source)
    return edges, bias + added.reshape(bias.shape)
