"""Tasks: data with train, validation and test split, seeded, each with a name in a registry. No network is known here.

A task is a frozen data class of its options with a `load()` that returns a `Dataset`. To add one:

    @task("my_task")
    class MyTask(TaskOptions):
        noise: float = 0.1

        def load(self) -> Dataset: ...
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from urn.data import files
from urn.errors import InputError, one_line
from urn.loss import geometry
from urn.settings.fields import Amount, Number, Size, Whole
from urn.settings.registry import TASKS, task

Split = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Dataset:
    """What a network trains on.

    Attributes:
        train, validation, test: pairs (X, y). X is `(N, d_in)` float32 or float64; y `(N,)` int64 classes, or `(N, d_out)`
            targets like X. For symbol streams X is `(streams, T, d_in)` one-hot and y `(streams, T)` the symbol that follows.
        n_outputs: d_out.
        kind: "classification", "regression" or "stream".
        positions: `(d_in, dim)` where each input sits, or None where the data has no geometry.
        sites: shape of the lattice the inputs fill (for translations), or None.

    Raises:
        InputError: naming the field that is not so.
    """

    train: Split
    validation: Split
    test: Split
    n_outputs: int
    kind: Literal["classification", "regression", "stream"] = "classification"
    positions: Tensor | None = None
    sites: tuple[int, ...] | None = None

    def __post_init__(self):
        if self.kind not in ("classification", "regression", "stream"):
            raise InputError(
                f"kind: must be classification, regression or stream, not {self.kind!r}"
            )
        for name in ("train", "validation", "test"):
            try:
                self._check(*getattr(self, name))
            except (TypeError, AttributeError, IndexError):
                raise InputError(f"{name}: must be a pair of tensors (X, y)") from None
            except InputError as error:
                raise InputError(f"{name}: {error}") from None
        if self.positions is not None and (
            self.positions.dim() != 2
            or len(self.positions) != self.n_inputs
            or not self.positions.isfinite().all()
        ):
            raise InputError(
                f"positions: must be finite, ({self.n_inputs}, dim), not of shape {tuple(self.positions.shape)}"
            )
        if self.sites is not None and self.n_inputs % math.prod(self.sites):
            raise InputError(f"sites: {self.n_inputs} inputs do not fill a lattice {self.sites}")

    def _check(self, X: Tensor, y: Tensor) -> None:
        """Raise InputError for a part that no network could be trained on."""
        axes = 3 if self.kind == "stream" else 2
        if (
            X.dim() != axes
            or X.numel() == 0
            or not X.is_floating_point()
            or X.shape[-1] != self.n_inputs
        ):
            form = "(streams, T, d_in)" if axes == 3 else "(N, d_in)"
            raise InputError(
                f"X must be floating point {form} with {self.n_inputs} inputs, not {X.dtype} {tuple(X.shape)}"
            )
        right = (len(X), self.n_outputs) if self.kind == "regression" else tuple(X.shape[:-1])
        if tuple(y.shape) != right or y.is_floating_point() != (self.kind == "regression"):
            what = "floating point" if self.kind == "regression" else "int64"
            raise InputError(f"y must be {what} of shape {right}, not {y.dtype} {tuple(y.shape)}")
        if not X.isfinite().all() or not y.isfinite().all():
            raise InputError("X and y must be finite, also as float32")
        if self.kind != "regression" and (int(y.min()) < 0 or int(y.max()) >= self.n_outputs):
            raise InputError(
                f"y holds labels from {int(y.min())} to {int(y.max())} for {self.n_outputs} outputs"
            )

    @property
    def parts(self) -> tuple[Split, Split, Split]:
        """Training, validation and test set."""
        return self.train, self.validation, self.test

    @property
    def n_inputs(self) -> int:
        """d_in."""
        return self.train[0].shape[-1]


class TaskOptions(BaseModel):
    """Options of a task; `data_seed` seeds the data and its split, whatever the seed of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    data_seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0


