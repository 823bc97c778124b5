"""The checks of `locally_connected` and `convolutional` pass on good numbers, and each can fail."""

import pytest
import torch

from experiments.claims import convolutional, locally_connected
from experiments.claims.convolutional import DIAL, LARGE, SHUFFLED, STRONGEST
from experiments.claims.locally_connected import (
    DIGITS,
    LOCAL,
    LOCAL_SHUFFLED,
    PLAIN,
    PLAIN_SHUFFLED,
)
from urn import train_population
from urn.data.tasks import MNIST1D


def shared_row(accuracy, shared, convolutional=True):
    return {
        "test accuracy": accuracy,
        "shared": shared,
        "shared at the start": 0.03,
        "convolutional": convolutional,
        "locally connected": True,
    }


def shared_rows(**changes):
    rows = {
        f"c_sym = {c:g}": shared_row(0.9, share)
        for c, share in zip(DIAL, (0.1, 0.9, 0.99, 1.0), strict=True)
    }
    rows["c_sym = 0"] = shared_row(0.7, 0.1, convolutional=False)
    rows |= {SHUFFLED: shared_row(0.5, 1.0), LARGE: shared_row(0.95, 1.0)}
    for arm, change in changes.items():
        rows[arm] = rows[arm] | change
    return {arm: [row] * 5 for arm, row in rows.items()}


# (arm, change of its rows, part of the title of the check that must then fail)
FAILURES = [
    (LARGE, {"convolutional": False}, "verdict"),
    (LARGE, {"shared": 0.99}, "at the end"),
    (LARGE, {"test accuracy": 0.93}, "test accuracy, median"),
    (SHUFFLED, {"test accuracy": 0.8}, "shuffled"),
    ("c_sym = 0", {"convolutional": True}, "local, not convolutional"),
    ("c_sym = 0", {"test accuracy": 0.88}, "gain"),
    ("c_sym = 0.001", {"shared": 0.05}, "along the dial"),
]


def failed(checks):
    return [check.title for check in checks if not check.passed]


def test_convolutional_passes():
    assert failed(convolutional.checks(shared_rows(), "paper")) == []
    quick = shared_rows()
    quick.pop(LARGE)
    assert failed(convolutional.checks(quick, "quick")) == []


@pytest.mark.parametrize(("arm", "change", "title"), FAILURES)
def test_convolutional_can_fail(arm, change, title):
    (only,) = failed(convolutional.checks(shared_rows(**{arm: change}), "paper"))
    assert title in only


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
    config = convolutional.arms("quick")[STRONGEST].replace(steps=1, log_every=1)
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

    row = convolutional.measure(STRONGEST, run, data)
    assert row["shared"] == pytest.approx(1)
    assert row["shared at the start"] < 0.1
