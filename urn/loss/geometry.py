"""Positions of neurons and the cost of a wire between them (DESIGN section 2, locality).

Positions enter the loss through distances only, so every cost here is invariant under rigid motions.
"""

import torch
from torch import Tensor

from urn.errors import InputError
from urn.network.module import URN


def line(n: int) -> Tensor:
    """`n` points evenly on the unit interval, of shape `(n, 1)`."""
    return torch.linspace(0, 1, n)[:, None]


def grid(height: int, width: int) -> Tensor:
    """Pixel centres of an image whose longer side is 1, row by row, of shape `(height * width, 2)`."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2) / max(height - 1, width - 1, 1)


def ring(n: int) -> Tensor:
    """`n` points evenly on a circle of diameter 1, of shape `(n, 2)`; their distances are chords."""
    angle = torch.arange(n) * (2 * torch.pi / n)
    return 0.5 * torch.stack([angle.cos(), angle.sin()], -1)


def learned_positions(
    inputs: Tensor, n_hidden: int, n_outputs: int, generator: torch.Generator | None = None
) -> Tensor:
    """Inputs where the data put them, hidden neurons uniformly in their bounding box, outputs without position (NaN).

    `inputs` is `(d_in, dim)`; the result `(S, dim)`. With S tied to nothing but the data, no neuron is preferred.
    """
    low, high = inputs.min(0).values, inputs.max(0).values
    hidden = low + (high - low) * torch.rand(n_hidden, inputs.shape[1], generator=generator)
    return torch.cat([inputs, hidden, inputs.new_full((n_outputs, inputs.shape[1]), torch.nan)])


def lattice_positions(inputs: Tensor, channels: int, n_sites: int, n_outputs: int) -> Tensor:
    """Hidden neurons in `channels` copies of the input's sites, channel after channel; outputs without position (NaN)."""
    sites = inputs[:n_sites]
    return torch.cat(
        [
            inputs,
            sites.repeat(channels, 1),
            inputs.new_full((n_outputs, inputs.shape[1]), torch.nan),
        ]
    )


def attach_positions(net: URN, positions: Tensor, *, learned: bool) -> None:
    """Give the neurons of `net` positions, `(S, dim)` for all members alike or `(K, S, dim)`; NaN where there is none.

    Learned positions become a parameter (of which only the hidden neurons' get a gradient), fixed ones a buffer.

    Raises:
        InputError: when the shape does not fit.
    """
    K, n = net.bias.shape
    positions = positions.expand(K, *positions.shape[-2:]).to(net.bias).clone()
    if positions.shape[1] != n:
        raise InputError(f"positions: {positions.shape[1]} rows for {n} neurons")
    del net.positions
    if learned:
        net.positions = torch.nn.Parameter(positions)
    else:
        net.register_buffer("positions", positions)


def wire_cost(net: URN, power: float = 1.0, floor: float = 0.0) -> Tensor:
    """dist(p_i, p_j)^q + floor for every pair, `(K, n, n)`; distance 0 where a neuron has no position."""
    hidden, fixed = net.hidden, net.positions.detach()  # inputs stay where the data put them
    p = torch.cat([fixed[:, : hidden.start], net.positions[:, hidden], fixed[:, hidden.stop :]], 1)
    placed = ~fixed[..., :1].isnan()
    p = torch.where(placed, p, 0.0)
    squared = (
        (p[:, :, None] - p[:, None]).square_().sum(-1)
        if p.shape[-1] == 1
        else _squared_distances(p)
    )
    squared = squared * (placed & placed.mT)
    if power == 2:
        return squared + floor
    # The square root has no gradient at 0: there (a neuron and itself) the distance is exactly 0 and stays so.
    at_zero = squared == 0
    distance = torch.where(at_zero, 1.0, squared) ** (power / 2)
    return torch.where(at_zero, 0.0, distance) + floor


def _squared_distances(p: Tensor) -> Tensor:
    return sum((p[..., None, axis] - p[..., None, :, axis]) ** 2 for axis in range(p.shape[-1]))
