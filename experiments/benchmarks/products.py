"""What no training can go without, to be timed beside one: its matrix products, of the sizes that
it met, and one pass over all that the optimiser changes.

`Met` notes the sizes while a population trains in compiled code; `multiply` makes the same products
again, of numbers that mean nothing. `SixProducts` and `OnePass` are those of one dense step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from urn.network import compiled
from urn.network.blas import Threads
from urn.network.choose import threads_for

Sizes = NDArray[np.int64]
"""Of products C = A B, one a row: rows and columns of C, the sum's length, and whether A and B are
transposed."""


class Met:
    """The sizes of all products of trainings in compiled code, while `noted` is entered."""

    def __init__(self) -> None:
        self._sizes: list[tuple[int, ...]] = []

    def taken(self) -> Sizes:
        """Those met since they were taken last."""
        sizes = np.array(self._sizes, np.int64).reshape(-1, 5)
        self._sizes.clear()
        return sizes

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note them."""
        there, back = compiled.forward, compiled.backward

        def forward(W: Any, b: Any, x: Any, N: Any, n: Any, y: Any, firing: Any) -> None:
            there(W, b, x, N, n, y, firing)
            self._forward(x, N, y, firing.counts)

        def backward(W: Any, x: Any, N: Any, firing: Any, asked: Any, dW: Any, db: Any) -> None:
            back(W, x, N, firing, asked, dW, db)
            self._backward(x, N, asked.dy, firing.counts)

        compiled.forward, compiled.backward = forward, backward
        try:
            yield
        finally:
            compiled.forward, compiled.backward = there, back

    def _forward(self, x: Any, N: Any, y: Any, counts: Any) -> None:
        _, L, S, B = N.shape
        for fire in counts.tolist():
            self._sizes.append((S, B, x.shape[2], 0, 1))
            self._sizes += [(S, B, fire[l], 0, 0) for l in range(L - 1)]
            self._sizes.append((y.shape[1], B, S, 0, 0))

    def _backward(self, x: Any, N: Any, dy: Any, counts: Any) -> None:
        _, L, S, B = N.shape
        d_out = dy.shape[1]
        for fire in counts.tolist():
            # dP of every iteration, dW of every one, and what input and read-out add to dW.
            self._sizes.append((fire[L - 1], B, d_out, 1, 0))
            for l in range(L - 1):
                self._sizes.append((fire[l], B, fire[l + 1], 1, 0))
                self._sizes.append((fire[l + 1], fire[l], B, 0, 1))
            self._sizes.append((fire[0], x.shape[2], B, 0, 0))
            self._sizes.append((d_out, S, B, 0, 1))


@compiled.compiled
def multiply(sizes: Sizes, A: compiled.Array, B: compiled.Array, C: compiled.Array) -> None:
    """Make products of these sizes, from numbers of A and B, which are long enough, into C."""
    for i in range(len(sizes)):
        rows, columns, inner, turn_A, turn_B = sizes[i]
        left = A[: rows * inner]
        right = B[: inner * columns]
        compiled.product(
            left.reshape((inner, rows)) if turn_A else left.reshape((rows, inner)),
            right.reshape((columns, inner)) if turn_B else right.reshape((inner, columns)),
            C[: rows * columns].reshape((rows, columns)),
            turn_A != 0,
            turn_B != 0,
            0,
        )


def room_for(sizes: Sizes) -> tuple[NDArray[np.float32], ...]:
    """Numbers A, B and C for `multiply`."""
    rows, columns, inner = sizes[:, :3].T
    rng = np.random.default_rng(0)
    needed = ((rows * inner).max(), (inner * columns).max(), (rows * columns).max())
    return tuple(rng.standard_normal(n, np.float32) for n in needed)


class SixProducts:
    """The products S x S that a dense step cannot do without at I = 4: two there, two back, and two
    for dW. They take as many threads as training does, and torch's BLAS."""

    def __init__(self, n_neurons: int, batch_size: int) -> None:
        self.W, self.dW = torch.randn(2, n_neurons, n_neurons)
        self.N, self.P = torch.randn(2, batch_size, n_neurons)
        self.n_threads = threads_for(n_neurons, batch_size)

    def run(self, n: int) -> None:
        """Of `n` steps."""
        with Threads() as threads:
            threads.at_most(self.n_threads)
            for _ in range(2 * n):
                torch.mm(self.N, self.W.t(), out=self.P)
                torch.mm(self.N, self.W, out=self.P)
                torch.mm(self.P.t(), self.N, out=self.dW)


class OnePass:
    """As much memory moved as by the optimiser's step: it reads W, g, m and v, and writes W, m and
    v. An addition of torch's own moves three copies, and two copies move two each."""

    def __init__(self, n_neurons: int, batch_size: int) -> None:
        self.a, self.b, self.c = torch.randn(3, n_neurons, n_neurons)
        self.n_threads = threads_for(n_neurons, batch_size)

    def run(self, n: int) -> None:
        """Of `n` steps."""
        with Threads() as threads:
            threads.at_most(self.n_threads)
            for _ in range(n):
                torch.add(self.a, self.b, out=self.c)
                self.a.copy_(self.c)
                self.c.copy_(self.b)
