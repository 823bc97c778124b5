"""Locally connected: the incoming weights of a neuron are concentrated in space.

Needs positions of the sources (inputs, and hidden neurons for deeper layers); the positions of the
target neurons are not used, so an off-centre receptive field is local all the same.

Effect: receptive-field spread over its mean under permuted positions, of the most local hidden
layer among those with a significant one (1 = no locality, 0 = a point). Null model: the positions
of the sources permuted within their layer. Over several layers p is that of the smallest p of any
layer, its law taken from the same draws (Westfall & Young 1993), so many layers do not make false
alarms. Present means that the network has such a layer: `evidence["local_layers"]` lists them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from analysis.arrays import Floats, Ints, Matrix
from analysis.effective import EffectiveGraph
from analysis.layers import Layers
from analysis.nulls import empirical_p, permutations
from analysis.spatial import field_spread, morans_i
from analysis.verdicts.verdict import ALPHA, Case, Verdict

MAX_RATIO = 0.7
"""Spread of a local field over that by chance. By judgement, on planted networks."""
MIN_FIELD = 2
"""Sources of a field: a single one has no spread."""
MAX_MORAN = 64
"""Receptive fields whose Moran's I is averaged: enough for two digits."""
CHUNK = 2**22
"""Numbers held at a time while drawing: some 30 MB."""


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


@dataclass(frozen=True)
class _Spread:
    """Mean spread of a layer's fields, and by chance (n_draws,)."""

    fields: Fields
    observed: float
    draws: Floats

    @property
    def ratio(self) -> float:
        """Observed over expected."""
        return float(self.observed / self.draws.mean())


def locally_connected(case: Case) -> Verdict:
    """Judge receptive fields; without positions nothing can be judged."""
    evidence: dict[str, Any] = {
        "effect_is": "receptive-field spread / spread under permuted positions",
        "layers": [],
        "local_layers": [],
    }
    if case.positions is None:
        evidence["note"] = "no positions"
        return Verdict("locally_connected", False, 1.0, None, evidence)
    judged = list(_spreads(case, case.positions))
    if not judged:
        evidence["note"] = "no layer with positioned sources and wide enough fields"
        return Verdict("locally_connected", False, 1.0, None, evidence)

    # The rank of each value among observed and drawn ones, observed first, and the smallest of any
    # layer: that is the statistic whose law is taken from the draws.
    pooled = np.array([np.append(layer.observed, layer.draws) for layer in judged])
    ranks = np.array([np.searchsorted(np.sort(row), row, side="right") for row in pooled])
    smallest = ranks.min(axis=0)
    p_value = empirical_p(smallest[0], smallest[1:], tail="lower")

    significant = []
    for layer, rank in zip(judged, ranks[:, 0], strict=True):
        p_layer = float(rank / (1 + case.n_draws))
        if p_layer <= ALPHA:
            significant.append(layer.ratio)
            if layer.ratio <= MAX_RATIO and p_value <= ALPHA:
                evidence["local_layers"].append(layer.fields.layer)
        evidence["layers"].append(_entry(layer, p_layer, case.positions))

    effect = min(significant or [layer.ratio for layer in judged])
    return Verdict("locally_connected", bool(evidence["local_layers"]), effect, p_value, evidence)


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


def _spreads(case: Case, positions: Floats) -> Iterator[_Spread]:
    """Of every hidden layer (of the read-out where there is none) that has fields."""
    for k in range(1, max(case.layers.depth, 1) + 1):
        fields = receptive_fields(case.graph, case.layers, k, positions)
        if fields is None or not len(fields.targets):
            continue
        placed = positions[fields.sources]
        draws = _permuted_spread(fields.weights, placed, case.n_draws, case.rng)
        if draws.mean() > 0:
            yield _Spread(fields, field_spread(fields.weights, placed).mean(), draws)


def _permuted_spread(
    weights: Matrix, positions: Floats, n_draws: int, rng: np.random.Generator
) -> Floats:
    """Mean spread of the fields when the positions of the sources are permuted, (n_draws,)."""
    per_chunk = max(1, CHUNK // (max(weights.shape) * (positions.shape[1] + 1)))
    draws = []
    for start in range(0, n_draws, per_chunk):
        n = min(per_chunk, n_draws - start)
        order = permutations(len(positions), rng=rng, n_draws=n)
        draws.append(field_spread(weights, positions[order]).mean(axis=1))
    return np.concatenate(draws)


def _entry(layer: _Spread, p_layer: float, positions: Floats) -> dict[str, float]:
    """The evidence of a layer."""
    fields = layer.fields
    return {
        "layer": fields.layer,
        "spread": float(layer.observed),
        "null_spread": float(layer.draws.mean()),
        "ratio": layer.ratio,
        "p_value": p_layer,
        "n_fields": len(fields.targets),
        "field_size": float(np.median(np.diff(fields.weights.indptr))),
        "morans_i": _mean_moran(fields, positions),
    }


def _mean_moran(fields: Fields, positions: Floats) -> float:
    """Mean Moran's I of abs(weights) of up to MAX_MORAN receptive fields."""
    n = len(fields.targets)
    chosen = np.linspace(0, n - 1, min(MAX_MORAN, n)).astype(int)
    values = morans_i(abs(fields.weights[chosen]).toarray(), positions[fields.sources])
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