def task_options(name: str, options: dict) -> TaskOptions:
    """Validated options of the task `name`; InputError names the task or the option that cannot be."""
    if name not in TASKS:
        raise InputError(f"task: no task {name!r}; there are {', '.join(TASKS)}")
    try:
        return TASKS[name].model_validate(options)
    except ValidationError as error:
        raise one_line(error, f"task_options of {name}") from None


@task("shells")
class Shells(TaskOptions):
    """Points uniform on spheres of given radii; the label is the shell, or its parity (Golkar 2019)."""

    radii: Annotated[tuple[Annotated[Number, Field(gt=0, le=1e6)], ...], Field(min_length=2)] = (
        1.0,
        2.0,
    )
    dimension: Size = 10
    label: Literal["shell", "parity"] = "shell"
    n_train: Size = 50_000
    n_validation: Size = 5_000
    n_test: Size = 10_000

    def load(self) -> Dataset:
        random = torch.Generator().manual_seed(self.data_seed)

        def sample(n: int) -> Split:
            shell = torch.randint(len(self.radii), (n,), generator=random)
            x = torch.randn(n, self.dimension, generator=random)
            x *= torch.tensor(self.radii)[shell][:, None] / x.norm(dim=1, keepdim=True)
            return x, shell % 2 if self.label == "parity" else shell

        n_outputs = 2 if self.label == "parity" else len(self.radii)
        return Dataset(
            sample(self.n_train), sample(self.n_validation), sample(self.n_test), n_outputs
        )


@task("digits")
class Digits(TaskOptions):
    """Handwritten digits 8 x 8 (UCI, from scikit-learn): 1,797 real images, values in [0, 1], 10 classes, grid geometry."""

    shuffled: bool = Field(
        False, description="control: one fixed permutation of the pixels destroys the geometry"
    )

    def load(self) -> Dataset:
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        X = _shuffle_columns(X / 16, self.data_seed) if self.shuffled else X / 16
        return _split(X, y, 10, seed=self.data_seed, positions=geometry.grid(8, 8), sites=(8, 8))


