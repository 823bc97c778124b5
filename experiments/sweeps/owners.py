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


class Watch:
    """Judges whether owners are still at work, as far as can be whatever their clocks say.

    On this machine the system knows. On another one the time of a heartbeat decides at first sight;
    from then on it decides whether heartbeats go on coming, by this process's own count of seconds.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[object, float, bool]] = {}

    def lives(
        self, owner: str, host: object, pid: object, started_at: object, beat: object
    ) -> bool:
        """Whether an owner is still at work; one whose row is damaged counts as dead."""
        if not isinstance(pid, int) or not 0 < pid < MOST_PIDS:
            return False
        if not isinstance(beat, int | float):
            return False
        if host != socket.gethostname():
            return self._beats(owner, beat)

        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass  # it is another user's
        return started(pid) == started_at

    def _beats(self, owner: str, beat: float) -> bool:
        """Whether the heart of an owner on another machine beats."""
        now = time.monotonic()
        last, since, moved = self._last.get(owner, (beat, now, False))
        if beat != last:
            since = now
            moved = True
        self._last[owner] = (beat, since, moved)

        # A heartbeat in the future means that a clock was set back: it is young for a while only.
        silent = now - since >= SECONDS_TO_DIE
        return not silent and (moved or time.time() - beat < SECONDS_TO_DIE)
