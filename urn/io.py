"""Files that are whole or not there, and values as files and tables hold them."""

import contextlib
import json
import math
import os
import secrets
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from urn.errors import InputError

try:
    import fcntl
except ImportError:  # not a Unix: no lock
    fcntl = None  # type: ignore[assignment]

Writer = Callable[[Path], object]
"""A function that writes one file (or fills one folder) whose path it is given."""


DRAFT_LENGTH = 31
"""Characters in the name of a draft of a file: `.`, eight, sixteen and `.draft`."""


@contextlib.contextmanager
def new_draft(path: Path) -> Iterator[Path]:
    """A new empty file beside `path`, to be renamed: hidden, under a name that nobody can foresee.

    Its making fails rather than follow a link that somebody has put there. It goes again unless it
    was renamed; where a kill comes first, with the next draft for `path`.
    """
    mark = _mark_of(path)
    _remove_dead(path.parent, mark)
    draft = path.parent / f"{mark}{secrets.token_hex(8)}.draft"
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        _try_lock(handle)
        yield draft
    finally:
        os.close(handle)
        draft.unlink(missing_ok=True)


def _mark_of(path: Path) -> str:
    """What the names of all drafts for a path begin with; short, however long its own name is."""
    return f".{zlib.crc32(os.fsencode(path.name)):08x}"


def _remove_dead(folder: Path, mark: str) -> None:
    """Take away drafts of processes that were killed: those that nobody holds a lock of."""
    for draft in folder.glob(f"{mark}*.draft"):
        with contextlib.suppress(OSError):
            handle = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                if not _try_lock(handle):
                    continue
                if draft.is_dir():
                    shutil.rmtree(draft)
                else:
                    draft.unlink()
            finally:
                os.close(handle)


def _try_lock(handle: int) -> bool:
    """Hold an open file or folder for this process alone, if no other does and locks there are."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def atomic_write(path: str | Path, content: bytes | str | Writer) -> None:
    """Write a file whole or not at all: under another name first, on the disk, then renamed.

    Parameters
    ----------
    path : path
        The file; the folder it lies in is made if only that is missing.
    content : bytes, str or callable
        Bytes; text, written as UTF-8; or a function that is given a path and writes that file.

    Raises
    ------
    InputError
        Naming the file, when it cannot be written. What was there before then still is.
    """
    path = Path(path)
    try:
        path.parent.mkdir(exist_ok=True)
        with new_draft(path) as draft:
            if callable(content):
                content(draft)
            else:
                draft.write_bytes(content.encode() if isinstance(content, str) else content)
            _to_disk(draft)
            draft.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def _to_disk(path: Path) -> None:
    """Wait until the bytes of a file lie on the disk, or the renaming may come before them."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def check_new(path: Path) -> None:
    """Raise InputError if something is at `path`, or if safetensors could not open its name."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{str(path)!a}: must be UTF-8") from None
    if "\0" in str(path):
        raise InputError(f"{str(path)!a}: must not hold a null character")

    try:
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:  # a name that is too long, or a folder that cannot be read
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    if taken:
        raise InputError(f"{path}: already exists; give another folder, or --resume it")


def create_folder(path: str | Path, fill: Writer) -> None:
    """Make a new folder, complete with what `fill` puts into it or not there at all.

    Parameters
    ----------
    path : path
        The folder, new or empty; those above it are made, and go again if it cannot be.
    fill : callable
        Is given the path of a draft of the folder and writes into it.

    Raises
    ------
    InputError
        Naming the folder, when something is there or it cannot be written.
    """
    path = Path(path)
    try:
        check_new(path)
        missing = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _new_draft_folder(path) as draft:
                fill(draft)
                draft.chmod(0o755)
                draft.rename(path)
        except BaseException:
            with contextlib.suppress(OSError):
                for folder in missing:
                    folder.rmdir()
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


@contextlib.contextmanager
def _new_draft_folder(path: Path) -> Iterator[Path]:
    """A new empty folder beside `path`, to be renamed; like `new_draft`."""
    mark = _mark_of(path)
    _remove_dead(path.parent, mark)
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=mark, suffix=".draft"))
    try:
        handle = os.open(draft, os.O_RDONLY)
        try:
            _try_lock(handle)
            yield draft
        finally:
            os.close(handle)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove_drafts(folder: Path) -> None:
    """Take away the drafts that a killed process left in a folder."""
    for draft in folder.glob(".*.draft"):
        draft.unlink(missing_ok=True)


def null_for_nan(value: object) -> object:
    """The same of dictionaries, lists and numbers alone, None where a float is NaN or infinite.

    JSON has neither. Keys become text, tuples lists, NumPy arrays and scalars Python's.
    """
    if isinstance(value, dict):
        return {str(key): null_for_nan(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # a NumPy array or scalar, or a tensor
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [null_for_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(value: object, indent: int | None = 1) -> str:
    """JSON text of a value, null where a float is NaN or infinite."""
    return json.dumps(null_for_nan(value), indent=indent, allow_nan=False)


def short(number: float) -> str:
    """A number as a table shows it: three digits, or all of those before the point."""
    if float(number).is_integer() or abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}"
