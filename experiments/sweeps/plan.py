"""Sweep files: from a TOML file to the configurations of all its points.

Nothing is trained or written here.

    seeds = 5                                   # how many, from 100 on, or a list
    [base]                                      # fields of the configuration that all points share
    task = "digits"
    strengths = {weight = 3e-4, depth = {value = 1e-2, warmup = 1000}}
    [grid]                                      # every combination
    strengths.depth = {log = [1e-4, 1e-1], n = 12}
    strengths.activity = [0, 1e-3, 1e-2]

Instead of `[grid]`: `[[points]]`, each a table of fields; or `[random]` or `[sobol]` with `n`,
`seed` and a table `over` of ranges, `{linear = [low, high]}` or `{log = [low, high]}`. A number
given for a schedule changes its value and keeps the rest.

    [borders]                                   # of a grid only what lies at its borders is trained
    follow = ["recurrent", "learned"]           # verdicts, architecture, learned
    levels = {validation_accuracy = 0.9}        # measures, and the values to follow
    along = ["strengths.depth"]                 # one or two axes; left out: those of the grid
    halvings = 2                                # how often the first step is halved; left out: 2
    every_seed = false                          # true: train those too that cannot change a vote
    closed = true                               # false: draw borders straight between coarse lines
"""

import hashlib
import json
import math
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, NamedTuple, Self

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from experiments.claims import FIRST_SEED
from experiments.sweeps.columns import COLUMNS, EFFECTS
from urn import InputError, TrainConfig
from urn.data.tasks import TASKS
from urn.settings.fields import Count, Number, Positive, Strict, Whole
from urn.settings.schedules import Schedule
from urn.training.trainer import shared_fields

MOST_POINTS = 100_000
"""By judgement: more would take a month even at 30 seconds a point."""

KINDS = ("grid", "points", "random", "sobol")
"""Tables of a sweep file that say which points there are."""

LATER_FIELDS = {
    "stationary": 0,
    "stationary_tolerance": 1e-3,
    "shared_step": True,
    "initial_scale": 1.0,
}
"""Fields of the configuration that came after stores had been written, and their defaults then."""

KEYS_WITHIN = {"strengths": 2, "task_options": 1, "learning_rate": 1, "growth": 1}
"""How many more names a field of the configuration may be followed by, as in strengths.depth.value;
others none."""

FOLLOWED = (*EFFECTS, "architecture", "learned")
"""What the borders of a map may be borders of, beside levels of measures."""

NO_LEVELS = (*EFFECTS, "seconds", "analysis_seconds")
"""Columns of numbers that have no level to follow: verdicts are followed by name, and seconds are
the machine's."""

HALVINGS = 2
"""Of the first step, unless a file says otherwise. Measured (`experiments.benchmarks borders`): one
trains a quarter to a half more, and three save little and can oversee larger islands."""

MOST_AXES = 2
"""Axes that borders are followed along: those of a map."""

Seed = Annotated[Whole, Field(ge=0)]
Changes = dict[str, object]
"""Values of dotted fields that set a point apart from the base, the seed left aside."""


# ---- what a file says


class Sample(Strict):
    """n points within ranges."""

    n: Annotated[Positive, Field(le=MOST_POINTS)]
    seed: Count = 0
    over: Annotated[dict, Field(min_length=1)]


def _listed(value: object) -> object:
    """A list of one thing, where only that is given."""
    return value if isinstance(value, list | tuple) else [value]


def _ascending(levels: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted(set(levels)))


Levels = Annotated[
    tuple[Number, ...], BeforeValidator(_listed), AfterValidator(_ascending), Field(min_length=1)
]


class Borders(Strict):
    """Which points of a grid to train: those at the borders of what is followed."""

    follow: tuple[str, ...] = ()
    levels: dict[str, Levels] = Field({})
    along: tuple[str, ...] = ()
    halvings: Annotated[Count, Field(le=16)] | None = None
    every_seed: bool = False
    closed: bool = True

    @model_validator(mode="after")
    def _follows_what_there_is(self) -> Self:
        for name in self.follow:
            if name not in FOLLOWED:
                raise InputError(f"follow: must be of {', '.join(FOLLOWED)}, not {name!r:.60}")
        for name in self.levels:
            measured = COLUMNS.get(name) in ("INTEGER", "REAL") and name not in NO_LEVELS
            if not measured and not name.startswith("R_"):
                raise InputError(f"levels.{name:.60}: no measure of a network")
        return self


