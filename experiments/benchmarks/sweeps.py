"""64 networks (c_w 1e-4 to 1e-3 by c_n 3e-4 to 1e-2, S = 256, digits, 4000 steps) as a sweep,
against the yardstick trained one after the other and in a pool of two processes. Claims on two
cores: >= 14 and >= 9 times faster. The sweep's time is that of the whole command but its imports,
analysis of every network included; kernels are compiled before, as they are once on a machine.

`--side` and `--steps` make it smaller; the claims are about the whole. With `--device cuda` all of
them train there, the sweep in one process.

The part `products` trains sixteen of them on one thread, and makes the products of matrices that
training met again, alone. Claim: training takes <= 1.5 times as long.

The part `jax` is run when it is named: the yardstick in JAX (`jax_yardstick`, extra `bench`), the
time of compiling apart. Claim: the whole sweep >= 2 times faster."""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_info, threadpool_limits

from experiments.benchmarks.products import Met, multiply, room_for
from experiments.benchmarks.training import Plain
from experiments.commands.workers import data_of
from experiments.sweeps.engine import POPULATION, Engine, check
from experiments.sweeps.plan import Plan, Sweep, make_plan
from experiments.sweeps.store import Store
from urn import InputError, TrainConfig, load_run
from urn.training.trainer import Trainer

PARTS = ("sweep", "products", "populations", "early")
"""What can be asked for by name."""
BY_NAME_ONLY = ("jax",)
"""What else can be: it needs an extra."""
JAX_STEPS = 100
"""Of the yardstick in JAX in one call. By judgement: calls then cost nothing beside their steps."""
DENSE_STEPS = 200
"""First steps that are raced alone. By judgement: nearly all neurons fire in them."""
QUIET_ROWS = 5
"""Of history, a hundred steps apart, after which a member may end early. By judgement: an eighth of
the steps in which nothing comes of going on."""
PARTS_OF_STEPS = 8
"""In which training and its products take turns. By judgement: a part takes some seconds."""
POPULATIONS = (1, 2, 4, 8, 16, 32)
"""Sizes; a worker of the sweep takes 16."""
console = Console()


def plan_of(side: int, steps: int, device: str = "cpu", **others: int) -> Plan:
    """side x side points of one seed; `others` are further fields."""
    base: dict[str, object] = {
        "task": "digits",
        "n_neurons": 256,
        "n_iterations": 4,
        "steps": steps,
        "log_every": 1000,
        "snapshots": 0,
    }
    base |= {"device": device, **others}
    axes = {"strengths.weight": ([1e-4, 1e-3], side), "strengths.activity": ([3e-4, 1e-2], side)}

    return make_plan(
        Sweep(
            seeds=1,
            base=base,
            grid={name: {"log": ends, "n": n} for name, (ends, n) in axes.items()},
        )
    )


def train_plainly(config: TrainConfig) -> float:
    """Train the yardstick; returns its validation accuracy."""
    data = data_of(config)
    plain = Plain(config, data)
    plain.run(config.steps)
    with torch.no_grad():
        X, y = (T.to(config.device) for T in data.validation)
        return float((plain.net(X)[0].argmax(1) == y).double().mean())


def race(side: int, steps: int, device: str) -> None:
    """The sweep against both ways of the yardstick."""
    plan = plan_of(side, steps, device)
    workers = 2 if device == "cpu" else 1
    configs = [point.config for point in plan.points]
    table = Table(
        "",
        "seconds",
        "seconds a point",
        "ratio",
        "claim",
        title=f"{len(configs)} networks, S = 256, {steps} steps",
    )

    ours, accuracies = timed(lambda: swept(plan, workers))
    table.add_row(
        f"urn sweep, processes: {workers}", f"{ours:.1f}", f"{ours / len(configs):.2f}", "", ""
    )
    alone, plain = timed(lambda: [train_plainly(config) for config in configs])
    table.add_row(
        "yardstick, one after the other",
        f"{alone:.1f}",
        f"{alone / len(configs):.2f}",
        f"{alone / ours:.1f}",
        ">= 14",
    )

    def pool() -> list[float]:
        with multiprocessing.get_context("spawn").Pool(2, torch.set_num_threads, (1,)) as processes:
            return processes.map(train_plainly, configs, chunksize=1)

    two, _ = timed(pool)
    table.add_row(
        "yardstick, pool of 2",
        f"{two:.1f}",
        f"{two / len(configs):.2f}",
        f"{two / ours:.1f}",
        ">= 9",
    )
    console.print(table)
    medians = [statistics.median(values) for values in (accuracies, plain)]
    console.print(
        f"median validation accuracy: sweep {medians[0]:.4f}, yardstick {medians[1]:.4f}\n"
    )


