"""The computation graph that gives the network's outputs exactly.

It is unrolled and pruned, constants are folded and relays contracted. The graph that structure is
judged on (analysis/effective.py) leaves out what hardly matters on the data. This one leaves out
only what cannot matter for any input, and keeps the biases, so that it can stand in for the
network.
"""

from dataclasses import dataclass, replace

import numpy as np

from analysis.arrays import Bools, Floats, Ints, Matrix
from analysis.edges import Edges, contract, first_iteration, relay_steps
from analysis.effective import nonzero_wiring, reach, unroll
from analysis.forward import forward
from analysis.network import FlatNetwork


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
    source: Ints
    target: Ints
    weight: Floats
    bias: Floats
    computing: Bools


def exact_graph(network: FlatNetwork, inputs: Floats | None = None) -> ExactGraph:
    """The exact computation graph of a recurrently applied matrix, whose input stays the same.

    Parameters
    ----------
    network : FlatNetwork
    inputs : (B, n_inputs) array or None
        With data, nodes that do not vary over it are folded into biases as well: smaller, and right
        on inputs like these only. Without, the graph is right for every input.

    Returns
    -------
    ExactGraph

    Raises
    ------
    ValueError
        For a network that reads a sequence: an input here is one node, whatever the iteration.

    Notes
    -----
    Contracted without data: a node with one edge from a node that is never negative, a positive
    weight and a bias that is not negative. It is then linear for every input.
    """
    if network.input_mode == "sequence":
        raise ValueError("network must have an input that stays the same, not a sequence")

    wiring = nonzero_wiring(network)
    written = network.input_mask
    fixed = None if inputs is None else _constants(network, wiring, inputs)
    reached, bias = reach(network, wiring, fixed)
    unrolled = unroll(network, wiring, reached)

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
        weight=np.bincount(index, edges.weight, minlength=len(pair)).astype(float, copy=False),
        bias=bias,
        computing=computing,
    )


def _constants(network: FlatNetwork, wiring: Matrix, inputs: Floats) -> Floats:
    """(I + 1, S): the value of each node that is the same for all inputs, NaN for the others."""
    activity = forward(replace(network, weights=wiring.tocsr()), inputs).activity
    fixed = np.where(np.ptp(activity, axis=1) == 0, activity[:, 0], np.nan)
    fixed[-1] = np.nan  # the read-out is never replaced
    return fixed


def _relays(unrolled: Edges, bias: Floats, written: Bools) -> Bools:
    """(nodes,) bool: nodes that hand one non-negative value on, linearly for every input."""
    incoming = np.bincount(unrolled.target, minlength=bias.size)
    linear = bias >= 0
    linear[-1] = False  # the read-out hands nothing on
    single = incoming[unrolled.target] == 1
    rectified = ~written.ravel()[unrolled.source]  # inputs may be negative

    relay = np.zeros(bias.size, dtype=bool)
    relay[unrolled.target[single & (unrolled.weight > 0) & rectified]] = True
    return relay & linear.ravel()


def _contract(unrolled: Edges, relay: Bools, bias: Floats, written: Bools) -> tuple[Edges, Floats]:
    """Edges between nodes that are no relays, and the bias (I + 1, S) of those.

    A relay's value is gain * root + offset.
    """
    # A relay's source comes an iteration earlier, so its offset is known by then.
    offset = np.zeros(written.size)
    for step in relay_steps(unrolled, relay):
        offset[step.target] = offset[step.source] * step.weight + bias.ravel()[step.target]

    rest = unrolled.where(~relay[unrolled.target])
    added = np.bincount(rest.target, rest.weight * offset[rest.source], minlength=written.size)
    # A clamped input is the same at every iteration.
    edges = first_iteration(contract(unrolled, relay), written)
    return edges, bias + added.reshape(bias.shape)
