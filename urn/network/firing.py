"""ReLU neurons after a pulse, computing with those only that fire: torch's products, many threads.

Long before neurons die, many are silent at some iteration for the whole batch. Such a neuron hands
nothing on and gets no gradient there: its column of W is left out of the next product, its row and
column of the product that goes back, and its row of that iteration's weight gradient. The sums are
those of `urn.network.unroll.PulseUnroll` without their zeros, so both agree up to rounding.

Backwards, at every iteration and for every member, with dP of the neurons that fire one later:

    g = share + dP W
    dP = g [N > 0]
    dW += dP^T N
    db += sum dP

`urn.network.compiled` writes the same four lines for one thread.

What it gains, measured at S = 500 on digits with one thread, before there was compiled code: a step
takes 6.8 ms instead of 7.0 at step 50, 5.8 instead of 7.1 at step 600 and 6.4 instead of 9.9 at
step 1000. A population of 8 gains nothing while all fire, and 1.1 over a whole training.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from urn.network.wiring import Wiring

FEW = 0.85
"""Share of the neurons up to which taking them out of W costs less than the products it saves.

The times above were measured with this value. Compiled code has a value of its own: who is taken
out decides how sums round, so one value for both would change trained weights.
"""

ROWS = 512
"""Rows of W taken at once on the way back, so that a large W is not held twice. By judgement."""

Neurons = Tensor | None
"""Indices of neurons, ascending; None for all."""


class FiringUnroll(torch.autograd.Function):
    """N(l+1) = relu(N(l) W^T + b) after a pulse, every member with the neurons that fire in it."""

    @staticmethod
    def forward(
        ctx: Any, W: Tensor, b: Tensor, x: Tensor, wiring: Wiring
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return N `(K, I - 1, B, S)`, n `(K, I - 1, S)` its batch mean, and y `(K, B, d_out)`."""
        K, S = b.shape
        B, d_in = x.shape[1:]
        L = wiring.n_iterations - 1
        out = slice(-wiring.n_outputs, None)
        N = W.new_empty(K, L, B, S)
        n = W.new_empty(K, L, S)
        y = W.new_empty(K, B, wiring.n_outputs)
        firing = []  # of every iteration and member
        sources = list(x.unbind())
        columns = list(W[..., :d_in].unbind())

        for l, P in enumerate(N.unbind(1)):
            _products(b, sources, columns, P)
            torch.mean(P.relu_(), 1, out=n[:, l])
            firing.append(firing_neurons(n[:, l]))

            # The last product is the read-out, which needs the output rows of W only.
            needed = W if l < L - 1 else W[:, out]
            sources = _take_each(P, firing[l])
            columns = _take_each(needed, firing[l])
        _products(b[:, out], sources, columns, y)

        ctx.save_for_backward(W, x, N)
        ctx.set_materialize_grads(False)
        ctx.firing = firing
        return N, n, y

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, dN: Tensor | None, dn: Tensor | None, dy: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """The gradients of W and b."""
        W, x, N = ctx.saved_tensors
        K, L, B, S = N.shape
        dy = N.new_zeros(K, B, 1) if dy is None else dy
        share = N.new_zeros(K, L, S) if dn is None else dn / B
        out = slice(S - dy.shape[2], S)
        dW = torch.empty_like(W) if L > 1 else torch.zeros_like(W)
        db = W.new_zeros(K, S)

        for k in range(K):
            dP = dy[k]  # (B, m), of the m neurons `later` that fire one iteration later
            later = None
            rows = W[k, out]
            for l in reversed(range(L)):
                now = ctx.firing[l][k]
                g = _back(share[k, l], dP, rows, later, now)
                if dN is not None:
                    g += _take(dN[k, l], 1, now)
                # dP = g [N > 0], the second of the four lines.
                dP = torch.ops.aten.threshold_backward(g, _take(N[k, l], 1, now), 0)

                if l > 0:
                    _add_outer(dW[k], now, dP, N[k, l - 1], is_fresh=l == L - 1)
                else:
                    _add(dW[k, :, : x.shape[2]], now, (x[k].t() @ dP).t())
                _add(db[k], now, dP.sum(0))
                later = now
                rows = W[k]

        # y(I) = W N(I-1) + b is the last application of W.
        dW[:, out] += torch.bmm(dy.mT, N[:, -1])
        db[:, out] += dy.sum(1)
        return dW, db, None, None


def firing_neurons(n: Tensor) -> list[Neurons]:
    """Of members of mean activity n `(K, S)` the neurons that fire; all where few are silent."""
    neurons = n.nonzero()[:, 1].split(n.count_nonzero(1).tolist())
    return [firing if len(firing) <= FEW * n.shape[1] else None for firing in neurons]


def _products(
    b: Tensor, sources: Sequence[Tensor], columns: Sequence[Tensor], result: Tensor
) -> None:
    """result[k] <- b[k] + sources[k] columns[k]^T for every member, each of a size of its own."""
    for bias, source, V, P in zip(b.unbind(), sources, columns, result.unbind(), strict=True):
        torch.addmm(bias, source, V.t(), out=P)


def _take(T: Tensor, axis: int, neurons: Neurons) -> Tensor:
    return T if neurons is None else T.index_select(axis, neurons)


def _take_each(T: Tensor, neurons: Sequence[Neurons]) -> list[Tensor]:
    """Of every member the columns of its own neurons."""
    return [_take(t, 1, own) for t, own in zip(T.unbind(), neurons, strict=True)]


def _add(T: Tensor, neurons: Neurons, values: Tensor) -> None:
    """T[neurons] += values."""
    if neurons is None:
        T += values
    else:
        T.index_add_(0, neurons, values)


def _parts(later: Neurons, dP: Tensor) -> Iterator[tuple[slice | Tensor, Tensor]]:
    """Parts of dP `(B, m)`, at least one, each with the up to ROWS neurons that it belongs to."""
    for i in range(0, max(1, dP.shape[1]), ROWS):
        part = slice(i, i + ROWS)
        yield part if later is None else later[part], dP[:, part]


def _back(share: Tensor, dP: Tensor, W: Tensor, later: Neurons, now: Neurons) -> Tensor:
    """share + dP W, from the neurons `later` to the neurons `now`, `(B, number of now)`."""
    g = _take(share, 0, now)
    for rows, part in _parts(later, dP):
        taken = W[rows] if isinstance(rows, slice) else W.index_select(0, rows)
        g = torch.addmm(g, part, _take(taken, 1, now))
    return g


def _add_outer(dW: Tensor, now: Neurons, dP: Tensor, source: Tensor, *, is_fresh: bool) -> None:
    """dW[now] += dP^T source. A fresh dW holds nothing yet."""
    if is_fresh and now is not None:
        dW.zero_()
    for rows, part in _parts(now, dP):
        if isinstance(rows, slice):
            dW[rows].addmm_(part.t(), source, beta=0 if is_fresh else 1)
        else:
            dW.index_add_(0, rows, part.t() @ source)
