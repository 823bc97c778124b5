"""Worker processes that train.

They tell their parent how far they are, stop when asked to, and never outlive it.
"""

import atexit
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Any, Protocol, Self

import torch
from threadpoolctl import threadpool_limits

from urn import TrainConfig
from urn.data.tasks import Dataset, task_options
from urn.errors import InputError
from urn.training.progress import describe
from urn.training.trainer import Trainer

SECONDS_BETWEEN_REPORTS = 0.5
"""By judgement: a bar that moves twice a second, and a queue that costs nothing."""

SECONDS_TO_WAIT = 0.2
"""For jobs that end, before progress is passed on. By judgement: shorter than a report."""

MOST_WORKERS = 1000
"""Processes, by judgement: more are a slip of the keyboard."""

Observer = Callable[[int, int, int, str], None]
"""Is told of progress: number of the job, step, steps, text."""


def check_workers(n: int) -> None:
    """Raise InputError for a number of processes that cannot be."""
    if not 1 <= n <= MOST_WORKERS:
        raise InputError(f"--workers: must be from 1 to {MOST_WORKERS}, not {n}")


class Job(Protocol):
    """What a worker is given; it trains `configs` together."""

    @property
    def configs(self) -> tuple[TrainConfig, ...]:
        """The networks of the job."""
        ...


Work = Callable[..., Any]
"""(job, report, stop) -> the result, or None when stopped; a function that can be imported."""


class _Line:
    """The worker's end of the line to its parent. Empty outside a worker."""

    queue: SimpleQueue | None = None
    stop: Event | None = None
    number: int = 0


class Workers:
    """`n` processes that share the threads there are.

    Left as a context, it asks all to stop, and waits until they have saved what can be resumed.

    Parameters
    ----------
    n : int
        How many processes.
    work : callable
        What a process does with a job.
    observer : callable
        Is told of the progress of every job.
    """

    def __init__(self, n: int, work: Work, observer: Observer) -> None:
        context = multiprocessing.get_context("spawn")
        self.n = n
        self.work = work
        self.observer = observer
        self.running: dict = {}
        self.queue = context.SimpleQueue()
        self.stop = context.Event()

        threads = max(1, torch.get_num_threads() // n)
        arguments = (self.queue, self.stop, os.getpid(), threads)
        self.pool = ProcessPoolExecutor(n, context, _begin, arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An interrupt while Python joins the pool's thread makes it believe that the thread has
        # ended; nobody then tells the workers to go, and the process waits for them for ever.
        with _interrupts_ignored():
            self.stop.set()
            self.pool.shutdown(wait=True, cancel_futures=True)

    @property
    def free(self) -> bool:
        """Whether a process has nothing to do."""
        return len(self.running) < self.n

    def submit(self, number: int, job: Job) -> None:
        """Give a job to a process."""
        with _interrupts_held():
            future = self.pool.submit(_work, number, self.work, job)
        self.running[future] = job

    def ended(self) -> list[tuple]:
        """(job, result) of those that ended in the last moments; passes progress on.

        Raises BrokenProcessPool when a process was killed.
        """
        ended, _ = wait(self.running, timeout=SECONDS_TO_WAIT, return_when=FIRST_COMPLETED)
        while not self.queue.empty():
            self.observer(*self.queue.get())
        return [(self.running.pop(future), future.result()) for future in ended]


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold interrupts back for a moment; processes that are started in it never get any.

    From a keyboard an interrupt goes to all. A worker that met it while its libraries are loaded,
    before `_begin`, would say so with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # not a Unix
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let interrupts pass by while workers save; they were asked to stop, and soon do."""
    if threading.current_thread() is not threading.main_thread():  # only that one gets interrupts
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin(queue: SimpleQueue, stop: Event, parent: int, threads: int) -> None:
    """Set a worker up: the parent handles interrupts, and no worker outlives it."""
    _Line.queue = queue
    _Line.stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")  # NumPy's threads are not torch's

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

    # Exit at once: taking a worker's modules apart takes longer than half a second.
    atexit.register(os._exit, 0)


def data_of(config: TrainConfig) -> Dataset:
    """The data set of a configuration's task, loaded once a process."""
    return _loaded(config.task, json.dumps(config.to_dict()["task_options"]))


@cache
def _loaded(task: str, options: str) -> Dataset:
    return task_options(task, json.loads(options)).load()


def say(step: int, steps: int, text: str) -> None:
    """Tell the parent how far the job in hand is; outside a worker nobody listens."""
    if _Line.queue:
        _Line.queue.put((_Line.number, step, steps, text))


def _work(number: int, work: Work, job: Job) -> object:
    """Do one job in a worker, telling the parent of it now and then."""
    _Line.number = number
    last = 0.0

    def report(trainer: Trainer) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_REPORTS:
            last = time.monotonic()
            say(trainer.step, trainer.steps, describe(trainer))

    say(0, max(config.steps for config in job.configs), "...")
    assert _Line.stop is not None  # `_begin` has run
    return work(job, report, _Line.stop.is_set)
