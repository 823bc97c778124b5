"""Lesions: to cut the weights that carry the function costs more than to cut as much at random.

The forward pass has an oracle.
"""

import json
from typing import Any

import numpy as np
import pytest

from analysis import analyse
from analysis.causal import Lesion, lesions, score
from analysis.forward import forward
from analysis.network import flat_network
from tests.planted import local, mlp, residual, rnn
from tests.planting import Planted


def teacher(
    network: Planted, rng: np.random.Generator, n: int = 200
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and the network's own outputs as targets."""
    net = flat_network(network.weights, network.biases, **network.arguments)
    x = rng.normal(size=(n, net.n_inputs))
    return x, forward(net, x).outputs


def cut(network: Planted, seed: int = 0, real: bool = True) -> tuple[float, dict[str, Lesion]]:
    rng = np.random.default_rng(seed)
    x, y = teacher(network, rng)
    report = analyse(network.weights, network.biases, n_null=200, **network.arguments)

    targets = y if real else y.argmax(axis=1)
    whole, cuts = lesions(
        network.weights,
        network.biases,
        x,
        targets,
        report,
        rng=rng,
        positions=network.arguments.get("positions"),
    )
    return whole, {lesion.name: lesion for lesion in cuts}


@pytest.mark.parametrize("input_mode", ["pulse", "clamped"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_forward_by_loops(activation: str, input_mode: str) -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(7, 7))
    b = rng.normal(size=7)
    x = rng.normal(size=(3, 2))
    phi = {"relu": lambda z: max(z, 0.0), "tanh": np.tanh}[activation]
    modes = {"activation": activation, "input_mode": input_mode}
    net = flat_network(w, b, n_inputs=2, n_outputs=2, n_iterations=3, **modes)
    activity, before, y = forward(net, x)

    for sample, row in enumerate(x):
        state = [*row, 0, 0, 0, 0, 0]
        for l in range(3):
            z = [b[i] + sum(w[i, j] * state[j] for j in range(7)) for i in range(7)]
            np.testing.assert_allclose(before[l + 1, sample], z)
            state = [phi(value) for value in z]
            if input_mode == "clamped":
                state[:2] = row
        np.testing.assert_allclose(y[sample], z[-2:])
        np.testing.assert_allclose(activity[-1, sample], z)


def test_scores() -> None:
    assert score(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])) == 0.5
    y = np.array([[0.0], [2.0]])
    assert score(y, y) == 1.0
    assert score(np.ones((2, 1)), y) == 0.0


def test_cutting_the_skips_is_worse_than_cutting_as_much_at_random() -> None:
    whole, cuts = cut(residual(240, np.random.default_rng(0), n_blocks=3))
    assert whole == pytest.approx(1)
    skips = cuts["skips"]
    assert skips.lost > 0.1
    assert skips.kind == "weights"
    assert "re-use" not in cuts


def test_a_perceptron_has_no_skips_and_needs_each_layer() -> None:
    network = mlp(150, np.random.default_rng(1), n_hidden=2)
    _, cuts = cut(network)
    assert set(cuts) == {"long-range weights", "layer 1", "layer 2"}
    # Without a layer the outputs are their mean.
    for name in ("layer 1", "layer 2"):
        assert cuts[name].score == pytest.approx(0, abs=0.05)
    assert cuts["layer 1"].count == network.widths[0]


def test_accuracy_for_classes() -> None:
    whole, cuts = cut(mlp(150, np.random.default_rng(1), n_hidden=2), real=False)
    assert whole == 1.0
    assert cuts["layer 2"].lost > 0.2


def test_re_use_is_cut_by_iteration() -> None:
    _, cuts = cut(rnn(60, np.random.default_rng(2)))
    assert cuts["re-use"].lost > 0.3
    assert cuts["re-use"].kind == "nodes"


def test_a_lesion_is_a_plain_dictionary() -> None:
    _, cuts = cut(local(200, np.random.default_rng(3), dim=1, n_hidden=1))
    json.dumps([lesion.to_dict() for lesion in cuts.values()])
    assert 0 < cuts["long-range weights"].p_value <= 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"inputs": np.zeros((5, 99))}, "inputs"),
        ({"targets": np.zeros(4, dtype=int)}, "targets"),
        ({"targets": np.zeros((200, 99))}, "targets"),
        ({"weights": np.zeros((9, 9))}, "n_inputs|weights"),
        ({"n_random": 0}, "n_random"),
    ],
)
def test_lesions_refuse_by_name(change: dict[str, Any], named: str) -> None:
    network = mlp(120, np.random.default_rng(0), n_hidden=1)
    rng = np.random.default_rng(0)
    x, y = teacher(network, rng)
    report = analyse(network.weights, network.biases, n_null=200, **network.arguments)
    arguments = {"weights": network.weights, "inputs": x, "targets": y, "n_random": 3} | change

    with pytest.raises(ValueError, match=f"^({named})"):
        lesions(
            arguments.pop("weights"),
            network.biases,
            arguments.pop("inputs"),
            arguments.pop("targets"),
            report,
            rng=rng,
            **arguments,
        )
