"""Training for a discovery: a population at a time, each a file, read again when a run goes on."""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from experiments.discover.dials import Arm, Strengths, arms_and_dials
from experiments.discover.request import BATCHES
from experiments.discover.sizes import BATCH, WARM_UP, Sizes, neurons, work
from urn import Run, TrainConfig, train_population
from urn.data.tasks import Dataset
from urn.data.twins import Kind, twin
from urn.errors import InputError
from urn.io import atomic_write
from urn.training.trainer import Trainer

MOST_TESTED = 5000
"""Test samples. By judgement: an accuracy is then known to 0.7 points or better."""

PROBED = (10, 40)
"""Steps of the probe: from the first to the second are timed, once all is compiled."""

PROBE = "I = 3"
"""The arm whose steps are timed. By judgement: in the middle of all kinds."""

TWIN_SEED = 1
"""Added to the seed, for what twins destroy."""

Member = tuple[Strengths, int]
"""Strengths and seed of a network."""


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
        `(K, 0)` in the search.
    seconds : float
        Of training.
    """

    validation: np.ndarray
    weights: np.ndarray
    scores: np.ndarray
    seconds: float


class Batches:
    """Trains populations of one discovery.

    Parameters
    ----------
    folder : path
        Of the discovery.
    task : dict
        Fields `task` and `task_options` of the configurations.
    data : Dataset
        What they describe.
    seed : int
        Of the whole discovery.
    stop : callable
        Asked between steps.

    Attributes
    ----------
    spent : float
        Seconds that all batches took, those of earlier runs included.
    done : float
        Units of `work` in them.
    """

    def __init__(
        self, folder: Path, task: dict, data: Dataset, seed: int, stop: Callable[[], bool]
    ) -> None:
        self.folder = folder / BATCHES
        self.task = task
        self.data = data
        self.seed = seed
        self.stop = stop
        self.of_kind = cache(self._of_kind)
        self.spent = 0.0
        self.done = 0.0

    def config(self, arm: Arm, member: Member, sizes: Sizes, steps: int) -> TrainConfig:
        """The configuration of a network."""
        strengths, seed = member
        steps *= arm.patience
        # Only a lattice has channels: the configuration refuses them elsewhere.
        lattice = {"channels": sizes.channels} if arm.is_lattice else {}
        return TrainConfig(
            **self.task,
            **arm.fields,
            **lattice,
            n_neurons=neurons(arm, self.data, sizes),
            n_iterations=arm.n_iterations,
            steps=steps,
            batch_size=BATCH,
            learning_rate={
                "value": arm.rate,
                "warmup": round(WARM_UP * steps),
                "milestones": [0.6, 0.85],
                "factor": 0.2,
            },
            strengths=strengths,
            seed=seed,
            log_every=max(1, steps),
            snapshots=0,
        )

    def search(self, arm: Arm, strengths: Sequence[Strengths], sizes: Sizes, k: int) -> Batch:
        """Train an arm at several strengths for a rung, without a look at test data."""
        steps = sizes.rungs[k]
        configs = [self.config(arm, (each, self.seed), sizes, steps) for each in strengths]
        n_steps = steps * len(configs)
        return self._batch(
            f"search {k + 1} {arm.name}", configs, None, n_steps * work(arm, self.data, sizes)
        )

    def per_work(self) -> float:
        """Seconds of a unit of `work`: of all that was trained, or at first of a few steps."""
        return self.spent / self.done if self.done else self._probed()

    def _probed(self) -> float:
        """Time a few steps of a middling kind of network."""
        arms, _ = arms_and_dials(self.data)
        arm = arms[PROBE]
        sizes = Sizes()
        first, last = PROBED
        members = [(strengths, self.seed) for strengths in arm.strengths]
        trainer = Trainer([self.config(arm, each, sizes, last) for each in members], self.data)
        trainer.run(until=first)  # what is compiled, is compiled here

        start = time.perf_counter()
        trainer.run(until=last, stop=self.stop)
        seconds = (time.perf_counter() - start) / (last - first) / len(members)
        # Steps that were cut short say nothing of the time, and sizes would be kept.
        if self.stop():
            raise Interrupted
        return seconds * arm.patience / work(arm, self.data, sizes)

    def confirm(
        self, arm: Arm, strengths: Strengths, sizes: Sizes, kind: Kind | None = None
    ) -> Batch:
        """Train an arm with fresh seeds, on the data or on a twin, and answer the test samples."""
        # Both arms of a pair, and their twins, get the same seeds, so that they can be paired.
        configs = [
            self.config(arm, (strengths, seed), sizes, sizes.steps)
            for seed in fresh_seeds(self.seed, sizes.seeds)
        ]
        n_steps = sizes.steps * len(configs)
        name = kind or "data"
        return self._batch(
            f"confirm {name} {arm.name}", configs, name, n_steps * work(arm, self.data, sizes)
        )

    def _of_kind(self, kind: str | None) -> Dataset:
        """The data, a twin, or for the search the data with validation in the place of test."""
        # Training measures every network on its test set at the end; the search gets none to see.
        if kind is None:
            return replace(self.data, test=self.data.validation)
        if kind == "data":
            return self.data
        # The seed is one of its own: a task may be a twin already, with the seed of its data.
        return twin(self.data, kind, self.seed + TWIN_SEED)  # type: ignore[arg-type]

    def _batch(
        self, name: str, configs: list[TrainConfig], kind: str | None, n_units: float
    ) -> Batch:
        """A batch from its file, or trained; its time is counted either way."""
        batch = self._read_or_train(name, configs, kind)
        self.spent += batch.seconds
        self.done += n_units
        return batch

    def _read_or_train(self, name: str, configs: list[TrainConfig], kind: str | None) -> Batch:
        # A batch of other settings is no batch of ours, whatever its name: the file says which.
        path = self.folder / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.npz"
        asked = json.dumps([config.to_dict() for config in configs], sort_keys=True)
        if path.exists():
            batch = _read(path, asked)
            if batch is not None:
                return batch

        data = self.of_kind(kind)
        start = time.perf_counter()
        runs = train_population(configs, data=data, stop=self.stop)
        # Half a training is thrown away: batches are short, and none may be of two lengths.
        if any(run.status == "interrupted" for run in runs):
            raise Interrupted
        # The answer to every test sample is kept: differences are taken sample by sample.
        scores = [scores_on_test(run, data) if kind else np.empty(0) for run in runs]
        batch = Batch(
            np.array([_last(run, "validation_accuracy") for run in runs]),
            np.array([float((run.weights != 0).sum()) for run in runs]),
            np.array(scores),
            time.perf_counter() - start,
        )
        _write(path, batch, asked)
        return batch


def fresh_seeds(seed: int, n: int) -> list[int]:
    """Seeds of the confirmation; the search has that of the discovery, which is none of them."""
    return [1_000_003 * (seed + 1) + k for k in range(n)]


@torch.no_grad()
def scores_on_test(run: Run, data: Dataset) -> np.ndarray:
    """What each test sample brings to the score of a network, `(n,)`; their mean is the score."""
    X, y = (part[:MOST_TESTED] for part in data.test)
    output = run.network()(X.to(run.weights.dtype))
    return sample_scores(output, y, data.kind)


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


def _read(path: Path, asked: str) -> Batch | None:
    """A batch from its file; None where it was trained with other settings.

    Raises
    ------
    InputError
        When it is no such file.
    """
    try:
        # NumPy leaves a file open that it cannot read: this one is opened here.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["asked"]) != asked:
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
