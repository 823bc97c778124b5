"""`analyse`: from arrays to a `StructureReport` with layers, depth, widths and a verdict on each kind of structure.
Draws nothing.
"""

from dataclasses import dataclass, field
from functools import cache, cached_property
from html import escape

import numpy as np
from threadpoolctl import ThreadpoolController

from analysis.checks import (
    ACTIVATIONS,
    INPUT_MODES,
    as_count,
    as_finite,
    as_network,
    as_positions,
    one_of,
)
from analysis.effective import EffectiveGraph, effective_graph
from analysis.graph import effective_networkx
from analysis.layers import Layers, layers, path_depths
from analysis.threshold import FAINT, SWEEP, Threshold, choose_threshold
from analysis.verdicts import Verdict
from analysis.verdicts.convolutional import convolutional
from analysis.verdicts.fully_connected import fully_connected
from analysis.verdicts.locally_connected import locally_connected
from analysis.verdicts.recurrent import recurrent
from analysis.verdicts.residual import residual

VERDICTS = ("fully_connected", "locally_connected", "convolutional", "residual", "recurrent")
MIN_DRAWS = 200  # fewer cannot reach the p of ALPHA that a verdict asks for
SWEEP_DRAWS = 200


@dataclass(frozen=True)
class StructureReport:
    """What structure a network has, with evidence. Made by `analyse`.

    Attributes
    ----------
    status : "ok", or "disconnected" where no input reaches an output in exactly I steps.
    depth : hidden layers. widths : computing neurons per hidden layer. layer_of : {neuron: layer}, 0 for inputs,
        depth + 1 for outputs; a neuron that computes in several layers is listed with the one most flow passes
        through.
    n_inputs, n_outputs : living inputs and outputs.
    path_depths : (I,) share of the flow over paths with 0, 1, 2, ... nonlinear nodes.
    effective_depth : mean of that distribution.
    verdicts : {name: Verdict}. threshold : Threshold.
    effective, layering : the arrays behind it all (EffectiveGraph, Layers).
    """

    status: str
    depth: int
    widths: tuple
    layer_of: dict
    n_inputs: int
    n_outputs: int
    path_depths: np.ndarray
    verdicts: dict
    threshold: Threshold
    effective: EffectiveGraph = field(repr=False)
    layering: Layers = field(repr=False)

    @property
    def effective_depth(self):
        """Mean number of nonlinear nodes on a path, weighted by flow."""
        return float(np.arange(len(self.path_depths)) @ self.path_depths)

    @cached_property
    def graph(self):
        """The effective graph as a networkx DiGraph, nodes (neuron, iteration)."""
        return effective_networkx(self.effective, self.layering)

    @cached_property
    def summary(self):
        """One line, e.g. "MLP 10-64-6-8-2" or "local 40-(5)-36-10". A network that only runs forward, without
        dense blocks or any other structure, is "feed-forward"; (5) is the receptive-field size of the local layer
        after it.
        """
        if self.status == "disconnected":
            return "disconnected"
        present = [name for name in VERDICTS if self.verdicts[name].present]
        words = [
            word
            for name, word in (
                ("recurrent", "recurrent"),
                ("residual", "residual"),
                ("convolutional", "convolutional"),
                ("locally_connected", "local"),
            )
            if name in present
        ]
        if "convolutional" in words:
            words.remove("local")
        if not words:
            words = [
                "linear"
                if not self.depth
                else "MLP"
                if "fully_connected" in present
                else "feed-forward"
            ]
        fields = {
            entry["layer"]: entry["field_size"]
            for entry in self.verdicts["locally_connected"].evidence["layers"]
        }
        sizes = [str(self.n_inputs)]
        for k, width in enumerate((*self.widths, self.n_outputs), start=1):
            if k in self.verdicts["locally_connected"].evidence["local_layers"]:
                sizes.append(f"({fields[k]:g})")
            sizes.append(str(width))
        return f"{' '.join(word for word in words if word)} {'-'.join(sizes)}"

    def to_dict(self):
        """Plain JSON types: everything but the arrays of the graph."""
        return {
            "status": self.status,
            "summary": self.summary,
            "depth": self.depth,
            "widths": list(self.widths),
            "n_inputs": self.n_inputs,
            "n_outputs": self.n_outputs,
            "layer_of": {str(i): k for i, k in self.layer_of.items()},
            "path_depths": [float(x) for x in self.path_depths],
            "effective_depth": self.effective_depth,
            "n_relays": int(self.effective.relay.sum()),
            "n_used_weights": self.n_used_weights,
            "threshold": self.threshold.to_dict(),
            "verdicts": {name: verdict.to_dict() for name, verdict in self.verdicts.items()},
        }

    @property
    def n_used_weights(self):
        """Weights of W on an input -> output path, each counted once."""
        edges, n = self.effective.unrolled, self.effective.n_neurons
        return len(np.unique(edges.target % n * n + edges.source % n))

    def __str__(self):
        return self.summary

    def _repr_html_(self):
        head = "".join(
            f"<th>{escape(word)}</th>"
            for word in ("structure", "present", "effect", "p", "effect is")
        )
        rows = []
        for name, verdict in self.verdicts.items():
            p = "" if verdict.p_value is None else f"{verdict.p_value:.3g}"
            cells = (
                name,
                "yes" if verdict.present else "no",
                f"{verdict.effect:.3g}",
                p,
                str(verdict.evidence["effect_is"]),
            )
            rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
        return (
            f"<p><b>{escape(self.summary)}</b> (status {escape(self.status)}, depth {self.depth}, "
            f"{self.n_used_weights} weights used)</p><table><tr>{head}</tr>{''.join(rows)}</table>"
        )


