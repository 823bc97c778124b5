"""What a network trains on: three parts of inputs and targets, and how arrays become one.

No task is known here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from urn.data.splits import cut
from urn.errors import InputError

Split = tuple[Tensor, Tensor]
"""Inputs X and targets y of one part."""

Kind = Literal["classification", "regression", "stream"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All of them; messages list them."""

LARGEST_SQUARED = float(np.finfo(np.float32).max) ** 0.5
"""Largest magnitude of an input or a target: losses and sums square them in float32."""

SMALLEST_DEVIATION = float(np.finfo(np.float64).tiny) ** 0.5
"""Below it a variance has lost its digits, or all of itself, in float64."""

SHARE_HELD_OUT = 0.15
"""Of all samples, for validation and again for the test. By judgement: the usual 70 : 15 : 15."""

FEWEST_TO_STRATIFY = 8
"""Samples of the rarest class. By judgement: of fewer, a part of 15 % may hold none, and
scikit-learn then refuses to stratify."""


@dataclass(frozen=True)
class Dataset:
    """What a network trains on.

    Parameters
    ----------
    train, validation, test : pair of Tensor
        (X, y). X is `(N, d_in)` float32 or float64; y `(N,)` int64 classes, or `(N, d_out)`
        targets like X. X of a sequence is `(N, T, d_in)`: T inputs, read one at each iteration and
        answered once at the end; T is the same in all parts. For symbol streams X is
        `(streams, T, d_in)` one-hot and y `(streams, T)` the symbol that follows.
    n_outputs : int
        d_out.
    kind : {"classification", "regression", "stream"}
        What the targets are.
    positions : Tensor, optional
        `(d_in, dim)`, where each input sits; None where the data has no geometry.
    sites : tuple of int, optional
        Shape of the lattice that the inputs fill (for translations).

    Raises
    ------
    InputError
        Naming the field that is not so.
    """

    train: Split
    validation: Split
    test: Split
    n_outputs: int
    kind: Kind = "classification"
    positions: Tensor | None = None
    sites: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"kind: must be {' or '.join(KINDS)}, not {self.kind!r}")

        for name in ("train", "validation", "test"):
            try:
                self._check_part(*getattr(self, name))
            except (TypeError, AttributeError, IndexError):
                raise InputError(f"{name}: must be a pair of tensors (X, y)") from None
            except InputError as error:
                raise InputError(f"{name}: {error}") from None

        self._check_geometry()

    @property
    def parts(self) -> tuple[Split, Split, Split]:
        """Training, validation and test set."""
        return self.train, self.validation, self.test

    @property
    def n_inputs(self) -> int:
        """d_in."""
        return self.train[0].shape[-1]

    @property
    def is_sequence(self) -> bool:
        """Whether a sample is T inputs in a row, with one answer at the end."""
        return self.kind != "stream" and self.train[0].dim() == 3

    @property
    def n_steps(self) -> int:
        """T of sequences and of the streams of the training part; 1 where a sample is one input."""
        X = self.train[0]
        return X.shape[1] if X.dim() == 3 else 1

    def _check_part(self, X: Tensor, y: Tensor) -> None:
        """Raise InputError for a part that no network could be trained on."""
        stream = self.kind == "stream"
        fits = X.dim() == 3 if stream else X.dim() in (2, 3)
        fits = fits and X.numel() > 0 and X.shape[-1] == self.n_inputs
        if not fits or not X.is_floating_point():
            form = "(streams, T, d_in)" if stream else "(N, d_in)"
            raise InputError(
                f"X must be floating point {form} with {self.n_inputs} inputs,"
                f" not {X.dtype} {tuple(X.shape)}"
            )
        # Streams may be of different length; a sequence is read whole.
        if not stream and X.shape[1:] != self.train[0].shape[1:]:
            raise InputError(
                f"X must be (N, {', '.join(map(str, self.train[0].shape[1:]))}) as in train,"
                f" not {tuple(X.shape)}"
            )

        real = self.kind == "regression"
        n_answers = X.shape[:-1] if stream else X.shape[:1]
        shape = (len(X), self.n_outputs) if real else tuple(n_answers)
        if tuple(y.shape) != shape or y.is_floating_point() != real:
            dtype = "floating point" if real else "int64"
            raise InputError(f"y must be {dtype} of shape {shape}, not {y.dtype} {tuple(y.shape)}")

        if not X.isfinite().all() or not y.isfinite().all():
            raise InputError("X and y must be finite, also as float32")
        if not real and (int(y.min()) < 0 or int(y.max()) >= self.n_outputs):
            raise InputError(
                f"y holds labels from {int(y.min())} to {int(y.max())} for {self.n_outputs} outputs"
            )

    def _check_geometry(self) -> None:
        """Raise InputError for positions or a lattice that do not belong to these inputs."""
        positions = self.positions
        if positions is not None and (
            positions.dim() != 2
            or len(positions) != self.n_inputs
            or not positions.isfinite().all()
        ):
            raise InputError(
                f"positions: must be finite, ({self.n_inputs}, dim),"
                f" not of shape {tuple(positions.shape)}"
            )
        if self.sites is not None and self.n_inputs % math.prod(self.sites):
            raise InputError(f"sites: {self.n_inputs} inputs do not fill a lattice {self.sites}")


