"""Numba's `njit`, for machines too where compiled code cannot be kept on disk."""

from collections.abc import Callable
from typing import Any

import numba


def njit(cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit`, which keeps nothing where no folder for its cache can be written.

    Numba refuses to make the function then, though it can be compiled in every process anew: in a
    container with a read-only file system, say, by a user without a home.

    Parameters
    ----------
    cache : bool
        Whether to keep the compiled code on disk, where that is possible.
    **options
        Those of `numba.njit`.

    Returns
    -------
    callable
        The decorator.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=cache, **options)(function)
        except RuntimeError as error:
            if not cache or "cannot cache" not in str(error):
                raise
            return numba.njit(**options)(function)

    return decorate
