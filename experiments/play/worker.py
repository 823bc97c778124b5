"""The process that trains: takes messages from a pipe between two steps, sends frames back.

Torch has one thread here, so that a saved session is repeated bit for bit on one thread, whatever
machine it is on. What it does not understand it refuses in a line; nothing that comes through the
pipe ends it.
"""

import json
import os
import signal
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

FRAME_SECONDS = 0.16
"""Between frames while it trains: about six a second. By judgement: five are asked for."""
TRAINING_SHARE = 5
"""How much longer than a frame it trains in between."""
IDLE_SECONDS = 0.5
"""Longest wait for a message while nothing is trained; verdicts are looked for in between."""


def main(pipe: Connection, judge: Connection, out: str) -> None:
    """Train until the other end of the pipe is closed.

    Parameters
    ----------
    pipe : Connection
        To the server: JSON objects come in; JSON texts and frames go out.
    judge : Connection
        To the process that gives verdicts.
    out : str
        The folder that run folders are saved in.
    """
    # An interrupt is the server's matter: it closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    import torch

    from experiments.play.studio import Studio

    torch.set_num_threads(1)
    studio = Studio(pipe, judge, Path(out))
    try:
        _loop(studio, pipe, judge)
    except (EOFError, OSError):
        return  # the server has left


def _loop(studio: Any, pipe: Connection, judge: Connection) -> None:
    """Messages, training and frames in turn."""
    due = 0.0  # when the next frame is
    while True:
        wait = 0.0 if studio.running else IDLE_SECONDS
        if pipe.poll(wait):
            studio.handle(json.loads(pipe.recv_bytes()))
        if judge.poll():
            studio.send_verdict(judge.recv())

        if studio.running:
            studio.train(partial(_is_due, pipe, due))
        if studio.changed and (time.monotonic() >= due or not studio.running):
            began = time.monotonic()
            studio.show()
            studio.ask_verdict()
            # Training has most of the time, however long a frame takes.
            took = time.monotonic() - began
            due = began + took + max(FRAME_SECONDS, TRAINING_SHARE * took)
        else:
            studio.ask_verdict()


def _is_due(pipe: Connection, due: float) -> bool:
    """Whether training is to be left: a message waits, or a frame is due."""
    return pipe.poll() or time.monotonic() >= due
