"""Prices of the proximal step: of an entry's absolute value, of a diagonal, of a deviation.

These are plain facts: what is priced, and at how much. `urn.optimiser.adam` shrinks weights by
them; where they come from is no matter of this package. In this repository
`urn.loss.penalties.Penalties.parameter_groups` makes them from the strengths of a configuration.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

Price = float | Tensor
"""The price c of |w|, in units of a gradient: a number, or a tensor that broadcasts to w.

It is the strength of a term times what the term puts on the entry. One step shrinks w by the
threshold lr c / d, with d = sqrt(v_hat) + eps of `urn.optimiser.metric`. An entry at zero stays
there while the absolute value of its mean gradient is at most c.
"""


class Symmetry(Protocol):
    """A group of permutations of n neurons, which can average a matrix over its orbits.

    An orbit is the entries that the group takes to each other.
    """

    def mean(self, W: Tensor) -> Tensor:
        """Return the mean of W `(K, n, n)` over every orbit, `(K, n_orbits)`."""
        ...

    def spread(self, means: Tensor) -> Tensor:
        """Write means `(K, n_orbits)` back to every entry of their orbits, `(K, n, n)`."""
        ...


@dataclass(frozen=True)
class DiagonalPrice:
    """Price |W_ii - target| on a part of the diagonal of W `(K, n, n)`.

    It comes on top of the price of |W_ii|. Where both are positive, the entry can come to rest
    exactly at 0 or exactly at the target.

    Parameters
    ----------
    price
        One number for all K members, or a tensor of K numbers, `(K,)` or `(K, 1, 1)`, at least 0.
        Its unit is that of a gradient: an entry with no other price stays at its target while the
        absolute value of its mean gradient is at most the price.
    target
        The value of W_ii that costs nothing, at least 0.
    neurons
        The neurons i whose W_ii is priced, a slice with a start and a stop.
    """

    price: Price
    target: float
    neurons: slice


@dataclass(frozen=True)
class SharedPrice:
    """Price |W - P_G W|, summed over entries: the distance of W `(K, n, n)` from its shared part.

    The shared part P_G W, the mean over every orbit of the group, then takes an Adam step of its
    own, from gradients that are averaged over the orbits before they are normalised; or, without
    `own_step`, Adam takes W as one and only the price shares.

    Parameters
    ----------
    price
        One number, or a tensor that broadcasts to `(K, n, n)`: `(K, 1, 1)` holds one price for
        each member. At least 0, in the unit of a gradient.
    group
        The group G on the n neurons, for instance a `urn.loss.symmetry.PermutationGroup`.
    own_step
        Whether the shared part takes an Adam step of its own.
    """

    price: Price
    group: Symmetry
    own_step: bool = True
