"""phi: what is applied to every neuron at every iteration, and its derivative."""

from collections.abc import Callable

import torch
from torch import Tensor

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu_, "tanh": torch.tanh_}
"""phi by its name, in place."""

GAINS = {"relu": 2.0, "tanh": 1.0}
"""Variance of a weight times its fan-in: He (2015) for ReLU, LeCun (1998) for tanh."""


def _relu_backward(g: Tensor, N: Tensor, out: Tensor) -> None:
    torch.ops.aten.threshold_backward.grad_input(g, N, 0, grad_input=out)


def _tanh_backward(g: Tensor, N: Tensor, out: Tensor) -> None:
    torch.ops.aten.tanh_backward.grad_input(g, N, grad_input=out)


BACKWARD: dict[str, Callable[[Tensor, Tensor, Tensor], None]] = {
    "relu": _relu_backward,
    "tanh": _tanh_backward,
}
"""out <- g phi'(P), with phi'(P) in terms of N = phi(P), so that P need not be kept."""
