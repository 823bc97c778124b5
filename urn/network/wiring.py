"""What a network is beside weights and biases: its ends, iterations, activation and input mode."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

from urn.errors import InputError

INPUT_MODES = ("pulse", "clamped", "sequence", "stream", "elman")
"""When the input neurons are written.

pulse: at l = 0 only. clamped: the same input at every iteration. sequence: a new input at every
iteration, and one answer after the last. stream: a new symbol at every iteration, read out as all
iterations are. elman: a new symbol at every iteration, read out from hidden neurons alone at the
same symbol.
"""

SYMBOL_MODES = ("stream", "elman")
"""Modes that read a new symbol at every iteration, and carry a state from call to call."""

ONE_EACH_MODES = ("sequence", *SYMBOL_MODES)
"""Modes that read a new input at every iteration: x has an axis of iterations."""

ACTIVATION_NAMES = ("relu", "tanh")
"""Activations there are; `urn.network.activation` has their formulas."""


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
        One of `INPUT_MODES`.

    Raises
    ------
    InputError
        Naming the field that cannot be.
    """

    n_inputs: int
    n_outputs: int
    n_iterations: int
    activation: str = "relu"
    input_mode: str = "pulse"

    def __post_init__(self) -> None:
        for name in ("n_inputs", "n_outputs", "n_iterations"):
            check_size(name, getattr(self, name))
        for name, allowed in (("activation", ACTIVATION_NAMES), ("input_mode", INPUT_MODES)):
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(f"{name}: must be one of {', '.join(allowed)}, not {value!r}")

    @property
    def reads_symbols(self) -> bool:
        """Whether a new symbol comes at every iteration, and a state is carried."""
        return self.input_mode in SYMBOL_MODES

    @property
    def reads_one_each(self) -> bool:
        """Whether a new input comes at every iteration, with a state carried or without."""
        return self.input_mode in ONE_EACH_MODES

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as keyword arguments for `URN` and `analysis.analyse`."""
        return dict(vars(self))


def is_whole(value: object) -> bool:
    """Whether a value is a whole number; True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_size(name: str, value: object) -> None:
    """Raise InputError unless a value is a whole number of at least 1."""
    if not is_whole(value) or value < 1:  # type: ignore[operator]
        raise InputError(f"{name}: must be a whole number of at least 1, not {value!r}")
