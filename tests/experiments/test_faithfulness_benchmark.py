"""Networks of random labels must fail the test that networks of real labels pass: in small."""

import pytest

from experiments.benchmarks.faithfulness import checks, compare


@pytest.fixture(scope="module")
def networks():
    """One of each kind, trained as in the benchmark, for less long."""
    return compare(1, 1500)


def test_real_labels_pass_and_random_ones_fail(networks):
    assert all(checks(*networks).values()), checks(*networks)


def test_the_control_can_be_told_from_what_it_controls(networks):
    """With the networks exchanged, the checks do not hold."""
    real, controls = networks
    swapped = checks(controls, real)
    assert not swapped["real labels: the used graph keeps the held-out accuracy"]
    assert not swapped["random labels: nothing held out is explained"]
