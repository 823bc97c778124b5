"""The BLAS that SciPy brings, for compiled code: its single precision product, and its threads."""

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def as_many_threads() -> Iterator[None]:
    """Give the BLAS one thread while torch has one.

    Left alone it takes every core, and its rounding depends on how many there are.
    """
    if torch.get_num_threads() > 1:
        yield
    else:
        with threadpool_limits(1, user_api="blas"):
            yield
