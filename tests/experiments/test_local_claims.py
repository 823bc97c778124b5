"""The checks of `locally_connected` and `convolutional` pass on good numbers, and each can fail."""

import pytest
import torch

from experiments.claims import convolutional, locally_connected
from experiments.claims.convolutional import BOTH, LARGE, NONE, PRICE, RANDOM, SHUFFLED, STEP
from experiments.claims.locally_connected import (
    DIGITS,
    LOCAL,
    LOCAL_SHUFFLED,
    PLAIN,
    PLAIN_SHUFFLED,
)
from urn import train_population
from urn.data.tasks import MNIST1D


def shared_rows(**changes):
    """Five seeds that differ a little: in order sharing is worth twenty points, elsewhere none."""
    score = {NONE: 0.7, STEP: 0.73, PRICE: 0.7, BOTH: 0.9, LARGE: 0.95}
    rows = {arm: score.get(arm, 0.5) for arm in convolutional.arms("paper")} | changes
    return {
        arm: [
            {
                "test accuracy": accuracy + 0.001 * seed * (arm == BOTH),
                "shared": 1.0,
                "convolutional": True,
                "kernels explained": 0.9,
            }
            for seed in range(10)
        ]
        for arm, accuracy in rows.items()
    }


# (arm, its accuracy, parts of the titles of the checks that must then fail)
FAILURES = [
    (BOTH, 0.72, ["gain in test accuracy"]),
    (LARGE, 0.93, ["30 channels"]),
    (f"{BOTH}, {SHUFFLED}", 0.6, ["the same with shuffled"]),
    (f"{BOTH}, {SHUFFLED}", 0.75, ["the same with shuffled", "less gain with shuffled"]),
    (f"{BOTH}, {RANDOM}", 0.75, ["less gain with random"]),
]


def failed(checks):
    return [check.title for check in checks if not check.passed]


def test_convolutional_passes():
    assert failed(convolutional.checks(shared_rows(), "paper")) == []
    quick = shared_rows()
    quick.pop(LARGE)
    assert failed(convolutional.checks(quick, "quick")) == []


@pytest.mark.parametrize(("arm", "accuracy", "titles"), FAILURES)
def test_convolutional_can_fail(arm, accuracy, titles):
    culprits = failed(convolutional.checks(shared_rows(**{arm: accuracy}), "paper"))
    assert len(culprits) == len(titles)
    assert all(title in other for title, other in zip(titles, culprits, strict=True))


def test_a_network_that_gains_nothing_fails_and_kernels_alone_prove_nothing():
    """The null network: kernels everywhere, and as accurate as the network without them."""
    rows = shared_rows()
    titles = failed(convolutional.checks(rows | {BOTH: rows[NONE]}, "quick"))
    assert len(titles) == 3


def test_the_notes_tell_price_and_step_apart():
    apart, verdicts = convolutional.notes(shared_rows(), "paper")
    assert "its step alone +3" in apart
    assert "its price alone +0" in apart
    assert f"{BOTH}, {RANDOM}: convolutional in 10 of 10" in verdicts


def test_arms_differ_in_what_they_are_named_after():
    arms = convolutional.arms("paper")
    plain = arms[NONE]
    assert "symmetry" not in plain.strengths
    assert arms[STEP].strengths["symmetry"].value == 0
    assert not arms[PRICE].shared_step
    assert arms[PRICE].replace(shared_step=True) == arms[BOTH]
    assert arms[BOTH].replace(strengths=plain.strengths) == plain


def local_rows(**changes):
    score = {LOCAL: 0.74, PLAIN: 0.64, LOCAL_SHUFFLED: 0.65, PLAIN_SHUFFLED: 0.64, DIGITS: 0.97}
    rows = {
        arm: {"test accuracy": s, "locally connected": True, "spread / permuted": 0.3}
        for arm, s in score.items()
    }
    for arm, change in changes.items():
        rows[arm] = rows[arm] | change
    return {arm: [row] * 5 for arm, row in rows.items()}


def test_locally_connected_passes():
    assert failed(locally_connected.checks(local_rows(), "paper")) == []


@pytest.mark.parametrize(
    ("arm", "change", "title"),
    [
        (PLAIN, {"test accuracy": 0.69}, "gain"),
        (LOCAL_SHUFFLED, {"test accuracy": 0.72}, "shuffled"),
        (LOCAL_SHUFFLED, {"test accuracy": 0.75}, "gain in order less gain shuffled"),
    ],
)
def test_locally_connected_can_fail(arm, change, title):
    titles = failed(locally_connected.checks(local_rows(**{arm: change}), "paper"))
    assert any(title in other for other in titles)


def test_kernels_and_shares_are_read_off_a_matrix():
    """An untrained network with one planted kernel: where it is drawn, and its shared part."""
    config = convolutional.arms("quick")[BOTH].replace(steps=1, log_every=1)
    data = MNIST1D(ring=True).load()
    (run,) = train_population([config], data=data)
    W = torch.zeros_like(run.weights)
    site = torch.arange(40)
    W[40 + site, (site + 2) % 40] = 1.0  # channel 1 looks two sites to the right
    W[-10:, 40:80] = 1.0
    run.weights.copy_(W)

    drawn = convolutional.shared_kernels(run, reach=3)
    assert drawn.shape == (8, 9, 7)
    assert drawn[0, 0].tolist() == [0, 0, 0, 0, 0, 1, 0]
    assert abs(drawn).sum() == 1

    row = convolutional.measure(BOTH, run, data)
    assert row["shared"] == pytest.approx(1)
