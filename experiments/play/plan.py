"""A session as a configuration: the plan of a preset, and the moves of dials over it.

Pure functions on `TrainConfig`; nothing here trains.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from urn.settings.config import TrainConfig
from urn.settings.schedules import Schedule

STEPS = 100_000
"""Steps of a session. By judgement: minutes of training, after all of which one starts anew."""

SETTINGS = {"w0": "self_target", "q": "locality_power"}
"""Dials that are fields of the configuration; all others are strengths."""

ALWAYS = ("weight", "bias", "activity", "depth", "self")
"""Terms that every session has, if only at strength 0: their dials can then be turned."""


class Turn(NamedTuple):
    """A move of a dial: from `step` on the strength or setting `name` is `value`."""

    step: int
    name: str
    value: float


def session_config(config: TrainConfig) -> TrainConfig:
    """A configuration that goes on for as long as one plays.

    Milestones are shares of training, whose end a session does not know. They become moves at the
    steps where they are now, and training does the same until its old end.
    """
    strengths = {name: _absolute(s, config.steps) for name, s in config.strengths.items()}
    for name in ALWAYS:
        strengths.setdefault(name, Schedule(value=0))
    if config.hidden_positions == "lattice":
        strengths.setdefault("symmetry", Schedule(value=0))
    if config.hidden_positions != "none":
        strengths.setdefault("locality", Schedule(value=0))
    rate = _absolute(config.learning_rate, config.steps)
    return config.replace(strengths=strengths, learning_rate=rate, steps=STEPS, snapshots=0)


def _absolute(schedule: Schedule, n_steps: int) -> Schedule:
    """The same values without milestones."""
    # A milestone is due at the first step that is not before it.
    steps = sorted({math.ceil(m * n_steps) for m in schedule.milestones})
    moves = [(step, schedule.at(step, n_steps)) for step in steps]
    return Schedule(value=schedule.value, warmup=schedule.warmup, moves=moves or schedule.moves)


def with_turns(config: TrainConfig, turns: Iterable[Turn]) -> TrainConfig:
    """A configuration whose dials were turned.

    From the first turn of a dial on, nothing that was planned for it happens any more. Of several
    turns at a step the last one counts.

    Raises
    ------
    InputError
        For a value that cannot be, and for a term that the network has no place for.
    """
    # By dial, and there by step: the last value at a step stands.
    moves: dict[str, dict[int, float]] = {}
    for step, name, value in turns:
        moves.setdefault(name, {})[step] = value

    strengths: dict[str, Schedule] = dict(config.strengths)
    settings: dict[str, Schedule] = {}
    for name, turned in moves.items():
        if name in SETTINGS:
            field = SETTINGS[name]
            settings[field] = _turned(getattr(config, field), turned)
        else:
            strengths[name] = _turned(strengths.get(name, 0.0), turned)
    return config.replace(strengths=strengths, **settings)


def _turned(schedule: Schedule | float, turned: dict[int, float]) -> Schedule:
    """A schedule with moves at the steps at which a dial was turned."""
    if not isinstance(schedule, Schedule):
        schedule = Schedule(value=schedule)
    planned = [move for move in schedule.moves if move[0] < min(turned)]
    return Schedule(
        value=schedule.value,
        warmup=schedule.warmup,
        moves=[*planned, *sorted(turned.items())],
    )


def saved_config(config: TrainConfig, step: int) -> TrainConfig:
    """The configuration that training to `step` repeats: what comes later is left out."""

    def until(schedule: Schedule) -> Schedule:
        moves = [move for move in schedule.moves if move[0] < step]
        return Schedule(value=schedule.value, warmup=schedule.warmup, moves=moves)

    settings = {
        field: until(value)
        for field in SETTINGS.values()
        if isinstance(value := getattr(config, field), Schedule)
    }
    return config.replace(
        steps=step,
        strengths={name: until(schedule) for name, schedule in config.strengths.items()},
        learning_rate=until(config.learning_rate),
        **settings,
    )
