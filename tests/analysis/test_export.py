"""Exports of networks whose structure is known: exact for any input, and layered as planted."""

import io
import json

import numpy as np
import pytest
import torch

from analysis import FlatNetwork, flat_network
from analysis.export import (
    FORMATS,
    Exported,
    Plan,
    Portable,
    exact_graph,
    layered_source,
    plan,
    register_format,
)
from analysis.export.lattice import integer_coordinates
from analysis.forward import forward
from experiments.planted_harder import planted
from tests.planted import FAMILIES
from tests.planting import Planted


def first_of(family: str) -> Planted:
    """The first network of a family whose weights are exactly sparse."""
    return next(network for network in planted(1, 3, [family]) if not network.noisy)


def flat(network: Planted) -> FlatNetwork:
    return flat_network(network.weights, network.biases, **network.arguments)


def layers_of(network: Planted) -> Plan:
    """The plan of a planted network, given what was planted."""
    graph = exact_graph(flat(network))
    local = np.arange(len(network.weights)) if "locally_connected" in network.true else ()
    coordinates = None
    if "convolutional" in network.true:
        positions = network.arguments["positions"]
        coordinates = integer_coordinates(positions, network.arguments["n_inputs"])
    return plan(graph, local=local, coordinates=coordinates)


def outputs(network: FlatNetwork, x: np.ndarray) -> np.ndarray:
    """What the matrix itself gives, (B, n_outputs)."""
    return forward(network, x).outputs


def run_code(exported: Exported, x: np.ndarray) -> np.ndarray:
    """The outputs of the source code of an export."""
    names = {"__file__": "network.py"}
    exec(exported.source, names)
    net = names["Network"]().double()
    net.load_state_dict({name: torch.from_numpy(array) for name, array in exported.tensors.items()})
    return net(torch.from_numpy(x)).detach().numpy()


@pytest.mark.parametrize(
    "family", [name for name in FAMILIES if not name.startswith("disconnected")]
)
def test_code_computes_what_the_network_computes(family: str) -> None:
    network = first_of(family)
    layers = layers_of(network)
    if network.widths is not None and len(layers.layers) == len(network.widths) + 2:
        assert layers.widths[1:-1] == network.widths

    x = 3 * np.random.default_rng(7).normal(size=(50, network.arguments["n_inputs"]))
    true = outputs(flat(network), x)
    y = run_code(layered_source(layers, title=family, dtype="float64"), x)
    np.testing.assert_allclose(y, true, atol=1e-11 * np.abs(true).max())

    kinds = {block.kind for layer in layers.layers for block in layer.blocks}
    assert ("conv" in kinds) == ("convolutional" in network.true)
    assert ("local" in kinds) == (
        "locally_connected" in network.true and "convolutional" not in network.true
    )


def chain(weights: list[float], biases: list[float]) -> FlatNetwork:
    """0 -> 1 -> 2 ..., an input, relays and an output."""
    W = np.diag(weights, -1)
    return flat_network(W, biases, n_inputs=1, n_outputs=1, n_iterations=len(weights))


def test_a_relay_hands_its_bias_on() -> None:
    network = chain([-2.0, 3.0, 0.5, 4.0], [0, 0.5, 0.25, 0.125, 1.0])
    graph = exact_graph(network)
    assert graph.computing.sum() == 1
    layers = plan(graph)
    assert layers.widths == (1, 1, 1)
    x = np.linspace(-2, 2, 9)[:, None]
    y = run_code(layered_source(layers, title="relay", dtype="float64"), x)
    np.testing.assert_allclose(y, outputs(network, x), atol=1e-12)


def test_a_clipped_relay_is_no_relay() -> None:
    # With a negative bias the second relay may not fire.
    assert exact_graph(chain([1.0, 1.0, 1.0], [0, 0.5, -0.25, 0])).computing.sum() == 2


def test_a_lattice_that_ends_is_padded_with_zeros_and_odd_weights_are_kept() -> None:
    rng = np.random.default_rng(11)
    n = 12
    W = np.zeros((2 * n + 1, 2 * n + 1))
    kernel = np.array([0.5, -1.0, 2.0])
    for i in range(n):
        for offset, weight in zip((-1, 0, 1), kernel, strict=True):
            if 0 <= i + offset < n:
                W[n + i, i + offset] = weight
    W[n + 4, 4] -= 0.01
    W[-1, n : 2 * n] = rng.normal(size=n)
    network = flat_network(W, n_inputs=n, n_outputs=1, n_iterations=2)
    positions = np.concatenate([np.arange(n), np.arange(n), [np.nan]])[:, None]
    layers = plan(exact_graph(network), coordinates=positions)

    conv, rest = layers.layers[1].blocks
    assert conv.kind == "conv"
    assert not conv.convolution.circular
    assert conv.convolution.pad == ((1, 1),)
    np.testing.assert_allclose(conv.weight.ravel(), kernel)
    assert rest.weight.shape == (n, 1)

    x = rng.normal(size=(30, n))
    y = run_code(layered_source(layers, title="", dtype="float64"), x)
    np.testing.assert_allclose(y, outputs(network, x), atol=1e-12)


def test_nothing_to_plan_where_no_input_reaches_an_output() -> None:
    graph = exact_graph(chain([0.0, 0.0, 0.0], [1.0] * 4))
    with pytest.raises(ValueError, match="no input to an output"):
        plan(graph)


def five_neurons() -> Portable:
    """A network with everything that a file may hold, one neuron without a position."""
    rng = np.random.default_rng(0)
    network = FlatNetwork(
        rng.normal(size=(5, 5)) * (rng.random((5, 5)) < 0.5),
        rng.normal(size=5),
        n_inputs=2,
        n_outputs=1,
        n_iterations=3,
        positions=np.where(np.arange(5)[:, None] < 4, rng.normal(size=(5, 2)), np.nan),
        activation="tanh",
        input_mode="clamped",
    )
    ids = np.array([0, 1, 4, 7, 9])
    return Portable(network, ids, layer=np.array([0, 0, 1, -1, 2]), activity=rng.random(5))


def assert_same(back: Portable, portable: Portable) -> None:
    for name, value in vars(portable.network).items():
        np.testing.assert_array_equal(getattr(back.network, name), value, err_msg=name)
    for name in ("ids", "layer", "activity"):
        np.testing.assert_array_equal(getattr(back, name), getattr(portable, name), err_msg=name)


@pytest.mark.parametrize("kind", FORMATS)
def test_files_keep_every_number(kind: str) -> None:
    portable = five_neurons()
    settings = {"n_iterations": 3, "activation": "tanh", "input_mode": "clamped"}
    form = FORMATS[kind]
    content = form.write(portable)
    assert_same(form.read(content, **{} if form.keeps_settings else settings), portable)


def test_names_in_files_stay() -> None:
    with np.load(io.BytesIO(FORMATS["npz"].write(five_neurons()))) as arrays:
        assert set(arrays) == {
            *("weights", "biases", "positions", "ids", "layer", "activity"),
            *("n_inputs", "n_outputs", "n_iterations", "activation", "input_mode"),
        }
    document = json.loads(FORMATS["json"].write(five_neurons()))
    assert set(document) == {"n_iterations", "activation", "input_mode", "neurons", "edges"}
    assert set(document["neurons"][0]) == {
        *("id", "role", "place", "bias", "layer", "activity", "position_0", "position_1"),
    }


@pytest.mark.parametrize("name", ["json", "tar.gz", ""])
def test_a_format_needs_a_suffix_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        register_format(name, FORMATS["json"].write, FORMATS["json"].read)
