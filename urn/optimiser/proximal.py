"""Proximal maps: where a weight goes when it is moved to z and then shrunk at a price.

The proximal map of a function f takes z to argmin_w (w - z)^2 / 2 + f(w). For the absolute values
here it has a closed form that reaches the kinks of f, such as zero, exactly. Pure functions of
tensors; nothing here knows of an optimiser or of a network. docs/theory.md, section 2.
"""

import torch
from torch import Tensor

from urn.optimiser.prices import DiagonalPrice, Price


def soft(z: Tensor, threshold: float | Tensor) -> Tensor:
    """Soft threshold: z moved towards 0 by `threshold`, and 0 within it.

    This is the proximal map of threshold |w|, entry by entry.
    """
    if isinstance(threshold, Tensor):
        return z - torch.clamp(z, -threshold, threshold)
    return torch.nn.functional.softshrink(z, threshold)


def soft_(z: Tensor, threshold: float | Tensor) -> Tensor:
    """`soft` in place: memory that is fresh at every step costs more than the arithmetic."""
    if isinstance(threshold, Tensor):
        return z.sub_(torch.clamp(z, -threshold, threshold))
    return torch.ops.aten.softshrink.out(z, threshold, out=z)


def prox_two_kinks(
    z: Tensor, at_zero: float | Tensor, at_target: float | Tensor, target: Tensor
) -> Tensor:
    """The proximal map of at_zero |w| + at_target |w - target|, entry by entry, for target >= 0.

    The objective's slope jumps at 0 and at `target`, by twice the threshold of that kink; between,
    below and above them the solution is a shifted z. All arguments broadcast to the shape of z.
    """
    # Below 0 both slopes push up, above the target both push down: the thresholds add. Between the
    # kinks they pull against each other.
    outer = at_zero + at_target
    inner = at_zero - at_target
    between = torch.minimum((z - inner).clamp_min(0), target)
    return between + (z - outer - target).clamp_min(0) + (z + outer).clamp_max(0)


def shrink(
    z: Tensor, lr_over_d: Tensor, price: Price, diagonal: DiagonalPrice | None = None
) -> Tensor:
    """The proximal map of sum_ij (lr / d)_ij price_ij |W_ij|, and of a price on the diagonal.

    Here a price c becomes a threshold, lr c / d, where d is what Adam divides an entry's step by.

    Parameters
    ----------
    z
        Where the weights were moved to; `(K, n, n)` if there is a price on the diagonal.
    lr_over_d
        lr / d, positive, of the shape of z: d = sqrt(v_hat) + eps, see `urn.optimiser.metric`.
    price
        c: one number, or a tensor that broadcasts to z.
    diagonal
        Adds (lr / d)_ii diagonal.price |W_ii - diagonal.target| for the neurons it names.

    Returns
    -------
    Tensor
        The minimiser, of the shape of z.
    """
    threshold = price * lr_over_d  # of each entry: lr c / d
    shrunk = soft(z, threshold)
    if diagonal is None:
        return shrunk

    def on_diagonal(T: Tensor) -> Tensor:
        return T.diagonal(dim1=-2, dim2=-1)[..., diagonal.neurons]  # (K, priced neurons)

    # Overwrite the diagonal: `soft` has shrunk it as if zero were its only kink.
    at_target = by_member(diagonal.price, z) * on_diagonal(lr_over_d)
    target = torch.full_like(at_target, diagonal.target)
    kinked = prox_two_kinks(on_diagonal(z), on_diagonal(threshold), at_target, target)
    on_diagonal(shrunk).copy_(kinked)
    return shrunk


def by_member(price: Price, z: Tensor) -> Price:
    """A price of the diagonal in the dtype of z: a number, or a column `(K, 1)`."""
    return price.to(z).view(-1, 1) if isinstance(price, Tensor) else price
