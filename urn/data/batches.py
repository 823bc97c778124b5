"""What goes into a network and how well it answers: batches, task losses, accuracy. No training here."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from urn.data.tasks import Split
from urn.network.module import URN
from urn.settings.config import TrainConfig


class Batches:
    """The batch of every member at a step: a function of seeds and step alone, so that nothing need be saved to resume."""

    def __init__(
        self,
        split: Split,
        config: TrainConfig,
        seeds: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
    ):
        self.X, self.y = (
            T.to(device, dtype) if T.is_floating_point() else T.to(device) for T in split
        )
        self.stream, self.seeds, self.symbols = self.X.dim() == 3, list(seeds), config.n_iterations
        self.size = min(config.batch_size, len(self.X))
        self.per_pass = max(
            1, self.X.shape[1] // self.symbols if self.stream else len(self.X) // self.size
        )
        self._order: tuple[object, Tensor | None] = (None, None)

    def at(self, step: int) -> tuple[Tensor, Tensor, bool]:
        """X `(K, B, d_in)`, y `(K, B)` or `(K, B, d_out)`, and whether streams begin anew; streams have a time axis after B."""
        epoch, place = divmod(step, self.per_pass)
        key = (epoch, tuple(self.seeds))
        if self._order[0] != key:
            orders = [
                torch.randperm(len(self.X), generator=_generator(seed, epoch))
                for seed in self.seeds
            ]
            self._order = key, torch.stack(orders).to(self.X.device)
        order = self._order[1]
        if self.stream:
            window = slice(place * self.symbols, (place + 1) * self.symbols)
            rows = order[:, : self.size]
            return self.X[rows, window], self.y[rows, window], place == 0
        rows = order[:, place * self.size : (place + 1) * self.size]
        x, y = (
            T.index_select(0, rows.reshape(-1)).view(*rows.shape, *T.shape[1:])
            for T in (self.X, self.y)
        )
        return x, y, True


def task_losses(output: Tensor, y: Tensor, kind: str) -> Tensor:
    """Cross-entropy in nats (or mean squared error) of every member, mean over the batch, `(K,)`."""
    if kind == "regression":
        return (output - y).square().mean((1, 2))
    K, classes = output.shape[0], output.shape[-1]
    losses = torch.nn.functional.cross_entropy(
        output.reshape(K, -1, classes).mT, y.reshape(K, -1), reduction="none"
    )
    return losses.mean(
        1
    )  # with the batch as the last axis, the classes are summed many samples at a time


@torch.no_grad()
def evaluate(net: URN, split: Split, kind: str, entries: int = 1 << 19) -> Tensor:
    """Accuracy, or R^2 for regression (mean over outputs), of every member of `net` on a split, `(K,)`.

    `entries` bounds the activity held at once: samples x neurons x members.
    """
    X, y = (T.to(net.bias) if T.is_floating_point() else T.to(net.bias.device) for T in split)
    if kind == "stream":
        hits, state, I = 0, None, net.n_iterations
        windows = range(0, X.shape[1] - I + 1, I)
        for t in windows:
            output, activity = net.unroll(X[:, t : t + I], state)
            hits, state = (
                hits + (output.argmax(-1) == y[:, t : t + I]).sum((1, 2)),
                activity.N[:, -1],
            )
        return hits / max(1, len(windows) * I * len(X))
    parts = X.split(max(32, entries // net.bias.numel()))
    output = torch.cat(
        [net.unroll(part)[0].clone() for part in parts], 1
    )  # what is returned holds on to all of N
    if kind == "classification":
        return (output.argmax(-1) == y).double().mean(1)
    residual, total = (output - y).square().sum(1), (y - y.mean(0)).square().sum(0)
    return (1 - residual / total.clamp_min(torch.finfo(y.dtype).tiny)).mean(1)


def _generator(seed: int, epoch: int) -> torch.Generator:
    mixed = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed) >> 1)
