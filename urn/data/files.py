"""Reading a user's own data: IDX images, .npz arrays, .csv tables. Every fault is one line that names the file.

Nothing is unpickled: arrays of objects are refused.
"""

import csv
import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from urn.errors import InputError

MIN_ROWS = 20
"""Fewer rows cannot be split into training, validation and test."""


@dataclass(frozen=True)
class Table:
    """X `(N, d_in)` float64; y `(N,)` int64 classes 0.. or `(N, d_out)` float64 targets; positions `(d_in, dim)` or None."""

    X: np.ndarray
    y: np.ndarray
    kind: str
    n_outputs: int
    positions: np.ndarray | None = None


def read_idx(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images `(N, height, width)` uint8 and labels `(N,)` of one part ("train" or "t10k") of an MNIST-like folder."""
    images = _read_idx_file(folder, f"{part}-images-idx3-ubyte", 3)
    labels = _read_idx_file(folder, f"{part}-labels-idx1-ubyte", 1)
    if len(images) != len(labels):
        raise InputError(f"{folder}: {len(images)} {part} images but {len(labels)} labels")
    if images.size == 0:
        raise InputError(f"{folder}: no {part} images")
    return images, labels.astype(np.int64)


def _read_idx_file(folder: Path, name: str, n_axes: int) -> np.ndarray:
    for path in (Path(folder) / name, Path(folder) / f"{name}.gz"):
        if path.is_file():
            break
    else:
        raise InputError(
            f"{Path(folder) / name}: no such file, plain or with .gz; put the MNIST or Fashion-MNIST files there"
        )
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    header = 4 + 4 * n_axes
    if len(raw) < header or raw[:4] != bytes([0, 0, 8, n_axes]):
        raise InputError(f"{path}: not an IDX file of unsigned bytes with {n_axes} axes")
    shape = struct.unpack(f">{n_axes}I", raw[4:header])
    if len(raw) - header != int(np.prod(shape, dtype=object)):
        raise InputError(
            f"{path}: {len(raw) - header} bytes of data where its header promises {'x'.join(map(str, shape))}"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def read_table(path: Path, target: str = "y", kind: str = "auto") -> Table:
    """Read .npz (X, y, optional positions) or .csv (a header, numeric columns, `target` is y)."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == ".npz":
        X, y, positions = _read_npz(path)
    elif path.suffix == ".csv":
        X, y, positions = *_read_csv(path, target), None
    else:
        raise InputError(f"{path}: must end in .npz or .csv")
    return check_arrays(X, y, positions, kind, str(path))


def check_arrays(
    X: np.ndarray, y: np.ndarray, positions: np.ndarray | None, kind: str, where: str
) -> Table:
    """Turn arrays into a `Table`, or say in one line what is wrong with them."""
    if X.ndim != 2 or X.shape[1] == 0:
        raise InputError(f"{where}: X must be (samples, inputs), not of shape {X.shape}")
    if not np.issubdtype(X.dtype, np.number) or np.iscomplexobj(X):
        raise InputError(f"{where}: X must hold real numbers, not {X.dtype}")
    if y.ndim not in (1, 2) or len(X) != len(y) or y.size == 0 < len(y):
        raise InputError(f"{where}: y of shape {y.shape} does not fit X of shape {X.shape}")
    if len(X) < MIN_ROWS:
        raise InputError(f"{where}: {len(X)} samples; at least {MIN_ROWS} are needed to split them")
    if not _usable(X).all():
        row, column = np.argwhere(~_usable(X))[0]
        raise InputError(f"{where}: X holds {X[row, column]} at row {row}, column {column}")
    if np.iscomplexobj(y):
        raise InputError(f"{where}: y must hold real numbers or text, not {y.dtype}")
    numeric = np.issubdtype(y.dtype, np.number)
    if numeric and not _usable(y).all():
        raise InputError(f"{where}: y holds {y[~_usable(y)][0]}")
    if positions is not None and (
        positions.ndim != 2
        or len(positions) != X.shape[1]
        or positions.shape[1] == 0
        or not np.issubdtype(positions.dtype, np.number)
        or np.iscomplexobj(positions)
        or not _usable(positions).all()
    ):
        raise InputError(
            f"{where}: positions must be finite, ({X.shape[1]}, dim), not of shape {positions.shape}"
        )
    X = X.astype(np.float64)
    whole = (
        numeric
        and y.ndim == 1
        and np.all(y == np.round(y))
        and len(np.unique(y)) <= max(20, len(y) // 20)
    )
    if kind == "classification" or (kind == "auto" and (whole or not numeric)):
        if y.ndim != 1 or (numeric and not np.all(y == np.round(y))):
            raise InputError(
                f"{where}: y must hold one whole number or text for each sample to be classes"
            )
        classes, y = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise InputError(f"{where}: y holds one class only, {classes[0]}")
        return Table(X, y.astype(np.int64), "classification", len(classes), positions)
    if not numeric:
        raise InputError(f"{where}: y must hold numbers for regression, not {y.dtype}")
    if np.all(y == y[0]):
        raise InputError(f"{where}: y holds one value only, {y[0]}")
    y = y.astype(np.float64).reshape(len(y), -1)
    return Table(X, y, "regression", y.shape[1], positions)


def _usable(values: np.ndarray) -> np.ndarray:
    """Where numbers are finite, also once they are held as float32."""
    return np.abs(values.astype(np.float64)) <= np.finfo(np.float32).max


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            for name in ("X", "y"):
                if name not in arrays:
                    raise InputError(
                        f"{path}: no array {name}; it holds {', '.join(arrays) or 'nothing'}"
                    )
            return arrays["X"], arrays["y"], arrays.get("positions")
    except InputError:
        raise
    except Exception as error:  # NumPy and zipfile raise many kinds for a foreign or truncated file
        raise InputError(
            f"{path}: not a readable .npz file of plain arrays ({type(error).__name__})"
        ) from None


def _read_csv(path: Path, target: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        with path.open(
            newline="", encoding="utf-8-sig"
        ) as lines:  # spreadsheets put a byte order mark first
            table = csv.reader(lines, strict=True)
            numbered = [(table.line_num, row) for row in table if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV table ({error})") from None
    if len(numbered) < 2:
        raise InputError(f"{path}: a header and rows are needed")
    lines, (header, *body) = zip(*numbered, strict=True)
    header = [name.strip() for name in header]
    if target not in header:
        raise InputError(f"{path}: no column {target!r}; there are {', '.join(header)}")
    if header.count(target) > 1:
        raise InputError(f"{path}: column {target} is there {header.count(target)} times")
    for line, row in zip(lines[1:], body, strict=True):
        if len(row) != len(header):
            raise InputError(f"{path}: line {line} has {len(row)} fields, the header {len(header)}")
    at = header.index(target)
    X = np.empty((len(body), len(header) - 1))
    for i, row in enumerate(body):
        for j, text in enumerate(row[:at] + row[at + 1 :]):
            try:
                X[i, j] = float(text)
            except ValueError:
                name = (header[:at] + header[at + 1 :])[j]
                raise InputError(
                    f"{path}: line {lines[i + 1]}, column {name}: {text!r} is not a number"
                ) from None
    labels = [row[at].strip() for row in body]
    try:
        return X, np.array([float(label) for label in labels])
    except ValueError:
        return X, np.array(labels)
