"""Exports of networks whose structure is known: exact for any input, layers as planted, kernels found."""

import numpy as np
import pytest
import torch

from analysis.export import FORMATS, Portable, exact_graph, layered_source, plan
from analysis.export.lattice import integer_coordinates
from analysis.forward import forward
from analysis.network import flat_network
from tests.planted import FAMILIES, planted


def one(family):
    return next(network for network in planted(1, 3, [family]) if not network.noisy)


def layers_of(network):
    """The plan of a planted network, told what was planted."""
    arguments = dict(network.arguments)
    positions = arguments.pop("positions", None)
    graph = exact_graph(flat_network(network.weights, network.biases, **arguments))
    local = np.arange(len(network.weights)) if "locally_connected" in network.true else ()
    coordinates = None
    if "convolutional" in network.true:
        coordinates = integer_coordinates(positions, arguments["n_inputs"])
    return plan(graph, local=local, coordinates=coordinates)


def run_code(exported, x):
    """The outputs of the source code of an export."""
    names = {"__file__": "network.py"}
    exec(exported.source, names)
    net = names["Network"]().double()
    net.load_state_dict({name: torch.from_numpy(array) for name, array in exported.tensors.items()})
    return net(torch.from_numpy(x)).detach().numpy()


@pytest.mark.parametrize(
    "family", [name for name in FAMILIES if not name.startswith("disconnected")]
)
def test_code_computes_what_the_network_computes(family):
    network = one(family)
    found = layers_of(network)
    if network.widths is not None and len(found.layers) == len(network.widths) + 2:
        assert found.widths[1:-1] == network.widths
    arguments = {key: value for key, value in network.arguments.items() if key != "positions"}
    x = 3 * np.random.default_rng(7).normal(size=(50, arguments["n_inputs"]))
    net = flat_network(network.weights, network.biases, **network.arguments)
    true = forward(net, x).outputs
    y = run_code(layered_source(found, title=family, dtype="float64"), x)
    np.testing.assert_allclose(y, true, atol=1e-11 * np.abs(true).max())
    kinds = {block.kind for layer in found.layers for block in layer.blocks}
    assert ("conv" in kinds) == ("convolutional" in network.true)
    assert ("local" in kinds) == (
        "locally_connected" in network.true and "convolutional" not in network.true
    )


def test_a_relay_hands_its_bias_on():
    W, b = np.zeros((5, 5)), np.array([0, 0.5, 0.25, 0.125, 1.0])  # 0 -> 1 -> 2 -> 3 -> 4
    W[1, 0], W[2, 1], W[3, 2], W[4, 3] = -2.0, 3.0, 0.5, 4.0
    net = flat_network(W, b, n_inputs=1, n_outputs=1, n_iterations=4)
    graph = exact_graph(net)
    assert graph.computing.sum() == 1
    x = np.linspace(-2, 2, 9)[:, None]
    found = plan(graph)
    assert found.widths == (1, 1, 1)
    y = run_code(layered_source(found, title="relay", dtype="float64"), x)
    np.testing.assert_allclose(y, forward(net, x).outputs, atol=1e-12)


def test_a_clipped_relay_is_no_relay():
    W, b = np.zeros((4, 4)), np.array([0, 0.5, -0.25, 0])  # a negative bias: it may be silent
    W[1, 0], W[2, 1], W[3, 2] = 1.0, 1.0, 1.0
    shorter = flat_network(W, b, n_inputs=1, n_outputs=1, n_iterations=3)
    assert exact_graph(shorter).computing.sum() == 2


def test_a_lattice_that_ends_is_padded_with_zeros_and_odd_weights_are_kept():
    rng, n = np.random.default_rng(11), 12
    W = np.zeros((2 * n + 1, 2 * n + 1))
    kernel = np.array([0.5, -1.0, 2.0])
    for i in range(n):
        for offset, weight in zip((-1, 0, 1), kernel, strict=True):
            if 0 <= i + offset < n:
                W[n + i, i + offset] = weight
    W[n + 4, 4] -= 0.01
    W[-1, n : 2 * n] = rng.normal(size=n)
    positions = np.concatenate([np.arange(n), np.arange(n), [np.nan]])[:, None]
    net = flat_network(W, n_inputs=n, n_outputs=1, n_iterations=2)
    found = plan(
        exact_graph(net),
        coordinates=positions,
    )
    conv, rest = found.layers[1].blocks
    assert (conv.kind, conv.convolution.circular, conv.convolution.pad) == (
        "conv",
        False,
        ((1, 1),),
    )
    np.testing.assert_allclose(conv.weight.ravel(), kernel)
    assert rest.weight.shape == (n, 1)
    x = rng.normal(size=(30, n))
    true = forward(net, x).outputs
    np.testing.assert_allclose(
        run_code(layered_source(found, title="", dtype="float64"), x), true, atol=1e-12
    )


def test_nothing_to_plan_where_no_input_reaches_an_output():
    net = flat_network(np.zeros((4, 4)), np.ones(4), n_inputs=1, n_outputs=1, n_iterations=2)
    graph = exact_graph(net)
    with pytest.raises(ValueError, match="no input to an output"):
        plan(graph)


@pytest.mark.parametrize("kind", FORMATS)
def test_files_keep_every_number(kind):
    rng = np.random.default_rng(0)
    positions = np.where(np.arange(5)[:, None] < 4, rng.normal(size=(5, 2)), np.nan)
    network = Portable(
        rng.normal(size=(5, 5)) * (rng.random((5, 5)) < 0.5),
        rng.normal(size=5),
        2,
        1,
        3,
        "tanh",
        "clamped",
        ids=np.array([0, 1, 4, 7, 9]),
        layer=np.array([0, 0, 1, -1, 2]),
        activity=rng.random(5),
        positions=positions,
    )
    settings = (
        {"n_iterations": 3, "activation": "tanh", "input_mode": "clamped"} if kind == "gexf" else {}
    )
    back = Portable.read(network.write(kind), kind, **settings)
    for name, value in vars(network).items():
        np.testing.assert_array_equal(getattr(back, name), value, err_msg=name)
