"""Two interrupts in a row, at any distance, end a command that has workers; nobody waits."""

import os
import signal
import subprocess
import sys
import time

import pytest

from experiments.commands.workers import Workers, _Line
from urn import TrainConfig


class Job:
    """A job that waits until it is told to stop."""

    configs = (TrainConfig(steps=1),)


def wait_for_stop(job, report, stop) -> None:
    """Work that looks every 0.2 s whether it is to stop, and needs a second to save."""
    assert _Line.stop is not None
    while not stop():
        time.sleep(0.2)
    time.sleep(1)


def command() -> None:
    """What is interrupted: one worker at work."""
    with Workers(1, wait_for_stop, lambda *_: print("working", flush=True)) as crew:
        crew.submit(0, Job())
        while crew.running:
            crew.ended()


@pytest.mark.parametrize("pause", [0.02, 0.1, 0.3])
def test_two_interrupts_end_it(pause):
    process = subprocess.Popen(
        [sys.executable, "-c", "from tests.experiments.test_workers import command; command()"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()  # the worker has begun
    try:
        for wait in (pause, 0):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(wait)
        process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0
