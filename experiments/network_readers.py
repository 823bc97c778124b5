"""What files of networks hold: arrays, adjacency tables, edge lists, GraphML. Nothing is unpickled.

A reader for each ending. How the matrix is applied is a matter of network_files.py.
"""

import csv
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from xml.etree.ElementTree import ParseError

import networkx as nx
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError, safe_open

from urn.data.tables import number_of
from urn.errors import InputError, shown

MOST_BYTES = 500_000_000
"""Of a file. By judgement: what is read in under a minute."""

MOST_NEURONS = 5_000
"""By judgement: the dense matrix then takes 0.2 GB, and a verdict a minute."""

ARRAYS = ("weights", "biases", "positions", "inputs")
"""Names of arrays in .npz and .safetensors files."""

Count = Annotated[int, Field(gt=0, le=MOST_NEURONS)]
Names = Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_NEURONS)]


class Settings(BaseModel):
    """How the matrix of a file is applied: keys of the TOML beside it, and flags."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_inputs: Count | None = Field(default=None, description="the first neurons are inputs")
    n_outputs: Count | None = Field(default=None, description="the last neurons are outputs")
    n_iterations: Count | None = Field(default=None, description="how often W is applied")
    activation: Literal["relu", "tanh"] | None = Field(
        default=None, description="nonlinearity of every neuron (default: relu)"
    )
    input_mode: Literal["pulse", "clamped", "sequence"] | None = Field(
        default=None,
        description="input at the start only, the same all the time, or one after the other"
        " (default: pulse)",
    )
    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None, description="weights up to it count as zero (default: the rule)"
    )
    positions: str | None = Field(
        default=None, description=".npy or .csv file with a row of coordinates for each neuron"
    )
    inputs: str | None = Field(
        default=None, description=".npy or .csv file with a row of inputs for each sample"
    )
    input_nodes: Names | None = Field(
        default=None, description="names of the nodes that are inputs, in place of n_inputs"
    )
    output_nodes: Names | None = Field(
        default=None, description="names of the nodes that are outputs, in place of n_outputs"
    )
    weight: str = Field(default="weight", description="column or attribute that holds the weight")
    rows: Literal["targets", "sources"] = Field(
        default="targets",
        description="what a row of a matrix is: the neuron that hears, or the one that is heard",
    )


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds.

    Attributes
    ----------
    weights : (S, S) array
        `weights[i, j]` from neuron j to neuron i.
    names : tuple of str
        Of the nodes; empty where they are only numbered.
    biases, positions, inputs : arrays or None
    settings : dict
        Fields of `Settings` that stand in the file itself.
    """

    weights: np.ndarray
    names: tuple[str, ...] = ()
    biases: np.ndarray | None = None
    positions: np.ndarray | None = None
    inputs: np.ndarray | None = None
    settings: Mapping[str, Any] | None = None


def check_file(path: Path) -> None:
    """Refuse what is no file of a kind that is known, or too large."""
    if path.suffix not in READERS:
        raise InputError(f"{path}: must end in {', '.join(READERS)}")
    try:
        n_bytes = path.stat().st_size if path.is_file() else None
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if n_bytes is None:
        raise InputError(f"{path}: {'is a folder' if is_folder else 'no such file'}")
    if n_bytes > MOST_BYTES:
        raise InputError(f"{path}: {n_bytes:,} bytes, more than {MOST_BYTES:,}")


def read_content(path: Path, settings: Settings) -> Content:
    """The content of a file, by its ending."""
    try:
        content = READERS[path.suffix](path, settings)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: must be UTF-8") from None
    if not np.isfinite(content.weights).all():
        raise InputError(f"{path}: {settings.weight}: holds NaN or infinite values")
    return content


def _check_size(path: Path, n_neurons: int) -> None:
    if not 1 < n_neurons <= MOST_NEURONS:
        raise InputError(f"{path}: must hold 2 to {MOST_NEURONS:,} neurons, not {n_neurons:,}")


