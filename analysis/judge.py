"""`analyse`: from arrays to a `StructureReport` with layers, depth, widths and verdicts.

Threshold, effective graph, layers, and then every kind of `analysis.verdicts.VERDICTS`. Draws
nothing.
"""

from dataclasses import dataclass, replace
from functools import cache

from numpy.typing import ArrayLike
from threadpoolctl import ThreadpoolController

from analysis.arrays import Floats
from analysis.checks import as_count, as_finite
from analysis.effective import EffectiveGraph, effective_graph
from analysis.layers import Layers, layers, path_depths
from analysis.network import FlatNetwork, flat_network
from analysis.parts import part_of, weights_of
from analysis.report import StructureReport
from analysis.threshold import FACTORS, Threshold, choose_threshold, cut
from analysis.verdicts import VERDICTS, Case, SweepStep, Verdict, in_order

__all__ = ["StructureReport", "analyse"]

MIN_DRAWS = 200
"""Draws from each null model at least: fewer cannot reach the p of ALPHA that a verdict asks for
where it is multiplied for several chances."""
SWEEP_DRAWS = 200
"""Draws at each further threshold: those verdicts show a tendency and decide nothing."""
PART_DRAWS = 200
"""Draws for each module of a network, at most: enough for a p of ALPHA, and there are several."""


def analyse(
    weights: ArrayLike,
    biases: ArrayLike | None = None,
    *,
    n_inputs: int,
    n_outputs: int,
    n_iterations: int,
    positions: ArrayLike | None = None,
    inputs: ArrayLike | None = None,
    input_mode: str = "pulse",
    n_null: int = 1000,
    seed: int = 0,
    threshold: float | None = None,
    activation: str = "relu",
    positions_learned: bool = False,
    sweep: bool = True,
) -> StructureReport:
    """Judge the structure of any recurrently applied matrix.

    Parameters
    ----------
    weights : (S, S) array
        `weights[i, j]` from neuron j to neuron i.
    biases : (S,) array, optional
        Zero by default.
    n_inputs, n_outputs, n_iterations : int
        The first and the last neurons of S are inputs and outputs; W is applied n_iterations times.
    positions : (S, dim) array, optional
        Rows of outputs are not used; they and neurons without a position are NaN.
    inputs : (B, n_inputs) array, or (B, I, n_inputs) of sequences, optional
        Give a few hundred samples for a trained network: then what is constant on them is folded
        away, and signals, relays and the effect of re-use are measured on them. Without, the
        verdicts hold for the wiring alone, where biases that silence a neuron go unseen.
    input_mode : str
        "pulse" (input at l = 0 only), "clamped" (written every iteration) or "sequence" (a new
        input every iteration).
    n_null : int
        Draws per null model, at least 200; more are taken where several local layers share out the
        chances of a convolution.
    seed : int
        Of the draws; the same seed gives the same report.
    threshold : float, optional
        Weights of at most this size count as zero; by default the rule of threshold.py is applied.
        Give 0 where zeros are exact, as in a network whose weights were priced.
    activation : str
        "relu" or "tanh".
    positions_learned : bool
        Whether the positions of hidden neurons were trained. They follow the weights then, and only
        those of the inputs are used.
    sweep : bool
        Whether to judge at other thresholds too, where one above 0 is used.

    Returns
    -------
    StructureReport

    Raises
    ------
    ValueError
        Naming the argument, for NaN, wrong shapes, sizes that do not fit or unknown modes.
    """
    net = flat_network(
        weights,
        biases,
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        n_iterations=n_iterations,
        positions=positions,
        activation=activation,
        input_mode=input_mode,
        threshold=threshold,
        positions_learned=positions_learned,
    )
    samples = _as_samples(inputs, net)
    n_draws = as_count("n_null", n_null, MIN_DRAWS)
    as_count("seed", seed, 0)

    chosen = choose_threshold(net)
    judged = _judge(net, samples, chosen.value, n_draws, seed)
    verdicts = judged.verdicts
    if sweep and chosen.value > 0:
        steps = _sweep(net, samples, chosen.value, min(n_draws, SWEEP_DRAWS), seed)
        verdicts = {name: verdict.with_sweep(steps[name]) for name, verdict in verdicts.items()}

    report = _report(replace(judged, verdicts=verdicts), chosen)
    modules = _modules(judged, samples, chosen, min(n_draws, PART_DRAWS), seed)
    return replace(report, modules=modules) if modules else report


