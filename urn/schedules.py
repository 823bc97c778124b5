"""Schedules: how a strength or the learning rate changes over training. Nothing here touches tensors."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat

Fraction = Annotated[FiniteFloat, Field(gt=0, lt=1)]


class Schedule(BaseModel):
    """A non-negative number that may change over training. A plain number means a constant.

    value(t) = value * min(1, (t + 1) / warmup) * factor ** (number of milestones m with t >= m * steps)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Annotated[FiniteFloat, Field(ge=0)]
    warmup: Annotated[int, Field(ge=0)] = Field(0, description="steps over which it rises linearly from 0")
    milestones: tuple[Fraction, ...] = Field((), description="fractions of training at which it is multiplied by factor")
    factor: Annotated[FiniteFloat, Field(gt=0)] = Field(10.0, description="what each milestone multiplies it by")

    def at(self, step: int, n_steps: int) -> float:
        """The value at `step` (0-based) of a training of `n_steps` steps."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.value * rise * self.factor ** sum(step >= m * n_steps for m in self.milestones)


def _from_number(value: object) -> object:
    return {"value": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


Scheduled = Annotated[Schedule, BeforeValidator(_from_number)]
"""A field that takes a number or a table {value, warmup, milestones, factor}."""