def _as_content(path: Path, values: Mapping[str, Any], settings: Settings) -> Content:
    """The content of a file of named arrays."""
    unknown = [name for name in values if name not in {*ARRAYS, *Settings.model_fields}]
    if unknown:
        raise InputError(
            f"{path}: {shown(unknown[0])}: unknown name; known are {', '.join(ARRAYS)}"
        )
    if "weights" not in values:
        raise InputError(f"{path}: weights: missing")

    arrays = {name: _floats(path, name, values[name]) for name in ARRAYS if name in values}
    weights = arrays["weights"]
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise InputError(f"{path}: weights: must be square, not shape {weights.shape}")
    _check_size(path, len(weights))
    rest = {name: _plain(value) for name, value in values.items() if name not in ARRAYS}
    oriented = weights if settings.rows == "targets" else weights.T
    more = [arrays.get(name) for name in ARRAYS[1:]]
    return Content(oriented, (), *more, rest)


def _floats(path: Path, name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{path}: {name}: must hold numbers")
    return array.astype(float)


def _plain(value: Any) -> Any:
    """A scalar or list of Python from an array."""
    array = np.asarray(value)
    return tuple(array.tolist()) if array.ndim else array.item()


def _read_npz(path: Path, settings: Settings) -> Content:
    try:
        with zipfile.ZipFile(path) as members:
            n_bytes = sum(member.file_size for member in members.infolist())
        if n_bytes > MOST_BYTES:
            raise InputError(f"{path}: unpacks to more than {MOST_BYTES:,} bytes")
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
    except (InputError, MemoryError, OSError):
        raise
    except Exception:  # NumPy and zipfile raise many kinds for a foreign or cut off file
        # What NumPy says here is how to unpickle the file, which is no advice of ours.
        raise InputError(f"{path}: no .npz file of plain arrays; nothing is unpickled") from None
    return _as_content(path, values, settings)


def _read_safetensors(path: Path, settings: Settings) -> Content:
    """Tensors are arrays; what is no array stands in the metadata, as text."""
    try:
        with safe_open(path, framework="np") as file:
            values: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, ValueError, TypeError) as error:
        raise InputError(f"{path}: no .safetensors file ({error})") from None
    counts = {k: _number(path, k, v) for k, v in metadata.items() if k.startswith("n_")}
    words = {k: v for k, v in metadata.items() if k in ("activation", "input_mode")}
    known = {k: v for k, v in counts.items() if k in Settings.model_fields}
    return _as_content(path, values | known | words, settings)


def _number(path: Path, field: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{path}: {field}: {shown(text)} is no whole number") from None


def _read_text(path: Path, settings: Settings) -> Content:
    """An edge list where the first line names source and target; else a table of weights."""
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, delimiter=delimiter)
        try:
            head = next(rows, [])
            if {"source", "target"} <= {name.strip() for name in head}:
                return _edge_list(path, [name.strip() for name in head], rows, settings)
            weights = _square(path, [head, *_limited(path, rows)])
        except csv.Error as error:
            raise InputError(f"{path}: line {rows.line_num}: {error}") from None
    return Content(weights if settings.rows == "targets" else weights.T)


def _limited(path: Path, rows: Iterable[list[str]]) -> list[list[str]]:
    """The rows of a table of weights, one for each neuron at most."""
    result = []
    for row in rows:
        if row:
            result.append(row)
        if len(result) > MOST_NEURONS:
            _check_size(path, len(result) + 1)
    return result


def _square(path: Path, rows: list[list[str]]) -> np.ndarray:
    """A table of numbers as a matrix."""
    _check_size(path, len(rows))
    weights = np.empty((len(rows), len(rows)))
    for k, row in enumerate(rows, start=1):
        if len(row) != len(rows):
            raise InputError(
                f"{path}: line {k}: {len(row)} numbers in one of {len(rows)} rows; a table of "
                "weights is square, and an edge list begins with the line source,target,weight"
            )
        weights[k - 1] = [_float(path, k, text) for text in row]
    return weights


