"""The network that is judged and drawn: arrays, and how they are applied.

Checks them and leaves out neurons without weights; computes nothing else.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from analysis.arrays import Bools, Floats, Ints, Matrix
from analysis.checks import as_choice, as_finite, as_network, as_positions

ACTIVATIONS = ("relu", "tanh")
"""Nonlinearities that `forward` knows."""
INPUT_MODES = ("pulse", "clamped", "sequence")
"""When the input is written: at l = 0 only, or at every iteration but the last, the same one each
time (clamped) or one after the other (sequence)."""

LARGEST = 1e60
"""Size of a weight, a bias or a coordinate beyond which a network is refused: fourth powers must
stay finite in float64."""

DENSE_FILL = 0.1
"""Share of non-zeros above which a dense product is faster than a sparse one. By judgement."""


@dataclass(frozen=True, eq=False)
class FlatNetwork:
    """One flat matrix and how it is applied. Make it with `flat_network`, which checks its parts.

    Attributes
    ----------
    weights : (S, S) array or SciPy sparse array
        `weights[i, j]` is the weight from neuron j to neuron i.
    biases : (S,) array
    n_inputs, n_outputs, n_iterations : int
        The first neurons are inputs, the last are outputs, and W is applied `n_iterations` times.
    positions : (S, dim) array or None
        NaN for outputs, and for neurons without a position.
    positions_learned : bool
        Whether those of hidden neurons were trained, and so follow the weights.
    activation : str
        "relu" or "tanh".
    input_mode : str
        "pulse" (input at l = 0 only), "clamped" (written at every iteration) or "sequence" (a new
        input written at every iteration).
    threshold : float or None
        Weights of at most this size count as zero for a verdict; None leaves it to the rule of
        `analysis.threshold`.
    """

    weights: Matrix
    biases: Floats
    n_inputs: int
    n_outputs: int
    n_iterations: int
    positions: Floats | None = None
    activation: str = "relu"
    input_mode: str = "pulse"
    threshold: float | None = None
    positions_learned: bool = False

    @property
    def n_neurons(self) -> int:
        """S, inputs and outputs included."""
        return len(self.biases)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Of an input: (n_inputs,), and (I, n_inputs) of a sequence."""
        steps = (self.n_iterations,) if self.input_mode == "sequence" else ()
        return (*steps, self.n_inputs)

    @property
    def input_mask(self) -> Bools:
        """(I + 1, S) bool: the nodes into which the input is written."""
        mask = np.zeros((self.n_iterations + 1, self.n_neurons), dtype=bool)
        mask[: 1 if self.input_mode == "pulse" else self.n_iterations, : self.n_inputs] = True
        return mask


def core(net: FlatNetwork) -> tuple[FlatNetwork, Ints]:
    """The inputs, the outputs and the neurons that have a weight; the others reach no output.

    Returns
    -------
    net : FlatNetwork
        The network of these n neurons, which answers as the whole does; its weights are sparse
        where few are not 0.
    neurons : (n,) int array
        Which they are.
    """
    wiring = sparse.coo_array(net.weights)
    wired = np.zeros(net.n_neurons, dtype=bool)
    wired[: net.n_inputs] = True
    wired[net.n_neurons - net.n_outputs :] = True
    for ends in wiring.coords:
        wired[ends] = True

    neurons = np.flatnonzero(wired)
    weights = wiring.tocsr()[neurons][:, neurons]
    if weights.nnz > DENSE_FILL * weights.shape[0] ** 2:
        weights = weights.toarray()
    positions = None if net.positions is None else net.positions[neurons]
    part = replace(net, weights=weights, biases=net.biases[neurons], positions=positions)
    return part, neurons


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
    threshold: float | None = None,
    positions_learned: bool = False,
) -> FlatNetwork:
    """Check the parts of a network and put them together; biases None means zero.

    Raises
    ------
    ValueError
        Naming the argument, for NaN, wrong shapes, sizes that do not fit or unknown modes.
    """
    # Every check names its argument, so that callers can hand the error on as it is.
    checked_weights, checked_biases = as_network(weights, biases, n_inputs, n_outputs, n_iterations)
    if threshold is not None and as_finite("threshold", threshold, ()) < 0:
        raise ValueError(f"threshold must be at least 0, got {threshold!r}")

    placed = as_positions(positions, checked_weights, n_outputs)
    _check_size("weights", checked_weights)
    _check_size("biases", checked_biases)
    if placed is not None:
        _check_size("positions", placed[np.isfinite(placed)])

    return FlatNetwork(
        checked_weights,
        checked_biases,
        n_inputs,
        n_outputs,
        n_iterations,
        placed,
        as_choice("activation", activation, ACTIVATIONS),
        as_choice("input_mode", input_mode, INPUT_MODES),
        threshold,
        bool(positions_learned),
    )


def _check_size(name: str, values: Floats) -> None:
    """ValueError names what holds numbers beyond LARGEST."""
    largest = np.abs(values).max(initial=0.0)
    if largest > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST:g} in size, got {largest:g}")
