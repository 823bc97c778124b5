"""Types of fields, and a model that refuses what it does not know in one line.

Their bounds keep every number exact as a float and far from overflow in float32.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from urn.errors import one_line

LARGEST = 1e30
"""Largest magnitude of a setting. By judgement: times a learning rate of 1e7 it is a float32."""


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {value}")
    return value


Number = Annotated[FiniteFloat, BeforeValidator(_not_bool), Field(ge=-LARGEST, le=LARGEST)]
Amount = Annotated[Number, Field(ge=0)]
Whole = Annotated[int, BeforeValidator(_not_bool), Field(ge=-(2**53), le=2**53)]
Count = Annotated[Whole, Field(ge=0)]
Positive = Annotated[Whole, Field(ge=1)]
Size = Annotated[Positive, Field(le=10**9)]
"""How many of something that is held in memory."""


class Strict(BaseModel):
    """An immutable model. Unknown keys and impossible values raise InputError, naming the field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise one_line(error) from None
