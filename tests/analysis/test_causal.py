"""Lesions: cutting what carries the function costs more than cutting as much at random; the forward pass has an
oracle.
"""

import numpy as np
import pytest

from analysis import analyse
from analysis.causal import lesions, score
from analysis.forward import forward
from tests.planted import local, mlp, residual, rnn


def teacher(network, rng, n=200):
    """Inputs and the network's own outputs as targets."""
    x = rng.normal(size=(n, network.arguments["n_inputs"]))
    options = {key: network.arguments[key] for key in ("n_outputs", "input_mode", "activation")}
    return x, forward(
        network.weights, network.biases, x, network.arguments["n_iterations"], **options
    )[2]


def cut(network, seed=0, real=True):
    rng = np.random.default_rng(seed)
    x, y = teacher(network, rng)
    report = analyse(network.weights, network.biases, n_null=200, **network.arguments)
    targets = y if real else y.argmax(axis=1)
    whole, found = lesions(
        network.weights,
        network.biases,
        x,
        targets,
        report,
        rng=rng,
        positions=network.arguments.get("positions"),
    )
    return whole, {lesion.name: lesion for lesion in found}


@pytest.mark.parametrize("input_mode", ["pulse", "clamped"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_forward_by_loops(activation, input_mode):
    rng = np.random.default_rng(0)
    w, b, x = rng.normal(size=(7, 7)), rng.normal(size=7), rng.normal(size=(3, 2))
    phi = {"relu": lambda z: max(z, 0.0), "tanh": np.tanh}[activation]
    activity, before, y = forward(
        w, b, x, 3, n_outputs=2, activation=activation, input_mode=input_mode
    )
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


def test_scores():
    assert score(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])) == 0.5
    y = np.array([[0.0], [2.0]])
    assert score(y, y) == 1.0
    assert score(np.ones((2, 1)), y) == 0.0


def test_cutting_the_skips_is_worse_than_cutting_as_much_at_random():
    whole, found = cut(residual(240, np.random.default_rng(0), n_blocks=3))
    assert whole == pytest.approx(1)
    skips = found["skips"]
    assert skips.lost > 0.1
    assert skips.kind == "weights"
    assert "re-use" not in found


def test_a_perceptron_has_no_skips_and_needs_each_layer():
    network = mlp(150, np.random.default_rng(1), n_hidden=2)
    _, found = cut(network)
    assert set(found) == {"long-range weights", "layer 1", "layer 2"}
    for name in ("layer 1", "layer 2"):  # what is left is the mean
        assert found[name].score == pytest.approx(0, abs=0.05)
    assert found["layer 1"].count == network.widths[0]


def test_accuracy_for_classes():
    whole, found = cut(mlp(150, np.random.default_rng(1), n_hidden=2), real=False)
    assert whole == 1.0
    assert found["layer 2"].lost > 0.2


def test_re_use_is_cut_by_iteration():
    _, found = cut(rnn(60, np.random.default_rng(2)))
    assert found["re-use"].lost > 0.3
    assert found["re-use"].kind == "nodes"


def test_a_lesion_is_a_plain_dictionary():
    import json

    _, found = cut(local(200, np.random.default_rng(3), dim=1, n_hidden=1))
    json.dumps([lesion.to_dict() for lesion in found.values()])
    assert 0 < found["long-range weights"].p_value <= 1


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
def test_lesions_refuse_by_name(change, named):
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
