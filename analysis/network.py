"""The network that is judged and drawn: arrays, and how they are applied. Checks them; computes nothing else."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.checks import ACTIVATIONS, INPUT_MODES, as_network, as_positions, one_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FlatNetwork:
    """One flat matrix and how it is applied. Make it with `flat_network`, which checks its parts.

    Attributes
    ----------
    weights : (S, S) array
        `weights[i, j]` is the weight from neuron j to neuron i.
    biases : (S,) array
    n_inputs, n_outputs, n_iterations : int
        The first neurons are inputs, the last are outputs, and W is applied `n_iterations` times.
    positions : (S, dim) array or None
        NaN for outputs, and for neurons that feed no other.
    activation : str
        "relu" or "tanh".
    input_mode : str
        "pulse" (input at l = 0 only) or "clamped" (written at every iteration).
    """

    weights: Floats
    biases: Floats
    n_inputs: int
    n_outputs: int
    n_iterations: int
    positions: Floats | None = None
    activation: str = "relu"
    input_mode: str = "pulse"

    @property
    def n_neurons(self) -> int:
        """S, inputs and outputs included."""
        return len(self.biases)


def flat_network(
    weights: ArrayLike,
    biases: ArrayLike | None = None,
    *,
    n_inputs: int,
    n_outputs: int,
    n_iterations: int,
    positions: ArrayLike | None = None,
    activation: str = "relu",
    input_mode: str = "pulse",
) -> FlatNetwork:
    """Check the parts of a network and put them together; biases None means zero.

    Raises
    ------
    ValueError
        Naming the argument, for NaN, wrong shapes, sizes that do not fit or unknown modes.
    """
    weights, biases = as_network(weights, biases, n_inputs, n_outputs, n_iterations)
    return FlatNetwork(
        weights,
        biases,
        n_inputs,
        n_outputs,
        n_iterations,
        as_positions(positions, weights, n_outputs),
        one_of("activation", activation, ACTIVATIONS),
        one_of("input_mode", input_mode, INPUT_MODES),
    )