def analyse(
    weights,
    biases=None,
    *,
    n_inputs,
    n_outputs,
    n_iterations,
    positions=None,
    inputs=None,
    input_mode="pulse",
    n_null=1000,
    seed=0,
    threshold=None,
    activation="relu",
    sweep=True,
):
    """Judge the structure of any recurrently applied matrix.

    Parameters
    ----------
    weights : (S, S) array, `weights[i, j]` from neuron j to neuron i. biases : (S,) array or None for zero.
    n_inputs, n_outputs, n_iterations : the first and the last neurons of S are inputs and outputs; W is applied
    n_iterations times.
    positions : (S, dim) array or None. Rows of outputs are not used; they and neurons that feed no
        other may be NaN.
    inputs : (B, n_inputs) array or None. Give a few hundred samples for a trained network: then what is constant on
        them is folded away, faint echoes of a neuron at iterations other than its own are left out, and relays are
        found on them. Without, the verdicts hold for the wiring alone, where biases that silence a neuron go unseen.
    input_mode : "pulse" (input at l = 0 only) or "clamped" (written every iteration).
    n_null : draws per null model, at least 200; more are taken where several local layers share out the chances of a
        convolution. seed : of the draws; the same seed gives the same report.
    threshold : weights of at most this size count as zero; None applies the rule of threshold.py.
    activation : "relu" or "tanh".
    sweep : whether to judge at other thresholds too, where one above 0 is used.

    Returns
    -------
    StructureReport

    Raises
    ------
    ValueError
        Naming the argument, for NaN, wrong shapes, sizes that do not fit or unknown modes.
    """
    weights, biases = as_network(weights, biases, n_inputs, n_outputs, n_iterations)
    positions = as_positions(positions, weights, n_outputs)
    if inputs is not None:
        inputs = as_finite("inputs", inputs, (None, n_inputs))
        if len(inputs) < 2:
            raise ValueError("inputs must hold at least 2 rows, or nothing varies")
    one_of("input_mode", input_mode, INPUT_MODES)
    one_of("activation", activation, ACTIVATIONS)
    as_count("n_null", n_null, MIN_DRAWS)
    as_count("seed", seed, 0)
    if threshold is not None and as_finite("threshold", threshold, ()) < 0:
        raise ValueError(f"threshold must be at least 0, got {threshold!r}")
    settings = {
        "n_inputs": n_inputs,
        "n_outputs": n_outputs,
        "n_iterations": n_iterations,
        "inputs": inputs,
        "input_mode": input_mode,
        "activation": activation,
    }
    chosen = choose_threshold(weights, threshold)
    graph, lay, verdicts = _judge(weights, biases, chosen.value, positions, settings, n_null, seed)
    if sweep and chosen.value > 0:
        sweeps = {name: [] for name in VERDICTS}
        for factor in SWEEP:
            value = factor * chosen.value
            _, _, moved = _judge(
                weights, biases, value, positions, settings, min(n_null, SWEEP_DRAWS), seed
            )
            for name, verdict in moved.items():
                sweeps[name].append(
                    {
                        "threshold": value,
                        "present": verdict.present,
                        "effect": verdict.effect,
                        "p_value": verdict.p_value,
                    }
                )
        verdicts = {name: verdict.with_sweep(sweeps[name]) for name, verdict in verdicts.items()}
    return StructureReport(
        status="ok" if len(graph.edges) else "disconnected",
        depth=lay.depth,
        widths=lay.widths,
        layer_of=lay.layer_of,
        n_inputs=int(graph.is_source.any(axis=0).sum()),
        n_outputs=int(graph.alive[-1].sum()),
        path_depths=path_depths(graph),
        verdicts=verdicts,
        threshold=chosen,
        effective=graph,
        layering=lay,
    )


@cache
def _libraries():
    """The libraries of linear algebra that are loaded, looked up once."""
    return ThreadpoolController()


def _judge(weights, biases, threshold, positions, settings, n_null, seed):
    """Graph, layers and verdicts at one threshold, on one thread. Each verdict has a stream of random numbers of its own.

    The draws of a null model are many small products: more threads gain nothing there, and where another process wants
    the core they wait for each other, tens of times longer than they compute.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        used = np.where(np.abs(weights) > threshold, weights, 0.0) if threshold > 0 else weights
        graph = effective_graph(used, biases, faint=FAINT if threshold > 0 else 0.0, **settings)
        lay = layers(graph)
        if not len(graph.edges):
            nothing = {
                "effect_is": "nothing to judge: disconnected",
                "layers": [],
                "local_layers": [],
            }
            return graph, lay, {name: Verdict(name, False, 0.0, None, nothing) for name in VERDICTS}
        streams = [np.random.default_rng([seed, k]) for k in range(4)]
        local = locally_connected(graph, lay, positions, n_null=n_null, rng=streams[0])
        local_layers = local.evidence["local_layers"]
        skips = residual(graph, lay, n_null=n_null, rng=streams[1])
        verdicts = (
            fully_connected(
                graph,
                lay,
                n_null=n_null,
                rng=streams[2],
                local_layers=local_layers,
                is_residual=skips.present,
            ),
            local,
            convolutional(graph, lay, positions, local_layers, n_null=n_null, rng=streams[3]),
            skips,
            recurrent(graph),
        )
        return graph, lay, {verdict.name: verdict for verdict in verdicts}
