"""Twins of data: another task's data with one thing destroyed, and all else as it was.

What a network shows on the twin as well, the data did not make.

| twin | what is destroyed | what stays |
|---|---|---|
| random_labels | the relation of inputs and targets | inputs, targets, places |
| shuffled_positions | which input lies beside which | every sample up to the order of its inputs |
| independent_inputs | the relation of inputs to each other and to targets | values of each input |
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args

import torch
from pydantic import Field, model_validator

from urn.data.dataset import Dataset, Split
from urn.data.options import TASKS, TaskOptions, task, task_options
from urn.errors import InputError, shown

Kind = Literal["random_labels", "shuffled_positions", "independent_inputs"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All of them, in the order of the table above."""


@task("twin")
class Twin(TaskOptions):
    """The data of another task with one thing destroyed (a control).

    `of` is that task and `options` are its options (on the command line, as JSON); `data_seed`
    seeds what is destroyed.
    """

    of: Annotated[str, Field(description="name of the task")]
    options: dict[str, Any] = Field(default={}, description="options of that task")
    kind: Kind = "random_labels"

    @model_validator(mode="before")
    @classmethod
    def _has_a_task(cls, values: Any) -> Any:
        """Refuse a task that is not there, or a twin of a twin."""
        if isinstance(values, dict) and "of" in values:
            values = values | {"options": _as_table(values.get("options", {}))}
            others = sorted(set(TASKS) - {"twin"})
            if values["of"] not in others:
                raise InputError(
                    f"of: no task {shown(str(values['of']))} to be a twin"
                    f" of; there are {', '.join(others)}"
                )
            task_options(values["of"], values["options"])
        return values

    def load(self) -> Dataset:
        """The other task's data, changed.

        Raises
        ------
        InputError
            For streams of symbols, and for places to be shuffled where inputs have none.
        """
        data = task_options(self.of, json.loads(json.dumps(self.options))).load()
        return twin(data, self.kind, self.data_seed)


def _as_table(options: Any) -> dict[str, Any]:
    """Options as a table; from the command line they come as a text of JSON."""
    with suppress(ValueError):
        options = json.loads(options) if isinstance(options, str) else options
    if not isinstance(options, dict):
        raise InputError(f"options: must be a table (as JSON: {{...}}), not {shown(str(options))}")
    return options


def twin(data: Dataset, kind: Kind, seed: int = 0) -> Dataset:
    """A twin of a data set.

    Parameters
    ----------
    data : Dataset
        Left as it is.
    kind : {"random_labels", "shuffled_positions", "independent_inputs"}
        What is destroyed.
    seed : int
        Of the permutations.

    Raises
    ------
    InputError
        For streams of symbols, and for places to be shuffled where inputs have none.
    """
    if kind not in KINDS:
        raise InputError(f"kind: no twin {shown(str(kind))}; there are {', '.join(KINDS)}")
    if data.kind == "stream":
        raise InputError("twin: streams of symbols have none")
    if kind == "shuffled_positions" and data.positions is None:
        raise InputError("twin: shuffled_positions needs inputs that have places; these have none")

    generator = torch.Generator().manual_seed(seed)
    if kind == "shuffled_positions":
        # One order for all parts: a network must be able to learn as much as before.
        order = torch.randperm(data.n_inputs, generator=generator)
        return _changed(data, lambda X, y: (X[..., order].contiguous(), y))
    if kind == "random_labels":
        return _changed(data, lambda X, y: (X, y[torch.randperm(len(y), generator=generator)]))
    return _changed(data, lambda X, y: (_columns_permuted(X, generator), y))


def _changed(data: Dataset, change: Callable[..., Split]) -> Dataset:
    train, validation, test = (change(*part) for part in data.parts)
    return replace(data, train=train, validation=validation, test=test)


def _columns_permuted(X: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """X `(N, d_in)` with the values of each input dealt to other samples, input by input.

    Of sequences `(N, T, d_in)` those of each input at each step.
    """
    order = torch.rand(X.shape, generator=generator).argsort(dim=0)
    return X.gather(0, order)
