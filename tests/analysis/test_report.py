"""`analyse` refuses what it cannot judge, repeats itself exactly, and shows itself safely."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import analysis
from analysis import analyse
from analysis.effective import EffectiveGraph, effective_graph
from tests.planted import FAMILIES, local, mlp, residual

GOOD = {"n_inputs": 2, "n_outputs": 1, "n_iterations": 2}
"""Sizes that fit five neurons."""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"weights": np.full((5, 5), np.nan)}, "weights"),
        ({"weights": np.zeros((5, 4))}, "weights"),
        ({"weights": np.zeros(5)}, "weights"),
        ({"weights": [["a"]]}, "weights"),
        ({"biases": np.zeros(4)}, "biases"),
        ({"biases": np.full(5, np.inf)}, "biases"),
        ({"n_iterations": 0}, "n_iterations"),
        ({"n_iterations": 1.5}, "n_iterations"),
        ({"n_inputs": 0}, "n_inputs"),
        ({"n_inputs": True}, "n_inputs"),
        ({"n_outputs": 0}, "n_outputs"),
        ({"n_inputs": 5}, "n_inputs"),
        ({"positions": np.zeros((4, 2))}, "positions"),
        ({"positions": np.zeros(5)}, "positions"),
        ({"weights": np.eye(5), "positions": np.tile([0.0, np.nan], (5, 1))}, "positions"),
        ({"positions": "here"}, "positions"),
        ({"inputs": np.zeros((3, 3))}, "inputs"),
        ({"inputs": np.full((3, 2), np.nan)}, "inputs"),
        ({"inputs": np.zeros((1, 2))}, "inputs"),
        ({"input_mode": "drip"}, "input_mode"),
        ({"activation": "gelu"}, "activation"),
        ({"n_null": 10}, "n_null"),
        ({"seed": -1}, "seed"),
        ({"threshold": -1.0}, "threshold"),
        ({"threshold": np.nan}, "threshold"),
        ({"threshold": "low"}, "threshold"),
    ],
)
def test_arguments_are_refused_by_name_in_one_line(change: dict[str, Any], named: str) -> None:
    arguments = {"weights": np.zeros((5, 5)), "biases": None, **GOOD} | change
    with pytest.raises(ValueError, match=f"^{named}") as caught:
        analyse(arguments.pop("weights"), arguments.pop("biases"), **arguments)
    assert "\n" not in str(caught.value)


def test_outputs_need_no_position() -> None:
    positions = np.random.default_rng(0).uniform(size=(5, 2))
    positions[-1] = np.nan
    assert analyse(np.zeros((5, 5)), positions=positions, **GOOD).status == "disconnected"
    assert np.isnan(positions[-1]).all()


def test_removed_neurons_need_no_position() -> None:
    network = local(200, np.random.default_rng(0), dim=1, n_hidden=1)
    positions = network.arguments["positions"].copy()
    positions[~(network.weights != 0).any(axis=0)] = np.nan
    arguments = network.arguments | {"positions": positions}
    assert (
        analyse(network.weights, network.biases, **arguments).verdicts["locally_connected"].present
    )


def test_disconnected_is_said_and_shown() -> None:
    report = analyse(np.zeros((5, 5)), **GOOD)
    assert (report.status, report.summary, report.depth, report.widths) == (
        "disconnected",
        "disconnected",
        0,
        (),
    )
    assert not any(verdict.present for verdict in report.verdicts.values())
    assert len(report.graph) == 0
    json.dumps(report.to_dict())
    assert "disconnected" in report._repr_html_()


def test_the_same_seed_gives_the_same_report() -> None:
    network = local(200, np.random.default_rng(0), dim=1, n_hidden=1)
    first, again, other = (
        analyse(network.weights, network.biases, seed=seed, **network.arguments)
        for seed in (3, 3, 4)
    )
    assert first.to_dict() == again.to_dict()
    assert first.to_dict() != other.to_dict()


def test_arguments_are_left_alone() -> None:
    network = mlp(120, np.random.default_rng(0), n_hidden=2).noised(np.random.default_rng(1))
    before = network.weights.copy(), network.biases.copy(), network.arguments["positions"].copy()
    analyse(network.weights, network.biases, n_null=200, **network.arguments)
    for kept, now in zip(
        before, (network.weights, network.biases, network.arguments["positions"]), strict=True
    ):
        np.testing.assert_array_equal(kept, now)


def test_summaries() -> None:
    rng = np.random.default_rng(0)
    network = mlp(150, rng, n_hidden=3)
    report = analyse(network.weights, network.biases, **network.arguments)
    sizes = (network.arguments["n_inputs"], *network.widths, network.arguments["n_outputs"])
    assert report.summary == "MLP " + "-".join(map(str, sizes))
    narrow = local(200, rng, dim=2, n_hidden=1)

    n_inputs = narrow.arguments["n_inputs"]
    n_outputs = narrow.arguments["n_outputs"]
    assert analyse(narrow.weights, narrow.biases, **narrow.arguments).summary == (
        f"local {n_inputs}-(9)-{narrow.widths[0]}-{n_outputs}"
    )
    skipping = residual(200, rng, n_blocks=2)
    assert analyse(skipping.weights, skipping.biases, **skipping.arguments).summary.startswith(
        "residual "
    )


def test_the_dictionary_is_plain_json_and_complete() -> None:
    network = residual(200, np.random.default_rng(0), n_blocks=1).noised(np.random.default_rng(1))
    report = analyse(network.weights, network.biases, **network.arguments)
    written = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert set(written["verdicts"]) == {
        "fully_connected",
        "locally_connected",
        "convolutional",
        "residual",
        "recurrent",
        "modular",
    }
    assert written["threshold"]["rule"] == "universal"
    assert len(written["verdicts"]["residual"]["sweep"]) == 5
    assert written["widths"] == list(report.widths)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_report_is_plain_json(family: str) -> None:
    least, make = FAMILIES[family]
    network = make(least, np.random.default_rng(2))
    report = analyse(network.weights, network.biases, n_null=200, **network.arguments)
    json.dumps(report.to_dict(), allow_nan=False)
    assert report.status == network.status


def test_the_graph_holds_each_layer() -> None:
    network = mlp(120, np.random.default_rng(0), n_hidden=2)
    report = analyse(network.weights, network.biases, **network.arguments)
    layers = [data["layer"] for _, data in report.graph.nodes(data=True)]
    assert [layers.count(k) for k in (1, 2)] == list(network.widths)
    for source, target, weight in report.graph.edges(data="weight"):
        assert network.weights[target[0], source[0]] == weight


def test_html_is_escaped() -> None:
    report = analyse(np.zeros((5, 5)), **GOOD)
    verdict = report.verdicts["residual"]
    nasty = replace(verdict, evidence={"effect_is": "<script>"})
    shown = replace(report, verdicts=report.verdicts | {"residual": nasty})._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_torch_tensors_are_welcome() -> None:
    torch = pytest.importorskip("torch")
    network = mlp(120, np.random.default_rng(0), n_hidden=2)
    arguments = network.arguments | {"positions": torch.tensor(network.arguments["positions"])}
    report = analyse(torch.tensor(network.weights), torch.tensor(network.biases), **arguments)
    assert report.widths == network.widths


def test_what_data_silence_is_no_structure() -> None:
    """Two experts, of which the biases silence the second on the data.

    Without data both count.
    """
    weights = np.zeros((8, 8))
    weights[2:6, 0:2] = 1.0
    weights[6:, 2:6] = 1.0
    biases = np.array([0, 0, 0, 0, -50.0, -50.0, 0, 0])
    x = np.random.default_rng(0).normal(size=(100, 2))
    assert analyse(weights, biases, n_inputs=2, n_outputs=2, n_iterations=2).widths == (4,)
    assert analyse(weights, biases, n_inputs=2, n_outputs=2, n_iterations=2, inputs=x).widths == (
        2,
    )


def blas_threads() -> list[int]:
    """Threads of each library of linear algebra."""
    return [
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    ]


def test_verdicts_take_one_thread_and_give_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Busy threads that share a core wait for each other, tens of times longer than they work."""
    assert blas_threads()
    counts = []

    def watched(*args: Any, **settings: Any) -> EffectiveGraph:
        counts.extend(blas_threads())
        return effective_graph(*args, **settings)

    monkeypatch.setattr("analysis.judge.effective_graph", watched)
    with threadpool_limits(2, user_api="blas"):
        analyse(np.tril(np.ones((5, 5)), -1), n_null=200, **GOOD)
        after = blas_threads()
    assert set(counts) == {1}
    assert set(after) == {2}


def test_the_package_is_light_until_it_is_used() -> None:
    """`import analysis` loads nothing, and judging no plots."""
    code = "; ".join(
        (
            "import sys, analysis",
            "print([name for name in ('numpy', 'scipy', 'networkx') if name in sys.modules])",
            "analysis.analyse",
            "print([name for name in ('matplotlib', 'urn') if name in sys.modules])",
            "print(all(hasattr(analysis, name) for name in analysis.__all__))",
        )
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.split("\n") == ["[]", "[]", "True", ""], answer.stderr


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'analyze'"):
        analysis.analyze  # noqa: B018 (the look-up is the test)
