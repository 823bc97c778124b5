"""Triad census: how often each of the 16 directed three-neuron patterns occurs, beside nulls.

Counts by matrix algebra, so a whole batch of null draws is counted at once. Gives no verdict: on
layered networks every null but the layer-preserving one breaks the layers and so misjudges them.

Patterns carry the M-A-N names of Holland & Leinhardt (1970), as in networkx: the numbers of mutual,
one-way and absent pairs, then D(own), U(p), C(ycle) or T(ransitive).
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from analysis.arrays import Bools, Floats, Ints, Matrix
from analysis.checks import as_count, as_square, as_weights
from analysis.rewiring import ROUNDS, degree_preserving, layer_preserving, weight_shuffle

Counts = dict[str, Ints]
"""Counts of some triads by name, each of the shape of the batch."""

TRIADS = (
    "003",
    "012",
    "102",
    "021D",
    "021U",
    "021C",
    "111D",
    "111U",
    "030T",
    "030C",
    "201",
    "120D",
    "120U",
    "120C",
    "210",
    "300",
)
"""Names of the 16 triads, in the order of networkx."""
DENSE_GAIN = 100
"""A multiplication costs about this much less in a dense product than in a sparse one (measured:
90 to 430)."""


def triad_census(adjacency: Matrix) -> Ints:
    """Count the 16 triads.

    Parameters
    ----------
    adjacency : (n, n) or (..., n, n) array, or a SciPy sparse (n, n) matrix
        A non-zero `adjacency[i, j]` is an edge from j to i. Self-loops are ignored.

    Returns
    -------
    (..., 16) int64 array
        In the order of `TRIADS`. Equal to `networkx.triadic_census`.

    Raises
    ------
    ValueError
        Where `adjacency` is not square.

    Notes
    -----
    Triads whose three pairs are all joined are counted by products of the matrices of mutual pairs
    M and one-way pairs C (`tr CCC`, `sum C*CC`, ...). Triads with one absent pair follow from the
    degrees, less the closed ones; those with two absent pairs from the number of pairs; the empty
    one is the rest. At most four n x n products, of which only one is needed without mutual pairs.
    float32 products are exact: entries are counts of at most n < 2^24.
    """
    matrix = as_square("adjacency", adjacency)
    if sp.issparse(matrix):
        return _sparse_census(sp.csr_array(matrix))
    return _dense_census(matrix != 0, matrix.shape[-1])


def triad_test(
    weights: ArrayLike,
    *,
    rng: np.random.Generator,
    layers: ArrayLike | None = None,
    n_draws: int = 1000,
    threshold: float = 0.0,
    rounds: int = ROUNDS,
) -> dict[str, dict[str, NDArray]]:
    """Compare the triad counts of a network with those of randomised networks.

    Parameters
    ----------
    weights : (S, S) array
        `weights[i, j]` from j to i. An edge is an |weight| above `threshold`.
    rng : numpy Generator
    layers : (S,) int array, optional
        The layer of each neuron (any number for neurons without edges). Needed for the
        layer-preserving null, which is left out without them.
    n_draws : int
        Draws of each null. Neurons without edges take no part in them.
    threshold : float
        Binary counts are easily ruined by a few weak edges; state it and try several where weights
        are not exactly sparse.
    rounds : int
        Of edge swaps for each draw, see `analysis.rewiring`.

    Returns
    -------
    dict
        {"degree_preserving" | "layer_preserving" | "weight_shuffle": {"counts", "mean", "sd", "z",
        "p_more", "p_fewer"}}, each an array of 16 in the order of `TRIADS`. `p_more = (1 + #{null
        >= observed}) / (1 + n_draws)`, `p_fewer` likewise with <=. `z` is 0 where observed and mean
        agree, infinite where the null does not vary and they differ.

    Raises
    ------
    ValueError
        Where `weights` are not square, `layers` of the wrong length, `n_draws` under 1.
    """
    size = np.abs(as_weights(weights))
    if layers is not None and np.shape(layers) != (len(size),):
        raise ValueError(f"layers must have shape ({len(size)},), got {np.shape(layers)}")
    as_count("n_draws", n_draws, 1)

    edges = size > threshold
    np.fill_diagonal(edges, False)
    wired = np.flatnonzero(edges.any(axis=0) | edges.any(axis=1))
    observed = triad_census(edges)
    # Neurons without edges would only make the draws larger; the census counts them back in.
    core = edges[np.ix_(wired, wired)]

    nulls = {"degree_preserving": degree_preserving(core, rng=rng, n_draws=n_draws, rounds=rounds)}
    if layers is not None:
        nulls["layer_preserving"] = layer_preserving(
            core, np.asarray(layers)[wired], rng=rng, n_draws=n_draws, rounds=rounds
        )
    nulls["weight_shuffle"] = weight_shuffle(core, rng=rng, n_draws=n_draws)
    return {
        name: _compare(observed, _null_counts(batches, len(size)))
        for name, batches in nulls.items()
    }


def _dense_census(edges: Bools, n: int) -> Ints:
    """Census of boolean `edges` (..., m, m) with n - m more neurons that have none.

    Clears the diagonal of `edges`.
    """
    diagonal = np.arange(edges.shape[-1])
    edges[..., diagonal, diagonal] = False
    # Neurons without any edge only lengthen the products; they come back in the counts of open
    # triads through n.
    batch = tuple(range(edges.ndim - 2))
    wired = np.flatnonzero(edges.any(axis=(*batch, -1)) | edges.any(axis=(*batch, -2)))
    edges = edges[..., wired[:, None], wired]
    if edges.ndim == 2 and _multiplications(sp.csr_array(edges)) * DENSE_GAIN < len(wired) ** 3:
        return _sparse_census(sp.csr_array(edges), n)

    # float32 products are exact here, see `triad_census`, and half the size.
    transposed = edges.swapaxes(-1, -2)
    mutual = (edges & transposed).astype(np.float32)
    single = (edges & ~transposed).astype(np.float32)

    def total(product: NDArray, mask: NDArray) -> Ints:
        masked = np.multiply(product, mask, out=product)
        return _integers(masked.sum(axis=(-1, -2), dtype=np.float64))

    closed = _closed(single, mutual, single.swapaxes(-1, -2), total, bool(mutual.any()))
    outgoing = _integers(single.sum(axis=-2))
    incoming = _integers(single.sum(axis=-1))
    return _from_degrees(outgoing, incoming, _integers(mutual.sum(axis=-1)), closed, n)


def _sparse_census(adjacency: Matrix, n: int | None = None) -> Ints:
    """Census of a sparse matrix, as if it had n neurons (its own number by default)."""
    wiring = sp.coo_array(adjacency != 0)
    row, column = wiring.coords
    proper = row != column
    ones = np.ones(int(proper.sum()), dtype=np.int64)
    edges = sp.csr_array((ones, (row[proper], column[proper])), shape=wiring.shape)
    mutual = sp.csr_array(edges.multiply(edges.T))
    mutual.eliminate_zeros()
    single = sp.csr_array(edges - mutual)
    single.eliminate_zeros()

    def total(product: Matrix, mask: Matrix) -> Ints:
        return np.asarray(product.multiply(mask).sum(), dtype=np.int64)

    closed = _closed(single, mutual, sp.csr_array(single.T), total, mutual.nnz > 0)
    outgoing = np.asarray(single.sum(axis=0))
    incoming = np.asarray(single.sum(axis=1))
    n_neurons = edges.shape[0] if n is None else n
    return _from_degrees(outgoing, incoming, np.asarray(mutual.sum(axis=1)), closed, n_neurons)


def _null_counts(batches: Iterator[NDArray], n: int) -> Ints:
    """Census of every draw, shape (n_draws, 16), as if each had n neurons."""
    counts = [_dense_census(batch if len(batch) > 1 else batch[0], n) for batch in batches]
    return np.concatenate([count.reshape(-1, len(TRIADS)) for count in counts])


def _compare(observed: Ints, null: Ints) -> dict[str, NDArray]:
    mean = null.mean(axis=0)
    sd = null.std(axis=0)
    difference = observed - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(difference == 0, 0.0, difference / sd)

    n_draws = len(null)
    return {
        "counts": observed,
        "mean": mean,
        "sd": sd,
        "z": z,
        "p_more": (1 + (null >= observed).sum(axis=0)) / (1 + n_draws),
        "p_fewer": (1 + (null <= observed).sum(axis=0)) / (1 + n_draws),
    }


def _closed(
    single: Matrix,
    mutual: Matrix,
    single_t: Matrix,
    total: Callable[[Any, Any], Ints],
    any_mutual: bool,
) -> Counts:
    """Triads with all three pairs joined.

    `total(A, B)` is the sum of A * B; A is a product and may be overwritten.
    """
    # path[i, j]: how often a third neuron leads from j to i.
    path = single @ single
    counts = {"030C": total(path.copy(), single_t) // 3, "030T": total(path, single)}
    zero = np.zeros_like(counts["030T"])
    counts |= dict.fromkeys(("120D", "120U", "120C", "210", "300"), zero)
    if not any_mutual:
        return counts

    # after[i, j]: how often j feeds a neuron that is mutual with i.
    after = mutual @ single
    counts["120C"] = total(after.copy(), single_t)
    counts["120D"] = total(after, single) // 2
    counts["120U"] = total(single @ mutual, single) // 2
    both = mutual @ mutual
    counts["210"] = total(both.copy(), single)
    counts["300"] = total(both, mutual) // 6
    return counts


def _from_degrees(outgoing: Ints, incoming: Ints, mutual: Ints, closed: Counts, n: int) -> Ints:
    """All 16 counts from the degrees `(..., n)` and the closed triads; integers throughout."""
    # Pairs of edges that share a neuron, less those whose third pair is joined as well.
    c = dict(closed)
    c["021D"] = (outgoing * (outgoing - 1) // 2).sum(axis=-1) - c["030T"] - c["120D"]
    c["021U"] = (incoming * (incoming - 1) // 2).sum(axis=-1) - c["030T"] - c["120U"]
    c["021C"] = (incoming * outgoing).sum(axis=-1) - c["030T"] - 3 * c["030C"] - c["120C"]
    c["111D"] = (mutual * incoming).sum(axis=-1) - 2 * c["120D"] - c["120C"] - c["210"]
    c["111U"] = (mutual * outgoing).sum(axis=-1) - 2 * c["120U"] - c["120C"] - c["210"]
    c["201"] = (mutual * (mutual - 1) // 2).sum(axis=-1) - c["210"] - 3 * c["300"]

    # Every joined pair forms n - 2 triads: those not counted yet hold nothing else.
    n_mutual = mutual.sum(axis=-1) // 2
    mixed = c["111D"] + c["111U"] + c["120D"] + c["120U"] + c["120C"]
    c["102"] = n_mutual * (n - 2) - mixed - 2 * c["201"] - 2 * c["210"] - 3 * c["300"]
    two_single = c["021D"] + c["021U"] + c["021C"] + c["120D"] + c["120U"] + c["120C"]
    three_single = c["030T"] + c["030C"]
    in_open = outgoing.sum(axis=-1) * (n - 2) - 2 * two_single - 3 * three_single
    c["012"] = in_open - c["111D"] - c["111U"] - c["210"]

    # The empty triad is the rest of all triads.
    zero = np.zeros_like(c["012"])
    counts = np.stack([c.get(name, zero) for name in TRIADS], axis=-1)
    counts[..., 0] = n * (n - 1) * (n - 2) // 6 - counts[..., 1:].sum(axis=-1)
    return counts


def _multiplications(edges: Matrix) -> int:
    """Multiplications of the sparse product edges @ edges."""
    return int(np.diff(edges.indptr) @ np.bincount(edges.indices, minlength=edges.shape[0]))


def _integers(values: Floats | NDArray[np.float32]) -> Ints:
    return np.rint(values).astype(np.int64)
