"""Trains the points of a store as populations, in this process or in several.

Each network is kept with its row as its population ends.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from experiments.commands.workers import Observer, Workers, data_of
from experiments.sweeps.borders import Search, rows_of
from experiments.sweeps.measure import Row, measure
from experiments.sweeps.plan import Plan, Point
from experiments.sweeps.store import Store
from urn import InputError, Run, TrainConfig, train_population
from urn.memory import available_memory
from urn.population.build import bytes_to_train
from urn.training.progress import describe
from urn.training.trainer import Trainer

POPULATION = 16
"""Networks trained together on a CPU. Measured (`experiments.benchmarks sweeps`): the cost of a
step beside its kernels is then little for each; more gain nothing."""

POPULATION_ANYWHERE = 1 << 20
"""More networks than any store has points: a bound where the system does not say what is free."""

SHARE_OF_MEMORY = 0.5
"""Of what is free that a population may take. By judgement: kernels need room to work in."""

MOST_ATTEMPTS = 3
"""How often a process may be killed over the same point. By judgement: twice is bad luck."""

SECONDS_BETWEEN_BEATS = 20.0
"""By judgement: fifteen heartbeats to `SECONDS_TO_DIE`."""

SECONDS_BETWEEN_LOOKS = 1.0
"""At what another process has done of the round it trains. By judgement."""

Result = tuple[Run, Row, dict | None]
"""A trained network, its row and its report."""


@dataclass(frozen=True)
class Batch:
    """Points that one process trains as one population, under the lease of `owner`."""

    folder: Path
    owner: str
    numbers: tuple[int, ...]
    configs: tuple[TrainConfig, ...]


def check(plan: Plan) -> None:
    """Raise InputError for points that no trainer takes.

    One of each kind of population is built, and let go.
    """
    kinds: dict[str, Point] = {}
    for point in plan.points:
        kinds.setdefault(point.shared, point)
    for point in kinds.values():
        try:
            Trainer([point.config], data_of(point.config))
        except InputError as error:
            raise InputError(f"point {point.number}: {error}") from None


# ---- one population


def results(
    configs: tuple[TrainConfig, ...],
    report: Callable[[Trainer], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Result]:
    """Train a population, then yield every network with its row and its report.

    They are analysed one by one. Nothing is yielded when training was stopped.
    """
    data = data_of(configs[0])
    begun = time.monotonic()
    runs = train_population(list(configs), data=data, observer=report, stop=stop)
    if any(run.status == "interrupted" for run in runs):
        return
    seconds = (time.monotonic() - begun) / len(runs)

    for run in map(loadable, runs):
        begun = time.monotonic()
        row, structure = measure(run, data)
        if row["status"] == "diverged":
            run = replace(run, status="diverged")
        row |= {"seconds": seconds, "analysis_seconds": time.monotonic() - begun}
        yield run, row, structure


def loadable(run: Run) -> Run:
    """The run itself; as diverged, without what is not finite, if it could not be loaded."""
    tensors = (run.weights, run.biases)
    snapshots = [
        snapshot
        for snapshot in run.snapshots
        if snapshot.held_weights.isfinite().all() and snapshot.held_biases.isfinite().all()
    ]
    is_finite = all(bool(tensor.isfinite().all()) for tensor in tensors)
    if is_finite and len(snapshots) == len(run.snapshots):
        return run

    weights, biases = (tensor.nan_to_num(0.0, 0.0, 0.0) for tensor in tensors)
    return replace(
        run,
        weights=weights,
        biases=biases,
        snapshots=snapshots,
        status="diverged",
        test_accuracy=float("nan"),
    )


def train_batch(
    batch: Batch,
    report: Callable[[Trainer], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[int]:
    """Train a population and keep every network with its row. Returns the numbers kept."""
    kept = []
    with Store(batch.folder, batch.owner) as store:
        # Not strict: nothing comes out of a population that was stopped.
        pairs = zip(batch.numbers, results(batch.configs, report, stop), strict=False)
        for number, result in pairs:
            if store.finish(number, *result):
                kept.append(number)
    return kept


def room(config: TrainConfig, waiting: int, workers: int) -> int:
    """How many of `waiting` networks like this a process trains together.

    As many as memory allows, and so that all processes have work.
    """
    share = -(-waiting // workers)
    if config.device != "cpu":
        free = torch.cuda.mem_get_info(config.device)[0]
        return max(1, min(share, _fitting(config, free)))
    return max(1, min(POPULATION, max(share, 2), _fitting(config, available_memory() / workers)))


def _fitting(config: TrainConfig, free: float) -> int:
    """Networks that fit into a share of `free` bytes, as training counts them, and activity with
    its gradient."""
    size = getattr(torch, config.dtype).itemsize
    activity = 4 * size * (config.n_iterations + 1) * config.batch_size * config.n_neurons
    first = bytes_to_train(config, 1)
    each = bytes_to_train(config, 2) - first + activity
    return int(min(POPULATION_ANYWHERE, (SHARE_OF_MEMORY * free - first - activity) / each + 1))


# ---- all of them


class Engine:
    """Trains what is left to do in a store.

    Parameters
    ----------
    store : Store
        An open store.
    plan : Plan
        That it was made with.
    workers : int
        Processes that train; with 1 this process does.
    observer : callable
        Is told of the progress of every population.
    stop : callable
        Asked between steps; once it says True, what was begun is given back.
    """

    def __init__(
        self, store: Store, plan: Plan, workers: int, observer: Observer, stop: Callable[[], bool]
    ) -> None:
        self.store = store
        self.plan = plan
        self.workers = workers
        self.observer = observer
        self.stop = stop
        self.search = Search(plan) if plan.borders else None
        self.n_batches = 0
        self.last_beat = time.monotonic()

    def run(self) -> None:
        """Train until nothing is left that no other process holds, or `stop()`."""
        self.store.enrol()
        self.store.keep_file(self.plan)
        self.store.sweep_drafts()
        try:
            self._train()
        finally:
            self.store.release()

    def _train(self) -> None:
        if self.workers == 1:
            self._run_here()
            return
        while not self._run_in_workers():
            pass

    def _next(self) -> Batch | None:
        """Points to train next, claimed; None where there are none."""
        points = self.plan.points
        numbers = self.store.claim(
            lambda first, n: room(points[first].config, n, self.workers), self._wanted()
        )
        if not numbers:
            return None
        configs = tuple(points[number].config for number in numbers)
        return Batch(self.store.folder, self.store.owner, tuple(numbers), configs)

    def _wanted(self) -> list[int] | None:
        """Points of the round of the search; None where all points are to be trained."""
        if self.search is None:
            return None
        return self.search.advance(rows_of(self.store, self.search.borders))

    def _is_searching(self) -> bool:
        """Whether there may be more to train once what is in training, here or elsewhere, ends."""
        return self.search is not None and not self.search.is_complete

    def _look_again(self) -> None:
        """Wait for what another process trains."""
        time.sleep(SECONDS_BETWEEN_LOOKS)
        self._beat()

    def _beat(self) -> None:
        if time.monotonic() - self.last_beat >= SECONDS_BETWEEN_BEATS:
            self.last_beat = time.monotonic()
            self.store.beat()

    def _run_here(self) -> None:
        while not self.stop():
            batch = self._next()
            if batch:
                train_batch(batch, partial(self._observe, self.n_batches), self.stop)
                self.n_batches += 1
            elif self._is_searching():
                self._look_again()
            else:
                return

    def _observe(self, number: int, trainer: Trainer) -> None:
        self._beat()
        self.observer(number, trainer.step, trainer.steps, describe(trainer))

    def _run_in_workers(self) -> bool:
        """Returns False if a worker was killed and there is more to do."""
        more = True
        with Workers(self.workers, train_batch, self.observer) as crew:
            while not self.stop() and (more or crew.running):
                more = more and self._fill(crew)
                if not crew.running and more:
                    self._look_again()
                self._beat()

                batches = list(crew.running.values())
                try:
                    crew.ended()
                except BrokenProcessPool:
                    self._give_back([number for batch in batches for number in batch.numbers])
                    return False
        return True

    def _fill(self, crew: Workers) -> bool:
        """Give every free worker a population. Returns whether there may be more of them."""
        while crew.free and not self.stop():
            batch = self._next()
            if batch is None:
                return self._is_searching()
            crew.submit(self.n_batches, batch)
            self.n_batches += 1
        return True

    def _give_back(self, numbers: list[int]) -> None:
        """After a worker was killed: its points are begun again, unless they killed it."""
        self.store.release(numbers)
        worst, attempts = self.store.most_attempts(numbers)
        if attempts >= MOST_ATTEMPTS:
            raise InputError(
                f"point {worst}: the process that trains it was killed {attempts} times; "
                "is there enough memory?"
            )
