"""The process that trains: takes messages from a pipe between two steps, sends frames back.

Torch has one thread here, so that a saved session is repeated bit for bit on one thread, whatever
machine it is on. What it does not understand it refuses in a line; nothing that comes through the
pipe ends it.
"""

import json
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

FRAME_SECONDS = 0.13
"""Between frames while it trains: about seven a second. By judgement: five are asked for."""
VERDICT_SECONDS = 2.0
"""Between verdicts, at least. By judgement: a network changes little in less."""
IDLE_SECONDS = 0.5
"""Longest wait for a message while nothing is trained; verdicts are looked for in between."""
DIALS = {
    "weight": (-6, -1),
    "bias": (-6, 0),
    "activity": (-6, -1),
    "depth": (-6, 1),
    "self": (-6, 1),
    "locality": (-6, 0),
    "symmetry": (-6, 0),
    "outgoing": (-6, -1),
}
"""Powers of ten between which a strength is turned; 0 is below them."""


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
        _serve(studio, pipe, judge)
    except (EOFError, OSError):
        return  # the server has left


def _serve(studio: Any, pipe: Connection, judge: Connection) -> None:
    """Messages, training and frames in turn."""
    shown = 0.0
    while True:
        wait = 0.0 if studio.running else IDLE_SECONDS
        if pipe.poll(wait):
            studio.handle(json.loads(pipe.recv_bytes()))
        if judge.poll():
            studio.tell_verdict(judge.recv())

        if studio.running:
            due = shown + FRAME_SECONDS
            studio.train(lambda: pipe.poll() or time.monotonic() >= due)
        if studio.changed and (time.monotonic() >= shown + FRAME_SECONDS or not studio.running):
            shown = time.monotonic()
            studio.show()
        studio.ask_verdict()
