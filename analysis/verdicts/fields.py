"""Receptive fields of a layer, and where their sources lie. Judges nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analysis.arrays import Floats, Ints, Matrix
from analysis.effective import EffectiveGraph
from analysis.layers import Layers
from analysis.verdicts.verdict import Case

MIN_FIELD = 2
"""Sources of a field: a single one has no spread."""
TILT = 1e-6
"""Shift of centres, in lattice spacings, that breaks ties between two sites alike everywhere."""


@dataclass(frozen=True)
class Fields:
    """Receptive fields of a layer.

    Attributes
    ----------
    layer : int
    weights : (T, N) sparse array
        Signed.
    targets, sources : (T,) and (N,) int arrays
        Neurons.
    """

    layer: int
    weights: Matrix
    targets: Ints
    sources: Ints

    @property
    def sizes(self) -> Ints:
        """(T,) sources of each field."""
        return np.diff(self.weights.indptr)

    @property
    def fill(self) -> float:
        """Share of the sources that the median field has."""
        return float(np.median(self.sizes) / len(self.sources))


def fields_of(case: Case, positions: Floats) -> Iterator[Fields]:
    """Fields of every hidden layer (of the read-out where there is none) that has placed sources.

    Parameters
    ----------
    case : Case
    positions : (S, dim) array
        Of `placed`.
    """
    for k in range(1, max(case.layers.depth, 1) + 1):
        fields = receptive_fields(case.graph, case.layers, k, positions)
        if fields is not None and len(fields.targets):
            yield fields


def receptive_fields(
    graph: EffectiveGraph, layering: Layers, k: int, positions: Floats
) -> Fields | None:
    """Incoming weights of layer k from the neurons of layer k - 1 that have positions.

    None where fewer than two have.
    """
    edges = graph.edges
    sources = layering.neurons(k - 1)
    sources = sources[np.isfinite(positions[sources]).all(axis=1)]
    if len(sources) < MIN_FIELD:
        return None

    targets = layering.neurons(k)
    from_placed = np.isin(edges.source_neuron, sources)
    here = edges.where(layering.joins_next & layering.arrives_in(k, edges) & from_placed)
    # A weight counts once, at whatever iterations it is used.
    once = here.where(np.unique(here.pair, return_index=True)[1])
    rows = np.searchsorted(targets, once.target_neuron)
    columns = np.searchsorted(sources, once.source_neuron)
    shape = (len(targets), len(sources))
    weights = sparse.csr_array((once.weight, (rows, columns)), shape=shape)
    # Neurons with fewer sources have no field to speak of.
    wide = np.diff(weights.indptr) >= MIN_FIELD
    return Fields(k, weights[wide], targets[wide], sources)


def placed(case: Case) -> Floats | None:
    """(S, dim) positions at which sources are taken to lie, or None where there are none.

    Learned positions follow the weights, and would make any wiring local: a hidden neuron then lies
    at the centre of its receptive field instead, and only the given positions of the inputs count.
    """
    if case.positions is None or not case.net.positions_learned:
        return case.positions
    positions = np.full(case.positions.shape, np.nan)
    positions[: case.net.n_inputs] = case.positions[: case.net.n_inputs]

    for k in range(1, case.layers.depth + 1):
        fields = receptive_fields(case.graph, case.layers, k, positions)
        if fields is None or not len(fields.targets):
            continue
        # A neuron of several layers stays where the first of them put it.
        is_new = ~np.isfinite(positions[fields.targets]).all(axis=1)
        share = abs(fields.weights)
        centre = (share @ positions[fields.sources]) / share.sum(axis=1).reshape(-1, 1)
        positions[fields.targets[is_new]] = centre[is_new]
    return positions


def sites_of(fields: Fields, positions: Floats) -> tuple[Ints, Ints]:
    """Whole coordinates of the sources (N, dim), and of the site nearest to each target (T, dim).

    A target without a position is nearest to the centre of its field.
    """
    places = positions[fields.sources]
    spacing = spacing_of(places)
    sites = np.rint((places - places.min(axis=0)) / spacing).astype(int)
    share = abs(fields.weights)
    middle = (share @ places) / share.sum(axis=1).reshape(-1, 1)
    centre = positions[fields.targets].copy()
    unplaced = ~np.isfinite(centre).all(axis=1)
    centre[unplaced] = middle[unplaced]

    from scipy.spatial import cKDTree  # takes its time to load

    tilt = TILT * spacing * np.arange(1, places.shape[1] + 1)
    return sites, sites[cKDTree(places).query(centre + tilt)[1]]


def spacing_of(places: Floats) -> float:
    """Lattice spacing: the median distance of nearest distinct sites, 1 for a single site."""
    distinct = np.unique(places, axis=0)
    if len(distinct) < 2:
        return 1.0

    from scipy.spatial import cKDTree

    return float(np.median(cKDTree(distinct).query(distinct, 2)[0][:, 1]))
