"""Refuse arrays that cannot be judged, naming the argument in one line. Converts to float64 NumPy; computes nothing
else.
"""

import numpy as np

ACTIVATIONS = ("relu", "tanh")
INPUT_MODES = ("pulse", "clamped")


def as_finite(name, value, shape=None):
    """Array of float64 with finite entries; ValueError names the argument. `shape` holds sizes, None where any size
    will do.
    """
    try:
        array = np.asarray(value, dtype=float)
    except (
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # RuntimeError: a tensor that requires gradients
        raise ValueError(f"{name} must be an array of numbers") from error
    if shape is not None and (
        array.ndim != len(shape)
        or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True))
    ):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    return array


def as_count(name, value, minimum):
    """An int of at least `minimum`; ValueError names the argument."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {value!r}")
    return int(value)


def one_of(name, value, allowed):
    """`value` if it is allowed; ValueError names the argument and lists what is."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def as_network(weights, biases, n_inputs, n_outputs, n_iterations):
    """Checked (W (S, S), b (S,)); `biases` None means zero. Inputs and outputs must fit into S without overlapping."""
    weights = as_finite("weights", weights)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"weights must be square, got shape {weights.shape}")
    n_neurons = len(weights)
    as_count("n_inputs", n_inputs, 1)
    as_count("n_outputs", n_outputs, 1)
    as_count("n_iterations", n_iterations, 1)
    if n_inputs + n_outputs > n_neurons:
        raise ValueError(
            f"n_inputs + n_outputs is {n_inputs + n_outputs}, more than the {n_neurons} neurons of weights"
        )
    biases = np.zeros(n_neurons) if biases is None else as_finite("biases", biases, (n_neurons,))
    return weights, biases


def as_positions(positions, weights, n_outputs):
    """Checked (S, dim) or None, for checked weights (S, S).

    Rows of the outputs have no position (DESIGN section 2) and become NaN. Neurons that feed no other (removed
    ones, say) may hold NaN; whatever feeds another neuron needs a position.
    """
    if positions is None:
        return None
    try:
        positions = np.asarray(positions, dtype=float).copy()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError("positions must be an array of numbers") from error
    n_neurons = len(weights)
    if positions.ndim != 2 or len(positions) != n_neurons or positions.shape[1] < 1:
        raise ValueError(f"positions must have shape ({n_neurons}, dim), got {positions.shape}")
    positions[n_neurons - n_outputs :] = np.nan
    lost = ~np.isfinite(positions).all(axis=1) & (weights != 0).any(axis=0)
    lost[n_neurons - n_outputs :] = False
    if lost.any():
        raise ValueError(
            f"positions holds NaN or infinite values for neuron {int(lost.argmax())}, which feeds others"
        )
    return positions
