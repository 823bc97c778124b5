"""The benchmark of `urn discover`: its yardstick, and that what it did is not done again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor

from experiments.benchmarks import discover as benchmark
from experiments.benchmarks import grid_search as yardstick
from experiments.benchmarks.grid_search import GRID, fit, grid, grid_search, standard_error
from urn import Dataset


def data_of(kind: str, n_outputs: int = 2) -> Dataset:
    """Few samples of three inputs; the targets are linear, or the sign of the first of them."""
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(3, n_outputs, generator=generator)

    def part(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        X = torch.randn(n, 3, generator=generator)
        return X, X @ A if kind == "regression" else (X @ A[:, 0] > 0).long()

    return Dataset(part(60), part(30), part(40), n_outputs, kind)


def test_the_grid_begins_with_the_defaults_and_holds_every_point_once() -> None:
    """Of scikit-learn."""
    points = grid(3)
    defaults = MLPClassifier().get_params()
    assert points[0] == {name: defaults[name] for name in GRID}
    assert (
        len({str(point) for point in points}) == len(points) == np.prod([*map(len, GRID.values())])
    )
    assert grid(3) == points != grid(4)


def test_the_grid_search_picks_by_validation_and_measures_on_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By hand, on a grid of two: one of them cannot learn."""
    monkeypatch.setattr(
        yardstick,
        "GRID",
        {"hidden_layer_sizes": ((20,),), "alpha": (1e4, 1e-4), "learning_rate_init": (1e-2,)},
    )
    data = data_of("classification")
    searched = grid_search(data, 100, 0)
    good = {"hidden_layer_sizes": (20,), "alpha": 1e-4, "learning_rate_init": 1e-2}
    assert searched.chosen == good
    assert (searched.n_tried, searched.n_grid) == (2, 2)

    X, y = (part.numpy() for part in data.test)
    model = fit(data, good, 0)
    assert model.t_ > len(data.train[0])
    assert searched.score == model.score(X, y)
    assert searched.validation == model.score(*(part.numpy() for part in data.validation))


