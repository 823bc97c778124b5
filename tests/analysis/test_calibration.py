"""p-values are uniform under their null model (fixed seeds), and false alarms are rare.

By Kolmogorov-Smirnov tests. Where a null is only matched in the mean (relays by chance), p must not
be too small too often; it may be conservative.
"""

from typing import Any

import numpy as np
import pytest
from scipy import sparse, stats

from analysis import Verdict, analyse, flat_network
from analysis.effective import effective_graph
from analysis.layers import carry_and_add, layers
from analysis.modules import Signal, leading
from analysis.nulls import empirical_p
from analysis.verdicts import Case
from analysis.verdicts.convolutional import _judge_layer, _taps
from analysis.verdicts.fields import Fields
from analysis.verdicts.fully_connected import Block, _thrown, _typical_density
from analysis.verdicts.locally_connected import locally_connected
from analysis.verdicts.recurrent import _dispersion, _ends
from analysis.verdicts.residual import _carry_null, _handed_null, skip_joins
from experiments.benchmarks.alarms import APART, RANDOM, RandomNetwork, count_alarms, exchange

N_DRAWS = 99
"""Draws of each null: p is a multiple of 1/100."""


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
        "convolutional": Verdict("convolutional", False, 0.0, None, {"layers": []}),
        "residual": Verdict("residual", False, 0.0, None),
    }
    return Case(net, graph, layers(graph), rng, N_DRAWS, earlier)


@pytest.mark.parametrize("learned", [False, True])
def test_locally_connected(learned: bool) -> None:
    """Learned: every hidden neuron has moved to the centre of what it hears."""
    p: dict[str, list[float]] = {"p_positions": [], "p_fields": []}
    for seed in range(100):
        rng = np.random.default_rng([1, seed])
        weights = np.zeros((50, 50))
        weights[20:38, :20] = rng.normal(size=(18, 20)) * (rng.random((18, 20)) < 0.3)
        weights[38:46, 20:38] = rng.normal(size=(8, 18))
        weights[46:, 38:46] = rng.normal(size=(4, 8))

        facts = {"n_inputs": 20, "n_outputs": 4, "n_iterations": 3, "activation": "tanh"}
        positions = rng.uniform(size=(50, 2))
        if learned:
            share = np.abs(weights) / np.abs(weights).sum(axis=1, keepdims=True).clip(1e-12)
            positions[20:38] = share[20:38] @ positions
            facts |= {"positions_learned": True}
        verdict = locally_connected(case_of(weights, rng, positions=positions, **facts))
        for name, values in p.items():
            values.append(verdict.evidence["layers"][0][name])
    assert uniform(p["p_positions"]) > 0.01
    assert uniform(p["p_fields"]) > 0.01


def test_learned_positions_leave_p_valid() -> None:
    """Hidden neurons that moved to where their weights are, over random wiring.

    At their own positions the second layer is local nearly always; these are left out.
    """
    alarms = {True: 0, False: 0}
    facts = {"n_inputs": 24, "n_outputs": 3, "n_iterations": 3, "n_null": 200}
    for seed in range(16):
        rng = np.random.default_rng([7, seed])
        weights = np.zeros((24 + 20 + 20 + 3, 24 + 20 + 20 + 3))
        weights[24:44, :24] = rng.normal(size=(20, 24)) * (rng.random((20, 24)) < 0.3)
        ring = np.arange(20)
        mixed = rng.permutation(20)
        for offset in (-1, 0, 1):
            weights[44 + ring, 24 + mixed[(ring + offset) % 20]] = rng.normal(size=20)
        weights[64:, 44:64] = rng.normal(size=(3, 20))

        positions = rng.uniform(size=(67, 1))
        positions[24 + mixed, 0] = ring / 20
        for learned in alarms:
            report = analyse(weights, positions=positions, positions_learned=learned, **facts)
            alarms[learned] += report.verdicts["locally_connected"].present
    assert alarms[False] >= 14
    assert alarms[True] == 0


def test_convolutional() -> None:
    p = []
    for seed in range(150):
        rng = np.random.default_rng([2, seed])
        sites = np.arange(20.0)[:, None]
        window = np.abs(sites - sites[2:18].T).T <= 2
        positions = np.concatenate([sites, sites[2:18]])
        weights = sparse.csr_array(np.where(window, rng.normal(size=(16, 20)), 0.0))

        fields = Fields(1, weights, np.arange(20, 36), np.arange(20))
        taps = _taps(fields, positions, np.zeros(36, dtype=int), False)
        p.append(_judge_layer(1, taps, N_DRAWS, rng)["p_value"])
    assert uniform(p) > 0.01


