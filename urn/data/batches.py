"""Which samples an update sees: a function of seed and step alone. No training here."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from urn.data.dataset import Split
from urn.settings.config import TrainConfig


class Batches:
    """The batch of every member at a step. Nothing need be saved to resume.

    Parameters
    ----------
    split : pair of Tensor
        X and y of the training set.
    config : TrainConfig
        Gives the batch size and, for streams, the symbols of an update.
    seeds : sequence of int
        Of the order of samples, one a member.
    device, dtype
        Where the data are held, and in which precision.
    """

    def __init__(
        self,
        split: Split,
        config: TrainConfig,
        seeds: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        X, y = split
        self.X = X.to(device, dtype)
        self.y = y.to(device, dtype) if y.is_floating_point() else y.to(device)
        self.seeds = list(seeds)

        # A pass visits all samples in another order; what a batch leaves over is dropped.
        # A stream has an answer after each of its symbols, a sequence one at its end.
        self.stream = X.dim() == 3 and y.dim() == 2 and not y.is_floating_point()
        self.symbols = config.n_iterations
        self.size = min(config.batch_size, len(X))
        n_batches = X.shape[1] // self.symbols if self.stream else len(X) // self.size
        self.per_pass = max(1, n_batches)

        self._pass: tuple[int, tuple[int, ...]] | None = None  # whose order is in `_order`
        self._order = torch.empty(0, dtype=torch.int64)

    def at(self, step: int) -> tuple[Tensor, Tensor, bool]:
        """X, y of a step, and whether streams begin anew.

        Returns
        -------
        X : Tensor
            `(K, B, d_in)`; of sequences and streams `(K, B, T, d_in)`.
        y : Tensor
            `(K, B)` or `(K, B, d_out)`; of streams `(K, B, T)`.
        begins : bool
            True where no state is to be carried over from the step before.
        """
        # A step is a pass and a place in it: nothing else is needed to know its samples.
        epoch, position = divmod(step, self.per_pass)
        order = self._order_of(epoch)

        if self.stream:
            window = slice(position * self.symbols, (position + 1) * self.symbols)
            # Streams run in parallel: a batch is the same rows, further along in time.
            rows = order[:, : self.size]
            return self.X[rows, window], self.y[rows, window], position == 0

        rows = order[:, position * self.size : (position + 1) * self.size]
        x = self.X.index_select(0, rows.reshape(-1)).view(*rows.shape, *self.X.shape[1:])
        y = self.y.index_select(0, rows.reshape(-1)).view(*rows.shape, *self.y.shape[1:])
        return x, y, True

    def _order_of(self, epoch: int) -> Tensor:
        """The order of samples in a pass through the data, `(K, N)`; the last one is remembered."""
        asked = (epoch, tuple(self.seeds))
        if self._pass != asked:
            orders = [
                torch.randperm(len(self.X), generator=_generator(seed, epoch))
                for seed in self.seeds
            ]
            self._order = torch.stack(orders).to(self.X.device)
            self._pass = asked
        return self._order


def _generator(seed: int, epoch: int) -> torch.Generator:
    """Torch's generator for a pass through the data. It takes seeds below 2^63: drop a bit."""
    mixed = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed) >> 1)
