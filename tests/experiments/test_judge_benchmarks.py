"""What the benchmarks of the judge measure, on networks where the answer is known."""

import numpy as np
import pytest

from experiments.benchmarks import faint
from experiments.benchmarks.blocks import scores, truth
from experiments.planted_harder import EVERY
from experiments.planting import Planted


def plant(family: str, seed: int = 0) -> Planted:
    least, make = EVERY[family]
    return make(least, np.random.default_rng(seed))


def test_layers_of_a_perceptron_are_found_by_the_analysis_and_a_block_model() -> None:
    score = scores(plant("mlp 3"), 0)
    assert score["analysis"] == 1.0
    assert score["spectral"] > 0.9
    # Communities hold together inside, which layers do not.
    assert score["Louvain"] < 0.9


def test_neurons_of_one_channel_at_many_places_are_no_block() -> None:
    score = scores(plant("dilation 8"), 0)
    assert score["analysis"] == 1.0
    assert score["spectral"] < 0.9


def test_truth_names_the_neurons_that_take_part() -> None:
    network = plant("mlp 2")
    layer = truth(network)
    assert set(layer) == {-1, 0, 1, 2, 3}
    assert tuple(np.bincount(layer[layer >= 0])[1:-1]) == network.widths
    joined = network.weights[np.ix_(layer == 2, layer == 1)]
    assert (joined != 0).all()


@pytest.mark.parametrize(("size", "same"), [(1e-6, True), (1.0, False)])
def test_weak_weights_leave_a_network_what_it_is_and_strong_ones_do_not(
    size: float, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faint, "FAMILIES", {"fully_connected": "mlp 3"})
    monkeypatch.setattr(faint, "SIZES", (size,))
    monkeypatch.setattr(faint, "SHARES", (0.3,))
    (point,) = faint.points(1, 0)
    assert point.same_verdicts is same
    assert point.same_layers is same
    assert (point.held < faint.FAINT) is same
