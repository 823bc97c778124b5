"""64 networks (c_w 1e-4 to 1e-3 by c_n 3e-4 to 1e-2, S = 256, digits, 4000 steps) as a sweep,
against the yardstick trained one after the other and in a pool of two processes.

Claims on two cores: >= 8 and >= 4 times faster. The sweep's time is that of the whole command but
its imports, analysis of every network included; kernels are compiled before, as they are once on a
machine. `--side` and `--steps` make it smaller; the claims are about the whole. With `--device
cuda` all of them train there, the sweep in one process.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_info, threadpool_limits

from experiments.benchmarks.training import Plain
from experiments.commands.workers import data_of
from experiments.sweeps.engine import Engine, check
from experiments.sweeps.plan import Plan, Sweep, make_plan
from experiments.sweeps.store import Store
from urn import InputError, TrainConfig
from urn.training.trainer import Trainer

PARTS = ("sweep", "populations")  # The parts of the benchmark.

POPULATIONS = (1, 2, 4, 8, 16, 32)  # Sizes of populations that are timed.

FIRST_OF_POPULATION = 27  # Where in the plan populations begin: in the middle, at middling prices.

console = Console()


def plan_of(side: int, steps: int, device: str = "cpu") -> Plan:
    """A sweep of side x side points of one seed.

    Parameters
    ----------
    side : int
        Values of each price.
    steps : int
        Of training.
    device : str
        "cpu" or "cuda".
    """
    base = {
        "task": "digits",
        "n_neurons": 256,
        "n_iterations": 4,
        "steps": steps,
        "log_every": 1000,
        "snapshots": 0,
        "device": device,
    }
    ends = {"strengths.weight": [1e-4, 1e-3], "strengths.activity": [3e-4, 1e-2]}
    grid = {name: {"log": pair, "n": side} for name, pair in ends.items()}
    return make_plan(Sweep(seeds=1, base=base, grid=grid))


def train_plainly(config: TrainConfig) -> float:
    """Train the yardstick; returns its validation accuracy."""
    data = data_of(config)
    plain = Plain(config, data)
    plain.run(config.steps)
    with torch.no_grad():
        X, y = (T.to(config.device) for T in data.validation)
        return float((plain.net(X)[0].argmax(1) == y).double().mean())


def train_as_sweep(plan: Plan, workers: int) -> list[float]:
    """Train and analyse a whole sweep; returns validation accuracies."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.create(Path(folder) / "sweep", plan) as store,
    ):
        Engine(store, plan, workers, lambda *progress: None, lambda: False).run()
        analysis = sum(seconds for (seconds,) in store.rows(["analysis_seconds"]))
        training = sum(seconds for (seconds,) in store.rows(["seconds"]))
        console.print(
            f"analysis took {analysis / training:.1%} of the time of training (claim: at most 15 %)"
        )
        return [accuracy for (accuracy,) in store.rows(["validation_accuracy"])]


def train_in_pool(configs: list[TrainConfig]) -> list[float]:
    """Train the yardstick in two processes of one thread; returns validation accuracies."""
    with multiprocessing.get_context("spawn").Pool(2, torch.set_num_threads, (1,)) as processes:
        return processes.map(train_plainly, configs, chunksize=1)


def race(side: int, steps: int, device: str) -> None:
    """Race the sweep against the yardstick, one after the other and in a pool."""
    plan = plan_of(side, steps, device)
    workers = 2 if device == "cpu" else 1
    configs = [point.config for point in plan.points]
    n = len(configs)
    head = ("", "seconds", "seconds a point", "ratio", "claim")
    table = Table(*head, title=f"{n} networks, S = 256, {steps} steps")

    ours, accuracies = timed(lambda: train_as_sweep(plan, workers))
    table.add_row(f"urn sweep, processes: {workers}", f"{ours:.1f}", f"{ours / n:.2f}", "", "")

    loop, plain = timed(lambda: [train_plainly(config) for config in configs])
    pool, _ = timed(lambda: train_in_pool(configs))
    for name, seconds, claim in (
        ("yardstick, one after the other", loop, ">= 8"),
        ("yardstick, pool of 2", pool, ">= 4"),
    ):
        ratio = f"{seconds / ours:.1f}"
        table.add_row(name, f"{seconds:.1f}", f"{seconds / n:.2f}", ratio, claim)
    console.print(table)

    medians = [statistics.median(values) for values in (accuracies, plain)]
    console.print(
        f"median validation accuracy: sweep {medians[0]:.4f}, yardstick {medians[1]:.4f}\n"
    )


def timed(work: Callable[[], list[float]]) -> tuple[float, list[float]]:
    """Seconds that a piece of work took, and its result."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def populations(steps: int, device: str) -> None:
    """Time of a network's training against the size of the population that it is trained in.

    One thread, as in a worker.
    """
    configs = [point.config for point in plan_of(8, steps, device).points]
    configs = configs[FIRST_OF_POPULATION:]
    table = Table("population", "seconds a network", title=f"S = 256, {steps} steps, one thread")
    for K in POPULATIONS:
        table.add_row(str(K), f"{train_on_one_thread(configs[:K]) / K:.2f}")
    console.print(table)


def train_on_one_thread(configs: list[TrainConfig]) -> float:
    """Seconds that a population takes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1, user_api="blas"):
        trainer = Trainer(configs, data_of(configs[0]))
        begun = time.perf_counter()
        trainer.run()
        seconds = time.perf_counter() - begun
    torch.set_num_threads(threads)
    return seconds


def main(arguments: list[str]) -> None:
    """Run the parts named, or both."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks sweeps", description=__doc__
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"default: {' and '.join(PARTS)}")
    parser.add_argument("--side", type=int, default=8, help="side x side points (default: 8)")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    given = parser.parse_args(arguments)
    try:
        check(plan_of(given.side, given.steps, given.device))
    except InputError as error:
        raise SystemExit(str(error)) from None
    if unknown := set(given.parts) - set(PARTS):
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")

    # Compile the kernels before anything is timed.
    train_on_one_thread([point.config for point in plan_of(2, 2, given.device).points])
    libraries = [entry for entry in threadpool_info() if entry["internal_api"] == "openblas"]
    cores = {entry["architecture"] for entry in libraries}
    console.print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; "
        f"OpenBLAS: {', '.join(cores)}\n"
    )

    if not given.parts or "sweep" in given.parts:
        race(given.side, given.steps, given.device)
    if not given.parts or "populations" in given.parts:
        populations(given.steps // 4, given.device)
