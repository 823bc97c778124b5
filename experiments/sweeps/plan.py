"""Sweep files: from a TOML file to the configurations of all its points. Nothing is trained or written here.

    seeds = 5                                   # how many, from 100 on, or a list
    [base]                                      # fields of the configuration that all points share
    task = "digits"
    strengths = {weight = 3e-4, depth = {value = 1e-2, warmup = 1000}}
    [grid]                                      # every combination
    strengths.depth = {log = [1e-4, 1e-1], n = 12}
    strengths.activity = [0, 1e-3, 1e-2]

Instead of `[grid]`: `[[points]]`, each a table of fields; or `[random]` or `[sobol]` with `n`, `seed` and a table `over` of
ranges, `{linear = [low, high]}` or `{log = [low, high]}`. A number given for a schedule changes its value and keeps the rest.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from experiments.claims import FIRST_SEED
from urn import InputError, TrainConfig
from urn.data.tasks import TASKS
from urn.settings.config import read_toml
from urn.settings.fields import Count, Positive, Strict, Whole
from urn.settings.schedules import Schedule
from urn.training.trainer import SHARED_FIELDS

MOST_POINTS = 100_000
"""More would take a month even at 30 seconds a point."""
KINDS = ("grid", "points", "random", "sobol")
Seed = Annotated[Whole, Field(ge=0)]


class Sample(Strict):
    """n points within ranges."""

    n: Annotated[Positive, Field(le=MOST_POINTS)]
    seed: Count = 0
    over: Annotated[dict, Field(min_length=1)]


def _counted(seeds: object) -> object:
    if isinstance(seeds, int) and not isinstance(seeds, bool) and 1 <= seeds <= MOST_POINTS:
        return list(range(FIRST_SEED, FIRST_SEED + seeds))
    if not isinstance(seeds, list | tuple):
        raise ValueError(
            f"must be how many, from 1 to {MOST_POINTS}, or a list of seeds, not {seeds!r:.60}"
        )
    return seeds


class Sweep(Strict):
    """What a sweep file says."""

    seeds: Annotated[
        tuple[Seed, ...], BeforeValidator(_counted), Field(min_length=1, max_length=MOST_POINTS)
    ]
    base: dict = Field({})
    grid: dict | None = None
    points: list[dict] | None = None
    random: Sample | None = None
    sobol: Sample | None = None

    @model_validator(mode="after")
    def _one_kind(self):
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise InputError(
                f"one of [grid], [[points]], [random] and [sobol] is needed, not {' and '.join(given) or 'none'}"
            )
        return self


@dataclass(frozen=True)
class Point:
    """One network of a sweep.

    Attributes:
        changes: what sets it apart from the base, the seed left aside.
        hash: a fingerprint of its configuration.
        shared: a fingerprint of what all members of a population have in common.
    """

    number: int
    changes: dict[str, object]
    config: TrainConfig
    hash: str
    shared: str


@dataclass(frozen=True)
class Plan:
    """All points of a sweep, seeds innermost. `axes`: the fields that vary beside the seed."""

    text: str
    axes: tuple[str, ...]
    points: tuple[Point, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Tells sweeps apart."""
        return hashlib.sha256("".join(point.hash for point in self.points).encode()).hexdigest()


