"""The yardstick: a URN as one would write it in plain PyTorch in ten minutes.

Not used by the package, only raced against. Full matrix at every iteration, every L1 term left to
autograd, `torch.optim.Adam`, nothing ever removed.
"""

import torch
from torch import Tensor, nn


class PlainURN(nn.Module):
    """N(0) = [x; 0]; N(l+1) = relu(N(l) W^T + b); y = P(I) of the last d_out neurons.

    Parameters
    ----------
    n_neurons, n_inputs, n_outputs, n_iterations : int
        S, d_in, d_out and I.
    generator : torch.Generator
        Draws the weights.
    """

    def __init__(
        self,
        n_neurons: int,
        n_inputs: int,
        n_outputs: int,
        n_iterations: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        # He scale for the fan-in of each iteration: inputs alone at the first.
        scale = torch.full((n_neurons,), (2 / n_neurons) ** 0.5)
        scale[:n_inputs] = (2 / n_inputs) ** 0.5

        self.weight = nn.Parameter(torch.randn(n_neurons, n_neurons, generator=generator) * scale)
        self.bias = nn.Parameter(torch.zeros(n_neurons))
        self.n_inputs = n_inputs
        self.n_outputs = n_outputs
        self.n_iterations = n_iterations

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Outputs `(B, d_out)` and activity `(B, S)` at each iteration but the last."""
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
    """Cross-entropy plus the terms of `strengths`, all of them differentiated.

    Parameters
    ----------
    net : PlainURN
    x : (B, d_in) tensor
    labels : (B,) tensor
    strengths : dict
        {term: number}: weight, bias, activity, depth, self.

    Returns
    -------
    loss : scalar tensor
    logits : (B, d_out) tensor
    """
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
        ends = torch.zeros_like(n[0])  # an input has fired at l = 0, an output will at l = I
        ends[: net.n_inputs] = 1
        ends[-net.n_outputs :] = 1
        products = ((n.sum(0) + ends).square() - n.square().sum(0) - ends).clamp_min(0)
        loss = loss + c * ((products + 0.01).sqrt() - 0.1).sum()

    if c := strengths.get("self"):
        loss = loss + c * net.weight.diagonal().abs().sum()
    return loss, y
