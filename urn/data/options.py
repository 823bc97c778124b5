"""What every task shares: options that are validated, a `load()`, and a name in the registry."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from urn.data.dataset import Dataset
from urn.errors import InputError, one_line, shown
from urn.settings.fields import Whole
from urn.settings.registry import TASKS, task

__all__ = ["TASKS", "TaskOptions", "task", "task_options"]


class TaskOptions(BaseModel):
    """Options of a task. `data_seed` seeds the data and its split, whatever the network's seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    data_seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _can_be_written(self) -> Self:
        """A run folder holds its options as UTF-8."""
        for name, value in self:
            try:
                str(value).encode()
            except UnicodeEncodeError:
                raise InputError(f"{name}: must be UTF-8, not {shown(str(value))}") from None
        return self

    def load(self) -> Dataset:
        """The data these options describe; every task has its own."""
        raise NotImplementedError


def task_options(name: str, options: dict) -> TaskOptions:
    """Validate the options of a task.

    Raises
    ------
    InputError
        Naming the task, or the option, that cannot be.
    """
    if name not in TASKS:
        raise InputError(f"task: no task {shown(name)}; there are {', '.join(sorted(TASKS))}")
    try:
        return TASKS[name].model_validate(options)
    except ValidationError as error:
        raise one_line(error, f"task_options of {name}") from None
