"""What the columns of a user's table mean: which numbers are inputs, and whether y holds classes.

Numbers are taken as they are or refused, with the file, the line and the column; none is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from urn.data.dataset import LARGEST_SQUARED, Kind
from urn.errors import InputError, shown

FEWEST_SAMPLES = 20
"""Fewer cannot be split into training, validation and test. By judgement: 3 samples to test on."""

FEW_CLASSES = 20
"""Whole numbers of at most so many values, or a twentieth of the samples, are classes.
By judgement: more look like counts."""

LARGEST = float(np.finfo(np.float32).max)
"""Largest magnitude of an input: more is infinite in float32."""

MISSING = frozenset(
    ["", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NaT", "NULL", "null", "None", "<NA>"]
) | frozenset(["#N/A", "#N/A N/A", "#NA", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "?"])
"""What stands for a missing value. From pandas' list of them; `?` from the UCI repository."""

BY_NAME = "--task-options.kind classification takes them as the names of classes"
"""The way out that messages name."""


@dataclass(frozen=True)
class Source:
    """Where the numbers of a table come from, for messages.

    Attributes
    ----------
    path : str
        The file.
    inputs : tuple of str
        Names of the columns of X; empty where they have none.
    target : str
        Name of y.
    lines : sequence of int
        The line of each row; empty where the file has no lines.
    """

    path: str
    inputs: tuple[str, ...] = ()
    target: str = "y"
    lines: Sequence[int] = ()

    def column(self, j: int) -> str:
        """An input."""
        name = f"column {shown_name(self.inputs[j])}" if self.inputs else f"X, column {j}"
        return f"{self.path}: {name}"

    def cell(self, i: int, j: int) -> str:
        """One number of X."""
        if self.lines:
            return f"{self.path}: line {self.lines[i]}, column {shown_name(self.inputs[j])}"
        return f"{self.path}: X, row {i}, column {j}"

    def target_cell(self, i: int) -> str:
        """A value of y."""
        if self.lines:
            return f"{self.path}: line {self.lines[i]}, column {shown_name(self.target)}"
        return f"{self.path}: {self.target}, row {i}"


@dataclass(frozen=True)
class Table:
    """Arrays that a network can be trained on.

    Attributes
    ----------
    X : ndarray
        `(N, d_in)` float64.
    y : ndarray
        `(N,)` int64 classes from 0, or `(N, d_out)` float64 targets.
    kind : {"classification", "regression"}
        What y holds.
    n_outputs : int
        Number of classes or of targets.
    positions : ndarray or None
        `(d_in, dim)`.
    source : Source
        Where they come from.
    """

    X: np.ndarray
    y: np.ndarray
    kind: Kind
    n_outputs: int
    positions: np.ndarray | None
    source: Source


def make_table(
    X: np.ndarray, y: np.ndarray, positions: np.ndarray | None, kind: str, source: Source
) -> Table:
    """Turn arrays into a `Table`.

    Parameters
    ----------
    X, y, positions : ndarray
        As they were read.
    kind : {"auto", "classification", "regression"}
        What y holds. `auto`: text, booleans and whole numbers of few values are classes.
    source : Source
        Where they come from.

    Raises
    ------
    InputError
        Naming what cannot be used, and where it stands.
    """
    _check_inputs(X, y, source)
    if positions is not None:
        _check_positions(positions, X.shape[1], source)
    _check_target(y, source)

    is_number = y.dtype.kind in "iuf"
    if kind == "classification" or (kind == "auto" and (not is_number or _looks_like_classes(y))):
        labels, n_classes = _classes(y, kind, source)
        return Table(X.astype(np.float64), labels, "classification", n_classes, positions, source)

    targets = _targets(y, source)
    n_targets = targets.shape[1]
    return Table(X.astype(np.float64), targets, "regression", n_targets, positions, source)


def text_target(labels: list[str], kind: str, source: Source) -> np.ndarray:
    """The target of a text file: float64 where every value is a number, else text.

    Parameters
    ----------
    labels : list of str
        A value a row.
    kind : {"auto", "classification", "regression"}
        With `classification` numbers and text may be mixed; all are names then.

    Raises
    ------
    InputError
        For a missing value, for numbers mixed with text, and for text that was to be a number.
    """
    for i, label in enumerate(labels):
        if label in MISSING:
            raise InputError(
                f"{source.target_cell(i)}: {shown(label)} is missing; fill it or leave the line out"
            )

    numbers = [number_of(label) for label in labels]
    texts = [i for i, number in enumerate(numbers) if number is None]
    if not texts:
        return np.array(numbers, dtype=np.float64)
    if kind == "classification":
        return np.array(labels)

    first = texts[0]
    if kind == "regression" or 2 * len(texts) < len(labels):
        raise InputError(
            f"{source.target_cell(first)}: {shown(labels[first])} is not a number"
            + ("" if kind == "regression" else f", most others are; {BY_NAME}")
        )
    for i, (label, number) in enumerate(zip(labels, numbers, strict=True)):
        if number is not None:
            raise InputError(
                f"{source.target_cell(i)}: {shown(label)} is a number, others are text; {BY_NAME}"
            )
        if _looks_like_a_number(label):
            raise InputError(
                f"{source.target_cell(i)}: {shown(label)} is neither a number nor a name; {BY_NAME}"
            )
    return np.array(labels)


