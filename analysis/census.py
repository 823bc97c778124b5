"""Triad census: how often each of the 16 directed three-neuron patterns occurs, and how that compares with nulls.

Counts by matrix algebra, so a whole batch of null draws is counted at once. Gives no verdict: on layered networks every
null but the level-preserving one breaks the layers and so misjudges them.

Patterns carry the M-A-N names of Holland & Leinhardt (1970), as in networkx: the numbers of mutual, one-way and absent
pairs, then D(own), U(p), C(ycle) or T(ransitive).
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from analysis.rewiring import SWEEPS, degree_preserving, level_preserving, weight_shuffle

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
DENSE_GAIN = 100  # a multiplication costs about this much less in a dense product than in a sparse one (measured: 90 to 430)


def triad_census(adjacency) -> np.ndarray:
    """Count the 16 triads.

    Parameters
    ----------
    adjacency : `(n, n)` or `(..., n, n)` array, or a SciPy sparse `(n, n)` matrix; a non-zero `adjacency[i, j]` is an
        edge from j to i. Self-loops are ignored.

    Returns
    -------
    `(..., 16)` int64, in the order of `TRIADS`. Equal to `networkx.triadic_census`.

    Raises
    ------
    ValueError : `adjacency` is not square.

    Notes
    -----
    Triads whose three pairs are all joined are counted by products of the matrices of mutual pairs M and one-way
    pairs C (`tr CCC`, `sum C*CC`, ...). Triads with one absent pair follow from the degrees, less the closed ones;
    those with two absent pairs from the number of pairs; the empty one is the rest. At most four n x n products, of
    which only one is needed without mutual pairs. float32 products are exact: entries are counts of at most n < 2^24.
    """
    if sp.issparse(adjacency):
        if adjacency.shape[0] != adjacency.shape[1]:
            raise ValueError(f"adjacency must be square, got shape {adjacency.shape}")
        return _sparse_census(sp.csr_array(adjacency))
    adjacency = np.asarray(adjacency)
    if adjacency.ndim < 2 or adjacency.shape[-1] != adjacency.shape[-2]:
        raise ValueError(f"adjacency must be square, got shape {adjacency.shape}")
    return _dense_census(adjacency != 0, adjacency.shape[-1])


def triad_test(
    weights,
    *,
    levels=None,
    n_null: int = 1000,
    generator: np.random.Generator,
    threshold: float = 0.0,
    sweeps: int = SWEEPS,
) -> dict:
    """Compare the triad counts of a network with those of randomised networks.

    Parameters
    ----------
    weights : `(S, S)`, `weights[i, j]` from j to i. An edge is an |weight| above `threshold`.
    levels : `(S,)` integers or None, the layer of each neuron (any number for neurons without edges). Needed for the
        level-preserving null, which is left out without them.
    n_null : draws of each null. Neurons without edges take no part in them.
    generator : source of the draws.
    threshold : binary counts are easily ruined by a few weak edges; state it and sweep it where weights are not
        exactly sparse.
    sweeps : of edge swaps for each draw, see `analysis.rewiring`.

    Returns
    -------
    {"degree_preserving" | "level_preserving" | "weight_shuffle": {"counts", "mean", "sd", "z", "p_more", "p_fewer"}},
    each an array of 16 in the order of `TRIADS`. `p_more = (1 + #{null >= observed}) / (1 + n_null)`, `p_fewer`
    likewise with <=. `z` is 0 where observed and mean agree, infinite where the null does not vary and they differ.

    Raises
    ------
    ValueError : `weights` not square, `levels` of the wrong length, `n_null` under 1.
    """
    weights = np.asarray(weights)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"weights must be a square matrix, got shape {weights.shape}")
    if levels is not None and np.shape(levels) != (len(weights),):
        raise ValueError(f"levels must have shape ({len(weights)},), got {np.shape(levels)}")
    if n_null < 1:
        raise ValueError(f"n_null must be at least 1, got {n_null}")
    edges = np.abs(weights) > threshold
    np.fill_diagonal(edges, False)
    used = np.flatnonzero(edges.any(axis=0) | edges.any(axis=1))
    observed = triad_census(edges)
    living = edges[np.ix_(used, used)]
    nulls = {"degree_preserving": degree_preserving(living, n_null, generator, sweeps=sweeps)}
    if levels is not None:
        nulls["level_preserving"] = level_preserving(
            living, np.asarray(levels)[used], n_null, generator, sweeps=sweeps
        )
    nulls["weight_shuffle"] = weight_shuffle(living, n_null, generator)
    return {
        name: _compare(observed, _null_counts(batches, len(weights)))
        for name, batches in nulls.items()
    }


def _dense_census(edges: np.ndarray, n: int) -> np.ndarray:
    """Census of boolean `edges` (..., m, m) with n - m more neurons that have none. Clears the diagonal of `edges`."""
    diagonal = np.arange(edges.shape[-1])
    edges[..., diagonal, diagonal] = False
    # Neurons without any edge only lengthen the products; they come back in the counts of open triads through n.
    batch = tuple(range(edges.ndim - 2))
    used = np.flatnonzero(edges.any(axis=(*batch, -1)) | edges.any(axis=(*batch, -2)))
    edges = edges[..., used[:, None], used]
    if edges.ndim == 2 and _multiplications(sp.csr_array(edges)) * DENSE_GAIN < len(used) ** 3:
        return _sparse_census(sp.csr_array(edges), n)
    transposed = edges.swapaxes(-1, -2)
    mutual = (edges & transposed).astype(np.float32)
    single = (edges & ~transposed).astype(np.float32)

    def total(product, mask):
        return _integers(
            np.multiply(product, mask, out=product).sum(axis=(-1, -2), dtype=np.float64)
        )

    closed = _closed(single, mutual, single.swapaxes(-1, -2), total, bool(mutual.any()))
    degrees = [_integers(single.sum(axis=axis)) for axis in (-2, -1)] + [
        _integers(mutual.sum(axis=-1))
    ]
    return _from_degrees(*degrees, closed, n)


def _null_counts(batches: Iterator[np.ndarray], n: int) -> np.ndarray:
    """Census of every draw, shape (n_null, 16), as if each had n neurons."""
    return np.concatenate(
        [
            _dense_census(batch if len(batch) > 1 else batch[0], n).reshape(-1, 16)
            for batch in batches
        ]
    )


def _compare(observed: np.ndarray, null: np.ndarray) -> dict:
    mean, sd = null.mean(axis=0), null.std(axis=0)
    difference = observed - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(difference == 0, 0.0, difference / sd)
    draws = len(null)
    return {
        "counts": observed,
        "mean": mean,
        "sd": sd,
        "z": z,
        "p_more": (1 + (null >= observed).sum(axis=0)) / (1 + draws),
        "p_fewer": (1 + (null <= observed).sum(axis=0)) / (1 + draws),
    }


def _sparse_census(edges, n: int | None = None) -> np.ndarray:
    edges = sp.coo_array(edges != 0)
    row, column = edges.coords
    row, column = row[row != column], column[row != column]
    edges = sp.csr_array((np.ones(len(row), dtype=np.int64), (row, column)), shape=edges.shape)
    mutual = sp.csr_array(edges.multiply(edges.T))
    mutual.eliminate_zeros()
    single = sp.csr_array(edges - mutual)
    single.eliminate_zeros()

    def total(product, mask):
        return np.asarray(product.multiply(mask).sum(), dtype=np.int64)

    closed = _closed(single, mutual, sp.csr_array(single.T), total, mutual.nnz > 0)
    degrees = [np.asarray(single.sum(axis=axis)) for axis in (0, 1)] + [
        np.asarray(mutual.sum(axis=1))
    ]
    return _from_degrees(*degrees, closed, edges.shape[0] if n is None else n)


def _closed(single, mutual, single_t, total, any_mutual: bool) -> dict:
    """Triads with all three pairs joined. `total(A, B)` is the sum of A * B; B may be overwritten, A is a product."""
    path = single @ single  # path[i, j]: ways from j to i over one neuron
    counts = {"030C": total(path.copy(), single_t) // 3, "030T": total(path, single)}
    zero = np.zeros_like(counts["030T"])
    counts |= dict.fromkeys(("120D", "120U", "120C", "210", "300"), zero)
    if any_mutual:
        after = mutual @ single  # after[i, j]: from j one way to a neuron that is mutual with i
        counts["120C"] = total(after.copy(), single_t)
        counts["120D"] = total(after, single) // 2
        counts["120U"] = total(single @ mutual, single) // 2
        both = mutual @ mutual
        counts["210"] = total(both.copy(), single)
        counts["300"] = total(both, mutual) // 6
    return counts


def _from_degrees(outgoing, incoming, mutual, c: dict, n: int) -> np.ndarray:
    """All 16 counts from the degrees `(..., n)` and the closed triads `c`; integers throughout."""
    c = dict(c)
    c["021D"] = (outgoing * (outgoing - 1) // 2).sum(axis=-1) - c["030T"] - c["120D"]
    c["021U"] = (incoming * (incoming - 1) // 2).sum(axis=-1) - c["030T"] - c["120U"]
    c["021C"] = (incoming * outgoing).sum(axis=-1) - c["030T"] - 3 * c["030C"] - c["120C"]
    c["111D"] = (mutual * incoming).sum(axis=-1) - 2 * c["120D"] - c["120C"] - c["210"]
    c["111U"] = (mutual * outgoing).sum(axis=-1) - 2 * c["120U"] - c["120C"] - c["210"]
    c["201"] = (mutual * (mutual - 1) // 2).sum(axis=-1) - c["210"] - 3 * c["300"]
    # Every joined pair forms n - 2 triads: those not counted yet hold nothing else.
    mixed = c["111D"] + c["111U"] + c["120D"] + c["120U"] + c["120C"]
    c["102"] = (
        mutual.sum(axis=-1) // 2 * (n - 2) - mixed - 2 * c["201"] - 2 * c["210"] - 3 * c["300"]
    )
    two_single = c["021D"] + c["021U"] + c["021C"] + c["120D"] + c["120U"] + c["120C"]
    three_single = c["030T"] + c["030C"]
    c["012"] = (
        outgoing.sum(axis=-1) * (n - 2)
        - 2 * two_single
        - 3 * three_single
        - c["111D"]
        - c["111U"]
        - c["210"]
    )
    counts = np.stack([c.get(name, np.zeros_like(c["012"])) for name in TRIADS], axis=-1)
    counts[..., 0] = n * (n - 1) * (n - 2) // 6 - counts[..., 1:].sum(axis=-1)
    return counts


def _multiplications(edges) -> int:
    """Multiplications of the sparse product edges @ edges."""
    return int(np.diff(edges.indptr) @ np.bincount(edges.indices, minlength=edges.shape[0]))


def _integers(values: np.ndarray) -> np.ndarray:
    return np.rint(values).astype(np.int64)
