"""The BLAS that SciPy brings, for compiled code: its single precision product, and its threads."""

from contextlib import ExitStack
from typing import Self

import llvmlite.binding
import torch
from numba import types
from numba.extending import get_cython_function_address
from threadpoolctl import threadpool_limits

# Register sgemm by name: Numba's disk cache stores symbol names but not addresses.
llvmlite.binding.add_symbol(
    "urn_sgemm", get_cython_function_address("scipy.linalg.cython_blas", "sgemm")
)
sgemm = types.ExternalFunction("urn_sgemm", types.void(*[types.intp] * 13))
"""C <- alpha A B + beta C in Fortran's order; every argument is an address."""


class Threads:
    """How many threads compute, while it is entered; then what they were before.

    `most` is what torch had at the beginning: its default, or what the user asked for, with
    `torch.set_num_threads` or `OMP_NUM_THREADS`. More are never taken.
    """

    def __init__(self) -> None:
        self.most = torch.get_num_threads()
        self._limit = ExitStack()  # holds the BLAS at one thread while torch has one

    def __enter__(self) -> Self:
        self.most = torch.get_num_threads()
        self._take(self.most)
        return self

    def __exit__(self, *_: object) -> None:
        self._limit.close()
        if torch.get_num_threads() != self.most:
            torch.set_num_threads(self.most)

    def at_most(self, n: int) -> None:
        """Compute with n threads from now on, or with `most` where that is fewer."""
        n = min(n, self.most)
        if n != torch.get_num_threads():
            torch.set_num_threads(n)
            self._take(n)

    def _take(self, n: int) -> None:
        """Give the BLAS one thread while torch has one.

        Left alone it takes every core, and its rounding depends on how many there are.
        """
        self._limit.close()
        if n == 1:
            self._limit.enter_context(threadpool_limits(1, user_api="blas"))
