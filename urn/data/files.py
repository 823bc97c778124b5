"""Reading a user's own data: .npz arrays, .csv tables, IDX images.

Every fault is one line that names the file. Nothing is unpickled: arrays of objects are refused.
The memory that a file will take is estimated before it is read.
"""

import csv
import gzip
import math
import struct
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from urn.data.tables import LARGEST, MISSING, Source, Table, make_table, number_of, text_target
from urn.errors import InputError, shown
from urn.memory import require_memory

BYTES_PER_CELL = 36
"""Of a table, when it is split: X in float64, its three parts, these standardised, and each once in
float32 or as a temporary. Counted."""

BYTES_PER_LABEL = 120
"""Of a target in a text file: a Python string, its number and its line. Counted."""

BYTES_PER_PIXEL = 15
"""Of an image: as it was read and unpacked, shuffled, in float64 and in float32. Counted."""

SAMPLE_BYTES = 1 << 16
"""Read from a text file to estimate its number of cells. By judgement: hundreds of lines."""

MAGIC = bytes([0, 0, 8])
"""An IDX file of unsigned bytes begins so; the number of axes follows."""

YES_OR_NO = frozenset({"true", "false", "yes", "no", "t", "f", "y", "n"})
"""Words that spreadsheets and pandas write for booleans."""


def read_table(path: Path, target: str = "y", kind: str = "auto") -> Table:
    """Read a user's table.

    Parameters
    ----------
    path : path
        A .npz with X, y and optionally positions, or a .csv with a header and numeric columns.
    target : str
        The column of a .csv that is y.
    kind : {"auto", "classification", "regression"}
        What y holds.

    Raises
    ------
    InputError
        Naming the file, and the line and column of a value that cannot be used.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == ".npz":
        X, y, positions = _read_npz(path)
        return make_table(X, y, positions, kind, Source(str(path)))
    if path.suffix == ".csv":
        X, y, source = _read_csv(path, target, kind)
        return make_table(X, y, None, kind, source)
    raise InputError(f"{path}: must end in .npz or .csv")


def read_idx(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one part of an MNIST-like folder.

    Parameters
    ----------
    folder : path
        Where the files are, plain or gzipped.
    part : {"train", "t10k"}
        How their names begin.

    Returns
    -------
    images : ndarray
        `(N, height, width)` uint8.
    labels : ndarray
        `(N,)` int64.
    """
    images = _read_idx_file(folder, f"{part}-images-idx3-ubyte", 3)
    labels = _read_idx_file(folder, f"{part}-labels-idx1-ubyte", 1)
    if len(images) != len(labels):
        raise InputError(f"{folder}: {len(images)} {part} images but {len(labels)} labels")
    if images.size == 0:
        raise InputError(f"{folder}: no {part} images")
    return images, labels.astype(np.int64)


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """X, y and positions, or None for these."""
    try:
        with zipfile.ZipFile(path) as members:
            n_bytes = sum(member.file_size for member in members.infolist())
        # A number of X takes at least one byte in the file, 8 where it is a float64.
        require_memory(str(path), n_bytes * (1 + BYTES_PER_CELL / 8))

        with np.load(path, allow_pickle=False) as arrays:
            for name in ("X", "y"):
                if name not in arrays:
                    names = ", ".join(arrays) or "nothing"
                    raise InputError(f"{path}: no array {name}; it holds {names}")
            X, y, positions = (arrays.get(name) for name in ("X", "y", "positions"))
    except (InputError, MemoryError):
        raise
    except Exception as error:  # NumPy and zipfile raise many kinds for a foreign or cut off file
        raise InputError(
            f"{path}: not a readable .npz file of plain arrays ({type(error).__name__})"
        ) from None

    # NumPy gives the bytes of a member whose name does not end in .npy.
    for name, value in (("X", X), ("y", y), ("positions", positions)):
        if not isinstance(value, np.ndarray | None):
            raise InputError(f"{path}: {name} is not an array (its name must end in .npy)")
    return cast(np.ndarray, X), cast(np.ndarray, y), positions


