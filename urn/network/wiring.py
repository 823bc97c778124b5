"""What beside weights and biases makes a network: sizes of its ends, iterations, activation, input mode."""

from dataclasses import dataclass
from typing import Any

SYMBOL_MODES = ("stream", "elman")
"""Modes that read a new symbol at every iteration, and carry a state from call to call."""


@dataclass(frozen=True)
class Wiring:
    """Everything but numbers and size: how a matrix W of shape `(S, S)` is applied.

    Attributes
    ----------
    n_inputs, n_outputs : int
        d_in and d_out: the first and the last neurons of S.
    n_iterations : int
        I, how often W is applied (symbols per call where a stream is read).
    activation : str
        "relu" or "tanh".
    input_mode : str
        "pulse", "clamped", "stream" or "elman".
    """

    n_inputs: int
    n_outputs: int
    n_iterations: int
    activation: str = "relu"
    input_mode: str = "pulse"

    @property
    def reads_symbols(self) -> bool:
        """Whether a new symbol comes at every iteration."""
        return self.input_mode in SYMBOL_MODES

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as keyword arguments for `URN` and `analysis.analyse`."""
        return dict(vars(self))
