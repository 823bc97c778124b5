"""Numbers at the ends of float64: judged alike up to a scale, refused in one line beyond."""

import numpy as np
import pytest

from analysis import analyse
from tests.planted import mlp


@pytest.mark.parametrize("scale", [1e-40, 1e40])
def test_a_scale_changes_no_verdict(scale: float) -> None:
    """Verdicts are shares, so that all weights may be larger or smaller by any factor."""
    network = mlp(120, np.random.default_rng(0), n_hidden=2).noised(np.random.default_rng(1))
    plain = analyse(network.weights, n_null=200, sweep=False, **network.arguments)
    scaled = analyse(scale * network.weights, n_null=200, sweep=False, **network.arguments)
    assert scaled.summary == plain.summary
    assert scaled.threshold.value == pytest.approx(scale * plain.threshold.value)


def test_what_has_faded_is_no_connection() -> None:
    weights = np.tril(np.ones((5, 5)), -1)
    weights[4, 2] = 1e-200
    facts = {"n_inputs": 2, "n_outputs": 1, "n_iterations": 2, "n_null": 200}
    report = analyse(weights, **facts)
    assert 2 not in report.layer_of
    assert analyse(1e-200 * weights, **facts).status == "disconnected"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"weights": 1e80 * np.tril(np.ones((5, 5)), -1)}, "weights must be at most"),
        ({"biases": np.full(5, 1e80)}, "biases must be at most"),
        ({"positions": np.full((5, 2), 1e80)}, "positions must be at most"),
        ({"inputs": np.full((9, 2), 1e200)}, "inputs must be at most"),
        ({"weights": 1e50 * np.tril(np.ones((5, 5)), -1), "n_iterations": 3}, "weights let"),
    ],
)
def test_what_is_too_large_is_refused_by_name(change: dict, named: str) -> None:
    facts = {"weights": np.tril(np.ones((5, 5)), -1), "n_inputs": 2, "n_outputs": 1}
    facts |= {"n_iterations": 2, "inputs": np.random.default_rng(0).normal(size=(9, 2))} | change
    with pytest.raises(ValueError, match=f"^{named}") as caught:
        analyse(facts.pop("weights"), facts.pop("biases", None), **facts)
    assert "\n" not in str(caught.value)
