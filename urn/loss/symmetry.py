"""P_G: the projection on the matrices that commute with a finite group of permutations of the neurons.

For G acting as i -> g(i), (P_G W)_ij is the mean of W over the orbit {(g(i), g(j)) : g in G} of the index pair. For
translations of a lattice this is weight sharing: one weight for each pair of channels and each offset.
"""

import torch
from torch import Tensor


class PermutationGroup:
    """A finite group given by the permutations of n neurons that its elements make.

    Args:
        elements: `(|G|, n)` integer; `elements[g, i]` is where g takes neuron i. Identity included, closed.
    """

    def __init__(self, elements: Tensor):
        n = elements.shape[1]
        labels = None  # the smallest flat index in the orbit of each pair
        for g in elements:
            image = g[:, None] * n + g
            labels = image if labels is None else torch.minimum(labels, image)
        representatives, self.orbit = labels.flatten().unique(
            return_inverse=True
        )  # (n n,): which orbit a pair is in
        # Pairs that a stabiliser leaves in place repeat in a row, all equally often: the mean stays the orbit's mean.
        i, j = representatives // n, representatives % n
        self.members = elements[:, i] * n + elements[:, j]  # (|G|, n_orbits) flat indices
        self.elements, self.n = elements, n

    def restrict(self, kept: Tensor) -> "PermutationGroup":
        """The same group on some of the neurons, `(n',)` ascending indices that it maps among themselves."""
        place = torch.empty(self.n, dtype=torch.long, device=kept.device)
        place[kept] = torch.arange(len(kept), device=kept.device)
        return PermutationGroup(place[self.elements[:, kept]])

    def mean(self, W: Tensor) -> Tensor:
        """The mean of `(K, n, n)` over every orbit, `(K, n_orbits)`."""
        return _take(W.flatten(1), self.members).mean(1)

    def spread(self, means: Tensor) -> Tensor:
        """Write `(K, n_orbits)` back to every pair of its orbit, `(K, n, n)`."""
        return _take(means, self.orbit).view(means.shape[0], self.n, self.n)

    def project(self, W: Tensor) -> Tensor:
        """P_G W, of shape `(K, n, n)`."""
        return self.spread(self.mean(W))


def _take(T: Tensor, index: Tensor) -> Tensor:
    """T[:, index] for `(K, n)`, row by row: on a CPU `index_select` in one dimension is eight times faster."""
    rows = [row.index_select(0, index.flatten()) for row in T]
    return (torch.stack(rows) if len(rows) > 1 else rows[0][None]).view(len(T), *index.shape)


def translations(
    sites: tuple[int, ...], n_inputs: int, channels: int, n_outputs: int, device=None
) -> PermutationGroup:
    """Cyclic translations of a lattice: inputs and hidden neurons are channels x sites, outputs stay where they are.

    Args:
        sites: the lattice, for instance `(40,)` or `(8, 8)`; `n_inputs` is a multiple of its number of sites.
        channels: hidden channels, each one lattice, channel after channel.
    """
    lattice = torch.arange(int(torch.tensor(sites).prod())).view(sites)
    axes = tuple(range(len(sites)))
    shifts = torch.cartesian_prod(*(torch.arange(length) for length in sites)).view(-1, len(sites))
    moved = torch.stack(
        [lattice.roll(tuple(shift.tolist()), axes).flatten() for shift in shifts]
    )  # (|G|, sites)
    copies = n_inputs // moved.shape[1] + channels
    offsets = torch.arange(copies)[:, None] * moved.shape[1]
    placed = (moved[:, None, :] + offsets).flatten(1)
    fixed = torch.arange(placed.shape[1], placed.shape[1] + n_outputs).expand(len(moved), n_outputs)
    return PermutationGroup(torch.cat([placed, fixed], 1).to(device))
