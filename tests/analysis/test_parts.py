"""Every module of a modular network has a report: that of the network it would be alone."""

import json
from typing import Any

import numpy as np
import pytest

from analysis import StructureReport, analyse, flat_network
from analysis.forward import forward
from analysis.parts import part_of
from experiments.planted_harder import HARDER
from tests.planted import mlp
from tests.planting import Planted


def side_by_side(*networks: Planted) -> tuple[np.ndarray, np.ndarray, dict[str, Any], list]:
    """One matrix of networks that share nothing, and the numbers that neurons of each have in it.

    Inputs of all come first and outputs of all last.
    """
    ends = ("n_inputs", "n_outputs")
    n_inputs, n_outputs = (sum(net.arguments[end] for net in networks) for end in ends)
    n_neurons = sum(len(net.weights) for net in networks)
    weights = np.zeros((n_neurons, n_neurons))
    biases = np.zeros(n_neurons)
    at = [0, n_inputs, n_neurons - n_outputs]
    numbers = []
    for net in networks:
        ins, outs = (net.arguments[end] for end in ends)
        counts = [ins, len(net.weights) - ins - outs, outs]
        ids = np.concatenate([np.arange(a, a + n) for a, n in zip(at, counts, strict=True)])
        weights[np.ix_(ids, ids)] = net.weights
        biases[ids] = net.biases
        numbers.append(ids)
        at = [a + n for a, n in zip(at, counts, strict=True)]
    sizes = {"n_inputs": n_inputs, "n_outputs": n_outputs, "n_iterations": 4, "threshold": 0.0}
    return weights, biases, sizes, numbers


def same_power(network: Planted, x: np.ndarray) -> Planted:
    """The network with outputs of variance 1, so that neither module is a detail of the other."""
    net = flat_network(network.weights, network.biases, **network.arguments)
    scale = forward(net, x).outputs.std()
    network.weights[-net.n_outputs :] /= scale
    return network


@pytest.mark.parametrize("on_data", [False, True])
def test_a_module_is_what_it_would_be_alone(on_data: bool) -> None:
    """Two networks that share nothing: layers, paths and verdicts of each are those of the network
    on its own.

    Paths differ by edges that are faint beside those of the other network, and not beside its own.
    """
    rng = np.random.default_rng(0)
    alone = [mlp(80, rng, n_hidden=3), mlp(90, rng, n_hidden=3)]
    samples = [rng.normal(size=(400, net.arguments["n_inputs"])) for net in alone]
    networks = [same_power(net, x) for net, x in zip(alone, samples, strict=True)]
    weights, biases, sizes, numbers = side_by_side(*networks)

    x = np.concatenate(samples, axis=1) if on_data else None
    whole = analyse(weights, biases, **sizes, inputs=x, n_null=200)
    assert whole.verdicts["modular"].present
    assert len(whole.modules) == 2
    for net, own, ids in zip(networks, samples, numbers, strict=True):
        arguments = net.arguments | {"positions": None, "inputs": own if on_data else None}
        report = analyse(net.weights, net.biases, **arguments, threshold=0.0, n_null=200)
        names = {int(ids[i]): layer for i, layer in report.layer_of.items()}
        module = next(m for m in whole.modules if set(m.layer_of) & (set(names) - {0}))
        assert module.layer_of == names
        assert module.widths == report.widths
        assert (module.n_inputs, module.n_outputs) == (report.n_inputs, report.n_outputs)
        np.testing.assert_allclose(module.path_depths, report.path_depths, atol=0.03)
        assert module.effective.relay.sum() == report.effective.relay.sum()
        present = {name: verdict.present for name, verdict in module.verdicts.items()}
        assert present == {name: verdict.present for name, verdict in report.verdicts.items()}


def judged(name: str, seed: int = 0) -> tuple[Planted, StructureReport]:
    network = HARDER[name][1](200, np.random.default_rng(seed))
    return network, analyse(network.weights, network.biases, n_null=200, **network.arguments)


def test_towers_have_a_line_each() -> None:
    network, report = judged("three towers")
    assert len(report.modules) == 3
    for module in report.modules:
        assert module.architecture == "MLP"
        assert (module.n_inputs, module.n_outputs) == (6, 2)
        assert module.modules == ()
    widths = np.array([module.widths for module in report.modules])
    assert tuple(widths.sum(axis=0)) == network.widths
    # Of one neuron there is one report.
    hidden = [{i for i, k in m.layer_of.items() if 0 < k <= m.depth} for m in report.modules]
    assert sum(map(len, hidden)) == len(set.union(*hidden)) == sum(network.widths)

    sizes = "-".join(map(str, (6, *report.modules[0].widths, 2)))
    assert report.remarks[0] == f"module 1: MLP {sizes}"
    assert "module 3: MLP" in report._repr_html_()
    written = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert [part["summary"] for part in written["modules"]] == [
        module.summary for module in report.modules
    ]
    assert written["modules"][0]["modules"] == []


def test_a_branch_that_waits_has_the_depth_of_its_own() -> None:
    """Relays hand the short branch on: contracted, it is one layer beside three."""
    _, report = judged("branches")
    assert sorted(module.depth for module in report.modules) == [1, 3]


def test_without_modules_there_are_no_reports() -> None:
    network = mlp(120, np.random.default_rng(0), n_hidden=2)
    report = analyse(network.weights, network.biases, n_null=200, **network.arguments)
    assert report.modules == ()
    assert report.remarks == []
    assert report.to_dict()["modules"] == []


def test_all_hidden_neurons_are_the_whole_graph_but_for_what_joins_the_ends() -> None:
    """A direct connection from an input to an output is no module's."""
    weights = np.zeros((5, 5))
    weights[2:4, :2] = [[1.0, 0.5], [0.3, 1.0]]
    weights[4, 2:4] = [1.0, -0.7]
    weights[4, 0] = 2.0
    facts = {"n_inputs": 2, "n_outputs": 1, "n_iterations": 2, "input_mode": "clamped"}
    graph = analyse(weights, **facts, n_null=200).effective
    part = part_of(graph, [2, 3])
    assert len(graph.edges) == len(part.edges) + 1
    assert not (part.edges.source_iteration == 1)[part.edges.source_neuron < 2].any()
    assert not len(part_of(graph, []).edges)
