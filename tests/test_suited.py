"""Defaults for a user's table: of its size, the same on the command line and in the estimators."""

import numpy as np
import pytest
from sklearn.datasets import load_wine

from analysis import analyse
from urn import TrainConfig, URNClassifier, load_run
from urn.cli import main
from urn.settings.suited import suited


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    """A folder with scikit-learn's wine as a table, and the run that `urn train` makes of it."""
    folder = tmp_path_factory.mktemp("wine")
    X, y = load_wine(return_X_y=True)
    np.savez(folder / "wine.npz", X=X, y=y)
    out = folder / "run"
    words = ["train", "--data", str(folder / "wine.npz"), "--quiet", "--out", str(out)]
    assert main(words) == 0
    return folder


def test_fields_that_nobody_gave_are_those_of_the_size(wine):
    config = load_run(wine / "run").config
    fields = suited(n_samples=124, n_inputs=13, n_outputs=3)
    assert config == config.replace(**fields)


def test_wine_becomes_a_small_layered_network_that_answers(wine):
    """scikit-learn's MLPClassifier is right for 96 to 100 % of 27 such samples."""
    run = load_run(wine / "run")
    report = analyse(**run.flat())
    assert run.status == "ok"
    assert run.test_accuracy >= 0.9
    assert report.summary.startswith(("MLP 13-", "feed-forward 13-"))


def test_few_neurons_are_held_that_are_not_used(wine):
    run = load_run(wine / "run")
    n_hidden = int(run.kept.sum()) - run.n_inputs - run.n_outputs
    used = used_hidden(run)
    assert 0 < n_hidden <= 2 * used
    assert used < 40


def test_an_estimator_is_given_the_same(wine):
    data = np.load(wine / "wine.npz")
    model = URNClassifier(steps=30, random_state=0).fit(data["X"], data["y"])
    fields = suited(n_samples=178, n_inputs=13, n_outputs=3)
    for name in ("n_neurons", "n_iterations", "batch_size", "remove_dangling"):
        assert getattr(model.run_.config, name) == fields[name]
    strengths = model.run_.config.strengths
    assert strengths["weight"].value == fields["strengths"]["weight"]
    assert set(strengths) == set(fields["strengths"])


def test_what_is_given_stays(wine, cwd):
    flags = ["--steps", "10", "--strengths.weight", "1e-2", "--n-neurons", "30", "--quiet"]
    assert main(["train", "--data", str(wine / "wine.npz"), *flags, "--out", "run"]) == 0
    config = load_run("run").config
    assert config.steps == 10
    assert config.n_neurons == 30
    assert {name: s.value for name, s in config.strengths.items()} == {"weight": 1e-2}


def test_a_configuration_file_says_all(wine, cwd):
    """What it leaves out has the defaults of every configuration, as before."""
    (cwd / "config.toml").write_text("steps = 5\n")
    words = ["train", "config.toml", "--data", str(wine / "wine.npz"), "--quiet", "--out", "run"]
    assert main(words) == 0
    config = load_run("run").config
    assert config == TrainConfig(task="file", task_options=config.task_options, steps=5)


@pytest.mark.parametrize("flags", [["--optimiser", "rmsprop"], ["--growth.cap", "20"]])
def test_other_rules_of_training_go_with_them(wine, cwd, flags):
    words = ["train", "--data", str(wine / "wine.npz"), "--steps", "5", "--quiet", "--out", "run"]
    assert main([*words, *flags]) == 0


def test_a_network_to_start_from_gives_its_size(wine, cwd):
    small = ["train", "--data", str(wine / "wine.npz"), "--steps", "5", "--quiet"]
    assert main([*small, "--n-neurons", "33", "--out", "first"]) == 0
    assert main([*small, "--start", "first", "--out", "second"]) == 0
    assert load_run("second").config.n_neurons == 33


def test_a_regression_pays_more_for_its_weights():
    kinds = ("classification", "regression")
    prices = [suited(500, 9, 1, kind)["strengths"]["weight"] for kind in kinds]
    assert prices[1] == pytest.approx(5 * prices[0])


def test_more_samples_more_steps_and_a_lower_price():
    sizes = (50, 500, 5000, 50_000, 5_000_000)
    fields = [suited(n, 20, 2) for n in sizes]
    steps = [each["steps"] for each in fields]
    prices = [each["strengths"]["weight"] for each in fields]
    assert steps == sorted(steps)
    assert prices == sorted(prices, reverse=True)
    assert max(steps) == 20_000
    for each in fields:
        TrainConfig(task="file", task_options={"path": "a.csv"}, **each)


def used_hidden(run):
    """Hidden neurons on a path of as many weights as there are iterations."""
    linked = run.weights.numpy() != 0
    S = len(linked)
    n = run.config.n_iterations
    forth = np.zeros((n + 1, S), bool)
    back = np.zeros((n + 1, S), bool)
    forth[0, : run.n_inputs] = True
    back[n, S - run.n_outputs :] = True
    for l in range(n):
        forth[l + 1] = (linked & forth[l]).any(1)
        back[n - l - 1] = (linked & back[n - l][:, None]).any(0)
    used = (forth & back).any(0)
    return int(used[run.n_inputs : S - run.n_outputs].sum())
