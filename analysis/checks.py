"""Refuse arrays that cannot be judged, naming the argument in one line.

Converts to float64 NumPy; computes nothing else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.arrays import Floats


def as_finite(name: str, value: ArrayLike, shape: Sequence[int | None] | None = None) -> Floats:
    """Turn a value into an array of finite float64.

    Parameters
    ----------
    name : str
        The argument that an error names.
    value : array-like
    shape : sequence of int or None, optional
        The size of each axis, None where any size will do; without it any shape will do.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    array = _as_numbers(name, value)
    if shape is not None and not _fits(array.shape, shape):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    return array


def _as_numbers(name: str, value: Any) -> Floats:
    try:
        return np.asarray(value, dtype=float)
    # A torch tensor that requires gradients raises RuntimeError.
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be an array of numbers") from error


def _fits(shape: tuple[int, ...], wanted: Sequence[int | None]) -> bool:
    if len(shape) != len(wanted):
        return False
    return all(n in (None, m) for n, m in zip(wanted, shape, strict=True))


def as_count(name: str, value: object, minimum: int) -> int:
    """An int of at least `minimum`; ValueError names the argument."""
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or value < minimum:  # type: ignore[operator]
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {value!r}")
    return int(value)  # type: ignore[call-overload]


def as_choice(name: str, value: str, allowed: Sequence[str]) -> str:
    """`value` if it is allowed; ValueError names the argument and lists those that are."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def as_square(name: str, value: Any) -> NDArray[Any]:
    """An array whose last two axes are equal, of any type; ValueError names the argument.

    SciPy sparse matrices are checked and handed back as they are.
    """
    array = value if hasattr(value, "tocoo") else np.asarray(value)
    if array.ndim < 2 or array.shape[-1] != array.shape[-2]:
        raise ValueError(f"{name} must be square, got shape {array.shape}")
    return array


def as_weights(weights: ArrayLike) -> Floats:
    """A square matrix (S, S) of finite float64; ValueError names `weights`."""
    array = as_finite("weights", weights)
    if array.ndim != 2:
        raise ValueError(f"weights must be square, got shape {array.shape}")
    return as_square("weights", array)


def as_network(
    weights: ArrayLike, biases: ArrayLike | None, n_inputs: int, n_outputs: int, n_iterations: int
) -> tuple[Floats, Floats]:
    """Check W (S, S) and b (S,) of a network; `biases` None means zero.

    Raises
    ------
    ValueError
        Naming the argument; also where inputs and outputs do not fit into S without overlapping.
    """
    weights = as_weights(weights)
    n_neurons = len(weights)
    as_count("n_inputs", n_inputs, 1)
    as_count("n_outputs", n_outputs, 1)
    as_count("n_iterations", n_iterations, 1)

    if n_inputs + n_outputs > n_neurons:
        raise ValueError(
            f"n_inputs + n_outputs is {n_inputs + n_outputs}, "
            f"more than the {n_neurons} neurons of weights"
        )
    if biases is None:
        return weights, np.zeros(n_neurons)
    return weights, as_finite("biases", biases, (n_neurons,))


def as_positions(positions: ArrayLike | None, weights: Floats, n_outputs: int) -> Floats | None:
    """Check positions (S, dim), or None, for checked weights (S, S).

    Rows of the outputs become NaN, since outputs have no position (docs/theory.md: network). Other
    rows may be NaN as a whole: a neuron without a position is judged where that is not needed.

    Raises
    ------
    ValueError
        Naming `positions`.
    """
    if positions is None:
        return None
    placed = _as_numbers("positions", positions).copy()
    n_neurons = len(weights)
    if placed.ndim != 2 or len(placed) != n_neurons or placed.shape[1] < 1:
        raise ValueError(f"positions must have shape ({n_neurons}, dim), got {placed.shape}")

    placed[n_neurons - n_outputs :] = np.nan
    bad = ~np.isfinite(placed).all(axis=1) & ~np.isnan(placed).all(axis=1)
    if bad.any():
        raise ValueError(
            f"positions of neuron {int(bad.argmax())} must be finite numbers, "
            f"or NaN in every coordinate, got {placed[bad.argmax()]}"
        )
    return None if np.isnan(placed).all() else placed
