"""Trains the arms of a claim over seeds and measures every network, and does nothing twice.

A trained network is a run folder, `runs/<scale>/<claim>/<arm>/seed-100`. Worker processes train:
networks of up to `LARGE` neurons together as a population, written when they are done; larger ones
one by one, each resumed where it stopped. The numbers of a network lie beside its run and are
measured anew when the code that measures has changed.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from experiments import claims, symbols
from experiments.claims import Row
from experiments.commands import judging
from experiments.commands.workers import Workers, data_of, say
from urn import InputError, Run, TrainConfig, load_run, resume, train, train_population
from urn.data.tasks import Dataset
from urn.io import atomic_write
from urn.runs.folders import CONFIG, WEIGHTS, RunFolder
from urn.runs.train import save_run
from urn.training.trainer import Trainer

LARGE = 400  # Neurons above which a network is trained alone. By judgement: it fills the processor.

MEASURED = "measured.json"  # The file with the numbers of a run, in its folder.

# Parts of `analysis` that no measurement imports: a change there makes no number stale.
DRAWING = ("plots", "page", "export")

# Is told of progress: number of the job, step, steps, text.
Observer = Callable[[int, int, int, str], None]

Stop = Callable[[], bool]  # Is asked between steps whether to stop.


@dataclass(frozen=True)
class Job:
    """Seeds of one arm of a claim, trained by one process.

    Attributes
    ----------
    claim, arm : str
    configs : tuple of TrainConfig
        One a seed.
    folders : tuple of path
        The run folder of each.
    starts : tuple of path
        The folders whose runs they go on from, or empty.
    """

    claim: str
    arm: str
    configs: tuple[TrainConfig, ...]
    folders: tuple[Path, ...]
    starts: tuple[Path, ...] = ()

    @property
    def title(self) -> str:
        """The name of the job in progress bars."""
        seeds = [config.seed for config in self.configs]
        which = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"
        return f"{self.claim} · {self.arm} · {which}"


def jobs_of(claim: str, scale: str, seeds: list[int], root: Path) -> list[Job]:
    """Every job of a claim.

    Parameters
    ----------
    claim, scale : str
        The claim, "quick" or "paper".
    seeds : list of int
        The seeds of each arm.
    root : path
        The folder of the runs.

    Returns
    -------
    list of Job
        Those that others go on from come first.
    """
    module = claims.load(claim)
    after = getattr(module, "AFTER", {})
    jobs = []
    for arm, config in module.arms(scale).items():
        # A network that fills the processor is a job of its own; smaller ones of all seeds are one
        # population.
        groups = [[seed] for seed in seeds] if config.n_neurons > LARGE else [seeds]
        for group in groups:
            configs = tuple(config.replace(seed=seed) for seed in group)
            folders = tuple(folder_of(root, claim, arm, seed) for seed in group)
            # Seed by seed: a life goes on from the network with its own seed.
            starts = tuple(folder_of(root, claim, after[arm], s) for s in group if arm in after)
            jobs.append(Job(claim, arm, configs, folders, starts))
    return jobs


def folder_of(root: Path, claim: str, arm: str, seed: int) -> Path:
    """The run folder of a network."""
    return root / claim / slug(arm) / f"seed-{seed}"


def slug(arm: str) -> str:
    """The folder name of an arm."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", arm).strip("_")


# ---- in a worker


def perform(
    job: Job, observer: Callable[[Trainer], None] | None = None, stop: Stop | None = None
) -> list[Row] | None:
    """Train what is not trained yet, measure what is not measured yet.

    Returns
    -------
    list of dict
        A row a seed, or None when stopped.
    """
    data = data_of(job.configs[0])
    # A population trains as one computation, so that its time is shared out evenly.
    begun = time.monotonic()
    fresh = _train(job, data, observer, stop)
    if fresh is None:
        return None

    seconds = (time.monotonic() - begun) / max(len(fresh), 1)
    return [
        measured(job, folder, data, seconds if folder in fresh else None) for folder in job.folders
    ]


def _train(
    job: Job, data: Dataset, observer: Callable[[Trainer], None] | None, stop: Stop | None
) -> list[Path] | None:
    """The folders that were trained now, or None when stopped before the end."""
    # What an earlier call has finished is left alone, and only the rest is trained.
    origins = job.starts or (None,) * len(job.folders)
    todo = [
        k
        for k, folder in enumerate(job.folders)
        if not _is_done(folder, job.configs[k], origins[k])
    ]
    if not todo:
        return []

    starts = [load_run(job.starts[k]) for k in todo] if job.starts else None
    options: dict[str, Any] = {"data": data, "observer": observer, "stop": stop}
    is_large = job.configs[0].n_neurons > LARGE
    train_all = _train_in_turn if is_large else _train_together
    if not train_all(job, todo, starts, options):
        return None
    return [job.folders[k] for k in todo]


