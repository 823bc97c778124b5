"""A perceptron of scikit-learn, grid-searched for as long as it is given: a yardstick.

Every network of the grid is fitted on the training part, by scikit-learn's own rules of when to
stop, and where the time ends before. The one that is best on the validation part is measured on the
test part, which no other is asked about.
"""

import itertools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from experiments.discover.jobs import MOST_TESTED, sample_scores
from urn.data.dataset import Split
from urn.data.tasks import Dataset

GRID = {
    "hidden_layer_sizes": ((100,), (50,), (200,), (50, 50), (100, 100), (200, 200)),
    "alpha": (1e-4, 1e-2, 1e-1, 1.0),
    "learning_rate_init": (1e-3, 3e-3, 1e-2),
}
"""By judgement: around the defaults, which come first, up to more hidden neurons than `urn
discover` has."""

N_DRAWS = 200
"""Samples of a bootstrap: a standard error is then known to a twentieth."""


@dataclass(frozen=True)
class Searched:
    """The network that was chosen.

    Attributes
    ----------
    score, error : float
        On the test samples, and its standard error.
    validation : float
        On the validation samples.
    chosen : dict
        Where it lies on the grid.
    n_tried, n_grid : int
        Networks that there was time for, of how many.
    seconds : float
        That it took.
    """

    score: float
    error: float
    validation: float
    chosen: dict[str, Any]
    n_tried: int
    n_grid: int
    seconds: float


@threadpool_limits.wrap(limits=1)
def grid_search(data: Dataset, seconds: float, seed: int) -> Searched:
    """The best network of the grid on validation data, on one thread.

    Products this small gain nothing from two. On two busy cores, 200 epochs of breast cancer took
    4.7 and 5.0 s on one thread, 28 and 30 s on two.

    Parameters
    ----------
    data : Dataset
        Classes or real targets.
    seconds : float
        After which the network in training is left as it is, and none is begun.
    seed : int
        Of the networks, and of the order in which the grid is gone through.
    """
    start = time.perf_counter()
    points = grid(seed)
    best = None
    n_tried = 0
    for point in points:
        model = fit(data, point, seed, start + seconds)
        score = float(scores(model, data.validation, data.kind).mean())
        n_tried += 1
        # Of those alike, the first: the defaults where they are as good as any.
        if best is None or score > best[0]:
            best = score, point, model
        if time.perf_counter() - start > seconds:
            break

    assert best is not None
    validation, chosen, model = best
    test = data.test[0][:MOST_TESTED], data.test[1][:MOST_TESTED]
    answers = scores(model, test, data.kind)
    error = standard_error(model, test, data.kind, seed)
    passed = time.perf_counter() - start
    return Searched(
        float(answers.mean()), error, validation, chosen, n_tried, len(points), round(passed, 1)
    )


def grid(seed: int) -> list[dict[str, Any]]:
    """All points: the defaults of scikit-learn, then the others in an order that is drawn."""
    points = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    order = np.random.default_rng(seed).permutation(len(points) - 1)
    return [points[0], *(points[1 + k] for k in order)]


def fit(
    data: Dataset, point: dict[str, Any], seed: int, deadline: float = np.inf
) -> MLPClassifier | MLPRegressor:
    """A network of scikit-learn, trained an epoch at a time, until a time of `perf_counter`."""
    # `fit` knows no time, so its loop and its rule are here: epochs without a lower loss end it.
    generator = check_random_state(seed)
    X, y = as_rows(data.train[0]), data.train[1].numpy()
    classes = {}
    if data.kind == "regression":
        model = MLPRegressor(random_state=generator, **point)
        # A column of targets is asked for as a vector.
        y = y[:, 0] if y.shape[1] == 1 else y
    else:
        model = MLPClassifier(random_state=generator, **point)
        classes = {"classes": np.arange(data.n_outputs)}

    best = np.inf
    n_flat = 0
    for _ in range(model.max_iter):
        model.partial_fit(X, y, **classes)
        n_flat = n_flat + 1 if model.loss_ > best - model.tol else 0
        best = min(best, model.loss_)
        if n_flat > model.n_iter_no_change or time.perf_counter() > deadline:
            break
    return model


def as_rows(X: torch.Tensor) -> np.ndarray:
    """X `(N, d_in)`; of sequences `(N, T, d_in)` all inputs of a sample side by side."""
    return X.flatten(1).numpy()


def scores(model: MLPClassifier | MLPRegressor, part: Split, kind: str) -> np.ndarray:
    """What each sample brings to the score, `(n,)`, as for networks of ours."""
    X, y = part
    answers = model.predict(as_rows(X))
    if kind == "classification":
        return (answers == y.numpy()).astype(float)
    return sample_scores(torch.from_numpy(answers).reshape(y.shape), y, kind)


def standard_error(model: MLPClassifier | MLPRegressor, part: Split, kind: str, seed: int) -> float:
    """Of a score on these samples: binomial, or of R2 by bootstrap."""
    X, y = part
    n = len(y)
    if kind == "classification":
        # With one right and one wrong answer more: a score of 1 is not known without an error.
        share = (scores(model, part, kind).sum() + 1) / (n + 2)
        return float((share * (1 - share) / n) ** 0.5)

    # R2 of samples drawn with replacement: their variance is drawn with them.
    answers = torch.from_numpy(model.predict(as_rows(X))).reshape(y.shape)
    rng = np.random.default_rng(seed)
    drawn = [torch.from_numpy(rng.integers(n, size=n)) for _ in range(N_DRAWS)]
    return float(np.std([sample_scores(answers[k], y[k], kind).mean() for k in drawn], ddof=1))
