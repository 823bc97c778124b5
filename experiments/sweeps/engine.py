"""Trains the points of a store as populations, in this process or in several, and keeps each with its row as it ends."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch

from experiments.commands.workers import Tell, Workers, data_of
from experiments.sweeps.measure import measure
from experiments.sweeps.plan import Plan
from experiments.sweeps.store import Store
from urn import InputError, Run, TrainConfig, train_population
from urn.population.build import COPIES
from urn.training.progress import describe
from urn.training.trainer import Trainer

POPULATION = 16
"""Networks trained together on a CPU: what a step costs beside its kernels is then little for each; more gain nothing."""
SHARE_OF_MEMORY = 0.5
MOST_ATTEMPTS = 3
SECONDS_BETWEEN_BEATS = 20.0


@dataclass(frozen=True)
class Batch:
    """Points that one process trains as one population, under the lease of `owner`."""

    folder: Path
    owner: str
    numbers: tuple[int, ...]
    configs: tuple[TrainConfig, ...]


def check(plan: Plan) -> None:
    """Raise InputError for points that no trainer takes: one of each kind of population is built, and let go."""
    seen = {}
    for point in plan.points:
        seen.setdefault(point.shared, point)
    for point in seen.values():
        try:
            Trainer([point.config], data_of(point.config))
        except InputError as error:
            raise InputError(f"point {point.number}: {error}") from None


# ---- one population


def results(
    configs: tuple[TrainConfig, ...],
    report: Callable | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[tuple[Run, dict, dict | None]]:
    """Train a population, then yield every network with its row and its report, analysed one by one. Nothing when stopped."""
    data, begun = data_of(configs[0]), time.monotonic()
    runs = train_population(list(configs), data=data, observer=report, stop=stop)
    if any(run.status == "interrupted" for run in runs):
        return
    seconds = (time.monotonic() - begun) / len(runs)
    for run in runs:
        begun = time.monotonic()
        row, found = measure(run, data)
        yield run, row | {"seconds": seconds, "analysis_seconds": time.monotonic() - begun}, found


def train_batch(
    batch: Batch, report: Callable | None = None, stop: Callable[[], bool] | None = None
) -> list[int]:
    """Train a population and keep every network with its row. Returns the numbers kept."""
    with Store(batch.folder, batch.owner) as store:
        found = zip(batch.numbers, results(batch.configs, report, stop), strict=False)
        return [number for number, result in found if store.finish(number, *result)]


def room(config: TrainConfig, waiting: int, workers: int) -> int:
    """How many of `waiting` networks like this one a process trains together: as memory allows, and so that all have work."""
    share = -(-waiting // workers)
    if config.device != "cpu":
        return max(1, min(share, _fitting(config, torch.cuda.mem_get_info(config.device)[0])))
    return max(1, min(POPULATION, max(share, 2), _fitting(config, _free_memory() // workers)))


def _fitting(config: TrainConfig, free: int) -> int:
    """Networks that fit into a share of `free` bytes: W with its gradient and moments, activity with its gradient."""
    S, B, I = config.n_neurons, config.batch_size, config.n_iterations
    size = torch.finfo(getattr(torch, config.dtype)).bits // 8
    return int(SHARE_OF_MEMORY * free / (size * (COPIES * S**2 + 4 * (I + 1) * B * S)))


def _free_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a Unix
        return 2**32


# ---- all of them


class Engine:
    """Trains what is left to do in a store. `tell(number of the population, step, steps, text)` is called with progress."""

    def __init__(
        self, store: Store, plan: Plan, workers: int, tell: Tell, stop: Callable[[], bool]
    ):
        self.store, self.plan, self.workers, self.tell, self.stop = store, plan, workers, tell, stop
        self.n, self.beaten = 0, time.monotonic()

    def run(self) -> None:
        """Until nothing is left that no other process holds, or `stop()`. What was begun and not finished is given back."""
        self.store.enrol()
        self.store.sweep_drafts()
        try:
            self._train()
        finally:
            self.store.release()

    def _train(self) -> None:
        if self.workers == 1:
            self._run_here()
        else:
            while not self._run_in_workers():
                pass

    def _next(self) -> Batch | None:
        numbers = self.store.claim(
            lambda first, n: room(self.plan.points[first].config, n, self.workers)
        )
        if not numbers:
            return None
        configs = tuple(self.plan.points[number].config for number in numbers)
        return Batch(self.store.folder, self.store.me, tuple(numbers), configs)

    def _beat(self) -> None:
        if time.monotonic() - self.beaten >= SECONDS_BETWEEN_BEATS:
            self.beaten = time.monotonic()
            self.store.beat()

    def _run_here(self) -> None:
        while not self.stop() and (batch := self._next()):
            number = self.n
            self.n += 1

            def report(trainer: Trainer, number: int = number) -> None:
                self._beat()
                self.tell(number, trainer.step, trainer.config.steps, describe(trainer))

            train_batch(batch, report, self.stop)

    def _run_in_workers(self) -> bool:
        """Returns False if a worker was killed and there is more to do."""
        left = True
        with Workers(self.workers, train_batch, self.tell) as crew:
            while not self.stop() and (left or crew.running):
                while left and crew.free and not self.stop():
                    batch = self._next()
                    left = batch is not None
                    if batch:
                        crew.submit(self.n, batch)
                        self.n += 1
                self._beat()
                batches = list(crew.running.values())
                try:
                    crew.ended()
                except BrokenProcessPool:
                    self._give_back([number for batch in batches for number in batch.numbers])
                    return False
        return True

    def _give_back(self, numbers: list[int]) -> None:
        """After a worker was killed: its points are begun again, unless it was them that killed it."""
        self.store.release(numbers)
        worst, attempts = self.store.most_attempts(numbers)
        if attempts >= MOST_ATTEMPTS:
            raise InputError(
                f"point {worst}: the process that trains it was killed {attempts} times; is there enough memory?"
            )
