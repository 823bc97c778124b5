"""The terms of the general loss: pure functions of a network and its activity, one for each.

    L = task + sum_r c_r R_r        (docs/theory.md derives the terms, and says what each does)

Every function here takes `(net, activity, settings)` and returns its R for all K members, `(K,)`.
Strengths c_r are no matter of this module; `urn.loss.penalties` multiplies by them. To add a term,
register a function of your own:

    @register("bias_square")
    def bias_square(net, activity, settings):
        return net.bias.square().sum(1)
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from urn.errors import InputError
from urn.loss.geometry import wire_price
from urn.loss.symmetry import PermutationGroup
from urn.network.module import URN, Activity
from urn.settings.registry import Term, register

__all__ = [
    "DEPTH_ROUNDING",
    "NO_LATTICE",
    "Settings",
    "Strength",
    "Term",
    "activity",
    "bias",
    "depth",
    "locality",
    "outgoing",
    "self_loop",
    "symmetry",
    "weight",
]

Strength = float | Tensor
"""The number in front of a term at a step: one for all members, or one for each, `(K,)`."""

DEPTH_ROUNDING = 0.1
"""e in sqrt(u + e^2) - e, which rounds the square root of the depth term off near zero.

Its slope would be infinite there, and training chaotic. Measured: a change of 1e-14 in W grows to
1e-2 within 200 steps at e = 1e-3, and to 1e-11 at e = 0.1.
"""


NO_LATTICE = "strengths.symmetry: the network has no lattice for a group to act on"
"""The message for a symmetry term without a group."""


@dataclass(frozen=True)
class Settings:
    """What the terms need beside a strength.

    Parameters
    ----------
    locality_power
        q of the locality term: a wire of length d has the price d^q + floor. Lengths are in units
        of the longer side of the input.
    locality_floor
        The price of a wire of length 0.
    self_target
        w0 of the self term, the weight of a neuron to itself that is free.
    group
        G of the symmetry term, a group of permutations of the n neurons held. None without lattice.
    shared_step
        Whether what G shares takes an Adam step of its own.
    """

    locality_power: float = 1.0
    locality_floor: float = 0.0
    self_target: float = 0.0
    group: PermutationGroup | None = None
    shared_step: bool = True


@register("weight", shrinks="weight")
def weight(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """R = sum_ij |W_ij|: fewest connections."""
    return torch.linalg.vector_norm(net.weight, 1, (1, 2))


@register("bias", shrinks="bias")
def bias(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """R = sum_i |b_i|: no constant neurons."""
    return net.bias.abs().sum(1)


@register("activity")
def activity(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """R = sum_l mean_batch sum_i |N_i(l)|, i acting, l = 1..I-1: fewest, quietest neurons."""
    return _acting(net, activity).sum((1, 2))


@register("depth")
def depth(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """R = sum_i sqrt((sum_l n_i(l))^2 - sum_l n_i(l)^2), i acting: each neuron fires once.

    n_i(l) is the batch mean of |N_i(l)|. The term is zero exactly when every neuron fires at one
    iteration only: under the root stands 2 sum_{l < m} n_i(l) n_i(m).

    Notes
    -----
    The sum runs over l = 0..I. An input neuron fired at l = 0 and an output neuron will at l = I,
    both with n = 1, so that neither is free to be a hidden neuron in between.

    The root is rounded off near zero: sqrt(u + e^2) - e with e = `DEPTH_ROUNDING`.
    """
    n = _acting(net, activity)  # (K, L, acting)

    # n at l = 0 of inputs, and at l = I of outputs; both slices are empty where none is acting.
    ends = n.new_zeros(n.shape[-1])
    ends[: net.n_inputs - net.acting.start] = 1
    ends[net.outputs.start - net.acting.start :] = 1

    twice_products = (ends + n.sum(1)).square() - ends - n.square().sum(1)  # (K, acting)
    return ((twice_products.clamp_min(0) + DEPTH_ROUNDING**2).sqrt() - DEPTH_ROUNDING).sum(1)


def _acting(net: URN, activity: Activity) -> Tensor:
    """n of the acting neurons, `(K, L, acting)`."""
    # A slice of everything is left out: autograd would copy the gradient to go back through it.
    if net.acting == slice(0, activity.n.shape[-1]):
        return activity.n
    return activity.n[..., net.acting]


def _wire_price(net: URN, settings: Settings) -> Tensor:
    """dist(p_i, p_j)^q + floor of every weight, `(K, n, n)`."""
    if net.positions is None:
        raise InputError(
            "strengths.locality: the network has no positions; give the task a geometry"
        )
    return wire_price(net, settings.locality_power, settings.locality_floor)


@register("locality", shrinks="weight", price=_wire_price)
def locality(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """R = sum_ij |W_ij| (dist(p_i, p_j)^q + floor): short wires."""
    return (net.weight.abs() * _wire_price(net, settings)).sum((1, 2))


@register("symmetry", shrinks="deviation")
def symmetry(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """R = sum_ij |W_ij - (P_G W)_ij|: weight sharing. P_G is the mean over orbits of G."""
    if settings.group is None:
        raise InputError(NO_LATTICE)
    return (net.weight - settings.group.project(net.weight)).abs().sum((1, 2))


@register("self", shrinks="diagonal")
def self_loop(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """R = sum_i |W_ii - w0|, i acting: w0 = 0 prices carrying a value, w0 = 1 changing it."""
    return (net.weight.diagonal(dim1=1, dim2=2)[:, net.acting] - settings.self_target).abs().sum(1)


def _outgoing_price(net: URN, settings: Settings) -> Tensor:
    """1 for weights from hidden neurons, 0 for all others, `(K, n, n)`."""
    price = torch.zeros_like(net.weight)
    price[:, :, net.hidden] = 1
    return price


@register("outgoing", shrinks="weight", price=_outgoing_price)
def outgoing(net: URN, activity: Activity, settings: Settings) -> Tensor:
    """R = sum_ij |W_ij|, j hidden: weights from hidden neurons have a price, from inputs none.

    References
    ----------
    T. Miconi (2016), "Neural networks with differentiable structure", arXiv:1606.06216.
    """
    return net.weight[:, :, net.hidden].abs().sum((1, 2))
