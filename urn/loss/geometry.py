"""Positions of neurons, and the price of a wire between two of them (docs/theory.md, geometry).

Positions enter the loss through distances only, so every price here is the same after a rigid
motion. The unit of length is the longer side of the input.
"""

from typing import cast

import torch
from torch import Tensor

from urn.errors import InputError
from urn.network.module import URN


def line(n: int) -> Tensor:
    """`n` points evenly on the unit interval, of shape `(n, 1)`."""
    return torch.linspace(0, 1, n)[:, None]


def grid(height: int, width: int) -> Tensor:
    """Pixel centres of an image whose longer side is 1, row by row, `(height * width, 2)`."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2) / max(height - 1, width - 1, 1)


def ring(n: int) -> Tensor:
    """`n` points evenly on a circle of diameter 1, `(n, 2)`; their distances are chords."""
    angle = torch.arange(n) * (2 * torch.pi / n)
    return 0.5 * torch.stack([angle.cos(), angle.sin()], -1)


def learned_positions(
    inputs: Tensor, n_hidden: int, n_outputs: int, generator: torch.Generator | None = None
) -> Tensor:
    """Positions to begin learning from: hidden neurons uniformly in the inputs' bounding box.

    They depend on nothing but the data, so no hidden neuron is preferred.

    Parameters
    ----------
    inputs
        `(d_in, dim)`, where the data put the inputs.
    n_hidden, n_outputs
        How many neurons follow the inputs.
    generator
        Draws the positions; torch's own if it is left out.

    Returns
    -------
    Tensor
        `(S, dim)`: inputs as given, hidden neurons, outputs without position (NaN).
    """
    low = inputs.min(0).values
    high = inputs.max(0).values
    hidden = low + (high - low) * torch.rand(n_hidden, inputs.shape[1], generator=generator)
    return torch.cat([inputs, hidden, _nowhere(inputs, n_outputs)])


def lattice_positions(inputs: Tensor, channels: int, n_sites: int, n_outputs: int) -> Tensor:
    """Hidden neurons in copies of the input's sites, channel after channel.

    Parameters
    ----------
    inputs
        `(d_in, dim)`; its first `n_sites` rows are the lattice.
    channels
        How many hidden neurons there are at a site.
    n_sites, n_outputs
        Sites of the lattice, and neurons that follow the hidden ones.

    Returns
    -------
    Tensor
        `(S, dim)`: inputs as given, hidden neurons, outputs without position (NaN).
    """
    hidden = inputs[:n_sites].repeat(channels, 1)
    return torch.cat([inputs, hidden, _nowhere(inputs, n_outputs)])


def _nowhere(inputs: Tensor, n: int) -> Tensor:
    """Positions of `n` neurons that have none, `(n, dim)` of NaN."""
    return inputs.new_full((n, inputs.shape[1]), torch.nan)


def attach_positions(net: URN, positions: Tensor, *, learned: bool) -> None:
    """Give the neurons of a network positions.

    Parameters
    ----------
    net
        The network, changed in place.
    positions
        `(S, dim)` for all members alike or `(K, S, dim)`; NaN where a neuron has none.
    learned
        Whether they become a parameter (of which only the hidden neurons' get a gradient) or a
        buffer.

    Raises
    ------
    InputError
        When the shape does not fit.
    """
    K, n = net.bias.shape
    positions = positions.expand(K, *positions.shape[-2:]).to(net.bias).clone()
    if positions.shape[1] != n:
        raise InputError(f"positions: {positions.shape[1]} rows for {n} neurons")

    # The name belongs to a parameter without values so far, and a buffer cannot take it before that
    # is gone.
    del net.positions
    if learned:
        net.positions = torch.nn.Parameter(positions)
    else:
        net.register_buffer("positions", positions)


def wire_price(net: URN, power: float = 1.0, floor: float = 0.0) -> Tensor:
    """dist(p_i, p_j)^q + floor for every pair of neurons.

    Parameters
    ----------
    net
        A network with positions.
    power
        q, above 0.
    floor
        The price of a wire of length 0.

    Returns
    -------
    Tensor
        `(K, n, n)`. The distance is 0 where one of the two neurons has no position. The gradient
        reaches the positions of hidden neurons only: inputs stay where the data put them.
    """
    hidden = net.hidden
    positions = cast(Tensor, net.positions)

    # Only what stands between inputs and outputs can learn where it is.
    fixed = positions.detach()
    p = torch.cat([fixed[:, : hidden.start], positions[:, hidden], fixed[:, hidden.stop :]], 1)

    placed = ~fixed[..., :1].isnan()  # (K, n, 1)
    squared = _squared_distances(torch.where(placed, p, 0.0)) * (placed & placed.mT)
    if power == 2:
        return squared + floor

    # A root has no gradient at 0. There (a neuron and itself) the distance is exactly 0, and stays.
    at_zero = squared == 0
    distance = torch.where(at_zero, 1.0, squared) ** (power / 2)
    return torch.where(at_zero, 0.0, distance) + floor


def _squared_distances(p: Tensor) -> Tensor:
    """|p_i - p_j|^2 of positions `(K, n, dim)`, `(K, n, n)`."""
    if p.shape[-1] == 1:
        return (p[:, :, None] - p[:, None]).square_().sum(-1)

    # Axis by axis: differences of all axes at once would take dim times the memory.
    squares = ((p[..., None, axis] - p[..., None, :, axis]) ** 2 for axis in range(p.shape[-1]))
    return cast(Tensor, sum(squares))
