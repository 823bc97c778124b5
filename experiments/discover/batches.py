"""What a discovery trains, a population at a time, here or in several processes."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path
from typing import TypeVar

from experiments.commands.workers import Workers
from experiments.discover.dials import Arm, Strengths, arms_and_dials
from experiments.discover.jobs import (
    DATA,
    VALIDATION,
    Batch,
    Interrupted,
    Job,
    of_kind,
    read,
    train_batch,
)
from experiments.discover.sizes import BATCH, WARM_UP, Sizes, neurons, work
from urn import TrainConfig
from urn.data.tasks import Dataset
from urn.data.twins import Kind
from urn.errors import InputError
from urn.training.trainer import Trainer

PROBED = (10, 40)
"""Steps of the probe: from the first to the second are timed, once all is compiled."""

PROBE = "I = 3"
"""The arm whose steps are timed, the first one where it is not tried (of sequences). By judgement:
in the middle of all kinds."""

Member = tuple[Strengths, int]
"""Strengths and seed of a network."""

Key = TypeVar("Key", bound=Hashable)
"""What jobs are called by whoever wants them trained."""


class Batches:
    """Trains populations of one discovery.

    Parameters
    ----------
    folder : path
        Of the discovery.
    task : dict
        Fields `task` and `task_options` of the configurations.
    data : Dataset
        What they describe.
    seed : int
        Of the whole discovery.
    stop : callable
        Asked between steps.
    crew : Workers, optional
        Processes that train, with `in_worker` as their work; else this one does.

    Attributes
    ----------
    spent : float
        Seconds that all batches took, those of earlier runs included, as long as there are as many
        processes.
    done : float
        Units of `work` in them.
    """

    def __init__(
        self,
        folder: Path,
        task: dict,
        data: Dataset,
        seed: int,
        stop: Callable[[], bool],
        crew: Workers | None = None,
    ) -> None:
        self.folder = folder
        self.task = task
        self.data = data
        self.seed = seed
        self.stop = stop
        self.crew = crew
        self.n_processes = crew.n if crew else 1
        self.spent = 0.0
        self.done = 0.0
        self._of_kind = cache(lambda on: of_kind(data, on, seed))

    def config(self, arm: Arm, member: Member, sizes: Sizes, steps: int) -> TrainConfig:
        """The configuration of a network."""
        strengths, seed = member
        steps *= arm.patience
        # Only a lattice has channels: the configuration refuses them elsewhere.
        lattice = {"channels": sizes.channels} if arm.is_lattice else {}
        return TrainConfig(
            **self.task,
            **arm.fields,
            **lattice,
            n_neurons=neurons(arm, self.data, sizes),
            n_iterations=arm.n_iterations,
            steps=steps,
            batch_size=BATCH,
            learning_rate={
                "value": arm.rate,
                "warmup": round(WARM_UP * steps),
                "milestones": [0.6, 0.85],
                "factor": 0.2,
            },
            strengths=strengths,
            seed=seed,
            log_every=max(1, steps),
            snapshots=0,
        )

    def search(self, arm: Arm, strengths: Sequence[Strengths], sizes: Sizes, k: int) -> Job:
        """An arm at several strengths for a rung, without a look at test data."""
        members = [(each, self.seed) for each in strengths]
        return self._job(f"search {k + 1} {arm.name}", arm, members, sizes, sizes.rungs[k])

    def confirm(
        self, arm: Arm, strengths: Strengths, sizes: Sizes, kind: Kind | None = None
    ) -> Job:
        """An arm with fresh seeds, on the data or on a twin, that answers the test samples."""
        # Both arms of a pair, and their twins, get the same seeds, so that they can be paired.
        members = [(strengths, seed) for seed in fresh_seeds(self.seed, sizes.seeds)]
        on = kind or DATA
        return self._job(f"confirm {on} {arm.name}", arm, members, sizes, sizes.steps, on)

    def candidate(self, arm: Arm, strengths: Strengths, sizes: Sizes, steps: int, k: int) -> Job:
        """A network that may be the one to keep, without a look at test data."""
        members = [(strengths, fresh_seeds(self.seed, 1)[0])]
        return self._job(f"candidate {k + 1} {arm.name}", arm, members, sizes, steps)

    def _job(
        self,
        name: str,
        arm: Arm,
        members: Sequence[Member],
        sizes: Sizes,
        steps: int,
        on: str = VALIDATION,
    ) -> Job:
        configs = tuple(self.config(arm, member, sizes, steps) for member in members)
        units = steps * len(configs) * work(arm, self.data, sizes)
        return Job(name, configs, on, units, self.folder, self.seed)

    def train(
        self,
        jobs: Mapping[Key, Job],
        each: Callable[[Key, Batch], object] = lambda key, batch: None,
    ) -> dict[Key, Batch]:
        """Batches from their files, or trained; their time is counted either way.

        Parameters
        ----------
        jobs : mapping
            {key: Job}.
        each : callable
            Told of every key and batch as it ends.

        Returns
        -------
        batches : dict
            {key: Batch}, in the order of the jobs.

        Raises
        ------
        Interrupted
        InputError
            When a file is damaged, or a process was killed.
        """
        batches = {}

        def end(key: Key, batch: Batch) -> None:
            batches[key] = batch
            self.spent += batch.seconds / self.n_processes
            self.done += jobs[key].units
            each(key, batch)

        left = {}
        for key, job in jobs.items():
            batch = read(job)
            if batch is None:
                left[key] = job
            else:
                end(key, batch)

        if self.crew is None:
            for key, job in left.items():
                end(key, train_batch(job, self._of_kind(job.on), self.stop))
        else:
            self._by_crew(self.crew, left, end)
        return {key: batches[key] for key in jobs}

    def _by_crew(
        self, crew: Workers, jobs: dict[Key, Job], end: Callable[[Key, Batch], None]
    ) -> None:
        """Train in processes, the longest first: none is left alone with it at the end."""
        waiting = sorted(jobs.values(), key=lambda job: job.units)
        keys = {job.name: key for key, job in jobs.items()}
        while waiting or crew.running:
            while waiting and crew.free:
                crew.submit(len(waiting), waiting.pop())

            names = " and ".join(job.name for job in crew.running.values())
            try:
                ended = crew.ended()
            except BrokenProcessPool:
                raise InputError(
                    f"{names}: a process that trains was killed; is there enough memory? The same "
                    "command goes on from here"
                ) from None
            for job, batch in ended:
                if batch is None:
                    raise Interrupted
                end(keys[job.name], batch)
            if self.stop():
                raise Interrupted

    def per_work(self) -> float:
        """Seconds of a unit of `work`: of all that was trained, or at first of a few steps."""
        return self.spent / self.done if self.done else self._probed() / self.n_processes

    def _probed(self) -> float:
        """Time a few steps of a middling kind of network."""
        arms, _ = arms_and_dials(self.data)
        arm = arms[PROBE] if PROBE in arms else next(iter(arms.values()))
        sizes = Sizes()
        first, last = PROBED
        members = [(strengths, self.seed) for strengths in arm.strengths]
        trainer = Trainer([self.config(arm, each, sizes, last) for each in members], self.data)
        trainer.run(until=first)  # what is compiled, is compiled here

        start = time.perf_counter()
        trainer.run(until=last, stop=self.stop)
        seconds = (time.perf_counter() - start) / (last - first) / len(members)
        # Steps that were cut short say nothing of the time, and sizes would be kept.
        if self.stop():
            raise Interrupted
        return seconds * arm.patience / work(arm, self.data, sizes)


def fresh_seeds(seed: int, n: int) -> list[int]:
    """Seeds of the confirmation; the search has that of the discovery, which is none of them."""
    return [1_000_003 * (seed + 1) + k for k in range(n)]
