"""Populations to train for a discovery: what is asked, here or in a process, and the file of it."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from experiments.discover.request import BATCHES, read_request
from urn import Run, TrainConfig, train_population
from urn.data.scores import answers
from urn.data.tasks import Dataset
from urn.data.twins import twin
from urn.errors import InputError
from urn.io import atomic_write
from urn.training.trainer import Trainer

MOST_TESTED = 5000
"""Test samples. By judgement: an accuracy is then known to 0.7 points or better."""

TWIN_SEED = 1
"""Added to the seed, for what twins destroy."""

VALIDATION = "validation"
"""Data on which validation samples stand in the place of test samples."""

DATA = "data"
"""The data as they are."""


class Interrupted(Exception):
    """Somebody asked to stop; what is finished lies in its files."""


@dataclass(frozen=True)
class Batch:
    """What is kept of networks that were trained together.

    Attributes
    ----------
    validation : ndarray
        `(K,)`, score on validation data.
    weights : ndarray
        `(K,)`, weights that are not zero.
    scores : ndarray
        `(K, n)`, what each test sample brings: 1 or 0 for an answer; of regression its part of R2.
        Where test data must not be looked at, the same of validation samples.
    seconds : float
        Of training.
    """

    validation: np.ndarray
    weights: np.ndarray
    scores: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Job:
    """A population to train.

    Attributes
    ----------
    name : str
    configs : tuple of TrainConfig
    on : str
        VALIDATION, DATA or a kind of twin.
    units : float
        Of `work` in it.
    folder : Path
        Of the discovery.
    seed : int
        Of the discovery, from which that of a twin follows.
    """

    name: str
    configs: tuple[TrainConfig, ...]
    on: str
    units: float
    folder: Path
    seed: int

    @property
    def path(self) -> Path:
        """The file of its batch."""
        return self.folder / BATCHES / f"{re.sub('[^a-z0-9]+', '-', self.name.lower())}.npz"

    @property
    def asked(self) -> str:
        """All settings. A batch of other settings is no batch of this job, whatever its name."""
        return json.dumps([config.to_dict() for config in self.configs], sort_keys=True)


def of_kind(data: Dataset, on: str, seed: int) -> Dataset:
    """The data, a twin, or the data with validation samples in the place of test samples."""
    # Training measures every network on its test set at the end; the search gets none to see.
    if on == VALIDATION:
        return replace(data, test=data.validation)
    if on == DATA:
        return data
    # The seed is one of its own: a task may be a twin already, with the seed of its data.
    return twin(data, on, seed + TWIN_SEED)  # type: ignore[arg-type]


def in_worker(
    job: Job, report: Callable[[Trainer], object], stop: Callable[[], bool]
) -> Batch | None:
    """The batch of a job, in a process of its own; None where it was asked to stop."""
    try:
        return train_batch(job, _of_folder(job.folder, job.on, job.seed), stop, report)
    except Interrupted:
        return None


@cache
def _of_folder(folder: Path, on: str, seed: int) -> Dataset:
    """What a worker trains on, loaded once for each kind."""
    return of_kind(read_request(folder).load(folder), on, seed)


def train_batch(
    job: Job,
    data: Dataset,
    stop: Callable[[], bool],
    report: Callable[[Trainer], object] | None = None,
) -> Batch:
    """Train a population and write its file.

    Raises
    ------
    Interrupted
        Half a training is thrown away: batches are short, and none may be of two lengths.
    """
    start = time.perf_counter()
    runs = train_population(list(job.configs), data=data, observer=report, stop=stop)
    if any(run.status == "interrupted" for run in runs):
        raise Interrupted

    # The answer to every sample is kept: differences are taken sample by sample.
    batch = Batch(
        np.array([_last(run, "validation_accuracy") for run in runs]),
        np.array([float((run.weights != 0).sum()) for run in runs]),
        np.array([scores_on_test(run, data) for run in runs]),
        time.perf_counter() - start,
    )
    _write(job.path, batch, job.asked)
    return batch


@torch.no_grad()
def scores_on_test(run: Run, data: Dataset) -> np.ndarray:
    """What each test sample brings to the score of a network, `(n,)`; their mean is the score.

    A network that diverged, or whose answers are no numbers, has learned nothing: the best constant
    answer stands for it. Its last good weights would answer with any number.
    """
    if run.status == "diverged":
        return constant_scores(data)
    X, y = (part[:MOST_TESTED] for part in data.test)
    X = X.to(run.weights.dtype)
    # All iterations of a sequence are held: a part of the samples at a time.
    output = answers(run.network(), X)[0] if data.is_sequence else run.network()(X)
    scores = sample_scores(output, y, data.kind)
    is_number = output.isfinite().all(-1).numpy()
    return np.where(is_number, scores, constant_scores(data))


def constant_scores(data: Dataset) -> np.ndarray:
    """The same of the best constant answer, which training data give, `(n,)`."""
    # What is constant is learned from training data, as all else is.
    y_train = data.train[1]
    y = data.test[1][:MOST_TESTED]
    if data.kind == "regression":
        return sample_scores(y_train.mean(0).expand_as(y), y, data.kind)
    return (y == torch.bincount(y_train).argmax()).double().numpy()


def sample_scores(output: torch.Tensor, y: torch.Tensor, kind: str) -> np.ndarray:
    """Whether each of n answers `(n, d_out)` is right; of regression its part of R2."""
    if kind == "classification":
        return (output.argmax(-1) == y).double().numpy()
    # 1 - R2 is the squared error over the variance, mean over outputs and over samples.
    residual = (output - y).double().square()
    total = (y - y.mean(0)).double().square().mean(0).clamp_min(torch.finfo(torch.float32).tiny)
    return (1 - residual / total).mean(1).numpy()


def _last(run: Run, name: str) -> float:
    """A figure of the last row; minus infinity where training diverged."""
    # The search must never pick what diverged, so its score is below all others.
    if run.status == "diverged" or not run.history:
        return -np.inf
    value = run.history[-1][name]
    return value if np.isfinite(value) else -np.inf


def read(job: Job) -> Batch | None:
    """A batch from its file; None where there is none, or it was trained with other settings.

    Raises
    ------
    InputError
        When it is no such file.
    """
    path = job.path
    if not path.exists():
        return None
    try:
        # NumPy leaves a file open that it cannot read: this one is opened here.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["asked"]) != job.asked:
                return None
            names = ("validation", "weights", "scores")
            return Batch(*(arrays[name] for name in names), float(arrays["seconds"]))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); take it away") from None
    except Exception as error:  # zipfile and zlib have errors of their own
        raise InputError(f"{path}: damaged ({type(error).__name__}); take it away") from None


def _write(path: Path, batch: Batch, asked: str) -> None:
    def save(draft: Path) -> None:
        with draft.open("wb") as file:
            np.savez_compressed(
                file,
                validation=batch.validation,
                weights=batch.weights,
                scores=batch.scores,
                seconds=batch.seconds,
                asked=np.array(asked),
            )

    atomic_write(path, save)