def _read_csv(path: Path, target: str, kind: str) -> tuple[np.ndarray, np.ndarray, Source]:
    """X, y and the names and lines of their cells."""
    _check_csv_size(path)
    lines = array("q")
    values = array("d")
    labels: list[str] = []

    rows = _csv_rows(path)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    at = _target_column(path, header, target)
    names = tuple(header[:at] + header[at + 1 :])
    source = Source(str(path), names, target, lines)

    for line, row in rows:
        if len(row) != len(header):
            raise InputError(f"{path}: line {line} has {len(row)} fields, the header {len(header)}")
        lines.append(line)
        labels.append(row.pop(at).strip())
        for j, text in enumerate(row):
            number = number_of(text.strip())
            if number is None or not abs(number) <= LARGEST:
                raise InputError(f"{source.cell(-1, j)}: {shown(text)} {_fault_of(text, number)}")
            values.append(number)

    if not labels:
        raise InputError(f"{path}: a header and rows are needed")
    X = np.frombuffer(values).reshape(len(labels), -1) if values else np.empty((len(labels), 0))
    return X, text_target(labels, kind, source), source


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line and the cells of every row that is not empty."""
    try:
        # "utf-8-sig": spreadsheets put a byte order mark first.
        with path.open(newline="", encoding="utf-8-sig") as text:
            table = csv.reader(text, strict=True)
            for row in table:
                if row:
                    yield table.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV table ({error})") from None


def _target_column(path: Path, header: list[str], target: str) -> int:
    """The number of the column that is to be predicted."""
    if not header:
        raise InputError(f"{path}: a header and rows are needed")
    if target not in header:
        names = shown(", ".join(header), 200)[1:-1]
        raise InputError(f"{path}: no column {shown(target)}; there are {names}")
    if header.count(target) > 1:
        raise InputError(f"{path}: column {shown(target)} is there {header.count(target)} times")
    return header.index(target)


def _fault_of(text: str, number: float | None) -> str:
    """What is wrong with the text of an input."""
    if text.strip() in MISSING:
        return "is missing; fill it or leave the line out"
    if number is not None:
        return "is too large for float32"
    if text.strip().lower() in YES_OR_NO:
        return "is not a number; write 0 and 1"
    return "is not a number"


def _check_csv_size(path: Path) -> None:
    """Raise InputError for a file that would not fit into memory as arrays."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    n_bytes = path.stat().st_size
    share = len(sample) / n_bytes if n_bytes else 1
    n_rows = (sample.count(b"\n") + 1) / max(share, 1e-12)
    n_cells = n_rows + sample.count(b",") / max(share, 1e-12)
    require_memory(str(path), BYTES_PER_CELL * n_cells + BYTES_PER_LABEL * n_rows)


def _read_idx_file(folder: Path, name: str, n_axes: int) -> np.ndarray:
    """The bytes of an IDX file in their shape."""
    path = _idx_path(Path(folder), name)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = _idx_shape(path, cast(BinaryIO, file), n_axes)
            n_bytes = math.prod(shape)
            require_memory(str(path), BYTES_PER_PIXEL * n_bytes)
            raw = file.read(n_bytes + 1)  # not more: what was gzipped may be of any size
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None

    if len(raw) != n_bytes:
        there = "more" if len(raw) > n_bytes else f"{len(raw)}"
        raise InputError(
            f"{path}: {there} bytes of data where its header promises {'x'.join(map(str, shape))}"
        )
    return np.frombuffer(raw, np.uint8).reshape(shape)


def _idx_path(folder: Path, name: str) -> Path:
    """The file of a name, plain or gzipped."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(
        f"{folder / name}: no such file, plain or with .gz;"
        " put the MNIST or Fashion-MNIST files there"
    )


def _idx_shape(path: Path, file: BinaryIO, n_axes: int) -> tuple[int, ...]:
    """What the header says."""
    n_header = 4 + 4 * n_axes
    header = file.read(n_header)
    if len(header) < n_header or header[:4] != MAGIC + bytes([n_axes]):
        raise InputError(f"{path}: not an IDX file of unsigned bytes with {n_axes} axes")
    return struct.unpack(f">{n_axes}I", header[4:])
