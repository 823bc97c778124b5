"""What is asked: the data, the time and the seed. A folder that is gone on with has them written.

Whatever the data were given as, they are a task with options in the end, so that the configuration
that is chosen can be trained by `urn train`.
"""

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from urn.data import files
from urn.data.dataset import check_deviations
from urn.data.options import TASKS, task_options
from urn.data.symbols import SymbolStream
from urn.data.tables import Source, Table, make_table
from urn.data.tasks import Dataset
from urn.errors import InputError, shown
from urn.io import atomic_write

FILE = "discover.toml"
"""Of a request, in the folder of its discovery."""

OWN_DATA = "data.npz"
"""Arrays that were given, or targets of a regression brought to variance 1, in the same folder."""

MOST_MINUTES = 7 * 24 * 60
"""By judgement: a week."""

MOST_SEED = 2**31
"""Seeds of the networks are a million times it, and must stay below 2^63."""

ENDINGS = (".csv", ".npz")
"""Of files of data."""


@dataclass(frozen=True)
class Request:
    """What a discovery was asked for.

    Attributes
    ----------
    data : str
        As it was given, for messages and titles.
    task : str
    task_options : dict
    minutes : float
    seed : int

    Raises
    ------
    InputError
        For time or a seed that cannot be, and for streams of symbols: their samples are not
        independent.
    """

    data: str
    task: str
    task_options: dict[str, Any] = field(default_factory=dict)
    minutes: float = 15.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= MOST_MINUTES:
            raise InputError(f"--minutes: must be above 0 and at most {MOST_MINUTES:,}")
        if not 0 <= self.seed < MOST_SEED:
            raise InputError(f"--seed: must be from 0 to {MOST_SEED - 1:,}")
        if isinstance(task_options(self.task, self.task_options), SymbolStream):
            raise InputError(f"{self.data}: a stream of symbols; discover takes samples")

    @property
    def fields(self) -> dict[str, Any]:
        """What configurations say of the data."""
        return {"task": self.task, "task_options": self.task_options}

    def load(self) -> Dataset:
        """The data."""
        return task_options(self.task, self.task_options).load()

    def write(self, folder: Path) -> None:
        """Write it into the folder of its discovery."""
        atomic_write(folder / FILE, tomli_w.dumps(asdict(self)))


def read_request(folder: Path) -> Request:
    """The request of a folder.

    Raises
    ------
    InputError
        When there is none, or it is damaged.
    """
    path = folder / FILE
    try:
        return Request(**tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"{folder}: not the folder of a discovery, it has no {FILE}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def request_of(
    data: str,
    folder: Path,
    *,
    target: str | None = None,
    options: dict[str, Any] | None = None,
    **asked: Any,
) -> Request:
    """The request that a command line makes; nothing is written.

    Parameters
    ----------
    data : str
        A .csv, an .npz or the name of a task.
    folder : path
        Where the discovery will be.
    target : str, optional
        Column of a .csv.
    options : dict, optional
        Of the task.
    **asked
        `minutes` and `seed`.
    """
    # A name without the ending of a table is that of a task.
    if Path(data).suffix not in ENDINGS:
        if data not in TASKS or data == "file":
            names = ", ".join(sorted(set(TASKS) - {"file"}))
            raise InputError(f"DATA: {shown(data)} is no .csv, no .npz and no task; tasks: {names}")
        if target is not None:
            raise InputError("--target: names a column of a .csv")
        return Request(data, data, options or {}, **asked)

    if target is not None and Path(data).suffix == ".npz":
        raise InputError(f"--target: names a column of a .csv; {data} holds X and y")
    path = Path(data).resolve()
    own = {"path": str(path)} | ({} if target is None else {"target": target})
    given = {**(options or {}), **own}
    # The table is read here once, so that what is wrong with it is said before a folder is made.
    table = files.read_table(path, given.get("target", "y"), given.get("kind", "auto"))
    if table.kind == "regression":
        given = {"path": str((folder / OWN_DATA).resolve()), "kind": "regression"}
    return Request(data, "file", given, **asked)


def write_own_data(request: Request, folder: Path, table: Table | None = None) -> None:
    """Write the arrays that a request refers to, if it refers to any of its own.

    Parameters
    ----------
    request : Request
    folder : path
        Of the discovery.
    table : Table, optional
        The arrays; read from the file that was given if left out.
    """
    path = folder / OWN_DATA
    if request.task_options.get("path") != str(path.resolve()) or path.exists():
        return
    if table is None:
        source = Path(request.data)
        table = files.read_table(source, request.task_options.get("target", "y"), "regression")

    # Targets at variance 1: prices then mean the same on all data, and R2 stays what it is.
    y = table.y
    if table.kind == "regression":
        deviation = y.std(0)
        check_deviations(deviation, np.ptp(y, 0) > 0, "y, column {}".format)
        y = (y - y.mean(0)) / np.where(deviation > 0, deviation, 1.0)
    places = {} if table.positions is None else {"positions": table.positions}

    def save(draft: Path) -> None:
        with draft.open("wb") as file:
            np.savez(file, X=table.X, y=y, **places)

    atomic_write(path, save)


def table_of(X: Any, y: Any, positions: Any) -> Table:
    """Arrays as a table, checked as a file would be."""
    places = None if positions is None else np.asarray(positions)
    return make_table(np.asarray(X), np.asarray(y), places, "auto", Source("discover"))
