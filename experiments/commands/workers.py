"""Worker processes that train: they tell how far they are, stop when asked to, and never outlive who started them."""

import atexit
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from functools import cache

import torch
from threadpoolctl import threadpool_limits

from urn import TrainConfig
from urn.data.tasks import Dataset, task_options
from urn.training.progress import describe

SECONDS_BETWEEN_REPORTS = 0.5

Work = Callable  # (job, report, stop) -> what came out, or None when stopped; a function that can be imported by name
Tell = Callable[[int, int, int, str], None]  # (number of the job, step, steps, text)

_said = _stop = _number = (
    None  # the worker's end of the line to its parent, and the number of its job
)


class Workers:
    """`n` processes that share the threads there are. A job has `configs`, what it trains together.

    Left as a context, it asks all to stop, and waits until they have saved what can be resumed.
    """

    def __init__(self, n: int, work: Work, tell: Tell):
        context = multiprocessing.get_context("spawn")
        self.n, self.work, self.tell, self.running = n, work, tell, {}
        self.said, self.stop = context.SimpleQueue(), context.Event()
        threads = max(1, torch.get_num_threads() // n)
        self.pool = ProcessPoolExecutor(
            n, context, _begin, (self.said, self.stop, os.getpid(), threads)
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.pool.shutdown(wait=True, cancel_futures=True)

    @property
    def free(self) -> bool:
        """Whether a process has nothing to do."""
        return len(self.running) < self.n

    def submit(self, number: int, job) -> None:
        """Give a job to a process."""
        self.running[self.pool.submit(_work, number, self.work, job)] = job

    def ended(self) -> list[tuple]:
        """(job, what came out) of those that ended in the last moments; passes on what the processes tell.

        Raises BrokenProcessPool when a process was killed.
        """
        ended, _ = wait(self.running, timeout=0.2, return_when=FIRST_COMPLETED)
        while not self.said.empty():
            self.tell(*self.said.get())
        return [(self.running.pop(future), future.result()) for future in ended]


def _begin(said, stop, parent: int, threads: int) -> None:
    """Set a worker up: the parent handles interrupts, and no worker outlives it."""
    global _said, _stop
    _said, _stop = said, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")  # NumPy's

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    atexit.register(
        os._exit, 0
    )  # nothing of a worker need be taken apart, which takes longer than half a second


def data_of(config: TrainConfig) -> Dataset:
    """The data set of a configuration's task, loaded once a process."""
    return _loaded(config.task, json.dumps(config.to_dict()["task_options"]))


@cache
def _loaded(task: str, options: str) -> Dataset:
    return task_options(task, json.loads(options)).load()


def say(step: int, steps: int, text: str) -> None:
    """Tell the parent how far the job in hand is; outside a worker nobody listens."""
    if _said:
        _said.put((_number, step, steps, text))


def _work(number: int, work: Work, job):
    global _number
    last, _number = 0.0, number

    def report(trainer) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_REPORTS:
            last = time.monotonic()
            say(trainer.step, trainer.config.steps, describe(trainer))

    say(0, job.configs[0].steps, "...")
    return work(job, report, _stop.is_set)
