"""The tasks: data with train, validation and test set, seeded, each with a name in a registry.

No network is known here. A task is a frozen data class of its options with a `load()` that returns
a `Dataset`. To add one:

    @task("my_task")
    class MyTask(TaskOptions):
        noise: float = 0.1

        def load(self) -> Dataset: ...

Symbol streams are in `urn.data.symbols`, and registered with these.
"""

import gzip
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from urn.data import files
from urn.data.dataset import Dataset, Split, as_tensors, split_in_three
from urn.data.known import Adding, Halves, Parity, RingField
from urn.data.options import TASKS, TaskOptions, task, task_options
from urn.data.symbols import ALPHABET, MiconiEasy, MiconiHard, MiconiSwitch, SymbolStream
from urn.data.twins import Twin
from urn.errors import InputError
from urn.loss import geometry
from urn.memory import require_memory
from urn.settings.fields import Amount, Number, Size

__all__ = [
    "ALPHABET",
    "MNIST1D",
    "TASKS",
    "Adding",
    "Carry",
    "Dataset",
    "Digits",
    "File",
    "Halves",
    "Idx",
    "MiconiEasy",
    "MiconiHard",
    "MiconiSwitch",
    "Parity",
    "RingField",
    "Shells",
    "Split",
    "SymbolStream",
    "TaskOptions",
    "Twin",
    "task",
    "task_options",
]

HELD_OUT = 10
"""One of so many training samples is held out for validation where the test set is a published one.
By judgement: the usual tenth."""

FLOAT = 4
"""Bytes of a float32."""

LABEL = 16
"""Bytes of a label, and of the shell that it was made from."""

Radius = Annotated[Number, Field(gt=0, le=1e6)]
"""Up to 1e6: the square of the largest distance stays far from overflow in float32."""


@task("shells")
class Shells(TaskOptions):
    """Points uniform on spheres of given radii; the label is the shell, or its parity.

    References
    ----------
    Golkar, Kagan & Cho 2019, Continual learning via neural pruning.
    """

    radii: Annotated[tuple[Radius, ...], Field(min_length=2)] = (1.0, 2.0)
    dimension: Size = 10
    label: Literal["shell", "parity"] = "shell"
    n_train: Size = 50_000
    n_validation: Size = 5_000
    n_test: Size = 10_000

    def load(self) -> Dataset:
        """Three independent samples, drawn in the order train, validation, test."""
        n_samples = self.n_train + self.n_validation + self.n_test
        n_bytes = n_samples * (FLOAT * self.dimension + LABEL)
        require_memory("task_options: n_train, n_validation, n_test and dimension", n_bytes)

        generator = torch.Generator().manual_seed(self.data_seed)
        n_outputs = 2 if self.label == "parity" else len(self.radii)
        return Dataset(
            self._sample(self.n_train, generator),
            self._sample(self.n_validation, generator),
            self._sample(self.n_test, generator),
            n_outputs,
        )

    def _sample(self, n: int, generator: torch.Generator) -> Split:
        """x `(n, dimension)` and the labels `(n,)`."""
        # Normal vectors, scaled to the radius: uniform on the sphere.
        shell = torch.randint(len(self.radii), (n,), generator=generator)
        x = torch.randn(n, self.dimension, generator=generator)
        x *= torch.tensor(self.radii)[shell][:, None] / x.norm(dim=1, keepdim=True)
        return x, shell % 2 if self.label == "parity" else shell


@task("digits")
class Digits(TaskOptions):
    """Handwritten digits 8 x 8 (UCI, from scikit-learn).

    1,797 real images, values in [0, 1], 10 classes, grid geometry.
    """

    shuffled: bool = Field(
        default=False,
        description="control: one fixed permutation of the pixels destroys the geometry",
    )

    def load(self) -> Dataset:
        """The images in three parts, stratified."""
        X, y = _digits()
        X = _shuffle_columns(X / 16, self.data_seed) if self.shuffled else X / 16
        positions = geometry.grid(8, 8)
        return split_in_three(X, y, 10, seed=self.data_seed, positions=positions, sites=(8, 8))


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """`sklearn.datasets.load_digits`, from the file it reads: to load the library takes seconds."""
    spec = find_spec("sklearn")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            with gzip.open(path, "rt", encoding="ascii") as file:
                table = np.loadtxt(file, delimiter=",")
            return table[:, :-1], table[:, -1].astype(int)

    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


