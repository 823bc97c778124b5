"""A URN with one iteration per symbol whose outputs hear hidden neurons only: the simple recurrent network (Elman 1990).

    h(t) = phi(W_hx x(t) + W_hh h(t-1) + b_h),   y(t) = W_oh h(t) + b_o

Three blocks of the flat W matter, the others are neither used nor trained. With few streams an update is made of many
small products, so the loop over symbols is two operations each way and everything else is done for all symbols at once.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class ElmanUnroll(torch.autograd.Function):
    """All symbols of a stretch, forwards and backwards; time comes first inside, so that every symbol's part is contiguous."""

    @staticmethod
    def forward(ctx, W, b, x, state, n_outputs, phi, chain):
        """Return (N, n, y): N (K, I, B, S), zero but for hidden neurons; n (K, I, S) the batch mean of |N|; y (K, I, B, d_out).

        x is (K, I, B, d_in), state (K, B, S) or None; `phi` and `chain` are of `network.ACTIVATIONS` and `network.CHAINS`.
        """
        (K, S), (I, B, d_in) = b.shape, x.shape[1:]
        hidden, out = slice(d_in, S - n_outputs), slice(S - n_outputs, S)
        fold = lambda T: T.reshape(K, I * B, -1)  # noqa: E731

        heard = (
            torch.baddbmm(b[:, None, hidden], fold(x), W[:, hidden, :d_in].mT)
            .view(K, I, B, -1)
            .transpose(0, 1)
            .contiguous()
        )
        H = heard.new_zeros(I + 1, *heard.shape[1:])  # H[t] is h before symbol t
        if state is not None:
            H[0] = state[..., hidden]
        recurrent, steps = W[:, hidden, hidden].mT.contiguous(), H.unbind()
        for t, P in enumerate(heard.unbind()):
            phi(torch.baddbmm(P, steps[t], recurrent, out=steps[t + 1]))
        N = W.new_zeros(K, I, B, S)
        N[..., hidden] = H[1:].transpose(0, 1)
        y = torch.baddbmm(b[:, None, out], fold(N[..., hidden]), W[:, out, hidden].mT).view(
            K, I, B, -1
        )

        ctx.save_for_backward(W, x, H)
        ctx.set_materialize_grads(False)
        ctx.hidden, ctx.out, ctx.chain = hidden, out, chain
        return N, N.abs().mean(2), y

    @staticmethod
    @once_differentiable
    def backward(ctx, dN, dn, dy):
        W, x, H = ctx.saved_tensors
        (K, I, B, d_in), hidden, out = x.shape, ctx.hidden, ctx.out
        fold = lambda T: T.reshape(K, I * B, -1)  # noqa: E731
        late = H[1:].transpose(0, 1)  # (K, I, B, hidden)
        dh = torch.zeros_like(late)
        if dy is not None:
            dh = torch.bmm(fold(dy), W[:, out, hidden]).view_as(late)
        if dn is not None:
            dh = dh + dn[:, :, None, hidden] / B * late.sign()
        if dN is not None:
            dh = dh + dN[..., hidden]

        dh, recurrent, dP = (
            dh.transpose(0, 1).contiguous(),
            W[:, hidden, hidden].contiguous(),
            torch.empty_like(H[1:]),
        )
        g, spoken, dPs = dh.unbind(), H.unbind(), dP.unbind()
        for t in range(I - 1, -1, -1):
            ctx.chain(g[t], spoken[t + 1], dPs[t])
            if t:
                g[t - 1].baddbmm_(dPs[t], recurrent)

        dP, early = fold(dP.transpose(0, 1)), fold(H[:-1].transpose(0, 1))
        dW, db = torch.zeros_like(W), W.new_zeros(K, W.shape[1])
        dW[:, hidden, :d_in], dW[:, hidden, hidden] = (
            torch.bmm(dP.mT, fold(x)),
            torch.bmm(dP.mT, early),
        )
        db[:, hidden] = dP.sum(1)
        if dy is not None:
            dW[:, out, hidden], db[:, out] = torch.bmm(fold(dy).mT, fold(late)), dy.sum((1, 2))
        dx = torch.bmm(dP, W[:, hidden, :d_in]).view_as(x) if ctx.needs_input_grad[2] else None
        dstate = None
        if ctx.needs_input_grad[3]:
            dstate = W.new_zeros(K, B, W.shape[1])
            dstate[..., hidden] = torch.bmm(dPs[0], recurrent)
        return dW, db, dx, dstate, None, None, None


def used_blocks(W: Tensor, d_in: int, d_out: int) -> Tensor:
    """W `(K, S, S)` with all but the three blocks that matter set to zero, in place."""
    S = W.shape[-1]
    W[:, :d_in] = 0
    W[:, :, S - d_out :] = 0
    W[:, S - d_out :, :d_in] = 0
    return W
