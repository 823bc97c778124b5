"""URNs as scikit-learn estimators: `fit`, `predict`, `score`, in pipelines and searches.

They train with `urn.train` on all the data given. Inputs (and the targets of a regression) are
brought to mean 0 and variance 1 first, so that the strengths mean the same on all data.
"""

from collections.abc import Callable
from functools import cached_property
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from urn.data.dataset import Dataset, Kind, check_deviations, check_magnitudes
from urn.errors import InputError, shown
from urn.runs.run import Run
from urn.runs.train import train
from urn.settings.config import TrainConfig
from urn.settings.suited import completed, suited

SAMPLES_KEPT = 500
"""Training samples that `structure_` is judged on. By judgement: what `urn inspect` takes too."""


class URNEstimator(BaseEstimator):
    """What both estimators share.

    Parameters
    ----------
    n_hidden : int, optional
        Neurons beside inputs and outputs.
    n_iterations, steps, batch_size, learning_rate : optional
        As in `TrainConfig`.
    strengths : dict, optional
        {term: number or schedule}.
    config : dict, optional
        Further fields of `TrainConfig`.
    random_state : int, RandomState or None
        Seed of the weights and of the order of the data.

    Notes
    -----
    What is left out is chosen by the size of the data, as by `urn train --data`
    (`urn.settings.suited`). Training is in float32 unless `config` says otherwise; predictions are
    computed in float64.

    Attributes
    ----------
    run_ : Run
        The trained network.
    n_iter_ : int
        Updates made.
    structure_ : StructureReport
        What emerged, of the package analysis; judged when first asked for.
    mean_, scale_ : ndarray
        `(d_in,)`, what inputs are shifted and divided by.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Raises
    ------
    InputError
        For a parameter that cannot be, and, in `fit` and `predict` alike, for values whose square
        overflows float32 (1.8e19).
    """

    def __init__(
        self,
        n_hidden: int | None = None,
        *,
        n_iterations: int | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: Any = None,
        strengths: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_hidden = n_hidden
        self.n_iterations = n_iterations
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.strengths = strengths
        self.config = config
        self.random_state = random_state

    @cached_property
    def structure_(self) -> Any:
        """What emerged, a `StructureReport`; judged on training samples when first asked for."""
        check_is_fitted(self)
        from analysis import analyse  # the one use of that package here, only for those who ask

        return analyse(**self.run_.flat(), inputs=self._samples)

    def _fit(self, X: np.ndarray, y: np.ndarray, n_outputs: int, kind: Kind) -> None:
        """Train on X `(B, d_in)` and y, classes from 0 or standardised targets."""
        check_magnitudes(X, "X, column {}".format)
        self.mean_, self.scale_ = _mean_and_scale(X, "X, column {}".format)
        Z = self._standardise(X)
        config = TrainConfig(**self._fields(X.shape, n_outputs, kind))

        # scikit-learn cuts off its own validation data, so all three parts are the samples given.
        split = torch.from_numpy(Z), torch.from_numpy(y)
        self.run_: Run = train(config, data=Dataset(split, split, split, n_outputs, kind))
        self.n_iter_ = self.run_.steps_done
        self._samples = Z[:SAMPLES_KEPT]
        self.__dict__.pop("structure_", None)  # of an earlier fit

    def _fields(self, shape: tuple[int, ...], n_outputs: int, kind: Kind) -> dict[str, Any]:
        """The fields of the configuration, for X of this shape."""
        n_samples, n_inputs = shape
        given = {
            name: getattr(self, name)
            for name in ("n_iterations", "steps", "batch_size", "learning_rate", "strengths")
            if getattr(self, name) is not None
        }
        if self.n_hidden is not None:
            given["n_neurons"] = n_inputs + self._checked_hidden() + n_outputs

        # `config` has the last word, also on what `suited` would choose.
        given |= self.config or {}
        fields = completed(given, suited(n_samples, n_inputs, n_outputs, kind))
        # One row of history, the last: scikit-learn cuts off validation data by itself.
        own = {
            "task": "file",
            "task_options": {"path": "(arrays given to fit)"},
            "log_every": fields["steps"],
            "snapshots": 0,
            "seed": int(check_random_state(self.random_state).randint(2**31)),
        }
        return fields | own | (self.config or {})

    def _checked_hidden(self) -> int:
        """`n_hidden`, where it is a number."""
        n_hidden = self.n_hidden
        if isinstance(n_hidden, bool) or not isinstance(n_hidden, Integral) or n_hidden < 0:
            raise InputError(
                f"n_hidden: must be a whole number of at least 0, not {shown(n_hidden)}"
            )
        return int(n_hidden)

    def _standardise(self, X: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray((X - self.mean_) / self.scale_)

    def _outputs(self, X: ArrayLike) -> np.ndarray:
        """The network's outputs, `(B, d_out)`."""
        check_is_fitted(self)
        samples = np.asarray(validate_data(self, X, reset=False, dtype=np.float64))
        check_magnitudes(samples, "X, column {}".format)
        Z = self._standardise(samples)
        check_magnitudes(Z, "X, in deviations of the training data, column {}".format)

        # In float64 a prediction does not depend on the samples asked for together with it.
        with torch.no_grad():
            return self.run_.network().double()(torch.from_numpy(Z)).numpy()


class URNClassifier(ClassifierMixin, URNEstimator):
    """A URN as a scikit-learn classifier.

    Parameters and attributes are those of `URNEstimator`, and `classes_`.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on X `(B, d_in)` and labels y `(B,)`."""
        valid_X, valid_y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(valid_y)
        self.classes_, labels = np.unique(np.asarray(valid_y), return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(
                f"y: holds one class only, {shown(self.classes_[0])}; a classifier needs at least 2"
            )

        classes = labels.astype(np.int64)
        self._fit(np.asarray(valid_X), classes, len(self.classes_), "classification")
        return self

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probability of each of `classes_`, `(B, classes)`."""
        scores = self._outputs(X)
        # Softmax; its largest entry is subtracted so that exp cannot overflow.
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likeliest class of each sample, `(B,)`."""
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]


class URNRegressor(RegressorMixin, URNEstimator):
    """A URN as a scikit-learn regressor, of one target or several.

    Parameters and attributes are those of `URNEstimator`.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on X `(B, d_in)` and targets y `(B,)` or `(B, d_out)`."""
        valid_X, valid_y = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True
        )
        targets = np.asarray(valid_y, dtype=np.float64)
        self._is_vector = targets.ndim == 1
        # A vector of targets is a column inside; `predict` gives it back as it came.
        targets = targets.reshape(len(targets), -1)
        check_magnitudes(targets, "y, column {}".format)
        self._y_mean, self._y_scale = _mean_and_scale(targets, "y, column {}".format)

        standardised = (targets - self._y_mean) / self._y_scale
        self._fit(np.asarray(valid_X), standardised, targets.shape[1], "regression")
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The targets of each sample, of the shape they had in `fit`."""
        y = self._outputs(X) * self._y_scale + self._y_mean
        return y[:, 0] if self._is_vector else y

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _mean_and_scale(
    values: np.ndarray, describe: Callable[[int], str]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each column of `(B, n)`; 1 in place of the deviation of a constant."""
    deviation = values.std(0)
    check_deviations(deviation, np.ptp(values, 0) > 0, describe)
    return values.mean(0), np.where(deviation > 0, deviation, 1.0)
