"""Trains the arms of a claim over seeds and measures every network, in worker processes, so that nothing is done twice.

A trained network is a run folder, `runs/<scale>/<claim>/<arm>/seed-100`. Networks of up to `LARGE` neurons are
trained together as a population and written when they are done; larger ones one by one, each resumed where it stopped. What
was measured lies beside the run and is made anew when the code that measures has changed.
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

from experiments import claims, symbols
from experiments.commands import judging
from experiments.commands.workers import Observer, Workers, data_of, say
from urn import InputError, Run, TrainConfig, load_run, resume, train, train_population
from urn.data.tasks import Dataset
from urn.runs.folders import CONFIG, WEIGHTS, RunFolder
from urn.runs.train import save_run

LARGE = 400
"""Neurons from which a network fills the processor alone."""
MEASURED = "measured.json"
DRAWS = ("plots", "page", "export")
"""Rooms of `analysis` that no measurement passes through."""


@dataclass(frozen=True)
class Job:
    """Seeds of one arm of a claim, trained by one process. `starts`: the folders whose runs they go on from, or nothing."""

    claim: str
    arm: str
    configs: tuple[TrainConfig, ...]
    folders: tuple[Path, ...]
    starts: tuple[Path, ...] = ()

    @property
    def title(self) -> str:
        """What progress calls it."""
        seeds = [config.seed for config in self.configs]
        return f"{self.claim} · {self.arm} · " + (
            f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"
        )


def jobs_of(claim: str, scale: str, seeds: list[int], root: Path) -> list[Job]:
    """Every job of a claim, in an order that respects what follows what."""
    module = claims.load(claim)
    after, found = getattr(module, "AFTER", {}), []
    for arm, config in module.arms(scale).items():
        folder = lambda seed, arm=arm: root / claim / slug(arm) / f"seed-{seed}"  # noqa: E731
        groups = [[seed] for seed in seeds] if config.n_neurons > LARGE else [seeds]
        for group in groups:
            starts = tuple(folder(seed, after[arm]) for seed in group) if arm in after else ()
            configs = tuple(config.replace(seed=seed) for seed in group)
            found.append(Job(claim, arm, configs, tuple(map(folder, group)), starts))
    return found


def slug(arm: str) -> str:
    """The folder name of an arm."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", arm).strip("_")


# ---- in a worker


def perform(
    job: Job, report: Callable | None = None, stop: Callable[[], bool] | None = None
) -> list[dict] | None:
    """Train what is not trained yet, measure what is not measured yet. Returns a row a seed, or None when stopped."""
    data = data_of(job.configs[0])
    begun = time.monotonic()
    fresh = _train(job, data, report, stop)
    if fresh is None:
        return None
    seconds = (time.monotonic() - begun) / max(len(fresh), 1)
    return [
        measured(job, folder, data, seconds if folder in fresh else None) for folder in job.folders
    ]


def _train(job: Job, data: Dataset, report, stop) -> list[Path] | None:
    """The folders that were trained now, or None when stopped before the end."""
    origins = job.starts or [None] * len(job.folders)
    todo = [
        k
        for k, folder in enumerate(job.folders)
        if not _is_done(folder, job.configs[k], origins[k])
    ]
    if not todo:
        return []
    starts = [load_run(job.starts[k]) for k in todo] if job.starts else None
    how = {"data": data, "observer": report, "stop": stop}
    if job.configs[0].n_neurons > LARGE:
        for k, start in zip(todo, starts or [None] * len(todo), strict=True):
            folder = job.folders[k]
            run = (
                resume(folder, **how)
                if folder.exists()
                else train(job.configs[k], folder, start=start, **how)
            )
            if run.status == "interrupted":
                return None
    else:
        runs = train_population([job.configs[k] for k in todo], start=starts, **how)
        if any(run.status == "interrupted" for run in runs):
            return None
        for k, run in zip(todo, runs, strict=True):
            shutil.rmtree(job.folders[k], ignore_errors=True)  # half a run that a kill left
            save_run(run, job.folders[k])
    return [job.folders[k] for k in todo]


def _is_done(folder: Path, config: TrainConfig, start: Path | None) -> bool:
    """Whether a finished run of this configuration lies there.

    One of another configuration, a broken one, or one older than the run it starts from is taken away.
    """
    if not folder.exists():
        return False
    store = RunFolder(folder)
    with suppress(InputError):
        stale = (
            start is not None
            and (start / WEIGHTS).stat().st_mtime > (folder / CONFIG).stat().st_mtime
        )
        if store.config() == config and not stale:
            return store.finished()
    shutil.rmtree(folder)
    return False


def measured(job: Job, folder: Path, data: Dataset, seconds: float | None) -> dict:
    """The numbers of one run, from its folder or made now."""
    path, code = folder / MEASURED, code_of(job.claim)
    kept = {}
    with suppress(OSError, ValueError):
        kept = json.loads(path.read_text(encoding="utf-8"))
    if seconds is None and kept.get("code") == code:
        return kept["numbers"] | {"seconds": kept["seconds"]}
    run = load_run(folder)
    say(run.config.steps, run.config.steps, f"measuring {folder.name}")
    numbers = {"status": run.status} | claims.load(job.claim).measure(job.arm, run, data)
    kept = {
        "code": code,
        "seconds": kept.get("seconds", 0.0) if seconds is None else seconds,
        "numbers": numbers,
    }
    RunFolder(folder).write(MEASURED, json.dumps(kept, indent=1).encode())
    return numbers | {"seconds": kept["seconds"]}


@cache
def code_of(claim: str) -> str:
    """A fingerprint of the code that measures: the claim's module, what all claims share, and `analysis` without DRAWS."""
    import analysis

    whole, root = hashlib.sha256(), Path(analysis.__file__).parent
    shared = [Path(module.__file__) for module in (claims, judging, symbols)]
    measuring = [
        path for path in sorted(root.rglob("*.py")) if path.relative_to(root).parts[0] not in DRAWS
    ]
    for path in [Path(claims.load(claim).__file__), *shared, *measuring]:
        whole.update(path.read_bytes())
    return whole.hexdigest()


# ---- the workers


def perform_all(
    jobs: list[Job], workers: int, observer: Observer
) -> Iterator[tuple[Job, list[dict]]]:
    """Perform jobs in `workers` processes and yield each as it ends. A job waits for the runs that it starts from.

    `observer(number of the job, step, steps, text)` is called with progress. On an interrupt the workers save what can be resumed.

    Raises:
        InputError: naming the jobs in work when a process was killed.
    """
    waiting, done = dict(enumerate(jobs)), set()
    with Workers(workers, perform, observer) as crew:
        while waiting or crew.running:
            for number, job in list(waiting.items()):
                if crew.free and all(folder in done for folder in job.starts):
                    crew.submit(number, waiting.pop(number))
            running = [job.title for job in crew.running.values()]
            try:
                ended = crew.ended()
            except BrokenProcessPool:
                raise InputError(
                    f"{' and '.join(running)}: a process that trains was killed; is there enough memory? "
                    "The same command goes on from here"
                ) from None
            for job, rows in ended:
                done.update(job.folders)
                yield job, rows


def runs_of(claim: str, scale: str, seeds: list[int], root: Path) -> dict[str, list[Run]]:
    """The trained networks of a claim, by arm."""
    arms = claims.load(claim).arms(scale)
    return {
        arm: [load_run(root / claim / slug(arm) / f"seed-{seed}") for seed in seeds] for arm in arms
    }
