"""scikit-learn's own checks of its conventions, and use in its tools."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from urn import InputError, URNClassifier, URNRegressor


@parametrize_with_checks(
    [URNClassifier(n_hidden=30, steps=150), URNRegressor(n_hidden=30, steps=150)]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_in_a_pipeline_cross_validated():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), URNClassifier(n_hidden=20, steps=150, random_state=0))
    scores = cross_val_score(model, X, y, cv=3)
    assert scores.min() > 0.9


def test_in_a_grid_search():
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(
        URNClassifier(n_hidden=20, steps=150, random_state=0),
        {"strengths": [{"weight": 3e-4}, {"weight": 1e3}]},
        cv=3,
    ).fit(X, y)
    assert search.best_params_ == {"strengths": {"weight": 3e-4}}


def test_structure_is_judged_when_asked_for():
    X, y = load_iris(return_X_y=True)
    model = URNClassifier(n_hidden=20, steps=150, random_state=0).fit(X, y)
    assert model.structure_ is model.structure_
    assert model.structure_.n_outputs == 3
    assert model.n_iter_ == 150
    before = model.structure_
    assert model.fit(X, y[::-1]).structure_ is not before


def test_regression_in_the_units_of_the_data():
    X, y = load_diabetes(return_X_y=True)
    targets = np.column_stack([1e4 * y, 1e-3 * y + 7])
    model = URNRegressor(n_hidden=20, random_state=0).fit(X, targets)
    linear = LinearRegression().fit(X, targets)
    assert model.predict(X).shape == targets.shape
    assert model.score(X, targets) > linear.score(X, targets) - 0.05
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_bad_parameters_name_the_field():
    X, y = load_iris(return_X_y=True)
    for parameters, culprit in (
        ({"n_hidden": -1}, "n_hidden"),
        ({"steps": "many"}, "steps"),
        ({"config": {"stpes": 3}}, "stpes"),
    ):
        with pytest.raises(InputError, match=culprit):
            URNClassifier(**parameters).fit(X, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_fit_takes_predict_takes(dtype):
    X, y = load_iris(return_X_y=True)
    for scale in (1e-100, 1.0, 1e18):
        model = URNClassifier(n_hidden=9, steps=20, config={"dtype": dtype}, random_state=0)
        model.fit(X * scale, y)
        assert np.isfinite(model.predict_proba(X * scale)).all()
        assert model.predict_proba(X * scale).dtype == np.float64
        regressor = URNRegressor(n_hidden=9, steps=20, config={"dtype": dtype}, random_state=0)
        assert np.isfinite(regressor.fit(X * scale, y * scale).predict(X * scale)).all()


@pytest.mark.parametrize(("large", "culprit"), [(1e20, "too large"), (1e-200, "too little")])
def test_values_that_cannot_be_squared_are_refused(large, culprit):
    X, y = load_iris(return_X_y=True)
    model = URNClassifier(n_hidden=9, steps=20, random_state=0).fit(X, y)
    regressor = URNRegressor(n_hidden=9, steps=20)
    with pytest.raises(InputError, match=rf"X, column 0.*{culprit}"):
        URNClassifier(n_hidden=9, steps=20).fit(X * large, y)
    with pytest.raises(InputError, match=rf"y, column 0.*{culprit}"):
        regressor.fit(X, X[:, 0] * large)
    if large > 1:
        with pytest.raises(InputError, match=r"X, column 0.*too large"):
            model.predict(X * large)
