"""Claims about a GPU: 1,024 networks of S = 256 train together at least 40 times as fast as one
after the other on the same card; a dense step at S = 5000 reaches 60 % of its float32 rate.

`python -m experiments.benchmarks device [--device cuda] [--members 1024] [--steps 4000]`

One after the other: the first `--alone` members, each to the end, times the number of members.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from rich.console import Console
from rich.table import Table

from experiments.benchmarks.training import shells
from urn import TrainConfig, train_population
from urn.training.trainer import Trainer

LEAST_RATIO = 40.0
"""Times faster than one by one."""
LEAST_RATE = 0.6
"""Of what one matrix product of that size reaches."""
PRODUCTS = 6
"""Full products S x S by S x batch in a step at I = 4: the first iteration sees inputs only and the
last makes outputs only; the two between take a product each, and two each for their gradients."""


def configurations(n: int, steps: int, device: str) -> list[TrainConfig]:
    """Networks of S = 256 that learn digits, with a seed each."""
    return [
        TrainConfig(
            task="digits",
            n_neurons=256,
            n_iterations=4,
            steps=steps,
            learning_rate=2e-3,
            strengths={"weight": 3e-4, "activity": 3e-3, "bias": 1e-3, "self": 1.0, "depth": 3e-2},
            seed=seed,
            snapshots=0,
            log_every=steps,
            device=device,
        )
        for seed in range(n)
    ]


def seconds_of(work: Callable[[], object], device: str) -> float:
    """How long work takes, until the device is done."""
    _wait(device)
    begun = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - begun


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def together(members: int, steps: int, alone: int, device: str) -> tuple[float, float]:
    """Seconds for all members as one population, and one after the other."""
    configs = configurations(members, steps, device)
    train_population(configs[:2])  # kernels are loaded
    one_by_one = [
        seconds_of(lambda c=config: train_population([c]), device) for config in configs[:alone]
    ]
    population = seconds_of(lambda: train_population(configs), device)
    return population, sum(one_by_one) / alone * members


def rates(n_neurons: int, device: str, n: int = 50) -> tuple[float, float]:
    """FLOP a second of a dense step, and of one product of its size alone."""
    config = shells(n_neurons, 10**6).replace(remove_dead=False, device=device, check_every=10**6)
    trainer = Trainer([config])
    W = trainer.net.weight.detach()[0]
    N = torch.randn(config.batch_size, n_neurons, device=device)
    flop = 2.0 * config.batch_size * n_neurons**2

    def products() -> None:
        for _ in range(n):
            N @ W.T

    trainer.run(until=10)
    products()
    step = seconds_of(lambda: trainer.run(until=trainer.step + n), device) / n
    product = seconds_of(products, device) / n
    return PRODUCTS * flop / step, flop / product


def main(arguments: Sequence[str] = ()) -> int:
    """Print both measurements; exit status 1 where a claim fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--members", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--alone", type=int, default=3, help="members timed one by one")
    parser.add_argument("--n-neurons", type=int, default=5000, help="of the dense step")
    options = parser.parse_args(arguments)
    torch.backends.cuda.matmul.allow_tf32 = False
    device = options.device
    name = torch.cuda.get_device_name() if device.startswith("cuda") else device

    population, alone = together(options.members, options.steps, options.alone, device)
    step, product = rates(options.n_neurons, device)

    table = Table(title=f"{name}, float32")
    for column in ("", "measured", "claim"):
        table.add_column(column)
    table.add_row(
        f"{options.members} networks of S = 256, {options.steps} steps",
        f"{population:.1f} s together, {alone:.0f} s one by one: {alone / population:.1f} times",
        f">= {LEAST_RATIO:g}",
    )
    table.add_row(
        f"dense step, S = {options.n_neurons}",
        f"{step / 1e12:.2f} TFLOP/s, a product alone {product / 1e12:.2f}: {step / product:.0%}",
        f">= {LEAST_RATE:.0%}",
    )
    Console().print(table)
    return 0 if alone / population >= LEAST_RATIO and step / product >= LEAST_RATE else 1