def test_a_perceptron_reads_all_inputs_of_a_sequence_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It learns what hangs on the first input and on the last."""
    monkeypatch.setattr(
        yardstick,
        "GRID",
        {"hidden_layer_sizes": ((20,),), "alpha": (1e-4,), "learning_rate_init": (1e-2,)},
    )
    generator = torch.Generator().manual_seed(0)

    def part(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        X = torch.rand(n, 4, 2, generator=generator)
        return X, X[:, 0, :1] - X[:, 3, 1:]

    data = Dataset(part(300), part(40), part(40), 1, "regression")
    searched = grid_search(data, 100, 0)
    assert searched.score > 0.9


def test_a_grid_search_ends_when_its_time_is_over() -> None:
    """The network in training is left after its epoch."""
    data = data_of("classification")
    searched = grid_search(data, 0.0, 0)
    assert searched.n_tried == 1
    assert searched.chosen == grid(0)[0]
    assert fit(data, grid(0)[0], 0, 0.0).t_ == len(data.train[0])


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_network_is_trained_as_scikit_learn_trains_it(kind: str) -> None:
    """The first epochs are the same to the digit; from there samples come in another order, and
    the end comes by the same rule, at about the same loss."""
    data = data_of(kind)
    point = grid(0)[0] | {"learning_rate_init": 3e-2}
    X, y = (part.numpy() for part in data.train)
    theirs = (MLPRegressor if kind == "regression" else MLPClassifier)(random_state=0, **point)
    theirs.fit(X, y)

    ours = fit(data, point, 0)
    assert ours.loss_curve_[0] == theirs.loss_curve_[0]
    assert 0.7 < len(ours.loss_curve_) / len(theirs.loss_curve_) < 1.4
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=0.2)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regression_is_scored_by_r2(n_outputs: int) -> None:
    """One target or several; four times the samples have half the error."""
    data = data_of("regression", n_outputs)
    point = grid(0)[0]
    model = fit(data, point, 0, 0.0)
    assert isinstance(model, MLPRegressor)

    X, y = data.test
    searched = grid_search(data, 0.0, 0)
    assert searched.score == pytest.approx(r2_score(y, model.predict(X.numpy())), abs=1e-6)
    assert standard_error(model, data.test, "regression", 0) == searched.error > 0

    few, many = (
        standard_error(model, (X.repeat(n, 1), y.repeat(n, 1)), "regression", 0) for n in (4, 16)
    )
    assert many == pytest.approx(few / 2, rel=0.25)


def test_classes_have_a_binomial_error_that_is_never_zero() -> None:
    """Of all that are right, it is that of one more right and one wrong."""
    data = data_of("classification")
    model = fit(data, grid(0)[0] | {"learning_rate_init": 1e-2}, 0)
    X, _ = data.test
    alike = X, torch.from_numpy(model.predict(X.numpy()))
    share = 41 / 42
    assert standard_error(model, alike, "classification", 0) == pytest.approx(
        (share * (1 - share) / 40) ** 0.5
    )


def test_worse_is_by_more_than_the_error() -> None:
    """And what is no number is worse than any."""
    theirs = {"score": 0.9, "error": 0.02}
    assert not benchmark.is_worse(0.89, theirs)
    assert benchmark.is_worse(0.87, theirs)
    assert benchmark.is_worse(float("nan"), theirs)


def test_noise_is_half_classes_and_knows_no_relation() -> None:
    """And is the same whenever it is asked for."""
    X, y, positions = benchmark.noise(1)
    assert set(y.tolist()) == {0, 1}
    assert positions.shape == (X.shape[1], 1)
    assert all(map(np.array_equal, benchmark.noise(1), (X, y, positions)))
    X, y, _ = benchmark.noise(0)
    assert abs(np.corrcoef(X.T, y)[-1, :-1]).max() < 4 / len(y) ** 0.5


@pytest.mark.parametrize("kind", [benchmark.TABLE, benchmark.LABELS])
def test_what_was_asked_of_noise_is_not_asked_again(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repetition that lies in its folder is read; the time it gets is what was asked for."""
    asked = []

    def go_on(request: object, folder: Path, **options: object) -> None:
        asked.append(request)
        (folder / "discover.json").write_text('{"pays": ["depth 2"]}')

    monkeypatch.setattr(benchmark, "go_on", go_on)
    for _ in range(2):
        assert benchmark.of_noise(kind, tmp_path, 0.5, 7) == ["depth 2"]
    (request,) = asked
    assert (request.minutes, request.seed) == (0.5, 7)
    if kind == benchmark.LABELS:
        assert request.task_options == {"of": "digits", "kind": "random_labels", "data_seed": 7}


def test_a_yardstick_that_is_there_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the data of the discovery, and no less time than that had."""
    from experiments.discover.request import Request, begin

    given = []

    def search(data: Dataset, seconds: float, seed: int) -> yardstick.Searched:
        given.append((data.n_inputs, seconds, seed))
        return yardstick.Searched(0.9, 0.01, 0.9, {}, 3, 72, 1.0)

    monkeypatch.setattr(benchmark, "grid_search", search)
    folder = tmp_path / "digits-4"
    begin(Request("digits", "digits", {}, 2.0, 4), folder)
    once = benchmark.perceptron(folder, {"seconds": 130.0})
    again = benchmark.perceptron(folder, {"seconds": 130.0})
    assert once == again
    assert given == [(64, 130.0, 4)]


def test_every_data_set_can_be_loaded_and_flipped_is_answered_as_ordered() -> None:
    """Mirrored signals have the answer of those that are not."""
    from urn.data.tasks import task_options

    known = benchmark.KNOWN
    assert known["mnist1d flipped"].pays == known["mnist1d"].pays
    for each in known.values():
        if each.task not in benchmark.TABLES:
            task_options(each.task, each.options)
    assert set(benchmark.SET_ASIDE) <= set(known)
