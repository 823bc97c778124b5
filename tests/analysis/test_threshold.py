"""The threshold rule finds a weak majority, and leaves matrices without one alone."""

import numpy as np
import pytest

from analysis import analyse
from analysis.network import flat_network
from analysis.threshold import Threshold, choose_threshold
from tests.planted import FAMILIES
from urn import TrainConfig, train


def chosen(weights: np.ndarray, threshold: float | None = None) -> Threshold:
    facts = {"n_inputs": 1, "n_outputs": 1, "n_iterations": 1}
    return choose_threshold(flat_network(weights, threshold=threshold, **facts))


def test_exact_zeros_need_no_threshold() -> None:
    weights = np.zeros((20, 20))
    weights[3, 4] = 1e-9
    rule = chosen(weights)
    assert (rule.rule, rule.value, rule.kept, rule.dropped) == ("exact", 0.0, 1, 0)


def test_noise_is_dropped_and_structure_kept() -> None:
    rng = np.random.default_rng(0)
    strong = np.where(
        rng.random((200, 200)) < 0.02,
        rng.choice([-1, 1], (200, 200)) * rng.uniform(0.5, 2, (200, 200)),
        0,
    )
    noisy = strong + 0.01 * rng.normal(size=strong.shape)
    rule = chosen(noisy)

    assert rule.rule == "universal"
    assert rule.kept == (strong != 0).sum()
    # No lower than Donoho & Johnstone's bound for this noise, and below all that was planted.
    assert 0.95 * 0.01 * np.sqrt(2 * np.log(200**2)) <= rule.value < 0.5
    # A network that is known to have exact zeros says so by a threshold of 0.
    assert (chosen(noisy, 0.0).rule, chosen(noisy, 0.0).kept) == ("given", 200**2)


def test_a_dense_random_matrix_is_left_whole() -> None:
    rule = chosen(np.random.default_rng(0).normal(size=(100, 100)))
    assert (rule.rule, rule.value, rule.kept) == ("none", 0.0, 10_000)


def test_no_weights_at_all() -> None:
    assert chosen(np.zeros((5, 5))).kept == 0


def test_a_given_threshold_is_used_recorded_and_swept() -> None:
    least, make = FAMILIES["mlp 2"]
    network = make(least, np.random.default_rng(0)).noised(np.random.default_rng(1))
    report = analyse(
        network.weights, network.biases, threshold=0.02, n_null=200, **network.arguments
    )
    assert (report.threshold.rule, report.threshold.value) == ("given", 0.02)
    sweep = report.verdicts["fully_connected"].sweep
    assert [step["threshold"] / 0.02 for step in sweep] == pytest.approx([0.5, 0.75, 1.5, 2.0, 4.0])
    assert all(step["present"] for step in sweep[1:])


def test_a_run_says_whether_its_zeros_are_exact() -> None:
    """A price on weights makes them so; the rule is then asked for nothing."""
    priced, free = (
        train(TrainConfig(task="shells", n_neurons=12, steps=1, strengths=strengths))
        for strengths in ({"weight": 1e-3}, {"activity": 1e-3})
    )
    assert choose_threshold(flat_network(**priced.flat())).rule == "given"
    assert choose_threshold(flat_network(**free.flat())).rule != "given"
