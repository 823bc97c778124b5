"""Which of a layer's weights are a convolution on a lattice: kernel, channels, padding, and what is left over.

Nodes of a lattice layer are ordered channel by channel, site by site. A kernel is read off one target at a time, as
weights by (source channel, offset between sites). Targets with nearly the same kernel are one channel, if there is just
one at every site; the others are left to be written in another way. The kernel of a channel is the median of theirs, and
where weights differ from it the difference is kept, so that nothing is lost: a price on length measured along a line, say,
leaves other weights at its ends. The lattice may close on itself (offsets modulo its size) or end (kernels are cut off at
its border).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

EXACT = 1e-6
"""A difference between weights that is rounding, relative to the largest weight."""
ALIKE = 0.05
"""Largest difference between the kernels of a channel, relative to the largest weight."""


@dataclass(frozen=True)
class Lattice:
    """`channels` copies of a box of sites that starts at `origin` and has the sizes `sites`."""

    channels: int
    origin: tuple
    sites: tuple

    @property
    def places(self):
        """(sites, dim) coordinates of the sites of one channel, in order."""
        axes = [
            range(start, start + size) for start, size in zip(self.origin, self.sites, strict=True)
        ]
        return np.array(list(product(*axes)))


@dataclass(frozen=True)
class Convolution:
    """kernel (C_out, C_in, *sizes), `pad` (before, after) of each axis, and the lattice it makes.

    `order`: which target comes at each place of the lattice it makes; those of no whole channel are not in it.
    `rest` (T', N): what the weights of those targets are beside the convolution.
    """

    kernel: np.ndarray
    pad: tuple
    circular: bool
    lattice: Lattice
    order: np.ndarray
    rest: np.ndarray


def integer_coordinates(positions, n_inputs):
    """(S, dim) whole coordinates of neurons on the lattice of the inputs; NaN where a neuron has no place on it."""
    positions = np.asarray(positions, dtype=float)
    out = np.full(positions.shape, np.nan)
    for axis in range(positions.shape[1]):
        values = np.unique(positions[:n_inputs, axis].round(9))
        step = np.diff(values).min() if len(values) > 1 else 1.0
        steps = (positions[:, axis] - values[0]) / step
        whole = np.abs(steps - np.rint(steps)) < 1e-3
        out[whole, axis] = np.rint(steps[whole])
    return out


def as_lattice(coordinates):
    """(Lattice, order) of nodes (N, dim) in any order that fill a box equally often; None where they do not.

    At each site the first node given is of channel 0, the next of channel 1, and so on.
    """
    if not len(coordinates) or not np.isfinite(coordinates).all() or coordinates.shape[1] > 3:
        return None
    place = coordinates.astype(int)
    origin, sites = place.min(axis=0), np.ptp(place, axis=0) + 1
    if sites.prod(dtype=float) > len(place):
        return None
    site = np.ravel_multi_index(tuple((place - origin).T), tuple(sites))
    counts = np.bincount(site, minlength=int(sites.prod()))
    if counts.min() != counts.max():
        return None
    by_site = np.argsort(site, kind="stable").reshape(len(counts), counts[0])  # (sites, channels)
    return Lattice(int(counts[0]), tuple(origin.tolist()), tuple(sites.tolist())), by_site.T.ravel()


def as_convolution(weights, source, coordinates):
    """The Convolution that a block of weights holds, with as many channels as there are; None if there is none.

    Parameters
    ----------
    weights : (T, N) array from the nodes of the Lattice `source`, in its order, to T targets.
    coordinates : (T, dim) whole coordinates of the targets.
    """
    if (
        not len(weights)
        or not np.isfinite(coordinates).all()
        or coordinates.shape[1] != len(source.sites)
    ):
        return None
    places = coordinates.astype(int)
    origin, sites = places.min(axis=0), np.ptp(places, axis=0) + 1
    if sites.prod(dtype=float) > len(places):
        return None
    target = Lattice(0, tuple(origin.tolist()), tuple(sites.tolist()))
    for circular in (True, False):
        if circular and (target.sites != source.sites or target.origin != source.origin):
            continue
        found = _fit(weights, source, target, places, circular)
        if found is not None:
            return found
    return None


def _fit(weights, source, target, places, circular):
    """One reading of the border."""
    sizes = np.array(source.sites)
    offsets = source.places[None] - places[:, None]  # (T, sites, dim)
    if circular:
        offsets = (offsets + sizes // 2) % sizes - sizes // 2
    blocks = weights.reshape(len(weights), source.channels, -1)
    used = np.abs(blocks).max(axis=1) > 0  # (T, sites)
    if not used.any():
        return None
    low, high = (
        np.array([f(offsets[..., axis][used]) for axis in range(len(sizes))])
        for f in (np.min, np.max)
    )
    low, high = (np.minimum(low, 0), np.maximum(high, 0)) if circular else (low, high)
    extent = high - low + 1
    if (extent > sizes).any() or (not circular and extent.prod() >= sizes.prod() > 1):
        return None
    inside = ((offsets >= low) & (offsets <= high)).all(axis=2)
    rows, columns = np.nonzero(inside)
    taps = np.ravel_multi_index(tuple((offsets[rows, columns] - low).T), tuple(extent))
    kernels = np.zeros((len(weights), source.channels, int(extent.prod())))
    known = np.zeros((len(weights), int(extent.prod())), dtype=bool)
    kernels[rows, :, taps], known[rows, taps] = blocks[rows, :, columns], True
    site = np.ravel_multi_index(tuple((places - target.origin).T), target.sites)
    members = _channels(kernels, known, site, int(np.prod(target.sites)))
    if not len(members):
        return None
    order, channel = np.concatenate(members), np.repeat(np.arange(len(members)), len(members[0]))
    kernel = np.stack([_median(kernels[ones], known[ones]) for ones in members])
    rest = kernels[order] - kernel[channel]
    rest[np.abs(rest) <= EXACT * np.abs(kernels).max()] = 0
    place = np.empty(len(weights), dtype=int)
    place[order] = np.arange(len(order))
    mine = np.isin(rows, order)
    left = np.zeros((len(order), *blocks.shape[1:]))
    left[place[rows[mine]], :, columns[mine]] = rest[place[rows[mine]], :, taps[mine]]
    target = Lattice(len(members), target.origin, target.sites)
    start = (
        np.array(target.origin) - source.origin + low
    )  # the first tap of the first target, in source sites
    end = start + target.sites + extent - 2 - (sizes - 1)
    pad = tuple((int(-a), int(b)) for a, b in zip(start, end, strict=True))
    return Convolution(
        kernel.reshape(*kernel.shape[:2], *extent),
        pad,
        circular,
        target,
        order,
        left.reshape(len(order), -1),
    )


def _median(kernels, known):
    """Median kernel (C, taps) over targets (T, C, taps), of those that have a source there."""
    whole = np.where(known[:, None], kernels, np.nan)
    whole[:, :, ~known.any(axis=0)] = 0.0
    return np.nanmedian(whole, axis=0)


def _channels(kernels, known, site, n_sites):
    """The targets of each whole channel, site by site: they agree wherever both have sources."""
    alike = ALIKE * np.abs(kernels).max()
    first, taken = np.zeros(0, dtype=int), []
    for t in np.argsort(
        -known.sum(axis=1), kind="stable"
    ):  # whole kernels before those cut off at the border
        both = known[first] & known[t]
        apart = np.where(both[:, None], np.abs(kernels[first] - kernels[t]), 0.0).max(
            axis=(1, 2), initial=0.0
        )
        c = next((c for c in np.flatnonzero(apart <= alike) if site[t] not in taken[c]), len(first))
        if c == len(first):
            first = np.append(first, t)
            taken.append({})
        taken[c][site[t]] = t
    return [
        np.array([one[place] for place in range(n_sites)]) for one in taken if len(one) == n_sites
    ]
