"""A network at a moment of training."""

from dataclasses import dataclass

import torch
from torch import Tensor

from urn.network.module import rebuild


@dataclass(frozen=True)
class Snapshot:
    """A network at one moment: only the neurons held then, rebuilt at full size when asked.

    Attributes
    ----------
    step : int
        Updates made.
    n_neurons : int
        S.
    ids : (n,) tensor
        Which neurons are held.
    held_weights, held_biases, held_positions : (n, n), (n,) and (n, dim) tensors
        Positions are None without a geometry.
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
        """Positions at full size, `(S, dim)`, NaN where there is none; None without a geometry."""
        if self.held_positions is None:
            return None
        return rebuild(self.held_positions, self.ids, self.n_neurons, fill=torch.nan)

    @property
    def kept(self) -> Tensor:
        """Which of the S neurons are held, `(S,)` boolean."""
        return rebuild(torch.ones(len(self.ids), dtype=torch.bool), self.ids, self.n_neurons)
