"""The network in its general form, where the input stays the same: after a pulse, and clamped.

    P(l) = N(l) W^T + b,   N(l+1) = phi(P(l)),   y = the output entries of P(I-1)

    g(l) = share(l) + dP(l) W              dL/dN(l); share: what the loss itself asks of N(l)
    dP(l-1) = g(l) phi'(P(l-1))
    dW = sum_l dP(l)^T N(l),   db = sum_l dP(l)

Against `urn.network.definition` three products are saved: at l = 0 only the input columns of W
are used, at l = I - 1 only the output rows, and the weight gradients of all iterations are one.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from urn.network.activation import ACTIVATIONS, BACKWARD
from urn.network.wiring import Wiring


class PulseUnroll(torch.autograd.Function):
    """The input is there at l = 0 only."""

    @staticmethod
    def forward(
        ctx: Any, W: Tensor, b: Tensor, x: Tensor, wiring: Wiring
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return N(1), ..., N(I-1), the batch mean of their absolute values, and y.

        Parameters
        ----------
        W, b : Tensor
            `(K, S, S)` and `(K, S)`.
        x : Tensor
            `(K, B, d_in)`.
        wiring : Wiring
            The input mode does not matter here.

        Returns
        -------
        N, n, y : Tensor
            `(K, I - 1, B, S)`, `(K, I - 1, S)` and `(K, B, d_out)`.
        """
        K, S = b.shape
        phi = ACTIVATIONS[wiring.activation]
        N = W.new_empty(K, wiring.n_iterations - 1, x.shape[1], S)
        source = x
        columns = W[..., : wiring.n_inputs]

        # P(l) is written where N(l+1) will stand, and phi then works in place.
        for P in N.unbind(1):
            torch.baddbmm(b[:, None], source, columns.mT, out=P)
            source = phi(P)
            columns = W

        y = _read_out(columns, b, source, wiring.n_outputs)
        n = (N if wiring.activation == "relu" else N.abs()).mean(2)
        ctx.save_for_backward(W, x, N)
        ctx.set_materialize_grads(False)
        ctx.wiring = wiring
        return N, n, y

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, dN: Tensor | None, dn: Tensor | None, dy: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """The gradients of W, b and x."""
        W, x, N = ctx.saved_tensors
        wiring = ctx.wiring
        dy = _or_zeros(dy, x, wiring.n_outputs)
        if wiring.n_iterations == 1:
            return *_gradients_of_one_iteration(W, x, dy), None

        dP = torch.empty_like(N)  # dP[:, l] belongs to the P that N[:, l] is made from
        shares = None if dn is None else (dn / N.shape[2]).unsqueeze(2).unbind(1)
        backward = BACKWARD[wiring.activation]
        # g is dL/dN(I-1): y reads it through the output rows of W.
        g = torch.bmm(dy, W[:, -wiring.n_outputs :])

        for l in reversed(range(N.shape[1])):
            if shares is not None:
                # A ReLU neuron that is 0 gets no gradient: its share needs no sign.
                g += shares[l] if wiring.activation == "relu" else shares[l] * N[:, l].sign()
            if dN is not None:
                g += dN[:, l]

            backward(g, N[:, l], dP[:, l])
            if l > 0:
                g = torch.bmm(dP[:, l], W)

        dW, db = _parameter_gradients(x, N, dP, dy)
        # At l = 0 the input is read through the input columns of W.
        dx = torch.bmm(dP[:, 0], W[..., : x.shape[-1]]) if ctx.needs_input_grad[2] else None
        return dW, db, dx, None


