"""A URN with an iteration a symbol whose outputs hear hidden neurons only: Elman's network (1990).

    h(t) = phi(W_hx x(t) + W_hh h(t-1) + b_h),   y(t) = W_oh h(t) + b_o

    dh(t) = share(t) + dy(t) W_oh + dP(t+1) W_hh,   dP(t) = dh(t) phi'(P(t))
    dW_hx = sum_t dP(t)^T x(t),   dW_hh = sum_t dP(t)^T h(t-1),   dW_oh = sum_t dy(t)^T h(t)

Three blocks of the flat W matter, the others are neither used nor trained. With few streams an
update is made of many small products, so the loop over symbols is two operations each way and
everything else is done for all symbols at once.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from urn.network.activation import ACTIVATIONS, BACKWARD
from urn.network.wiring import Wiring


class ElmanUnroll(torch.autograd.Function):
    """All symbols of a stretch. Time comes first inside: a symbol's part is then contiguous."""

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
            `(K, I, B, S)`, zero but for hidden neurons; `(K, I, S)`; `(K, I, B, d_out)`.
        """
        K, I, B, d_in = x.shape
        hidden, out = _blocks(W, wiring)
        phi = ACTIVATIONS[wiring.activation]

        # The input's part of all P at once; the loop over symbols adds W_hh h(t-1).
        heard = torch.baddbmm(b[:, None, hidden], _fold(x), W[:, hidden, :d_in].mT)
        heard = heard.view(K, I, B, -1).transpose(0, 1).contiguous()
        H = heard.new_zeros(I + 1, *heard.shape[1:])  # H[t] is h before symbol t
        if state is not None:
            H[0] = state[..., hidden]

        recurrent = W[:, hidden, hidden].mT.contiguous()
        steps = H.unbind()
        for t, P in enumerate(heard.unbind()):
            phi(torch.baddbmm(P, steps[t], recurrent, out=steps[t + 1]))

        # Back to flat vectors: what hidden neurons did, in the shape of the other modes.
        N = W.new_zeros(K, I, B, W.shape[-1])
        N[..., hidden] = H[1:].transpose(0, 1)
        y = torch.baddbmm(b[:, None, out], _fold(N[..., hidden]), W[:, out, hidden].mT)
        ctx.save_for_backward(W, x, H)
        ctx.set_materialize_grads(False)
        ctx.wiring = wiring
        return N, N.abs().mean(2), y.view(K, I, B, -1)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, dN: Tensor | None, dn: Tensor | None, dy: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """The gradients of W, b, x and the state."""
        W, x, H = ctx.saved_tensors
        hidden, out = _blocks(W, ctx.wiring)
        d_in = x.shape[-1]
        backward = BACKWARD[ctx.wiring.activation]
        late = H[1:].transpose(0, 1)  # (K, I, B, hidden)

        dh = _own_share(W[:, out, hidden], late, dy, dn, dN, hidden)
        # Backwards, too, the loop holds only what one symbol needs of the next: a phi' and a
        # product.
        recurrent = W[:, hidden, hidden].contiguous()
        dP = torch.empty_like(H[1:])
        g = dh.transpose(0, 1).contiguous().unbind()
        after = H[1:].unbind()
        for t in reversed(range(len(dP))):
            backward(g[t], after[t], dP[t])
            if t > 0:
                g[t - 1].baddbmm_(dP[t], recurrent)

        # The gradients of the three blocks: one product each, over all symbols and streams.
        every_dP = _fold(dP.transpose(0, 1))
        dW = torch.zeros_like(W)
        dW[:, hidden, :d_in] = torch.bmm(every_dP.mT, _fold(x))
        dW[:, hidden, hidden] = torch.bmm(every_dP.mT, _fold(H[:-1].transpose(0, 1)))
        db = W.new_zeros(W.shape[:2])
        db[:, hidden] = every_dP.sum(1)
        if dy is not None:
            dW[:, out, hidden] = torch.bmm(_fold(dy).mT, _fold(late))
            db[:, out] = dy.sum((1, 2))

        dx = dstate = None
        if ctx.needs_input_grad[2]:
            dx = torch.bmm(every_dP, W[:, hidden, :d_in]).view_as(x)
        if ctx.needs_input_grad[3]:
            dstate = W.new_zeros(*dP[0].shape[:2], W.shape[1])
            dstate[..., hidden] = torch.bmm(dP[0], recurrent)
        return dW, db, dx, dstate, None


def _blocks(W: Tensor, wiring: Wiring) -> tuple[slice, slice]:
    """The hidden and the output neurons."""
    S = W.shape[-1]
    first_output = S - wiring.n_outputs
    return slice(wiring.n_inputs, first_output), slice(first_output, S)


def _fold(T: Tensor) -> Tensor:
    """`(K, I, B, m)` as `(K, I B, m)`: all symbols are one batch."""
    return T.flatten(1, 2)


def _own_share(
    W_oh: Tensor,
    late: Tensor,
    dy: Tensor | None,
    dn: Tensor | None,
    dN: Tensor | None,
    hidden: slice,
) -> Tensor:
    """What the loss itself asks of h `(K, I, B, hidden)`: through y, through n and through N."""
    dh = torch.zeros_like(late)
    if dy is not None:
        dh = torch.bmm(_fold(dy), W_oh).view_as(late)
    if dn is not None:
        dh = dh + dn[:, :, None, hidden] / late.shape[2] * late.sign()
    if dN is not None:
        dh = dh + dN[..., hidden]
    return dh


def keep_used_blocks(W: Tensor, n_inputs: int, n_outputs: int) -> Tensor:
    """Set all but the three blocks of W `(K, S, S)` that matter to zero, in place."""
    first_output = W.shape[-1] - n_outputs
    W[:, :n_inputs] = 0
    W[:, :, first_output:] = 0
    W[:, first_output:, :n_inputs] = 0
    return W
