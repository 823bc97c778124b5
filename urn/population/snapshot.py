"""What is known of one network of a population: its configuration, history and outcome, and how it looked at a moment."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from urn.network.module import rebuild
from urn.settings.config import TrainConfig


@dataclass(frozen=True)
class Snapshot:
    """A network at one moment, holding only the neurons that were not removed as dead, and rebuilt at full size when asked.

    Attributes:
        step: updates made.
        n_neurons: S.
        ids: `(n,)`, which neurons are held.
        held_weights, held_biases, held_positions: `(n, n)`, `(n,)`, `(n, dim)` or None.
    """

    step: int
    n_neurons: int
    ids: Tensor
    held_weights: Tensor
    held_biases: Tensor
    held_positions: Tensor | None = None

    @property
    def weights(self) -> Tensor:
        """W at full size, `(S, S)`."""
        return rebuild(self.held_weights, self.ids, self.n_neurons, square=True)

    @property
    def biases(self) -> Tensor:
        """b at full size, `(S,)`."""
        return rebuild(self.held_biases, self.ids, self.n_neurons)

    @property
    def positions(self) -> Tensor | None:
        """Positions at full size, `(S, dim)`, NaN where a neuron has none; None without a geometry."""
        if self.held_positions is None:
            return None
        return rebuild(self.held_positions, self.ids, self.n_neurons, fill=torch.nan)

    @property
    def kept(self) -> Tensor:
        """Which of the S neurons are held, `(S,)` boolean."""
        return rebuild(torch.ones(len(self.ids), dtype=torch.bool), self.ids, self.n_neurons)


@dataclass
class Member:
    """What is known of one network of the population beside its tensors."""

    config: TrainConfig
    index: int
    status: str = "ok"
    history: list[dict] = field(default_factory=list)
    test_accuracy: float = float("nan")
    final: Snapshot | None = None  # the network it became, once it is finished