def _as_samples(inputs: ArrayLike | None, net: FlatNetwork) -> Floats | None:
    if inputs is None:
        return None
    samples = as_finite("inputs", inputs, (None, *net.sample_shape))
    if len(samples) < 2:
        raise ValueError("inputs must hold at least 2 rows, or nothing varies")
    return samples


@dataclass(frozen=True)
class _Judged:
    """A network judged at one threshold: its weights that count, and what was found."""

    net: FlatNetwork
    graph: EffectiveGraph
    layers: Layers
    verdicts: dict[str, Verdict]


def _judge(
    net: FlatNetwork, inputs: Floats | None, threshold: float, n_draws: int, seed: int
) -> _Judged:
    """Graph, layers and verdicts at one threshold, on one thread.

    The draws of a null model are many small products: more threads gain nothing there, and where
    another process wants the core they wait for each other, tens of times longer than they compute.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        used = replace(net, weights=cut(net.weights, threshold))
        return _judge_graph(used, effective_graph(used, inputs), inputs, n_draws, seed)


def _judge_graph(
    net: FlatNetwork, graph: EffectiveGraph, inputs: Floats | None, n_draws: int, seed: int
) -> _Judged:
    """Layers and verdicts of an effective graph."""
    layering = layers(graph)
    if not len(graph.edges):
        return _Judged(net, graph, layering, {name: _no_verdict(name) for name in VERDICTS})

    # Every kind has a generator of its own and is given those that it comes after.
    verdicts: dict[str, Verdict] = {}
    for kind in in_order():
        earlier = {name: verdicts[name] for name in kind.after}
        case = Case(net, graph, layering, kind.rng(seed), n_draws, earlier, inputs)
        verdicts[kind.name] = kind.judge(case)
    return _Judged(net, graph, layering, {name: verdicts[name] for name in VERDICTS})


def _modules(
    whole: _Judged, inputs: Floats | None, threshold: Threshold, n_draws: int, seed: int
) -> tuple[StructureReport, ...]:
    """A report on each module, most signal first; none where the network is not modular."""
    verdict = whole.verdicts.get("modular")
    if verdict is None or not verdict.present:
        return ()

    reports = []
    with _libraries().limit(limits=1, user_api="blas"):
        for module in verdict.evidence["modules"]:
            part = part_of(whole.graph, module["neurons"])
            net = weights_of(whole.net, part)
            reports.append(_report(_judge_graph(net, part, inputs, n_draws, seed), threshold))
    return tuple(reports)


def _no_verdict(name: str) -> Verdict:
    """The verdict on a network without paths."""
    evidence = {
        "effect_is": "nothing to judge: disconnected",
        "layers": [],
        "local_layers": [],
        "pooling": [],
    }
    return Verdict(name, False, 0.0, None, evidence)


def _report(judged: _Judged, threshold: Threshold) -> StructureReport:
    """The verdicts with everything else that the graph says."""
    graph = judged.graph
    layering = judged.layers
    return StructureReport(
        status="ok" if len(graph.edges) else "disconnected",
        depth=layering.depth,
        widths=layering.widths,
        layer_of=layering.layer_of,
        n_inputs=int(graph.is_source.any(axis=0).sum()),
        n_outputs=int(graph.is_output.sum()),
        path_depths=path_depths(graph),
        verdicts=judged.verdicts,
        threshold=threshold,
        effective=graph,
        layering=layering,
        network=judged.net,
    )


def _sweep(
    net: FlatNetwork, inputs: Floats | None, threshold: float, n_draws: int, seed: int
) -> dict[str, list[SweepStep]]:
    """{name: the verdict at multiples of the threshold}."""
    steps: dict[str, list[SweepStep]] = {name: [] for name in VERDICTS}
    for factor in FACTORS:
        value = factor * threshold
        for name, verdict in _judge(net, inputs, value, n_draws, seed).verdicts.items():
            steps[name].append(verdict.at(value))
    return steps


@cache
def _libraries() -> ThreadpoolController:
    """The libraries of linear algebra that are loaded, looked up once."""
    return ThreadpoolController()
