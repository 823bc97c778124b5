"""Schedules: how a strength or the learning rate changes over training.

Nothing here touches tensors.
"""

import math
from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidatorFunctionWrapHandler,
    WrapSerializer,
    WrapValidator,
    model_serializer,
    model_validator,
)

from urn.errors import shown
from urn.settings.fields import LARGEST, Amount, Count, Number, Strict

Fraction = Annotated[Number, Field(gt=0, lt=1)]
"""Of the steps of a training."""

Move = tuple[Count, Amount]
"""A step, and the value from that step on."""

MOST_MOVES = 10_000
"""By judgement: a dial that is turned ten times a second for a quarter of an hour."""


class Schedule(Strict):
    """A non-negative number that may change over training. A plain number means a constant.

        value(t) = value * min(1, (t + 1) / warmup) * factor ** n(t)

    where n(t) is the number of milestones m with t >= m * steps. From the step of its first move on
    it is the value of the last move that is due, whatever else the schedule says: a dial that was
    turned while the network trained.
    """

    value: Amount
    warmup: Count = Field(default=0, description="steps over which it rises linearly from 0")
    milestones: tuple[Fraction, ...] = Field(
        default=(), description="fractions of training at which it is multiplied by factor"
    )
    factor: Annotated[Number, Field(gt=0)] = Field(
        default=10.0, description="what each milestone multiplies it by"
    )
    moves: Annotated[tuple[Move, ...], Field(max_length=MOST_MOVES)] = Field(
        default=(), description="pairs of a step and the value from that step on"
    )

    @model_validator(mode="after")
    def _stays_finite(self) -> Self:
        if self.value > 0:
            # In logarithms: the product itself might overflow.
            largest = math.log10(self.value) + len(self.milestones) * math.log10(self.factor)
            if largest > math.log10(LARGEST):
                raise ValueError(f"factor: the milestones take it above {LARGEST:g}")
        return self

    @model_validator(mode="after")
    def _moves_ascend(self) -> Self:
        steps = [step for step, _ in self.moves]
        if any(later <= step for step, later in pairwise(steps)):
            raise ValueError("moves: their steps must ascend")
        return self

    @model_serializer(mode="wrap")
    def _without_moves(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Files of schedules without moves stay what they were."""
        fields = dump(self)
        if not self.moves:
            del fields["moves"]
        return fields

    @property
    def constant(self) -> bool:
        """Whether it never changes."""
        return not (self.warmup or self.milestones or self.moves)

    @property
    def values(self) -> tuple[float, ...]:
        """The value to begin with, and that of every move."""
        return (self.value, *(value for _, value in self.moves))

    def at(self, step: int, n_steps: int) -> float:
        """The value at `step` (0-based) of a training of `n_steps` steps."""
        n_due = bisect_right(self.moves, step, key=lambda move: move[0])
        if n_due:
            return self.moves[n_due - 1][1]
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.value * rise * self.factor ** sum(step >= m * n_steps for m in self.milestones)


def _from_number(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"value": value}
    if not isinstance(value, dict | Schedule):
        raise ValueError(
            "must be a number or a table such as {value = 1e-2, warmup = 1000},"
            f" not {shown(value)}"
        )
    return value


Scheduled = Annotated[Schedule, BeforeValidator(_from_number)]
"""A field that takes a number or a table {value, warmup, milestones, factor, moves}."""


def _number_or_table(value: object, number: ValidatorFunctionWrapHandler) -> object:
    """A number stays one; a table becomes a Schedule."""
    if isinstance(value, Schedule):
        return value
    return Schedule(**value) if isinstance(value, dict) else number(value)


def _as_it_is(value: object, number: SerializerFunctionWrapHandler) -> object:
    return value.model_dump(mode="json") if isinstance(value, Schedule) else number(value)


Movable = Annotated[Amount, WrapValidator(_number_or_table), WrapSerializer(_as_it_is)]
"""A number, or a table that holds a Schedule; `value_at` reads both."""


def value_at(value: "float | Schedule", step: int, n_steps: int) -> float:
    """A number, or the value of a schedule at a step."""
    return value.at(step, n_steps) if isinstance(value, Schedule) else value


def values_of(value: "float | Schedule") -> tuple[float, ...]:
    """All that a number, or a schedule without milestones, ever is."""
    return value.values if isinstance(value, Schedule) else (value,)
