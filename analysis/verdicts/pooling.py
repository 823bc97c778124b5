"""Pooling: windows of neighbouring sources of which the mean, or the largest value, goes on.

Judges nothing: a kernel of equal weights is the same after any permutation, so that no null model
can tell sharing in it (convolutional.py). It is named where it is plain. Two forms of means are
known:

- a layer of its own: every neuron reads a window of one channel, all with the same positive weight;
- folded into the next linear operation, as `from_module` does where no nonlinearity is between
  them: all neurons of the layer read the sources of a window with one weight each.

The larger of two values is max(a, b) = relu(a - b) + b here: a layer of differences, each of which
is read together with its b. Of larger windows that is the first layer; those behind it are not
looked at, so that the window of a maximum is not known.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.verdicts.fields import Fields, receptive_fields, sites_of
from analysis.verdicts.verdict import Case

EVEN = 0.01
"""Squared deviation from one weight, relative to the squared weights, up to which a layer averages.
By judgement: weights that differ by a tenth."""
SAME = 1e-6
"""Columns that differ by less, relative to the largest, are equal. By judgement: far above the
rounding of float32 weights that are multiplied, far below what training leaves alike."""
MOST = 0.5
"""Share of the windows that must be whole: some lie at the border, and of some a source is silent.
By judgement."""
MIN_WINDOWS = 2
"""A single sum is no pooling. By judgement."""


@dataclass(frozen=True)
class Windows:
    """Groups of sources on their lattice.

    Attributes
    ----------
    group : (M,) int array
        The window of each member, numbered from 0.
    site : (M, dim) int array
        Its whole coordinates.
    """

    group: Ints
    site: Ints

    @property
    def n(self) -> int:
        """How many windows there are."""
        return int(self.group.max(initial=-1)) + 1

    def corners(self) -> tuple[Ints, Ints]:
        """(n, dim) lowest and highest coordinates of each window."""
        low = np.full((self.n, self.site.shape[1]), np.iinfo(int).max)
        high = np.full(low.shape, np.iinfo(int).min)
        np.minimum.at(low, self.group, self.site)
        np.maximum.at(high, self.group, self.site)
        return low, high

    def have_one_at_a_site(self) -> bool:
        """Whether no window holds two sources of one site: two channels are then mixed."""
        pairs = np.column_stack([self.group, self.site])
        return len(np.unique(pairs, axis=0)) == len(pairs)


def pooled_layers(case: Case, positions: Floats) -> list[dict[str, Any]]:
    """Layers that pool: "mean" or "max", the layer, the form, and window and stride by axis.

    Parameters
    ----------
    case : Case
    positions : (S, dim) array
        Where sources lie.
    """
    means = []
    for k in range(1, case.layers.depth + 2):
        fields = receptive_fields(case.graph, case.layers, k, positions)
        if fields is None or len(fields.targets) < MIN_WINDOWS:
            continue
        sites, _ = sites_of(fields, positions)
        own = _read(_by_neuron(fields, sites))
        folded = None if own else _read(_by_column(case, fields, sites))
        if own or folded:
            sizes = own or folded or {}
            means.append({"kind": "mean", "layer": k, "folded": own is None, **sizes})
    largest = [{"kind": "max", "layer": k} for k in _layers_of_differences(case)]
    return means + largest


def _by_neuron(fields: Fields, sites: Ints) -> Windows | None:
    """The sources of each neuron, where all neurons read with the same positive weight."""
    entries = fields.weights.tocoo()
    weights = entries.data
    typical = float(np.median(weights))
    if typical <= 0 or ((weights - typical) ** 2).sum() > EVEN * (weights**2).sum():
        return None
    return Windows(entries.coords[0], sites[entries.coords[1]])


def _by_column(case: Case, fields: Fields, sites: Ints) -> Windows | None:
    """Sources that every neuron of the layer reads with one weight; None where few are so."""
    weights = np.asarray(case.net.weights)[np.ix_(fields.targets, fields.sources)]
    size = np.linalg.norm(weights, axis=0)
    heard = np.flatnonzero(size > SAME * size.max(initial=0.0))
    # Equal columns have equal products with a random vector, and others next to never.
    mark = np.random.default_rng(0).normal(size=len(fields.targets)) @ weights[:, heard]
    order = heard[np.argsort(mark, kind="stable")]
    steps = np.linalg.norm(np.diff(weights[:, order], axis=1), axis=0)
    label = np.concatenate([[0], np.cumsum(steps > SAME * size[order[1:]])])

    several = np.bincount(label)[label] > 1
    if several.sum() <= MOST * len(order):
        return None
    _, group = np.unique(label[several], return_inverse=True)
    return Windows(group, sites[order[several]])


def _read(windows: Windows | None) -> dict[str, Any] | None:
    """Window and stride by axis; None where most groups are no whole windows of one size."""
    if windows is None or windows.n < MIN_WINDOWS or not windows.have_one_at_a_site():
        return None
    low, high = windows.corners()
    extent = high - low + 1
    shapes, count = np.unique(extent, axis=0, return_counts=True)
    window = shapes[count.argmax()]

    # Whole windows hold as many sources as they have sites; none may be larger.
    filled = np.bincount(windows.group) == window.prod()
    whole = filled & (extent == window).all(axis=1)
    if whole.mean() < MOST or (extent > window).any():
        return None
    stride = [int(np.gcd.reduce(np.diff(np.unique(axis)))) for axis in low[whole].T]
    return {"window": window.tolist(), "stride": [max(step, 1) for step in stride]}


def _layers_of_differences(case: Case) -> list[int]:
    """Layers of which most neurons are differences a - b that are read together with b."""
    edges = case.graph.edges
    layering = case.layers
    n_nodes = case.graph.n_nodes
    total = np.bincount(edges.target, edges.weight, minlength=n_nodes)
    size = np.bincount(edges.target, np.abs(edges.weight), minlength=n_nodes)
    is_pair = np.bincount(edges.target, minlength=n_nodes) == 2
    is_pair &= case.graph.computing.ravel() & (np.abs(total) <= SAME * size)

    # Of each difference: what is taken off, and how much of it.
    subtracted = np.full(n_nodes, -1)
    slope = np.zeros(n_nodes)
    taken = edges.where(is_pair[edges.target] & (edges.weight < 0))
    subtracted[taken.target] = taken.source
    slope[taken.target] = -taken.weight

    if not is_pair.any():
        return []

    # Whoever reads a difference must read what was taken off as strongly.
    beside = edges.where(np.isin(edges.source, taken.source))
    sums: dict[tuple[int, int], float] = {}
    for source, target, weight in zip(beside.source, beside.target, beside.weight, strict=True):
        sums[source, target] = sums.get((source, target), 0.0) + weight
    read = edges.where(is_pair[edges.source])
    wanted = read.weight * slope[read.source]
    pairs = zip(subtracted[read.source], read.target, strict=True)
    added = np.array([sums.get(pair, 0.0) for pair in pairs])
    is_pair[read.source[np.abs(added - wanted) > SAME * np.abs(wanted)]] = False

    hidden = layering.layer.ravel()
    counts = np.bincount(hidden[is_pair], minlength=layering.depth + 1)[1 : layering.depth + 1]
    enough = (counts >= MIN_WINDOWS) & (counts >= MOST * np.array(layering.widths))
    return [int(k) + 1 for k in np.flatnonzero(enough)]
