"""Adam on the smooth part of a loss, then a proximal step in Adam's own metric d.

    m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2                           Kingma & Ba 2015
    d = sqrt(v_hat) + eps
    W <- soft(W - lr m_hat / d,  lr c / d)                              Yun, Lozano & Yang 2021

The metric d divides the step of each entry and its price alike. An entry therefore reaches zero,
exactly, when its mean gradient stays below its price c, however small that gradient is.
docs/theory.md, section 2. A price is the strength of a term times what the term puts on the entry
(1 in most, the length of its wire in locality), summed over terms; `Penalties.parameter_groups` in
`urn.loss.penalties` makes prices. This module knows parameters and prices, not networks: it works
on an ordinary `nn.Linear` as well.

Weight sharing splits W in two. Its group is a set of permutations of neurons (translations, say),
an orbit is the entries of W that the group takes to each other, the shared part P_G W is the mean
over each orbit, and the deviation is W - P_G W.

`plain_step` is the formula. Trainings take it in the fast forms of `urn.optimiser.fast`.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from urn.optimiser import fast
from urn.optimiser.fast import in_dtype
from urn.optimiser.metric import Metric
from urn.optimiser.prices import DiagonalPrice, Price, SharedPrice
from urn.optimiser.proximal import shrink


def plain_step(
    w: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    metric: Metric,
    price: Price = 0.0,
    diagonal: DiagonalPrice | None = None,
) -> None:
    """Move w, m and v (in place) one step along g, and shrink w at its prices.

    Parameters
    ----------
    w, g, m, v
        Parameter, gradient and the two moments, of one shape.
    metric
        Adam's settings at this step.
    price
        The price c of |w|: a number, or a tensor that broadcasts to w.
    diagonal
        A price on the diagonal of w, which is then `(K, n, n)`.
    """
    # The two moments are running means of g and of its square.
    m.copy_(metric.beta1 * m + (1 - metric.beta1) * g)
    v.copy_(metric.beta2 * v + (1 - metric.beta2) * g**2)

    # z is where Adam alone would go. From there a price c shrinks an entry by lr c / d.
    d = metric.of(v)
    lr = metric.rate(w)
    z = w - lr * (m / metric.correction1) / d
    w.copy_(shrink(z, lr / d, price, diagonal))


def plain_shared_step(
    W: Tensor,
    state: dict,
    metric: Metric,
    shared: SharedPrice,
    price: Price = 0.0,
    diagonal: DiagonalPrice | None = None,
) -> None:
    """Move W = P_G W + deviation (in place), each part by an Adam step of its own.

    The deviation is shrunk at the price of being different, then the sum at the prices of W.

    Parameters
    ----------
    W
        The parameter, `(K, n, n)`, with its gradient in W.grad.
    state
        The moments of the deviation (`exp_avg`, `exp_avg_sq`, of the shape of W) and of the shared
        part (`shared_avg`, `shared_avg_sq`, `(K, n_orbits)`).
    metric, price, diagonal
        As in `plain_step`.
    shared
        The group and the price of |W - P_G W|.
    """
    assert W.grad is not None
    group = shared.group
    common = group.mean(W)  # (K, n_orbits), as its gradient and its moments
    common_gradient = group.mean(W.grad)
    deviation = W - group.spread(common)
    gradient = W.grad - group.spread(common_gradient)

    # Each part is normalised by moments of its own; the shared one has no price here.
    plain_step(deviation, gradient, state["exp_avg"], state["exp_avg_sq"], metric, shared.price)
    plain_step(common, common_gradient, state["shared_avg"], state["shared_avg_sq"], metric)

    # d is the same over an orbit, so that what is shared stays shared.
    d = group.spread(metric.of(state["shared_avg_sq"]))
    W.copy_(shrink(deviation + group.spread(common), metric.rate(W) / d, price, diagonal))


def joint_step(
    W: Tensor,
    state: dict,
    metric: Metric,
    shared: SharedPrice,
    price: Price,
    diagonal: DiagonalPrice | None,
    step: Callable[..., None],
) -> None:
    """Move W (in place) by one Adam step as if nothing were shared, then shrink its deviation.

    What sharing then brings is the price's doing alone: no gradient is averaged over an orbit.

    Parameters
    ----------
    W, state, metric, shared, price, diagonal
        As in `plain_shared_step`; the moments are those of W.
    step
        `plain_step`, or a fast form of it.
    """
    assert W.grad is not None
    step(W, W.grad, state["exp_avg"], state["exp_avg_sq"], metric)

    # One metric for the step and for both prices: that of the entries themselves.
    scale = metric.rate(W) / metric.of(state["exp_avg_sq"])
    common = shared.group.spread(shared.group.mean(W))
    deviation = shrink(W - common, scale, in_dtype(shared.price, W))
    W.copy_(shrink(deviation + common, scale, price, diagonal))


class ProximalAdam(torch.optim.Optimizer):
    """Adam with exact zeros.

    Parameters
    ----------
    params
        Parameters, or groups of them. Beside `lr`, `betas` and `eps`, a group may hold these
        prices, each as a value or as a function without arguments that returns it and is called
        at every step:

        - `price`: c of an entry's absolute value, a number or a tensor that broadcasts to the
          parameter (`l1`, its name in version 0.1, is read in this one);
        - `diagonal`: a `DiagonalPrice`, of parameters `(K, n, n)`;
        - `deviation`: a `SharedPrice`, of parameters `(K, n, n)`.
    lr
        Learning rate. That of a group may be a tensor `(K,)`, where members of a population differ.
    betas, eps
        As in Adam.
    price
        That of the groups that name none.
    plain
        Whether to take `plain_step` instead of its fast forms: slower, and equal up to rounding.

    Raises
    ------
    ValueError
        For a learning rate, beta or eps that cannot be.

    References
    ----------
    Kingma & Ba, Adam: a method for stochastic optimization, ICLR 2015.
    Yun, Lozano & Yang, Adaptive proximal gradient methods for structured neural networks,
    NeurIPS 2021.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        price: Price | Callable[[], Price] = 0.0,
        *,
        plain: bool = False,
    ):
        if not lr >= 0:
            raise ValueError(f"lr: must be at least 0, not {lr}")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas: must lie in [0, 1), not {betas}")
        if not eps > 0:
            raise ValueError(f"eps: must be greater than 0, not {eps}")

        prices = {"price": price, "diagonal": None, "deviation": None}
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, **prices})
        self.plain = plain

    # As they are below the decorator, which imports torch's compiler at the first call: a second.
    _add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with its prices as the class says."""
        self._add_param_group(_with_new_names(param_group))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state that was saved, of version 0.1 as well."""
        super().__setstate__(state)
        self.param_groups = [_with_new_names(group) for group in self.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable | None = None) -> Any:
        """Take one step of every parameter that has a gradient.

        Parameters
        ----------
        closure
            If given, called first to compute the gradients.

        Returns
        -------
        What the closure returns, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()

        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    self._update(w, group)
        return loss

    def metric(self, w: Tensor) -> Metric:
        """Adam's metric for a parameter at the step it is at."""
        group = next(group for group in self.param_groups if any(w is p for p in group["params"]))
        beta1, beta2 = group["betas"]
        return Metric(group["lr"], beta1, beta2, group["eps"], self.state[w]["step"])

    def exchange(self, module: torch.nn.Module, name: str, value: Tensor, state: dict) -> None:
        """Put a tensor of another shape in the place of a module's parameter or buffer.

        Parameters
        ----------
        module, name
            The module and the attribute that holds the parameter or buffer.
        value
            The new tensor.
        state
            The moments of the new parameter; empty for one that has not taken a step yet.
        """
        old = getattr(module, name)
        if not isinstance(old, torch.nn.Parameter):
            setattr(module, name, value)
            return

        new = torch.nn.Parameter(value)
        setattr(module, name, new)
        for group in self.param_groups:
            group["params"] = [new if p is old else p for p in group["params"]]
        # The state is keyed by the tensor itself: that of the old one would never be freed.
        self.state.pop(old, None)
        if state:
            self.state[new] = state

    def _update(self, w: Tensor, group: dict) -> None:
        """Take one step of w, at the prices that its group holds now."""
        assert w.grad is not None
        state = self._counted(w)
        metric = self.metric(w)
        price = in_dtype(current(group["price"]), w)
        diagonal = current(group["diagonal"])
        shared = current(group["deviation"])

        step = plain_step if self.plain else fast.step
        if shared is None:
            step(w, w.grad, state["exp_avg"], state["exp_avg_sq"], metric, price, diagonal)
            return
        if not shared.own_step:
            joint_step(w, state, metric, shared, price, diagonal, step)
            return

        # The shared part has moments of its own, one for each orbit.
        if "shared_avg" not in state:
            means = shared.group.mean(w)
            state["shared_avg"] = torch.zeros_like(means)
            state["shared_avg_sq"] = torch.zeros_like(means)
        shared_step = plain_shared_step if self.plain else fast.shared_step
        shared_step(w, state, metric, shared, price, diagonal)

    def _counted(self, w: Tensor) -> dict:
        """The moments of w, zero at first, with one more step counted."""
        state = self.state[w]
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(w), exp_avg_sq=torch.zeros_like(w))
        state["step"] += 1
        return state


def _with_new_names(group: dict[str, Any]) -> dict[str, Any]:
    """A group whose price was called `l1`, with its new name; others as they are."""
    if "l1" in group:
        group["price"] = group.pop("l1")
    return group


def current(value: Any) -> Any:
    """A price now: the value itself, or what a function returns for it."""
    return value() if callable(value) else value
