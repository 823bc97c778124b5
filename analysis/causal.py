"""Does the function need the structure? Lesions, next to random cuts of the same size.

Accuracy (or R^2) after cutting the skips, the long-range weights, the re-use of neurons, or a
layer. Needs data and targets; decides nothing about which structure there is.

Weights are cut by setting them to zero. Nodes (neuron, iteration) are cut by holding them at their
mean over the data, so that only what they tell about the input is lost and not their constant part.
The opposite question, whether the function needs anything else, is that of faithful.py.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from analysis.arrays import Bools, Floats
from analysis.checks import as_count, as_finite
from analysis.effective import EffectiveGraph
from analysis.forward import Trace, forward
from analysis.layers import Layers, carried_edges, carry_and_add
from analysis.network import DENSE_FILL, FlatNetwork, flat_network
from analysis.nulls import SAME, empirical_p
from analysis.report import StructureReport
from analysis.threshold import cut
from analysis.verdicts.recurrent import services
from analysis.verdicts.residual import skip_joins

LONG_RANGE = 0.1
"""Share of the used weights, the longest, that counts as long-range. By judgement."""


@dataclass(frozen=True)
class Lesion:
    """A cut, and what it costs.

    Attributes
    ----------
    name : str
    kind : str
        "weights" or "nodes".
    count : int
        How many were cut.
    weight : float
        The sum of abs(W) that was cut, 0 for nodes.
    score, lost : float
        The score left, and that of the whole network less it.
    random_scores : (n_random,) array
        After random cuts of the same size.
    p_value : float or None
        Share of random cuts that hurt at least as much, empirical; small means that just this
        structure matters.
    """

    name: str
    kind: str
    count: int
    weight: float
    score: float
    lost: float
    random_scores: Floats
    p_value: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "name": self.name,
            "kind": self.kind,
            "count": self.count,
            "weight": self.weight,
            "score": self.score,
            "lost": self.lost,
            "random_scores": [float(x) for x in self.random_scores],
            "p_value": self.p_value,
        }


def score(outputs: Floats, targets: NDArray) -> float:
    """Accuracy for integer targets (B,), R^2 over all outputs for real ones (B, n_outputs)."""
    if np.issubdtype(targets.dtype, np.integer):
        return float((outputs.argmax(axis=1) == targets).mean())
    residual = ((outputs - targets) ** 2).sum()
    return float(1 - residual / ((targets - targets.mean(axis=0)) ** 2).sum())


def lesions(
    weights: ArrayLike,
    biases: ArrayLike | None,
    inputs: ArrayLike,
    targets: ArrayLike,
    report: StructureReport,
    *,
    positions: ArrayLike | None = None,
    n_random: int = 20,
    rng: np.random.Generator,
) -> tuple[float, list[Lesion]]:
    """Cut each kind of structure that a report finds, and measure what is lost.

    Parameters
    ----------
    weights : (S, S) array
    biases : (S,) array or None
        Zero by default.
    inputs : (B, n_inputs) array, or (B, I, n_inputs) of sequences
    targets : (B,) int array for accuracy, or (B, n_outputs) array for R^2
    report : StructureReport
        Of `analyse`, on the same arrays.
    positions : (S, dim) array, optional
    n_random : int
        Random cuts of the same size for each lesion.
    rng : numpy Generator
        Draws them.

    Returns
    -------
    whole : float
        The score of the whole network.
    lesions : list of Lesion
        Those for which there is nothing to cut are left out.

    Raises
    ------
    ValueError
        Naming the argument, where shapes do not fit the report.
    """
    graph = report.effective
    net = network_of(report, weights, biases, positions)
    samples = as_finite("inputs", inputs, (None, *net.sample_shape))
    answers = as_targets(targets, len(samples), graph.n_outputs)
    n_draws = as_count("n_random", n_random, 1)

    # Weights that count as zero in the report are zero here as well.
    bench = _bench(replace(net, weights=cut(net.weights, report.threshold.value)), samples, answers)
    used = _used(graph)
    weight_cuts = _weight_cuts(graph, report.layering, net.positions, rng)
    node_cuts = _node_cuts(graph, report.layering)
    results = [
        _weight_lesion(bench, name, gone, used, rng, n_draws)
        for name, gone in weight_cuts.items()
        if gone.any()
    ]
    results += [
        _node_lesion(bench, name, gone, graph.computing, rng, n_draws)
        for name, gone in node_cuts.items()
        if gone.any()
    ]
    return bench.whole, results


def network_of(
    report: StructureReport,
    weights: ArrayLike,
    biases: ArrayLike | None,
    positions: ArrayLike | None = None,
) -> FlatNetwork:
    """The network that a report is about, checked against it; ValueError names the argument."""
    graph = report.effective
    net = flat_network(
        weights,
        biases,
        n_inputs=graph.n_inputs,
        n_outputs=graph.n_outputs,
        n_iterations=graph.n_iterations,
        positions=positions,
        activation=graph.activation,
        input_mode=graph.input_mode,
    )
    if net.n_neurons != graph.n_neurons:
        raise ValueError(f"weights has {net.n_neurons} neurons, report has {graph.n_neurons}")
    return net


def as_targets(targets: ArrayLike, n_samples: int, n_outputs: int) -> NDArray:
    """Checked targets: integers (B,), or real numbers (B, n_outputs)."""
    if np.issubdtype(np.asarray(targets).dtype, np.integer):
        return as_finite("targets", targets, (n_samples,)).astype(int)
    return as_finite("targets", targets, (n_samples, n_outputs))


@dataclass(frozen=True)
class _Bench:
    """A network with the data on which it is scored, whole or cut.

    Attributes
    ----------
    net : FlatNetwork
    inputs, targets : arrays
    whole : float
        The score of the whole network.
    mean : (I + 1, S) array
        Its mean activity.
    """

    net: FlatNetwork
    inputs: Floats
    targets: NDArray
    whole: float
    mean: Floats

    def score_without(self, gone: Bools) -> float:
        """The score without some weights (S, S)."""
        net = replace(self.net, weights=np.where(gone, 0.0, self.net.weights))
        return score(run(net, self.inputs).outputs, self.targets)

    def score_holding(self, nodes: Bools) -> float:
        """The score with some nodes (I + 1, S) held at their mean."""
        trace = run(self.net, self.inputs, keep=~nodes, fill=self.mean)
        return score(trace.outputs, self.targets)

    def lesion(
        self, name: str, kind: str, gone: Bools, left: float, by_chance: list[float]
    ) -> Lesion:
        """A Lesion of these weights or nodes."""
        random_scores = np.array(by_chance)
        weight = float(np.abs(self.net.weights[gone]).sum()) if kind == "weights" else 0.0

        return Lesion(
            name=name,
            kind=kind,
            count=int(gone.sum()),
            weight=weight,
            score=left,
            lost=self.whole - left,
            random_scores=random_scores,
            p_value=empirical_p(left, random_scores, tail="lower"),
        )


def _bench(net: FlatNetwork, inputs: Floats, targets: NDArray) -> _Bench:
    """Run the whole network."""
    trace = run(net, inputs)
    return _Bench(net, inputs, targets, score(trace.outputs, targets), trace.activity.mean(axis=1))


def run(
    net: FlatNetwork, inputs: Floats, keep: Bools | None = None, fill: Floats | None = None
) -> Trace:
    """`forward`, with sparse weights where few are left."""
    weights = net.weights
    if np.count_nonzero(weights) < DENSE_FILL * weights.size:
        weights = sparse.csr_array(weights)
    return forward(replace(net, weights=weights), inputs, keep=keep, fill=fill)


def _weight_lesion(
    bench: _Bench, name: str, gone: Bools, used: Bools, rng: np.random.Generator, n_draws: int
) -> Lesion:
    """Weights cut, beside as many of the used ones, by mass, at random."""
    size = np.abs(bench.net.weights)
    by_chance = [
        bench.score_without(_random_weights(size, used, gone, rng)) for _ in range(n_draws)
    ]
    return bench.lesion(name, "weights", gone, bench.score_without(gone), by_chance)


def _node_lesion(
    bench: _Bench, name: str, gone: Bools, computing: Bools, rng: np.random.Generator, n_draws: int
) -> Lesion:
    """Nodes cut, beside as many of the computing ones at random."""
    count = int(gone.sum())
    by_chance = [bench.score_holding(_random_nodes(computing, count, rng)) for _ in range(n_draws)]
    return bench.lesion(name, "nodes", gone, bench.score_holding(gone), by_chance)


def _used(graph: EffectiveGraph) -> Bools:
    """(S, S) bool: weights on an input -> output path."""
    used = np.zeros((graph.n_neurons, graph.n_neurons), dtype=bool)
    used[graph.unrolled.target_neuron, graph.unrolled.source_neuron] = True
    return used


def _weight_cuts(
    graph: EffectiveGraph, layering: Layers, positions: Floats | None, rng: np.random.Generator
) -> dict[str, Bools]:
    """{name: (S, S) bool}: skips and carried values where they arrive, and the longest weights."""
    joins = skip_joins(graph, layering, rng=rng)
    ends = graph.edges.where(joins | carried_edges(graph, carry_and_add(graph)))
    skips = np.zeros((graph.n_neurons, graph.n_neurons), dtype=bool)
    skips[ends.target_neuron, ends.via_neuron] = True
    if positions is None:
        return {"skips": skips}

    # The longest of the used weights, among those between neurons that have positions.
    i, j = np.nonzero(_used(graph))
    distance = np.linalg.norm(positions[i] - positions[j], axis=1)
    placed = np.isfinite(distance)
    n_longest = int(LONG_RANGE * placed.sum())
    longest = np.flatnonzero(placed)[np.argsort(-distance[placed], kind="stable")[:n_longest]]
    long_range = np.zeros_like(skips)
    long_range[i[longest], j[longest]] = True
    return {"skips": skips, "long-range weights": long_range}


def _node_cuts(graph: EffectiveGraph, layering: Layers) -> dict[str, Bools]:
    """{name: (I + 1, S) bool}: re-use, and each hidden layer.

    Re-used neurons are cut at all iterations but the one with most flow.
    """
    computing = graph.computing
    flow = np.where(computing, layering.node_flow, -1.0)
    # Neurons that compute repeatedly keep the iteration at which they matter most.
    again = computing & (services(graph) > 1)
    again[flow.argmax(axis=0), np.arange(graph.n_neurons)] = False

    cuts = {"re-use": again}
    for k in range(1, layering.depth + 1):
        cuts[f"layer {k}"] = computing & (layering.layer == k)
    return cuts


def _random_weights(size: Floats, used: Bools, gone: Bools, rng: np.random.Generator) -> Bools:
    """Used weights in random order until their sum of abs(W) reaches that of `gone`."""
    i, j = np.nonzero(used)
    order = rng.permutation(len(i))
    total = np.cumsum(size[i[order], j[order]])
    # The sums are taken in another order: allow for their rounding.
    n = int(np.searchsorted(total, size[gone].sum() * (1 - SAME))) + 1
    chosen = np.zeros_like(used)
    chosen[i[order[:n]], j[order[:n]]] = True
    return chosen


def _random_nodes(computing: Bools, count: int, rng: np.random.Generator) -> Bools:
    """`count` computing nodes at random, (I + 1, S) bool."""
    chosen = np.zeros(computing.size, dtype=bool)
    chosen[rng.choice(np.flatnonzero(computing.ravel()), count, replace=False)] = True
    return chosen.reshape(computing.shape)