def _float(path: Path, line: int, text: str) -> float:
    number = number_of(text.strip())
    if number is None:
        raise InputError(f"{path}: line {line}: {shown(text)} is no number")
    return number


def _edge_list(
    path: Path, head: list[str], rows: Iterable[list[str]], settings: Settings
) -> Content:
    """Nodes in the order in which they first come up; weights of repeated edges are summed."""
    has_weights = settings.weight in head
    if not has_weights and settings.weight != "weight":
        raise InputError(f"{path}: weight: there is no column {shown(settings.weight)}")
    numbers: dict[str, int] = {}
    entries: list[tuple[int, int, float]] = []

    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != len(head):
            raise InputError(f"{path}: line {line}: {len(row)} cells, not {len(head)}")
        cells = dict(zip(head, row, strict=True))
        ends = [cells[end].strip() for end in ("source", "target")]
        if "" in ends:
            raise InputError(f"{path}: line {line}: a node without a name")
        source, target = (numbers.setdefault(name, len(numbers)) for name in ends)
        weight = _float(path, line, cells[settings.weight]) if has_weights else 1.0
        entries.append((target, source, weight))
        if len(numbers) > MOST_NEURONS:
            _check_size(path, len(numbers))
    return Content(_matrix(path, entries, len(numbers)), tuple(numbers))


def _matrix(path: Path, entries: list[tuple[int, int, float]], n_neurons: int) -> np.ndarray:
    """The matrix of (target, source, weight)."""
    _check_size(path, n_neurons)
    weights = np.zeros((n_neurons, n_neurons))
    for target, source, weight in entries:
        weights[target, source] += weight
    return weights


def _read_graphml(path: Path, settings: Settings) -> Content:
    """A graph as networkx reads it; an edge without a direction goes both ways."""
    try:
        graph = nx.read_graphml(path)
    except (ParseError, nx.NetworkXError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: no GraphML file ({error})") from None
    directed = graph if graph.is_directed() else graph.to_directed()
    _check_size(path, len(directed))
    numbers = {name: k for k, name in enumerate(directed)}

    entries = []
    for source, target, attributes in directed.edges(data=True):
        weight = attributes.get(settings.weight, 1.0 if settings.weight == "weight" else None)
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            edge = f"edge {shown(source)} to {shown(target)}"
            raise InputError(f"{path}: {settings.weight}: no number on the {edge}")
        entries.append((numbers[target], numbers[source], float(weight)))
    weights = _matrix(path, entries, len(numbers))
    return Content(weights, tuple(map(str, numbers)), positions=_coordinates(directed))


def _coordinates(graph: nx.Graph) -> np.ndarray | None:
    """Positions from attributes x, y and z of the nodes, where every node has them."""
    axes = [
        a for a in ("x", "y", "z") if all(_is_number(d.get(a)) for _, d in graph.nodes(data=True))
    ]
    if not axes:
        return None
    return np.array([[float(d[axis]) for axis in axes] for _, d in graph.nodes(data=True)])


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
    )


def read_table(path: Path, field: str) -> np.ndarray:
    """Rows of numbers from a .npy or .csv file that a field names."""
    if path.suffix not in (".npy", ".csv"):
        raise InputError(f"{path}: {field}: must end in .npy or .csv")
    if not path.is_file():
        raise InputError(f"{path}: {field}: no such file")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path}: {field}: more than {MOST_BYTES:,} bytes")
    try:
        if path.suffix == ".npy":
            array = _floats(path, field, np.load(path, allow_pickle=False))
        else:
            array = np.loadtxt(path, delimiter=",", ndmin=2, encoding="utf-8")
    except (ValueError, OSError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: {field}: no table of numbers ({error})") from None
    if array.ndim != 2:
        raise InputError(f"{path}: {field}: must have rows and columns, not shape {array.shape}")
    return array


READERS: dict[str, Callable[[Path, Settings], Content]] = {
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".csv": _read_text,
    ".tsv": _read_text,
    ".graphml": _read_graphml,
}
"""The reader of each ending."""
