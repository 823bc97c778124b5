"""Convolutional: kernels that repeat over positions.

The kernel of a neuron is its incoming weights by offset from the source site nearest to the neuron
(without a position of its own, to the centre of its field), one value per offset and source
channel. Each kernel is predicted by kernels at other sites, on the offsets where both have sources,
so borders need no special care and the channels need not be known: by the k-th most similar one, k
being a quarter of the sites, since among many kernels a few look alike by chance.

Effect: share of a kernel's power that this sharing explains, averaged over kernels, 1 - (residual /
residual by chance); 1 for exact weight sharing. Null model: fields with the same envelope. Each
weight is its kernel's size times the envelope of the layer at that distance, times a rest, which
holds its sign; the rests are exchanged within each kernel. So wiring that only fades
with distance, the same everywhere, explains nothing. Nor does an average or a blur: it is all
envelope, and such sharing cannot be seen here.

Dilation and stride are read off the offsets in use and the sites of the kernels. Pooling, which is
no sharing that can be seen, is named beside them (pooling.py).
"""

import math
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from analysis.arrays import Bools, Floats, Ints
from analysis.nulls import empirical_p
from analysis.spatial import offsets, unrolled
from analysis.verdicts.fields import Fields, fields_of, placed, sites_of, spacing_of
from analysis.verdicts.pooling import pooled_layers
from analysis.verdicts.verdict import ALPHA, FEW_DRAWS, Bar, Case, Verdict, decide, p_bar

MIN_EXPLAINED = 0.8
"""Share of kernel power that sharing explains. By judgement, on planted networks."""
MIN_MATCHED = 0.5
"""Share of neurons whose kernel others repeat. By judgement: most."""
FEW_MATCHED = MIN_MATCHED / 2
"""Share below which it is clear that kernels do not repeat: the bar would have to fall by half."""
MATCH = 0.05
"""Squared distance of repeated kernels, relative to their squared norm. By judgement."""
REPEATS = 0.25
"""Share of the sites at which a shared kernel must repeat. By judgement: a few of many kernels look
alike by chance, where a tap dominates."""
MAX_SITES = 16
"""Sites of a lattice for each source on it, at most. By judgement: of a lattice that is emptier no
two kernels can be compared."""
COVERED = 0.75
"""Share of a kernel's power that must lie where the other has sources. By judgement: less than
that compares borders."""
WORK = 2**21
"""Largest n^2 D that is compared in a draw: of larger layers kernels are sampled. By judgement:
time grows with it."""
SAME_DISTANCE = 1e-6
"""Distances, in lattice spacings, that count as equal: rounding."""
CHUNK = 2**18
"""Numbers held at a time while drawing: 1 MB, which stays near the core."""


class Sharing(TypedDict):
    """What is shared in a layer."""

    layer: int
    explained: float
    matched: float
    p_value: float
    n_kernels: int
    n_compared: int


class ReadSharing(Sharing):
    """The same under the better reading of the border, and what the kernels are like."""

    cyclic: bool
    fill: float
    taps: int
    dilation: list[int]
    stride: list[int]
    present: bool


@dataclass(frozen=True)
class Kernels:
    """Kernels of n neurons over D taps: (offset, source channel) pairs that are in use.

    Attributes
    ----------
    values : (n, D) array
    valid : (n, D) bool array
        Where there is a source at all.
    anchor : (n,) int array
        The number of the site of each neuron.
    offset : (D, dim) int array
        Of each tap.
    site : (n, dim) int array
        Whole coordinates of each neuron's site.
    """

    values: NDArray
    valid: Bools
    anchor: Ints
    offset: Ints
    site: Ints

    @property
    def power(self) -> Floats:
        """(n,) squared norms."""
        return (self.values**2).sum(axis=1)

    @property
    def apart(self) -> Bools:
        """(n, n) bool: whether two kernels stand at different sites."""
        return self.anchor[:, None] != self.anchor[None, :]