def number_of(text: str) -> float | None:
    """The number that a text is, written with ASCII digits, or None; it may be infinite.

    Python also reads `1_000`, `nan`, `infinity` and the digits of other scripts: no table means
    the first, and the others are mistakes more often than not.
    """
    if not text.isascii() or "_" in text or text.strip("+-")[:1].lower() in ("n", "i"):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def shown_name(name: str) -> str:
    """A name of a column as messages have it: without quotes, and not too long."""
    return shown(name)[1:-1]


def _looks_like_a_number(label: str) -> bool:
    """Whether a text has digits and no letters: a date, a price, `1_000`."""
    return any(c.isdigit() for c in label) and not any(c.isalpha() for c in label)


def _check_inputs(X: np.ndarray, y: np.ndarray, source: Source) -> None:
    """Raise InputError for inputs that cannot be used."""
    path = source.path
    if X.ndim != 2 or X.shape[1] == 0:
        raise InputError(f"{path}: X must be (samples, inputs), not of shape {X.shape}")
    if X.dtype.kind not in "iuf":
        raise InputError(f"{path}: X must hold real numbers, not {X.dtype}")
    if y.ndim not in (1, 2) or len(X) != len(y) or y.size == 0 < len(y):
        raise InputError(f"{path}: y of shape {y.shape} does not fit X of shape {X.shape}")
    if len(X) < FEWEST_SAMPLES:
        raise InputError(
            f"{path}: {len(X)} samples; at least {FEWEST_SAMPLES} are needed to split them"
        )

    wrong = ~_usable(X)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise InputError(f"{source.cell(i, j)}: {X[i, j]} is not a finite float32")


def _check_positions(positions: np.ndarray, n_inputs: int, source: Source) -> None:
    """Raise InputError for positions that are not those of the inputs."""
    fits = positions.ndim == 2 and len(positions) == n_inputs and positions.shape[1] > 0
    if not fits or positions.dtype.kind not in "iuf" or not _usable(positions).all():
        raise InputError(
            f"{source.path}: positions must be finite, ({n_inputs}, dim),"
            f" not {positions.dtype} of shape {positions.shape}"
        )


def _check_target(y: np.ndarray, source: Source) -> None:
    """Raise InputError for a target of neither numbers, booleans nor text, or that lacks one."""
    if y.dtype.kind not in "iufbUS":
        raise InputError(f"{source.path}: y must hold real numbers or text, not {y.dtype}")
    if y.dtype.kind in "iuf":
        wrong = ~_usable(y).reshape(len(y), -1).all(1)
        if wrong.any():
            i = int(wrong.argmax())
            raise InputError(f"{source.target_cell(i)}: {y[i]} is not a finite float32")
    elif y.dtype.kind in "US" and y.ndim == 1:
        names = y if y.dtype.kind == "U" else np.char.decode(y, "utf-8", "replace")
        for i, label in enumerate(names.tolist()):
            if label.strip() in MISSING:
                raise InputError(f"{source.target_cell(i)}: {shown(label)} is missing")


def _looks_like_classes(y: np.ndarray) -> bool:
    """Whether numbers are whole and take few values."""
    most = max(FEW_CLASSES, len(y) // FEW_CLASSES)
    return y.ndim == 1 and bool(np.all(y == np.round(y))) and len(np.unique(y)) <= most


def _classes(y: np.ndarray, kind: str, source: Source) -> tuple[np.ndarray, int]:
    """Classes from 0 `(N,)`, and how many there are."""
    if y.ndim != 1 or (y.dtype.kind == "f" and not np.all(y == np.round(y))):
        raise InputError(
            f"{source.path}: y must hold one whole number or text for each sample to be classes"
        )

    names, labels = np.unique(y, return_inverse=True)
    if len(names) < 2:
        raise InputError(f"{source.path}: y holds one class only, {shown(names[0].item())}")
    if kind == "auto" and y.dtype.kind in "US" and 2 * len(names) > len(y):
        raise InputError(
            f"{source.path}: y holds {len(names)} different texts in {len(y)} samples; {BY_NAME}"
        )
    return labels.astype(np.int64), len(names)


def _targets(y: np.ndarray, source: Source) -> np.ndarray:
    """Targets of regression, `(N, d_out)`."""
    if y.dtype.kind not in "iuf":
        raise InputError(f"{source.path}: y must hold numbers for regression, not {y.dtype}")
    if np.all(y == y[0]):
        raise InputError(f"{source.path}: y holds one value only, {y[0]}")

    targets = y.astype(np.float64).reshape(len(y), -1)
    too_large = (np.abs(targets) > LARGEST_SQUARED).any(1)
    if too_large.any():
        i = int(too_large.argmax())
        raise InputError(
            f"{source.target_cell(i)}: {y[i]} is too large, its square overflows float32"
        )
    return targets


def _usable(values: np.ndarray) -> np.ndarray:
    """Where numbers are finite, also once they are held as float32."""
    return np.abs(values.astype(np.float64)) <= LARGEST