def _counted(seeds: object) -> object:
    """A list of seeds; a number says how many, from FIRST_SEED on."""
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
    borders: Borders | None = None

    @model_validator(mode="after")
    def _has_one_kind(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise InputError(
                "one of [grid], [[points]], [random] and [sobol] is needed, "
                f"not {' and '.join(given) or 'none'}"
            )
        if self.borders is not None and self.grid is None:
            raise InputError(f"borders: are those of a [grid], not of {given[0]}")
        return self


# ---- points


@dataclass(frozen=True)
class Point:
    """One network of a sweep.

    Attributes
    ----------
    number : int
        Its place in the plan, from 0.
    changes : dict
        What sets it apart from the base, the seed left aside.
    config : TrainConfig
        What is trained.
    hash : str
        A fingerprint of its configuration.
    shared : str
        A fingerprint of all that members of a population have in common.
    """

    number: int
    changes: Changes
    config: TrainConfig
    hash: str
    shared: str


@dataclass(frozen=True)
class Plan:
    """All points of a sweep, seeds innermost.

    Attributes
    ----------
    text : str
        The sweep file.
    axes : tuple of str
        The fields that vary beside the seed.
    points : tuple of Point
        In order of their numbers.
    borders : Borders or None
        Which of the points to train, `along` its one or two axes; None: all of them.
    """

    text: str
    axes: tuple[str, ...]
    points: tuple[Point, ...]
    borders: Borders | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Tells sweeps apart."""
        return hashlib.sha256("".join(point.hash for point in self.points).encode()).hexdigest()


def read_plan(path: Path) -> Plan:
    """The plan in a sweep file. Raises InputError naming the file, the field and the remedy."""
    text = _read_once(Path(path))
    try:
        return parse_plan(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: tables are nested too deeply") from None


def _read_once(path: Path) -> str:
    """The text of a file, read once: it may be a pipe."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def parse_plan(text: str) -> Plan:
    """The plan in the text of a sweep file."""
    return make_plan(Sweep(**_parse(text)), text)


def _parse(text: str) -> dict:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # RecursionError: thousands of nested brackets
        raise InputError(f"not TOML: {error}") from None


def make_plan(sweep: Sweep, text: str = "") -> Plan:
    """Make every point of a sweep.

    Parameters
    ----------
    sweep : Sweep
        What a sweep file says.
    text : str
        The file itself, kept with the plan.

    Raises
    ------
    InputError
        Naming the first point that cannot be.
    """
    base = _base(sweep).to_dict()
    settings = _settings(sweep)
    if len(settings) * len(sweep.seeds) > MOST_POINTS:
        raise InputError(_too_many(len(settings) * len(sweep.seeds)))

    points: list[Point] = []
    hashes: set[str] = set()
    for changes in settings:
        for point in _points(base, changes, sweep.seeds, len(points)):
            if point.hash in hashes:
                raise InputError(
                    f"{describe(changes)}: appears twice with seed {point.config.seed}"
                )
            hashes.add(point.hash)
            points.append(point)

    axes = tuple(dict.fromkeys(name for changes in settings for name in changes))
    borders = sweep.borders and _of_axes(sweep.borders, axes, points)
    return Plan(text, axes, tuple(points), borders)


def _base(sweep: Sweep) -> TrainConfig:
    try:
        base = TrainConfig(**sweep.base)
    except InputError as error:
        raise InputError(f"base: {error}") from None
    if "seed" in sweep.base:
        raise InputError("base.seed: give seeds instead")
    return base


def _of_axes(borders: Borders, axes: tuple[str, ...], points: list[Point]) -> Borders:
    """Borders with all that was left out. Raises InputError for what the grid has not."""
    along = borders.along or axes
    for name in along:
        if name not in axes:
            raise InputError(f"borders.along: {name:.60} is no axis of the grid")
    if len(along) > MOST_AXES or len(set(along)) < len(along):
        raise InputError(
            f"borders.along: must name one or two axes of the grid, not {', '.join(along)}"
        )

    for name in along:
        for value in (point.changes[name] for point in points):
            if type(value) not in (int, float):
                raise InputError(
                    f"borders.along: {name} has a value without an order, {value!r:.60}"
                )
    n = max(len({point.changes[name] for point in points}) for name in along)
    halvings = borders.halvings
    if halvings is None:
        halvings = min(HALVINGS, (n - 1).bit_length() - 1) if n > 1 else 0
    most = max(n - 2, 0).bit_length()  # a first step as long as the axis
    if halvings > most:
        raise InputError(
            f"borders.halvings: {halvings} are more than an axis of {n} values takes, {most}"
        )

    terms = {f"R_{term}" for point in points for term in point.config.strengths}
    for name in borders.levels:
        if name not in COLUMNS and name not in terms:
            raise InputError(f"borders.levels.{name:.60}: no term of this sweep")
    follow = borders.follow or (() if borders.levels else ("architecture",))
    whole = {"along": along, "follow": follow, "halvings": halvings}
    return borders.model_copy(update=whole)


def _points(base: dict, changes: Changes, seeds: tuple[int, ...], first: int) -> list[Point]:
    """One setting with every seed, numbered from `first` on."""
    config = _change(base, changes)
    fields = config.to_dict() | {"seed": None}
    # A store that was begun before a field came goes on with the hashes of then.
    skipped = {name for name, default in LATER_FIELDS.items() if fields[name] == default}
    whole = _digest({name: value for name, value in fields.items() if name not in skipped})
    shared = _digest([fields.get(name) for name in shared_fields(config) if name not in skipped])
    return [
        Point(
            first + k,
            changes,
            config.model_copy(update={"seed": seed}),
            _digest([whole, seed]),
            shared,
        )
        for k, seed in enumerate(seeds)
    ]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def describe(changes: Changes) -> str:
    """A point in words."""
    return ", ".join(
        f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in changes.items()
    )


def _too_many(n: int) -> str:
    return f"{n:,} points are more than the {MOST_POINTS:,} that a sweep may have"


# ---- settings: points with their seeds left aside


def _settings(sweep: Sweep) -> list[Changes]:
    """What each setting changes."""
    if sweep.points is not None:
        if not sweep.points:
            raise InputError("points: must hold at least one")
        return [dict(_flat(point, "points")) for point in sweep.points]
    if sweep.grid is not None:
        return _combinations(sweep.grid, len(sweep.seeds))
    if sweep.sobol is not None:
        return _samples("sobol", sweep.sobol)
    assert sweep.random is not None  # `_has_one_kind`
    return _samples("random", sweep.random)


def _combinations(grid: dict, n_seeds: int) -> list[Changes]:
    """Every combination of the values in a grid, the last axis innermost."""
    values = {name: _grid_axis(name, axis) for name, axis in _flat(grid, "grid").items()}
    n = math.prod(map(len, values.values())) * n_seeds
    if n > MOST_POINTS:
        raise InputError(f"grid: {_too_many(n)}")

    table: list[list] = [[]]
    for axis in values.values():
        table = [[*row, value] for row in table for value in axis]
    return [dict(zip(values, row, strict=True)) for row in table]


def _samples(kind: str, sample: Sample) -> list[Changes]:
    """n points that fill ranges, by Sobol's sequence or at random."""
    where = f"{kind}.over"
    ranges = {
        name: _range(f"{where}.{name}", axis) for name, axis in _flat(sample.over, where).items()
    }
    unit = _unit_points(kind, sample, len(ranges))

    columns = {}
    for (name, span), u in zip(ranges.items(), unit.T, strict=True):
        if span.is_log:
            values = span.low * (span.high / span.low) ** u
        else:
            values = span.low + (span.high - span.low) * u
        columns[name] = _rounded(name, values)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _unit_points(kind: str, sample: Sample, n_axes: int) -> np.ndarray:
    """Points of the unit cube, `(n, n_axes)`."""
    if kind == "random":
        return np.random.default_rng(sample.seed).random((sample.n, n_axes))

    from scipy.stats import qmc  # here, for it takes its time to load

    if n_axes > qmc.Sobol.MAXDIM:
        raise InputError(
            f"sobol.over: {n_axes:,} fields are more than the {qmc.Sobol.MAXDIM:,} of the sequence"
        )
    power = math.ceil(math.log2(sample.n))  # Sobol's sequence is even at powers of two
    return qmc.Sobol(n_axes, seed=sample.seed).random_base2(power)[: sample.n]


def _flat(table: dict, where: str, prefix: str = "") -> dict[str, object]:
    """{"strengths.depth": axis} of nested tables.

    A table that says log or linear, or is a schedule, is a value.
    """
    if not table:
        raise InputError(f"{where}: must name at least one field")

    fields: dict[str, object] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        inner: dict[str, object] = {name: value}
        if isinstance(value, dict) and not {"log", "linear", "value"} & set(value):
            inner = _flat(value, where, f"{name}.") if value else _flat(value, f"{where}.{name}")
        for path in inner:
            _check_known(path, where)
        fields |= inner
    return fields


def _check_known(path: str, where: str) -> None:
    """Raise InputError for a dotted field that the configuration has not."""
    field, *rest = path.split(".")
    if field not in TrainConfig.model_fields:
        raise InputError(f"{where}.{path}: no such field of the configuration")
    if field == "seed":
        raise InputError(f"{where}.{path}: give seeds at the top of the file")
    if len(rest) > KEYS_WITHIN.get(field, 0):
        raise InputError(f"{where}.{path}: {field} holds no {'.'.join(rest)}")


# ---- axes


class Span(NamedTuple):
    """A range of values, with how they are spaced in it."""

    low: float
    high: float
    is_log: bool


def _grid_axis(name: str, axis: object) -> list:
    """The values along one axis of a grid."""
    where = f"grid.{name}"
    if isinstance(axis, list):
        if not axis:
            raise InputError(f"{where}: must hold at least one value")
        return axis
    if not isinstance(axis, dict) or "n" not in axis:
        raise InputError(
            f"{where}: must be a list of values or such as {{log = [1e-4, 1e-1], n = 12}}, "
            f"not {axis!r:.60}"
        )

    n = axis["n"]
    span = _range(where, {key: value for key, value in axis.items() if key != "n"})
    if not isinstance(n, int) or isinstance(n, bool) or n < 2:
        raise InputError(f"{where}.n: must be a whole number of at least 2, not {n!r:.60}")
    if n > MOST_POINTS:
        raise InputError(f"{where}.n: {_too_many(n)}")
    spaced = np.geomspace if span.is_log else np.linspace
    return _rounded(name, spaced(span.low, span.high, n))


def _range(where: str, axis: object) -> Span:
    """The range that {log = [low, high]} or {linear = [low, high]} says."""
    if not isinstance(axis, dict) or len(axis) != 1 or not {"log", "linear"} & set(axis):
        raise InputError(
            f"{where}: must be {{log = [low, high]}} or {{linear = [low, high]}}, not {axis!r:.60}"
        )

    ((spacing, ends),) = axis.items()
    if not _are_ascending(ends):
        raise InputError(
            f"{where}.{spacing}: must be two numbers, the lower first, not {ends!r:.60}"
        )
    low, high = map(float, ends)
    if spacing == "log" and low <= 0:
        raise InputError(f"{where}.log: must be above 0, not {low!r:.60}")
    if not math.isfinite(high / low if spacing == "log" else high - low):
        raise InputError(f"{where}.{spacing}: the range overflows, {ends!r:.60}")
    return Span(low, high, spacing == "log")


def _are_ascending(ends: object) -> bool:
    """Whether these are two finite numbers, the lower first."""
    if not isinstance(ends, list) or len(ends) != 2:
        return False
    if not all(type(end) in (int, float) for end in ends):
        return False
    try:
        return all(map(math.isfinite, ends)) and ends[0] < ends[1]
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _rounded(name: str, values: np.ndarray) -> list[int] | list[float]:
    """Computed values of a field: whole where the field is, else to six digits."""
    if _is_whole(name):
        return [round(value) for value in values.tolist()]
    return [float(f"{value:.6g}") for value in values.tolist()]


def _is_whole(path: str) -> bool:
    """Whether a dotted field takes whole numbers."""
    field, *rest = path.split(".")
    if field == "task_options":
        return any(
            options.model_fields[rest[0]].annotation is int
            for options in TASKS.values()
            if rest and rest[0] in options.model_fields
        )
    owner = Schedule if rest else TrainConfig
    name = rest[-1] if rest else field
    return name in owner.model_fields and owner.model_fields[name].annotation is int


# ---- configurations


def _change(base: dict, changes: Changes) -> TrainConfig:
    """The base with other values for some fields. A number for a schedule is its value."""
    fields = json.loads(json.dumps(base))
    for path, value in changes.items():
        _put(fields, path, value)
    try:
        config = TrainConfig(**fields)
    except InputError as error:
        raise InputError(f"at {describe(changes)}: {error}") from None

    for path, value in changes.items():
        if isinstance(value, str) and not isinstance(look_up(config, path), str):
            raise InputError(f"{path}: must be a number, not {value!r}")
    return config


def _put(fields: dict, path: str, value: object) -> None:
    """Set a dotted field in nested tables."""
    *keys, name = path.split(".")
    table = fields
    for key in keys:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise InputError(f"{path}: {key} is no table")

    if isinstance(table.get(name), dict) and isinstance(value, int | float):
        table[name] = table[name] | {"value": value}
    else:
        table[name] = value


def look_up(config: TrainConfig, path: str) -> object:
    """The value of a dotted field; of a schedule its value."""
    value: object = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else getattr(value, key)
    return value.value if isinstance(value, Schedule) else value
