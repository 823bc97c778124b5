"""Which neuron goes where in a drawing: groups by layer, and the order within a group.

Draws nothing and decides nothing about structure: the layers come from the caller.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analysis.network import Floats

Neurons = NDArray[np.int64]
# The name of a layer, and the neurons it holds, in the order they are drawn in.
Group = tuple[str, Neurons]

# Barycentre sweeps. By judgement: more of them change nothing that a reader can see.
SWEEPS = 8

# Neurons. By judgement: eigenvectors of larger groups take longer than their picture is worth.
SPECTRAL_LIMIT = 1500


def layer_groups(
    layer_of: Mapping[int, int], n_neurons: int, n_inputs: int, n_outputs: int
) -> list[Group]:
    """Split the used neurons into inputs, hidden layers and outputs.

    Parameters
    ----------
    layer_of : dict of int to int
        {neuron: layer}. Neurons that are missing are unused and left out. Inputs and outputs are
        known by their index in the vector, so their layer numbers do not matter.
    n_neurons, n_inputs, n_outputs : int
        Sizes of the vector and of its two ends.

    Returns
    -------
    list of (str, (n,) int array)
        Name and neurons of each group, in the order inputs, hidden layers by number, outputs. Empty
        groups are left out. A single hidden group is called "hidden", since a recurrent network has
        no layers to count.

    Raises
    ------
    ValueError
        For a neuron outside 0 .. n_neurons - 1, or sizes that do not fit.
    """
    if n_inputs < 0 or n_outputs < 0 or n_inputs + n_outputs > n_neurons:
        raise ValueError(
            f"n_inputs and n_outputs must fit into {n_neurons} neurons,"
            f" got {n_inputs} and {n_outputs}"
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
        name = "hidden" if len(numbers) == 1 else f"layer {number}"
        groups.append((name, hidden[layers == layer]))
    groups.append(("outputs", neurons[neurons >= first_output]))
    return [(name, members) for name, members in groups if members.size]


def order_groups(
    weights: Floats, groups: Sequence[Group], positions: Floats | None = None
) -> list[Group]:
    """Order the neurons within each group so that neighbours in the drawing are alike.

    With finite positions a group is ordered by them. Inputs and outputs without positions keep
    their own order, which means something to the reader. A hidden group that mostly feeds itself is
    ordered by the Fiedler vector of its symmetrised |W|. The rest are ordered by the mean height of
    what they are joined to, which also turns one-to-one wiring into diagonals.

    Parameters
    ----------
    weights : (S, S) array
        `weights[i, j]` from neuron j to neuron i.
    groups : list of (str, (n,) int array)
        As `layer_groups` gives them.
    positions : (S, dim) array or None
        x before y; NaN where a neuron has no position.

    Returns
    -------
    list of (str, (n,) int array)
        The same groups, ordered.

    References
    ----------
    Sugiyama, Tagawa & Toda (1981): the barycentre method, with sweeps down and up. The order with
    the fewest crossings is kept.
    """
    magnitudes = np.abs(weights)
    ordered: list[Group] = []
    movable = []

    for number, (name, neurons) in enumerate(groups):
        members = np.asarray(neurons)
        if positions is not None and np.isfinite(positions[members]).all():
            members = members[_raster(positions[members])]
        elif name not in ("inputs", "outputs") and members.size > 2:
            if _feeds_itself(magnitudes, members) and members.size <= SPECTRAL_LIMIT:
                members = members[_spectral(magnitudes[np.ix_(members, members)])]
            else:
                movable.append(number)
        ordered.append((name, members))

    return _fewest_crossings(weights, ordered, movable) if movable else ordered


def crossings(weights: Floats, lower: Neurons, upper: Neurons) -> int:
    """Number of crossing pairs of edges between two ordered groups, both drawn as straight rows."""
    target, source = np.nonzero(weights[np.ix_(upper, lower)])
    counts = np.zeros((len(upper), len(lower)), dtype=np.int64)
    counts[target, source] = 1

    # An edge (i, j) crosses every edge (i' > i, j' < j).
    before = np.zeros_like(counts)
    before[:, 1:] = np.cumsum(counts, axis=1)[:, :-1]
    after = np.zeros_like(counts)
    after[:-1] = np.cumsum(before[::-1], axis=0)[::-1][1:]
    return int((counts * after).sum())


def _feeds_itself(magnitudes: Floats, members: Neurons) -> bool:
    """Whether over half the |weight| that touches a group runs within it, self-loops left out."""
    inner = magnitudes[np.ix_(members, members)]
    touching = magnitudes[members].sum() + magnitudes[:, members].sum() - inner.sum()
    return bool(inner.sum() - np.trace(inner) > 0.5 * touching)


def _fewest_crossings(
    weights: Floats, groups: Sequence[Group], movable: Sequence[int]
) -> list[Group]:
    """The groups, those numbered `movable` ordered by barycentre sweeps; the best sweep is kept."""
    magnitudes = np.abs(weights)
    ordered = list(groups)
    best = list(groups)
    fewest = None
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for number in movable if down else reversed(movable):
            others = ordered[:number] if down else ordered[number + 1 :]
            ordered[number] = _by_barycentre(magnitudes, ordered[number], others)

        n_crossings = sum(
            crossings(weights, lower[1], upper[1]) for lower, upper in pairwise(ordered)
        )
        if fewest is None or n_crossings < fewest:
            best = list(ordered)
            fewest = n_crossings
    return best


def _raster(positions: Floats) -> Neurons:
    """Order of points along a line, or row by row where they are (x, y) in a plane.

    Ties keep their order.
    """
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


def _spectral(inner: Floats) -> Neurons:
    """Order by the second eigenvector of the normalised Laplacian of `inner` (n, n).

    Neurons that are strongly joined lie close together.
    """
    joined = inner + inner.T
    np.fill_diagonal(joined, 0.0)
    degree = joined.sum(axis=0)

    scale = 1.0 / np.sqrt(np.where(degree > 0, degree, 1.0))
    laplacian = np.diag((degree > 0).astype(float)) - scale[:, None] * joined * scale
    _, vectors = np.linalg.eigh(laplacian)
    fiedler = vectors[:, 1] * scale

    # The sign of an eigenvector is arbitrary. Fix it, so that the same matrix gives the same
    # picture.
    sign = 1.0 if fiedler[np.argmax(np.abs(fiedler))] > 0 else -1.0
    return np.argsort(fiedler * sign, kind="stable")


def _by_barycentre(magnitudes: Floats, group: Group, others: Sequence[Group]) -> Group:
    """`group`, sorted by the mean height (0 to 1) of its neurons' neighbours in `others`."""
    name, members = group
    mass = np.zeros(len(members))
    moment = np.zeros(len(members))
    for _, neighbours in others:
        height = (np.arange(len(neighbours)) + 0.5) / len(neighbours)
        joined = magnitudes[np.ix_(members, neighbours)] + magnitudes[np.ix_(neighbours, members)].T
        mass += joined.sum(axis=1)
        moment += joined @ height

    # A neuron without neighbours there stays where it is.
    own = (np.arange(len(members)) + 0.5) / len(members)
    barycentre = np.divide(moment, mass, out=own, where=mass > 0)
    return name, members[np.argsort(barycentre, kind="stable")]
