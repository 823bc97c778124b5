"""`StructureReport`: what structure a network has, in a line, as a dictionary, as HTML, as a graph.

Judges nothing and draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.arrays import Floats
from analysis.effective import EffectiveGraph
from analysis.frame import HEIGHT, Frame
from analysis.layers import Layers
from analysis.network import FlatNetwork
from analysis.threshold import Threshold
from analysis.verdicts import VERDICTS, Verdict

if TYPE_CHECKING:
    import networkx as nx

COLUMNS = ("structure", "present", "margin", "effect", "p", "effect is")
"""Of the HTML table."""


@dataclass(frozen=True)
class StructureReport:
    """What structure a network has, with evidence. Made by `analyse`.

    Attributes
    ----------
    status : str
        "ok", or "disconnected" where no input reaches an output in exactly I iterations.
    depth : int
        Hidden layers.
    widths : tuple of int
        Computing neurons in each hidden layer.
    layer_of : dict
        {neuron: layer}, 0 for inputs, depth + 1 for outputs; a neuron that computes in several
        layers is listed with the one that most flow passes through.
    n_inputs, n_outputs : int
        Used inputs and outputs.
    path_depths : (I,) array
        Share of the flow over paths with 0, 1, 2, ... nonlinear nodes.
    effective_depth : float
        Mean of that distribution.
    verdicts : dict
        {name: Verdict}, in the order of `analysis.verdicts.VERDICTS`.
    threshold : Threshold
    effective : EffectiveGraph
    layering : Layers
        The arrays behind it all.
    network : FlatNetwork
        What was judged; weights that count as zero are zero.
    modules : tuple of StructureReport
        One of each module of a modular network, most signal first: its hidden neurons with the
        inputs that they hear and the outputs that they feed. Theirs have none.
    """

    status: str
    depth: int
    widths: tuple[int, ...]
    layer_of: dict[int, int]
    n_inputs: int
    n_outputs: int
    path_depths: Floats
    verdicts: dict[str, Verdict]
    threshold: Threshold
    effective: EffectiveGraph = field(repr=False)
    layering: Layers = field(repr=False)
    network: FlatNetwork = field(repr=False)
    modules: tuple[StructureReport, ...] = field(default=(), repr=False)

    @property
    def effective_depth(self) -> float:
        """Mean number of nonlinear nodes on a path, weighted by flow."""
        return float(np.arange(len(self.path_depths)) @ self.path_depths)

    @property
    def n_used_weights(self) -> int:
        """Weights of W on an input -> output path, each counted once."""
        return len(np.unique(self.effective.unrolled.pair))

    @cached_property
    def graph(self) -> nx.DiGraph:
        """The effective graph as a networkx DiGraph, nodes (neuron, iteration)."""
        from analysis.graph import effective_networkx  # networkx takes its time to load

        return effective_networkx(self.effective, self.layering)

    @cached_property
    def summary(self) -> str:
        """One line, e.g. "MLP 10-64-6-8-2", "local 40-(5)-36-10" or "linear 9-2 (nearly local)".

        (5) is the receptive-field size of the local layer after it. Verdicts that would be others
        if one of their bars were moved by a quarter are named behind: "(nearly local)" where it is
        absent, "(local by little)" where it is present.
        """
        if self.status == "disconnected":
            return "disconnected"
        words = f"{self.architecture} {'-'.join(self._sizes())}"
        close = [
            f"{word} by little" if verdict.present else f"nearly {word}"
            for word, verdict in self._close()
        ]
        return f"{words} ({', '.join(close)})" if close else words

    def _close(self) -> Iterator[tuple[str, Verdict]]:
        """The verdicts that are close to being others, each with its word."""
        for name, verdict in self.verdicts.items():
            if verdict.nearly:
                yield VERDICTS[name].word or "MLP", verdict

    @cached_property
    def architecture(self) -> str:
        """The structures that are present, in words, e.g. "recurrent local".

        A network that only runs forward, without dense blocks or any other structure, is
        "feed-forward"; one that uses neurons again without being recurrent is "unstructured".
        """
        if self.status == "disconnected":
            return "disconnected"
        present = {name for name, verdict in self.verdicts.items() if verdict.present}
        # The kernels of a convolution are local in any case.
        if "convolutional" in present:
            present.discard("locally_connected")
        words = [kind.word for kind in reversed(VERDICTS.values()) if kind.name in present]
        words = [word for word in words if word]
        if words:
            return " ".join(words)
        if not self.depth:
            return "linear"
        # What uses its neurons again is no perceptron, however dense.
        reused = self.verdicts["recurrent"]
        if reused.bars and reused.bars[0].holds():
            return "unstructured"
        return "MLP" if "fully_connected" in present else "feed-forward"

    @cached_property
    def remarks(self) -> list[str]:
        """Lines that say more than the summary: layers that pool, and what each module is."""
        pooling = self.verdicts["convolutional"].evidence.get("pooling", [])
        parts = [f"module {k}: {part.summary}" for k, part in enumerate(self.modules, start=1)]
        return [*map(_pooling, pooling), *parts]

    def _sizes(self) -> list[str]:
        """Widths, inputs and outputs included, with the field sizes of local layers before them."""
        local = self.verdicts["locally_connected"].evidence
        fields = {entry["layer"]: entry["field_size"] for entry in local["layers"]}
        # The fields of layer k are written in front of its width.
        sizes = [str(self.n_inputs)]
        for k, width in enumerate((*self.widths, self.n_outputs), start=1):
            if k in local["local_layers"]:
                sizes.append(f"({fields[k]:g})")
            sizes.append(str(width))
        return sizes

    def to_dict(self) -> dict[str, Any]:
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
            "modules": [part.to_dict() for part in self.modules],
        }

    def __str__(self) -> str:
        return self.summary

    def show(self, name: str = "network", *, height: int = HEIGHT) -> Frame:
        """The page of the network in a frame, for notebooks; it needs no network and no server.

        Parameters
        ----------
        name : str
            Shown above the summary.
        height : int
            Of the frame, in pixels.
        """
        # Pages are made of reports, and not the other way round: by name, once one is asked for.
        network_page = import_module("analysis.page.network").network_page
        return Frame(network_page(self.network, self, name=name), f"{name}: {self.summary}", height)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(word)}</th>" for word in COLUMNS)
        rows = "".join(_row(name, verdict) for name, verdict in self.verdicts.items())
        about = (
            f"(status {escape(self.status)}, depth {self.depth}, "
            f"{self.n_used_weights} weights used)"
        )
        table = f"<table><tr>{head}</tr>{rows}</table>"
        remarks = "".join(f"<li>{escape(remark)}</li>" for remark in self.remarks)
        more = f"<ul>{remarks}</ul>" if remarks else ""
        return f"<p><b>{escape(self.summary)}</b> {about}</p>{table}{more}"


def _pooling(layer: dict[str, Any]) -> str:
    """A layer that pools, in words."""
    if layer["kind"] == "max":
        return f"max pooling, from layer {layer['layer']}"
    window, stride = (" x ".join(map(str, layer[key])) for key in ("window", "stride"))
    where = f"folded into layer {layer['layer']}" if layer["folded"] else f"layer {layer['layer']}"
    return f"average pooling, {where}: window {window}, stride {stride}"


def shown_margin(verdict: Verdict) -> str:
    """The margin in words: +12%, or "far" beyond the whole of a bar."""
    if verdict.margin is None:
        return ""
    return f"{verdict.margin:+.0%}" if abs(verdict.margin) <= 1 else "far"


def _row(name: str, verdict: Verdict) -> str:
    """A verdict as a row of the HTML table, of COLUMNS."""
    cells = (
        name,
        "yes" if verdict.present else "no",
        shown_margin(verdict),
        f"{verdict.effect:.3g}",
        "" if verdict.p_value is None else f"{verdict.p_value:.3g}",
        str(verdict.evidence["effect_is"]),
    )
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
