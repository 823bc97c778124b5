"""The living network as one plain description, and its files: .json, .npz, .graphml, .gexf. Read back without any pickle.

GraphML keeps what belongs to the whole network (iterations, activation, input mode) as attributes of the graph. GEXF has no
place for these; there they must be told to the reader.
"""

import io
import json
from dataclasses import dataclass

import networkx as nx
import numpy as np

from analysis.graph import role

FORMATS = ("json", "npz", "graphml", "gexf")
SETTINGS = ("n_iterations", "activation", "input_mode")


@dataclass(frozen=True)
class Portable:
    """A network of n neurons, inputs first and outputs last, and what is known of each neuron.

    Attributes
    ----------
    weights : (n, n), `weights[i, j]` from j to i. biases : (n,).
    ids : (n,) which neuron of the network before compaction each one is.
    layer : (n,) int, -1 for neurons that take no part. activity : (n,) mean of |N| over iterations and data, or None.
    positions : (n, dim), NaN where there is none, or None.
    """

    weights: np.ndarray
    biases: np.ndarray
    n_inputs: int
    n_outputs: int
    n_iterations: int
    activation: str
    input_mode: str
    ids: np.ndarray
    layer: np.ndarray
    activity: np.ndarray | None = None
    positions: np.ndarray | None = None

    def to_networkx(self):
        """A DiGraph of plain Python types: nodes by id, edges (j, i) with "weight"; settings as attributes of the graph."""
        graph = nx.DiGraph(**{name: getattr(self, name) for name in SETTINGS})
        n = len(self.ids)
        for place, i in enumerate(self.ids.tolist()):
            about = {"role": role(place, n, self.n_inputs, self.n_outputs), "place": place}
            about |= {"bias": float(self.biases[place]), "layer": int(self.layer[place])}
            if self.activity is not None:
                about["activity"] = float(self.activity[place])
            if self.positions is not None and np.isfinite(self.positions[place]).all():
                about |= {
                    f"position_{axis}": float(x) for axis, x in enumerate(self.positions[place])
                }
            graph.add_node(i, **about)
        i, j = np.nonzero(self.weights)
        ends = zip(
            self.ids[j].tolist(), self.ids[i].tolist(), self.weights[i, j].tolist(), strict=True
        )
        graph.add_weighted_edges_from(ends)
        return graph

    @classmethod
    def from_networkx(cls, graph, **settings):
        """The inverse of `to_networkx`; `settings` for what the graph's format could not keep."""
        nodes = sorted(graph.nodes(data=True), key=lambda node: node[1]["place"])
        place = {name: about["place"] for name, about in nodes}
        weights = np.zeros((len(nodes), len(nodes)))
        for source, target, about in graph.edges(data=True):
            weights[place[target], place[source]] = about["weight"]
        roles = [about["role"] for _, about in nodes]
        axes = sorted({key for _, about in nodes for key in about if key.startswith("position_")})
        known = {name: graph.graph[name] for name in SETTINGS if name in graph.graph} | settings
        gather = lambda key, fill=np.nan: np.array([about.get(key, fill) for _, about in nodes])  # noqa: E731
        return cls(
            weights,
            gather("bias"),
            roles.count("input"),
            roles.count("output"),
            **known,
            ids=np.array([int(name) for name, _ in nodes]),
            layer=gather("layer"),
            activity=gather("activity") if any("activity" in about for _, about in nodes) else None,
            positions=np.stack([gather(axis) for axis in axes], axis=1) if axes else None,
        )

    def write(self, kind):
        """The bytes of a file of one of FORMATS."""
        if kind == "json":
            return json.dumps(self._to_dict(), allow_nan=False).encode()
        stream = io.BytesIO()
        if kind == "npz":
            arrays = {name: value for name, value in vars(self).items() if value is not None}
            np.savez_compressed(
                stream, **{name: np.asarray(value) for name, value in arrays.items()}
            )
        else:
            (nx.write_graphml if kind == "graphml" else nx.write_gexf)(self.to_networkx(), stream)
        return stream.getvalue()

    @classmethod
    def read(cls, content, kind, **settings):
        """A network from the bytes of a file of one of FORMATS; for gexf give n_iterations, activation and input_mode."""
        stream = io.BytesIO(content)
        if kind == "json":
            return cls._from_dict(json.loads(content))
        if kind == "npz":
            with np.load(stream, allow_pickle=False) as arrays:
                return cls(
                    **{
                        name: array if array.ndim else array.item()
                        for name, array in arrays.items()
                    }
                )
        return cls.from_networkx(
            (nx.read_graphml if kind == "graphml" else nx.read_gexf)(stream), **settings
        )

    def _to_dict(self):
        graph = self.to_networkx()
        nodes = [{"id": i, **about} for i, about in graph.nodes(data=True)]
        return {
            **graph.graph,
            "neurons": nodes,
            "edges": [list(edge) for edge in graph.edges(data="weight")],
        }

    @classmethod
    def _from_dict(cls, document):
        graph = nx.DiGraph(**{name: document[name] for name in SETTINGS})
        graph.add_nodes_from(
            (node["id"], {key: node[key] for key in node if key != "id"})
            for node in document["neurons"]
        )
        graph.add_weighted_edges_from(document["edges"])
        return cls.from_networkx(graph)
