"""URNs as scikit-learn estimators: `fit`, `predict`, `score`, in pipelines, cross-validation and grid searches.

They train with `urn.train` on all the data given. Inputs (and the targets of a regression) are brought to mean 0 and
variance 1 first, so that the strengths mean the same on all data.
"""

from functools import cached_property
from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from urn.data.tasks import Dataset
from urn.errors import InputError
from urn.runs.run import Run
from urn.runs.train import train
from urn.settings.config import TrainConfig

SEEN = 500
"""Training samples kept, to judge the structure on."""


class URNEstimator(BaseEstimator):
    """What both estimators share.

    Args:
        n_hidden: neurons beside inputs and outputs.
        n_iterations, steps, batch_size, learning_rate: as in `TrainConfig`.
        strengths: {term: number or schedule}; None for `{"weight": 3e-4}`.
        random_state: seed of the weights and of the order of the data.
        config: further fields of `TrainConfig`, as a dictionary, or None.

    Attributes:
        run_: the trained network, a `Run`.
        n_iter_: updates made.
        structure_: what emerged, a `StructureReport` of the package analysis, judged when first asked for.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.
    """

    def __init__(
        self,
        n_hidden=60,
        *,
        n_iterations=3,
        steps=300,
        batch_size=64,
        learning_rate=5e-3,
        strengths=None,
        config=None,
        random_state=None,
    ):
        self.n_hidden = n_hidden
        self.n_iterations = n_iterations
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.strengths = strengths
        self.config = config
        self.random_state = random_state

    def _fit(self, X: np.ndarray, y: np.ndarray, n_outputs: int, kind: str) -> None:
        if (
            isinstance(self.n_hidden, bool)
            or not isinstance(self.n_hidden, Integral)
            or self.n_hidden < 0
        ):
            raise InputError(
                f"n_hidden: must be a whole number of at least 0, not {self.n_hidden!r}"
            )
        self.mean_, deviation = X.mean(0), X.std(0)
        self.scale_ = np.where(deviation > 0, deviation, 1.0)
        Z = self._standardise(X)
        config = TrainConfig(
            **{
                "task": "file",
                "task_options": {"path": "(arrays given to fit)"},
                "log_every": self.steps,
                "snapshots": 0,
                "dtype": "float64",  # predictions then do not depend on which samples are asked for together
                "n_neurons": X.shape[1] + self.n_hidden + n_outputs,
                "n_iterations": self.n_iterations,
                "steps": self.steps,
                "batch_size": self.batch_size,
                "learning_rate": self.learning_rate,
                "strengths": {"weight": 3e-4} if self.strengths is None else self.strengths,
                "seed": int(check_random_state(self.random_state).randint(2**31)),
                **(self.config or {}),
            }
        )
        split = torch.from_numpy(Z), torch.from_numpy(y)
        self.run_: Run = train(config, data=Dataset(split, split, split, n_outputs, kind))
        self.n_iter_ = self.run_.steps_done
        self._seen = Z[:SEEN]
        self.__dict__.pop("structure_", None)

    def _standardise(self, X: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray((X - self.mean_) / self.scale_)

    def _answer(self, X) -> np.ndarray:
        """The network's outputs, (B, d_out)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        with torch.no_grad():
            return self.run_.network()(torch.from_numpy(self._standardise(X))).numpy()

    @cached_property
    def structure_(self):
        """What emerged, a `StructureReport`; judged on training samples when first asked for."""
        check_is_fitted(self)
        from analysis import (
            analyse,  # the one thing of `analysis` here, and loaded only for who asks
        )

        return analyse(**self.run_.flat(), inputs=self._seen)


class URNClassifier(ClassifierMixin, URNEstimator):
    """A URN as a scikit-learn classifier. Parameters and attributes are those of `URNEstimator`, and `classes_`."""

    def fit(self, X, y):
        """Train on X (B, d_in) and labels y (B,)."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(
                f"y: holds one class only, {self.classes_[0]!r}; a classifier needs at least 2"
            )
        self._fit(X, labels.astype(np.int64), len(self.classes_), "classification")
        return self

    def predict_proba(self, X) -> np.ndarray:
        """Probability of each of `classes_`, (B, classes)."""
        scores = self._answer(X)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, X) -> np.ndarray:
        """The likeliest class of each sample, (B,)."""
        best = self._answer(X).argmax(axis=1)
        return self.classes_[best]


class URNRegressor(RegressorMixin, URNEstimator):
    """A URN as a scikit-learn regressor, of one target or several. Parameters and attributes are those of `URNEstimator`."""

    def fit(self, X, y):
        """Train on X (B, d_in) and targets y (B,) or (B, d_out)."""
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self._one = y.ndim == 1
        y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        self._y_mean, deviation = y.mean(0), y.std(0)
        self._y_scale = np.where(deviation > 0, deviation, 1.0)
        self._fit(X, (y - self._y_mean) / self._y_scale, y.shape[1], "regression")
        return self

    def predict(self, X) -> np.ndarray:
        """The targets of each sample, of the shape they had in `fit`."""
        y = self._answer(X) * self._y_scale + self._y_mean
        return y[:, 0] if self._one else y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
