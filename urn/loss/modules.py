"""The same prices for a `torch.nn.Module` that is no URN.

`weight` prices parameters with two axes or more (matrices, kernels) and `bias` those of that name.
Others, such as the scales of a normalisation, have no price. Terms that need neurons, iterations or
positions are refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from urn.errors import InputError
from urn.loss.terms import Strength

PRICED = ("weight", "bias")
"""The terms that any module can have. By judgement: all others speak of a URN's neurons."""

UNPRICED = ""
"""Stands for the term of parameters that have no price. No term can have this name."""


def parameters_by_term(module: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The parameters of a module by the term that prices them, `UNPRICED` where none does."""
    result: dict[str, list[nn.Parameter]] = {"weight": [], "bias": [], UNPRICED: []}
    for path, parameter in module.named_parameters():
        if parameter.dim() > 1:
            result["weight"].append(parameter)
        elif path.split(".")[-1] == "bias":
            result["bias"].append(parameter)
        else:
            result[UNPRICED].append(parameter)
    return result


def value(module: nn.Module, strengths: Mapping[str, Strength]) -> Tensor:
    """sum_r c_r R_r of a module, a tensor without axes and without gradient.

    Parameters
    ----------
    module
        Any module.
    strengths
        Numbers by the name of their term.

    Raises
    ------
    InputError
        For what is no module, a term other than `PRICED`, and a strength for each member.
    """
    check(module, strengths)
    parameters = parameters_by_term(module)

    parts = [
        strength * parameter.detach().abs().sum()
        for name, strength in strengths.items()
        for parameter in parameters[name]
    ]
    return torch.as_tensor(sum(parts, 0.0))


def parameter_groups(
    module: nn.Module, strengths: Callable[[], Mapping[str, Strength]]
) -> list[dict[str, Any]]:
    """Parameter groups for `ProximalAdam`, with prices that are looked up at every step.

    Parameters
    ----------
    module
        Any module.
    strengths
        Returns the strengths of the step that training is at, by the name of their term.

    Raises
    ------
    InputError
        As `value` does.
    """
    check(module, strengths())
    return [
        {"params": parameters, "price": lambda name=name: strengths().get(name, 0.0)}
        for name, parameters in parameters_by_term(module).items()
        if parameters
    ]


def check(module: nn.Module, strengths: Mapping[str, Strength]) -> None:
    """Raise InputError for what is no module, and for strengths that a module cannot have."""
    if not isinstance(module, nn.Module):
        raise InputError(f"net: must be a torch.nn.Module, not {type(module).__name__}")

    for name, strength in strengths.items():
        if name not in PRICED:
            raise InputError(
                f"strengths.{name}: speaks of a URN's neurons; "
                "of another module only weight and bias are priced"
            )
        if isinstance(strength, Tensor) and strength.dim():
            raise InputError(
                f"strengths.{name}: must be one number for a module that is no population"
            )
