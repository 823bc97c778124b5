"""The trap: on layered networks the degree-preserving null says the opposite of the truth.

See docs/structure.md. Feed-forward loops u -> f -> t with u -> t are the substance of a residual
block. Compared with rewired networks of equal degrees a residual network seems poor in them, and a
plain perceptron poorer still, since rewiring breaks the layers.
"""

import numpy as np
import pytest

from analysis import StructureReport, analyse
from analysis.nulls import z_score
from analysis.rewiring import degree_preserving
from tests.planted import mlp, residual


def feed_forward_loops(wired: np.ndarray) -> np.ndarray:
    """Number of u -> f -> t with u -> t, for 0/1 matrices (..., n, n) with [target, source]."""
    ones = wired.astype(float)
    return ((ones @ ones) * ones).sum(axis=(-2, -1))


def contracted(report: StructureReport) -> np.ndarray:
    """0/1 matrix over the used neurons of the contracted effective graph."""
    edges = report.effective.edges
    n = report.effective.n_neurons
    wired = np.zeros((n, n), dtype=bool)
    wired[edges.target_neuron, edges.source_neuron] = True
    ids = np.flatnonzero(wired.any(axis=0) | wired.any(axis=1))
    return wired[np.ix_(ids, ids)]


@pytest.mark.parametrize("seed", range(3))
def test_the_degree_preserving_null_misjudges_what_the_verdict_gets_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = {}
    for name, network in (
        ("mlp", mlp(150, rng, n_hidden=3)),
        ("residual", residual(150, rng, n_blocks=2)),
    ):
        report = analyse(network.weights, network.biases, n_null=300, **network.arguments)
        assert report.verdicts["residual"].present == (name == "residual")
        assert report.verdicts["fully_connected"].present == (name == "mlp")

        wired = contracted(report)
        batches = degree_preserving(wired, rng=rng, n_draws=100)
        draws = np.concatenate([feed_forward_loops(batch) for batch in batches])
        z[name] = z_score(feed_forward_loops(wired), draws)
    assert z["mlp"] < z["residual"] < -2
