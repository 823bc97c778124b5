"""Randomised networks to compare a network with: edges swapped, or weights shuffled.

Swaps keep degrees (and layers). Yields draws; computes no statistic and gives no verdict. Draws
come in batches, because a thousand dense matrices rarely fit into memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.arrays import Bools, Ints
from analysis.checks import as_count, as_square

BATCH_ENTRIES = 500_000
"""Matrix entries in one batch: small enough to stay near the processor, which halves the time
(measured)."""
ROUNDS = 20
"""Rounds of swaps: tries every edge about 10 times. Measured: no change after that up to block
densities of 0.7."""
NOBODY = -1
"""Owner of a matrix entry that no proposal wants."""


def degree_preserving(
    weights: ArrayLike, *, rng: np.random.Generator, n_draws: int, rounds: int = ROUNDS
) -> Iterator[NDArray]:
    """Networks with the in- and out-degree of every neuron kept (Maslov & Sneppen 2002).

    Parameters
    ----------
    weights : (n, n) array
        The edges are its non-zero entries, `weights[i, j]` from j to i. A weight stays with its
        source. May be boolean. Self-loops stay where they are.
    rng : numpy Generator
    n_draws : int
        Number of networks.
    rounds : int
        Each round pairs all edges at random and proposes for half of the pairs to swap their
        targets.

    Yields
    ------
    (d, n, n) arrays
        Batches of the type of `weights`, `n_draws` in all. Every draw starts anew from `weights`.

    Raises
    ------
    ValueError
        Where `weights` are not square, `n_draws` or `rounds` under 1.

    Notes
    -----
    All swaps of a round happen at once. A pair is refused if it would make a self-loop or an edge
    that exists, or if what it would make, or what it holds, is also what another pair of the round
    would make. The same round applied to the result then accepts the same pairs and undoes itself,
    so the chain is symmetric and its stationary law uniform. Swaps alone cannot reverse an isolated
    directed triangle (Roberts & Coolen 2012); in blocks denser than 0.7 few swaps are accepted and
    `rounds` should be raised.
    """
    return _swapped(weights, None, rng, n_draws, rounds)


def layer_preserving(
    weights: ArrayLike,
    layers: ArrayLike,
    *,
    rng: np.random.Generator,
    n_draws: int,
    rounds: int = ROUNDS,
) -> Iterator[NDArray]:
    """As `degree_preserving`, but edges are swapped only within the same pair of layers.

    `layers` has shape `(n,)`: the layer of every neuron. So layers and skips stay: every neuron
    keeps the number of edges that it receives from each layer and sends to each layer. Other
    parameters, errors and notes as there.
    """
    return _swapped(weights, layers, rng, n_draws, rounds)


def weight_shuffle(
    weights: ArrayLike,
    *,
    rng: np.random.Generator,
    n_draws: int,
    layers: ArrayLike | None = None,
) -> Iterator[NDArray]:
    """Networks with all entries off the diagonal, zeros included, put in random order.

    Only the density is kept. With `layers` `(n,)` entries are shuffled within each pair of layers
    only, so the density of every block is kept. Self-loops stay. Yields batches `(d, n, n)`; raises
    ValueError as `degree_preserving` does.
    """
    matrix, number = _checked(weights, layers, n_draws)
    return _shuffled_batches(matrix, number, rng, n_draws)


def _checked(weights: ArrayLike, layers: ArrayLike | None, n_draws: int) -> tuple[NDArray, Ints]:
    """The matrix, and the layer of each neuron counted from 0."""
    matrix = as_square("weights", weights)
    if matrix.ndim != 2:
        raise ValueError(f"weights must be square, got shape {matrix.shape}")
    number = np.zeros(len(matrix), dtype=np.int64) if layers is None else np.asarray(layers)
    if number.shape != (len(matrix),):
        raise ValueError(f"layers must have shape ({len(matrix)},), got {number.shape}")
    as_count("n_draws", n_draws, 1)
    return matrix, np.unique(number, return_inverse=True)[1]


def _batch_sizes(n: int, n_draws: int) -> Iterator[int]:
    size = max(1, BATCH_ENTRIES // max(n * n, 1))
    for start in range(0, n_draws, size):
        yield min(size, n_draws - start)


def _swapped(
    weights: ArrayLike,
    layers: ArrayLike | None,
    rng: np.random.Generator,
    n_draws: int,
    rounds: int,
) -> Iterator[NDArray]:
    """Refuse bad arguments at once, not when the first batch is drawn."""
    as_count("rounds", rounds, 1)
    matrix, number = _checked(weights, layers, n_draws)
    return _swapped_batches(matrix, number, rng, n_draws, rounds)


def _swapped_batches(
    weights: NDArray, layer: Ints, rng: np.random.Generator, n_draws: int, rounds: int
) -> Iterator[NDArray]:
    n = len(weights)
    target, source = np.nonzero(weights)
    moving = target != source
    target = target[moving]
    source = source[moving]
    values = weights[target, source]
    block = layer[target] * (layer.max(initial=0) + 1) + layer[source]

    for size in _batch_sizes(n, n_draws):
        present = np.tile((weights != 0).ravel(), size)
        owner = np.full(present.shape, NOBODY, dtype=np.int32)
        chains = _Chains(n, source, block, np.tile(target, (size, 1)), present, owner)
        for _ in range(rounds):
            chains.swap(rng)

        # A weight stays with its source and with its place among the edges.
        draws = np.zeros((size, n, n), dtype=weights.dtype)
        draws[:, np.arange(n), np.arange(n)] = weights.diagonal()
        draws[np.arange(size)[:, None], chains.targets, source] = values
        yield draws


@dataclass
class _Chains:
    """A batch of d chains of swaps, which change `targets` and `present` in place.

    Attributes
    ----------
    n : int
        Neurons.
    source, block : (M,) int arrays
        Source of each edge, and the pair of layers that it joins.
    targets : (d, M) int array
        Target of each edge in each chain.
    present : (d * n * n,) bool array
        Whether an edge exists.
    owner : (d * n * n,) int array
        Which proposal wants an edge; NOBODY between rounds.
    """

    n: int
    source: Ints
    block: Ints
    targets: Ints
    present: Bools
    owner: NDArray[np.int32]

    def swap(self, rng: np.random.Generator) -> None:
        """One round of simultaneous swaps."""
        first, second, old, new = self._proposals(rng)
        number = np.broadcast_to(np.arange(len(first), dtype=self.owner.dtype), new.shape)
        # Of two proposals that want the same edge the later remains its owner.
        self.owner[new] = number
        exists = self.present[new[0]] | self.present[new[1]]
        refused = exists | (self.owner[old[0]] >= 0) | (self.owner[old[1]] >= 0)
        clash = self.owner[new] != number
        refused[number[clash]] = True
        refused[self.owner[new[clash]]] = True
        self.owner[new] = NOBODY

        # Accepted pairs swap their targets.
        accept = ~refused
        self.present[old[:, accept]] = False
        self.present[new[:, accept]] = True
        flat = self.targets.reshape(-1)
        here = flat[first[accept]]
        flat[first[accept]] = flat[second[accept]]
        flat[second[accept]] = here

    def _proposals(self, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints]:
        """Pairs of edges to swap, as places in the raveled `targets`, (P,) each.

        And the entries of `present` that they hold and would hold, (2, P) each.
        """
        size, n_edges = self.targets.shape
        # Random order within each pair of layers; neighbours in that order are paired.
        order = np.argsort(self.block + rng.random((size, n_edges)), axis=1)
        first = order[:, 0 : n_edges - 1 : 2]
        second = order[:, 1::2]
        same_block = self.block[first] == self.block[second]
        chain, pair = np.nonzero(same_block & (rng.random(first.shape) < 0.5))
        first = first[chain, pair]
        second = second[chain, pair]

        here = self.targets[chain, first]
        there = self.targets[chain, second]
        sender = self.source[first]
        other = self.source[second]
        # No self-loops, and no pair that a swap would leave as it is.
        proper = (there != sender) & (here != other) & (here != there) & (sender != other)
        chain, first, second, here, there, sender, other = (
            values[proper] for values in (chain, first, second, here, there, sender, other)
        )

        matrix = chain * (self.n * self.n)
        old = np.stack([matrix + here * self.n + sender, matrix + there * self.n + other])
        new = np.stack([matrix + there * self.n + sender, matrix + here * self.n + other])
        return chain * n_edges + first, chain * n_edges + second, old, new


def _shuffled_batches(
    weights: NDArray, layer: Ints, rng: np.random.Generator, n_draws: int
) -> Iterator[NDArray]:
    n = len(weights)
    row, column = np.nonzero(~np.eye(n, dtype=bool))
    pair = layer[row] * (layer.max(initial=0) + 1) + layer[column]
    # The entries of each pair of layers, and the weights to be spread over them.
    blocks = []
    for number in np.unique(pair):
        entries = (row[pair == number] * n + column[pair == number]).astype(np.int64)
        values = weights.ravel()[entries]
        blocks.append((entries, values[values != 0]))

    for size in _batch_sizes(n, n_draws):
        draws = np.zeros((size, n * n), dtype=weights.dtype)
        for draw in draws:
            draw[:: n + 1] = weights.diagonal()
            for entries, values in blocks:
                draw[rng.choice(entries, size=len(values), replace=False)] = values
        yield draws.reshape(size, n, n)
