"""Claims about what emerges: one module each, `urn reproduce` runs them.

A claim is a module with

    CLAIM, SOURCE, PAPER    what is claimed, where it is from, what the paper reports
    arms(scale)             {name: TrainConfig}: every kind of network it trains; the seed is set by `urn reproduce`
    measure(arm, run, data) numbers of one trained network, plain JSON types
    checks(measured, scale) [Check]: what must hold, from {arm: [numbers of each seed]}
    figures(runs, measured) {name: matplotlib Figure}
    notes(measured, scale)  optional, [paragraph]: what the numbers say beside the checks
    AFTER                   optional, {arm: the arm whose run with the same seed it goes on from}
    SEEDS                   optional, {scale: how many seeds}, where the usual number says too little

Settings are chosen on validation data with seeds 0-4; results are reported on fresh test data and seeds from 100 on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

NAMES = (
    "fully_connected",
    "depth",
    "width",
    "locally_connected",
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
"""The claims, in the order they are told."""
SCALES = ("quick", "paper")
FIRST_SEED = 100


@dataclass(frozen=True)
class Check:
    """One thing that must hold: what it is, what was measured, what is asked, and whether it holds."""

    what: str
    measured: str
    asked: str
    passed: bool

    def __post_init__(self):
        object.__setattr__(self, "passed", bool(self.passed))


def load(name: str) -> ModuleType:
    """The module of a claim."""
    return import_module(f"experiments.claims.{name}")


def column(rows: list[dict], name: str) -> list:
    """One number of every seed."""
    return [row[name] for row in rows]


def most(values: Iterable[object], of: int = 5, least: int = 4) -> bool:
    """Whether a thing holds for at least `least` in `of` seeds, or that share of another number of seeds."""
    values = list(values)
    return sum(map(bool, values)) * of >= least * len(values)


def spread(values: list) -> str:
    """Median and range of numbers, or how many seeds a thing holds for."""
    if all(isinstance(value, bool) for value in values):
        return f"{sum(values)} of {len(values)}"
    numbers = sorted(value for value in values if value == value)
    if not numbers:
        return "none"
    half = len(numbers) // 2
    median = numbers[half] if len(numbers) % 2 else (numbers[half - 1] + numbers[half]) / 2
    return (
        short(median)
        if numbers[0] == numbers[-1]
        else f"{short(median)} ({short(numbers[0])} to {short(numbers[-1])})"
    )


def short(number: float) -> str:
    """A number as a table shows it."""
    return (
        f"{number:,.0f}"
        if float(number).is_integer()
        else f"{number:,.0f}"
        if abs(number) >= 1000
        else f"{number:.3g}"
    )
