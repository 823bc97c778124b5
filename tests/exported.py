"""Small runs of every kind of structure, for the tests of exports.

Three seeds of each, trained in seconds as one population.
"""

from collections.abc import Callable
from functools import cache

import torch

from urn import Dataset, Run, TrainConfig, train_population
from urn.data.tasks import task_options
from urn.loss.geometry import line

# Of every kind.
SEEDS = (0, 1, 2)


def along_a_line(
    n_sites: int, n_outputs: int, target: Callable[[torch.Tensor], torch.Tensor], seed: int = 0
) -> Dataset:
    """Regression of `target(x)` from noise on a line of sites."""
    x = torch.randn(2400, n_sites, generator=torch.Generator().manual_seed(seed))
    y = target(x)
    y = (y - y.mean(0)) / y.std(0)
    splits = zip(x.split((2000, 200, 200)), y.split((2000, 200, 200)), strict=True)
    return Dataset(*splits, n_outputs, "regression", positions=line(n_sites), sites=(n_sites,))


def bumps(x: torch.Tensor) -> torch.Tensor:
    """The largest of five neighbours, around every second site."""
    return x.unfold(1, 5, 2).amax(2)


def rises(x: torch.Tensor) -> torch.Tensor:
    """What rises and what falls on a ring, summed over its sites: the same after any rotation."""
    step = x.roll(-1, 1) - x
    return torch.stack([step.relu().sum(1), (step - 1).relu().sum(1)], 1)


# Small enough to train in seconds.
SHELLS = {"dimension": 4, "n_train": 3000, "n_validation": 200, "n_test": 200}
KINDS = {
    "layered": (
        "fully_connected",
        None,
        {
            "task": "shells",
            "task_options": SHELLS,
            "n_neurons": 60,
            "n_iterations": 3,
            "steps": 500,
            "learning_rate": 5e-3,
            "strengths": {
                "weight": 2e-3,
                "activity": 2e-3,
                "bias": 1e-3,
                "self": 1,
                "depth": {"value": 5e-2, "warmup": 200},
            },
        },
    ),
    "locally connected": (
        "locally_connected",
        along_a_line(20, 8, bumps),
        {
            "n_neurons": 80,
            "n_iterations": 2,
            "steps": 500,
            "learning_rate": 1e-2,
            "hidden_positions": "learned",
            "strengths": {"weight": 1e-3, "locality": 3e-2, "bias": 1e-3},
        },
    ),
    "convolutional": (
        "convolutional",
        along_a_line(16, 2, rises),
        {
            "n_neurons": 16 + 3 * 16 + 2,
            "n_iterations": 2,
            "steps": 1000,
            "learning_rate": 5e-3,
            "hidden_positions": "lattice",
            "channels": 3,
            "strengths": {"weight": 1e-3, "symmetry": 1, "locality": 1e-2, "bias": 1e-3},
        },
    ),
    "residual": (
        "residual",
        None,
        {
            "task": "carry",
            "task_options": {
                "dimension": 5,
                "n_outputs": 5,
                "n_train": 3000,
                "n_validation": 200,
                "n_test": 200,
            },
            "n_neurons": 50,
            "n_iterations": 4,
            "steps": 500,
            "self_target": 1,
            "strengths": {"weight": 2e-4, "activity": 1e-4, "self": 1},
        },
    ),
    "recurrent": (
        "recurrent",
        None,
        {
            "task": "shells",
            "task_options": SHELLS,
            "n_neurons": 24,
            "n_iterations": 5,
            "steps": 300,
            "input_mode": "clamped",
            "strengths": {"weight": 1e-3},
        },
    ),
    "recurrent over symbols": (
        "recurrent",
        None,
        {
            "task": "miconi_easy",
            "task_options": {"n_streams": 10, "length": 400},
            "n_neurons": 24,
            "n_iterations": 10,
            "activation": "tanh",
            "steps": 150,
            "strengths": {"weight": 1e-3},
        },
    ),
    "recurrent with hidden read-out": (
        "recurrent",
        None,
        {
            "task": "miconi_easy",
            "task_options": {"n_streams": 10, "length": 400},
            "n_neurons": 24,
            "n_iterations": 10,
            "input_mode": "elman",
            "activation": "tanh",
            "steps": 150,
            "strengths": {"weight": 1e-3},
        },
    ),
}
"""kind -> (the verdict it is to show, data or None for the task's, configuration)."""


@cache
def trained(kind: str) -> tuple[list[Run], Dataset]:
    """Three runs of a kind, and their data."""
    _, data, fields = KINDS[kind]
    configs = [TrainConfig(**fields, seed=seed, snapshots=0, log_every=100) for seed in SEEDS]
    data = data or task_options(configs[0].task, configs[0].task_options).load()
    return train_population(configs, data=data), data
