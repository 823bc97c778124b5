"""The regularisers of DESIGN section 2: pure functions of a network and its activity, in a registry.

    L = task + sum_r c_r R_r

Smooth terms go through autograd. The L1 terms on W, its diagonal, its deviation from symmetry and b are priced here but
shrunk by the proximal step of `urn.optimiser.adam`, so that zeros are exact. In a training loop of your own:

    penalties = Penalties({"weight": 3e-4, "activity": 3e-3})
    optimiser = ProximalAdam(penalties.parameter_groups(net), lr=1e-3)
    y, activity = net.unroll(x)
    loss = cross_entropy(y[0], labels) + penalties(net, activity)
    loss.backward(); optimiser.step()

To add a term, register a function of `(net, activity, settings)` that returns its value for every member, `(K,)`:

    @register("bias_square")
    def bias_square(net, activity, settings):
        return net.bias.square().sum(1)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from urn.errors import InputError
from urn.loss.geometry import wire_cost
from urn.loss.symmetry import PermutationGroup
from urn.network.module import URN, Activity
from urn.optimiser.prices import DiagonalPrice, SharedPrice
from urn.settings.schedules import Schedule

PLACES = ("weight", "bias", "diagonal", "deviation")


@dataclass(frozen=True)
class Settings:
    """What the terms need beside a strength. `locality_power` is q, `self_target` w0, `group` the G of P_G."""

    locality_power: float = 1.0
    locality_floor: float = 0.0
    self_target: float = 0.0
    group: PermutationGroup | None = None


@dataclass(frozen=True)
class Term:
    """One regulariser: its value, and for an L1 term what the proximal step shrinks (one of PLACES) and at what cost."""

    value: Callable[[URN, Tensor, Settings], Tensor]
    shrinks: str | None = None
    cost: Callable[[URN, Settings], Tensor] | None = None


TERMS: dict[str, Term] = {}


def register(
    name: str, *, shrinks: str | None = None, cost: Callable[[URN, Settings], Tensor] | None = None
):
    """Decorate a function `(net, activity, settings) -> (K,)` to become the term `name`.

    With `shrinks="weight"` (or "bias") the term is sum cost_ij |W_ij| and belongs to the proximal step; `cost` returns
    the (K, n, n) costs, 1 if it is left out. Costs that depend on learned positions are differentiated with respect to those.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"name: must be a Python identifier, not {name!r}")
    if shrinks is not None and shrinks not in PLACES:
        raise InputError(f"shrinks: must be one of {', '.join(PLACES)}, not {shrinks!r}")
    if cost is not None and shrinks not in ("weight", "bias"):
        raise InputError("cost: goes with shrinks = weight or bias only")

    def add(value):
        if not callable(value):
            raise InputError(
                f"{name}: the term must be a function of (net, activity, settings), not {value!r}"
            )
        before = TERMS.get(name)
        if (
            before and before.value.__module__ != value.__module__
        ):  # a notebook cell may well be run twice
            raise InputError(f"{name}: is a term already, of {before.value.__module__}")
        TERMS[name] = Term(value, shrinks, cost)
        return value

    return add