def test_fully_connected() -> None:
    """Edges thrown over layers of 12, 10, 10 and 8 neurons, of which each block gets some."""
    sizes = [12, 10, 10, 8]
    pairs = {(k, m): sizes[k] * sizes[m] for m in range(1, 4) for k in range(m)}
    p = []
    for seed in range(300):
        rng = np.random.default_rng([3, seed])
        counts = rng.multivariate_hypergeometric(list(pairs.values()), 150)
        wired = dict(zip(pairs, counts.tolist(), strict=True))
        table = [
            Block(
                layer=k,
                n_sources=sizes[k - 1],
                n_targets=sizes[k],
                n_edges=wired[k - 1, k],
                density=wired[k - 1, k] / pairs[k - 1, k],
                mass=0.0,
            )
            for k in range(1, 4)
        ]
        n_skips = wired[0, 2] + wired[0, 3] + wired[1, 3]
        draws, _ = _thrown(table, n_skips, [], N_DRAWS, rng)
        p.append(empirical_p(_typical_density(table[:-1], wired[0, 2], []), draws, rng=rng))
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_recurrent() -> None:
    """Ends: weights over all neurons alike. Dispersion: weights thrown at random pairs."""
    by_ends = []
    thrown = []
    facts = {"n_inputs": 6, "n_outputs": 4, "n_iterations": 5, "activation": "tanh"}
    for seed in range(200):
        rng = np.random.default_rng([8, seed])
        density = 1.0 if seed % 2 else 0.3
        weights = rng.normal(size=(30, 30)) * (rng.random((30, 30)) < density)
        net = flat_network(weights, **facts)
        by_ends.append(_ends(net, np.arange(30), weights**2, N_DRAWS, rng)[1])

        power = np.zeros((40, 40))
        np.add.at(power, tuple(rng.integers(40, size=(2, 60))), rng.random(60))
        group = np.repeat([0, 1, 2], [8, 26, 6])
        thrown.append(_dispersion(power, group, N_DRAWS, rng)[1])
    assert uniform(by_ends) > 0.01
    assert uniform(thrown) > 0.01


def test_modular() -> None:
    """Connections at random between the neurons of three hidden layers."""
    p = []
    layer = np.repeat([0, 1, 2, 3, 4], [6, 12, 12, 12, 3])
    for seed in range(60):
        rng = np.random.default_rng([9, seed])
        low = rng.integers(0, 4, size=200)
        source = np.array([rng.choice(np.flatnonzero(layer == k)) for k in low])
        target = np.array([rng.choice(np.flatnonzero(layer == k + 1)) for k in low])
        signal = Signal(
            source,
            target,
            rng.random(200),
            low * 5 + low + 1,
            np.arange(45),
            layer,
            np.full(45, 0.1),
            (layer > 0) & (layer < 4),
        )
        p.append(empirical_p(*leading(signal, N_DRAWS, rng)))
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


@pytest.mark.parametrize("kind", RANDOM)
def test_random_networks_have_no_structure(kind: str) -> None:
    """Ten of each kind; a thousand are drawn by `python -m experiments.benchmarks alarms`."""
    alarms = count_alarms(kind, 10, seed=1)
    del alarms[APART]
    assert sum(alarms.values()) <= 1, alarms


def test_modules_that_hear_each_other_are_told_from_those_that_do_not() -> None:
    """Two chains of neurons; then half of what the second one hears comes from the first."""
    weights = np.zeros((10, 10))
    weights[[2, 3, 8], [0, 2, 3]] = 1.0
    weights[[4, 5, 9], [1, 4, 5]] = 1.0
    apart = RandomNetwork(weights, np.zeros((10, 1)), 2, 2, 3)
    assert exchange(apart, [[2, 3], [4, 5]]) == 0

    # ReLU halves the input; the second chain's first neuron then hears the first one's input too.
    joined = weights.copy()
    joined[5, 2] = 1.0
    heard = exchange(RandomNetwork(joined, np.zeros((10, 1)), 2, 2, 3), [[2, 3], [4, 5]])
    assert 0.1 < heard < 1
