"""Claims about what emerges: one module each, `urn reproduce` runs them.

A claim is a module that has the names of `Claim`. Those of this package are listed in `NAMES`;
another package adds its own under the entry point group `urn.claims` (name = module), and
`urn reproduce` then knows them too.

Settings are chosen on validation data with seeds 0-4; results are reported on fresh test data and
seeds from 100 on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from matplotlib.figure import Figure

from urn import InputError, Run, TrainConfig
from urn.data.tasks import Dataset
from urn.io import short

Row = dict[str, Any]  # The numbers of one trained network, plain JSON types.

Measured = Mapping[str, list[Row]]  # {arm: a row for each seed}.

# The claims of this package, in the order of the documentation.
NAMES = (
    "atlas",
    "fully_connected",
    "depth",
    "width",
    "kept",
    "locally_connected",
    "fields",
    "modular",
    "difficulty",
    "convolutional",
    "residual",
    "recurrent",
    "lifetime",
    "growth",
    "growth_vs_fixed",
    "shrink",
    "grow_urn",
    "pruning",
    "phase_map",
)

GROUP = "urn.claims"  # The entry point group of claims that other packages add.

SCALES = ("quick", "paper")  # Small networks in minutes, or the sizes of the papers.

FIRST_SEED = 100  # The first seed that is reported; 0-4 are those that settings were chosen with.


@dataclass(frozen=True)
class Check:
    """A thing that must hold.

    Attributes
    ----------
    title : str
        The thing; `what` in claims.json.
    measured, asked : str
        As a table shows them.
    passed : bool
    """

    title: str
    measured: str
    asked: str
    passed: bool

    def to_dict(self) -> dict[str, Any]:
        """The check as claims.json holds it."""
        return {
            "what": self.title,
            "measured": self.measured,
            "asked": self.asked,
            "passed": bool(self.passed),
        }


class Claim(Protocol):
    """The names that the module of a claim has; its docstring says how it can be refuted.

    A module may also have `notes(measured, scale)`, paragraphs about what the numbers say beside
    the checks; `AFTER`, {arm: the arm whose run with the same seed it goes on from}; and `SEEDS`,
    {scale: how many seeds}, where the usual number says too little; and `FIRST_SEED`, where its
    settings were not yet fixed when others were reported.
    """

    __doc__: str | None
    __file__: str

    CLAIM: str
    """What is claimed, in a sentence."""
    SOURCE: str
    """Where it is from."""
    PAPER: str
    """What the paper reports."""

    def arms(self, scale: str) -> dict[str, TrainConfig]:
        """Every kind of network that it trains, by name; `urn reproduce` sets the seeds."""
        ...

    def measure(self, arm: str, run: Run, data: Dataset) -> Row:
        """The numbers of one trained network."""
        ...

    def checks(self, measured: Measured, scale: str) -> list[Check]:
        """What must hold."""
        ...

    def figures(self, runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
        """Pictures by name."""
        ...


# The names without which a module is no claim: those of `Claim`.
PARTS = ("CLAIM", "SOURCE", "PAPER", "arms", "measure", "checks", "figures")


@cache
def modules() -> dict[str, str]:
    """Return {name: module} of every claim: those of this package, then those that others add.

    A name of this package cannot be taken by another.
    """
    # Ours come first, and a name of ours is not taken from another package.
    added = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    ours = {name: f"{__name__}.{name}" for name in NAMES}
    return ours | {name: added[name] for name in sorted(added) if name not in ours}


def load(name: str) -> Claim:
    """Import the module of a claim.

    Raises
    ------
    InputError
        Where there is no such claim, or its module lacks a part of one.
    """
    if name not in modules():
        raise InputError(f"{name}: no such claim; there are {', '.join(modules())}")
    try:
        module = import_module(modules()[name])
    except ImportError as error:
        raise InputError(f"{name}: its module cannot be imported: {error}") from None

    # Said here in one line, and not by an AttributeError after hours of training.
    missing = [part for part in PARTS if not hasattr(module, part)]
    if missing:
        raise InputError(f"{name}: {module.__name__} lacks {', '.join(missing)}")
    return cast(Claim, module)


def column(rows: list[Row], name: str) -> list:
    """One number of every seed."""
    return [row[name] for row in rows]


def most(values: Iterable[object], of: int = 5, least: int = 4) -> bool:
    """Whether a thing holds for `least` of `of` seeds, or that share of another number of seeds."""
    values = list(values)
    return sum(map(bool, values)) * of >= least * len(values)


def in_most_seeds(title: str, holds: list[bool], measured: str | None = None) -> Check:
    """A thing that must hold in 4 of 5 seeds."""
    return Check(
        title, spread(holds) if measured is None else measured, "4 of 5 seeds", most(holds)
    )


def spread(values: list) -> str:
    """Median and range of numbers, or how many seeds a thing holds for."""
    if all(isinstance(value, bool) for value in values):
        return f"{sum(values)} of {len(values)}"

    numbers = sorted(value for value in values if value == value)  # without NaN
    if not numbers:
        return "none"
    # The middle number, or the mean of both in the middle.
    half = len(numbers) // 2
    median = numbers[half] if len(numbers) % 2 else (numbers[half - 1] + numbers[half]) / 2
    if numbers[0] == numbers[-1]:
        return short(median)
    return f"{short(median)} ({short(numbers[0])} to {short(numbers[-1])})"