def as_tensors(X: np.ndarray, y: np.ndarray) -> Split:
    """X `(N, d_in)` as float32; y as int64 where it holds classes, else as float32."""
    holds_classes = np.issubdtype(y.dtype, np.integer)
    targets = y.astype(np.int64 if holds_classes else np.float32)
    return torch.from_numpy(np.ascontiguousarray(X)).float(), torch.from_numpy(targets)


def split_in_three(
    X: np.ndarray,
    y: np.ndarray,
    n_outputs: int,
    *,
    seed: int,
    kind: Kind = "classification",
    standardise: bool = False,
    describe: Callable[[int], str] = "X, column {}".format,
    **geometry: Any,
) -> Dataset:
    """Cut arrays into 70 % train, 15 % validation and 15 % test.

    Parameters
    ----------
    X : ndarray
        `(N, d_in)`.
    y : ndarray
        `(N,)` integer classes, cut so that each part has its share of every class where all are
        frequent enough; or `(N, d_out)` targets.
    n_outputs : int
        d_out.
    seed : int
        Of the cut.
    kind : {"classification", "regression"}
        What y holds.
    standardise : bool
        Whether to bring inputs to mean 0 and variance 1 on the training part.
    describe : callable
        What messages call a column of X.
    **geometry
        `positions` and `sites` of the `Dataset`.

    Raises
    ------
    InputError
        For an input whose values are too close together or too large, see `check_magnitudes`.
    """
    second_cut = SHARE_HELD_OUT / (1 - SHARE_HELD_OUT)
    X_rest, X_test, y_rest, y_test = _cut(X, y, SHARE_HELD_OUT, seed, kind)
    X_train, X_validation, y_train, y_validation = _cut(X_rest, y_rest, second_cut, seed, kind)

    varies = np.ptp(X_train, 0) > 0
    if standardise:
        # In float64: large numbers that differ little would be equal in float32.
        deviation = X_train.std(0, ddof=1)
        check_deviations(deviation, varies, describe)
        mean = X_train.mean(0)
        scale = np.where(varies, deviation, 1)
        X_train, X_validation, X_test = (
            (part - mean) / scale for part in (X_train, X_validation, X_test)
        )
    for part in (X_train, X_validation, X_test):
        check_magnitudes(part, describe)

    train = as_tensors(X_train, y_train)
    _check_still_varies(train[0], varies, describe)
    validation = as_tensors(X_validation, y_validation)
    test = as_tensors(X_test, y_test)
    return Dataset(train, validation, test, n_outputs, kind, **geometry)


def check_deviations(
    deviation: np.ndarray, varies: np.ndarray, describe: Callable[[int], str]
) -> None:
    """Refuse columns that cannot be brought to variance 1.

    Parameters
    ----------
    deviation : ndarray
        `(n,)`, the standard deviation of each column.
    varies : ndarray
        `(n,)`, whether its values are not all the same.
    describe : callable
        What messages call a column.

    Raises
    ------
    InputError
        Naming a column whose values differ by so little that their variance is 0 in float64.
    """
    lost = varies & (deviation < SMALLEST_DEVIATION)
    if lost.any():
        raise InputError(
            f"{describe(int(lost.argmax()))}: its values differ by too little to be brought to"
            " variance 1; give it in another unit"
        )


def check_magnitudes(X: np.ndarray, describe: Callable[[int], str]) -> None:
    """Raise InputError naming a column with a value whose square overflows float32."""
    too_large = (np.abs(X) > LARGEST_SQUARED).any(0)
    if too_large.any():
        j = int(too_large.argmax())
        raise InputError(
            f"{describe(j)}: {np.abs(X[:, j]).max():.3g} is too large, its square overflows float32"
        )


def _check_still_varies(X: Tensor, varies: np.ndarray, describe: Callable[[int], str]) -> None:
    """Raise InputError naming a column whose values differ, but not as float32."""
    lost = varies & (X[0] == X).all(0).numpy()
    if lost.any():
        raise InputError(
            f"{describe(int(lost.argmax()))}: its values are all the same in float32;"
            " standardise them, or give it in another unit"
        )


def _cut(X: np.ndarray, y: np.ndarray, share: float, seed: int, kind: Kind) -> list[np.ndarray]:
    """Cut a share of the samples off: [X_rest, X_share, y_rest, y_share]."""
    frequent = kind == "classification" and np.bincount(y)[np.unique(y)].min() >= FEWEST_TO_STRATIFY
    rest, taken = cut(len(X), share, seed, y if frequent else None)
    return [X[rest], X[taken], y[rest], y[taken]]
