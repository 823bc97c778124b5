"""Schedules: how a strength or the learning rate changes over training.

Nothing here touches tensors.
"""

import math
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from urn.errors import shown
from urn.settings.fields import LARGEST, Amount, Count, Number, Strict

Fraction = Annotated[Number, Field(gt=0, lt=1)]
"""Of the steps of a training."""


class Schedule(Strict):
    """A non-negative number that may change over training. A plain number means a constant.

        value(t) = value * min(1, (t + 1) / warmup) * factor ** n(t)

    where n(t) is the number of milestones m with t >= m * steps.
    """

    value: Amount
    warmup: Count = Field(default=0, description="steps over which it rises linearly from 0")
    milestones: tuple[Fraction, ...] = Field(
        default=(), description="fractions of training at which it is multiplied by factor"
    )
    factor: Annotated[Number, Field(gt=0)] = Field(
        default=10.0, description="what each milestone multiplies it by"
    )

    @model_validator(mode="after")
    def _stays_finite(self) -> Self:
        if self.value > 0:
            # In logarithms: the product itself might overflow.
            largest = math.log10(self.value) + len(self.milestones) * math.log10(self.factor)
            if largest > math.log10(LARGEST):
                raise ValueError(f"factor: the milestones take it above {LARGEST:g}")
        return self

    @property
    def constant(self) -> bool:
        """Whether it never changes."""
        return not (self.warmup or self.milestones)

    def at(self, step: int, n_steps: int) -> float:
        """The value at `step` (0-based) of a training of `n_steps` steps."""
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
"""A field that takes a number or a table {value, warmup, milestones, factor}."""
