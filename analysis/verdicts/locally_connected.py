"""Locally connected: the incoming weights of a neuron are concentrated in space.

Needs positions of the sources (inputs, and hidden neurons for deeper layers); the positions of the
target neurons are not used, so an off-centre receptive field is local all the same. Where positions
were learned, only those of the inputs are used (`fields.placed`).

A layer is local in one of three ways. *Spread*: its fields are narrower than by chance. *Patches*:
fields of at most half the sources consist of neighbours, though of several patches. *Kernels*: it
is convolutional with kernels of few taps, dilated ones too.

Effect: receptive-field spread over its mean by chance, of the most local layer (1 = no locality,
0 = a point); for patches Moran's I decides.

Null models, both of which must be ruled out: the positions of the sources permuted within their
layer; and the connections of each source handed to other neurons of the layer, so that fields which
all lie at the same place, on whatever part of the input is worth hearing, are not local. p is the
larger of the two, times the layers and ways tried. Present means that the network has such a layer:
`evidence["local_layers"]` lists them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.nulls import empirical_p, permutations
from analysis.spatial import field_spread, neighbour_correlation, neighbours
from analysis.verdicts.fields import Fields, fields_of, placed
from analysis.verdicts.verdict import ALPHA, FEW_DRAWS, QUARTER, Bar, Case, Verdict, decide, p_bar

MAX_RATIO = 0.7
"""Spread of a local field over that by chance. By judgement, on planted networks."""
MIN_MORAN = 0.4
"""Moran's I of fields that consist of patches: 0 by chance, near 1 for large patches. By judgement,
on planted networks."""
MAX_FILL = 0.5
"""Share of the sources that the median field of patches, or a kernel, has at most. By judgement: of
more than half, what is left out decides where the patches are."""
WAYS = 2
"""Tests of a layer, on its spread and on its patches, for which p is multiplied."""
MAX_FIELDS = 64
"""Fields looked at for the second null model, and for patches. By judgement: enough for two
digits."""
MAX_ENTRIES = 2**14
"""Sources of these fields, counted for each. By judgement: time grows with them."""
CHUNK = 2**17
"""Numbers held at a time while drawing: 1 MB, which stays near the core."""

Redrawn = Callable[[int], Floats]
"""From a number of draws to as many values of a statistic under a null model."""


@dataclass(frozen=True)
class Tested:
    """A statistic of a layer against both null models.

    Attributes
    ----------
    observed : float
    ratio : float
        Over the lesser of the two means by chance; 1 where a ratio says nothing (Moran's I).
    p_positions, p_fields : float
        Under permuted positions, and with connections handed to other neurons.
    """

    observed: float
    ratio: float
    p_positions: float
    p_fields: float

    @property
    def p_value(self) -> float:
        """The larger of the two."""
        return max(self.p_positions, self.p_fields)


def locally_connected(case: Case) -> Verdict:
    """Judge receptive fields; without positions nothing can be judged."""
    evidence: dict[str, Any] = {
        "effect_is": "receptive-field spread / spread by chance",
        "layers": [],
        "local_layers": [],
    }
    positions = placed(case)
    if positions is None:
        evidence["note"] = "no positions"
        return Verdict("locally_connected", False, 1.0, None, evidence)
    layers = list(fields_of(case, positions))
    if not layers:
        evidence["note"] = "no layer with positioned sources and wide enough fields"
        return Verdict("locally_connected", False, 1.0, None, evidence)

    # Bonferroni over layers and ways; fewer draws could not reach ALPHA then.
    n_tests = WAYS * len(layers)
    n_draws = max(case.n_draws, math.ceil(2 * n_tests / ALPHA))
    kernels = case.earlier["convolutional"]
    shared = {entry["layer"]: entry for entry in kernels.evidence["layers"] if entry["present"]}
    judged = []
    for fields in layers:
        entry, bars = _judge_layer(fields, positions, n_draws, n_tests, case.rng)
        kernel = shared.get(fields.layer)
        if not _all_hold(bars) and kernel and kernel["fill"] <= MAX_FILL:
            entry["local_by"] = "kernels"
            bars = [Bar("fill of the kernel", kernel["fill"], MAX_FILL, at_least=False)]
        if _all_hold(bars):
            evidence["local_layers"].append(fields.layer)
        else:
            entry["local_by"] = ""
        evidence["layers"].append(entry)
        judged.append((entry, bars))

    # The most local layer stands for the network: a local one before others, then the narrowest.
    best, bars = min(judged, key=lambda pair: (not _all_hold(pair[1]), pair[0]["ratio"]))
    p_value = min(entry["p_value"] for entry in evidence["layers"])
    return decide("locally_connected", best["ratio"], p_value, evidence, bars)


def _all_hold(bars: list[Bar]) -> bool:
    return all(bar.holds() for bar in bars)


def _judge_layer(
    fields: Fields, positions: Floats, n_draws: int, n_tests: int, rng: np.random.Generator
) -> tuple[dict[str, Any], list[Bar]]:
    """The evidence of a layer, and the bars of the way in which it is most nearly local."""
    places = positions[fields.sources]
    spread = _spread(fields, places, n_draws, rng)
    p_value = min(1.0, spread.p_value * n_tests)
    bars = [Bar("spread over chance", spread.ratio, MAX_RATIO, at_least=False), p_bar(p_value)]
    entry: dict[str, Any] = {
        "layer": fields.layer,
        "local_by": "spread",
        "spread": spread.observed,
        "ratio": spread.ratio,
        "p_positions": spread.p_positions,
        "p_fields": spread.p_fields,
        "p_value": p_value,
        "n_fields": len(fields.targets),
        "field_size": float(np.median(fields.sizes)),
        "morans_i": _clumped(_some_fields(fields), neighbours(places, 4)),
    }
    if _all_hold(bars) or fields.fill > MAX_FILL:
        return entry, bars

    # Wide fields may consist of patches.
    patches = _patches(fields, places, n_draws, rng)
    p_patches = min(1.0, patches.p_value * n_tests)
    of_patches = [Bar("Moran's I", patches.observed, MIN_MORAN), p_bar(p_patches)]
    entry["p_patches"] = p_patches
    if not _all_hold(of_patches):
        return entry, bars
    entry |= {"local_by": "patches", "p_value": p_patches}
    return entry, of_patches


def _some_fields(fields: Fields) -> Floats:
    """(T, N) sizes of the weights of up to MAX_FIELDS fields, evenly over the layer."""
    n, n_sources = fields.weights.shape
    most = max(8, min(MAX_FIELDS, MAX_ENTRIES // n_sources))
    rows = np.unique(np.linspace(0, n - 1, min(most, n)).astype(int))
    return abs(fields.weights[rows]).toarray()


def _spread(fields: Fields, places: Floats, n_draws: int, rng: np.random.Generator) -> Tested:
    """Mean spread of the fields against both null models; small is local."""
    observed = float(field_spread(fields.weights, places).mean())
    by_place = _in_chunks(
        lambda n: field_spread(
            fields.weights, places[permutations(len(places), rng=rng, n_draws=n)]
        ).mean(axis=1),
        n_draws,
        max(fields.weights.shape) * (places.shape[1] + 1),
    )

    rows = _some_fields(fields)
    of_rows = float(_dense_spread(rows[None], places)[0])
    by_field = _in_chunks(
        lambda n: _dense_spread(_redrawn(rows, n, rng), places), n_draws, rows.size
    )
    return Tested(
        observed,
        max(_over(observed, by_place), _over(of_rows, by_field)),
        empirical_p(observed, by_place, tail="lower"),
        empirical_p(of_rows, by_field, tail="lower"),
    )


def _over(observed: float, draws: Floats) -> float:
    """Observed over its mean by chance; 1 where that is 0, as of fields with a single source."""
    by_chance = float(draws.mean())
    return observed / by_chance if by_chance > 0 else 1.0


def _redrawn(rows: Floats, n_draws: int, rng: np.random.Generator) -> Floats:
    """(n_draws, T, N) fields drawn anew: the connections of each source go to other neurons."""
    # Those of a source lie side by side in memory.
    drawn = np.broadcast_to(rows.T, (n_draws, *rows.T.shape))
    return rng.permuted(drawn, axis=2).transpose(0, 2, 1)


def _dense_spread(rows: Floats, places: Floats) -> Floats:
    """(D,) mean spread of fields (D, T, N) with any weight."""
    # Sums of 1, p and p^2 over each field give its mean and variance.
    centred = places - places.mean(axis=0)
    stacked = np.column_stack([np.ones(len(places)), centred, (centred**2).sum(axis=1)])
    sums = rows @ stacked
    total = np.maximum(sums[..., :1], np.finfo(float).tiny)
    moments = sums[..., 1:] / total
    variance = moments[..., -1] - (moments[..., :-1] ** 2).sum(axis=-1)
    heard = sums[..., 0] > 0
    spread = np.sqrt(np.maximum(variance, 0.0)) * heard
    return spread.sum(axis=-1) / np.maximum(heard.sum(axis=-1), 1)


def _patches(fields: Fields, places: Floats, n_draws: int, rng: np.random.Generator) -> Tested:
    """Mean Moran's I of which sources a field has, against both null models; large is local."""
    has = (_some_fields(fields) > 0).astype(float)
    near = neighbours(places, 2 * places.shape[1])
    # Which sources a field has counts, not how strong they are.
    observed = _clumped(has, near)
    # Where fields clearly do not consist of patches, a few draws are enough.
    if observed < (1 - QUARTER) * MIN_MORAN:
        n_draws = FEW_DRAWS
    by_place = np.array(
        [_clumped(has[:, rng.permutation(len(places))], near) for _ in range(n_draws)]
    )
    by_field = np.array([_clumped(_redrawn(has, 1, rng)[0], near) for _ in range(n_draws)])
    return Tested(
        observed,
        1.0,
        empirical_p(observed, by_place),
        empirical_p(observed, by_field),
    )


def _clumped(has: Floats, near: Ints) -> float:
    """Mean Moran's I of fields (T, N); 0 where none varies."""
    values = neighbour_correlation(has, near)
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0


def _in_chunks(redrawn: Redrawn, n_draws: int, size: int) -> Floats:
    """(n_draws,) values of a statistic, drawn some at a time; `size` numbers are held for each."""
    per_chunk = max(1, CHUNK // max(size, 1))
    sizes = [min(per_chunk, n_draws - start) for start in range(0, n_draws, per_chunk)]
    return np.concatenate([redrawn(n) for n in sizes])
