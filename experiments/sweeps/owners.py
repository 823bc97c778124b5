"""Who trains: an owner of a lease has a host, a process and a heartbeat. Says whether it lives."""

import os
import socket
import time
from pathlib import Path

SECONDS_TO_DIE = 300.0
"""After so long without a heartbeat a process on another machine counts as dead. By judgement:
fifteen heartbeats, for a file system over a network may hold some of them up."""

MOST_PIDS = 2**31
"""Process numbers are below it on every Unix."""


def started(pid: int) -> str:
    """When a process was started, to tell it from a later one with its number.

    Empty if it is dead, or where the system does not say.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError, ValueError):
        return ""
    return "" if state == "Z" else fields[18]


def lives(host: object, pid: object, started_at: object, beat: object) -> bool:
    """Whether an owner is still at work; one whose row is damaged counts as dead."""
    if not isinstance(pid, int) or not 0 < pid < MOST_PIDS or not isinstance(beat, int | float):
        return False
    if host != socket.gethostname():
        return time.time() - beat < SECONDS_TO_DIE

    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    return started(pid) == started_at
