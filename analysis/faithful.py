"""Is the used graph all that the function needs? Everything outside it comes from other samples.

Verdicts are read from the effective graph. Here its edges carry what arrives over them, and every
other edge carries what it carries in the whole network on another sample: a value that its source
does have, unlike zero or a mean. With A the activity of the whole network, A' the same of the other
samples, and U(l) the weights of the edges in use that leave iteration l,

    h(l + 1) = phi(W A'(l) + b + U(l) (h(l) - A'(l)))

where nodes into which the input is written hold their own input. With all edges in use h is A, with
none the outputs are those of the other samples. A graph that is all the function needs keeps the
score; one of as many edges drawn at random must not.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from analysis.arrays import Floats, Ints
from analysis.causal import as_targets, network_of, run, score
from analysis.checks import as_count, as_finite
from analysis.edges import Edges, node_numbers
from analysis.effective import nonzero_wiring
from analysis.forward import PHI, Trace
from analysis.network import FlatNetwork
from analysis.nulls import empirical_p
from analysis.report import StructureReport
from analysis.threshold import cut


@dataclass(frozen=True)
class Faithfulness:
    """What is left of the score with only a graph intact.

    Attributes
    ----------
    n_edges, n_outside : int
        Edges of the graph, and other edges that a value can pass.
    whole : float
        The score of the whole network.
    score : float
        With all outside the graph taken from other samples; the mean over ways to pair samples.
    chance : float
        With everything taken from other samples: their answers.
    random_scores : (n_random,) array
        With graphs of as many edges an iteration, drawn from all that a value can pass.
    p_value : float
        Share of such graphs that keep at least as much, empirical; small means that just this graph
        carries the function.
    """

    n_edges: int
    n_outside: int
    whole: float
    score: float
    chance: float
    random_scores: Floats
    p_value: float

    @property
    def share(self) -> float | None:
        """Part of the score beyond chance that is left; None where there is none beyond chance."""
        gap = self.whole - self.chance
        return (self.score - self.chance) / gap if gap > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "n_edges": self.n_edges,
            "n_outside": self.n_outside,
            "whole": self.whole,
            "score": self.score,
            "chance": self.chance,
            "share": self.share,
            "random_scores": [float(x) for x in self.random_scores],
            "p_value": self.p_value,
        }


def faithfulness(
    weights: ArrayLike,
    biases: ArrayLike | None,
    inputs: ArrayLike,
    targets: ArrayLike,
    report: StructureReport,
    *,
    n_random: int = 20,
    rng: np.random.Generator,
) -> Faithfulness:
    """Score a network with only its effective graph intact, beside graphs drawn at random.

    Parameters
    ----------
    weights : (S, S) array
    biases : (S,) array or None
        Zero by default.
    inputs : (B, n_inputs) array, or (B, I, n_inputs) of sequences
        At least two samples; they need not be those that the report was made on.
    targets : (B,) int array for accuracy, or (B, n_outputs) array for R^2
    report : StructureReport
        Of `analyse`, on the same network. Weights that count as zero in it are outside the graph.
    n_random : int
        Ways to pair samples, and random graphs.
    rng : numpy Generator
        Draws them.

    Raises
    ------
    ValueError
        Naming the argument, where shapes do not fit the report.
    """
    net = network_of(report, weights, biases)
    samples = as_finite("inputs", inputs, (None, *net.sample_shape))
    if len(samples) < 2:
        raise ValueError("inputs must hold at least 2 rows, or there are no other samples")
    answers = as_targets(targets, len(samples), net.n_outputs)
    n_draws = as_count("n_random", n_random, 1)
    whole = run(net, samples)
    graph = report.effective.unrolled
    pool = passable(net, report.threshold.value)

    # Every draw pairs the samples anew: the graph and one at random under the same pairing.
    kept, by_chance, others = [], [], []
    for _ in range(n_draws):
        paired = other_samples(len(samples), rng)
        drawn = _random_graph(pool, graph, net.n_iterations, rng)
        kept.append(score(patched(net, whole, graph, paired), answers))
        by_chance.append(score(patched(net, whole, drawn, paired), answers))
        others.append(score(whole.outputs[paired], answers))

    left = float(np.mean(kept))
    return Faithfulness(
        n_edges=len(graph),
        n_outside=len(pool) - len(graph),
        whole=score(whole.outputs, answers),
        score=left,
        chance=float(np.mean(others)),
        random_scores=np.array(by_chance),
        p_value=empirical_p(left, np.array(by_chance)),
    )


def patched(net: FlatNetwork, whole: Trace, graph: Edges, other: Ints) -> Floats:
    """Outputs (B, n_outputs) with all edges outside a graph taken from other samples.

    Parameters
    ----------
    net : FlatNetwork
    whole : Trace
        Of the network on B samples.
    graph : Edges
        Of one iteration each, with weights of W.
    other : (B,) int array
        The sample that stands in for each.
    """
    phi = PHI[net.activation]
    written = net.input_mask
    steps = graph.steps(net.n_iterations)
    size = (net.n_neurons, net.n_neurons)
    state = whole.activity[0]

    for l, step in enumerate(steps, start=1):
        edges = graph.where(step)
        used = sparse.csr_array((edges.weight, (edges.target_neuron, edges.source_neuron)), size)
        # What arrives over edges of the graph differs from what the other sample brings.
        difference = state - whole.activity[l - 1][other]
        total = whole.preactivation[l][other] + (used @ difference.T).T
        state = total if l == net.n_iterations else phi(total)
        state[:, written[l]] = whole.activity[l][:, written[l]]
    return state[:, net.n_neurons - net.n_outputs :]


def passable(net: FlatNetwork, threshold: float = 0.0) -> Edges:
    """All edges that a value can pass: from an input or a later node, to what no input overwrites.

    Weights of at most the threshold have none.
    """
    wiring = nonzero_wiring(replace(net, weights=cut(net.weights, threshold)))
    (i, j), w = wiring.coords, wiring.data
    written = net.input_mask
    sources, targets, weights = [], [], []
    for l in range(net.n_iterations):
        possible = ~written[l + 1][i]
        if l == 0:
            possible &= written[0][j]
        if l == net.n_iterations - 1:
            possible &= i >= net.n_neurons - net.n_outputs
        sources.append(node_numbers(l, j[possible], net.n_neurons))
        targets.append(node_numbers(l + 1, i[possible], net.n_neurons))
        weights.append(w[possible])

    source = np.concatenate(sources)
    return Edges(source, np.concatenate(targets), np.concatenate(weights), source, net.n_neurons)


def other_samples(n: int, rng: np.random.Generator) -> Ints:
    """(n,) another sample for each, every sample once."""
    order = rng.permutation(n)
    other = np.empty(n, dtype=int)
    other[order] = np.roll(order, 1)
    return other


def _random_graph(pool: Edges, graph: Edges, n_iterations: int, rng: np.random.Generator) -> Edges:
    """As many edges of the pool as the graph has at each iteration, at random."""
    sizes = [len(step) for step in graph.steps(n_iterations)]
    steps = zip(pool.steps(n_iterations), sizes, strict=True)
    chosen = [rng.choice(step, size, replace=False) for step, size in steps]
    return pool.where(np.sort(np.concatenate(chosen)))
