"""Which of a layer's weights are a convolution on a lattice: kernel, channels, padding, and what is
left over.

Nodes of a lattice layer are ordered channel by channel, site by site. A kernel is read off target
by target, as weights by (source channel, offset between sites). Targets with nearly the same kernel
are one channel, if there is just one at every site; the others are left to be written otherwise.
The kernel of a channel is the median of theirs, and where weights differ from it the difference is
kept, so that nothing is lost: a price on length measured along a line, say, leaves other weights at
its ends. The lattice may close on itself (offsets modulo its size) or end (kernels are cut off at
its border).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Bools, Floats, Ints
from analysis.spatial import offsets as site_offsets

# A difference between weights that is rounding, relative to the largest weight: some ten times the
# spacing of float32.
EXACT = 1e-6

# Largest difference between the kernels of a channel, relative to the largest weight. By judgement,
# on networks trained with the symmetry term.
ALIKE = 0.05

# Distance from a site, in sites, at which a neuron still lies on it. By judgement.
WHOLE = 1e-3


@dataclass(frozen=True)
class Lattice:
    """`channels` copies of a box of sites that starts at `origin` and has the sizes `sites`."""

    channels: int
    origin: tuple[int, ...]
    sites: tuple[int, ...]

    @property
    def places(self) -> Ints:
        """(sites, dim) coordinates of the sites of one channel, in order."""
        axes = [
            range(start, start + size) for start, size in zip(self.origin, self.sites, strict=True)
        ]
        return np.array(list(product(*axes)))

    def site_of(self, coordinates: Ints) -> Ints:
        """(N,) number of the site at each of the coordinates (N, dim)."""
        return np.ravel_multi_index(tuple((coordinates - self.origin).T), self.sites)


@dataclass(frozen=True)
class Convolution:
    """A convolution, and the lattice it makes.

    Attributes
    ----------
    kernel : (C_out, C_in, *sizes) array
    pad : tuple of (int, int)
        Sites to add before and after, for each axis.
    circular : bool
        Whether the sites that are added are those of the other end, instead of zeros.
    lattice : Lattice
        Of the targets.
    order : int array
        Which target comes at each site of that lattice; those of no whole channel are not in it.
    rest : (T', N) array
        What the weights of the targets in `order` are beside the convolution.
    """

    kernel: Floats
    pad: tuple[tuple[int, int], ...]
    circular: bool
    lattice: Lattice
    order: Ints
    rest: Floats


@dataclass(frozen=True)
class _Kernels:
    """The kernel of each of T targets, (T, C_in, taps), and which taps (T, taps) have a source.

    `target`, `site` and `tap` (n,) name every weight that is in a kernel.
    """

    values: Floats
    known: Bools
    target: Ints
    site: Ints
    tap: Ints


def integer_coordinates(positions: ArrayLike, n_inputs: int) -> Floats:
    """(S, dim) whole coordinates of neurons on the lattice of the inputs.

    NaN where a neuron lies on no site.
    """
    positions = np.asarray(positions, dtype=float)
    out = np.full(positions.shape, np.nan)
    for axis in range(positions.shape[1]):
        # Inputs stand on the sites, so that their smallest distance is the lattice's.
        values = np.unique(positions[:n_inputs, axis].round(9))
        step = np.diff(values).min() if len(values) > 1 else 1.0
        steps = (positions[:, axis] - values[0]) / step
        whole = np.abs(steps - np.rint(steps)) < WHOLE
        out[whole, axis] = np.rint(steps[whole])
    return out


def as_lattice(coordinates: Floats) -> tuple[Lattice, Ints] | None:
    """The lattice that nodes fill, or None where they do not fill a box equally often.

    Parameters
    ----------
    coordinates : (N, dim) array
        Of nodes in any order.

    Returns
    -------
    lattice : Lattice
    order : (N,) int array
        The nodes channel by channel, site by site. At each site the first node given is of channel
        0, the next of channel 1, and so on.
    """
    if not len(coordinates) or not np.isfinite(coordinates).all() or coordinates.shape[1] > 3:
        return None
    box = _box(coordinates.astype(int))
    if box is None:
        return None

    site = box.site_of(coordinates.astype(int))
    counts = np.bincount(site, minlength=int(np.prod(box.sites)))
    if counts.min() != counts.max():
        return None
    by_site = np.argsort(site, kind="stable").reshape(len(counts), counts[0])  # (sites, channels)
    return Lattice(int(counts[0]), box.origin, box.sites), by_site.T.ravel()


def as_convolution(weights: Floats, source: Lattice, coordinates: Floats) -> Convolution | None:
    """The convolution that a block of weights holds, with as many channels as there are.

    Parameters
    ----------
    weights : (T, N) array
        From the nodes of the lattice `source`, in its order, to T targets.
    source : Lattice
    coordinates : (T, dim) array
        Whole coordinates of the targets.

    Returns
    -------
    Convolution or None
        None if there is none.
    """
    if not len(weights) or not np.isfinite(coordinates).all():
        return None
    if coordinates.shape[1] != len(source.sites):
        return None
    places = coordinates.astype(int)
    target = _box(places)
    if target is None:
        return None

    # Only a lattice of the same sites can close on itself.
    same_sites = target.sites == source.sites and target.origin == source.origin
    for circular in (True, False) if same_sites else (False,):
        convolution = _fit(weights, source, target, places, circular)
        if convolution is not None:
            return convolution
    return None


def _box(places: Ints) -> Lattice | None:
    """The smallest box around whole coordinates (N, dim); None if it has more sites than N."""
    origin = places.min(axis=0)
    sites = np.ptp(places, axis=0) + 1
    if sites.prod(dtype=float) > len(places):
        return None
    return Lattice(0, tuple(origin.tolist()), tuple(sites.tolist()))


def _fit(
    weights: Floats, source: Lattice, target: Lattice, places: Ints, circular: bool
) -> Convolution | None:
    """The convolution under one reading of the border; None if there is none."""
    sizes = np.array(source.sites)
    # (T, sites, dim)
    offsets = site_offsets(source.places[None], places[:, None], sizes, cyclic=circular)
    blocks = weights.reshape(len(weights), source.channels, -1)
    window = _window(blocks, offsets, sizes, circular)
    if window is None:
        return None
    low, extent = window

    kernels = _read_kernels(blocks, offsets, low, extent)
    members = _channels(kernels, target.site_of(places), int(np.prod(target.sites)))
    if not len(members):
        return None
    kernel = np.stack([_median(kernels, targets) for targets in members])
    order = np.concatenate(members)

    # The first tap of the first target, and the last tap of the last, in sites of the source.
    start = np.array(target.origin) - source.origin + low
    end = start + target.sites + extent - 2 - (sizes - 1)
    return Convolution(
        kernel=kernel.reshape(*kernel.shape[:2], *extent),
        pad=tuple((int(-a), int(b)) for a, b in zip(start, end, strict=True)),
        circular=circular,
        lattice=Lattice(len(members), target.origin, target.sites),
        order=order,
        rest=_rest(kernels, kernel, order, blocks.shape),
    )


def _window(blocks: Floats, offsets: Ints, sizes: Ints, circular: bool) -> tuple[Ints, Ints] | None:
    """The lowest offset and the extent, both (dim,), of all weights that are not zero.

    None without such weights, and where the window is as large as the lattice: any dense layer is
    a convolution of that size.
    """
    used = np.abs(blocks).max(axis=1) > 0  # (T, sites)
    if not used.any():
        return None

    low = offsets[used].min(axis=0)
    high = offsets[used].max(axis=0)
    if circular:
        low = np.minimum(low, 0)
        high = np.maximum(high, 0)
    extent = high - low + 1
    if (extent > sizes).any() or (not circular and extent.prod() >= sizes.prod() > 1):
        return None
    return low, extent


def _read_kernels(blocks: Floats, offsets: Ints, low: Ints, extent: Ints) -> _Kernels:
    """The kernel of each target, its weights (T, C_in, sites) by offset within the window."""
    inside = ((offsets >= low) & (offsets <= low + extent - 1)).all(axis=2)
    # A lattice that ends has fewer sites inside the window at its border: those taps stay unknown.
    target, site = np.nonzero(inside)
    tap = np.ravel_multi_index(tuple((offsets[target, site] - low).T), tuple(extent))

    n_taps = int(extent.prod())
    values = np.zeros((*blocks.shape[:2], n_taps))
    known = np.zeros((len(blocks), n_taps), dtype=bool)
    values[target, :, tap] = blocks[target, :, site]
    known[target, tap] = True
    return _Kernels(values, known, target, site, tap)


def _rest(kernels: _Kernels, kernel: Floats, order: Ints, shape: tuple[int, ...]) -> Floats:
    """(T', N) weights of the targets in `order` less those of the kernel of their channel."""
    channel = np.repeat(np.arange(len(kernel)), len(order) // len(kernel))
    rest = kernels.values[order] - kernel[channel]
    rest[np.abs(rest) <= EXACT * np.abs(kernels.values).max()] = 0

    # Put each difference back from its tap to its site.
    row_of = np.empty(len(kernels.values), dtype=int)
    row_of[order] = np.arange(len(order))
    ours = np.isin(kernels.target, order)
    rows = row_of[kernels.target[ours]]
    out = np.zeros((len(order), *shape[1:]))
    out[rows, :, kernels.site[ours]] = rest[rows, :, kernels.tap[ours]]
    return out.reshape(len(order), -1)


def _median(kernels: _Kernels, targets: Ints) -> Floats:
    """Median kernel (C_in, taps) over some targets, of those that have a source at a tap."""
    known = kernels.known[targets]
    whole = np.where(known[:, None], kernels.values[targets], np.nan)
    whole[:, :, ~known.any(axis=0)] = 0.0
    return np.nanmedian(whole, axis=0)


def _channels(kernels: _Kernels, site: Ints, n_sites: int) -> list[Ints]:
    """The targets of each whole channel, site by site: they agree wherever both have sources."""
    values = kernels.values
    known = kernels.known
    alike = ALIKE * np.abs(values).max()
    first = np.zeros(0, dtype=int)  # the target that each channel is compared with
    taken: list[dict[int, int]] = []  # {site: target} of each channel

    # Whole kernels come before those cut off at the border, for these say less.
    for t in np.argsort(-known.sum(axis=1), kind="stable"):
        both = known[first] & known[t]
        difference = np.where(both[:, None], np.abs(values[first] - values[t]), 0.0)
        apart = difference.max(axis=(1, 2), initial=0.0)
        free = (c for c in np.flatnonzero(apart <= alike) if site[t] not in taken[c])
        c = next(free, len(first))
        if c == len(first):
            first = np.append(first, t)
            taken.append({})
        taken[c][site[t]] = t
    return [
        np.array([targets[s] for s in range(n_sites)])
        for targets in taken
        if len(targets) == n_sites
    ]
