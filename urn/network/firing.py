"""The network of ReLU neurons after a pulse, computing on a CPU with those neurons only that fire.

Long before neurons die, many are silent at some iteration for a whole batch. Such a neuron hands nothing on and gets no
gradient there: its column of W is left out of the next product, its row and column of the product that goes back, and its row
of that iteration's weight gradient. What is left is the same sum without its zeros: `urn.network.module.Unroll` up to rounding.
Twice: compiled where torch has one thread, with torch's own products, which share threads, where it has more.
"""

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from urn.network import compiled as kernels

FEW = 0.85
"""Share of the neurons up to which taking them out of W costs less than the products it saves."""
WORK = 1 << 20
"""B S^2 from which a product takes long enough for members to be computed one by one, each with its own neurons."""
ROWS = 512
"""Rows of W taken at once on the way back, so that a large W is not held twice."""


def way(
    W: Tensor, x: Tensor, n_iterations: int, activation: str, input_mode: str
) -> type[torch.autograd.Function] | None:
    """Which of the two can do what `Unroll` does for this network and batch, and no slower; None for neither."""
    if (
        activation != "relu"
        or input_mode != "pulse"
        or n_iterations < 2
        or x.requires_grad
        or W.device.type != "cpu"
    ):
        return None
    if kernels.serve(W):
        return CompiledUnroll
    return ActiveUnroll if x.shape[1] * W.shape[1] ** 2 >= WORK else None


class CompiledUnroll(torch.autograd.Function):
    """N(l+1) = relu(N(l) W^T + b) after a pulse: `urn.network.compiled.forward` and `backward` for autograd."""

    @staticmethod
    def forward(ctx, W, b, x, n_iterations, n_outputs):
        """Return N `(K, I - 1, B, S)`, n `(K, I - 1, S)` its mean over the batch, and y `(K, B, d_out)`."""
        (K, S), B, L = b.shape, x.shape[1], n_iterations - 1
        x, N, n, y = (
            x.contiguous(),
            W.new_empty(K, L, S, B),
            W.new_empty(K, L, S),
            W.new_empty(K, n_outputs, B),
        )
        ctx.firing = np.empty((K, L, S), np.int64), np.empty((K, L), np.int64)
        kernels.forward(*_arrays(W, b, x, N, n, y), *ctx.firing)
        ctx.save_for_backward(W, x, N)
        ctx.set_materialize_grads(False)
        return N.mT, n, y.mT

    @staticmethod
    @once_differentiable
    def backward(ctx, dN, dn, dy):
        W, x, N = ctx.saved_tensors
        K, L, S, B = N.shape
        dN = N.new_empty(0, 0, 0, 0) if dN is None else dN.mT
        dn = N.new_zeros(K, L, S) if dn is None else dn / B
        dy = N.new_zeros(K, 1, B) if dy is None else dy.mT
        dW, db = torch.empty_like(W), W.new_zeros(K, S)
        kernels.backward(
            *_arrays(W, x, N),
            *ctx.firing,
            *_arrays(*(T.contiguous() for T in (dN, dn, dy)), dW, db),
        )
        return dW, db, None, None, None


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    """The same memory, for NumPy."""
    return [T.detach().numpy() for T in tensors]


