"""Adam's metric d at one step: what it divides the step of each entry by."""

from dataclasses import dataclass

from torch import Tensor

LEAST_DECAY = 1e-6
"""Floor of 1 - b1 / sqrt(b2), by judgement: it keeps `Metric.momentum_reach` finite for b1^2 >= b2,
where Adam's first steps after gradients stop have no finite sum."""


@dataclass(frozen=True)
class Metric:
    """The metric d = sqrt(v_hat) + eps, and Adam's settings at one step.

    Parameters
    ----------
    lr
        Learning rate: a number, or a tensor `(K,)` where members of a population differ in it.
    beta1, beta2
        Decay of the first and of the second moment in a step.
    eps
        What is added to the square root of the second moment.
    step
        Number of the step, from 1.
    """

    lr: float | Tensor
    beta1: float
    beta2: float
    eps: float
    step: int

    def rate(self, w: Tensor) -> float | Tensor:
        """The learning rate as a factor of w: a number, or a tensor that broadcasts to w."""
        if not isinstance(self.lr, Tensor):
            return self.lr
        return self.lr.to(w).view(-1, *[1] * (w.dim() - 1))

    @property
    def correction1(self) -> float:
        """m_hat = m / correction1: the moment started at zero."""
        return 1 - self.beta1**self.step

    @property
    def correction2(self) -> float:
        """v_hat = v / correction2."""
        return 1 - self.beta2**self.step

    @property
    def momentum_reach(self) -> float:
        """Bound on sum_t (b1 / sqrt(b2))^t.

        When gradients stop, the momentum left moves a weight by at most this many first steps.
        """
        return 1 / max(1 - self.beta1 / self.beta2**0.5, LEAST_DECAY)

    def of(self, v: Tensor) -> Tensor:
        """d = sqrt(v_hat) + eps of a second moment v, in the shape of v."""
        return v.sqrt().div_(self.correction2**0.5).add_(self.eps)
