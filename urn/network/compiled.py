"""ReLU neurons after a pulse, computing with those only that fire: compiled by Numba, one thread.

One pass over memory where tensor operations make many, and none of the cost of calling them: for
matrices of a few hundred neurons that is more than half of a step. Activities are held neuron by
neuron, N(l) as `(S, B)`, so that the neurons that fire are rows. Products are those of the BLAS
that SciPy brings.

Backwards, at every iteration and for every member, with dP of the neurons that fire one later:

    g = share + dP W
    dP = g [N > 0]
    dW += dP^T N
    db += sum dP

These are the four lines of `urn.network.firing`, which shares them between threads; both agree with
`urn.network.definition` up to rounding. The sum over dP is taken while dP is written.

The optimiser's step (`adam`, at the end) is here too, because it is compiled in the same way;
`urn.optimiser.fast` calls it.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from urn.network.blas import sgemm
from urn.network.jit import njit
from urn.network.wiring import Wiring

compiled = njit(nogil=True, error_model="numpy", cache=True)
"""Kept on disk; divides as NumPy does."""

summed = njit(
    nogil=True, error_model="numpy", cache=True, fastmath={"reassoc", "nsz"}, forceinline=True
)
"""Sums may be reordered, so that many terms are added at once.

Inlined, or the order would depend on whether the caller came from the disk.
"""

FEW = 0.9
"""Share of the neurons up to which taking them out of W costs less than the products it saves.

By judgement: copies cost less here than in `urn.network.firing`, so more may be taken out than
there. No measurement of this value is recorded; another one changes how sums round.
"""

ROWS = 512
"""Rows of W taken at once, so that a large W is not held twice. By judgement."""

Array = NDArray[np.float32]
Indices = NDArray[np.int64]


class Firing(NamedTuple):
    """Which neurons fire: `neurons` `(K, I - 1, S)`, of each row the first `counts` `(K, I -
    1)`."""

    neurons: Indices
    counts: Indices


class Asked(NamedTuple):
    """What the loss asks of N, n and y: `dN` (empty for none), `share` of dn, and `dy`."""

    dN: Array
    share: Array
    dy: Array


class Room(NamedTuple):
    """Memory for parts of W, of dW and of N, used again by every product."""

    W: Array
    C: Array
    N: Array


class CompiledUnroll(torch.autograd.Function):
    """N(l+1) = relu(N(l) W^T + b) after a pulse: `forward` and `backward` below for autograd."""

    @staticmethod
    def forward(
        ctx: Any, W: Tensor, b: Tensor, x: Tensor, wiring: Wiring
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return N `(K, I - 1, B, S)`, n `(K, I - 1, S)` its batch mean, and y `(K, B, d_out)`."""
        K, S = b.shape
        L = wiring.n_iterations - 1
        x = x.contiguous()
        N = W.new_empty(K, L, S, x.shape[1])
        n = W.new_empty(K, L, S)
        y = W.new_empty(K, wiring.n_outputs, x.shape[1])

        firing = Firing(np.empty((K, L, S), np.int64), np.empty((K, L), np.int64))
        forward(*_arrays(W, b, x, N, n, y), firing)
        ctx.save_for_backward(W, x, N)
        ctx.set_materialize_grads(False)
        ctx.firing = firing
        return N.mT, n, y.mT

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, dN: Tensor | None, dn: Tensor | None, dy: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """The gradients of W and b."""
        W, x, N = ctx.saved_tensors
        K, L, S, B = N.shape
        dN = N.new_empty(0, 0, 0, 0) if dN is None else dN.mT
        share = N.new_zeros(K, L, S) if dn is None else dn / B
        dy = N.new_zeros(K, 1, B) if dy is None else dy.mT
        asked = Asked(*_arrays(*(T.contiguous() for T in (dN, share, dy))))

        dW = torch.empty_like(W)
        db = W.new_zeros(K, S)
        backward(*_arrays(W, x, N), ctx.firing, asked, *_arrays(dW, db))
        return dW, db, None, None


def _arrays(*tensors: Tensor) -> list[Array]:
    """The same memory, for NumPy."""
    return [T.detach().numpy() for T in tensors]


