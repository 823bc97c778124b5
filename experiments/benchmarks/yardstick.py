"""The yardstick: a URN as one would write it in plain PyTorch in ten minutes. Not used by the
package, only raced against.

Full matrix at every iteration, every L1 term left to autograd, `torch.optim.Adam`, nothing ever
removed."""

import torch
from torch import Tensor, nn


class PlainURN(nn.Module):
    """N(0) = [x; 0]; N(l+1) = relu(N(l) W^T + b); y = last pre-activation of the last d_out
    neurons."""

    def __init__(
        self,
        n_neurons: int,
        n_inputs: int,
        n_outputs: int,
        n_iterations: int,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        scale = torch.full((n_neurons,), (2 / n_neurons) ** 0.5)
        scale[:n_inputs] = (2 / n_inputs) ** 0.5
        self.weight = nn.Parameter(torch.randn(n_neurons, n_neurons, generator=generator) * scale)
        self.bias = nn.Parameter(torch.zeros(n_neurons))
        self.n_inputs = n_inputs
        self.n_outputs = n_outputs

        self.n_iterations = n_iterations

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        N = torch.nn.functional.pad(x, (0, len(self.bias) - self.n_inputs))
        activity = []
        for _ in range(self.n_iterations):
            P = nn.functional.linear(N, self.weight, self.bias)
            N = P.relu()
            activity.append(N)
        return P[:, -self.n_outputs :], activity[:-1]


def objective(
    net: PlainURN, x: Tensor, labels: Tensor, strengths: dict[str, float]
) -> tuple[Tensor, Tensor]:
    """Cross-entropy plus the terms of `strengths`, all of them differentiated; also the logits."""
    y, activity = net(x)
    loss = nn.functional.cross_entropy(y, labels)

    if c := strengths.get("weight"):
        loss = loss + c * net.weight.abs().sum()
    if c := strengths.get("bias"):
        loss = loss + c * net.bias.abs().sum()
    if c := strengths.get("activity"):
        loss = loss + c * sum(N.abs().sum() for N in activity) / len(x)
    if c := strengths.get("depth"):
        n = torch.stack([N.abs().mean(0) for N in activity])
        spoken = torch.zeros_like(n[0])  # an input has spoken at l = 0, an output will at l = I
        spoken[: net.n_inputs] = 1
        spoken[-net.n_outputs :] = 1
        products = ((n.sum(0) + spoken).square() - n.square().sum(0) - spoken).clamp_min(0)
        loss = loss + c * ((products + 0.01).sqrt() - 0.1).sum()

    if c := strengths.get("self"):
        loss = loss + c * net.weight.diagonal().abs().sum()

    return loss, y