def swept(plan: Plan, workers: int) -> list[float]:
    """The validation accuracy of every point of a plan, trained as `urn sweep` does."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.create(Path(folder) / "sweep", plan) as store,
    ):
        # The engine tells of its progress, and asks whether to stop: neither is wanted here.
        Engine(store, plan, workers, lambda *progress: None, lambda: False).run()

        analysis = sum(seconds for (seconds,) in store.rows(["analysis_seconds"]))
        training = sum(seconds for (seconds,) in store.rows(["seconds"]))
        console.print(
            f"analysis took {analysis / training:.1%} of the time of training (claim: at most 15 %)"
        )
        return [accuracy for (accuracy,) in store.rows(["validation_accuracy"])]


def early(side: int, steps: int, device: str) -> None:
    """The sweep again where its members may end at stationarity, and make room for the others.

    If cost follows those still training, the share of the time is that of the steps, or less.
    """
    plans = [plan_of(side, steps, device, log_every=100, stationary=n) for n in (0, QUIET_ROWS)]
    workers = 2 if device == "cpu" else 1
    table = Table(
        *("may end early", "seconds", "steps made", "validation, median"),
        title=f"{len(plans[0].points)} networks, S = 256, up to {steps} steps",
    )
    outcomes = []
    for plan, name in zip(plans, ("no", "yes"), strict=True):
        begun = time.perf_counter()
        rows = networks(plan, workers)
        seconds = time.perf_counter() - begun
        made = sum(row[0] for row in rows) / (steps * len(rows))
        accuracy = statistics.median(row[1] for row in rows)
        table.add_row(name, f"{seconds:.1f}", f"{made:.1%}", f"{accuracy:.4f}")
        outcomes.append((seconds, made, [row[2] for row in rows]))

    (whole, _, architectures), (short, made, others) = outcomes
    console.print(table)
    same = sum(a == b for a, b in zip(architectures, others, strict=True))
    console.print(
        f"{whole / short:.2f} times faster, with {made:.1%} of the steps in {short / whole:.1%} of "
        f"the time; the same architecture in {same} of {len(others)}\n"
    )


def networks(plan: Plan, workers: int) -> list[tuple[int, float, str]]:
    """Steps made, validation accuracy and architecture of every network of a sweep."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.create(Path(folder) / "sweep", plan) as store,
    ):
        Engine(store, plan, workers, lambda *progress: None, lambda: False).run()
        rows = store.rows(["number", "validation_accuracy", "architecture"])
        return [
            (load_run(store.run_folder(number)).steps_done, accuracy, architecture)
            for number, accuracy, architecture in rows
        ]


