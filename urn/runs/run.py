"""A trained network and how it came about: a record."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor

from urn.loss.penalties import TERMS
from urn.network.module import URN
from urn.network.wiring import Wiring
from urn.population.minimal import MinimalNetwork, minimal_network, network_of
from urn.population.snapshot import Snapshot
from urn.settings.config import TrainConfig


@dataclass(repr=False)
class Run:
    """A trained network and how it came about.

    Attributes
    ----------
    config : TrainConfig
    wiring : Wiring
        How the weights are applied; its input mode is "sequence" where the data are sequences, and
        "stream" where they are symbol streams, unless it is "elman".
    weights, biases, positions : (S, S), (S,) and (S, dim) tensors
        Positions are NaN where a neuron has none, and None without a geometry.
    kept : (S,) boolean tensor
        The neurons that were not removed as dead.
    history : list of dictionaries
        A row each (step, loss, validation_accuracy, living_neurons, connections, living_l, R_term).
    snapshots : list of Snapshot
        Over training, oldest first.
    status : str
        "ok", "disconnected" (no path from inputs to outputs), "diverged" (NaN or Inf came up; the
        weights are the last good ones) or "interrupted".
    test_accuracy : float
        On the test set; R^2 for regression; NaN unless training ended well.
    steps_done : int
        Updates made.
    folder : path or None
        Where it lies.
    fingerprint : int or None
        Tells its training data apart; None where it was written before that was kept.
    """

    config: TrainConfig
    wiring: Wiring
    weights: Tensor
    biases: Tensor
    positions: Tensor | None
    kept: Tensor
    history: list[dict[str, float]]
    snapshots: list[Snapshot]
    status: str
    test_accuracy: float
    steps_done: int
    folder: Path | None = None
    fingerprint: int | None = None

    @property
    def n_inputs(self) -> int:
        """d_in: the first neurons."""
        return self.wiring.n_inputs

    @property
    def n_outputs(self) -> int:
        """d_out: the last neurons."""
        return self.wiring.n_outputs

    @property
    def input_mode(self) -> str:
        """One of `urn.network.wiring.INPUT_MODES`."""
        return self.wiring.input_mode

    def network(self) -> URN:
        """The trained network, ready to be called."""
        return network_of(self.weights, self.biases, self.wiring)

    def compact(self) -> MinimalNetwork:
        """The part that can matter for any input, and how much smaller it is."""
        return minimal_network(self.weights, self.biases, self.wiring)

    def flat(self) -> dict[str, Any]:
        """The network as NumPy arrays: keyword arguments of `analysis.analyse`."""
        arrays = {
            "weights": self.weights.numpy(),
            "biases": self.biases.numpy(),
            "positions": None if self.positions is None else self.positions.numpy(),
            "positions_learned": self.config.hidden_positions == "learned",
            "threshold": 0.0 if self.has_exact_zeros else None,
        }
        return arrays | self.wiring.to_dict()

    def show(self, **options: Any) -> Any:
        """The report page of the run in a frame, for notebooks: `urn.show`, which says more."""
        # Whoever adds the page adds its name to `urn`.
        return import_module("urn").show(self, **options)

    @property
    def has_exact_zeros(self) -> bool:
        """Whether a price pulled weights to zero, exactly: then each weight left is meant."""
        return has_exact_zeros(self.config, self.steps_done)

    def __repr__(self) -> str:
        where = f", {self.folder}" if self.folder else ""
        return (
            f"Run({self.config.task}, {self.status}, step {self.steps_done}, "
            f"test accuracy {self.test_accuracy:.4f}{where})"
        )


def has_exact_zeros(config: TrainConfig, step: int) -> bool:
    """Whether a price holds weights at zero after `step` updates."""
    last = max(step - 1, 0)
    return any(
        (strength.value if strength.constant else strength.at(last, config.steps)) > 0
        and TERMS[name].shrinks == "weight"
        for name, strength in config.strengths.items()
    )