class ActiveUnroll(torch.autograd.Function):
    """N(l+1) = relu(N(l) W^T + b) after a pulse, every member with the neurons that fire in it."""

    @staticmethod
    def forward(ctx, W, b, x, n_iterations, n_outputs):
        """Return N `(K, I - 1, B, S)`, n `(K, I - 1, S)` its mean over the batch, and y `(K, B, d_out)`."""
        (K, S), (B, d_in), L, out = b.shape, x.shape[1:], n_iterations - 1, slice(-n_outputs, None)
        N, n, y = W.new_empty(K, L, B, S), W.new_empty(K, L, S), W.new_empty(K, B, n_outputs)
        ctx.firing = []  # of every iteration and member, see `_firing`
        sources, columns = x.unbind(), W[..., :d_in].unbind()
        for l, P in enumerate(N.unbind(1)):
            for bias, source, V, result in zip(
                b.unbind(), sources, columns, P.unbind(), strict=True
            ):
                torch.addmm(bias, source, V.t(), out=result)
            torch.mean(P.relu_(), 1, out=n[:, l])
            ctx.firing.append(_firing(n[:, l]))
            needed = W if l < L - 1 else W[:, out]
            sources = [_take(T, 1, some) for T, some in zip(P.unbind(), ctx.firing[l], strict=True)]
            columns = [
                _take(T, 1, some) for T, some in zip(needed.unbind(), ctx.firing[l], strict=True)
            ]
        for bias, source, V, result in zip(
            b[:, out].unbind(), sources, columns, y.unbind(), strict=True
        ):
            torch.addmm(bias, source, V[out].t(), out=result)
        ctx.save_for_backward(W, x, N)
        ctx.set_materialize_grads(False)
        return N, n, y

    @staticmethod
    @once_differentiable
    def backward(ctx, dN, dn, dy):
        W, x, N = ctx.saved_tensors
        (K, L, B, S), d_in = N.shape, x.shape[2]
        dW, db = torch.zeros_like(W) if L < 2 else torch.empty_like(W), W.new_zeros(K, S)
        dy = N.new_zeros(K, B, 1) if dy is None else dy
        dn = N.new_zeros(K, L, S) if dn is None else dn / B
        out = slice(S - dy.shape[2], S)
        for k, dP in enumerate(
            dy.unbind()
        ):  # dP: dL/dP(l + 1) of the neurons `heard` that fire there, (B, number of them)
            heard, V, dV, Ns, shares = None, W[k, out], dW[k], N[k].unbind(), dn[k].unbind()
            for l in range(L - 1, -1, -1):
                some = ctx.firing[l][k]
                g = _back(dP, heard, V, some, shares[l])
                if dN is not None:
                    g += _take(dN[k, l], 1, some)
                dP = torch.ops.aten.threshold_backward(g, _take(Ns[l], 1, some), 0)
                heard, V = some, W[k]
                if l:
                    _add_outer(dV, heard, dP, Ns[l - 1], fresh=l == L - 1)
                else:
                    _add(dV[:, :d_in], heard, (x[k].t() @ dP).t())
                _add(db[k], heard, dP.sum(0))
        dW[:, out, : S if L else d_in] += torch.bmm(dy.mT, N[:, -1] if L else x)
        db[:, out] += dy.sum(1)
        return dW, db, None, None, None


def _firing(n: Tensor) -> list[Tensor | None]:
    """Of members of mean activity n `(K, S)` the neurons that fire, ascending; None for all, where the others are too few."""
    neurons = n.nonzero()[:, 1].split(n.count_nonzero(1).tolist())
    return [some if len(some) <= FEW * n.shape[1] else None for some in neurons]


def _take(T: Tensor, axis: int, some: Tensor | None) -> Tensor:
    return T if some is None else T.index_select(axis, some)


def _add(T: Tensor, some: Tensor | None, values: Tensor) -> None:
    """T[some] += values."""
    if some is None:
        T += values
    else:
        T.index_add_(0, some, values)


def _parts(heard: Tensor | None, dP: Tensor):
    """Parts of dP `(B, m)`, at least one, with the ROWS neurons they belong to: an index, or a slice where all are heard."""
    for i in range(0, max(1, dP.shape[1]), ROWS):
        part = slice(i, i + ROWS)
        yield part if heard is None else heard[part], dP[:, part]


def _back(
    dP: Tensor, heard: Tensor | None, W: Tensor, some: Tensor | None, share: Tensor
) -> Tensor:
    """share + dP W, from the neurons `heard` to `some`, `(B, number of some)`."""
    g = _take(share, 0, some)
    for rows, part in _parts(heard, dP):
        g = torch.addmm(
            g, part, _take(W[rows] if heard is None else W.index_select(0, rows), 1, some)
        )
    return g


def _add_outer(dW: Tensor, heard: Tensor | None, dP: Tensor, source: Tensor, fresh: bool) -> None:
    """dW[heard] += dP^T source. A fresh dW holds nothing yet."""
    if fresh and heard is not None:
        dW.zero_()
    for rows, part in _parts(heard, dP):
        if heard is None:
            dW[rows].addmm_(part.t(), source, beta=0 if fresh else 1)
        else:
            dW.index_add_(0, rows, part.t() @ source)
