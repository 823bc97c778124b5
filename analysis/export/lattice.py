"""Whether a layer's weights are exactly a convolution on a lattice, and which: kernel, channels, padding. Judges nothing else.

Nodes of a lattice layer are ordered channel by channel, site by site. A kernel is read off one target at a time, as
weights by (source channel, offset between sites). Targets with the same kernel are one channel, if there is just one at
every site. The lattice may close on itself (offsets modulo its size) or end (kernels are cut off at its border).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

EXACT = 1e-6
"""Largest difference between repeats of a weight, relative to the largest weight."""


@dataclass(frozen=True)
class Lattice:
    """`channels` copies of a box of sites that starts at `origin` and has the sizes `sites`."""

    channels: int
    origin: tuple
    sites: tuple

    @property
    def places(self):
        """(sites, dim) coordinates of the sites of one channel, in order."""
        axes = [range(start, start + size) for start, size in zip(self.origin, self.sites, strict=True)]
        return np.array(list(product(*axes)))


@dataclass(frozen=True)
class Convolution:
    """kernel (C_out, C_in, *sizes), `pad` (before, after) of each axis, and the lattice it makes.

    `order` (T,): which target comes at each place of the new layer.
    """

    kernel: np.ndarray
    pad: tuple
    circular: bool
    lattice: Lattice
    order: np.ndarray


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
    """The Convolution that a block of weights is, or None.

    Parameters
    ----------
    weights : (T, N) array from the nodes of the Lattice `source`, in its order, to T targets.
    coordinates : (T, dim) whole coordinates of the targets.
    """
    if not np.isfinite(coordinates).all() or coordinates.shape[1] != len(source.sites):
        return None
    target = as_lattice(coordinates)
    if target is None:
        return None
    places = coordinates.astype(int)
    for circular in (True, False):
        if circular and (target[0].sites != source.sites or target[0].origin != source.origin):
            continue
        found = _fit(weights, source, target[0], places, circular)
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
    low, high = (np.array([f(offsets[..., axis][used]) for axis in range(len(sizes))]) for f in (np.min, np.max))
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
    channel = _channels(kernels, known, places, target)
    if channel is None:
        return None
    kernel = np.stack([_mean(kernels[channel == c], known[channel == c]) for c in range(target.channels)])
    site = np.ravel_multi_index(tuple((places - target.origin).T), target.sites)
    order = np.lexsort((site, channel))
    start = np.array(target.origin) - source.origin + low  # the first tap of the first target, in source sites
    end = start + target.sites + extent - 2 - (sizes - 1)
    pad = tuple((int(-a), int(b)) for a, b in zip(start, end, strict=True))
    return Convolution(kernel.reshape(*kernel.shape[:2], *extent), pad, circular, target, order)


def _mean(kernels, known):
    """Mean kernel (C, taps) over targets (T, C, taps), of those that have a source there."""
    return (kernels * known[:, None]).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _channels(kernels, known, places, target):
    """(T,) channel of each target, so that targets of a channel agree wherever both have sources; None if impossible."""
    scale = EXACT * np.abs(kernels).max()
    first, taken, channel = [], [], np.empty(len(kernels), dtype=int)
    for t in np.argsort(-known.sum(axis=1), kind="stable"):  # whole kernels before those cut off at the border
        here = tuple(places[t])
        for c, u in enumerate(first):
            both = known[t] & known[u]
            agree = np.abs(kernels[t] - kernels[u])[:, both].max(initial=0) <= scale
            if agree and here not in taken[c]:
                break
        else:
            c = len(first)
            if c == target.channels:
                return None
            first.append(t)
            taken.append(set())
        taken[c].add(here)
        channel[t] = c
    return channel if len(first) == target.channels else None