def _train_in_turn(
    job: Job, todo: list[int], starts: list[Run] | None, options: dict[str, Any]
) -> bool:
    """Train networks one by one in their folders; False when stopped, to be resumed from there."""
    for n, k in enumerate(todo):
        folder = job.folders[k]
        # `_is_done` has taken away what cannot be gone on with, so that a folder here can be
        # resumed.
        if folder.exists():
            run = resume(folder, **options)
        else:
            start = starts[n] if starts else None
            run = train(job.configs[k], folder, start=start, **options)
        if run.status == "interrupted":
            return False
    return True


def _train_together(
    job: Job, todo: list[int], starts: list[Run] | None, options: dict[str, Any]
) -> bool:
    """Train networks as a population and write them; False, and nothing written, when stopped."""
    runs = train_population([job.configs[k] for k in todo], start=starts, **options)
    if any(run.status == "interrupted" for run in runs):
        return False

    for k, run in zip(todo, runs, strict=True):
        shutil.rmtree(job.folders[k], ignore_errors=True)  # half a run that a kill left
        save_run(run, job.folders[k])
    return True


def _is_done(folder: Path, config: TrainConfig, start: Path | None) -> bool:
    """Whether a finished run of this configuration lies there.

    One of another configuration, a broken one, or one older than the run it starts from is taken
    away.
    """
    if not folder.exists():
        return False

    store = RunFolder(folder)
    with suppress(InputError):
        # A run begins with its configuration: one that began before the run it starts from is
        # stale.
        begun = (folder / CONFIG).stat().st_mtime
        is_stale = start is not None and (start / WEIGHTS).stat().st_mtime > begun
        if store.config() == config and not is_stale:
            return store.finished()
    shutil.rmtree(folder)
    return False


def measured(job: Job, folder: Path, data: Dataset, seconds: float | None) -> Row:
    """The numbers of one run, from its folder or made now.

    Parameters
    ----------
    job : Job
        The job that the run is of.
    folder : path
        The folder of the run.
    data : Dataset
        The data of its task.
    seconds : float or None
        How long training took; None where it was trained before.
    """
    path = folder / MEASURED
    code = code_of(job.claim)
    record: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        record = json.loads(path.read_text(encoding="utf-8"))
    # Numbers stay while the code that made them does.
    if seconds is None and record.get("code") == code:
        return record["numbers"] | {"seconds": record["seconds"]}

    run = load_run(folder)
    say(run.config.steps, run.config.steps, f"measuring {folder.name}")
    numbers = {"status": run.status} | claims.load(job.claim).measure(job.arm, run, data)
    seconds = record.get("seconds", 0.0) if seconds is None else seconds
    record = {"code": code, "seconds": seconds, "numbers": numbers}
    atomic_write(path, json.dumps(record, indent=1))
    return numbers | {"seconds": seconds}


@cache
def code_of(claim: str) -> str:
    """A fingerprint of the code that measures.

    The module of the claim, what all claims share, and `analysis` without DRAWING.
    """
    import analysis

    root = Path(analysis.__file__).parent
    modules = (claims.load(claim), claims, judging, symbols)
    measuring = [
        path
        for path in sorted(root.rglob("*.py"))
        if path.relative_to(root).parts[0] not in DRAWING
    ]

    # The order of the files is fixed, so that the fingerprint is.
    whole = hashlib.sha256()
    for path in [*(Path(str(module.__file__)) for module in modules), *measuring]:
        whole.update(path.read_bytes())
    return whole.hexdigest()


# ---- the workers


def perform_all(
    jobs: list[Job], workers: int, observer: Observer
) -> Iterator[tuple[Job, list[Row] | None]]:
    """Perform jobs in worker processes and yield each as it ends, with its rows.

    Parameters
    ----------
    jobs : list of Job
        A job waits for the runs that it starts from.
    workers : int
        How many processes.
    observer : callable
        Is told of progress. On an interrupt the workers save what can be resumed.

    Raises
    ------
    InputError
        Naming the jobs in work when a process was killed.
    """
    waiting = dict(enumerate(jobs))
    done: set[Path] = set()
    with Workers(workers, perform, observer) as crew:
        while waiting or crew.running:
            # Start whatever is free to start. A phase of a life has to wait for the one before it.
            for number, job in list(waiting.items()):
                if crew.free and all(folder in done for folder in job.starts):
                    crew.submit(number, waiting.pop(number))

            running = [job.title for job in crew.running.values()]
            try:
                ended = crew.ended()
            except BrokenProcessPool:
                raise InputError(
                    f"{' and '.join(running)}: a process that trains was killed; is there enough "
                    "memory? The same command goes on from here"
                ) from None
            for job, rows in ended:
                done.update(job.folders)
                yield job, rows


def runs_of(claim: str, scale: str, seeds: list[int], root: Path) -> dict[str, list[Run]]:
    """The trained networks of a claim, by arm."""
    return {
        arm: [load_run(folder_of(root, claim, arm, seed)) for seed in seeds]
        for arm in claims.load(claim).arms(scale)
    }