def beside_jax(plan: Plan, dense_steps: int, pairs: int) -> None:
    """Both on one core while networks are dense; then the whole sweep, both on all cores."""
    configs = [point.config for point in plan.points]
    # As many as train together in a worker, spread over the grid.
    few = configs[:: -(-len(configs) // POPULATION)]
    cores = os.sched_getaffinity(0)

    # In turn, so that a busy machine disturbs both alike.
    with JaxProcess({min(cores)}, few, dense_steps) as jax:
        races = []
        for _ in range(pairs):
            os.sched_setaffinity(0, {min(cores)})
            ours = train_on_one_thread(few, dense_steps)
            os.sched_setaffinity(0, cores)
            races.append((*ours, *jax.train()[:2]))
        _print_races(f"{len(few)} networks, first {dense_steps} steps, one core", races, jax)

    # The sweep takes a worker for each core, JAX a thread.
    with JaxProcess(cores, configs, configs[0].steps) as jax:
        begun = sum(os.times()[:4])
        seconds, accuracies = timed(lambda: swept(plan, len(cores)))
        ours = (seconds, sum(os.times()[:4]) - begun)
        *theirs, others = jax.train()
        name = f"{len(configs)} networks, {configs[0].steps} steps, {len(cores)} cores"
        _print_races(f"{name} (claim: >= 2)", [(*ours, *theirs)], jax)

    medians = [statistics.median(values) for values in (accuracies, others)]
    console.print(f"median validation accuracy: sweep {medians[0]:.4f}, JAX {medians[1]:.4f}\n")


def _print_races(title: str, races: list[tuple[float, ...]], jax: "JaxProcess") -> None:
    """Medians; `races` hold seconds and processor time of urn, and those of JAX."""
    table = Table("", "urn, s", "JAX, s", "ratio (range)", title=f"beside jax.vmap: {title}")
    ours, ours_here, theirs, theirs_here = zip(*races, strict=True)
    kinds = {"seconds": (ours, theirs), "of the processor": (ours_here, theirs_here)}
    for kind, (a, b) in kinds.items():
        ratios = [y / x for x, y in zip(a, b, strict=True)]
        middle = statistics.median(ratios)
        table.add_row(
            kind,
            *(f"{statistics.median(values):.2f}" for values in (a, b)),
            f"{middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        )
    console.print(table)
    console.print(f"compiling took JAX {jax.compiling:.1f} s beside\n")


class JaxProcess:
    """The yardstick in JAX, in a process that keeps to some cores: JAX takes a thread for each."""

    def __init__(self, cores: set[int], configs: list[TrainConfig], steps: int) -> None:
        from experiments.benchmarks import jax_yardstick  # here, for it may not be installed

        self.yardstick = jax_yardstick
        self.data = data_of(configs[0])
        self.sizes = [JAX_STEPS] * (steps // JAX_STEPS)
        self.sizes += [steps % JAX_STEPS] if steps % JAX_STEPS else []

        spawn = multiprocessing.get_context("spawn")
        self.executor = ProcessPoolExecutor(1, spawn)
        prepared = self.executor.submit(
            jax_yardstick.prepare, cores, configs, self.data, self.sizes
        )
        self.compiling = prepared.result()

    def __enter__(self) -> "JaxProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.shutdown()

    def train(self) -> tuple[float, float, list[float]]:
        """Seconds that all networks took, those of the processor, and validation accuracies."""
        return self.executor.submit(self.yardstick.train, self.data, self.sizes).result()


def timed(work: Callable[[], list[float]]) -> tuple[float, list[float]]:
    """Seconds that a piece of work took, and what came out."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def populations(steps: int, device: str) -> None:
    """Time of a network's training against the size of the population it is trained in; one thread,
    as in a worker."""
    configs = [point.config for point in plan_of(8, steps, device).points]
    table = Table("population", "seconds a network", title=f"S = 256, {steps} steps, one thread")
    for K in POPULATIONS:
        table.add_row(str(K), f"{train_on_one_thread(configs[27 : 27 + K])[0] / K:.2f}")
    console.print(table)


def beside_products(plan: Plan) -> None:
    """Populations and their products alone: one as a worker trains it, and one spread over the
    grid, whose members end with neurons of very different number."""
    configs = [point.config for point in plan.points]
    first = max(0, (len(configs) - POPULATION) // 2)
    _beside_products("neighbours", configs[first : first + POPULATION])
    _beside_products("spread over the grid", configs[:: -(-len(configs) // POPULATION)])


def _beside_products(title: str, few: list[TrainConfig]) -> None:
    """A population and its products: in turn, part by part."""
    table = Table(
        *("steps", "neurons held", "trained, s", "products alone, s", "ratio", "their GFLOP/s"),
        title=f"{len(few)} networks, {title}, one thread (claim: <= 1.5)",
    )

    trainer = Trainer(few, data_of(few[0]))
    met = Met()
    totals = np.zeros(3)
    ends = np.unique(np.linspace(0, few[0].steps, PARTS_OF_STEPS + 1, dtype=int))[1:]
    with one_thread():
        for until in ends.tolist():
            begun = trainer.step
            with met.noted():
                seconds, _ = timed(lambda until=until: trainer.run(until))
            sizes = met.taken()
            room = room_for(sizes)
            multiply(sizes[:1], *room)  # compiles
            alone, _ = timed(lambda sizes=sizes, room=room: multiply(sizes, *room))

            part = np.array([seconds, alone, 2e-9 * sizes[:, :3].prod(1).sum()])
            totals += part
            held = str(trainer.net.weight.shape[1])
            table.add_row(f"{begun} to {until}", held, *_of_products(*part))
    table.add_row("all", "", *_of_products(*totals))
    console.print(table)


def _of_products(seconds: float, alone: float, work: float) -> tuple[str, ...]:
    return f"{seconds:.2f}", f"{alone:.2f}", f"{seconds / alone:.2f}", f"{work / alone:.0f}"


@contextmanager
def one_thread() -> Iterator[None]:
    """As a worker computes, whatever torch has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)


def train_on_one_thread(
    configs: list[TrainConfig], until: int | None = None
) -> tuple[float, float]:
    """Seconds that a population takes, and those of the processor."""
    with one_thread():
        trainer = Trainer(configs, data_of(configs[0]))
        begun = time.process_time()
        seconds, _ = timed(lambda: trainer.run(until))
        here = time.process_time() - begun
    return seconds, here


def main(arguments: list[str]) -> None:
    """Run the parts named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks sweeps", description=__doc__
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"default: {', '.join(PARTS)}")
    parser.add_argument("--side", type=int, default=8, help="side x side points (default: 8)")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--pairs", type=int, default=5, help="of first steps beside JAX")
    given = parser.parse_args(arguments)

    try:
        check(plan_of(given.side, given.steps, given.device))
    except InputError as error:
        raise SystemExit(str(error)) from None

    parts = (*PARTS, *BY_NAME_ONLY)
    if unknown := set(given.parts) - set(parts):
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    if "jax" in given.parts and find_spec("jax") is None:
        raise SystemExit("JAX is not installed: pip install -e .[bench]")

    train_on_one_thread([point.config for point in plan_of(2, 2, given.device).points])  # compiles
    cores = {
        library["architecture"]
        for library in threadpool_info()
        if library["internal_api"] == "openblas"
    }
    console.print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; "
        f"OpenBLAS: {', '.join(cores)}\n"
    )

    if not given.parts or "sweep" in given.parts:
        race(given.side, given.steps, given.device)
    if not given.parts or "products" in given.parts:
        beside_products(plan_of(given.side, given.steps))
    if not given.parts or "populations" in given.parts:
        populations(given.steps // 4, given.device)
    if not given.parts or "early" in given.parts:
        early(given.side, given.steps, given.device)
    if "jax" in given.parts:
        beside_jax(plan_of(given.side, given.steps), min(DENSE_STEPS, given.steps), given.pairs)
