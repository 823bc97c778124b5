"""Does the function need the structure? Accuracy (or R^2) after cutting the skips, the long-range weights, the
re-use of neurons, or a layer, next to random cuts of the same size. Needs data and targets; decides nothing about
what structure there is.

Weights are cut by setting them to zero. Nodes (neuron, iteration) are cut by holding them at their mean over the
data, so that what is lost is what they tell about the input and not their constant part.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analysis.checks import as_count, as_finite, as_network, as_positions
from analysis.forward import forward
from analysis.layers import carried_edges, carry_and_add
from analysis.nulls import empirical_p
from analysis.verdicts.recurrent import services
from analysis.verdicts.residual import skip_joins

LONG_RANGE = 0.1  # share of the used weights, the longest, that counts as long-range


@dataclass(frozen=True)
class Lesion:
    """One cut: its name, what was cut ("weights" or "nodes") and how much, the score left, and scores after random
    cuts.

    `weight` is the sum of abs(W) that was cut, 0 for nodes. `p_value` is the share of random cuts of the same size
    that hurt at least as much, empirical; small means that just this structure matters.
    """

    name: str
    kind: str
    count: int
    weight: float
    score: float
    lost: float
    random_scores: np.ndarray
    p_value: float | None

    def to_dict(self):
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


def score(outputs, targets):
    """Accuracy for integer targets (B,), R^2 over all outputs for real ones (B, n_outputs)."""
    if np.issubdtype(targets.dtype, np.integer):
        return float((outputs.argmax(axis=1) == targets).mean())
    residual = ((outputs - targets) ** 2).sum()
    return float(1 - residual / ((targets - targets.mean(axis=0)) ** 2).sum())


def lesions(weights, biases, inputs, targets, report, *, positions=None, n_random=20, rng):
    """Cut each kind of structure that `report` (of `analyse`, on the same arrays) finds, and measure what is lost.

    Parameters
    ----------
    weights (S, S), biases (S,) or None, inputs (B, n_inputs), positions (S, dim) or None.
    targets : (B,) integers for accuracy, or (B, n_outputs) real numbers for R^2.
    n_random : random cuts of the same size for each lesion. rng : numpy Generator that draws them.

    Returns
    -------
    (score of the whole network, list of Lesion). Lesions for which there is nothing to cut are left out.

    Raises
    ------
    ValueError
        Naming the argument, where shapes do not fit the report.
    """
    graph = report.effective
    weights, biases = as_network(
        weights, biases, graph.n_inputs, graph.n_outputs, graph.n_iterations
    )
    if len(weights) != graph.n_neurons:
        raise ValueError(f"weights has {len(weights)} neurons, report has {graph.n_neurons}")
    inputs = as_finite("inputs", inputs, (None, graph.n_inputs))
    targets = np.asarray(targets)
    if np.issubdtype(targets.dtype, np.integer):
        targets = as_finite("targets", targets, (len(inputs),)).astype(int)
    else:
        targets = as_finite("targets", targets, (len(inputs), graph.n_outputs))
    positions = as_positions(positions, weights, graph.n_outputs)
    as_count("n_random", n_random, 1)
    matrix = np.where(np.abs(weights) > report.threshold.value, weights, 0.0)

    def run(cut_weights=None, cut_nodes=None, fill=None):
        kept = matrix if cut_weights is None else np.where(cut_weights, 0.0, matrix)
        kept = sparse.csr_array(kept) if np.count_nonzero(kept) < 0.1 * kept.size else kept
        keep = None if cut_nodes is None else ~cut_nodes
        return forward(
            kept,
            biases,
            inputs,
            graph.n_iterations,
            n_outputs=graph.n_outputs,
            input_mode=graph.input_mode,
            activation=graph.activation,
            keep=keep,
            fill=fill,
        )

    activity, _, outputs = run()
    whole, mean = score(outputs, targets), activity.mean(axis=1)
    used = _used(graph)
    found = []
    for name, cut in _weight_cuts(graph, report.layering, positions, used, rng).items():
        if cut.any():
            randoms = [
                score(run(_random_weights(np.abs(matrix), used, cut, rng))[2], targets)
                for _ in range(n_random)
            ]
            found.append(
                _lesion(
                    name,
                    "weights",
                    int(cut.sum()),
                    float(np.abs(matrix[cut]).sum()),
                    whole,
                    score(run(cut)[2], targets),
                    randoms,
                )
            )
    for name, cut in _node_cuts(graph, report.layering).items():
        if cut.any():
            randoms = [
                score(
                    run(None, _random_nodes(graph.computing, int(cut.sum()), rng), mean)[2], targets
                )
                for _ in range(n_random)
            ]
            found.append(
                _lesion(
                    name,
                    "nodes",
                    int(cut.sum()),
                    0.0,
                    whole,
                    score(run(None, cut, mean)[2], targets),
                    randoms,
                )
            )
    return whole, found


def _lesion(name, kind, count, weight, whole, left, randoms):
    randoms = np.array(randoms)
    return Lesion(
        name,
        kind,
        count,
        weight,
        left,
        whole - left,
        randoms,
        empirical_p(left, randoms, tail="lower"),
    )


def _used(graph):
    """(S, S) bool: weights on an input -> output path."""
    used = np.zeros((graph.n_neurons, graph.n_neurons), dtype=bool)
    used[graph.unrolled.target % graph.n_neurons, graph.unrolled.source % graph.n_neurons] = True
    return used


def _weight_cuts(graph, lay, positions, used, rng):
    """{name: (S, S) bool} of the weights to cut: skips and carried values where they arrive, and the longest
    weights.
    """
    n, edges = graph.n_neurons, graph.edges
    cuts = {"skips": np.zeros_like(used)}
    ends = edges.where(skip_joins(graph, lay, rng) | carried_edges(graph, carry_and_add(graph)))
    cuts["skips"][ends.target % n, ends.via % n] = True
    if positions is not None:
        i, j = np.nonzero(used)
        distance = np.linalg.norm(positions[i] - positions[j], axis=1)
        placed = np.isfinite(distance)
        i, j, distance = i[placed], j[placed], distance[placed]
        longest = np.argsort(-distance, kind="stable")[: int(LONG_RANGE * len(distance))]
        cuts["long-range weights"] = np.zeros_like(used)
        cuts["long-range weights"][i[longest], j[longest]] = True
    return cuts


def _node_cuts(graph, lay):
    """{name: (I + 1, S) bool}: re-used neurons at all but the iteration with most flow, and each hidden layer."""
    flow = np.where(graph.computing, lay.node_flow, -1.0)
    again = graph.computing & (services(graph) > 1)
    again[flow.argmax(axis=0), np.arange(graph.n_neurons)] = False
    layers = {f"layer {k}": graph.computing & (lay.layer == k) for k in range(1, lay.depth + 1)}
    return {"re-use": again, **layers}


def _random_weights(size, used, cut, rng):
    """Used weights in random order until their sum of abs(W) reaches that of `cut`."""
    i, j = np.nonzero(used)
    order = rng.permutation(len(i))
    total = np.cumsum(size[i[order], j[order]])
    n = int(np.searchsorted(total, size[cut].sum() * (1 - 1e-12))) + 1
    chosen = np.zeros_like(used)
    chosen[i[order[:n]], j[order[:n]]] = True
    return chosen


def _random_nodes(computing, count, rng):
    """`count` computing nodes at random."""
    chosen = np.zeros(computing.size, dtype=bool)
    chosen[rng.choice(np.flatnonzero(computing.ravel()), count, replace=False)] = True
    return chosen.reshape(computing.shape)