@dataclass(frozen=True)
class Taps:
    """The weights of a layer by the taps that they belong to: kernels, not yet written out.

    Attributes
    ----------
    row, tap : (M,) int arrays
        Number of the neuron and of the tap of each weight.
    weight : (M,) array
    used : (D, dim + 1) int array
        Offset and source channel of each tap in use.
    site : (n, dim) int array
        Whole coordinates of the site of each neuron.
    occupied : (*extent, channels) bool array
        Where on the lattice there is a source of a channel.
    cyclic : bool
        Whether the lattice closes on itself.
    """

    row: Ints
    tap: Ints
    weight: Floats
    used: Ints
    site: Ints
    occupied: Bools
    cyclic: bool

    @property
    def shape(self) -> tuple[int, int]:
        """How many kernels and taps there are."""
        return len(self.site), len(self.used)

    @property
    def anchor(self) -> Ints:
        """(n,) the number of the site of each neuron."""
        return np.ravel_multi_index(tuple(self.site.T), self.occupied.shape[:-1])

    def kernels(self, chosen: Ints) -> Kernels:
        """The kernels of some neurons, whose numbers ascend."""
        number = np.full(len(self.site), -1)
        number[chosen] = np.arange(len(chosen))
        row = number[self.row]
        here = row >= 0
        values = np.zeros((len(chosen), len(self.used)))
        values[row[here], self.tap[here]] = self.weight[here]

        # A tap is valid for a neuron where the lattice has a source of that channel.
        extent = np.array(self.occupied.shape[:-1])
        source = self.site[chosen][:, None, :] + self.used[None, :, :-1]  # (n, D, dim)
        source = source % extent if self.cyclic else source
        inside = np.asarray(((source >= 0) & (source < extent)).all(axis=2))
        source = np.where(inside[..., None], source, 0)
        of_label = np.broadcast_to(self.used[:, -1], inside.shape)
        valid = inside & self.occupied[(*np.moveaxis(source, 2, 0), of_label)]
        offset = self.used[:, :-1]
        return Kernels(values, valid, self.anchor[chosen], offset, self.site[chosen])


def convolutional(case: Case) -> Verdict:
    """Judge every layer with placed sources; the layer with the most sharing stands for all."""
    evidence: dict[str, Any] = {
        "effect_is": "kernel variance explained by sharing, beyond chance",
        "layers": [],
        "pooling": [],
    }
    given = placed(case)
    positions = None if given is None else unrolled(given)
    layers = []
    if positions is not None:
        layers = [fields for fields in fields_of(case, positions) if _on_lattice(fields, positions)]
        evidence["pooling"] = pooled_layers(case, positions)
    if positions is None or not layers:
        evidence["note"] = "no layer with sources on a lattice"
        return Verdict("convolutional", False, 0.0, None, evidence)

    channel = np.zeros(case.graph.n_neurons, dtype=int)
    # Fewer draws could not reach ALPHA in that many layers, under two readings.
    n_draws = max(case.n_draws, math.ceil(4 * len(layers) / ALPHA))
    judged = []
    for fields in layers:
        result, taps = _better_reading(fields, positions, channel, n_draws, case.rng)
        result["p_value"] = min(1.0, result["p_value"] * len(layers))  # Bonferroni
        bars = [
            Bar("explained", result["explained"], MIN_EXPLAINED),
            Bar("kernels that repeat", result["matched"], MIN_MATCHED),
            p_bar(result["p_value"]),
        ]
        result["present"] = all(bar.holds() for bar in bars)
        evidence["layers"].append(result)
        judged.append((result, bars))
        channel[fields.targets] = _channels(taps, result["matched"])

    best, bars = max(judged, key=lambda pair: (pair[0]["present"], pair[0]["explained"]))
    evidence |= {"dilation": best["dilation"], "stride": best["stride"]}
    return decide("convolutional", best["explained"], best["p_value"], evidence, bars)


def _on_lattice(fields: Fields, positions: Floats) -> bool:
    """Whether the sources fill a lattice well enough for a kernel to be read off.

    Places at random have a tiny spacing, and a lattice of it nearly as many empty sites as one
    likes.
    """
    sources = positions[fields.sources]
    extent = np.ptp(sources, axis=0) / spacing_of(sources) + 1
    return bool(extent.prod() <= MAX_SITES * len(fields.sources))


