"""Locally connected: the incoming weights of a neuron are concentrated in space. Needs positions of the sources
(inputs, and hidden neurons for deeper layers); the positions of the target neurons are not used, so an off-centre
receptive field is local all the same.

Effect: receptive-field spread over its mean under permuted positions, of the most local hidden layer among those
with a significant one (1 = no locality, 0 = a point). Null model: the positions of the sources permuted within
their layer. Over several layers p is that of the smallest p of any layer, its law taken from the same draws
(Westfall & Young 1993), so many layers do not make false alarms. Present means that the network has such a layer:
`evidence["local_layers"]` lists them.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analysis.nulls import empirical_p, permutations
from analysis.spatial import field_spread, morans_i
from analysis.verdicts import ALPHA, Verdict

MAX_RATIO = 0.7
MIN_FIELD = 2  # sources; a single source has no spread
CHUNK = 2**22  # numbers held at once while drawing


@dataclass(frozen=True)
class Fields:
    """Receptive fields of a layer: weights (T, N) sparse and signed, neuron ids of the T targets and N sources."""

    layer: int
    weights: sparse.csr_array
    targets: np.ndarray
    sources: np.ndarray


def receptive_fields(graph, lay, k, positions):
    """Incoming weights of layer k from the positioned neurons of layer k - 1; None where fewer than two have
    positions.
    """
    n, edges = graph.n_neurons, graph.edges
    sources, targets = np.unique(lay.nodes(k - 1) % n), np.unique(lay.nodes(k) % n)
    sources = sources[np.isfinite(positions[sources]).all(axis=1)]
    if len(sources) < MIN_FIELD:
        return None
    here = (
        (lay.span == 1)
        & ~lay.injects
        & (lay.layer.ravel()[edges.target] == k)
        & np.isin(edges.source % n, sources)
    )
    pair, first = np.unique(edges.target[here] % n * n + edges.source[here] % n, return_index=True)
    rows, columns = np.searchsorted(targets, pair // n), np.searchsorted(sources, pair % n)
    weights = sparse.csr_array(
        (edges.weight[here][first], (rows, columns)), shape=(len(targets), len(sources))
    )
    wide = np.diff(weights.indptr) >= MIN_FIELD
    return Fields(k, weights[wide], targets[wide], sources)


def locally_connected(graph, lay, positions, *, n_null, rng):
    """Verdict on a layered EffectiveGraph with positions (S, dim), NaN where a neuron has none; positions None
    cannot be judged.
    """
    evidence = {
        "effect_is": "receptive-field spread / spread under permuted positions",
        "layers": [],
        "local_layers": [],
    }
    judged = []
    for k in range(1, max(lay.depth, 1) + 1) if positions is not None else ():
        fields = receptive_fields(graph, lay, k, positions)
        if fields is not None and len(fields.targets):
            place = positions[fields.sources]
            draws = _permuted_spread(fields.weights, place, n_null, rng)
            if draws.mean() > 0:
                judged.append((fields, field_spread(fields.weights, place).mean(), draws))
    if not judged:
        evidence["note"] = (
            "no positions"
            if positions is None
            else "no layer with positioned sources and wide enough fields"
        )
        return Verdict("locally_connected", False, 1.0, None, evidence)
    pooled = np.array(
        [np.append(spread, draws) for _, spread, draws in judged]
    )  # (layers, 1 + n_null), observed first
    ranks = np.array([np.searchsorted(np.sort(row), row, side="right") for row in pooled])
    smallest = ranks.min(axis=0)
    p_value = empirical_p(smallest[0], smallest[1:], tail="lower")
    ratios = []
    for (fields, spread, draws), rank in zip(judged, ranks[:, 0], strict=True):
        ratio, p_layer = float(spread / draws.mean()), float(rank / (1 + n_null))
        if p_layer <= ALPHA:
            ratios.append(ratio)
            if ratio <= MAX_RATIO and p_value <= ALPHA:
                evidence["local_layers"].append(fields.layer)
        evidence["layers"].append(
            {
                "layer": fields.layer,
                "spread": float(spread),
                "null_spread": float(draws.mean()),
                "ratio": ratio,
                "p_value": p_layer,
                "n_fields": len(fields.targets),
                "field_size": float(np.median(np.diff(fields.weights.indptr))),
                "morans_i": _mean_moran(fields, positions),
            }
        )
    effect = min(ratios or [entry["ratio"] for entry in evidence["layers"]])
    return Verdict("locally_connected", bool(evidence["local_layers"]), effect, p_value, evidence)


def _permuted_spread(weights, positions, n_null, rng):
    """Mean spread of the fields under `n_null` permutations of the source positions, (n_null,)."""
    per_chunk = max(1, CHUNK // (max(weights.shape) * (positions.shape[1] + 1)))
    draws = []
    for start in range(0, n_null, per_chunk):
        order = permutations(len(positions), rng, min(per_chunk, n_null - start))
        draws.append(field_spread(weights, positions[order]).mean(axis=1))
    return np.concatenate(draws)


def _mean_moran(fields, positions):
    """Mean Moran's I of abs(weights) of up to 64 receptive fields."""
    some = np.linspace(0, len(fields.targets) - 1, min(64, len(fields.targets))).astype(int)
    values = morans_i(abs(fields.weights[some]).toarray(), positions[fields.sources])
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
