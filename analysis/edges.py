"""Edges of a network unrolled over its iterations, and the numbering of its nodes.

Node (iteration l, neuron i) has the number l * S + i. This is the only module that divides node
numbers by S: everywhere else edges and graphs are asked for neurons and iterations.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from analysis.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class Edges:
    """Edges between nodes, as parallel arrays of shape (M,).

    Attributes
    ----------
    source, target : (M,) int arrays
        Numbers of the nodes that each edge joins.
    weight : (M,) array
        An entry of W; where relays were contracted, the product along the chain.
    via : (M,) int array
        The node where the last step starts: the source, or the last relay of the chain.
    n_neurons : int
        S.
    """

    source: Ints
    target: Ints
    weight: Floats
    via: Ints
    n_neurons: int

    def __len__(self) -> int:
        return len(self.source)

    @property
    def source_neuron(self) -> Ints:
        """(M,) neuron of each source."""
        return self.source % self.n_neurons

    @property
    def source_iteration(self) -> Ints:
        """(M,) iteration of each source."""
        return self.source // self.n_neurons

    @property
    def target_neuron(self) -> Ints:
        """(M,) neuron of each target."""
        return self.target % self.n_neurons

    @property
    def target_iteration(self) -> Ints:
        """(M,) iteration of each target."""
        return self.target // self.n_neurons

    @property
    def via_neuron(self) -> Ints:
        """(M,) neuron whose weight to the target is the last of the chain."""
        return self.via % self.n_neurons

    @property
    def pair(self) -> Ints:
        """(M,) place of (target neuron, source neuron) in a matrix (S, S) that is raveled."""
        return self.target_neuron * self.n_neurons + self.source_neuron

    @property
    def joins_itself(self) -> Bools:
        """(M,) bool: from a neuron to the same neuron at a later iteration."""
        return self.source_neuron == self.target_neuron

    def where(self, mask: Bools | Ints | slice) -> "Edges":
        """The edges that `mask` selects, in its order."""
        return Edges(
            self.source[mask],
            self.target[mask],
            self.weight[mask],
            self.via[mask],
            self.n_neurons,
        )

    def steps(self, n_iterations: int) -> list[Ints]:
        """Indices of the edges that arrive at iteration 1, 2, ..., `n_iterations`."""
        return by_iteration(self.target_iteration, n_iterations)[1:]


def by_iteration(iteration: Ints, n_iterations: int) -> list[Ints]:
    """Indices of the entries that equal 0, 1, ..., `n_iterations`, in order within each."""
    # A stable sort keeps the order of edges, and with it the order in which their sums round.
    order = np.argsort(iteration, kind="stable")
    cuts = np.searchsorted(iteration[order], np.arange(n_iterations + 2))
    return [order[first:last] for first, last in pairwise(cuts)]


def node_numbers(iteration: int, neurons: Ints, n_neurons: int) -> Ints:
    """Numbers of the nodes of some neurons at an iteration."""
    return iteration * n_neurons + neurons


def iterations_of(nodes: Ints, n_neurons: int) -> Ints:
    """The iteration of each node number."""
    return nodes // n_neurons


def neurons_of(nodes: Ints, n_neurons: int) -> Ints:
    """The neuron of each node number."""
    return nodes % n_neurons


def relay_steps(unrolled: Edges, relay: Bools) -> Iterator[Edges]:
    """Edges into relays, iteration by iteration, to hand a value down every chain of relays.

    Parameters
    ----------
    unrolled : Edges
        Edges that span one iteration; a relay has one of them.
    relay : (I + 1, S) or (nodes,) bool array
    """
    into = unrolled.where(relay.ravel()[unrolled.target])
    iteration = into.target_iteration
    for l in np.unique(iteration):
        yield into.where(iteration == l)


def contract(unrolled: Edges, relay: Bools) -> Edges:
    """Edges between nodes that are no relays; the weight is the product along the chain.

    Parallel chains stay separate edges. Parameters as for `relay_steps`.
    """
    root = np.arange(relay.size)
    gain = np.ones(relay.size)
    # A relay's source comes an iteration earlier, so its own root and gain are known by then.
    for step in relay_steps(unrolled, relay):
        root[step.target] = root[step.source]
        gain[step.target] = gain[step.source] * step.weight

    # The edges that are left start where the chain of relays in front of them starts.
    rest = unrolled.where(~relay.ravel()[unrolled.target])
    weight = rest.weight * gain[rest.source]
    return Edges(root[rest.source], rest.target, weight, rest.source, rest.n_neurons)


def first_iteration(edges: Edges, same: Bools) -> Edges:
    """The edges with sources in `same` (I + 1, S) moved to iteration 0, where they are the same."""
    source = np.where(same.ravel()[edges.source], edges.source_neuron, edges.source)
    return replace(edges, source=source)
