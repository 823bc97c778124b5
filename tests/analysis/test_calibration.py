"""p-values are uniform under their null model (fixed seeds), and false alarms are rare.

By Kolmogorov-Smirnov tests. Where a null is only matched in the mean (relays by chance), p must not
be too small too often; it may be conservative.
"""

from typing import Any

import numpy as np
from scipy import sparse, stats

from analysis import Verdict, analyse, flat_network
from analysis.effective import effective_graph
from analysis.layers import carry_and_add, layers
from analysis.nulls import empirical_p
from analysis.verdicts import Case
from analysis.verdicts.convolutional import _judge_layer, _kernels
from analysis.verdicts.fully_connected import fully_connected
from analysis.verdicts.locally_connected import Fields, locally_connected
from analysis.verdicts.residual import _carry_null, _handed_null, skip_joins
from tests.planted import VERDICTS, random_levelled, random_recurrent

N_DRAWS = 199
"""Draws of each null: p is a multiple of 1/200."""


def uniform(p: list[float]) -> float:
    """KS p-value of empirical p-values, spread within their steps of 1 / (1 + N_DRAWS)."""
    spread = np.array(p) - np.random.default_rng(99).random(len(p)) / (1 + N_DRAWS)
    return stats.kstest(spread, "uniform").pvalue


def case_of(weights: np.ndarray, rng: np.random.Generator, **facts: Any) -> Case:
    """A network to judge, of no kind so far."""
    net = flat_network(weights, **facts)
    graph = effective_graph(net)
    earlier = {
        "locally_connected": Verdict("locally_connected", False, 1.0, None, {"local_layers": []}),
        "residual": Verdict("residual", False, 0.0, None),
    }
    return Case(net, graph, layers(graph), rng, N_DRAWS, earlier)


def test_locally_connected() -> None:
    p = []
    for seed in range(200):
        rng = np.random.default_rng([1, seed])
        weights = np.zeros((50, 50))
        weights[20:38, :20] = rng.normal(size=(18, 20)) * (rng.random((18, 20)) < 0.3)
        weights[38:46, 20:38] = rng.normal(size=(8, 18))
        weights[46:, 38:46] = rng.normal(size=(4, 8))

        facts = {"n_inputs": 20, "n_outputs": 4, "n_iterations": 3, "activation": "tanh"}
        positions = rng.uniform(size=(50, 2))
        p.append(locally_connected(case_of(weights, rng, positions=positions, **facts)).p_value)
    assert uniform(p) > 0.01


def test_convolutional() -> None:
    p = []
    for seed in range(150):
        rng = np.random.default_rng([2, seed])
        sites = np.arange(20.0)[:, None]
        window = np.abs(sites - sites[2:18].T).T <= 2
        positions = np.concatenate([sites, sites[2:18]])
        weights = sparse.csr_array(np.where(window, rng.normal(size=(16, 20)), 0.0))

        fields = Fields(1, weights, np.arange(20, 36), np.arange(20))
        kernels = _kernels(fields, positions, np.zeros(36, dtype=int), False)
        p.append(_judge_layer(1, kernels, N_DRAWS, rng)["p_value"])
    assert uniform(p) > 0.01


def test_fully_connected() -> None:
    p = []
    facts = {"n_inputs": 4, "n_outputs": 3, "n_iterations": 6, "activation": "tanh"}
    for seed in range(150):
        rng = np.random.default_rng([3, seed])
        weights = rng.normal(size=(20, 20)) * (rng.random((20, 20)) < 0.5)
        p.append(fully_connected(case_of(weights, rng, **facts)).p_value)
    assert uniform(p) > 0.01


def test_carry_and_add() -> None:
    p = []
    facts = {"n_inputs": 5, "n_outputs": 4, "n_iterations": 4, "activation": "tanh"}
    for seed in range(200):
        rng = np.random.default_rng([4, seed])
        graph = case_of(rng.normal(size=(30, 30)), rng, **facts).graph
        null = _carry_null(graph, carry_and_add(graph), rng=rng, n_draws=N_DRAWS)
        p.append(empirical_p(*null, rng=rng))
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_relays_on_skips_are_not_called_too_often() -> None:
    p = []
    for seed in range(200):
        rng = np.random.default_rng([5, seed])
        weights = rng.normal(size=(60, 60)) * (rng.random((60, 60)) < 4 / 60)
        case = case_of(weights, rng, n_inputs=8, n_outputs=5, n_iterations=5)
        skips = case.graph.edges.where(skip_joins(case.graph, case.layers, rng=rng))
        null = _handed_null(case.graph, skips, rng=rng, n_draws=N_DRAWS)
        p.append(empirical_p(*null, rng=rng))

    assert stats.kstest(p, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) <= 0.06


def test_false_alarms_on_200_random_sparse_networks() -> None:
    """100 layered ones must be silent.

    100 recurrent ones do re-use neurons, so `recurrent` is no false alarm there.
    """
    alarms = dict.fromkeys(VERDICTS, 0)
    for seed in range(200):
        rng = np.random.default_rng([6, seed])
        make = random_levelled if seed % 2 else random_recurrent
        network = make(int(rng.integers(150, 500)), rng)
        report = analyse(network.weights, network.biases, n_null=200, **network.arguments)
        for name, verdict in report.verdicts.items():
            alarms[name] += verdict.present and name not in network.true
    assert max(alarms.values()) <= 10, alarms
