"""Networks that others made, from files: arrays, adjacency tables, edge lists, GraphML.

A file holds the weights; how they are applied stands in it, in a TOML file of the same name beside
it, or in flags, the later before the earlier. Every fault is one line that names the file and the
field. Nothing is unpickled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from analysis import FlatNetwork, flat_network
from experiments.network_readers import (
    MOST_NEURONS,
    Content,
    Settings,
    check_file,
    read_content,
    read_table,
)
from urn.errors import InputError, one_line, shown
from urn.settings.config import read_toml

MOST_SAMPLES = 10_000
"""Rows of inputs. By judgement: a few hundred tell what varies."""


@dataclass(frozen=True, eq=False)
class FileNetwork:
    """A network from a file, checked: `inputs` are the samples to judge it on, or None."""

    network: FlatNetwork
    names: tuple[str, ...]
    inputs: np.ndarray | None


def read_network(path: Path, flags: Mapping[str, Any]) -> FileNetwork:
    """Read the network in a file.

    Parameters
    ----------
    path : path
        .npz, .safetensors, .csv, .tsv or .graphml.
    flags : dict
        Fields of `Settings` that go before those of the TOML beside the file.

    Raises
    ------
    InputError
        Naming the file and the field.
    """
    path = Path(path)
    check_file(path)
    beside = path.with_suffix(".toml")
    beside_it = _settings(read_toml(beside), str(beside)) if beside.is_file() else {}
    # Files that a TOML names lie beside it; those that a flag names, where the command is run.
    for key in ("positions", "inputs"):
        if key in beside_it:
            beside_it[key] = str(beside.parent / beside_it[key])

    given = beside_it | _settings({k: v for k, v in flags.items() if v is not None}, "flags")
    content = read_content(path, _valid(given, str(path)))
    inside = _settings(dict(content.settings or {}), str(path))
    settings = _valid(inside | given, str(path))
    return _put_together(path, content, settings)


def _settings(fields: dict[str, Any], source: str) -> dict[str, Any]:
    """The fields that are given, checked one by one."""
    _valid(fields, source)
    return dict(fields)


def _valid(fields: dict[str, Any], source: str) -> Settings:
    try:
        return Settings(**fields)
    except ValidationError as error:
        raise one_line(error, source) from None


def _put_together(path: Path, content: Content, settings: Settings) -> FileNetwork:
    """Order the nodes, read what lies in other files, and check everything."""
    order, sizes = _order(path, content.names, len(content.weights), settings)
    positions = content.positions
    if settings.positions is not None:
        positions = read_table(Path(settings.positions), "positions")
    inputs = content.inputs
    if settings.inputs is not None:
        inputs = read_table(Path(settings.inputs), "inputs")
    _check_samples(path, inputs, sizes[0])
    if positions is not None and len(positions) != len(order):
        raise InputError(f"{path}: positions: {len(positions)} rows for {len(order)} neurons")

    try:
        network = flat_network(
            content.weights[np.ix_(order, order)],
            None if content.biases is None else np.asarray(content.biases)[order],
            n_inputs=sizes[0],
            n_outputs=sizes[1],
            n_iterations=sizes[2],
            positions=None if positions is None else positions[order],
            activation=settings.activation or "relu",
            input_mode=settings.input_mode or "pulse",
            threshold=settings.threshold,
        )
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: {error}") from None
    names = tuple(content.names[k] for k in order) if content.names else ()
    return FileNetwork(network, names, inputs)


def _order(
    path: Path, names: tuple[str, ...], n_neurons: int, settings: Settings
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Neurons with inputs first and outputs last; n_inputs, n_outputs and n_iterations."""
    ends = []
    sizes = []
    for end in ("input", "output"):
        chosen = getattr(settings, f"{end}_nodes")
        number = getattr(settings, f"n_{end}s")
        if chosen is None and number is None:
            raise InputError(_missing(path, f"n_{end}s", f", or {end}_nodes" if names else ""))
        if chosen is not None and number not in (None, len(chosen)):
            raise InputError(f"{path}: n_{end}s: is {number}, but {len(chosen)} {end}_nodes")
        ends.append(_numbers(path, f"{end}_nodes", chosen, names))
        sizes.append(number if chosen is None else len(chosen))
    if settings.n_iterations is None:
        raise InputError(_missing(path, "n_iterations", ""))

    first, last = ends
    both = set(first) & set(last)
    if both:
        raise InputError(f"{path}: output_nodes: {shown(names[min(both)])} is an input as well")
    middle = [k for k in range(n_neurons) if k not in {*first, *last}]
    order = np.array([*first, *middle, *last], dtype=int)
    return order, (sizes[0], sizes[1], settings.n_iterations)


def _numbers(
    path: Path, field: str, chosen: Sequence[str] | None, names: tuple[str, ...]
) -> list[int]:
    """Numbers of the nodes that a field names."""
    if chosen is None:
        return []
    known = {name: k for k, name in enumerate(names or map(str, range(MOST_NEURONS)))}
    for name in chosen:
        if name not in known:
            raise InputError(f"{path}: {field}: {shown(name)} is no node")
    if len(set(chosen)) != len(chosen):
        raise InputError(f"{path}: {field}: a name is there twice")
    return [known[name] for name in chosen]


def _missing(path: Path, field: str, other: str) -> str:
    flag = f"--{field.replace('_', '-')}"
    return (
        f"{path}: {field}: missing; give {flag}, or put it into {path.with_suffix('.toml')}{other}"
    )


def _check_samples(path: Path, inputs: np.ndarray | None, n_inputs: int) -> None:
    if inputs is None:
        return
    if inputs.ndim != 2 or inputs.shape[1] != n_inputs:
        raise InputError(f"{path}: inputs: must have {n_inputs} columns, not shape {inputs.shape}")
    if not 2 <= len(inputs) <= MOST_SAMPLES:
        raise InputError(f"{path}: inputs: must be 2 to {MOST_SAMPLES:,} rows, not {len(inputs):,}")