@task("mnist1d")
class MNIST1D(TaskOptions):
    """MNIST-1D (Greydanus 2020), generated with the published defaults.

    40 inputs on a line, 10 classes, 4000 + 1000 samples. The published test set is the test set; a
    tenth of the training set is held out for validation.
    """

    shuffled: bool = Field(
        default=False,
        description="control: one fixed permutation of the positions destroys the geometry",
    )
    ring: bool = Field(
        default=False,
        description="inputs on a ring, which cyclic translations leave as it is, instead of a line",
    )
    flipped: bool = Field(
        default=False,
        description="control: every signal runs backwards, which leaves the geometry as it is",
    )

    def load(self) -> Dataset:
        """The published data, the validation set drawn from its training part."""
        data = self._published()
        # Shuffled over the whole: training and test set get the same permutation of positions.
        X = np.concatenate([data["x"], data["x_test"]])
        y = np.concatenate([data["y"], data["y_test"]])
        X = X[:, ::-1] if self.flipped else X
        X = _shuffle_columns(X, self.data_seed) if self.shuffled else X

        n = len(data["x"])
        order = np.random.default_rng(self.data_seed).permutation(n)
        validation, train = np.split(order, [n // HELD_OUT])
        test = np.arange(n, len(X))

        return Dataset(
            as_tensors(X[train], y[train]),
            as_tensors(X[validation], y[validation]),
            as_tensors(X[test], y[test]),
            n_outputs=10,
            positions=geometry.ring(40) if self.ring else geometry.line(40),
            sites=(40,),
        )

    @staticmethod
    def _published() -> dict[str, Any]:
        """What the package makes with its defaults; NumPy's global generator is left as it was."""
        from mnist1d.data import get_dataset_args, make_dataset

        state = np.random.get_state()  # noqa: NPY002 (the package seeds the global generator)
        try:
            return make_dataset(get_dataset_args())
        finally:
            np.random.set_state(state)  # noqa: NPY002


@task("idx")
class Idx(TaskOptions):
    """MNIST, Fashion-MNIST or any images in IDX files that the user has, grid geometry.

    `folder` holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, plain or gzipped. A tenth of the training images is held out for
    validation.
    """

    folder: Path

    def load(self) -> Dataset:
        """The images as rows with values in [0, 1]."""
        X, y = files.read_idx(self.folder, "train")
        X_test, y_test = files.read_idx(self.folder, "t10k")
        self._check(X, y, X_test)

        n = len(X)
        order = np.random.default_rng(self.data_seed).permutation(n)
        validation, train = np.split(order, [n // HELD_OUT])

        return Dataset(
            as_tensors(_rows(X[train]), y[train]),
            as_tensors(_rows(X[validation]), y[validation]),
            as_tensors(_rows(X_test), y_test),
            n_outputs=int(max(y.max(), y_test.max())) + 1,
            positions=geometry.grid(*X.shape[1:]),
            sites=X.shape[1:],
        )

    def _check(self, X: np.ndarray, y: np.ndarray, X_test: np.ndarray) -> None:
        """Raise InputError for images that no network could be trained on."""
        if X.shape[1:] != X_test.shape[1:]:
            raise InputError(
                f"{self.folder}: training images are {X.shape[1:]}, test images {X_test.shape[1:]}"
            )
        if len(np.unique(y)) < 2:
            raise InputError(f"{self.folder}: the train labels hold one class only, {y[0]}")
        if len(X) < HELD_OUT:
            raise InputError(
                f"{self.folder}: {len(X)} training images are too few"
                " to hold a tenth out for validation"
            )


@task("file")
class File(TaskOptions):
    """A user's own arrays: .npz with X, y and optionally positions, or .csv with a header.

    `target` names the column of a .csv that is y. Whole-number or text targets are classes unless
    `kind` says regression. 70 % train, 15 % validation, 15 % test; inputs are scaled to mean 0 and
    variance 1 on the training part if `standardise`.
    """

    path: Path
    target: str = Field(default="y", description="name of the column to predict (.csv)")
    kind: Literal["auto", "classification", "regression"] = "auto"
    standardise: bool = True

    def load(self) -> Dataset:
        """The table in three parts."""
        table = files.read_table(self.path, self.target, self.kind)
        positions: Tensor | None = None
        if table.positions is not None:
            positions = torch.from_numpy(table.positions).float()

        return split_in_three(
            table.X,
            table.y,
            table.n_outputs,
            seed=self.data_seed,
            kind=table.kind,
            standardise=self.standardise,
            describe=table.source.column,
            positions=positions,
        )


@task("carry")
class Carry(TaskOptions):
    """Regression of a linear map plus a small ReLU correction, from non-negative inputs.

    y = A x + s relu(B x - t) C. A network that carries its input along and adds to it (a residual
    one) should win.
    """

    dimension: Size = 10
    n_outputs: Size = 10
    correction: Annotated[Amount, Field(le=1e6)] = Field(
        default=0.5, description="standard deviation of the nonlinear part"
    )
    n_train: Size = 20_000
    n_validation: Size = 2_000
    n_test: Size = 5_000

    def load(self) -> Dataset:
        """Samples of one map; its weights are drawn before them."""
        counts = (self.n_train, self.n_validation, self.n_test)
        width = 2 * self.dimension
        self._check_memory(sum(counts), width)

        generator = torch.Generator().manual_seed(self.data_seed)
        A = torch.randn(self.n_outputs, self.dimension, generator=generator)
        B = torch.randn(width, self.dimension, generator=generator)
        C = torch.randn(self.n_outputs, width, generator=generator)
        A /= self.dimension**0.5
        B /= self.dimension**0.5

        x = torch.rand(sum(counts), self.dimension, generator=generator)
        # Both parts with mean 0 and deviation 1, so that `correction` is their ratio.
        bend = (x @ B.T - (x @ B.T).mean(0)).relu() @ C.T
        linear = x @ A.T
        y = (linear - linear.mean(0)) / linear.std()
        y = y + self.correction * (bend - bend.mean(0)) / bend.std()

        train, validation, test = zip(x.split(counts), y.split(counts), strict=True)
        return Dataset(train, validation, test, self.n_outputs, "regression")

    def _check_memory(self, n_samples: int, width: int) -> None:
        """Raise InputError for more than fits: the weights, x, two of B x, and four of y."""
        n_weights = (self.dimension + self.n_outputs) * width + self.dimension * self.n_outputs
        n_numbers = n_samples * (self.dimension + 2 * width + 4 * self.n_outputs)
        require_memory(
            "task_options: n_train, n_validation, n_test, dimension and n_outputs",
            FLOAT * (n_weights + n_numbers),
        )


def _rows(images: np.ndarray) -> np.ndarray:
    """Images `(N, height, width)` of bytes as `(N, height * width)` in [0, 1]."""
    return images.reshape(len(images), -1) / 255


def _shuffle_columns(X: np.ndarray, seed: int) -> np.ndarray:
    """X with its columns in another order, of a generator that draws nothing else."""
    return X[:, np.random.default_rng([seed, 1]).permutation(X.shape[1])]
