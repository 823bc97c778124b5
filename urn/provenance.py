"""How a result came about: versions, processor, threads, command, time and the commit.

`provenance` gathers the facts, `differences` compares two records. A run folder holds
provenance.json: a list with a record for each process that trained there. A fact that cannot be had
is None, and nothing is gathered at import.
"""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_info

from urn.errors import InputError
from urn.io import atomic_write, to_json

PROVENANCE = "provenance.json"  # The file of a run folder.

# Names under which this package may be installed: the later one is that of version 0.1.
DISTRIBUTIONS = ("urn-networks", "urn")

# Facts that are another each time, so that a difference says nothing.
NEVER_THE_SAME = ("command", "time")

GIT_SECONDS = 5.0  # How long git may take. By judgement: it answers in hundredths of a second.

Provenance = dict[str, Any]  # A record: {fact: text, number, truth or None}, plain JSON types.


def provenance() -> Provenance:
    """Gather what a later reader needs to know to get the same numbers again.

    Returns
    -------
    dict
        urn, python, torch, numpy, numba : versions.
        blas : loaded libraries, their versions and kernels; NumPy and SciPy bring one each.
        processor : the model, as the system names it.
        threads, blas_threads : of torch, and the most of any BLAS library.
        gpu : the model, or None where none is in use.
        command : the command line. Worker processes have that of the process that began them.
        time : in UTC, ISO 8601.
        commit, dirty : in a checkout, the git commit, and whether tracked files differ from it.

    Notes
    -----
    A fact that cannot be had is None. Takes a few milliseconds; git is asked once a process.
    """
    commit, dirty = checkout(Path(__file__).resolve().parents[1])
    facts: dict[str, Callable[[], Any]] = {
        "urn": _version_of_urn,
        "python": platform.python_version,
        "torch": lambda: torch.__version__,
        "numpy": lambda: version("numpy"),
        "numba": lambda: version("numba"),
        "blas": _blas,
        "processor": _processor,
        "threads": torch.get_num_threads,
        "blas_threads": _blas_threads,
        "gpu": _gpu,
        "command": lambda: shlex.join(sys.argv),
        "time": lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": lambda: commit,
        "dirty": lambda: dirty,
    }

    return {name: _or_none(fact) for name, fact in facts.items()}


def differences(before: Provenance, now: Provenance) -> dict[str, tuple[Any, Any]]:
    """Return {fact: (before, now)} of every fact that both records hold and that is not the same.

    Command and time are left out, and so is what one of the two could not tell. A commit with
    changes on top is not the same as the commit alone.
    """
    before = _with_dirt(before)
    now = _with_dirt(now)
    return {
        name: (before[name], now[name])
        for name in now
        if name not in NEVER_THE_SAME
        and before.get(name) is not None
        and now[name] is not None
        and before[name] != now[name]
    }


def read_records(folder: str | Path) -> list[Provenance]:
    """Read the records of a run folder, oldest first; none where it has no such file.

    Raises
    ------
    InputError
        Naming the file, when it holds anything else.
    """
    path = Path(folder) / PROVENANCE
    if not path.is_file():
        return []
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        readable = isinstance(records, list) and all(isinstance(r, dict) for r in records)
    except (OSError, ValueError):
        readable = False

    if not readable:
        raise InputError(f"{path}: not a record of how a run came about")
    return records


def add_record(folder: str | Path) -> None:
    """Write that this process trains in a run folder, after those that did before it."""
    records: list[Provenance] = []
    with suppress(InputError):  # an unreadable file is replaced: it must not end a training
        records = read_records(folder)
    atomic_write(Path(folder) / PROVENANCE, to_json([*records, provenance()]))


def changes(folder: str | Path) -> list[str]:
    """A line for each fact of the last record of a run folder that is not what it is today."""
    try:
        records = read_records(folder)
    except InputError as error:
        return [str(error)]
    if not records:
        return []
    return [
        f"{name}: {before} when it was trained, {now} now"
        for name, (before, now) in differences(records[-1], provenance()).items()
    ]


def _with_dirt(record: Provenance) -> Provenance:
    """The record with commit and dirty in one fact."""
    facts = {name: value for name, value in record.items() if name != "dirty"}
    if facts.get("commit") and record.get("dirty"):
        facts["commit"] = f"{facts['commit']} with changes"
    return facts


def _or_none(fact: Callable[[], Any]) -> Any:
    """A fact, or None where it cannot be had: no result may be lost because of that."""
    try:
        return fact()
    except Exception:
        return None


def _version_of_urn() -> str | None:
    """The version of this package, by whichever name it is installed."""
    for name in DISTRIBUTIONS:
        with suppress(ImportError):  # PackageNotFoundError is one
            return version(name)
    return None


def _libraries() -> list[dict[str, Any]]:
    """What threadpoolctl says of each BLAS library that is loaded."""
    return [library for library in threadpool_info() if library["user_api"] == "blas"]


def _blas() -> str | None:
    keys = ("internal_api", "version", "architecture")
    names = {
        " ".join(str(library[key]) for key in keys if library.get(key)) for library in _libraries()
    }
    return ", ".join(sorted(names)) or None


def _blas_threads() -> int | None:
    return max((library["num_threads"] for library in _libraries()), default=None)


def _processor() -> str | None:
    """The model of the processor."""
    # `platform.processor` is empty on most Linux systems, which have /proc/cpuinfo instead.
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, model = line.partition(":")
            if name.strip() == "model name":
                return model.strip()
    return platform.processor() or platform.machine() or None


def _gpu() -> str | None:
    """The model of the GPU in use."""
    # Asked only where CUDA is at work already: starting it takes seconds.
    return torch.cuda.get_device_name() if torch.cuda.is_initialized() else None


@cache
def checkout(folder: Path) -> tuple[str | None, bool | None]:
    """The commit of a git checkout, and whether tracked files differ; (None, None) elsewhere."""
    if not (folder / ".git").exists():  # a folder, or in a worktree a file
        return None, None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None, None
    return commit, bool(changes)


def _git(folder: Path, *words: str) -> str:
    """What git answers in a folder."""
    # A git hook sets variables that name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    answer = subprocess.run(
        ["git", "--no-optional-locks", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=GIT_SECONDS,
    )
    return answer.stdout.strip()
