"""Convolutional: local layers whose kernels repeat over positions. Only layers that are already local are judged.

The kernel of a neuron is its incoming weights by offset from the source site nearest to the neuron (without a
position of its own, to the centre of its field), one value per offset and source channel. Each kernel is predicted
by the most similar kernel at another site, on the offsets where both have sources, so borders need no special care
and the channels need not be known.

Effect: share of kernel variance that this sharing explains, 1 - (residual / residual by chance); 1 for exact weight
sharing. Null model: each kernel's weights permuted among the offsets of its own receptive field, which keeps
locality and breaks sharing. A kernel of equal weights (an average) is the same after any permutation: such sharing
cannot be seen here.
"""

import numpy as np
from scipy.spatial import cKDTree

from analysis.nulls import empirical_p, permute_along_orbit
from analysis.verdicts import ALPHA, Verdict
from analysis.verdicts.locally_connected import receptive_fields

MIN_EXPLAINED = 0.8
MIN_MATCHED = 0.5  # share of neurons whose kernel another one repeats
MATCH = 0.05  # squared distance of repeated kernels, relative to their squared norm
WORK = 2**21  # largest n^2 D that is compared in one draw: larger layers are sampled


def convolutional(graph, lay, positions, local_layers, *, n_null, rng):
    """Verdict on the local layers of a layered EffectiveGraph; effect and p are of the layer with the most sharing."""
    channel = np.zeros(graph.n_neurons, dtype=int)
    results = []
    for k in local_layers:
        fields = receptive_fields(graph, lay, k, positions)
        kernels, valid, anchor = _kernels(fields, positions, channel)
        results.append(_judge_layer(fields, kernels, valid, anchor, n_null, rng))
        channel[fields.targets] = _channels(kernels, valid, anchor)
    evidence = {"effect_is": "kernel variance explained by sharing, beyond chance", "layers": results}
    if not results:
        evidence["note"] = "no local layer"
        return Verdict("convolutional", False, 0.0, None, evidence)
    p_value = min(1.0, min(r["p_value"] for r in results) * len(results))
    best = max(results, key=lambda r: r["explained"])
    present = any(
        r["explained"] >= MIN_EXPLAINED and r["matched"] >= MIN_MATCHED and r["p_value"] * len(results) <= ALPHA
        for r in results
    )
    return Verdict("convolutional", bool(present), best["explained"], p_value, evidence)


def _judge_layer(fields, kernels, valid, anchor, n_null, rng):
    n_kernels, n_taps = kernels.shape
    some = np.arange(n_kernels)
    if n_kernels**2 * n_taps > WORK:
        some = np.sort(rng.choice(n_kernels, max(2, int(np.sqrt(WORK / n_taps))), replace=False))
    kernels, valid, apart = kernels[some], valid[some], anchor[some][:, None] != anchor[some][None, :]
    nearest = _nearest(kernels[None], valid, apart)[0]
    power = (kernels**2).sum(axis=1)
    draws, per_chunk = [], max(1, 2**22 // max(kernels.size, len(some) ** 2))
    support = kernels != 0
    for start in range(0, n_null, per_chunk):
        shuffled = permute_along_orbit(kernels, support, rng, min(per_chunk, n_null - start))
        draws.append(_nearest(shuffled, valid, apart).sum(axis=1))
    draws = np.concatenate(draws)
    chance = float(draws.mean())
    return {
        "layer": fields.layer,
        "explained": 1.0 - float(nearest.sum()) / chance if chance > 0 else 0.0,
        "matched": float((nearest <= MATCH * power).mean()),
        "p_value": empirical_p(nearest.sum(), draws, tail="lower"),
        "n_kernels": int(n_kernels),
        "n_compared": len(some),
    }


def _distances(kernels, valid):
    """Squared distances of kernels (..., n, D) on the offsets that are valid for both: (..., n, n)."""
    square = (kernels**2) @ valid.T.astype(float)
    return np.maximum(square + np.swapaxes(square, -1, -2) - 2 * kernels @ np.swapaxes(kernels, -1, -2), 0.0)


def _nearest(kernels, valid, apart):
    """Squared distance of each kernel to the most similar one at another site, (draws, n); its own power where
    there is none.
    """
    distance = np.where(apart, _distances(kernels, valid), np.inf).min(axis=-1)
    return np.minimum(distance, (kernels**2).sum(axis=-1))


def _channels(kernels, valid, anchor):
    """(n,) labels: kernels that repeat one another share a label (leader clustering in index order)."""
    power = (kernels**2).sum(axis=1)
    alike = _distances(kernels, valid) <= MATCH * np.minimum(power[:, None], power[None, :])
    alike &= anchor[:, None] != anchor[None, :]
    labels = np.full(len(kernels), -1)
    for leader in range(len(kernels)):
        if labels[leader] < 0:
            labels[leader] = leader
            labels[alike[leader] & (labels < 0)] = leader
    return labels


def _kernels(fields, positions, channel):
    """Kernels (n, D) over the (offset, source channel) pairs in use, which of them have a source at all, and the
    anchor sites (n,).
    """
    place = positions[fields.sources]
    spacing = _spacing(place)
    sites = np.rint((place - place.min(axis=0)) / spacing).astype(int)
    tree = cKDTree(place)
    centre = positions[fields.targets].copy()
    unplaced = ~np.isfinite(centre).all(axis=1)
    share = abs(fields.weights)
    middle = (share @ place) / share.sum(axis=1).reshape(-1, 1)
    centre[unplaced] = middle[unplaced]
    tilt = 1e-6 * spacing * np.arange(1, place.shape[1] + 1)  # ties between two sites are always broken the same way
    anchor_site = sites[tree.query(centre + tilt)[1]]
    entries = fields.weights.tocoo()
    rows, columns = entries.coords
    _, label = np.unique(channel[fields.sources], return_inverse=True)
    extent = sites.max(axis=0) + 1
    used, taps = np.unique(np.column_stack([sites[columns] - anchor_site[rows], label[columns]]), axis=0, return_inverse=True)
    kernels = np.zeros((len(fields.targets), len(used)))
    kernels[rows, taps.ravel()] = entries.data
    occupied = np.zeros((*extent, label.max() + 1), dtype=bool)
    occupied[(*sites.T, label)] = True
    where = anchor_site[:, None, :] + used[None, :, :-1]  # (n, D, dim)
    inside = ((where >= 0) & (where < extent)).all(axis=2)
    where = np.where(inside[..., None], where, 0)
    valid = inside & occupied[(*np.moveaxis(where, 2, 0), np.broadcast_to(used[:, -1], inside.shape))]
    anchor = np.ravel_multi_index(tuple(anchor_site.T), tuple(extent))
    return kernels, valid, anchor


def _spacing(place):
    """Lattice spacing: the median distance between nearest distinct sites, 1 where there is one site only."""
    distinct = np.unique(place, axis=0)
    if len(distinct) < 2:
        return 1.0
    return float(np.median(cKDTree(distinct).query(distinct, 2)[0][:, 1]))
