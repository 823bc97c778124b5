"""The network that reads an input at every iteration (an RNN).

A symbol of a stream is answered after each, a sequence after its last input.

    N(t) = what iteration t - 1 left, with symbol t written over the inputs
    P(t) = N(t) W^T + b,   y(t) = the output entries of P(t),   N(t+1) = phi(P(t))

    g(t+1) = share(t+1) + dP(t+1) W, and none for what symbol t + 1 was written over
    dP(t) = g(t+1) phi'(P(t)), and dy(t) on the outputs
    dW = sum_t dP(t)^T N(t),   db = sum_t dP(t)

Where no state is carried in, N(0) is zero but for the inputs, and only their columns are used. A
sequence is a stream of I inputs into which nothing is carried, and of which y(I-1) is asked.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from urn.network.activation import ACTIVATIONS, BACKWARD
from urn.network.wiring import Wiring


class StreamUnroll(torch.autograd.Function):
    """All symbols of a stretch, forwards and backwards."""

    @staticmethod
    def forward(
        ctx: Any, W: Tensor, b: Tensor, x: Tensor, state: Tensor | None, wiring: Wiring
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return N(1), ..., N(I), the batch mean of their absolute values, and y.

        Parameters
        ----------
        W, b : Tensor
            `(K, S, S)` and `(K, S)`.
        x : Tensor
            `(K, I, B, d_in)`.
        state : Tensor or None
            `(K, B, S)`, what an earlier stretch left.
        wiring : Wiring
            d_in, d_out, I and phi.

        Returns
        -------
        N, n, y : Tensor
            `(K, I, B, S)`, `(K, I, S)` and `(K, I, B, d_out)`. N(I) is the state to carry on.
        """
        K, I, B, d_in = x.shape
        phi = ACTIVATIONS[wiring.activation]
        N = W.new_empty(K, I + 1, B, W.shape[-1])  # N[:, t] is N(t); N[:, 0] where it is carried
        y = W.new_empty(K, I, B, wiring.n_outputs)
        source = x[:, 0]
        columns = W[..., :d_in]
        if state is not None:
            N[:, 0] = state
            N[:, 0, :, :d_in] = x[:, 0]
            source = N[:, 0]
            columns = W

        # The symbol t + 1 is written over what W has put into the input neurons.
        for t in range(I):
            P = torch.baddbmm(b[:, None], source, columns.mT, out=N[:, t + 1])
            y[:, t] = P[..., -wiring.n_outputs :]
            source = phi(P)
            columns = W
            if t + 1 < I:
                source[..., :d_in] = x[:, t + 1]

        ctx.save_for_backward(W, x, N)
        ctx.set_materialize_grads(False)
        ctx.wiring = wiring
        ctx.is_carried = state is not None
        return N[:, 1:], N[:, 1:].abs().mean(2), y

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, dN: Tensor | None, dn: Tensor | None, dy: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """The gradients of W, b, x and the state."""
        W, x, N = ctx.saved_tensors
        wiring = ctx.wiring
        I, B, d_in = x.shape[1:]
        dP = torch.empty_like(N[:, 1:])
        dx = torch.zeros_like(x) if ctx.needs_input_grad[2] else None
        shares = None if dn is None else (dn / B).unsqueeze(2).unbind(1)
        backward = BACKWARD[wiring.activation]
        g = torch.zeros_like(N[:, I])

        # Backwards through time: g is dL/dN(t+1), and y(t) asks of P(t) directly.
        for t in reversed(range(I)):
            if shares is not None:
                g += shares[t] * N[:, t + 1].sign()
            if dN is not None:
                g += dN[:, t]
            if t + 1 < I:
                _hand_over(g, dx, t + 1, d_in)

            backward(g, N[:, t + 1], dP[:, t])
            if dy is not None:
                dP[:, t, :, -wiring.n_outputs :] += dy[:, t]
            if t > 0 or ctx.is_carried:
                g = torch.bmm(dP[:, t], W)

        dW = _weight_gradient(x, N, dP, ctx.is_carried)
        db = dP.sum((1, 2))
        if ctx.is_carried:
            _hand_over(g, dx, 0, d_in)
            return dW, db, dx, g, None
        if dx is not None:
            dx[:, 0] += torch.bmm(dP[:, 0], W[..., :d_in])
        return dW, db, dx, None, None


class SequenceUnroll:
    """A sequence of I inputs, answered once at the end."""

    @staticmethod
    def apply(W: Tensor, b: Tensor, x: Tensor, wiring: Wiring) -> tuple[Tensor, Tensor, Tensor]:
        """Return N(1), ..., N(I-1), the batch mean of their absolute values, and y.

        Parameters
        ----------
        W, b : Tensor
            `(K, S, S)` and `(K, S)`.
        x : Tensor
            `(K, I, B, d_in)`.
        wiring : Wiring
            d_in, d_out, I and phi.

        Returns
        -------
        N, n, y : Tensor
            `(K, I - 1, B, S)`, `(K, I - 1, S)` and `(K, B, d_out)`.
        """
        N, n, y = StreamUnroll.apply(W, b, x, None, wiring)
        # No later input goes on from N(I).
        return N[:, :-1], n[:, :-1], y[:, -1]


def _hand_over(g: Tensor, dx: Tensor | None, t: int, d_in: int) -> None:
    """Give the input neurons' gradient to symbol t, which was written over what stood there."""
    if dx is not None:
        dx[:, t] += g[..., :d_in]
    g[..., :d_in] = 0


def _weight_gradient(x: Tensor, N: Tensor, dP: Tensor, is_carried: bool) -> Tensor:
    """dW = sum_t dP(t)^T N(t), of all symbols together."""
    K, I, _, S = dP.shape
    if is_carried:
        return torch.bmm(dP.flatten(1, 2).mT, N[:, :-1].flatten(1, 2))

    if I > 1:
        dW = torch.bmm(dP[:, 1:].flatten(1, 2).mT, N[:, 1:-1].flatten(1, 2))
    else:
        dW = x.new_zeros(K, S, S)
    dW[..., : x.shape[-1]] += torch.bmm(dP[:, 0].mT, x[:, 0])
    return dW
