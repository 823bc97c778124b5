"""Where the neurons of convolutions and poolings lie, in the coordinates of the input.

A window's neuron lies at the centre of its receptive field, also where that reaches over the
border. Shapes are those of one sample: (channels, L) or (channels, H, W).
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from analysis.arrays import Floats

DIGITS = 12
"""Decimals of positions: those of float64 that a fit keeps, for lattices of some thousand sites."""

Options = dict[str, Any]
"""kernel_size, stride, padding and dilation as torch takes them: numbers, tuples or words."""


def lattice(shape: Sequence[int]) -> Floats | None:
    """Positions of (channels, L) or (channels, H, W) elements: pixels; None for other shapes."""
    if len(shape) not in (2, 3):
        return None
    sites = np.stack(np.meshgrid(*map(np.arange, shape[1:]), indexing="ij"), axis=-1)
    return np.tile(sites.reshape(-1, len(shape) - 1).astype(float), (shape[0], 1))


def window_centres(
    positions: Floats | None, shape: Sequence[int], out: Sequence[int], options: Options
) -> Floats | None:
    """Centres of the receptive fields of a convolution.

    Parameters
    ----------
    positions : (N, dim) array or None
        Of what is read.
    shape, out : sequence of int
        Of what is read, and of the result.
    options : dict
        Of the convolution.

    Returns
    -------
    (M, dim) array or None
        None where what is read has no positions, or is no lattice.
    """
    if positions is None:
        return None
    dims = len(shape) - 1
    kernel, stride, dilation, before = _by_axis(options, dims)

    # Positions are linear in the indices on a lattice, so they go on beyond its border.
    index = lattice(shape)
    known = np.isfinite(positions).all(axis=1)
    if index is None or not known.any():
        return None
    design = np.column_stack([np.ones(len(index)), index])
    law = np.linalg.lstsq(design[known], positions[known], rcond=None)[0]
    if not np.allclose(design[known] @ law, positions[known], atol=1e-6):
        return None

    sites = lattice(out)
    if sites is None:
        return None
    middle = sites * stride - before + dilation * (kernel - 1) / 2
    # The fit is right up to rounding, which would make sites of one column differ.
    return np.round(np.column_stack([np.ones(len(middle)), middle]) @ law, DIGITS)


def pooling_windows(shape: Sequence[int], out: Sequence[int], options: Options) -> list[list[int]]:
    """The elements in each window of a pooling, those beyond the border left out."""
    dims = len(shape) - 1
    kernel, stride, dilation, before = _by_axis(options, dims)
    numbers = np.arange(int(np.prod(shape))).reshape(shape)

    # The taps of every window along each axis, then all combinations of them.
    taps = [
        [
            [t for k in range(kernel[d]) if 0 <= (t := _tap(o, k, d, stride, dilation, before)) < n]
            for o in range(out[d + 1])
        ]
        for d, n in enumerate(shape[1:])
    ]
    return [
        [int(numbers[(channel, *tap)]) for tap in product(*window)]
        for channel in range(shape[0])
        for window in product(*taps)
    ]


def mean_positions(windows: list[list[int]], positions: Floats | None) -> Floats | None:
    """The centre of each window's elements."""
    if positions is None:
        return None
    return np.array([positions[window].mean(axis=0) for window in windows])


def _tap(o: int, k: int, d: int, stride: Floats, dilation: Floats, before: Floats) -> int:
    """The index along axis d that tap k of window o reads."""
    return int(o * stride[d] - before[d] + k * dilation[d])


def _by_axis(options: Options, dims: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Kernel sizes, strides, dilations and the padding before the first element, by axis."""
    kernel = _repeated(options["kernel_size"], dims)
    stride = _repeated(options.get("stride") or options["kernel_size"], dims)
    dilation = _repeated(options.get("dilation", 1), dims)
    padding = options.get("padding", 0)

    if padding == "valid":
        padding = 0
    if padding == "same":
        return kernel, stride, dilation, dilation * (kernel - 1) // 2
    return kernel, stride, dilation, _repeated(padding, dims)


def _repeated(value: int | Sequence[int], dims: int) -> Floats:
    """One number for each axis."""
    return np.broadcast_to(np.asarray(value, dtype=int), (dims,))
