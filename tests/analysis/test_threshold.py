"""The threshold rule finds a weak majority, and leaves matrices without one alone."""

import numpy as np
import pytest

from analysis import analyse
from analysis.threshold import choose_threshold
from tests.planted import FAMILIES


def test_exact_zeros_need_no_threshold():
    weights = np.zeros((20, 20))
    weights[3, 4] = 1e-9
    found = choose_threshold(weights)
    assert (found.rule, found.value, found.kept, found.dropped) == ("exact", 0.0, 1, 0)


def test_noise_is_dropped_and_structure_kept():
    rng = np.random.default_rng(0)
    strong = np.where(
        rng.random((200, 200)) < 0.02,
        rng.choice([-1, 1], (200, 200)) * rng.uniform(0.5, 2, (200, 200)),
        0,
    )
    found = choose_threshold(strong + 0.01 * rng.normal(size=strong.shape))
    assert found.rule == "universal"
    assert found.kept == (strong != 0).sum()
    # no lower than Donoho & Johnstone's bound with the noise level known here, below all that was planted
    assert 0.95 * 0.01 * np.sqrt(2 * np.log(200**2)) <= found.value < 0.5


def test_a_dense_random_matrix_is_left_whole():
    found = choose_threshold(np.random.default_rng(0).normal(size=(100, 100)))
    assert (found.rule, found.value, found.kept) == ("none", 0.0, 10_000)


def test_no_weights_at_all():
    assert choose_threshold(np.zeros((5, 5))).kept == 0


def test_a_given_threshold_is_used_recorded_and_swept():
    least, make = FAMILIES["mlp 2"]
    network = make(least, np.random.default_rng(0)).noised(np.random.default_rng(1))
    report = analyse(
        network.weights, network.biases, threshold=0.02, n_null=200, **network.arguments
    )
    assert (report.threshold.rule, report.threshold.value) == ("given", 0.02)
    sweep = report.verdicts["fully_connected"].sweep
    assert [step["threshold"] / 0.02 for step in sweep] == pytest.approx([0.5, 0.75, 1.5, 2.0, 4.0])
    assert all(step["present"] for step in sweep[1:])