class ClampedUnroll(torch.autograd.Function):
    """The input is put back at every iteration: what the input neurons made of it is lost."""

    @staticmethod
    def forward(
        ctx: Any, W: Tensor, b: Tensor, x: Tensor, wiring: Wiring
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return N, n and y from W, b and x, with the shapes of `PulseUnroll.forward`."""
        K, S = b.shape
        phi = ACTIVATIONS[wiring.activation]
        N = W.new_empty(K, wiring.n_iterations - 1, x.shape[1], S)
        source = x
        columns = W[..., : wiring.n_inputs]

        # As after a pulse; what W has put into the input neurons is overwritten by x.
        for P in N.unbind(1):
            torch.baddbmm(b[:, None], source, columns.mT, out=P)
            source = phi(P)
            source[..., : wiring.n_inputs] = x
            columns = W

        y = _read_out(columns, b, source, wiring.n_outputs)
        ctx.save_for_backward(W, x, N)
        ctx.set_materialize_grads(False)
        ctx.wiring = wiring
        return N, N.abs().mean(2), y

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, dN: Tensor | None, dn: Tensor | None, dy: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """The gradients of W, b and x."""
        W, x, N = ctx.saved_tensors
        wiring = ctx.wiring
        dy = _or_zeros(dy, x, wiring.n_outputs)
        if wiring.n_iterations == 1:
            return *_gradients_of_one_iteration(W, x, dy), None

        dP = torch.empty_like(N)  # dP[:, l] belongs to the P that N[:, l] is made from
        dx = torch.zeros_like(x) if ctx.needs_input_grad[2] else None
        shares = None if dn is None else (dn / N.shape[2]).unsqueeze(2).unbind(1)
        backward = BACKWARD[wiring.activation]
        # g is dL/dN(I-1), as after a pulse.
        g = torch.bmm(dy, W[:, -wiring.n_outputs :])

        for l in reversed(range(N.shape[1])):
            if shares is not None:
                g += shares[l] * N[:, l].sign()
            if dN is not None:
                g += dN[:, l]

            if dx is not None:
                dx += g[..., : wiring.n_inputs]
            g[..., : wiring.n_inputs] = 0  # what stood there was overwritten
            backward(g, N[:, l], dP[:, l])
            if l > 0:
                g = torch.bmm(dP[:, l], W)

        dW, db = _parameter_gradients(x, N, dP, dy)
        if dx is not None:
            dx += torch.bmm(dP[:, 0], W[..., : wiring.n_inputs])
        return dW, db, dx, None


def _read_out(columns: Tensor, b: Tensor, source: Tensor, n_outputs: int) -> Tensor:
    """y `(K, B, d_out)`: of P(I-1) the outputs alone."""
    out = slice(-n_outputs, None)
    return torch.baddbmm(b[:, None, out], source, columns[:, out].mT)


def _or_zeros(dy: Tensor | None, x: Tensor, n_outputs: int) -> Tensor:
    """The gradient of y; zeros if the loss does not speak of y."""
    return x.new_zeros(*x.shape[:2], n_outputs) if dy is None else dy


def _gradients_of_one_iteration(W: Tensor, x: Tensor, dy: Tensor) -> tuple[Tensor, ...]:
    """Of W, b and x where input columns and output rows are all there is."""
    out = slice(-dy.shape[-1], None)
    d_in = x.shape[-1]
    dW = torch.zeros_like(W)
    dW[:, out, :d_in] = torch.bmm(dy.mT, x)

    db = W.new_zeros(W.shape[:2])
    db[:, out] = dy.sum(1)
    return dW, db, torch.bmm(dy, W[:, out, :d_in])


def _parameter_gradients(x: Tensor, N: Tensor, dP: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
    """dW = sum_l dP(l)^T N(l) and db = sum_l dP(l), of all iterations together."""
    K, L, _, S = N.shape
    out = slice(-dy.shape[-1], None)

    if L > 1:
        later = dP[:, 1:].flatten(1, 2)  # (K, (L - 1) B, S), no copy for a single member
        earlier = N[:, :-1].flatten(1, 2)
        dW = torch.bmm(later.mT, earlier)
    else:
        dW = x.new_zeros(K, S, S)
    # What the sums above lack: l = 0, where only input columns are used, and l = I - 1, where only
    # output rows are.
    dW[..., : x.shape[-1]] += torch.bmm(dP[:, 0].mT, x)
    dW[:, out] += torch.bmm(dy.mT, N[:, -1])

    db = dP.sum((1, 2))
    db[:, out] += dy.sum(1)
    return dW, db