@register("weight", shrinks="weight")
def weight(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """sum_ij |W_ij|: fewest connections."""
    return torch.linalg.vector_norm(net.weight, 1, (1, 2))


@register("bias", shrinks="bias")
def bias(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """sum_i |b_i|: no constant neurons."""
    return net.bias.abs().sum(1)


@register("activity")
def activity(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """sum_l mean_batch sum_i |N_i(l)| over acting neurons, l = 1..I-1: fewest, quietest neurons."""
    return _acting(net, activity).sum((1, 2))


@register("depth")
def depth(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """sum_i sqrt((sum_l n_i(l))^2 - sum_l n_i(l)^2) with n_i(l) the mean |activity| of acting neuron i at iteration l.

    Zero exactly when each neuron speaks at one iteration only. The sum runs over l = 0..I: an input neuron has spoken at
    l = 0 and an output neuron will at l = I, both with loudness 1, so it is not free to serve as a hidden one in between.

    Near zero the square root is rounded off (sqrt(u + e^2) - e, e = DEPTH_ROUNDING): its slope would be infinite there,
    and training chaotic (a change of 1e-14 in W grows to 1e-2 within 200 steps at e = 1e-3, to 1e-11 at e = 0.1).
    """
    n = _acting(net, activity)  # (K, L, acting)
    spoken = n.new_zeros(n.shape[-1])
    spoken[: net.n_inputs - net.acting.start] = 1
    spoken[net.outputs.start - net.acting.start :] = 1
    twice_products = (
        (spoken + n.sum(1)).square() - spoken - n.square().sum(1)
    )  # 2 sum_{l < m} n(l) n(m)
    return ((twice_products.clamp_min(0) + DEPTH_ROUNDING**2).sqrt() - DEPTH_ROUNDING).sum(1)


DEPTH_ROUNDING = 0.1


def _acting(net: URN, activity: Activity) -> Tensor:
    """n of the acting neurons; where all act there is no slice to go back through."""
    return (
        activity.n if net.acting == slice(0, activity.n.shape[-1]) else activity.n[..., net.acting]
    )


def _wire_cost(net: URN, settings: Settings) -> Tensor:
    if net.positions is None:
        raise InputError(
            "strengths.locality: the network has no positions; give the task a geometry"
        )
    return wire_cost(net, settings.locality_power, settings.locality_floor)


@register("locality", shrinks="weight", cost=_wire_cost)
def locality(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """sum_ij |W_ij| (dist(p_i, p_j)^q + floor): short wires."""
    return (net.weight.abs() * _wire_cost(net, settings)).sum((1, 2))


@register("symmetry", shrinks="deviation")
def symmetry(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """sum_ij |W_ij - (P_G W)_ij|: weight sharing."""
    if settings.group is None:
        raise InputError("strengths.symmetry: the network has no lattice for a group to act on")
    return (net.weight - settings.group.project(net.weight)).abs().sum((1, 2))


@register("self", shrinks="diagonal")
def self_loop(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """sum_i |W_ii - w0| over acting neurons: w0 = 0 prices carrying a value in place, w0 = 1 prices change."""
    return (net.weight.diagonal(dim1=1, dim2=2)[:, net.acting] - settings.self_target).abs().sum(1)


def _outgoing_cost(net: URN, settings: Settings) -> Tensor:
    cost = torch.zeros_like(net.weight)
    cost[:, :, net.hidden] = 1
    return cost


@register("outgoing", shrinks="weight", cost=_outgoing_cost)
def outgoing(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """sum_ij |W_ij| over hidden j: what a neuron says costs, what it hears from the input does not (Miconi 2016)."""
    return net.weight[:, :, net.hidden].abs().sum((1, 2))


Strength = float | Tensor
"""One number for all members, or one for each, of shape `(K,)`."""


class Penalties:
    """A set of terms with their strengths.

    Args:
        strengths: name -> a number, a `(K,)` tensor, a `Schedule`, or one Schedule for each member.
        n_steps: length of training, for schedules with milestones.
        settings: see `Settings`.

    Raises:
        InputError: for a name that is not registered; the message lists those that are.
    """

    def __init__(
        self, strengths: Mapping[str, object], *, n_steps: int = 1, settings: Settings | None = None
    ):
        check_names(strengths)
        for name, strength in strengths.items():
            _check_strength(name, strength)
        self.schedules, self.n_steps, self.settings = (
            dict(strengths),
            n_steps,
            settings or Settings(),
        )
        self.current: dict[str, Strength] = {}
        self._costs: dict[str, Tensor] = {}
        self.set_step(0)

    def set_step(self, step: int) -> None:
        """Bring every strength to its value at `step`."""
        self.current = {
            name: _strength(schedule, step, self.n_steps)
            for name, schedule in self.schedules.items()
        }

    def _fit(self, net: URN) -> None:
        for name, strength in self.current.items():
            if isinstance(strength, Tensor) and strength.shape not in ((), (net.population,)):
                raise InputError(
                    f"strengths.{name}: {len(strength)} strengths for a population of {net.population}"
                )

    def values(self, net: URN, activity: Activity) -> dict[str, Tensor]:
        """The value R of every term, `(K,)` each, without its strength."""
        return {name: self._value(name, net, activity) for name in self.current}

    def _value(self, name: str, net: URN, activity: Activity) -> Tensor:
        value = TERMS[name].value(net, activity, self.settings)
        if not isinstance(value, Tensor) or tuple(value.shape) != (net.population,):
            got = (
                f"one of shape {tuple(value.shape)}"
                if isinstance(value, Tensor)
                else type(value).__name__
            )
            raise InputError(
                f"strengths.{name}: the term must return a tensor of shape (K,), here ({net.population},), not {got}"
            )
        return value

    def smooth(self, net: URN, activity: Activity) -> Tensor:
        """The part of sum_r c_r R_r that autograd has to see, `(K,)`: the smooth terms, and how costs move positions."""
        total = net.bias.new_zeros(net.population)
        for name, strength in self.current.items():
            term = TERMS[name]
            strength = strength.to(total) if isinstance(strength, Tensor) else strength
            if term.shrinks is None:
                total = total + strength * self._value(name, net, activity)
            elif term.cost is not None:
                cost = self._cost(name, net, fresh=isinstance(net.positions, torch.nn.Parameter))
                if cost.requires_grad:
                    total = total + strength * torch.einsum(
                        "kij,kij->k", net.weight.detach().abs(), cost
                    )
        return total

    def __call__(self, net: URN | nn.Module, activity: Activity | None = None) -> Tensor:
        """sum_r c_r R_r, summed over members, as a number to add to a loss.

        Its value is the whole penalty; its gradient is that of the smooth part, for the proximal step does the rest. On a
        module that is no URN there is no activity, and no gradient: all that can be priced there is the proximal step's.
        """
        if not isinstance(net, URN):
            kinds = self._module_parameters(net)
            return sum(
                c * p.detach().abs().sum() for name, c in self.current.items() for p in kinds[name]
            )
        self._fit(net)
        smooth = self.smooth(net, activity)
        with torch.no_grad():
            whole = sum(
                strength * R
                for strength, R in zip(
                    self.current.values(), self.values(net, activity).values(), strict=True
                )
            )
        return (smooth + (whole - smooth).detach()).sum()

    def l1(self, place: str, net: URN) -> Strength:
        """What one step of gradient 1 is worth at `place`: a number, `(K, 1, 1)` or `(K, n, n)` (for biases `(K, 1)`)."""
        parameter = net.bias if place == "bias" else net.weight
        total: Strength = 0.0
        for name, strength in self.current.items():
            term = TERMS[name]
            if term.shrinks == place:
                c = (
                    strength.view(-1, *[1] * (parameter.dim() - 1))
                    if isinstance(strength, Tensor)
                    else strength
                )
                if term.cost is not None:
                    c = c * self._cost(name, net).detach()
                total = total + c
        return total

    def _cost(self, name: str, net: URN, fresh: bool = False) -> Tensor:
        """The costs of a term, computed anew when they may have changed: positions that learn, or another network size."""
        cost = self._costs.get(name)
        if cost is None or fresh or cost.shape[:2] != net.bias.shape:
            cost = self._costs[name] = TERMS[name].cost(net, self.settings)
            price = net.bias if TERMS[name].shrinks == "bias" else net.weight
            if not isinstance(cost, Tensor) or cost.shape != price.shape:
                raise InputError(
                    f"strengths.{name}: its cost must be a tensor of shape {tuple(price.shape)}"
                )
        return cost

    def parameter_groups(self, net: URN | nn.Module) -> list[dict]:
        """Parameter groups for `ProximalAdam`. The strengths are looked up at every step, so schedules are followed.

        Of a module that is no URN, `weight` prices parameters with two axes or more (matrices, kernels) and `bias` those of
        that name; others have no price. The terms that speak of neurons and iterations are refused.
        """
        if not isinstance(net, URN):
            kinds = self._module_parameters(net)
            return [
                {"params": parameters, "l1": lambda name=name: self.current.get(name, 0.0)}
                for name, parameters in kinds.items()
                if parameters
            ]
        self._fit(net)
        weights = {"params": [net.weight], "l1": lambda: self.l1("weight", net)}
        if any(TERMS[name].shrinks == "diagonal" for name in self.current):
            weights["diagonal"] = lambda: DiagonalPrice(
                self.l1("diagonal", net), self.settings.self_target, net.acting
            )
        if any(TERMS[name].shrinks == "deviation" for name in self.current):
            weights["deviation"] = lambda: SharedPrice(
                self.l1("deviation", net), self.settings.group
            )
        groups = [weights, {"params": [net.bias], "l1": lambda: self.l1("bias", net)}]
        if isinstance(net.positions, torch.nn.Parameter):
            groups.append({"params": [net.positions]})
        return groups

    def _module_parameters(self, module: nn.Module) -> dict[str, list[nn.Parameter]]:
        """The parameters of a module that is no URN by the term that prices them, "" where none does."""
        if not isinstance(module, nn.Module):
            raise InputError(f"net: must be a torch.nn.Module, not {type(module).__name__}")
        for name, strength in self.current.items():
            if name not in ("weight", "bias"):
                raise InputError(
                    f"strengths.{name}: speaks of a URN's neurons; of another module only weight and bias are priced"
                )
            if isinstance(strength, Tensor) and strength.dim():
                raise InputError(
                    f"strengths.{name}: must be one number for a module that is no population"
                )
        kinds: dict[str, list[nn.Parameter]] = {"weight": [], "bias": [], "": []}
        for path, parameter in module.named_parameters():
            kinds[
                "weight" if parameter.dim() > 1 else "bias" if path.split(".")[-1] == "bias" else ""
            ].append(parameter)
        return kinds


def check_names(strengths: Mapping[str, object]) -> None:
    """Raise InputError for a term that is not registered."""
    for name in strengths:
        if name not in TERMS:
            raise InputError(f"strengths.{name}: no such term; there are {', '.join(TERMS)}")


def _check_strength(name: str, strength: object) -> None:
    """Raise InputError unless it is a Schedule, or finite numbers of at least 0: one, or one for each member."""
    if isinstance(strength, list | tuple):
        for one in strength:
            _check_strength(name, one)
    elif not isinstance(strength, Schedule):
        try:
            values = torch.as_tensor(strength)
            fits = values.dim() <= 1 and bool((values >= 0).all() and values.isfinite().all())
        except (TypeError, ValueError, RuntimeError):
            fits = False
        if not fits:
            raise InputError(
                f"strengths.{name}: must be finite numbers of at least 0, one or (K,), or a Schedule, not {strength!r}"
            )


def _strength(schedule: object, step: int, n_steps: int) -> Strength:
    if isinstance(schedule, Schedule):
        return schedule.at(step, n_steps)
    if isinstance(schedule, list | tuple):
        values = [_strength(one, step, n_steps) for one in schedule]
        return values[0] if len(set(values)) == 1 else torch.tensor(values, dtype=torch.float64)
    return schedule
