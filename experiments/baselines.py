"""The baseline of a learned structure: a random sparse mask of equal density, trained for the task
with the same data, steps and learning rate.

The mask has as many weights as the learned network has non-zero ones, thrown at random among the
neurons that it holds. It never changes: weights outside it cost more than any gradient can pay.
"""

import numpy as np
import torch

from urn import Run
from urn.data.batches import evaluate
from urn.data.tasks import Dataset
from urn.training.trainer import Trainer

# Price of a weight outside the mask. By judgement: no gradient comes near it, and float32 holds it.
PROHIBITIVE = 1e30


def random_mask(weights: torch.Tensor, held: torch.Tensor, seed: int) -> torch.Tensor:
    """A random mask of the same density.

    Parameters
    ----------
    weights : (S, S) tensor
        The mask has as many entries as these have non-zero ones.
    held : (S,) boolean tensor
        The neurons among which they lie.
    seed : int
        Of the draw.

    Returns
    -------
    (S, S) boolean tensor
    """
    ids = held.nonzero().flatten()
    n = len(ids)
    count = int((weights != 0).sum())
    rng = np.random.default_rng(seed)
    places = torch.from_numpy(rng.choice(n * n, count, replace=False))
    mask = torch.zeros_like(weights, dtype=torch.bool)
    mask[ids[places // n], ids[places % n]] = True
    return mask


def train_masked(run: Run, data: Dataset, seed: int = 0) -> tuple[torch.Tensor, float]:
    """Train a network of the run's configuration inside a random mask.

    Parameters
    ----------
    run : Run
        The network to compare with.
    data : Dataset
        The data of its task.
    seed : int
        Of the mask and the weights.

    Returns
    -------
    weights : (S, S) tensor
    accuracy : float
        On the test set.

    Notes
    -----
    Only the task is in the loss: the mask is the structure, and no price changes it.
    """
    config = run.config.replace(
        strengths={}, hidden_positions="none", channels=0, seed=seed, remove_dead=False, snapshots=0
    )
    mask = random_mask(run.weights, run.kept, seed)
    trainer = Trainer([config], data)

    # He initialisation for the fan-in that the mask leaves.
    fan_in = mask.sum(1, keepdim=True).clamp_min(1)
    normal = torch.randn(mask.shape, generator=torch.Generator().manual_seed(seed))
    drawn = normal * (2 / fan_in) ** 0.5
    trainer.net.weight.data[0] = (drawn * mask).to(trainer.net.weight)
    trainer.optimiser.param_groups[0]["l1"] = (~mask).to(trainer.net.weight)[None] * PROHIBITIVE

    trainer.run()
    weights = trainer.net.weight.detach()[0].cpu()
    return weights, float(evaluate(trainer.net, data.test, data.kind)[0])