def _better_reading(
    fields: Fields, positions: Floats, channel: Ints, n_draws: int, rng: np.random.Generator
) -> tuple[ReadSharing, Taps]:
    """Sharing in a layer whose lattice may end or close on itself.

    The reading under which more is shared counts, p doubled for the choice.
    """
    readings = [_taps(fields, positions, channel, cyclic) for cyclic in (False, True)]
    # A few draws tell what chance explains; all of them are for the p of the better reading.
    judged = [_judge_layer(fields.layer, taps, FEW_DRAWS, rng) for taps in readings]
    cyclic = judged[1]["explained"] > judged[0]["explained"]
    taps = readings[int(cyclic)]
    better = judged[int(cyclic)]
    if better["matched"] >= FEW_MATCHED:
        better = _judge_layer(fields.layer, taps, n_draws, rng)
    result: ReadSharing = {
        **better,
        "p_value": min(1.0, 2 * better["p_value"]),
        "cyclic": bool(cyclic),
        "fill": fields.fill,
        "taps": int(np.median(fields.sizes)),
        "dilation": _steps(taps.used[:, :-1]),
        "stride": _steps(taps.site),
        "present": False,
    }
    return result, taps


def _steps(places: Ints) -> list[int]:
    """The greatest common step between whole coordinates, for each axis; 1 where nothing varies."""
    steps = [int(np.gcd.reduce(np.diff(np.unique(axis)))) for axis in places.T]
    return [max(step, 1) for step in steps]


