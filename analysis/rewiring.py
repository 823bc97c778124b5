"""Randomised networks to compare a network with: edge swaps that keep degrees (and levels), and shuffled weights.

Yields draws; computes no statistic and gives no verdict. Draws come in batches, because a thousand dense matrices
rarely fit into memory.
"""

from collections.abc import Iterator

import numpy as np

BATCH_ENTRIES = 500_000  # matrix entries in one batch: small enough to stay near the processor, which halves the time
SWEEPS = 20  # tries every edge about 10 times; measured: no change after that up to block densities of 0.7


def degree_preserving(
    weights, n_draws: int, generator: np.random.Generator, *, sweeps: int = SWEEPS
) -> Iterator[np.ndarray]:
    """Networks with the in- and out-degree of every neuron kept (Maslov & Sneppen 2002).

    Parameters
    ----------
    weights : `(n, n)`; the edges are its non-zero entries, `weights[i, j]` from j to i. A weight stays with its
        source. May be boolean. Self-loops stay where they are.
    n_draws : number of networks.
    generator : source of the draws.
    sweeps : each sweep pairs all edges at random and proposes for half of the pairs to swap their targets.

    Yields
    ------
    Batches `(d, n, n)` of the type of `weights`, `n_draws` in all. Every draw starts anew from `weights`.

    Raises
    ------
    ValueError : `weights` not square, `n_draws` or `sweeps` under 1.

    Notes
    -----
    All swaps of a sweep happen at once. A pair is refused if it would make a self-loop or an edge that exists, or if
    what it would make, or what it holds, is also what another pair of the sweep would make. The same sweep applied to
    the result then accepts the same pairs and undoes itself, so the chain is symmetric and its stationary law uniform.
    Swaps alone cannot reverse an isolated directed triangle (Roberts & Coolen 2012); in blocks denser than 0.7 few
    swaps are accepted and `sweeps` should be raised.
    """
    return _swapped(weights, None, n_draws, generator, sweeps)


def level_preserving(
    weights, levels, n_draws: int, generator: np.random.Generator, *, sweeps: int = SWEEPS
) -> Iterator[np.ndarray]:
    """As `degree_preserving`, but edges are swapped only within the same pair of levels, so layers and skips stay.

    `levels` has shape `(n,)`: the layer of every neuron. So every neuron keeps the number of edges that it receives
    from each level and sends to each level. Parameters, errors and notes as there.
    """
    return _swapped(weights, levels, n_draws, generator, sweeps)


def weight_shuffle(
    weights, n_draws: int, generator: np.random.Generator, *, levels=None
) -> Iterator[np.ndarray]:
    """Networks with all entries off the diagonal, zeros included, put in random order: only the density is kept.

    With `levels` `(n,)` entries are shuffled within each pair of levels only, so the density of every block is kept.
    Self-loops stay. Yields batches `(d, n, n)`; raises ValueError as `degree_preserving` does.
    """
    weights, levels = _checked(weights, levels, n_draws)
    return _shuffled_batches(weights, levels, n_draws, generator)


def _checked(weights, levels, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
    weights = np.asarray(weights)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"weights must be a square matrix, got shape {weights.shape}")
    levels = np.zeros(len(weights), dtype=np.int64) if levels is None else np.asarray(levels)
    if levels.shape != (len(weights),):
        raise ValueError(f"levels must have shape ({len(weights)},), got {levels.shape}")
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}")
    return weights, np.unique(levels, return_inverse=True)[1]


def _batch_sizes(n: int, n_draws: int) -> Iterator[int]:
    size = max(1, BATCH_ENTRIES // max(n * n, 1))
    for start in range(0, n_draws, size):
        yield min(size, n_draws - start)


def _swapped(weights, levels, n_draws, generator, sweeps) -> Iterator[np.ndarray]:
    if sweeps < 1:
        raise ValueError(f"sweeps must be at least 1, got {sweeps}")
    weights, levels = _checked(weights, levels, n_draws)
    return _swapped_batches(weights, levels, n_draws, generator, sweeps)


def _swapped_batches(weights, levels, n_draws, generator, sweeps) -> Iterator[np.ndarray]:
    n = len(weights)
    target, source = np.nonzero(weights)
    moving = target != source
    target, source = target[moving], source[moving]
    values = weights[target, source]
    block = levels[target] * (levels.max(initial=0) + 1) + levels[source]
    for size in _batch_sizes(n, n_draws):
        targets = np.tile(target, (size, 1))  # (d, edges)
        present = np.tile((weights != 0).ravel(), size)
        owner = np.full(present.shape, -1, dtype=np.int32)
        for _ in range(sweeps):
            _sweep(targets, source, block, present, owner, n, generator)
        draws = np.zeros((size, n, n), dtype=weights.dtype)
        draws[:, np.arange(n), np.arange(n)] = weights.diagonal()
        draws[np.arange(size)[:, None], targets, source] = values
        yield draws


def _sweep(targets, source, block, present, owner, n, generator) -> None:
    """One round of simultaneous swaps, in place.

    `targets` (d, edges); `present` and `owner` (d * n * n,): whether an edge exists, and which proposal wants it (-1:
    none does).
    """
    size, edges = targets.shape
    # Random order within each pair of levels; neighbours in that order are paired.
    order = np.argsort(block + generator.random((size, edges)), axis=1)
    first, second = order[:, 0 : edges - 1 : 2], order[:, 1::2]  # (d, edges // 2)
    draw, pair = np.nonzero((block[first] == block[second]) & (generator.random(first.shape) < 0.5))
    first, second = first[draw, pair], second[draw, pair]  # (proposals,)
    edge_one, edge_two = draw * edges + first, draw * edges + second
    flat = targets.reshape(-1)
    here, there = flat[edge_one], flat[edge_two]
    sender, other = source[first], source[second]
    proper = (there != sender) & (here != other) & (here != there) & (sender != other)
    draw, edge_one, edge_two, here, there, sender, other = (
        values[proper] for values in (draw, edge_one, edge_two, here, there, sender, other)
    )
    matrix = draw * (n * n)
    old = np.stack([matrix + here * n + sender, matrix + there * n + other])  # (2, proposals)
    new = np.stack([matrix + there * n + sender, matrix + here * n + other])
    number = np.broadcast_to(np.arange(len(draw), dtype=owner.dtype), new.shape)
    owner[new] = number  # of two proposals that want the same edge the later one stays
    refused = present[new].any(axis=0) | (owner[old] >= 0).any(axis=0)
    clash = owner[new] != number
    refused[number[clash]] = True
    refused[owner[new[clash]]] = True
    owner[new] = -1
    accept = ~refused
    present[old[:, accept]] = False
    present[new[:, accept]] = True
    flat[edge_one[accept]] = there[accept]
    flat[edge_two[accept]] = here[accept]


def _shuffled_batches(weights, levels, n_draws, generator) -> Iterator[np.ndarray]:
    n = len(weights)
    row, column = np.nonzero(~np.eye(n, dtype=bool))
    pair = levels[row] * (levels.max(initial=0) + 1) + levels[column]
    blocks = []
    for number in np.unique(pair):
        places = (row[pair == number] * n + column[pair == number]).astype(np.int64)
        values = weights.ravel()[places]
        blocks.append((places, values[values != 0]))
    for size in _batch_sizes(n, n_draws):
        draws = np.zeros((size, n * n), dtype=weights.dtype)
        for draw in draws:
            draw[:: n + 1] = weights.diagonal()
            for places, values in blocks:
                draw[generator.choice(places, size=len(values), replace=False)] = values
        yield draws.reshape(size, n, n)