def read_plan(path: Path) -> Plan:
    """The plan in a sweep file. Raises InputError naming the file, the field and what would be right."""
    fields = read_toml(path)
    try:
        return make_plan(Sweep(**fields), Path(path).read_text(encoding="utf-8"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def make_plan(sweep: Sweep, text: str = "") -> Plan:
    """Every point of a sweep, validated. Raises InputError naming the first that cannot be."""
    try:
        base = TrainConfig(**sweep.base)
    except InputError as error:
        raise InputError(f"base: {error}") from None
    if "seed" in sweep.base:
        raise InputError("base.seed: give seeds instead")
    settings = _settings(sweep)
    if len(settings) * len(sweep.seeds) > MOST_POINTS:
        raise InputError(_too_many(len(settings) * len(sweep.seeds)))
    points, numbers, first = [], {}, base.to_dict()
    for changes in settings:
        config = _change(first, changes)
        fields = config.to_dict() | {"seed": None}
        whole, shared = _digest(fields), _digest([fields.get(name) for name in SHARED_FIELDS])
        for seed in sweep.seeds:
            one = config.model_copy(update={"seed": seed})
            point = Point(len(points), changes, one, _digest([whole, seed]), shared)
            if point.hash in numbers:
                raise InputError(f"{describe(changes)}: appears twice with seed {seed}")
            numbers[point.hash] = point.number
            points.append(point)
    axes = tuple(dict.fromkeys(name for changes in settings for name in changes))
    return Plan(text, axes, tuple(points))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def describe(changes: dict[str, object]) -> str:
    """A point in words."""
    return ", ".join(
        f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in changes.items()
    )


def _too_many(n: int) -> str:
    return f"{n:,} points are more than the {MOST_POINTS:,} that a sweep may have"


def _settings(sweep: Sweep) -> list[dict[str, object]]:
    """What each setting changes, seeds left aside."""
    if sweep.points is not None:
        if not sweep.points:
            raise InputError("points: must hold at least one")
        return [dict(_flat(point, "points")) for point in sweep.points]
    if sweep.grid is not None:
        values = {name: _grid_axis(name, axis) for name, axis in _flat(sweep.grid, "grid").items()}
        n = math.prod(map(len, values.values())) * len(sweep.seeds)
        if n > MOST_POINTS:
            raise InputError(f"grid: {_too_many(n)}")
        table = [[]]
        for axis in values.values():
            table = [[*row, value] for row in table for value in axis]
        return [dict(zip(values, row, strict=True)) for row in table]
    kind = "sobol" if sweep.sobol is not None else "random"
    sample = getattr(sweep, kind)
    ranges = {
        name: _range(f"{kind}.over.{name}", axis)
        for name, axis in _flat(sample.over, f"{kind}.over").items()
    }
    if kind == "sobol":
        from scipy.stats import qmc  # takes its time to load

        unit = qmc.Sobol(len(ranges), seed=sample.seed).random_base2(
            math.ceil(math.log2(sample.n))
        )[: sample.n]
    else:
        unit = np.random.default_rng(sample.seed).random((sample.n, len(ranges)))
    columns = {}
    for (name, (low, high, spaced)), u in zip(ranges.items(), unit.T, strict=True):
        columns[name] = _rounded(
            name, low * (high / low) ** u if spaced == "log" else low + (high - low) * u
        )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _flat(table: dict, where: str, prefix: str = "") -> dict[str, object]:
    """{"strengths.depth": axis} of nested tables; a table that says log or linear, or is a schedule, is a value."""
    if not table:
        raise InputError(f"{where}: must name at least one field")
    found = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and not {"log", "linear", "value"} & set(value):
            inner = _flat(value, where, f"{name}.") if value else _flat(value, f"{where}.{name}")
        else:
            inner = {name: value}
        for path in inner:
            _check_known(path, where)
        found |= inner
    return found


def _check_known(path: str, where: str) -> None:
    field, *rest = path.split(".")
    if field not in TrainConfig.model_fields:
        raise InputError(f"{where}.{path}: no such field of the configuration")
    if field == "seed":
        raise InputError(f"{where}.{path}: give seeds at the top of the file")
    if len(rest) > {"strengths": 2, "task_options": 1, "learning_rate": 1, "growth": 1}.get(
        field, 0
    ):
        raise InputError(f"{where}.{path}: {field} holds no {'.'.join(rest)}")


def _grid_axis(name: str, axis: object) -> list:
    where = f"grid.{name}"
    if isinstance(axis, list):
        if not axis:
            raise InputError(f"{where}: must hold at least one value")
        return axis
    if isinstance(axis, dict) and "n" in axis:
        n = axis["n"]
        low, high, spaced = _range(where, {key: value for key, value in axis.items() if key != "n"})
        if not isinstance(n, int) or isinstance(n, bool) or n < 2:
            raise InputError(f"{where}.n: must be a whole number of at least 2, not {n!r:.60}")
        if n > MOST_POINTS:
            raise InputError(f"{where}.n: {_too_many(n)}")
        return _rounded(
            name, np.geomspace(low, high, n) if spaced == "log" else np.linspace(low, high, n)
        )
    raise InputError(
        f"{where}: must be a list of values or such as {{log = [1e-4, 1e-1], n = 12}}, not {axis!r:.60}"
    )


def _range(where: str, axis: object) -> tuple[float, float, str]:
    """(low, high, "log" or "linear")."""
    right = "must be {log = [low, high]} or {linear = [low, high]}"
    if not isinstance(axis, dict) or len(axis) != 1 or not {"log", "linear"} & set(axis):
        raise InputError(f"{where}: {right}, not {axis!r:.60}")
    ((spaced, ends),) = axis.items()
    numbers = (
        isinstance(ends, list) and len(ends) == 2 and all(type(end) in (int, float) for end in ends)
    )
    if not numbers or not all(map(math.isfinite, ends)) or not ends[0] < ends[1]:
        raise InputError(
            f"{where}.{spaced}: must be two numbers, the lower first, not {ends!r:.60}"
        )
    if spaced == "log" and ends[0] <= 0:
        raise InputError(f"{where}.log: must be above 0, not {ends[0]!r}")
    return ends[0], ends[1], spaced


def _rounded(name: str, values: np.ndarray) -> list[int] | list[float]:
    """Computed values of a field: whole where the field is, else to six digits."""
    if _is_whole(name):
        return [round(value) for value in values.tolist()]
    return [float(f"{value:.6g}") for value in values.tolist()]


def _is_whole(path: str) -> bool:
    field, *rest = path.split(".")
    if field == "task_options":
        fields = [
            options.model_fields[rest[0]]
            for options in TASKS.values()
            if rest and rest[0] in options.model_fields
        ]
        return any(info.annotation is int for info in fields)
    owner, name = (Schedule, rest[-1]) if rest else (TrainConfig, field)
    return name in owner.model_fields and owner.model_fields[name].annotation is int


def _change(base: dict, changes: dict[str, object]) -> TrainConfig:
    """The base with some fields changed. A number for a schedule is its value."""
    fields = json.loads(json.dumps(base))
    for path, value in changes.items():
        *way, name = path.split(".")
        table = fields
        for key in way:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise InputError(f"{path}: {key} is no table")
        if isinstance(table.get(name), dict) and isinstance(value, int | float):
            table[name] = table[name] | {"value": value}
        else:
            table[name] = value
    try:
        config = TrainConfig(**fields)
    except InputError as error:
        raise InputError(f"at {describe(changes)}: {error}") from None
    for path, value in changes.items():
        if isinstance(value, str) and not isinstance(look_up(config, path), str):
            raise InputError(f"{path}: must be a number, not {value!r}")
    return config


def look_up(config: TrainConfig, path: str) -> object:
    """The value of a dotted field; of a schedule its value."""
    value: object = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else getattr(value, key)
    return value.value if isinstance(value, Schedule) else value
