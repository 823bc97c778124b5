"""What a training step spends its time on, compiled by Numba for one thread: the unroll after a pulse, Adam's proximal step.

One pass over memory where tensor operations make many, and none of the cost of calling them: for matrices of a few hundred
neurons that is more than half of a step. Arrays only; `urn.network.firing` and `urn.optimiser.adam` call these in the place of their
tensor operations when torch has one thread (`serve`), and get the same numbers up to rounding. Activities are held neuron by
neuron, N(l) as (S, B), so that the neurons that fire are rows. Products are those of the BLAS that SciPy brings.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import llvmlite.binding
import numpy as np
import torch
from numba import types
from numba.extending import get_cython_function_address
from threadpoolctl import threadpool_limits

from urn.network.jit import njit

# `types.ExternalFunction` by name, for what is compiled can then be kept on disk; an address could not.
llvmlite.binding.add_symbol(
    "urn_sgemm", get_cython_function_address("scipy.linalg.cython_blas", "sgemm")
)
sgemm = types.ExternalFunction("urn_sgemm", types.void(*[types.intp] * 13))
compiled = njit(nogil=True, error_model="numpy", cache=True)
summed = njit(
    nogil=True, error_model="numpy", cache=True, fastmath={"reassoc", "nsz"}, forceinline=True
)
"""Sums may be reordered: many terms at once. Inlined, or the order would depend on whether the caller came from the disk."""

FEW = 0.9
"""Share of the neurons up to which taking them out of W costs less than the products it saves."""
ROWS = 512
"""Rows of W taken at once, so that a large W is not held twice."""


def serve(*tensors: torch.Tensor) -> bool:
    """Whether the kernels can work on these tensors: 32 bits, rows in order, in the memory of a CPU, one thread."""
    return torch.get_num_threads() == 1 and all(
        T.dtype == torch.float32 and T.device.type == "cpu" and T.is_contiguous() for T in tensors
    )


@contextmanager
def as_many_threads() -> Iterator[None]:
    """While torch has one thread so has the BLAS of the kernels; it would take every core, and round by their number."""
    if torch.get_num_threads() > 1:
        yield
    else:
        with threadpool_limits(1, user_api="blas"):
            yield


@compiled
def between_rows(M):
    """Entries from one row of M to the next; a single row may say anything."""
    return max(M.strides[0] // 4, M.shape[1])


@compiled
def product(A, B, C, turn_A, turn_B, beta):
    """C <- A B + beta C for matrices whose rows are contiguous; `turn` for a transposed one."""
    size, scale, turn = np.empty(6, np.int32), np.empty(2, np.float32), np.empty(2, np.uint8)
    size[0], size[1], size[2] = C.shape[1], C.shape[0], A.shape[0] if turn_A else A.shape[1]
    size[3], size[4], size[5] = between_rows(B), between_rows(A), between_rows(C)
    scale[0], scale[1] = 1, beta
    turn[0], turn[1] = ord("T") if turn_B else ord("N"), ord("T") if turn_A else ord("N")
    if size[0] == 0 or size[1] == 0:
        return
    if size[2] == 0:
        if beta == 0:
            C[:] = 0
        return
    i, s, t = (
        size.ctypes.data,
        scale.ctypes.data,
        turn.ctypes.data,
    )  # Fortran reads what we call C as its transpose
    sgemm(
        t,
        t + 1,
        i,
        i + 4,
        i + 8,
        s,
        B.ctypes.data,
        i + 12,
        A.ctypes.data,
        i + 16,
        s + 4,
        C.ctypes.data,
        i + 20,
    )
    size[0] = scale[0] = turn[0] = (
        0  # used once more, so that Numba does not let go of them before the call
    )


@compiled
def rows_of(N, some, room):
    """N[some], N itself where that is all of it."""
    if len(some) == len(N):
        return N
    taken = room[: len(some) * N.shape[1]].reshape(len(some), N.shape[1])
    for i in range(len(some)):
        taken[i] = N[some[i]]
    return taken


@compiled
def part_of(W, rows, columns, room):
    """W[rows][:, columns]."""
    taken = room[: len(rows) * len(columns)].reshape(len(rows), len(columns))
    for i in range(len(rows)):
        row = W[rows[i]]
        for j in range(len(columns)):
            taken[i, j] = row[columns[j]]
    return taken


@compiled
def add_to_part(W, rows, columns, C):
    """W[rows][:, columns] += C."""
    for i in range(len(rows)):
        row = W[rows[i]]
        for j in range(len(columns)):
            row[columns[j]] += C[i, j]


@summed
def fire(P, b, n, firing):
    """P <- relu(P + b) and n <- its means over the batch; into `firing` the neurons that fire, all where the others are few.

    Returns how many they are.
    """
    count = 0
    for i in range(len(P)):
        total, row, bias = np.float32(0), P[i], b[i]
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
def gate(G, N, some, share, db):
    """G <- (G + share) where the neurons `some` fire, and its sums over the batch to db."""
    for i in range(len(some)):
        total, fired, row, more = np.float32(0), N[some[i]], G[i], share[some[i]]
        for j in range(len(row)):
            row[j] = np.float32(0) if fired[j] <= 0 else row[j] + more
            total += row[j]
        db[some[i]] += total


@compiled
def forward(W, b, x, N, n, y, firing, count):
    """N(l+1) = relu(W N(l) + b) after a pulse, every member with the neurons that fire in it.

    From W `(K, S, S)`, b `(K, S)` and x `(K, B, d_in)` to N `(K, I - 1, S, B)`, its means n `(K, I - 1, S)`, y `(K, d_out, B)`,
    and who fired: `firing` `(K, I - 1, S)`, the first `count` `(K, I - 1)` of each row.
    """
    (K, L, S, B), d_in, d_out = N.shape, x.shape[2], y.shape[1]
    everyone, room_W, room_N = (
        np.arange(S),
        np.empty(min(S, ROWS) * S, np.float32),
        np.empty(S * B, np.float32),
    )
    for k in range(K):
        product(W[k][:, :d_in], x[k], N[k, 0], False, True, 0)
        count[k, 0] = fire(N[k, 0], b[k], n[k, 0], firing[k, 0])
        for l in range(1, L):
            some = firing[k, l - 1, : count[k, l - 1]]
            if len(some) == S:
                product(W[k], N[k, l - 1], N[k, l], False, False, 0)
            else:
                source = rows_of(N[k, l - 1], some, room_N)
                for r in range(0, S, ROWS):
                    V = part_of(W[k], everyone[r : r + ROWS], some, room_W)
                    product(V, source, N[k, l, r : r + ROWS], False, False, 0)
            count[k, l] = fire(N[k, l], b[k], n[k, l], firing[k, l])
        product(W[k, S - d_out :], N[k, L - 1], y[k], False, False, 0)
        for i in range(d_out):
            y[k, i] += b[k, S - d_out + i]


@compiled
def backward(W, x, N, firing, count, dN, dn, dy, dW, db):
    """The gradients dW and db (which holds zeros) of `forward`, from dN (empty for none), dn and dy.

    A neuron that does not fire gets no gradient, and hands nothing on: only rows and columns of those that do are computed.
    """
    (K, L, S, B), d_in, d_out = N.shape, x.shape[2], dy.shape[1]
    outputs = np.arange(S - d_out, S)
    room_W = np.empty(max(min(S, ROWS), d_out) * S, np.float32)  # of rows of W, or all outputs'
    room_C = np.empty(max(min(S, ROWS), d_in) * S, np.float32)
    room_N, room_G = np.empty(S * B, np.float32), np.empty((2, S * B), np.float32)
    for k in range(K):
        some = firing[k, L - 1, : count[k, L - 1]]
        full = (
            L > 1 and len(some) == S and count[k, L - 2] == S
        )  # the first product writes all of dW
        if not full:
            dW[k] = 0
        G = room_G[0, : len(some) * B].reshape(len(some), B)
        product(part_of(W[k], outputs, some, room_W), dy[k], G, True, False, 0)
        for l in range(L - 1, -1, -1):
            if dN.size:
                for i in range(len(some)):
                    G[i] += dN[k, l, some[i]]
            gate(G, N[k, l], some, dn[k, l], db[k])
            if l == 0:
                break
            heard, some = some, firing[k, l - 1, : count[k, l - 1]]
            to = room_G[(L - l) % 2, : len(some) * B].reshape(len(some), B)
            if len(heard) == S and len(some) == S:
                product(G, N[k, l - 1], dW[k], False, True, 0 if full and l == L - 1 else 1)
                product(W[k], G, to, True, False, 0)
            else:
                source = rows_of(N[k, l - 1], some, room_N)
                to[:] = 0
                for r in range(0, len(heard), ROWS):
                    rows, g = heard[r : r + ROWS], G[r : r + ROWS]
                    C = room_C[: len(rows) * len(some)].reshape(len(rows), len(some))
                    product(g, source, C, False, True, 0)
                    add_to_part(dW[k], rows, some, C)
                    product(part_of(W[k], rows, some, room_W), g, to, True, False, 1)
            G = to
        C = room_C[: len(some) * d_in].reshape(len(some), d_in)
        product(G, x[k], C, False, False, 0)
        for i in range(len(some)):
            dW[k, some[i], :d_in] += C[i]
        product(dy[k], N[k, L - 1], dW[k, S - d_out :], False, True, 1)
        for i in range(d_out):
            db[k, S - d_out + i] += dy[k, i].sum()


@compiled
def adam(w, g, m, v, price, diagonal, neurons, target, decay1, decay2, eps, lr, correction):
    """Move w, m and v `(K, n, n)` one step along g, and shrink w at `price` `(K, 1, 1)` or `(K, n, n)`.

    `diagonal` `(K,)` prices |w_ii - target| for the `neurons` (first, end) on top. `eps` and `lr` are scaled as in
    `urn.optimiser.adam.Metric.update`, whose formula this is.
    """
    one1, one2 = np.float32(1 - decay1), np.float32(1 - decay2)
    decay1, decay2 = np.float32(decay1), np.float32(decay2)
    eps, step, one_price = np.float32(eps), np.float32(lr / correction), price.shape[2] == 1
    for k in range(len(w)):
        t = np.float32(price[k, 0, 0] * lr)
        for i in range(w.shape[1]):
            ws, gs, ms, vs = w[k, i], g[k, i], m[k, i], v[k, i]
            kept = ws[i] if neurons[0] <= i < neurons[1] else np.float32(0)
            for j in range(len(ws)):
                ms[j] = ms[j] * decay1 + gs[j] * one1
                vs[j] = vs[j] * decay2 + gs[j] * gs[j] * one2
                d = np.sqrt(vs[j]) + eps
                z = ws[j] * d - step * ms[j]
                if not one_price:
                    t = np.float32(price[k, i, j] * lr)
                ws[j] = (z - min(max(z, -t), t)) / d
            if neurons[0] <= i < neurons[1]:
                d = np.sqrt(vs[i]) + eps
                at_zero = np.float64(t if one_price else price[k, i, i] * lr)
                z, w0, at_target = np.float64(kept * d - step * ms[i]), target * d, diagonal[k] * lr
                between = min(max(z - at_zero + at_target, 0), w0)  # prox_two_kinks
                z = between + max(z - at_zero - at_target - w0, 0) + min(z + at_zero + at_target, 0)
                ws[i] = z / d
