"""Convolutional: local layers whose kernels repeat over positions. Only layers that are already local are judged.

The kernel of a neuron is its incoming weights by offset from the source site nearest to the neuron (without a
position of its own, to the centre of its field), one value per offset and source channel. Each kernel is predicted
by kernels at other sites, on the offsets where both have sources, so borders need no special care and the channels
need not be known: by the k-th most similar one, k being a quarter of the sites, since among many kernels a few look
alike by chance.

Effect: share of a kernel's power that this sharing explains, averaged over kernels, 1 - (residual / residual by
chance); 1 for exact weight sharing. Null model: each kernel's weights permuted among the offsets of its own
receptive field, which keeps locality and breaks sharing. A kernel of equal weights (an average) is the same after
any permutation: such sharing cannot be seen here.
"""

import math

import numpy as np
from scipy.spatial import cKDTree

from analysis.nulls import empirical_p, permute_along_orbit
from analysis.spatial import unrolled
from analysis.verdicts import ALPHA, Verdict
from analysis.verdicts.locally_connected import receptive_fields

MIN_EXPLAINED = 0.8
MIN_MATCHED = 0.5  # share of neurons whose kernel another one repeats
MATCH = 0.05  # squared distance of repeated kernels, relative to their squared norm
REPEATS = 0.25  # share of the sites at which a shared kernel must repeat
COVERED = 0.75  # share of a kernel's power that must lie where the other one has sources
WORK = 2**21  # largest n^2 D that is compared in one draw: larger layers are sampled


def convolutional(graph, lay, positions, local_layers, *, n_null, rng):
    """Verdict on the local layers of a layered EffectiveGraph; effect and p are of the layer with the most sharing."""
    channel = np.zeros(graph.n_neurons, dtype=int)
    results = []
    n_null = max(
        n_null, math.ceil(2 * len(local_layers) / ALPHA)
    )  # fewer could not reach ALPHA in that many layers
    positions = positions if positions is None else unrolled(positions)
    for k in local_layers:
        fields = receptive_fields(graph, lay, k, positions)
        # a lattice may end or close on itself: the reading under which more is shared counts, p doubled for the choice
        frames = [_kernels(fields, positions, channel, cyclic) for cyclic in (False, True)]
        judged = [_judge_layer(fields, *frame, n_null, rng) for frame in frames]
        best = int(judged[1]["explained"] > judged[0]["explained"])
        p_value = min(1.0, 2 * judged[best]["p_value"])
        results.append(judged[best] | {"p_value": p_value, "cyclic": bool(best)})
        channel[fields.targets] = _channels(*frames[best])
    evidence = {
        "effect_is": "kernel variance explained by sharing, beyond chance",
        "layers": results,
    }
    if not results:
        evidence["note"] = "no local layer"
        return Verdict("convolutional", False, 0.0, None, evidence)
    p_value = min(1.0, min(r["p_value"] for r in results) * len(results))
    best = max(results, key=lambda r: r["explained"])
    present = any(
        r["explained"] >= MIN_EXPLAINED
        and r["matched"] >= MIN_MATCHED
        and r["p_value"] * len(results) <= ALPHA
        for r in results
    )
    return Verdict("convolutional", bool(present), best["explained"], p_value, evidence)


def _judge_layer(fields, kernels, valid, anchor, n_null, rng):
    n_kernels, n_taps = kernels.shape
    some = np.arange(n_kernels)
    if n_kernels**2 * n_taps > WORK:
        some = np.sort(rng.choice(n_kernels, max(2, int(np.sqrt(WORK / n_taps))), replace=False))
    kernels, valid, apart = (
        kernels[some],
        valid[some],
        anchor[some][:, None] != anchor[some][None, :],
    )
    rank = max(1, int(REPEATS * len(np.unique(anchor)) * len(some) / n_kernels))
    power = (kernels**2).sum(axis=1)
    rest = _repeats(kernels[None], valid, apart, rank)[0] / power
    draws, per_chunk = [], max(1, 2**22 // max(kernels.size, len(some) ** 2))
    support = kernels != 0
    for start in range(0, n_null, per_chunk):
        shuffled = permute_along_orbit(kernels, support, rng, min(per_chunk, n_null - start))
        draws.append((_repeats(shuffled, valid, apart, rank) / power).sum(axis=1))
    draws = np.concatenate(draws)
    chance = float(draws.mean())
    return {
        "layer": fields.layer,
        "explained": 1.0 - float(rest.sum()) / chance if chance > 0 else 0.0,
        "matched": float((rest <= MATCH).mean()),
        "p_value": empirical_p(rest.sum(), draws, tail="lower"),
        "n_kernels": int(n_kernels),
        "n_compared": len(some),
    }


def _distances(kernels, valid):
    """Squared distances of kernels (..., n, D) on the offsets that are valid for both, (..., n, n); inf where they hold
    less than COVERED of the power of the first.
    """
    power = kernels**2
    inside = power @ valid.T.astype(kernels.dtype)
    distance = inside + np.swapaxes(inside, -1, -2) - 2 * kernels @ np.swapaxes(kernels, -1, -2)
    return np.where(
        inside >= COVERED * power.sum(axis=-1)[..., None], np.maximum(distance, 0.0), np.inf
    )


def _repeats(kernels, valid, apart, rank):
    """Squared distance of each kernel to the `rank`-th most similar one at another site, (draws, n); at most its own
    power.
    """
    distance = np.where(apart, _distances(kernels, valid), np.inf)
    return np.minimum(
        np.partition(distance, rank - 1, axis=-1)[..., rank - 1], (kernels**2).sum(axis=-1)
    )


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


def _kernels(fields, positions, channel, cyclic):
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
    tilt = (
        1e-6 * spacing * np.arange(1, place.shape[1] + 1)
    )  # ties between two sites are always broken the same way
    anchor_site = sites[tree.query(centre + tilt)[1]]
    entries = fields.weights.tocoo()
    rows, columns = entries.coords
    _, label = np.unique(channel[fields.sources], return_inverse=True)
    extent = sites.max(axis=0) + 1
    offset = sites[columns] - anchor_site[rows]
    if cyclic:
        offset = (offset + extent // 2) % extent - extent // 2
    used, taps = np.unique(np.column_stack([offset, label[columns]]), axis=0, return_inverse=True)
    kernels = np.zeros((len(fields.targets), len(used)))
    kernels[rows, taps.ravel()] = entries.data
    occupied = np.zeros((*extent, label.max() + 1), dtype=bool)
    occupied[(*sites.T, label)] = True
    where = anchor_site[:, None, :] + used[None, :, :-1]  # (n, D, dim)
    where = where % extent if cyclic else where
    inside = ((where >= 0) & (where < extent)).all(axis=2)
    where = np.where(inside[..., None], where, 0)
    valid = (
        inside & occupied[(*np.moveaxis(where, 2, 0), np.broadcast_to(used[:, -1], inside.shape))]
    )
    anchor = np.ravel_multi_index(tuple(anchor_site.T), tuple(extent))
    return kernels, valid, anchor


def _spacing(place):
    """Lattice spacing: the median distance between nearest distinct sites, 1 where there is one site only."""
    distinct = np.unique(place, axis=0)
    if len(distinct) < 2:
        return 1.0
    return float(np.median(cKDTree(distinct).query(distinct, 2)[0][:, 1]))
