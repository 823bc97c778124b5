"""The computation graph that gives the network's outputs exactly.

It is unrolled and pruned, constants are folded and relays contracted. The graph that structure is
judged on (analysis/effective.py) leaves out what hardly matters on the data. This one leaves out
only what cannot matter for any input, and keeps the biases, so that it can stand in for the
network.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from analysis.effective import Edges, reach, source_mask, unroll
from analysis.forward import forward
from analysis.network import FlatNetwork, Floats

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ExactGraph:
    """Nodes are l * S + i (iteration l, neuron i).

    An input is node j at l = 0, also where it is clamped.

    Attributes
    ----------
    n_neurons, n_inputs, n_outputs, n_iterations : int
        Sizes of the network.
    activation : str
        "relu" or "tanh".
    source, target, weight : (M,) arrays
        Edges between nodes that compute; no two join the same nodes.
    bias : (I + 1, S) array
        With constants and what relays add folded in.
    computing : (I + 1, S) bool array
        Hidden nodes that compute.
    """

    n_neurons: int
    n_inputs: int
    n_outputs: int
    n_iterations: int
    activation: str
    source: Integers
    target: Integers
    weight: Floats
    bias: Floats
    computing: Flags


def exact_graph(network: FlatNetwork, inputs: Floats | None = None) -> ExactGraph:
    """The exact computation graph of a recurrently applied matrix.

    Parameters
    ----------
    network : FlatNetwork
    inputs : (B, n_inputs) array or None
        With data, nodes that do not vary over it are folded into biases as well: smaller, and right
        on inputs like these only. Without, the graph is right for every input.

    Returns
    -------
    ExactGraph

    Notes
    -----
    Contracted without data: a node with one edge from a node that is never negative, a positive
    weight and a bias that is not negative. It is then linear for every input.
    """
    wiring = sparse.coo_array(network.weights)
    wiring.eliminate_zeros()
    written = source_mask(
        network.n_neurons, network.n_inputs, network.n_iterations, network.input_mode
    )
    fixed = None if inputs is None else _constants(network, wiring, inputs)
    reached, bias = reach(wiring, network.biases, written, network.activation, fixed)
    unrolled = unroll(wiring, reached, written, network.n_outputs)

    relay = np.zeros(bias.size, dtype=bool)
    if network.activation == "relu":
        relay = _relays(unrolled, bias, written)
    edges, bias = _contract(unrolled, relay, bias, written)

    # Parallel chains of relays join the same two nodes: their weights add up to one edge.
    n_nodes = bias.size
    pair, index = np.unique(edges.target * n_nodes + edges.source, return_inverse=True)
    source = pair % n_nodes
    target = pair // n_nodes
    computing = np.zeros(n_nodes, dtype=bool)
    computing[source] = True
    computing[target] = True
    computing = computing.reshape(written.shape) & ~written
    computing[-1] = False

    return ExactGraph(
        n_neurons=network.n_neurons,
        n_inputs=network.n_inputs,
        n_outputs=network.n_outputs,
        n_iterations=network.n_iterations,
        activation=network.activation,
        source=source,
        target=target,
        weight=np.bincount(index, edges.weight, minlength=len(pair)).astype(float),
        bias=bias,
        computing=computing,
    )


def _constants(network: FlatNetwork, wiring: sparse.coo_array, inputs: Floats) -> Floats:
    """(I + 1, S): the value of each node that is the same for all inputs, NaN for the others."""
    activity, _, _ = forward(
        wiring.tocsr(),
        network.biases,
        inputs,
        network.n_iterations,
        n_outputs=network.n_outputs,
        input_mode=network.input_mode,
        activation=network.activation,
    )
    fixed = np.where(np.ptp(activity, axis=1) == 0, activity[:, 0], np.nan)
    fixed[-1] = np.nan  # the read-out is never replaced
    return fixed


def _relays(unrolled: Edges, bias: Floats, written: Flags) -> Flags:
    """(nodes,) bool: nodes that hand one non-negative value on, linearly for every input."""
    incoming = np.bincount(unrolled.target, minlength=bias.size)
    linear = bias >= 0
    linear[-1] = False  # the read-out hands nothing on
    single = incoming[unrolled.target] == 1
    rectified = ~written.ravel()[unrolled.source]  # inputs may be negative

    relay = np.zeros(bias.size, dtype=bool)
    relay[unrolled.target[single & (unrolled.weight > 0) & rectified]] = True
    return relay & linear.ravel()


def _contract(unrolled: Edges, relay: Flags, bias: Floats, written: Flags) -> tuple[Edges, Floats]:
    """Edges between nodes that are no relays, and the bias (I + 1, S) of those.

    A relay's value is gain * root + offset.
    """
    n_nodes = written.size
    n_neurons = written.shape[1]
    root = np.arange(n_nodes)
    gain = np.ones(n_nodes)
    offset = np.zeros(n_nodes)
    root[written.ravel()] %= n_neurons  # a clamped input is the same at every iteration

    # A relay's source comes an iteration earlier, so its root, gain and offset are known by then.
    into = unrolled.where(relay[unrolled.target])
    for l in np.unique(into.target // n_neurons):
        step = into.where(into.target // n_neurons == l)
        root[step.target] = root[step.source]
        gain[step.target] = gain[step.source] * step.weight
        offset[step.target] = offset[step.source] * step.weight + bias.ravel()[step.target]

    rest = unrolled.where(~relay[unrolled.target])
    added = np.bincount(rest.target, rest.weight * offset[rest.source], minlength=n_nodes)
    edges = Edges(root[rest.source], rest.target, rest.weight * gain[rest.source], rest.source)
    return edges, bias + added.reshape(bias.shape)
