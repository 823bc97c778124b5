"""Files that are whole or not there, and values as files and tables hold them."""

import contextlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from urn.errors import InputError

Writer = Callable[[Path], object]
"""A function that writes one file (or fills one folder) whose path it is given."""


def draft_of(path: Path) -> Path:
    """The hidden name under which a file is written before it is renamed to `path`."""
    return path.with_name(f".{path.name}.draft")


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
    draft = draft_of(path)
    try:
        path.parent.mkdir(exist_ok=True)
        if callable(content):
            content(draft)
        else:
            draft.write_bytes(content.encode() if isinstance(content, str) else content)
        _to_disk(draft)
        draft.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()  # gone already, unless the write failed


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
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
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
        draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            fill(draft)
            draft.chmod(0o755)
            draft.rename(path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            with contextlib.suppress(OSError):
                for folder in missing:
                    folder.rmdir()
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


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