@compiled
def between_rows(M: Array) -> int:
    """Entries from one row of M to the next; a single row may say anything."""
    return max(M.strides[0] // 4, M.shape[1])


@compiled
def product(A: Array, B: Array, C: Array, turn_A: bool, turn_B: bool, beta: float) -> None:
    """C <- A B + beta C for matrices whose rows are contiguous; `turn` for a transposed one."""
    size = np.empty(6, np.int32)
    # The 13 arguments of sgemm are addresses: of two letters, six integers, two scales and three
    # matrices.
    size[0] = C.shape[1]
    size[1] = C.shape[0]
    size[2] = A.shape[0] if turn_A else A.shape[1]
    size[3] = between_rows(B)
    size[4] = between_rows(A)
    size[5] = between_rows(C)
    scale = np.empty(2, np.float32)
    scale[0] = 1
    scale[1] = beta
    turn = np.empty(2, np.uint8)
    turn[0] = ord("T") if turn_B else ord("N")
    turn[1] = ord("T") if turn_A else ord("N")

    if size[0] == 0 or size[1] == 0:
        return
    if size[2] == 0:
        if beta == 0:
            C[:] = 0
        return

    # Fortran reads what we call C as its transpose, so B comes first.
    i = size.ctypes.data
    s = scale.ctypes.data
    t = turn.ctypes.data
    a = A.ctypes.data
    b = B.ctypes.data
    c = C.ctypes.data
    # mypy takes `sgemm` for what declares a function; it is the function.
    sgemm(t, t + 1, i, i + 4, i + 8, s, b, i + 12, a, i + 16, s + 4, c, i + 20)  # type: ignore[call-overload]

    # Used once more, so that Numba does not let go of them before the call.
    size[0] = 0
    scale[0] = 0
    turn[0] = 0


@compiled
def rows_of(N: Array, neurons: Indices, room: Array) -> Array:
    """N[neurons], N itself where that is all of it."""
    if len(neurons) == len(N):
        return N
    taken = room[: len(neurons) * N.shape[1]].reshape(len(neurons), N.shape[1])
    for i in range(len(neurons)):
        taken[i] = N[neurons[i]]
    return taken


@compiled
def part_of(W: Array, rows: Indices, columns: Indices, room: Array) -> Array:
    """W[rows][:, columns]."""
    taken = room[: len(rows) * len(columns)].reshape(len(rows), len(columns))
    for i in range(len(rows)):
        row = W[rows[i]]
        for j in range(len(columns)):
            taken[i, j] = row[columns[j]]
    return taken


@compiled
def add_to_part(W: Array, rows: Indices, columns: Indices, C: Array) -> None:
    """W[rows][:, columns] += C."""
    for i in range(len(rows)):
        row = W[rows[i]]
        for j in range(len(columns)):
            row[columns[j]] += C[i, j]


@summed
def fire(P: Array, b: Array, n: Array, firing: Indices) -> int:
    """P <- relu(P + b), n <- its batch means, firing <- the neurons that fire.

    Returns how many they are; all, where few are silent.
    """
    count = 0
    for i in range(len(P)):
        total = np.float32(0)
        row = P[i]
        bias = b[i]
        for j in range(len(row)):
            z = row[j] + bias
            row[j] = np.float32(0) if z <= 0 else z  # what is no number stays none
            total += row[j]

        n[i] = total / np.float32(len(row))
        if total != 0:
            firing[count] = i
            count += 1

    if count > FEW * len(P):
        count = len(P)
        for i in range(count):
            firing[i] = i
    return count


@summed
def gate(G: Array, N: Array, neurons: Indices, share: Array, db: Array) -> None:
    """G <- (G + share) [N > 0] for some neurons, and its sums over the batch to db."""
    for i in range(len(neurons)):
        total = np.float32(0)
        fired = N[neurons[i]]
        row = G[i]
        more = share[neurons[i]]
        for j in range(len(row)):
            row[j] = np.float32(0) if fired[j] <= 0 else row[j] + more
            total += row[j]
        db[neurons[i]] += total


@compiled
def forward(W: Array, b: Array, x: Array, N: Array, n: Array, y: Array, firing: Firing) -> None:
    """N(l+1) = relu(W N(l) + b) after a pulse, every member with the neurons that fire in it.

    From W `(K, S, S)`, b `(K, S)` and x `(K, B, d_in)` to N `(K, I - 1, S, B)`, its means n
    `(K, I - 1, S)`, y `(K, d_out, B)`, and who fired.
    """
    K, L, S, B = N.shape
    d_in = x.shape[2]
    d_out = y.shape[1]
    everyone = np.arange(S)
    room_W = np.empty(min(S, ROWS) * S, np.float32)
    room_N = np.empty(S * B, np.float32)
    neurons, count = firing

    for k in range(K):
        product(W[k][:, :d_in], x[k], N[k, 0], False, True, 0)
        count[k, 0] = fire(N[k, 0], b[k], n[k, 0], neurons[k, 0])

        for l in range(1, L):
            now = neurons[k, l - 1, : count[k, l - 1]]
            if len(now) == S:
                product(W[k], N[k, l - 1], N[k, l], False, False, 0)
            else:
                source = rows_of(N[k, l - 1], now, room_N)
                # The columns of W that are needed are copied, so few rows at a time that the copy
                # stays small.
                for r in range(0, S, ROWS):
                    V = part_of(W[k], everyone[r : r + ROWS], now, room_W)
                    product(V, source, N[k, l, r : r + ROWS], False, False, 0)
            count[k, l] = fire(N[k, l], b[k], n[k, l], neurons[k, l])

        # y is what is before phi at the outputs.
        product(W[k, S - d_out :], N[k, L - 1], y[k], False, False, 0)
        for i in range(d_out):
            y[k, i] += b[k, S - d_out + i]


@compiled
def hand_back(W: Array, dP: Array, later: Indices, now: Indices, room: Room, G: Array) -> None:
    """G <- dP W, from the neurons `later` to the neurons `now`; one row a neuron."""
    if len(later) == len(W) and len(now) == len(W):
        product(W, dP, G, True, False, 0)
        return
    G[:] = 0
    for r in range(0, len(later), ROWS):
        V = part_of(W, later[r : r + ROWS], now, room.W)
        product(V, dP[r : r + ROWS], G, True, False, 1)


@compiled
def add_outer(
    dW: Array, dP: Array, N: Array, now: Indices, before: Indices, room: Room, is_fresh: bool
) -> None:
    """dW[now][:, before] += dP^T N[before]. A fresh dW holds nothing yet."""
    if len(now) == len(dW) and len(before) == len(dW):
        product(dP, N, dW, False, True, 0 if is_fresh else 1)
        return
    source = rows_of(N, before, room.N)
    for r in range(0, len(now), ROWS):
        rows = now[r : r + ROWS]
        C = room.C[: len(rows) * len(before)].reshape(len(rows), len(before))
        product(dP[r : r + ROWS], source, C, False, True, 0)
        add_to_part(dW, rows, before, C)


@compiled
def add_outer_of_input(dW: Array, dP: Array, x: Array, now: Indices, room: Room) -> None:
    """dW[now][:, inputs] += dP^T x."""
    d_in = x.shape[1]
    C = room.C[: len(now) * d_in].reshape(len(now), d_in)
    product(dP, x, C, False, False, 0)
    for i in range(len(now)):
        dW[now[i], :d_in] += C[i]


@compiled
def backward(
    W: Array, x: Array, N: Array, firing: Firing, asked: Asked, dW: Array, db: Array
) -> None:
    """The gradients dW and db (which holds zeros) of `forward`.

    A neuron that does not fire gets no gradient, and hands nothing on: only rows and columns of
    those that do are computed.
    """
    K, L, S, B = N.shape
    neurons, count = firing
    dN, share, dy = asked
    outputs = np.arange(S - dy.shape[1], S)
    room = Room(
        np.empty(max(min(S, ROWS), dy.shape[1]) * S, np.float32),
        np.empty(max(min(S, ROWS), x.shape[2]) * S, np.float32),
        np.empty(S * B, np.float32),
    )
    room_G = np.empty((2, S * B), np.float32)

    for k in range(K):
        # Where all fire at the last two iterations the first product writes all of dW.
        is_fresh = L > 1 and count[k, L - 1] == S and count[k, L - 2] == S
        if not is_fresh:
            dW[k] = 0
        later = outputs
        dP = dy[k]

        for l in range(L - 1, -1, -1):
            now = neurons[k, l, : count[k, l]]
            G = room_G[l % 2, : len(now) * B].reshape(len(now), B)
            if l == L - 1:
                product(part_of(W[k], outputs, now, room.W), dP, G, True, False, 0)
            else:
                hand_back(W[k], dP, later, now, room, G)
            if dN.size:
                for i in range(len(now)):
                    G[i] += dN[k, l, now[i]]
            gate(G, N[k, l], now, share[k, l], db[k])

            if l > 0:
                before = neurons[k, l - 1, : count[k, l - 1]]
                add_outer(dW[k], G, N[k, l - 1], now, before, room, is_fresh and l == L - 1)
            else:
                add_outer_of_input(dW[k], G, x[k], now, room)
            later = now
            dP = G

        product(dy[k], N[k, L - 1], dW[k, outputs[0] :], False, True, 1)
        for i in range(len(outputs)):
            db[k, outputs[i]] += dy[k, i].sum()


@compiled
def two_kinks(z: float, at_zero: float, at_target: float, target: float) -> float:
    """`urn.optimiser.proximal.prox_two_kinks` of one entry, in 64 bits."""
    between = min(max(z - at_zero + at_target, 0), target)
    above = max(z - at_zero - at_target - target, 0)
    below = min(z + at_zero + at_target, 0)
    return between + above + below


@compiled
def adam(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    price: NDArray[Any],
    diagonal: NDArray[np.float64],
    neurons: tuple[int, int],
    target: float,
    decay1: Any,
    decay2: Any,
    scaled_eps: Any,
    scaled_lr: NDArray[np.float64],
    correction: float,
    rows: tuple[int, int],
) -> None:
    """Move `rows` (first, end) of w, m and v `(K, n, n)` a step along g, and shrink w at its price.

    `price` is `(K, 1, 1)` or `(K, n, n)`; `diagonal` `(K,)` prices |w_ii - target| for the
    `neurons` (first, end) on top. `scaled_eps` and `scaled_lr` `(K,)` are s eps and lr' = s lr, and
    d below is d' = s d, as in `urn.optimiser.fast`.
    """
    # All of one entry is computed in 32 bits, like the tensors; 1 - b1 and 1 - b2 are rounded last.
    weight1, weight2 = np.float32(1 - decay1), np.float32(1 - decay2)
    decay1 = np.float32(decay1)
    decay2 = np.float32(decay2)
    scaled_eps = np.float32(scaled_eps)
    is_price_shared = price.shape[2] == 1

    for k in range(len(w)):
        lr = scaled_lr[k]
        step = np.float32(lr / correction)
        threshold = np.float32(price[k, 0, 0] * lr)  # of z = w d': lr' c
        for i in range(rows[0], rows[1]):
            ws = w[k, i]
            gs = g[k, i]
            ms = m[k, i]
            vs = v[k, i]
            has_diagonal = neurons[0] <= i < neurons[1]
            before = ws[i] if has_diagonal else np.float32(0)

            for j in range(len(ws)):
                ms[j] = ms[j] * decay1 + gs[j] * weight1
                vs[j] = vs[j] * decay2 + gs[j] * gs[j] * weight2
                d = np.sqrt(vs[j]) + scaled_eps
                z = ws[j] * d - step * ms[j]
                if not is_price_shared:
                    threshold = np.float32(price[k, i, j] * lr)
                ws[j] = (z - min(max(z, -threshold), threshold)) / d

            # The row has shrunk w_ii as if zero were its only kink: start again from before.
            if has_diagonal:
                d = np.sqrt(vs[i]) + scaled_eps
                at_zero = np.float64(threshold if is_price_shared else price[k, i, i] * lr)
                moved = np.float64(before * d - step * ms[i])
                ws[i] = two_kinks(moved, at_zero, diagonal[k] * lr, target * d) / d
