"""The terms of a loss together: their strengths over time, and what becomes of each in training.

    L = task + sum_r c_r R_r                                                    (docs/theory.md)

Smooth terms go through autograd. The L1 terms, on W, its diagonal, its deviation from symmetry and
b, are handed to the optimiser as prices: its proximal step shrinks by them, so that zeros are
exact. In a training loop of your own:

    penalties = Penalties({"weight": 3e-4, "activity": 3e-3})
    optimiser = ProximalAdam(penalties.parameter_groups(net), lr=1e-3)
    y, activity = net.unroll(x)
    loss = cross_entropy(y[0], labels) + penalties(net, activity)
    loss.backward(); optimiser.step()

The terms themselves are in `urn.loss.terms`, which also says how to add one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from urn.errors import InputError
from urn.loss import modules
from urn.loss.terms import NO_LATTICE, Settings, Strength, Term
from urn.network.module import URN, Activity
from urn.optimiser.prices import DiagonalPrice, Price, SharedPrice
from urn.settings.registry import TERMS, check_names, register
from urn.settings.schedules import Schedule

__all__ = ["TERMS", "Penalties", "Settings", "Strength", "Term", "check_names", "register"]


class Penalties:
    """A set of terms with their strengths.

    Parameters
    ----------
    strengths
        By the name of the term: a number, a `(K,)` tensor, a `Schedule`, or a list with a Schedule
        or number for each member. At least 0.
    n_steps
        Length of training in steps, for schedules with milestones; or that of each member.
    settings
        What the terms need beside a strength.
    moving
        Schedules of settings that change over training, by the name of the setting.

    Attributes
    ----------
    schedules : dict
        The strengths as given.
    current : dict
        The strengths at the step that was set last.

    Raises
    ------
    InputError
        For a name that is not registered (the message lists those that are), and for a strength
        that cannot be.
    """

    def __init__(
        self,
        strengths: Mapping[str, object],
        *,
        n_steps: int | Sequence[int] = 1,
        settings: Settings | None = None,
        moving: Mapping[str, Schedule] | None = None,
    ):
        check_names(strengths)
        for name, strength in strengths.items():
            _check_strength(name, strength)

        self.schedules: dict[str, object] = dict(strengths)
        self.n_steps = n_steps
        self.settings = settings or Settings()
        self.moving = dict(moving or {})
        self.current: dict[str, Strength] = {}
        self._known_prices: dict[str, Tensor] = {}
        self.set_step(0)

    def set_step(self, step: int) -> None:
        """Bring every strength to its value at `step`, counted from 0."""
        self.current = {
            name: _strength(schedule, step, self.n_steps)
            for name, schedule in self.schedules.items()
        }
        changed: dict[str, Any] = {
            name: value
            for name, schedule in self.moving.items()
            if (value := _strength(schedule, step, self.n_steps)) != getattr(self.settings, name)
        }
        # Prices of wires hold the power of distance.
        if changed:
            self.settings = replace(self.settings, **changed)
            self._known_prices = {}

    # ---- the value of the loss

    def __call__(self, net: URN | nn.Module, activity: Activity | None = None) -> Tensor:
        """sum_r c_r R_r, summed over members, as a number to add to a loss.

        Its value is the whole penalty; its gradient is that of the smooth part, for the proximal
        step does the rest.

        Parameters
        ----------
        net
            A URN, or any other module. That has no activity and no gradient: all that can be priced
            there is the proximal step's.
        activity
            What `net.unroll` returned beside y.

        Returns
        -------
        Tensor
            Without axes.
        """
        if not isinstance(net, URN):
            return modules.value(net, self.current)
        self._check_population(net)
        smooth = self.smooth(net, activity)

        # The proximal part is added to the value, and taken out of the gradient.
        with torch.no_grad():
            values = self.values(net, activity)
            whole = sum(strength * values[name] for name, strength in self.current.items())
        return (smooth + (whole - smooth).detach()).sum()

    def values(self, net: URN, activity: Activity | None) -> dict[str, Tensor]:
        """The value R of every term, `(K,)` each, without its strength."""
        return {name: self._value(name, net, activity) for name in self.current}

    def smooth(self, net: URN, activity: Activity | None) -> Tensor:
        """The part of sum_r c_r R_r that autograd has to see, `(K,)`.

        That are the smooth terms, and how prices of weights move learned positions.
        """
        total = net.bias.new_zeros(net.population)
        learned = isinstance(net.positions, nn.Parameter)

        for name, strength in self.current.items():
            # A dial at zero costs no time, and adds nothing.
            if not isinstance(strength, Tensor) and strength == 0:
                continue
            term = TERMS[name]
            factor = strength.to(total) if isinstance(strength, Tensor) else strength

            # The optimiser shrinks W by its prices, but autograd alone moves positions by them.
            if term.shrinks is None:
                total = total + factor * self._value(name, net, activity)
            elif term.price is not None:
                prices = self._prices(name, net, anew=learned)
                if prices.requires_grad:
                    axes = "ki,ki->k" if term.shrinks == "bias" else "kij,kij->k"
                    entries = _priced(net, term.shrinks).detach().abs()
                    total = total + factor * torch.einsum(axes, entries, prices)
        return total

    def _value(self, name: str, net: URN, activity: Activity | None) -> Tensor:
        """The value of a term, `(K,)`, or InputError if it returns something else."""
        value = TERMS[name].value(net, activity, self.settings)
        if isinstance(value, Tensor) and tuple(value.shape) == (net.population,):
            return value

        is_tensor = isinstance(value, Tensor)
        returned = f"one of shape {tuple(value.shape)}" if is_tensor else type(value).__name__
        raise InputError(
            f"strengths.{name}: the term must return a tensor of shape (K,), "
            f"here ({net.population},), not {returned}"
        )

    # ---- prices for the optimiser

    def price(self, kind: str, net: URN) -> Price:
        """The price c of the parameters of a kind: strength times price, summed over its terms.

        An entry that is zero stays so while its mean gradient is below its price.

        Parameters
        ----------
        kind
            weight, bias, diagonal or deviation.
        net
            The network.

        Returns
        -------
        float or Tensor
            A number; or `(K, 1, 1)` if members differ, `(K, n, n)` if entries do. For biases
            `(K, 1)` and `(K, n)`.
        """
        dim = _priced(net, kind).dim()
        total: Price = 0.0

        for name, strength in self.current.items():
            term = TERMS[name]
            if term.shrinks != kind:
                continue

            # A strength for each member gets axes of length 1 for the entries.
            addend: Price = strength
            if isinstance(strength, Tensor):
                addend = strength.view(-1, *[1] * (dim - 1))
            # A term without prices of its own prices all entries alike, at its strength.
            if term.price is not None:
                addend = addend * self._prices(name, net).detach()
            total = total + addend
        return total

    def _prices(self, name: str, net: URN, anew: bool = False) -> Tensor:
        """The prices of a term at strength 1, in the shape of what it shrinks.

        They are computed anew when they may have changed: if positions learn (`anew`), and if the
        network has another size.
        """
        known = self._known_prices.get(name)
        if known is not None and not anew and known.shape[:2] == net.bias.shape:
            return known

        term = TERMS[name]
        assert term.price is not None  # the callers ask for terms that have prices only
        prices = self._known_prices[name] = term.price(net, self.settings)
        shape = _priced(net, term.shrinks).shape
        if not isinstance(prices, Tensor) or prices.shape != shape:
            raise InputError(
                f"strengths.{name}: its price must be a tensor of shape {tuple(shape)}"
            )
        return prices

    def parameter_groups(self, net: URN | nn.Module) -> list[dict[str, Any]]:
        """Parameter groups for `ProximalAdam`, whose prices follow the schedules.

        Prices are functions that the optimiser calls at every step.

        Parameters
        ----------
        net
            A URN, or any other module. Of that, `weight` prices parameters with two axes or more
            (matrices, kernels) and `bias` those of that name; others have no price.

        Raises
        ------
        InputError
            For strengths of another population, and for terms that need neurons and iterations
            where the module is no URN.
        """
        if not isinstance(net, URN):
            return modules.parameter_groups(net, lambda: self.current)
        self._check_population(net)
        shrunk = {TERMS[name].shrinks for name in self.current}

        # The optimiser calls these at every step: strengths and the network's size may change.
        weights: dict[str, Any] = {
            "params": [net.weight],
            "price": lambda: self.price("weight", net),
        }
        if "diagonal" in shrunk:
            weights["diagonal"] = lambda: self._diagonal_price(net)
        if "deviation" in shrunk:
            weights["deviation"] = lambda: self._shared_price(net)

        groups = [weights, {"params": [net.bias], "price": lambda: self.price("bias", net)}]
        if isinstance(net.positions, nn.Parameter):
            groups.append({"params": [net.positions]})
        return groups

    def _diagonal_price(self, net: URN) -> DiagonalPrice:
        """The price of what neurons carry: |W_ii - w0| of the acting ones."""
        return DiagonalPrice(self.price("diagonal", net), self.settings.self_target, net.acting)

    def _shared_price(self, net: URN) -> SharedPrice:
        """The price of what weights differ by from their mean over an orbit: |W - P_G W|."""
        group = self.settings.group
        if group is None:
            raise InputError(NO_LATTICE)
        return SharedPrice(self.price("deviation", net), group, self.settings.shared_step)

    def _check_population(self, net: URN) -> None:
        """Raise InputError for strengths of another number of members than the network has."""
        for name, strength in self.current.items():
            if isinstance(strength, Tensor) and strength.shape not in ((), (net.population,)):
                raise InputError(
                    f"strengths.{name}: {len(strength)} strengths "
                    f"for a population of {net.population}"
                )


def _priced(net: URN, kind: str | None) -> nn.Parameter:
    """The parameter that a kind of price is on: the diagonal and the deviation are W's."""
    return net.bias if kind == "bias" else net.weight


