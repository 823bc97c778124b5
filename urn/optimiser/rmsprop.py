"""RMSProp with clipped changes, to repeat what Miconi 2016 did."""

from collections.abc import Iterable

import torch
from torch import Tensor

from urn.optimiser.adam import ProximalAdam, current
from urn.optimiser.fast import in_dtype
from urn.optimiser.prices import Price
from urn.optimiser.proximal import soft


class ClippedRMSProp(ProximalAdam):
    """RMSProp whose changes are clipped, with a price taken off every step.

        v <- b2 v + (1 - b2) g^2
        W <- soft(W - clip(lr g / sqrt(v + eps), -clip, clip),  c)

    Parameters
    ----------
    params
        Parameters, or groups of them. A group may hold `lr` and `price` as in `ProximalAdam`, but
        neither `diagonal` nor `deviation`.
    lr
        Learning rate.
    decay
        b2, the decay of the second moment in a step.
    eps
        What is added to the second moment.
    clip
        The largest change of an entry in one step, before the price.

    Raises
    ------
    ValueError
        For a learning rate, decay, eps or clip that cannot be, and, at a step, for a price that
        RMSProp does not know.

    Notes
    -----
    There is no momentum and no bias correction, and a price is what an entry loses in one step
    whatever the learning rate.

    References
    ----------
    Miconi, Neural networks with differentiable structure, arXiv:1606.06216, 2016.
    """

    def __init__(self, params: Iterable, lr: float, decay: float, eps: float, clip: float):
        super().__init__(params, lr, (0.0, decay), eps)
        if not clip > 0:
            raise ValueError(f"clip: must be greater than 0, not {clip}")
        self.clip = clip

    def _update(self, w: Tensor, group: dict) -> None:
        if group["diagonal"] is not None or group["deviation"] is not None:
            raise ValueError("diagonal, deviation: prices that RMSProp does not know")

        # The first moment stays zero: there is no momentum that could revive anything.
        v = self._counted(w)["exp_avg_sq"]
        g = w.grad
        assert g is not None
        decay = group["betas"][1]
        v.mul_(decay).addcmul_(g, g, value=1 - decay)
        lr = self.metric(w).rate(w)
        change = torch.mul(g, lr).div_((v + group["eps"]).sqrt_())
        w.sub_(change.clamp_(-self.clip, self.clip))

        # No metric divides the price here: it is the threshold c, as it is.
        price: Price = current(group["price"])
        if isinstance(price, Tensor) or price:
            w.copy_(soft(w, in_dtype(price, w)))