def _judge_layer(layer: int, taps: Taps, n_draws: int, rng: np.random.Generator) -> Sharing:
    """How much of the kernels is explained by kernels at other sites, beside chance."""
    n_kernels, n_taps = taps.shape
    n_sites = len(np.unique(taps.anchor))
    # Of large layers a sample is compared; the rank falls with it.
    chosen = np.arange(n_kernels)
    if n_kernels**2 * n_taps > WORK:
        n_compared = max(2, int(np.sqrt(WORK / n_taps)))
        chosen = np.sort(rng.choice(n_kernels, n_compared, replace=False))
    compared = taps.kernels(chosen)
    # The draws are float32: a power of two brings their squares into range and rounds nothing.
    unit = 2.0 ** np.floor(np.log2(np.abs(compared.values).max()))
    compared = replace(compared, values=compared.values / unit)
    n = len(compared.values)
    rank = max(1, int(REPEATS * n_sites * n / n_kernels))
    power = compared.power
    rest = _repeats(compared.values[None], compared, rank)[0] / power
    matched = float((rest <= MATCH).mean())

    # The same statistic with the rests exchanged, some draws at a time.
    per_chunk = max(1, CHUNK // max(compared.values.size, n**2))
    chunks = []
    exchanged = Exchange.of(compared)
    for start in range(0, n_draws, per_chunk):
        drawn = exchanged.draws(rng, min(per_chunk, n_draws - start))
        beside = _repeats(drawn, compared, rank)
        own = (drawn**2).sum(axis=-1)
        chunks.append(np.divide(beside, own, out=np.ones_like(own), where=own > 0).sum(axis=1))
    draws = np.concatenate(chunks)

    by_chance = float(draws.mean())
    return {
        "layer": layer,
        "explained": 1.0 - float(rest.sum()) / by_chance if by_chance > 0 else 0.0,
        "matched": matched,
        "p_value": empirical_p(rest.sum(), draws, tail="lower"),
        "n_kernels": int(n_kernels),
        "n_compared": n,
    }


@dataclass(frozen=True)
class Exchange:
    """Kernels whose weights change places within each, relative to their envelope over distance.

    Attributes
    ----------
    envelope : (n, D) float32 array
    size : (n, 1) int array
        Number of taps in each support.
    home : (n, d) int array
        Of each row: the taps of its own support first, then others to fill up.
    own : (n, d) float32 array
        The weights there, relative to the envelope; 0 for what only fills up.
    """

    envelope: NDArray
    size: Ints
    home: Ints
    own: NDArray

    @classmethod
    def of(cls, kernels: Kernels) -> "Exchange":
        """What stays the same over all draws."""
        envelope = _envelope(kernels).astype(np.float32)
        support = kernels.values != 0
        size = support.sum(axis=1, keepdims=True)
        home = np.argsort(~support, axis=1, kind="stable")[:, : size.max(initial=0)]
        rest = np.where(support, kernels.values, 0.0).astype(np.float32) / envelope
        return cls(envelope, size, home, np.take_along_axis(rest, home, axis=1))

    def draws(self, rng: np.random.Generator, n_draws: int) -> NDArray[np.float32]:
        """(n_draws, n, D) kernels with the same envelope, and rests exchanged."""
        keys = rng.random((n_draws, *self.home.shape), dtype=np.float32)
        # Taps that only fill up get the largest keys, so that they stay behind.
        keys[:, np.arange(self.home.shape[1]) >= self.size] = 2.0
        rows = np.arange(len(self.own))[:, None]
        drawn = np.zeros((n_draws, *self.envelope.shape), dtype=np.float32)
        drawn[:, rows, self.home] = self.own[rows, np.argsort(keys, axis=2)]
        return drawn * self.envelope


def _envelope(kernels: Kernels) -> Floats:
    """(n, D) size of a weight by its kernel and its distance: root mean squares, multiplied."""
    present = kernels.values != 0
    count = np.maximum(present.sum(axis=1), 1)
    of_kernel = np.sqrt(kernels.power / count)
    relative = np.divide(
        kernels.values, of_kernel[:, None], out=np.zeros(present.shape), where=present
    )

    distance = np.linalg.norm(kernels.offset, axis=1)
    _, ring = np.unique((distance / SAME_DISTANCE).round(), return_inverse=True)
    power = np.bincount(ring, (relative**2).sum(axis=0))
    of_ring = np.sqrt(power / np.maximum(np.bincount(ring, present.sum(axis=0)), 1))
    return np.maximum(of_kernel[:, None] * of_ring[ring][None, :], np.finfo(np.float32).tiny)


def _distances(values: NDArray, valid: Bools) -> NDArray:
    """Squared distances of kernels (..., n, D) on the offsets that are valid for both.

    Returns
    -------
    (..., n, n) array
        Infinite where those offsets hold less than COVERED of the power of the first.
    """
    power = values**2
    inside = power @ valid.T.astype(values.dtype)
    distance = inside + np.swapaxes(inside, -1, -2) - 2 * values @ np.swapaxes(values, -1, -2)
    covered = inside >= COVERED * power.sum(axis=-1)[..., None]
    return np.where(covered, np.maximum(distance, 0.0), np.inf)


def _repeats(values: NDArray, kernels: Kernels, rank: int) -> NDArray:
    """Squared distance of each of (draws, n, D) to the `rank`-th most similar at another site.

    At most its own power; (draws, n).
    """
    distance = np.where(kernels.apart, _distances(values, kernels.valid), np.inf)
    nearest = np.partition(distance, rank - 1, axis=-1)[..., rank - 1]
    return np.minimum(nearest, (values**2).sum(axis=-1))


def _channels(taps: Taps, matched: float) -> Ints:
    """(n,) labels: kernels that repeat each other share a label, by leader clustering in order.

    Where few of them do (`matched`, a share), each has a label of its own.
    """
    n_kernels = taps.shape[0]
    if matched < FEW_MATCHED:
        return np.arange(n_kernels)
    kernels = taps.kernels(np.arange(n_kernels))
    power = kernels.power
    smaller = np.minimum(power[:, None], power[None, :])
    alike = _distances(kernels.values, kernels.valid) <= MATCH * smaller
    alike &= kernels.apart

    labels = np.full(n_kernels, -1)
    for leader in range(n_kernels):
        if labels[leader] < 0:
            labels[leader] = leader
            labels[alike[leader] & (labels < 0)] = leader
    return labels


def _taps(fields: Fields, positions: Floats, channel: Ints, cyclic: bool) -> Taps:
    """The (offset, source channel) pairs in use, on a lattice that may be cyclic."""
    sites, anchors = sites_of(fields, positions)
    extent = sites.max(axis=0) + 1
    _, label = np.unique(channel[fields.sources], return_inverse=True)
    entries = fields.weights.tocoo()
    rows, columns = entries.coords
    # A tap is an offset and a source channel; taps in use are numbered.
    offset = offsets(sites[columns], anchors[rows], extent, cyclic=cyclic)
    pairs = np.column_stack([offset, label[columns]])
    used, number = np.unique(pairs, axis=0, return_inverse=True)

    occupied = np.zeros((*extent, label.max() + 1), dtype=bool)
    occupied[(*sites.T, label)] = True
    return Taps(rows, number.ravel(), entries.data, used, anchors, occupied, cyclic)
