"""The held neurons as a plain description, and its way to networkx and back.

Writes no files: see formats.py.
"""

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from analysis.graph import role
from analysis.network import FlatNetwork, Floats

# What belongs to the whole network: attributes of a graph, where its format has any.
SETTINGS = ("n_iterations", "activation", "input_mode")


@dataclass(frozen=True)
class Portable:
    """A network of n neurons, inputs first and outputs last, and what is known of each neuron.

    Attributes
    ----------
    network : FlatNetwork
        With positions (n, dim), NaN where there is none, or without.
    ids : (n,) int array
        Which neuron of the network before compaction each of them is.
    layer : (n,) int array
        -1 for unused neurons.
    activity : (n,) array or None
        Mean of |N| over iterations and data.
    """

    network: FlatNetwork
    ids: NDArray[np.int64]
    layer: NDArray[np.int64]
    activity: Floats | None = None

    def to_networkx(self) -> nx.DiGraph:
        """A DiGraph of plain Python types.

        Nodes by id, edges (j, i) with "weight"; settings as attributes of the graph.
        """
        net = self.network
        graph = nx.DiGraph(**{name: getattr(net, name) for name in SETTINGS})
        for index, i in enumerate(self.ids.tolist()):
            graph.add_node(i, **self._about(index))

        targets, sources = np.nonzero(net.weights)
        ends = zip(
            self.ids[sources].tolist(),
            self.ids[targets].tolist(),
            net.weights[targets, sources].tolist(),
            strict=True,
        )
        graph.add_weighted_edges_from(ends)
        return graph

    def _about(self, index: int) -> dict[str, Any]:
        """The attributes of a node, by the neuron's index."""
        net = self.network
        about: dict[str, Any] = {
            "role": role(index, len(self.ids), net.n_inputs, net.n_outputs),
            "place": index,
            "bias": float(net.biases[index]),
            "layer": int(self.layer[index]),
        }
        if self.activity is not None:
            about["activity"] = float(self.activity[index])
        if net.positions is not None and np.isfinite(net.positions[index]).all():
            coordinates = net.positions[index].tolist()
            about |= {f"position_{axis}": x for axis, x in enumerate(coordinates)}
        return about

    @classmethod
    def from_networkx(cls, graph: nx.DiGraph, **settings: Any) -> "Portable":
        """The inverse of `to_networkx`; `settings` for what the graph's format could not keep."""
        nodes = sorted(graph.nodes(data=True), key=lambda node: node[1]["place"])
        index_of = {name: about["place"] for name, about in nodes}
        weights = np.zeros((len(nodes), len(nodes)))
        for source, target, about in graph.edges(data=True):
            weights[index_of[target], index_of[source]] = about["weight"]

        attributes = [about for _, about in nodes]
        keys = {key for about in attributes for key in about}
        axes = sorted(key for key in keys if key.startswith("position_"))
        roles = [about["role"] for about in attributes]
        known = {name: graph.graph[name] for name in SETTINGS if name in graph.graph}
        network = FlatNetwork(
            weights,
            _column(attributes, "bias"),
            roles.count("input"),
            roles.count("output"),
            positions=np.stack([_column(attributes, axis) for axis in axes], 1) if axes else None,
            **known | settings,
        )
        return cls(
            network,
            ids=np.array([int(name) for name, _ in nodes]),
            layer=_column(attributes, "layer"),
            activity=_column(attributes, "activity") if "activity" in keys else None,
        )


def _column(attributes: list[dict[str, Any]], key: str) -> np.ndarray:
    """(n,) an attribute of all nodes, NaN where a node has none."""
    return np.array([about.get(key, np.nan) for about in attributes])