@task("mnist1d")
class MNIST1D(TaskOptions):
    """MNIST-1D (Greydanus 2020), generated with the published defaults: 40 inputs on a line, 10 classes, 4000 + 1000 samples.

    The published test set is the test set; a tenth of the training set is held out for validation.
    """

    shuffled: bool = Field(
        False, description="control: one fixed permutation of the positions destroys the geometry"
    )
    ring: bool = Field(
        False,
        description="inputs on a ring, which cyclic translations leave as it is, instead of a line",
    )

    def load(self) -> Dataset:
        from mnist1d.data import get_dataset_args, make_dataset

        state = np.random.get_state()  # noqa: NPY002 (the generator seeds NumPy's global state; ours is put back)
        try:
            data = make_dataset(get_dataset_args())
        finally:
            np.random.set_state(state)  # noqa: NPY002
        X = np.concatenate([data["x"], data["x_test"]])
        y = np.concatenate([data["y"], data["y_test"]])
        X = _shuffle_columns(X, self.data_seed) if self.shuffled else X
        n = len(data["x"])
        order = np.random.default_rng(self.data_seed).permutation(n)
        parts = order[n // 10 :], order[: n // 10], np.arange(n, len(X))
        train, validation, test = (_tensors(X[rows], y[rows]) for rows in parts)
        positions = geometry.ring(40) if self.ring else geometry.line(40)
        return Dataset(train, validation, test, 10, positions=positions, sites=(40,))


@task("idx")
class Idx(TaskOptions):
    """MNIST, Fashion-MNIST or any images in IDX files that the user has, plain or gzipped, grid geometry.

    `folder` holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte
    (or the same with .gz). A tenth of the training images is held out for validation.
    """

    folder: Path

    def load(self) -> Dataset:
        X, y = files.read_idx(self.folder, "train")
        X_test, y_test = files.read_idx(self.folder, "t10k")
        if X.shape[1:] != X_test.shape[1:]:
            raise InputError(
                f"{self.folder}: training images are {X.shape[1:]}, test images {X_test.shape[1:]}"
            )
        if len(np.unique(y)) < 2:
            raise InputError(f"{self.folder}: the train labels hold one class only, {y[0]}")
        sites, n = X.shape[1:], len(X)
        if n < 10:
            raise InputError(
                f"{self.folder}: {n} training images are too few to hold a tenth out for validation"
            )
        order = np.random.default_rng(self.data_seed).permutation(n)
        flat = lambda images: images.reshape(len(images), -1) / 255  # noqa: E731
        parts = [
            (X[order[n // 10 :]], y[order[n // 10 :]]),
            (X[order[: n // 10]], y[order[: n // 10]]),
            (X_test, y_test),
        ]
        splits = [_tensors(flat(images), labels) for images, labels in parts]
        return Dataset(
            *splits,
            int(max(y.max(), y_test.max())) + 1,
            positions=geometry.grid(*sites),
            sites=sites,
        )


@task("file")
class File(TaskOptions):
    """A user's own arrays: .npz with X, y and optionally positions, or .csv with a header whose column `target` is y.

    Whole-number or text targets are classes unless `kind` says regression. 70 % train, 15 % validation, 15 % test;
    inputs are scaled to mean 0 and variance 1 on the training part if `standardise`.
    """

    path: Path
    target: str = Field("y", description="name of the column to predict (.csv)")
    kind: Literal["auto", "classification", "regression"] = "auto"
    standardise: bool = True

    def load(self) -> Dataset:
        table = files.read_table(self.path, self.target, self.kind)
        return _split(
            table.X,
            table.y,
            table.n_outputs,
            seed=self.data_seed,
            kind=table.kind,
            standardise=self.standardise,
            positions=None
            if table.positions is None
            else torch.from_numpy(table.positions).float(),
        )


@task("carry")
class Carry(TaskOptions):
    """Regression of a linear map plus a small ReLU correction: y = A x + s relu(B x - t) C, from non-negative inputs.

    A network that carries its input along and adds to it (a residual one) should win.
    """

    dimension: Size = 10
    n_outputs: Size = 10
    correction: Annotated[Amount, Field(le=1e6)] = Field(
        0.5, description="standard deviation of the nonlinear part"
    )
    n_train: Size = 20_000
    n_validation: Size = 2_000
    n_test: Size = 5_000

    def load(self) -> Dataset:
        random = torch.Generator().manual_seed(self.data_seed)
        draw = lambda *shape: torch.randn(*shape, generator=random)  # noqa: E731
        width = 2 * self.dimension
        A = draw(self.n_outputs, self.dimension) / self.dimension**0.5
        B, C = draw(width, self.dimension) / self.dimension**0.5, draw(self.n_outputs, width)
        x = torch.rand(
            self.n_train + self.n_validation + self.n_test, self.dimension, generator=random
        )
        bend = (x @ B.T - (x @ B.T).mean(0)).relu() @ C.T
        linear = x @ A.T
        y = (linear - linear.mean(0)) / linear.std() + self.correction * (
            bend - bend.mean(0)
        ) / bend.std()
        cuts = (self.n_train, self.n_validation, self.n_test)
        splits = list(zip(x.split(cuts), y.split(cuts), strict=True))
        return Dataset(*splits, self.n_outputs, "regression")


class SymbolStream(TaskOptions):
    """Streams over the alphabet `a b ( )`, one-hot; the target is the symbol that follows (Miconi 2016)."""

    n_streams: Size = 100
    length: Size = Field(4_000, description="symbols in a stream")

    def load(self) -> Dataset:
        random = np.random.default_rng(self.data_seed)
        train, validation, test = (self._streams(random, n) for n in (self.n_streams, 10, 25))
        return Dataset(train, validation, test, len(ALPHABET), "stream")

    def _streams(self, random: np.random.Generator, n: int) -> Split:
        code = {symbol: i for i, symbol in enumerate(ALPHABET)}
        rows = []
        for _ in range(n):
            groups, size = [], 0
            for group in self.groups(random):
                groups.append(f"({group})")
                size += len(groups[-1])
                if size > self.length:
                    break
            rows.append([code[symbol] for symbol in "".join(groups)[: self.length + 1]])
        symbols = torch.tensor(rows)
        return torch.nn.functional.one_hot(symbols[:, :-1], len(ALPHABET)).float(), symbols[
            :, 1:
        ].contiguous()


ALPHABET = "ab()"


@task("miconi_easy")
class MiconiEasy(SymbolStream):
    """Groups (ab), (abab), ...: after each `ab` another one with probability p (0.6 in the paper's code, 0.75 in its text)."""

    p: Annotated[Number, Field(ge=0, lt=1)] = 0.6

    def groups(self, random: np.random.Generator):
        """Endless groups, without their parentheses."""
        while True:
            yield "ab" * random.geometric(1 - self.p)


@task("miconi_hard")
class MiconiHard(SymbolStream):
    """Groups of six letters, each the reverse of the last one with one letter flipped."""

    def groups(self, random: np.random.Generator):
        """Endless groups, without their parentheses."""
        letters = list(random.choice(["a", "b"], 6))
        while True:
            yield "".join(letters)
            letters.reverse()
            flipped = random.integers(6)
            letters[flipped] = "b" if letters[flipped] == "a" else "a"


@task("miconi_switch")
class MiconiSwitch(TaskOptions):
    """One stream whose grammar changes: equal parts of the easy and the hard language, by turns (Miconi 2016).

    With `length` = symbols per update x updates, training passes through it once. Validation and test speak the last one.
    """

    parts: Annotated[tuple[Literal["easy", "hard"], ...], Field(min_length=1)] = (
        "easy",
        "hard",
        "easy",
    )
    length: Size = Field(400_000, description="symbols in the stream")
    p: Annotated[Number, Field(ge=0, lt=1)] = 0.6

    def load(self) -> Dataset:
        size = {
            "data_seed": self.data_seed,
            "n_streams": 1,
            "length": -(-self.length // len(self.parts)),
        }
        grammars = {"easy": MiconiEasy(p=self.p, **size).load(), "hard": MiconiHard(**size).load()}
        symbols, follow = (
            torch.cat([grammars[part].train[k] for part in self.parts], 1)[
                :, : self.length
            ].contiguous()
            for k in (0, 1)
        )
        last = grammars[self.parts[-1]]
        short = slice(min(8_000, size["length"]))
        validation, test = ((X[:, short], y[:, short]) for X, y in (last.validation, last.test))
        return Dataset((symbols, follow), validation, test, len(ALPHABET), "stream")


def _shuffle_columns(X: np.ndarray, seed: int) -> np.ndarray:
    return X[:, np.random.default_rng([seed, 1]).permutation(X.shape[1])]


def _tensors(X: np.ndarray, y: np.ndarray) -> Split:
    classes = np.issubdtype(y.dtype, np.integer)
    return torch.from_numpy(np.ascontiguousarray(X)).float(), torch.from_numpy(
        y.astype(np.int64 if classes else np.float32)
    )


def _split(
    X: np.ndarray,
    y: np.ndarray,
    n_outputs: int,
    *,
    seed: int,
    kind: str = "classification",
    standardise: bool = False,
    **geometry,
) -> Dataset:
    """70 % train, 15 % validation, 15 % test, stratified for classes that are frequent enough."""
    from sklearn.model_selection import train_test_split

    def cut(X, y, part):
        frequent = kind == "classification" and np.bincount(y)[np.unique(y)].min() >= 8
        return train_test_split(
            X, y, test_size=part, random_state=seed, stratify=y if frequent else None
        )

    X_rest, X_test, y_rest, y_test = cut(X, y, 0.15)
    X_train, X_validation, y_train, y_validation = cut(X_rest, y_rest, 0.15 / 0.85)
    if standardise:  # in float64: large numbers that differ little would be equal in float32
        mean, scale = X_train.mean(0), np.where(np.ptp(X_train, 0) > 0, X_train.std(0, ddof=1), 1)
        X_train, X_validation, X_test = (
            (X - mean) / scale for X in (X_train, X_validation, X_test)
        )
    parts = ((X_train, y_train), (X_validation, y_validation), (X_test, y_test))
    return Dataset(*(_tensors(*part) for part in parts), n_outputs, kind, **geometry)
