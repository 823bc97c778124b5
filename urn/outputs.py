"""Where a command may write. All of it is asked before any work is done.

What a run, a sweep or a table of claims owns is never an output, whatever is asked for; a file that
is there already asks for `--force`; what cannot be written is refused while nothing is lost by it.
"""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

from urn.errors import InputError

RUN = (
    "config.toml",
    "weights.safetensors",
    "checkpoint.safetensors",
    "history.csv",
    "structure.json",
    "report.html",
    "provenance.json",
    "snapshots",
    "figures",
)
"""What a run owns in its folder."""

SWEEP = (
    "sweep.sqlite",
    "sweep.sqlite-wal",
    "sweep.sqlite-shm",
    "sweep.sqlite-journal",
    "index.html",
    "runs",
)
"""What a sweep owns in its folder."""

CLAIMS = ("claims.json", "index.html", "figures", "runs")
"""What `urn reproduce` owns in its folder."""

DISCOVERY = (
    "discover.toml",
    "sizes.json",
    "data.npz",
    "batches",
    "discover.json",
    "chosen.toml",
    "network",
    "index.html",
)
"""What `urn discover` owns in its folder."""

OWNERS = {
    "config.toml": ("a run", RUN),
    "sweep.sqlite": ("a sweep", SWEEP),
    "claims.json": ("a table of claims", CLAIMS),
    "discover.toml": ("a discovery", DISCOVERY),
}
"""By the file that tells an owner's folder: its name and what is its own."""


def check_file(path: Path, *, force: bool = False, flag: str = "--out") -> None:
    """Refuse a file that must not or cannot be written.

    Parameters
    ----------
    path : path
        The file.
    force : bool
        Whether one that is there may be overwritten.
    flag : str
        What it was asked for with, for the message.

    Raises
    ------
    InputError
        Where it belongs to a run or a sweep, is a folder or a device, is there already, or cannot
        be written.
    """
    path = Path(path)
    _check_name(path, flag)
    try:
        check_unowned(path, flag)
        if path.is_dir():
            raise InputError(f"{flag}: {path} is a folder")
        if path.exists() and not path.is_file():  # a device is not to be replaced, forced or not
            raise InputError(f"{flag}: {path} is no ordinary file")
        if os.path.lexists(path) and not force:  # a link to nowhere is somebody's too
            raise InputError(f"{flag}: {path} exists already; --force overwrites it")
        _check_writable(path.parent)
    except OSError as error:
        raise _refusal(path, flag, error) from None


def check_folder(path: Path, *, new: bool = True, flag: str = "--out") -> None:
    """Refuse a folder that must not or cannot be written.

    Parameters
    ----------
    path : path
        The folder.
    new : bool
        Whether it must be new or empty.
    flag : str
        What it was asked for with, for the message.

    Raises
    ------
    InputError
        Where it belongs to a run or a sweep, is a file, is not empty, or cannot be written.
    """
    path = Path(path)
    _check_name(path, flag)
    try:
        if new:
            check_unowned(path, flag)
        if path.exists() and not path.is_dir():
            raise InputError(f"{flag}: {path} is not a folder")
        if new and path.is_dir() and any(path.iterdir()):
            raise InputError(f"{flag}: {path} already exists; give another folder")
        _check_writable(path)
    except OSError as error:
        raise _refusal(path, flag, error) from None


def check_unowned(path: Path, flag: str) -> None:
    """Raise InputError where a path belongs to the nearest owner above it.

    A path that no file can have belongs to nobody; whoever writes there says what is wrong with it.
    """
    try:
        true = Path(path).resolve()
    except (OSError, ValueError):
        return
    for folder in true.parents:
        for mark, (owner, owned) in OWNERS.items():
            if not os.path.isfile(folder / mark):  # False, too, of a name that is too long
                continue
            if true.relative_to(folder).parts[0] in owned:
                raise InputError(f"{flag}: {path} belongs to {owner}; give another name")
            return


def print_any_name() -> None:
    """Let standard output print every file name, where its encoding lacks a letter as a code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _check_name(path: Path, flag: str) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{flag}: {str(path)!a} must be UTF-8") from None


def _check_writable(folder: Path) -> None:
    """Raise OSError unless something can be made in a folder, or in the nearest one there is."""
    while not folder.exists():
        if folder.is_symlink():
            raise FileNotFoundError(2, "a link to nowhere", str(folder))
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(20, "Not a directory", str(folder))

    # A try is the only sure answer: a superuser is told that all may be written.
    with tempfile.TemporaryFile(dir=folder):
        pass


def _refusal(path: Path, flag: str, error: OSError) -> InputError:
    return InputError(f"{flag}: {path} cannot be written ({error.strerror or error})")
