"""What a learned structure is compared with: a random sparse mask of equal density, trained for the
task with the same data, steps and learning rate.

The mask has as many weights as the learned network has non-zero ones, thrown at random among the
same living neurons. It never changes: weights outside it cost more than any gradient can pay."""

import numpy as np
import torch

from urn import Run
from urn.data.scores import evaluate
from urn.data.tasks import Dataset
from urn.training.trainer import Trainer

PROHIBITIVE = 1e30
"""A price that no gradient can pay, and that float32 can hold."""


def random_mask(weights: torch.Tensor, kept: torch.Tensor, seed: int) -> torch.Tensor:
    """A boolean mask `(S, S)` with as many entries as `weights` has non-zero ones, at random among
    the `kept` neurons."""
    living = kept.nonzero().flatten()
    n = len(living)
    count = int((weights != 0).sum())
    # Entries of the matrix of the neurons held, drawn without replacement and laid out row by row.
    at = torch.from_numpy(np.random.default_rng(seed).choice(n * n, count, replace=False))
    mask = torch.zeros_like(weights, dtype=torch.bool)
    mask[living[at // n], living[at % n]] = True
    return mask


def train_masked(run: Run, data: Dataset, seed: int = 0) -> tuple[torch.Tensor, float]:
    """Train a network of the run's configuration inside a random mask: its weights `(S, S)` and
    test accuracy.

    Only the task is in the loss: the mask is the structure, and nothing prices what it holds.
    """
    # Dead neurons are not removed: the mask has to keep its shape, and its density.
    config = run.config.replace(
        strengths={}, hidden_positions="none", channels=0, seed=seed, remove_dead=False, snapshots=0
    )
    mask = random_mask(run.weights, run.kept, seed)
    trainer = Trainer([config], data)
    # He initialisation for the fan-in that the mask leaves.
    fan_in = mask.sum(1, keepdim=True).clamp_min(1)
    drawn = (
        torch.randn(mask.shape, generator=torch.Generator().manual_seed(seed)) * (2 / fan_in) ** 0.5
    )
    trainer.net.weight.data[0] = (drawn * mask).to(trainer.net.weight)
    # A weight outside the mask starts at zero, and its price is above any gradient: it stays there.
    trainer.optimiser.param_groups[0]["price"] = (~mask).to(trainer.net.weight)[None] * PROHIBITIVE
    trainer.run()
    weights = trainer.net.weight.detach()[0].cpu()

    return weights, float(evaluate(trainer.net, data.test, data.kind)[0])
