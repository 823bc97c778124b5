"""Which neuron goes where in a drawing: groups by layer, and the order within a group.

Draws nothing and decides nothing about structure: the layers come from the caller.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

SWEEPS = 8  # barycentre sweeps; more change nothing that can be seen
SPECTRAL_LIMIT = (
    1500  # neurons; eigenvectors of larger groups take too long for what can still be seen
)


def layer_groups(
    layer_of: Mapping[int, int], n_neurons: int, n_inputs: int, n_outputs: int
) -> list[tuple[str, np.ndarray]]:
    """Split the living neurons into inputs, hidden layers and outputs.

    Parameters
    ----------
    layer_of : {neuron: layer}. Neurons that are missing are dead and left out. Inputs and outputs are told by their
        place in the vector, so their layer numbers are not looked at.
    n_neurons, n_inputs, n_outputs : sizes of the vector and of its two ends.

    Returns
    -------
    List of (name, neurons), in the order inputs, hidden layers by number, outputs. Empty groups are left out.
    A single hidden group is called "hidden", since a recurrent network has no layers to count.

    Raises
    ------
    ValueError : a neuron outside 0..n_neurons-1, or sizes that do not fit.
    """
    if n_inputs < 0 or n_outputs < 0 or n_inputs + n_outputs > n_neurons:
        raise ValueError(
            f"n_inputs and n_outputs must fit into {n_neurons} neurons, got {n_inputs} and {n_outputs}"
        )
    neurons = np.array(sorted(int(neuron) for neuron in layer_of), dtype=int)
    if neurons.size and (neurons[0] < 0 or neurons[-1] >= n_neurons):
        raise ValueError(f"layer_of must name neurons between 0 and {n_neurons - 1}")
    first_output = n_neurons - n_outputs
    hidden = neurons[(neurons >= n_inputs) & (neurons < first_output)]
    layers = np.array([int(layer_of[neuron]) for neuron in hidden.tolist()], dtype=int)
    numbers = np.unique(layers)
    groups = [("inputs", neurons[neurons < n_inputs])]
    for number, layer in enumerate(numbers, start=1):
        groups.append(
            ("hidden" if len(numbers) == 1 else f"layer {number}", hidden[layers == layer])
        )
    groups.append(("outputs", neurons[neurons >= first_output]))
    return [(name, members) for name, members in groups if members.size]


def order_groups(
    weights: np.ndarray, groups: list, positions: np.ndarray | None = None
) -> list[tuple[str, np.ndarray]]:
    """Order the neurons within each group so that neighbours in the drawing are alike.

    With finite positions a group is ordered by them. Inputs and outputs without positions keep their own order, which
    means something to the reader. A hidden group that mostly feeds itself is ordered by the Fiedler vector of its
    symmetrised |W|. The rest are ordered by the mean place of what they are joined to (barycentre method of Sugiyama,
    Tagawa & Toda 1981: sweeps down and up, the order with the fewest crossings is kept), which also turns one-to-one
    wiring into diagonals.

    `weights` has shape `(S, S)`, `positions` `(S, dim)`, x before y, with NaN where a neuron has none. Returns the
    groups anew.
    """
    magnitudes = np.abs(weights)
    ordered, movable = [], []
    for number, (name, members) in enumerate(groups):
        members = np.asarray(members)
        if positions is not None and np.isfinite(positions[members]).all():
            members = members[_raster(positions[members])]
        elif name not in ("inputs", "outputs") and members.size > 2:
            inner = magnitudes[np.ix_(members, members)]
            touching = magnitudes[members].sum() + magnitudes[:, members].sum() - inner.sum()
            if inner.sum() - np.trace(inner) > 0.5 * touching and members.size <= SPECTRAL_LIMIT:
                members = members[_spectral(inner)]
            else:
                movable.append(number)
        ordered.append((name, members))
    best, fewest = ordered, None
    for sweep in range(SWEEPS if movable else 0):
        down = sweep % 2 == 0
        for number in movable if down else reversed(movable):
            others = ordered[:number] if down else ordered[number + 1 :]
            ordered[number] = _by_barycentre(magnitudes, ordered[number], others)
        found = sum(crossings(weights, lower[1], upper[1]) for lower, upper in pairwise(ordered))
        if fewest is None or found < fewest:
            best, fewest = list(ordered), found
    return best


def crossings(weights: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> int:
    """Number of crossing pairs of edges between two ordered groups, both drawn as straight rows of points."""
    target, source = np.nonzero(weights[np.ix_(upper, lower)])
    counts = np.zeros((len(upper), len(lower)), dtype=np.int64)
    counts[target, source] = 1
    # An edge (i, j) crosses every edge (i' > i, j' < j).
    before = np.zeros_like(counts)
    before[:, 1:] = np.cumsum(counts, axis=1)[:, :-1]
    after = np.zeros_like(counts)
    after[:-1] = np.cumsum(before[::-1], axis=0)[::-1][1:]
    return int((counts * after).sum())


def _raster(positions: np.ndarray) -> np.ndarray:
    """Order of points along a line, or row by row where they are (x, y) in a plane; ties keep their order."""
    keys = [positions[:, 0]]
    rows = max(round(len(positions) ** (1 / positions.shape[1])), 2)
    for coordinate in positions.T[1:]:
        span = np.ptp(coordinate)
        keys.append(
            np.round((coordinate - coordinate.min()) / span * (rows - 1))
            if span > 0
            else np.zeros(len(positions))
        )
    return np.lexsort(keys)


def _spectral(inner: np.ndarray) -> np.ndarray:
    """Order by the second eigenvector of the normalised Laplacian: what is strongly joined lies close together."""
    joined = inner + inner.T
    np.fill_diagonal(joined, 0.0)
    degree = joined.sum(axis=0)
    scale = 1.0 / np.sqrt(np.where(degree > 0, degree, 1.0))
    laplacian = np.diag((degree > 0).astype(float)) - scale[:, None] * joined * scale
    _, vectors = np.linalg.eigh(laplacian)
    fiedler = vectors[:, 1] * scale
    # An eigenvector's sign is arbitrary; fix it so that the same matrix is always drawn the same way.
    return np.argsort(
        fiedler * (1.0 if fiedler[np.argmax(np.abs(fiedler))] > 0 else -1.0), kind="stable"
    )


def _by_barycentre(magnitudes: np.ndarray, group: tuple, others: list) -> tuple[str, np.ndarray]:
    """`group`, sorted by the mean place (0 to 1) of its neurons' neighbours in the groups `others`."""
    name, members = group
    mass, moment = np.zeros(len(members)), np.zeros(len(members))
    for _, neighbours in others:
        place = (np.arange(len(neighbours)) + 0.5) / len(neighbours)
        joined = magnitudes[np.ix_(members, neighbours)] + magnitudes[np.ix_(neighbours, members)].T
        mass += joined.sum(axis=1)
        moment += joined @ place
    own = (np.arange(len(members)) + 0.5) / len(members)
    barycentre = np.divide(moment, mass, out=own, where=mass > 0)
    return name, members[np.argsort(barycentre, kind="stable")]
