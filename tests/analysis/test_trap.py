"""The trap: on layered networks the plain degree-preserving null says the opposite of the truth (DESIGN section 3).

Feed-forward loops u -> f -> t with u -> t are what a residual block is made of. Compared with rewired networks of
equal degrees a residual network seems poor in them, and a plain perceptron poorer still, since rewiring breaks the
layers.
"""

import numpy as np
import pytest

from analysis import analyse
from analysis.nulls import z_score
from analysis.rewiring import degree_preserving
from tests.planted import mlp, residual


def feed_forward_loops(wired):
    """Number of u -> f -> t with u -> t, for 0/1 matrices (..., n, n) with [target, source]."""
    wired = wired.astype(float)
    return ((wired @ wired) * wired).sum(axis=(-2, -1))


def contracted(report):
    """0/1 matrix over the living neurons of the contracted effective graph."""
    edges, n = report.effective.edges, report.effective.n_neurons
    wired = np.zeros((n, n), dtype=bool)
    wired[edges.target % n, edges.source % n] = True
    ids = np.flatnonzero(wired.any(axis=0) | wired.any(axis=1))
    return wired[np.ix_(ids, ids)]


@pytest.mark.parametrize("seed", range(3))
def test_the_degree_preserving_null_misjudges_what_the_verdict_gets_right(seed):
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
        draws = np.concatenate(
            [feed_forward_loops(batch) for batch in degree_preserving(wired, 100, rng)]
        )
        z[name] = z_score(feed_forward_loops(wired), draws)
    assert z["mlp"] < z["residual"] < -2
