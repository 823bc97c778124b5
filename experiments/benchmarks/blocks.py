"""Claim: layers found by the flow of signals are those that were planted, where block models of the
same used weights find fewer of them. Adjusted Rand index by family, side by side.

`python -m experiments.benchmarks blocks [--n 5] [--seed 0]`

The block models see the matrix between the neurons that the analysis finds in use, without knowing
inputs from outputs. *Spectral*: neurons with like sources and like targets, from the leading
singular vectors on both sides (Rohe, Qin & Yu 2016), told the true number of blocks. *Louvain*:
communities of the undirected graph (Blondel et al. 2008), whose number it chooses.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence

import networkx as nx
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from analysis import StructureReport, analyse
from analysis.arrays import Floats, Ints
from experiments.planted_harder import planted
from experiments.planting import Planted

LEAST_SCORE = 0.99
"""Mean adjusted Rand index that the analysis must reach (the claim)."""


def spectral(weights: Floats, n_blocks: int, seed: int) -> Ints:
    """(n,) block of each neuron, by what it hears and what it sends."""
    wired = (weights != 0).astype(float)
    # Degrees are evened out, so that neurons with many weights are no blocks of their own.
    heard = np.sqrt(wired.sum(axis=1, keepdims=True) + wired.sum() / len(wired))
    sent = np.sqrt(wired.sum(axis=0, keepdims=True) + wired.sum() / len(wired))
    left, size, right = np.linalg.svd(wired / heard / sent)
    left, size, right = left[:, :n_blocks], size[:n_blocks], right[:n_blocks].T
    features = np.hstack([left * size, right * size])
    return KMeans(n_blocks, n_init=10, random_state=seed).fit_predict(features)


def louvain(weights: Floats, n_blocks: int, seed: int) -> Ints:
    """(n,) community of each neuron, wires taken as undirected; `n_blocks` is not used."""
    graph = nx.from_numpy_array((weights != 0) | (weights != 0).T)
    block = np.zeros(len(weights), dtype=int)
    for number, members in enumerate(nx.community.louvain_communities(graph, seed=seed)):
        block[list(members)] = number
    return block


MODELS: dict[str, Callable[[Floats, int, int], Ints]] = {"spectral": spectral, "Louvain": louvain}
"""Block models by name."""


def truth(network: Planted) -> Ints:
    """(S,) layer of each neuron: 0 for inputs, 1, 2, ..., and -1 for what takes no part."""
    layer = np.full(len(network.weights), -1)
    for number, neurons in enumerate(network.hidden, start=1):
        layer[neurons] = number
    layer[: network.arguments["n_inputs"]] = 0
    layer[-network.arguments["n_outputs"] :] = len(network.hidden) + 1
    return layer


def scores(network: Planted, seed: int) -> dict[str, float]:
    """Adjusted Rand index of the analysis and of each block model, on the neurons that are used."""
    report = analyse(network.weights, network.biases, n_null=200, sweep=False, **network.arguments)
    used = np.array(sorted(report.layer_of))
    true = truth(network)[used]
    block_of = {"analysis": np.array([report.layer_of[i] for i in used])}

    weights = _used_weights(report, len(network.weights))[np.ix_(used, used)]
    for name, model in MODELS.items():
        block_of[name] = model(weights, len(network.hidden) + 2, seed)
    return {name: float(adjusted_rand_score(true, blocks)) for name, blocks in block_of.items()}


def _used_weights(report: StructureReport, n_neurons: int) -> Floats:
    """(S, S) weights that are on a path from an input to an output."""
    edges = report.effective.unrolled
    weights = np.zeros((n_neurons, n_neurons))
    weights[edges.target_neuron, edges.source_neuron] = edges.weight
    return weights


def layered(n_each: int, seed: int) -> Iterator[Planted]:
    """Connected planted networks all of whose neurons lie in one layer each."""
    for network in planted(n_each, seed):
        if network.hidden and network.status == "ok":
            yield network


def main(arguments: Sequence[str] = ()) -> int:
    """Print the table; exit status 1 where the claim fails."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks blocks", description=__doc__
    )
    parser.add_argument("--n", type=int, default=5, help="networks of each family (5)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    results: dict[str, list[dict[str, float]]] = {}
    for network in track(list(layered(options.n, options.seed)), "finding layers"):
        results.setdefault(network.family, []).append(scores(network, options.seed))

    every = [score for part in results.values() for score in part]
    table = Table(title=f"Adjusted Rand index of the layers of {len(every)} planted networks")
    table.add_column("family")
    for name in ("networks", *every[0]):
        table.add_column(name, justify="right")
    for family, part in (*results.items(), ("all", every)):
        means = [f"{np.mean([score[name] for score in part]):.3f}" for name in every[0]]
        table.add_row(family, str(len(part)), *means)
    Console().print(table)
    return 0 if np.mean([score["analysis"] for score in every]) >= LEAST_SCORE else 1