def _check_strength(name: str, strength: object) -> None:
    """Raise InputError unless it is a Schedule, or finite numbers of at least 0, one or `(K,)`."""
    if isinstance(strength, list | tuple):
        for member in strength:
            _check_strength(name, member)
        return
    if isinstance(strength, Schedule):
        return

    try:
        values = torch.as_tensor(strength)
        fits = values.dim() <= 1 and bool((values >= 0).all() and values.isfinite().all())
    except (TypeError, ValueError, RuntimeError):
        fits = False
    if not fits:
        raise InputError(
            f"strengths.{name}: must be finite numbers of at least 0, one or (K,), "
            f"or a Schedule, not {strength!r}"
        )


def _strength(schedule: Any, step: int, n_steps: int | Sequence[int]) -> Strength:
    """The value of a strength at a step: a number, or `(K,)` if members differ."""
    if isinstance(schedule, Schedule):
        return schedule.at(step, n_steps if isinstance(n_steps, int) else n_steps[0])
    if isinstance(schedule, list | tuple):
        ends = [n_steps] * len(schedule) if isinstance(n_steps, int) else n_steps
        values = [_strength(member, step, end) for member, end in zip(schedule, ends, strict=True)]
        # A number where members agree: the optimiser has a faster path for it.
        return values[0] if len(set(values)) == 1 else torch.tensor(values, dtype=torch.float64)
    return schedule
