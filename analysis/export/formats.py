"""The file formats of a network: .json, .npz, .graphml, .gexf. Read back without any pickle.

A format is an entry of FORMATS, and other packages may add theirs with `register_format`: `urn
export --to` offers every entry, and checks what it wrote by reading it back. GraphML keeps what
belongs to the whole network (iterations, activation, input mode) as attributes of the graph. GEXF
cannot keep these; there the reader must be given them.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from analysis.export.portable import SETTINGS, Portable
from analysis.network import FlatNetwork


@dataclass(frozen=True)
class Format:
    """How a network becomes a file, and a file a network.

    Attributes
    ----------
    write : function of a Portable to bytes
    read : function of bytes, and of settings by keyword, to a Portable
    keeps_settings : bool
        Whether the file holds `SETTINGS`; if not, `read` must be given them.
    """

    write: Callable[[Portable], bytes]
    read: Callable[..., Portable]
    keeps_settings: bool = True


# {suffix of the file: its format}.
FORMATS: dict[str, Format] = {}


def register_format(
    name: str,
    write: Callable[[Portable], bytes],
    read: Callable[..., Portable],
    *,
    keeps_settings: bool = True,
) -> None:
    """Add a file format, so that `urn export --to name` writes it to network.name.

    Parameters
    ----------
    name : str
        The suffix of the file, without a dot.
    write : function of a Portable to bytes
    read : function of bytes to a Portable
        It gets the settings n_iterations, activation and input_mode by keyword if the file does
        not keep them.
    keeps_settings : bool

    Raises
    ------
    ValueError
        For a name that is taken, or no suffix.
    """
    if not name.isidentifier():
        raise ValueError(f"name must be the suffix of a file, got {name!r}")
    if name in FORMATS:
        raise ValueError(f"name {name!r} is taken by another format")
    FORMATS[name] = Format(write, read, keeps_settings)


def write_json(network: Portable) -> bytes:
    """Settings, neurons and edges as plain JSON."""
    graph = network.to_networkx()
    document = {
        **graph.graph,
        "neurons": [{"id": i, **about} for i, about in graph.nodes(data=True)],
        "edges": [list(edge) for edge in graph.edges(data="weight")],
    }
    return json.dumps(document, allow_nan=False).encode()


def read_json(content: bytes) -> Portable:
    """The inverse of `write_json`."""
    document = json.loads(content)
    graph = nx.DiGraph(**{name: document[name] for name in SETTINGS})
    for node in document["neurons"]:
        graph.add_node(node.pop("id"), **node)
    graph.add_weighted_edges_from(document["edges"])
    return Portable.from_networkx(graph)


def write_npz(network: Portable) -> bytes:
    """Arrays and settings under their names, as `numpy.load` reads them.

    What is not there is not written: no array that is None, and `positions_learned` where it is so.
    """
    values = vars(network) | vars(network.network)
    arrays: dict[str, Any] = {
        name: np.asarray(value)
        for name, value in values.items()
        if name != "network" and value is not None and value is not False
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def read_npz(content: bytes) -> Portable:
    """The inverse of `write_npz`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        values: dict[str, Any] = {
            name: array if array.ndim else array.item() for name, array in arrays.items()
        }
    own = {name: values.pop(name) for name in ("ids", "layer", "activity") if name in values}
    return Portable(FlatNetwork(**values), **own)


def _write_graph(network: Portable, writer: Callable[[nx.DiGraph, io.BytesIO], None]) -> bytes:
    """The bytes that one of networkx's writers gives."""
    stream = io.BytesIO()
    writer(network.to_networkx(), stream)
    return stream.getvalue()


def write_graphml(network: Portable) -> bytes:
    """GraphML, for Gephi, Cytoscape, igraph and yEd."""
    return _write_graph(network, nx.write_graphml)


def read_graphml(content: bytes) -> Portable:
    """The inverse of `write_graphml`."""
    return Portable.from_networkx(nx.read_graphml(io.BytesIO(content)))


def write_gexf(network: Portable) -> bytes:
    """GEXF, for Gephi."""
    return _write_graph(network, nx.write_gexf)


def read_gexf(content: bytes, **settings: Any) -> Portable:
    """The inverse of `write_gexf`, given n_iterations, activation and input_mode."""
    return Portable.from_networkx(nx.read_gexf(io.BytesIO(content)), **settings)


register_format("json", write_json, read_json)
register_format("npz", write_npz, read_npz)
register_format("graphml", write_graphml, read_graphml)
register_format("gexf", write_gexf, read_gexf, keeps_settings=False)
