"""Verdicts on planted networks, and on small ones where the numbers can be worked out by hand."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy import stats

from analysis import StructureReport, analyse
from analysis.verdicts import VERDICTS, Case, Kind, Verdict, in_order, register
from analysis.verdicts.fully_connected import _chance_of_most
from analysis.verdicts.recurrent import services
from analysis.verdicts.verdict import Bar, decide
from experiments.benchmarks.planted import run
from experiments.planted_harder import EVERY, HARDER
from tests.analysis.test_effective import graph_of, wire
from tests.planted import FAMILIES, local, mlp, residual, rnn
from tests.planting import Planted


def judge(network: Planted, **options: Any) -> StructureReport:
    return analyse(
        network.weights,
        network.biases,
        n_null=options.pop("n_null", 400),
        **network.arguments | options,
    )


def test_planted_networks_are_named() -> None:
    """One of each family: as it is, on data, and with noise.

    The full benchmark is `python -m experiments.benchmarks planted`.
    """
    result = run(1, n_null=400, seed=7, show=False)
    misses = [(name, errors) for name, _, errors, _ in result["misses"]]
    assert result["n_networks"] == 3 * len(EVERY)
    assert result["accuracy"] >= 0.99, misses
    assert result["inexact_layers"] == 0, misses


def test_every_planted_network_is_hidden_among_useless_neurons() -> None:
    network = mlp(200, np.random.default_rng(0), n_hidden=2)
    report = judge(network)
    wired = (network.weights != 0).any(axis=0) & (network.weights != 0).any(axis=1)
    assert wired.sum() > 2 * sum(network.widths)
    assert (network.weights != 0).sum() > 1.5 * report.n_used_weights


def test_block_densities_of_a_perceptron() -> None:
    network = mlp(150, np.random.default_rng(0), n_hidden=2)
    verdict = judge(network).verdicts["fully_connected"]
    assert verdict.effect == 1.0
    densities = [block["density"] for block in verdict.evidence["blocks"]]
    assert densities == pytest.approx([1, 1, 1], abs=0.02)
    assert [block["n_targets"] for block in verdict.evidence["blocks"]] == [
        *network.widths,
        network.arguments["n_outputs"],
    ]


def test_a_random_field_is_as_wide_as_a_permuted_one() -> None:
    rng = np.random.default_rng(0)
    wide = judge(mlp(150, rng, n_hidden=2)).verdicts["locally_connected"]
    narrow = judge(local(200, rng, dim=1, n_hidden=1)).verdicts["locally_connected"]
    assert wide.effect == pytest.approx(1, abs=0.15)
    assert narrow.effect < 0.35
    assert (
        narrow.evidence["layers"][0]["morans_i"] > 0.2 > abs(wide.evidence["layers"][0]["morans_i"])
    )


def test_permuting_the_inputs_destroys_locality() -> None:
    """The control of MNIST-1D: the same network, its inputs shuffled in space, is not local."""
    rng = np.random.default_rng(1)
    network = local(250, rng, dim=2, n_hidden=1)
    positions = network.arguments["positions"].copy()
    n_inputs = network.arguments["n_inputs"]
    positions[:n_inputs] = rng.permutation(positions[:n_inputs])
    assert judge(network).verdicts["locally_connected"].present
    shuffled = judge(network, positions=positions).verdicts["locally_connected"]
    assert not shuffled.present
    assert shuffled.effect > 0.8


def test_kernels_explain_what_they_share() -> None:
    rng = np.random.default_rng(2)
    network = local(350, rng, dim=1, n_hidden=1, channels=3, shared=True)
    exact = judge(network).verdicts["convolutional"]
    assert exact.effect == pytest.approx(1)
    assert exact.evidence["layers"][0]["matched"] == 1
    independent = local(350, rng, dim=1, n_hidden=1, channels=3)
    assert judge(independent).verdicts["convolutional"].effect < 0.5

    # Half the kernel power replaced by independent weights: sharing still explains much, but it is
    # no convolution.
    noise = np.where(network.weights != 0, rng.normal(size=network.weights.shape), 0) * 0.4
    half = network.weights + noise
    report = analyse(half, network.biases, n_null=400, **network.arguments)
    spoiled = report.verdicts["convolutional"]
    assert 0.1 < spoiled.effect < 0.8
    assert not spoiled.present


def test_without_positions_nothing_is_local() -> None:
    network = local(200, np.random.default_rng(0), dim=1, n_hidden=1)
    verdict = judge(network, positions=None).verdicts["locally_connected"]
    assert not verdict.present
    assert verdict.p_value is None


@pytest.mark.parametrize("n_blocks", [1, 2, 3, 4])
def test_blocks_are_counted(n_blocks: int) -> None:
    network = residual(260, np.random.default_rng(n_blocks), n_blocks=n_blocks)
    evidence = judge(network).verdicts["residual"].evidence
    assert evidence["n_blocks"] == n_blocks
    assert evidence["n_skip_targets"] == n_blocks * network.widths[0]


def test_without_its_skips_a_residual_network_is_a_perceptron() -> None:
    network = residual(200, np.random.default_rng(3), n_blocks=2)
    report = judge(network)
    weights = network.weights.copy()
    skips = report.effective.edges.where(report.layering.span > 1)
    weights[skips.target_neuron, skips.via_neuron] = 0
    cut = analyse(weights, network.biases, n_null=400, **network.arguments)
    assert not cut.verdicts["residual"].present
    assert cut.summary.startswith("MLP")
    assert (cut.depth, cut.widths) == (report.depth, report.widths)


def test_services_of_sums_relays_and_repeated_steps() -> None:
    # 1 gets 0 at l = 1, 2 at l = 2 and 3 at l = 3, and carries itself: a single running sum.
    running = wire(5, (0, 1, 1), (0, 2, 1), (2, 3, 1), (2, 1, 1), (3, 1, 1), (1, 1, 1), (1, 4, 1))
    biases = [0, 0, -0.1, -0.1, 0]
    assert services(graph_of(running, biases, n_iterations=4)).tolist() == [0, 1, 1, 1, 0]

    # The same weights again at each iteration: a recurrent step.
    again = wire(
        4,
        (0, 1, 1),
        (0, 2, 1),
        (1, 2, 0.7),
        (2, 1, 0.7),
        (1, 1, 1),
        (2, 2, 1),
        (1, 3, 1),
        (2, 3, 1),
    )
    assert services(graph_of(again, n_iterations=4)).tolist() == [0, 2, 2, 0]

    # Relays do not compute.
    relayed = wire(3, (0, 1, 1), (1, 1, 1), (1, 2, 1))
    assert services(graph_of(relayed, n_iterations=4)).tolist() == [0, 1, 0]


def test_a_residual_network_with_tied_weights_is_residual_and_recurrent() -> None:
    """An identity-initialised recurrent network (Le, Jaitly & Hinton 2015): W = 1 + small."""
    rng = np.random.default_rng(0)
    weights = np.zeros((60, 60))
    hidden = np.arange(10, 50)
    weights[np.ix_(hidden, np.arange(10))] = rng.normal(size=(40, 10)) / 3
    weights[np.ix_(hidden, hidden)] = np.eye(40) + rng.normal(size=(40, 40)) * 0.12
    weights[50:, hidden] = rng.normal(size=(10, 40)) / 6
    report = analyse(weights, n_inputs=10, n_outputs=10, n_iterations=5)
    assert report.verdicts["residual"].present
    assert report.verdicts["recurrent"].present
    assert report.verdicts["residual"].evidence["carry_and_add_share"] > 0.5


def test_self_weights_by_chance_are_no_residual_stream() -> None:
    assert not judge(rnn(60, np.random.default_rng(4))).verdicts["residual"].present


def test_a_network_without_hidden_layers() -> None:
    rng = np.random.default_rng(5)
    weights = np.zeros((20, 20))
    weights[12:, :8] = rng.normal(size=(8, 8))
    report = analyse(
        weights, n_inputs=8, n_outputs=8, n_iterations=1, positions=rng.uniform(size=(20, 2))
    )
    assert (report.depth, report.widths, report.summary) == (0, (), "linear 8-8")
    assert report.verdicts["fully_connected"].effect == 1.0


@pytest.mark.parametrize(
    "family", ["mlp 3", "residual 2", "carried 2", "local 1d deep", "conv 2d", "rnn pulse"]
)
def test_data_do_not_change_the_verdicts(family: str) -> None:
    rng = np.random.default_rng(8)
    network = FAMILIES[family][1](400, rng)
    report = judge(network, inputs=rng.normal(size=(300, network.arguments["n_inputs"])))
    assert {name for name, verdict in report.verdicts.items() if verdict.present} == network.true
    assert report.depth == network.depth


def test_a_margin_is_the_distance_to_the_nearest_bar() -> None:
    bars = [Bar("wide", 0.6, 0.5), Bar("p", 0.004, 0.01, at_least=False)]
    verdict = decide("x", 0.6, 0.004, {}, bars)
    assert verdict.present
    assert verdict.margin == pytest.approx(0.2)
    assert verdict.nearly  # with the first bar a quarter higher it is absent

    sure = decide("x", 0.9, 0.004, {}, [Bar("wide", 0.9, 0.5), bars[1]])
    assert not sure.nearly
    absent = decide("x", 0.4, 0.004, {}, [Bar("wide", 0.4, 0.5), bars[1]])
    assert not absent.present
    assert absent.margin == pytest.approx(-0.2)
    assert absent.nearly
    # Two bars missed: moving one of them is not enough.
    both = decide("x", 0.4, 0.02, {}, [Bar("wide", 0.4, 0.5), Bar("p", 0.02, 0.01, False)])
    assert not both.nearly


def test_modules_are_described() -> None:
    network = HARDER["three towers"][1](200, np.random.default_rng(0))
    evidence = judge(network).verdicts["modular"].evidence
    assert evidence["n_modules"] == 3
    widths = np.array([module["widths"] for module in evidence["modules"]])
    assert tuple(widths.sum(axis=0)) == network.widths
    assert all(module["n_inputs"] == 6 for module in evidence["modules"])
    assert all(module["n_outputs"] == 2 for module in evidence["modules"])
    neurons = [set(module["neurons"]) for module in evidence["modules"]]
    assert not set.intersection(*neurons)


@pytest.mark.parametrize("dilation", [8, 12])
def test_a_dilation_is_read_off_the_kernels(dilation: int) -> None:
    network = HARDER[f"dilation {dilation}"][1](400, np.random.default_rng(0))
    evidence = judge(network).verdicts["convolutional"].evidence
    assert evidence["dilation"] == [dilation]
    assert evidence["stride"] == [1]


def test_untrained_dense_matrices_are_not_recurrent() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        weights = rng.normal(size=(60, 60)) / np.sqrt(60)
        report = analyse(weights, n_inputs=10, n_outputs=5, n_iterations=4, n_null=200)
        assert not report.verdicts["recurrent"].present
        assert report.architecture == "unstructured"


@pytest.mark.parametrize("size", [1e-6, 1e-4])
@pytest.mark.parametrize("share", [0.01, 0.3])
def test_faint_weights_change_no_verdict(share: float, size: float) -> None:
    for name in ("mlp 3", "local 1d", "conv 1d", "residual 2", "two towers"):
        rng = np.random.default_rng(3)
        network = EVERY[name][1](EVERY[name][0], rng)
        weights = network.weights.copy()
        faint = (rng.random(weights.shape) < share) & (weights == 0)
        weights[faint] = size * np.abs(weights).max() * rng.normal(size=int(faint.sum()))
        report = analyse(weights, network.biases, n_null=400, **network.arguments)
        present = {kind for kind, verdict in report.verdicts.items() if verdict.present}
        assert present - network.free == network.true - network.free, name
        assert report.widths == network.widths, name


def test_learned_positions_do_not_make_a_layer_local() -> None:
    """Hidden neurons put where their weights are: what pricing the length of wires does."""
    rng = np.random.default_rng(4)
    network = mlp(120, rng, n_hidden=2, density=0.6)
    report = judge(network)
    first = report.layering.neurons(1)
    second = report.layering.neurons(2)
    positions = rng.uniform(size=network.arguments["positions"].shape)
    # Each neuron of the first layer beside the neuron of the second that hears it best.
    block = np.abs(network.weights[np.ix_(second, first)])
    positions[first] = positions[second][block.argmax(axis=0)]
    sparse = network.weights.copy()
    sparse[np.ix_(second, first)] = np.where(block == block.max(axis=0), block, 0.0)
    facts = network.arguments | {"positions": positions, "n_null": 400}
    follows = analyse(sparse, network.biases, **facts)
    left_out = analyse(sparse, network.biases, positions_learned=True, **facts)
    assert not left_out.verdicts["locally_connected"].present
    assert len(follows.verdicts["locally_connected"].evidence["layers"]) == 2


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("family", ["mlp 4", "residual 3", "carried 4", "random levelled"])
def test_weak_noise_with_heavy_tails_changes_no_verdict(family: str, heavy: bool) -> None:
    """Laplacian noise leaves stray weights above any threshold that is set for Gaussian noise."""
    rng = np.random.default_rng(9)
    network = FAMILIES[family][1](300, rng).noised(rng, heavy=heavy)
    report = judge(network)
    assert report.threshold.rule == "universal"
    assert {name for name, verdict in report.verdicts.items() if verdict.present} == network.true


def test_a_ring_convolution_with_a_strong_tap() -> None:
    """Kernels wrap around a closed lattice, and many are alike by chance: a tap dominates."""
    rng = np.random.default_rng(10)
    weights = np.zeros((40 + 120 + 4, 40 + 120 + 4))
    site = np.arange(40)
    for c in range(3):
        kernel = 0.05 * rng.normal(size=9)
        kernel[rng.integers(9)] = 1.0
        for offset, weight in zip(range(-4, 5), kernel, strict=True):
            weights[40 + 40 * c + site, (site + offset) % 40] = weight
    weights[160:, 40:160] = rng.normal(size=(4, 120))

    line = site[:, None] / 39
    positions = np.concatenate([np.tile(line, (4, 1)), np.full((4, 1), np.nan)])
    arguments = {
        "n_inputs": 40,
        "n_outputs": 4,
        "n_iterations": 2,
        "positions": positions,
        "n_null": 400,
    }
    verdict = analyse(weights, **arguments).verdicts["convolutional"]
    assert verdict.present
    assert verdict.evidence["layers"][0]["cyclic"]

    # The same, with positions on a ring.
    ring = 0.5 * np.column_stack([np.cos(site * np.pi / 20), np.sin(site * np.pi / 20)])
    ring = np.concatenate([np.tile(ring, (4, 1)), np.full((4, 2), np.nan)])
    assert analyse(weights, **arguments | {"positions": ring}).verdicts["convolutional"].present

    # The same taps in another order at each site: local still, shared no more.
    moved = weights.copy()
    for i in range(40, 160):
        taps = np.flatnonzero(weights[i, :40])
        moved[i, taps] = rng.permutation(weights[i, taps])
    assert not analyse(moved, **arguments).verdicts["convolutional"].present


def test_few_draws_still_find_a_convolution_of_several_layers() -> None:
    """Three local layers, each read as a line or as a ring, are six chances.

    200 draws reach no p that allows for that.
    """
    network = local(400, np.random.default_rng(11), dim=1, n_hidden=3, channels=3, shared=True)
    for n_null in (200, 1000):
        verdict = judge(network, n_null=n_null).verdicts["convolutional"]
        assert len(verdict.evidence["layers"]) == 3
        assert verdict.present


def hubs(case: Case) -> Verdict:
    """A verdict from outside the package: a hidden neuron that feeds most neurons of a layer."""
    edges = case.graph.edges
    once = edges.where(np.unique(edges.pair, return_index=True)[1])
    fan_out = np.bincount(once.source_neuron)
    widest = max(case.layers.widths, default=1)
    effect = float(fan_out.max() / widest)
    evidence = {
        "effect_is": "largest fan-out over the width of the widest layer",
        "n_earlier": len(case.earlier),
        "first_draw": float(case.rng.random()),
    }
    return Verdict("hubs", effect > 0.5, effect, None, evidence)


@pytest.fixture
def with_hubs() -> Iterator[Kind]:
    """The kind is registered for a test."""
    yield register(Kind("hubs", "hubbed", hubs, after=("recurrent",)))
    VERDICTS.pop("hubs", None)


def test_a_verdict_is_a_function_and_a_line(with_hubs: Kind) -> None:
    """Added from outside: judged, swept, written and named like those of the package."""
    network = mlp(120, np.random.default_rng(0), n_hidden=2).noised(np.random.default_rng(1))
    report = judge(network, n_null=200)
    verdict = report.verdicts["hubs"]
    assert list(report.verdicts)[-1] == "hubs"
    assert verdict.present
    assert verdict.evidence["n_earlier"] == 1
    assert len(verdict.sweep) == 5
    assert report.summary.startswith("hubbed ")
    assert "hubs" in report._repr_html_()
    assert json.loads(json.dumps(report.to_dict()))["verdicts"]["hubs"]["present"]


def test_a_verdict_more_changes_no_other(with_hubs: Kind) -> None:
    """Every kind draws from a stream of its own, whatever else is judged."""
    network = local(200, np.random.default_rng(0), dim=1, n_hidden=1)
    beside = judge(network, n_null=200).to_dict()["verdicts"]
    del VERDICTS["hubs"]
    alone = judge(network, n_null=200).to_dict()["verdicts"]
    assert {name: beside[name] for name in alone} == alone


def test_a_disconnected_network_gets_every_verdict(with_hubs: Kind) -> None:
    report = analyse(np.zeros((5, 5)), n_inputs=2, n_outputs=1, n_iterations=2)
    assert list(report.verdicts) == list(VERDICTS)
    assert not any(verdict.present for verdict in report.verdicts.values())


def test_registering_refuses_what_cannot_be_judged(with_hubs: Kind) -> None:
    with pytest.raises(ValueError, match=r"^name: .*hubs"):
        register(Kind("hubs", "", hubs))
    with pytest.raises(ValueError, match=r"^after: .*spokes"):
        register(Kind("wheels", "", hubs, after=("spokes",)))


def test_kinds_are_judged_behind_those_they_come_after() -> None:
    order = [kind.name for kind in in_order()]
    assert sorted(order) == sorted(VERDICTS)
    for kind in VERDICTS.values():
        assert all(order.index(name) < order.index(kind.name) for name in kind.after)


@pytest.mark.parametrize(
    ("n_neighbour", "n_skip", "n_thrown"), [(12, 6, 4), (12, 6, 15), (900, 300, 450), (5, 0, 5)]
)
def test_chance_of_a_layered_wiring_is_hypergeometric(
    n_neighbour: int, n_skip: int, n_thrown: int
) -> None:
    most = min(n_thrown, n_neighbour)
    expected = stats.hypergeom.pmf(most, n_neighbour + n_skip, n_neighbour, n_thrown)
    assert _chance_of_most(n_neighbour, n_skip, n_thrown) == pytest.approx(expected, rel=1e-9)
