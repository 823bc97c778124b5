"""How much memory there is, and a refusal, with both numbers, of what needs more.

An estimate is of the largest arrays at the moment when most of them are held. It is meant to refuse
what cannot fit before minutes of work, not to foresee the last megabyte.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from urn.errors import InputError

CGROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Folder, limit and use of a container, of the second and the first version of control groups."""

GIVEN_UP = ("inactive_file", "active_file")
"""Copies of files that count as use of a container, but are given up when memory is short."""


BYTES_OF_LIBRARIES = 900 << 20
"""Address space, most of it never used, that torch, NumPy, Numba and others take when they are
loaded. Measured on two cores: 930 MiB in all, of which Python takes 20 before."""


def require_memory(culprit: str, n_bytes: int | float, available: float | None = None) -> None:
    """Refuse work that needs more memory than there is.

    Parameters
    ----------
    culprit : str
        What takes the memory: the name of a setting or of a file.
    n_bytes : number
        How much it will need, beside what is in use already.
    available : number, optional
        How much there is; what this process may still take by default.

    Raises
    ------
    InputError
        With the number of bytes needed and available.
    """
    available = available_memory() if available is None else available
    if n_bytes > available:
        raise InputError(
            f"{culprit}: needs about {_readable(n_bytes)} of memory;"
            f" {_readable(available)} are available"
        )


def require_libraries() -> None:
    """Refuse a limit on the address space under which torch and its like cannot be loaded.

    Tried all the same, some of them say so in their own words, and some try for ever.

    Raises
    ------
    InputError
        With the number of bytes needed and available.
    """
    with suppress(ImportError, OSError):
        require_memory("the libraries", BYTES_OF_LIBRARIES, _left_by_limit())


def available_memory() -> float:
    """Bytes that this process may still take: of the machine, its container and its own limits."""
    return max(0.0, min(_bounds(), default=float("inf")))


def _bounds() -> Iterator[float]:
    """What each bound that this system knows of leaves."""
    with suppress(OSError, ValueError, KeyError):
        yield _left_by_machine()
    for folder, limit, used in CGROUPS:
        with suppress(OSError, ValueError, KeyError):
            yield _left_by_container(Path(folder), limit, used)
    with suppress(ImportError, OSError, ValueError):
        yield _left_by_limit()


def _left_by_machine() -> float:
    """What the system says could be given to new programs, swap space with it."""
    path = Path("/proc/meminfo")
    if not path.exists():
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    lines = path.read_text().splitlines()
    kibibytes = {name: int(rest.split()[0]) for name, _, rest in (x.partition(":") for x in lines)}
    return 1024.0 * (kibibytes["MemAvailable"] + kibibytes["SwapFree"])


def _left_by_container(folder: Path, limit: str, used: str) -> float:
    """What the limit of a container leaves. Raises ValueError where it has none."""
    most = int((folder / limit).read_text())
    fields = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    n_files = sum(int(fields[name]) for name in GIVEN_UP)
    return float(most - int((folder / used).read_text()) + n_files)


def _left_by_limit() -> float:
    """What `ulimit -v` leaves of the address space of this process."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    n_pages = int(Path("/proc/self/statm").read_text().split()[0])
    return float(limit - n_pages * resource.getpagesize())


def _readable(n_bytes: float) -> str:
    """A number of bytes, exact and in GiB."""
    return f"{n_bytes:.0f} bytes ({n_bytes / 2**30:.3g} GiB)"
