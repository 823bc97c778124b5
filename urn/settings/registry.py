"""The two lists that a user can add to, terms of the loss and tasks, and the decorators that do.

Nothing of `urn` is imported here, so that any module may register something. The lists are empty
until the modules that fill them are imported: `urn.loss.terms` and `urn.data.tasks` for our own.
"""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from urn.errors import InputError

SHRINKABLE = ("weight", "bias", "diagonal", "deviation")
"""What the proximal step can shrink: W, b, the diagonal of W, and what W deviates from symmetry by.

By the design of `urn.optimiser`: each of the four has a step of its own there.
"""

Function = TypeVar("Function", bound=Callable[..., Any])
Options = TypeVar("Options", bound=type)


@dataclass(frozen=True)
class Term:
    """A term of the loss.

    Parameters
    ----------
    value
        `(net, activity, settings)` -> `(K,)`, the value R for every member, without its strength.
    shrinks
        For an L1 term what the proximal step shrinks, one of `SHRINKABLE`. None for a smooth term,
        which goes through autograd.
    price
        `(net, settings)` -> the price of every entry at strength 1, `(K, n, n)` for weights and
        `(K, n)` for biases. None where every entry has price 1.
    """

    value: Callable[..., Any]
    shrinks: str | None = None
    price: Callable[..., Any] | None = None


TERMS: dict[str, Term] = {}
"""Terms by name, in the order in which they were registered."""

TASKS: dict[str, type[Any]] = {}
"""Classes of task options by name."""


def register(
    name: str,
    *,
    shrinks: str | None = None,
    price: Callable[..., Any] | None = None,
    cost: Callable[..., Any] | None = None,
) -> Callable[[Function], Function]:
    """Decorate a function `(net, activity, settings) -> (K,)` to become the term `name`.

    With `shrinks="weight"` (or "bias") the term is sum price_ij |W_ij|, and belongs to the proximal
    step: it drives weights to exactly zero.

    Parameters
    ----------
    name
        A Python identifier, the name of the strength in a configuration.
    shrinks
        What the proximal step shrinks: weight, bias, diagonal or deviation. None for a smooth term.
    price
        `(net, settings)` -> `(K, n, n)` for weights, `(K, n)` for biases; 1 if it is left out.
        Prices that depend on learned positions are differentiated with respect to those.
    cost
        The old name of `price`, read for one more release.

    Returns
    -------
    Callable
        A decorator that returns the function as it is.

    Raises
    ------
    InputError
        For a name that cannot be or is taken by another module, for something that is no function,
        and for a price that goes with nothing.
    """
    price = _renamed(cost, price)
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"name: must be a Python identifier, not {name!r}")
    if shrinks is not None and shrinks not in SHRINKABLE:
        raise InputError(f"shrinks: must be one of {', '.join(SHRINKABLE)}, not {shrinks!r}")
    if price is not None and shrinks not in ("weight", "bias"):
        raise InputError("price: goes with shrinks = weight or bias only")

    def add(value: Function) -> Function:
        if not callable(value):
            raise InputError(
                f"{name}: the term must be a function of (net, activity, settings), not {value!r}"
            )

        # The same module may register a name again: a notebook cell may well be run twice.
        before = TERMS.get(name)
        if before and before.value.__module__ != value.__module__:
            raise InputError(f"{name}: is a term already, of {before.value.__module__}")

        TERMS[name] = Term(value, shrinks, price)
        return value

    return add


def _renamed(
    cost: Callable[..., Any] | None, price: Callable[..., Any] | None
) -> Callable[..., Any] | None:
    """The price, under its new name or its old one."""
    if cost is None:
        return price
    if price is not None:
        raise InputError("cost: is the old name of price; give one of them")

    # Level 3 is the line that calls `register`.
    warnings.warn("cost: is called price now", DeprecationWarning, stacklevel=3)
    return cost


def check_names(names: Iterable[str]) -> None:
    """Raise InputError for a term that is not registered; the message lists those that are."""
    for name in names:
        if name not in TERMS:
            raise InputError(f"strengths.{name}: no such term; there are {', '.join(TERMS)}")


def task(name: str) -> Callable[[Options], Options]:
    """Register a `TaskOptions` subclass with a `load()` under a name."""

    def add(options: Options) -> Options:
        TASKS[name] = options
        return options

    return add
