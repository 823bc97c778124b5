"""With everything outside the graph from other samples: exact at both ends, by loops between them.

A graph that is all there is keeps the score; a graph that lacks a part loses what the part tells.
"""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis import StructureReport, analyse, faithfulness
from analysis.edges import Edges
from analysis.faithful import other_samples, passable, patched
from analysis.forward import forward
from analysis.network import FlatNetwork, flat_network
from tests.analysis.test_causal import teacher
from tests.planted import mlp, residual, rnn

SIZES = {"n_inputs": 2, "n_outputs": 2, "n_iterations": 3}


def random_network(**modes: str) -> tuple[FlatNetwork, np.ndarray, np.ndarray]:
    """Seven neurons, all wired; inputs and another sample for each."""
    rng = np.random.default_rng(0)
    net = flat_network(rng.normal(size=(7, 7)), rng.normal(size=7), **SIZES, **modes)
    return net, rng.normal(size=(5, 2)), other_samples(5, rng)


def by_loops(net: FlatNetwork, x: np.ndarray, kept: set, other: np.ndarray) -> np.ndarray:
    """Outputs where an edge (source, iteration, target) brings its own or another's activity."""
    phi = {"relu": lambda z: max(z, 0.0), "tanh": np.tanh}[net.activation]
    activity = forward(net, x).activity
    outputs = []
    for sample in range(len(x)):
        state = activity[0, sample]
        for l in range(3):
            total = [
                net.biases[i]
                + sum(
                    net.weights[i, j]
                    * (state[j] if (j, l, i) in kept else activity[l, other[sample], j])
                    for j in range(7)
                )
                for i in range(7)
            ]
            state = np.array(total if l == 2 else [phi(z) for z in total])
            if net.input_mode == "clamped" and l < 2:
                state[:2] = x[sample]
        outputs.append(state[-2:])
    return np.array(outputs)


@pytest.mark.parametrize("input_mode", ["pulse", "clamped"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_patched_by_loops(activation: str, input_mode: str) -> None:
    net, x, other = random_network(activation=activation, input_mode=input_mode)
    whole = forward(net, x)
    pool = passable(net)
    chosen = pool.where(np.random.default_rng(1).random(len(pool)) < 0.6)
    kept = set(
        zip(
            chosen.source_neuron.tolist(),
            chosen.source_iteration.tolist(),
            chosen.target_neuron.tolist(),
            strict=True,
        )
    )
    np.testing.assert_allclose(patched(net, whole, chosen, other), by_loops(net, x, kept, other))


@pytest.mark.parametrize("input_mode", ["pulse", "clamped"])
def test_all_edges_are_the_network_and_none_another_sample(input_mode: str) -> None:
    net, x, other = random_network(input_mode=input_mode)
    whole = forward(net, x)
    pool = passable(net)
    np.testing.assert_allclose(patched(net, whole, pool, other), whole.outputs)
    nothing = pool.where(np.zeros(len(pool), dtype=bool))
    np.testing.assert_allclose(patched(net, whole, nothing, other), whole.outputs[other])


def test_another_sample_is_another() -> None:
    for n in (2, 3, 50):
        other = other_samples(n, np.random.default_rng(n))
        assert sorted(other) == list(range(n))
        assert (other != np.arange(n)).all()


@pytest.mark.parametrize("make", [mlp, residual, rnn])
def test_the_graph_of_a_planted_network_is_all_there_is(make: Any) -> None:
    """Useless neurons around it may say what they like; as many edges at random say nothing."""
    options = {mlp: {"n_hidden": 2}, residual: {"n_blocks": 2}, rnn: {}}[make]
    network = make(150, np.random.default_rng(0), **options)
    x, y = teacher(network, np.random.default_rng(1))
    arguments = network.arguments
    report = analyse(network.weights, network.biases, inputs=x, n_null=200, **arguments)
    result = faithfulness(
        network.weights, network.biases, x, y, report, rng=np.random.default_rng(2)
    )
    assert result.whole == pytest.approx(1)
    # What is faint or an echo is outside, and says a little all the same.
    assert 0.95 < result.share < 1.01
    assert result.chance < 0
    if result.n_outside:
        assert result.random_scores.max() < result.score
        assert result.p_value == pytest.approx(1 / 21)
    json.dumps(result.to_dict(), allow_nan=False)


def without(report: StructureReport, source: int) -> StructureReport:
    """The report with the edges from a neuron out of its graph."""
    edges = report.effective.unrolled
    kept: Edges = edges.where(edges.source_neuron != source)
    return replace(report, effective=replace(report.effective, unrolled=kept))


def test_a_graph_without_a_part_loses_what_the_part_tells() -> None:
    """y = x0 + x1 with x1 of another sample: of equal independent parts R^2 is 1 - 2/2 = 0, and
    with both of another sample 1 - 4/2 = -1."""
    weights = np.zeros((3, 3))
    weights[2, :2] = 1.0
    x = np.random.default_rng(0).normal(size=(20_000, 2))
    y = x.sum(axis=1, keepdims=True)
    report = analyse(weights, n_inputs=2, n_outputs=1, n_iterations=1, inputs=x, n_null=200)
    rng = np.random.default_rng(1)
    whole = faithfulness(weights, None, x, y, report, rng=rng, n_random=3)
    assert (whole.score, whole.n_outside, whole.p_value) == (1.0, 0, 1.0)
    half = faithfulness(weights, None, x, y, without(report, 1), rng=rng, n_random=3)
    assert half.score == pytest.approx(0, abs=0.03)
    assert half.chance == pytest.approx(-1, abs=0.05)
    assert half.share == pytest.approx(0.5, abs=0.02)
    assert half.n_outside == 1


def test_what_the_threshold_cuts_counts_as_outside() -> None:
    """Weights that a threshold calls zero carry other samples, so that they must not matter."""
    network = mlp(120, np.random.default_rng(0), n_hidden=1)
    x, y = teacher(network, np.random.default_rng(1))
    sizes = np.abs(network.weights[network.weights != 0])
    arguments = network.arguments | {"threshold": float(np.median(sizes))}
    report = analyse(network.weights, network.biases, inputs=x, n_null=200, **arguments)
    result = faithfulness(
        network.weights, network.biases, x, y, report, rng=np.random.default_rng(2)
    )
    assert result.whole == pytest.approx(1)
    assert result.score < 0.95


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"inputs": np.zeros((5, 99))}, "inputs"),
        ({"inputs": np.zeros((1, 2)), "targets": np.zeros(1, dtype=int)}, "inputs"),
        ({"targets": np.zeros(4, dtype=int)}, "targets"),
        ({"weights": np.zeros((9, 9))}, "weights"),
        ({"n_random": 0}, "n_random"),
    ],
)
def test_arguments_are_refused_by_name(change: dict[str, Any], named: str) -> None:
    weights = np.tril(np.ones((5, 5)), -1)
    x = np.random.default_rng(0).normal(size=(6, 2))
    report = analyse(weights, n_inputs=2, n_outputs=1, n_iterations=2, n_null=200)
    given = {"weights": weights, "inputs": x, "targets": np.zeros(6, dtype=int)} | change
    ends = [given.pop(name) for name in ("weights", "inputs", "targets")]
    with pytest.raises(ValueError, match=f"^{named}"):
        faithfulness(ends[0], None, *ends[1:], report, rng=np.random.default_rng(0), **given)
