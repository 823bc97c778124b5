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
from urn.data.tables import Source, Table, make_table
from urn.data.tasks import Dataset
from urn.errors import InputError, shown
from urn.io import atomic_write, create_folder

FILE = "discover.toml"
"""Of a request, in the folder of its discovery."""

OWN_DATA = "data.npz"
"""Arrays that were given, or targets of a regression brought to variance 1, in the same folder."""

MOST_MINUTES = 7 * 24 * 60
"""By judgement: a week."""

MOST_SEED = 2**31
"""Seeds of the networks are a million times it, and must stay below 2^63."""

BATCHES = "batches"
"""The folder of what is trained, in the same folder."""

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
    own_data : bool
        Whether the data are a file in the folder of the discovery, to which the options point.

    Raises
    ------
    InputError
        For time, a seed or options that cannot be.
    """

    data: str
    task: str
    task_options: dict[str, Any] = field(default_factory=dict)
    minutes: float = 15.0
    seed: int = 0
    own_data: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= MOST_MINUTES:
            raise InputError(f"--minutes: must be above 0 and at most {MOST_MINUTES:,}")
        if not 0 <= self.seed < MOST_SEED:
            raise InputError(f"--seed: must be from 0 to {MOST_SEED - 1:,}")
        task_options(self.task, self.task_options)  # refuses what the task does not know

    @property
    def fields(self) -> dict[str, Any]:
        """What configurations say of the data."""
        return {"task": self.task, "task_options": self.task_options}

    def load(self, folder: Path) -> Dataset:
        """The data; those of its own are in the folder of the discovery.

        Raises
        ------
        InputError
            For streams of symbols: their samples are not independent.
        """
        path = {"path": str(folder / OWN_DATA)} if self.own_data else {}
        data = task_options(self.task, self.task_options | path).load()
        if data.kind == "stream":
            raise InputError(f"{self.data}: a stream of symbols; discover takes samples")
        return data

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
) -> tuple[Request, Table | None]:
    """The request that a command line makes, and the table where it has to be written.

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
        return Request(data, data, options or {}, **asked), None

    if target is not None and Path(data).suffix == ".npz":
        raise InputError(f"--target: names a column of a .csv; {data} holds X and y")
    path = Path(data).resolve()
    own = {"path": str(path)} | ({} if target is None else {"target": target})
    given = {**(options or {}), **own}
    # The table is read here once, so that what is wrong with it is said before a folder is made.
    table = files.read_table(path, given.get("target", "y"), given.get("kind", "auto"))
    if table.kind == "regression":
        return own_request(data, folder, "regression", **asked), table
    return Request(data, "file", given, **asked), None


def own_request(data: str, folder: Path, kind: str, **asked: Any) -> Request:
    """The request for data that are to be written into the folder of the discovery."""
    options = {"path": str((folder / OWN_DATA).resolve()), "kind": kind}
    return Request(data, "file", options, own_data=True, **asked)


def begin(request: Request, folder: Path, table: Table | None = None) -> None:
    """Make the folder of a discovery, whole or not at all.

    Parameters
    ----------
    request : Request
    folder : path
        New or empty.
    table : Table, optional
        The data, if the request has its own.

    Raises
    ------
    InputError
        When something is there, or the data cannot be used.
    """

    def fill(draft: Path) -> None:
        if table is not None:
            _write_table(table, draft / OWN_DATA)
        # Loaded once before there is a folder: what is wrong with the data leaves none behind.
        request.load(draft)
        request.write(draft)
        (draft / BATCHES).mkdir()

    create_folder(folder, fill)


def _write_table(table: Table, path: Path) -> None:
    """Write arrays as an .npz, targets of a regression at variance 1."""
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
