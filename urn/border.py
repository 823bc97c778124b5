"""The border around every command: whatever happens inside, it ends with one line and a status.

    0    done
    1    training diverged, the reader of our output has left, or a fault of our own (with a log)
    2    bad input, or something the system refused
    130  interrupted

Nothing heavy is imported here, so that the border stands before anything can fail. Before it stands
Python starts, some hundredths of a second: of an interrupt then Python itself says what it likes.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from urn.errors import InputError, bounded, is_out_of_memory

DONE = 0
"""Exit status: the command did what it was asked for."""
FAILED = 1
"""Training diverged, or a fault of our own, whose details are in a log."""
REFUSED = 2
"""Bad input, as argparse has it."""
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

LONGEST_REASON = 160
"""Characters of the message of a fault of our own: the path of its log must fit on the line too."""

LONGEST_PATH = 240
"""Characters of the path of a file that the system refused: the reason must fit on the line too."""


class Interrupt:
    """Asks training to stop between two steps.

    While it is entered, a first SIGINT or SIGTERM makes it true when called; a second one
    interrupts at once.
    """

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> Interrupt:
        self._before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def guarded(command: Callable[[], int], words: list[str]) -> int:
    """Run a command and return its exit status, whatever happens inside.

    Parameters
    ----------
    command : callable
        Returns its exit status.
    words : list of str
        The command line, for the log of a fault; `--debug` among them shows tracebacks.
    """
    try:
        status = _status_after(command)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        return status
    except BaseException as error:
        if "--debug" in words:
            _print_traceback(error)
        return _status_of(error, words)
    finally:
        _let_streams_end_quietly()


def set_up_process() -> None:
    """Make the process's signals and streams those of a command line tool.

    An interrupt ends it at once, with a line, while there is nothing to be saved: until
    `commands_interrupt` is entered, and after it is left. What the output's encoding lacks is
    escaped.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    let_threads_sleep()
    sys.unraisablehook = _unraisable
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
        # While Python takes itself apart, all is done and an interrupt would hide how it ended.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def let_threads_sleep() -> None:
    """Have threads that wait for each other sleep, where the user says nothing else.

    OpenMP's way is to spin, which on a busy machine takes the core from the very thread that is
    waited for. Two threads at S = 2000, a step: at a load of 6 on two cores 290 to 1257 ms, asleep
    110 to 176; with nothing beside 44 to 72 and 46 to 60. Has to come before torch.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def commands_interrupt() -> Iterator[None]:
    """Let an interrupt be an exception, as Python has it, for a command that has work to save."""
    ours = signal.getsignal(signal.SIGINT) is _leave
    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process without taking anything apart."""
    with suppress(OSError):
        os.write(2, b"urn: interrupted\n")
    os._exit(INTERRUPTED)


def _unraisable(unraisable: Any) -> None:
    """Keep quiet about an interrupt or a closed pipe that came while an object was taken apart."""
    if not isinstance(unraisable.exc_value, KeyboardInterrupt | BrokenPipeError):
        sys.__unraisablehook__(unraisable)


def _status_after(command: Callable[[], int]) -> int:
    """Run a command; argparse, too, ends with a status where it has printed help."""
    try:
        return command()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or DONE
        _say(str(error.code))
        return FAILED


def _status_of(error: BaseException, words: list[str]) -> int:
    """Say in one line what happened, and return the status that the command ends with."""
    if _is_interrupt(error):
        _say("interrupted")
        return INTERRUPTED
    if isinstance(error, InputError):
        _say(str(error))
        return REFUSED
    if isinstance(error, BrokenPipeError) and _reader_has_left():
        return FAILED
    if is_out_of_memory(error):
        _say("out of memory; a smaller network, or less data, may fit")
        return REFUSED
    if isinstance(error, RecursionError):
        _say("the input is nested too deep")
        return REFUSED
    if isinstance(error, OSError):
        _say(_refusal(error))
        return REFUSED
    if isinstance(error, UnicodeEncodeError):
        _say(f"{ascii(error.object)[:LONGEST_PATH]}: cannot be written as {error.encoding}")
        return REFUSED
    if isinstance(error, ValueError) and "null byte" in str(error):
        _say("a name of a file holds a null byte")
        return REFUSED

    _say(_fault(error, words))
    return FAILED


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether an interrupt is at the root; an import that it cut short may raise another error."""
    for _ in range(100):  # a chain may be a circle
        if error is None:
            return False
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _refusal(error: OSError) -> str:
    """What the system refused; without a name it is our own output."""
    name = error.filename if error.filename is not None else "output"
    path = name.decode(errors="backslashreplace") if isinstance(name, bytes) else str(name)
    return f"{bounded(path, LONGEST_PATH)}: {error.strerror or bounded(str(error), LONGEST_REASON)}"


def _fault(error: BaseException, words: list[str]) -> str:
    """What to say of a fault of our own, after its traceback was written to a file."""
    reason = bounded(f"{type(error).__name__}: {error}", LONGEST_REASON)
    try:
        return f"internal error ({reason}); the details are in {_write_log(error, words)}"
    except OSError as refused:
        return f"internal error ({reason}); no log was written ({refused.strerror}), try --debug"


def _write_log(error: BaseException, words: list[str]) -> str:
    """Write a traceback and what led to it to a new file in the system's temporary folder."""
    import platform
    import tempfile
    import traceback

    lines = [
        f"command: {words!r}",
        f"python {platform.python_version()}, {platform.platform()}",
        ", ".join(f"{name} {_version(name)}" for name in ("torch", "numpy", "numba", "pydantic")),
        "".join(traceback.format_exception(error)),
    ]
    handle, path = tempfile.mkstemp(prefix="urn-crash-", suffix=".log")
    with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write("\n".join(lines))
    return path


def _version(name: str) -> str:
    """The version of a library; what is wrong may be that it is not there."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _print_traceback(error: BaseException) -> None:
    import traceback

    with suppress(OSError):
        traceback.print_exception(error)


def _say(message: str) -> None:
    """Print one line to stderr, which may be closed."""
    with suppress(OSError, ValueError):
        print(f"urn: {bounded(message)}", file=sys.stderr, flush=True)


def _reader_has_left() -> bool:
    """Whether what we print to is a pipe that nobody reads."""
    import select

    if not hasattr(select, "poll"):
        return True

    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _let_streams_end_quietly() -> None:
    """Turn a stream that cannot be flushed to nowhere: Python would complain of it at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
