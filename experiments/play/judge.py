"""Verdicts on a network while it trains, in a process of their own: they take seconds.

Reads the arrays of a network from a pipe and answers with what `analysis.analyse` says of it.
"""

import os
import time
from multiprocessing.connection import Connection
from typing import Any

N_DRAWS = 200
"""Of a null model: enough for a yes or no."""
BEHIND = 2
"""Niceness: training and page go first, yet on a busy machine verdicts come as well."""


def main(pipe: Connection) -> None:
    """Judge whatever comes through a pipe, until its other end is closed."""
    os.nice(BEHIND)
    while True:
        try:
            asked = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        try:
            pipe.send(judged(asked))
        except OSError:
            return


def judged(asked: dict[str, Any]) -> dict[str, Any]:
    """What is to be said of a network.

    Parameters
    ----------
    asked : dict
        "network", keyword arguments of `analyse`; "step" and "serial" of the session.
    """
    from analysis import analyse

    began = time.monotonic()
    said = {"kind": "verdict", "step": asked["step"], "serial": asked["serial"]}
    try:
        report = analyse(**asked["network"], n_null=N_DRAWS, seed=0, sweep=False)
    except ValueError as error:
        return {**said, "summary": f"not judged: {error}", "verdicts": [], "seconds": 0.0}

    verdicts = [
        {
            "name": name,
            "present": bool(verdict.present),
            "effect": float(verdict.effect),
            "about": str(verdict.evidence.get("effect_is", "")),
        }
        for name, verdict in report.verdicts.items()
    ]
    seconds = round(time.monotonic() - began, 2)
    return {**said, "summary": report.summary, "verdicts": verdicts, "seconds": seconds}
