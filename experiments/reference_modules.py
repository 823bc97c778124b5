"""Torch modules of known architecture, small enough to be trained in seconds.

Each takes flat rows of inputs, as the tasks have them. Nothing is trained or judged here.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with rectifiers between them, from inputs to outputs."""
    layers: list[nn.Module] = []
    for n, m in pairwise(widths):
        layers += [nn.Linear(n, m), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Masked(nn.Module):
    """A Linear layer, some of whose weights are zero for good.

    Parameters
    ----------
    mask : (m, n) Tensor
        1 where there is a weight.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask.float())
        fan_in = self.mask.sum(1, keepdim=True).clamp(min=1)
        self.weight = nn.Parameter(torch.randn(mask.shape) * (2 / fan_in).sqrt())
        self.bias = nn.Parameter(torch.zeros(len(mask)))

    def forward(self, x: Tensor) -> Tensor:
        """Rows (B, n) to rows (B, m)."""
        return nn.functional.linear(x, self.weight * self.mask, self.bias)


def windows(side: int, dim: int, reach: int) -> Tensor:
    """(m, n) mask: the inner sites of a lattice, each with the sites in its window.

    `reach` sites each way; sites whose window would reach over the border are left out.
    """
    line = torch.arange(side)
    near = (line[:, None] - line[None]).abs() <= reach
    near = near[reach : side - reach]
    return near if dim == 1 else torch.kron(near.int(), near.int()).bool()


def local(side: int, dim: int, reach: int, channels: int, n_outputs: int) -> nn.Sequential:
    """Two layers of windows without shared weights, then a read-out."""
    first = windows(side, dim, reach).repeat(channels, 1)
    inner = side - 2 * reach
    second = windows(inner, dim, reach).repeat(channels, channels)
    return nn.Sequential(
        Masked(first), nn.ReLU(), Masked(second), nn.ReLU(), nn.Linear(len(second), n_outputs)
    )


def convolutional(
    side: int,
    dim: int,
    kernel: int,
    n_outputs: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    pool: int = 1,
) -> nn.Sequential:
    """Two convolutions, with a pooling between them if asked for.

    Stride and dilation are those of the first. On a square that shrinks, the border is padded and
    the second kernel is smaller, or no sites would be left to share a kernel.
    """
    channels = 4 if dim == 1 else 6
    padding = 1 if dim == 2 and (stride > 1 or pool > 1) else 0
    second = 2 if padding else 3
    convolution = nn.Conv1d if dim == 1 else nn.Conv2d
    pooling = nn.AvgPool1d if dim == 1 else nn.AvgPool2d
    first = convolution(1, channels, kernel, stride, padding, dilation)
    n = (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    layers: list[nn.Module] = [nn.Unflatten(1, (1, *(side,) * dim)), first, nn.ReLU()]
    if pool > 1:
        layers.append(pooling(pool))
        n //= pool

    layers += [convolution(channels, channels, second), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(channels * (n - second + 1) ** dim, n_outputs))


class Residual(nn.Module):
    """Blocks h' = relu(h + V relu(W h)) behind a first layer."""

    def __init__(self, n_inputs: int, width: int, n_blocks: int, n_outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_inputs, width)
        self.inner = nn.ModuleList(nn.Linear(width, width + 8) for _ in range(n_blocks))
        self.outer = nn.ModuleList(nn.Linear(width + 8, width) for _ in range(n_blocks))
        self.last = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Rows to rows."""
        h = torch.relu(self.first(x))
        for inner, outer in zip(self.inner, self.outer, strict=True):
            h = torch.relu(h + outer(torch.relu(inner(h))))
        return self.last(h)


class Concatenating(nn.Module):
    """Layers that each read all layers before them, and a read-out of all of them."""

    def __init__(self, n_inputs: int, width: int, n_layers: int, n_outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_inputs, width)
        self.layers = nn.ModuleList(nn.Linear(width * k, width) for k in range(1, n_layers))
        self.last = nn.Linear(width * n_layers, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Rows to rows."""
        h = torch.relu(self.first(x))
        for layer in self.layers:
            h = torch.cat([h, torch.relu(layer(h))], dim=1)
        return self.last(h)


class Recurrent(nn.Module):
    """h' = relu(keep h + U x + W h) with the same x at every step, h = 0 before the first.

    Parameters
    ----------
    n_inputs, width, n_outputs : int
    n_steps : int
    keep : float
        What a neuron keeps of its own value; 0 for a plain recurrent network.
    """

    def __init__(
        self, n_inputs: int, width: int, n_outputs: int, n_steps: int, keep: float = 0.0
    ) -> None:
        super().__init__()
        self.n_steps = n_steps
        self.keep = keep
        self.reads = nn.Linear(n_inputs, width)
        self.returns = nn.Linear(width, width, bias=False)
        self.last = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Rows to rows."""
        h = torch.relu(self.reads(x))
        for _ in range(self.n_steps - 1):
            drive = self.reads(x) + self.returns(h)
            h = torch.relu(drive + self.keep * h if self.keep else drive)
        return self.last(h)


class Rows(nn.Module):
    """`nn.RNN` over the parts of a row of inputs, one after the other; reads out its last state."""

    def __init__(self, n_inputs: int, n_steps: int, width: int, n_outputs: int) -> None:
        super().__init__()
        self.shape = (n_steps, n_inputs // n_steps)
        self.rnn = nn.RNN(self.shape[1], width, nonlinearity="relu", batch_first=True)
        self.last = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Rows to rows."""
        states, _ = self.rnn(x.reshape(-1, *self.shape))
        return self.last(states[:, -1])


class Towers(nn.Module):
    """Two perceptrons, each on its half of the inputs: outputs side by side, or summed."""

    def __init__(
        self, n_inputs: int, widths: Sequence[int], n_outputs: int, *, summed: bool
    ) -> None:
        super().__init__()
        self.n_left = n_inputs // 2
        self.summed = summed
        self.left = perceptron([self.n_left, *widths, n_outputs])
        self.right = perceptron([n_inputs - self.n_left, *widths, n_outputs])

    def forward(self, x: Tensor) -> Tensor:
        """Rows (B, n) to rows (B, m), or (B, 2 m) where they stand side by side."""
        left = self.left(x[:, : self.n_left])
        right = self.right(x[:, self.n_left :])
        return left + right if self.summed else torch.cat([left, right], dim=1)


class Experts(nn.Module):
    """Perceptrons that share inputs and outputs and nothing between: their outputs are summed."""

    def __init__(
        self, n_inputs: int, widths: Sequence[int], n_outputs: int, n_experts: int = 3
    ) -> None:
        super().__init__()
        self.experts = nn.ModuleList(
            perceptron([n_inputs, *widths, n_outputs]) for _ in range(n_experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Rows to rows."""
        total = self.experts[0](x)
        for expert in self.experts[1:]:
            total = total + expert(x)
        return total
