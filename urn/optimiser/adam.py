"""Adam on the smooth part of a loss, then a proximal step in Adam's own metric (DESIGN section 2, exact zeros).

    m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,   d = sqrt(v_hat) + eps
    W <- soft(W - lr m_hat / d,  lr c / d)                            Yun, Lozano & Yang 2021, adaptive proximal gradient

An entry therefore reaches zero, exactly, when its mean gradient stays below its price c, however small that gradient is.
`ClippedRMSProp` is there to repeat what others did. This module knows parameters and prices, not networks: it works on an
ordinary `nn.Linear` as well.
"""

import inspect
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from urn.network import compiled as kernels
from urn.network.choose import can_be_compiled

CHUNK = 1 << 18
"""Entries updated together on a CPU: the working set of a chunk (four arrays, two temporaries) stays in the cache."""
EVERYWHERE = (slice(None), slice(None))


def soft(z: Tensor, threshold: float | Tensor) -> Tensor:
    """Soft threshold: z moved towards 0 by `threshold`, and 0 within it. The proximal map of threshold |.|."""
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
    """argmin_w (w - z)^2 / 2 + at_zero |w| + at_target |w - target|, elementwise, for target >= 0.

    The objective's slope jumps at 0 and at `target`; between, below and above them the solution is a shifted z.
    """
    outer, inner = at_zero + at_target, at_zero - at_target
    between = torch.minimum((z - inner).clamp_min(0), target)
    return between + (z - outer - target).clamp_min(0) + (z + outer).clamp_max(0)


class ProximalAdam(torch.optim.Optimizer):
    """Adam with exact zeros.

    Args:
        params: parameters, or groups of them. Beside `lr`, `betas` and `eps`, a group may hold (each a value, or a function
            without arguments that returns it, looked up at every step):

            - `l1`: the price of an entry's absolute value, a number or a tensor that broadcasts to the parameter;
            - `diagonal`: `(price, target, slice)`: also price |W_ii - target| on that part of the diagonal of `(K, n, n)`;
            - `deviation`: `(price, group)`: price |W - P_G W| for a `PermutationGroup`. The shared part P_G W then takes an
              Adam step of its own, from gradients averaged over the orbits *before* they are normalised.
        lr: learning rate.
        betas, eps: as in Adam.

    Raises:
        ValueError: for a learning rate, beta or eps that cannot be.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        l1: float | Tensor | Callable = 0.0,
    ):
        if not lr >= 0:
            raise ValueError(f"lr: must be at least 0, not {lr}")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas: must lie in [0, 1), not {betas}")
        if not eps > 0:
            raise ValueError(f"eps: must be greater than 0, not {eps}")
        super().__init__(
            params,
            {"lr": lr, "betas": betas, "eps": eps, "l1": l1, "diagonal": None, "deviation": None},
        )

    # As they are below the decorator that imports torch's compiler at the first call, which takes a second.
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)

    @torch.no_grad()
    def step(self, closure: Callable | None = None):
        """One step on every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    self._update(w, group)
        return loss

    def metric(self, w: Tensor) -> "Metric":
        """Adam's metric for a parameter at the step it is at."""
        group = next(group for group in self.param_groups if any(w is p for p in group["params"]))
        return Metric(group["lr"], *group["betas"], group["eps"], self.state[w]["step"])

    def exchange(self, module: torch.nn.Module, name: str, value: Tensor, state: dict) -> None:
        """Put a tensor of another shape in the place of a module's parameter (or buffer), with its state."""
        old = getattr(module, name)
        if not isinstance(old, torch.nn.Parameter):
            setattr(module, name, value)
            return
        new = torch.nn.Parameter(value)
        setattr(module, name, new)
        for group in self.param_groups:
            group["params"] = [new if p is old else p for p in group["params"]]
        self.state.pop(old, None)
        if state:
            self.state[new] = state

    def _update(self, w: Tensor, group: dict) -> None:
        state = self.state[w]
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(w), exp_avg_sq=torch.zeros_like(w))
        state["step"] += 1
        metric = self.metric(w)
        l1 = _now(group["l1"])
        if isinstance(l1, Tensor):
            l1 = l1.to(w)
        if group["deviation"] is not None:
            self._shared_update(w, state, metric, l1, group)
            return
        diagonal = _now(group["diagonal"])
        for part, price, where in _chunks((w, w.grad, state["exp_avg"], state["exp_avg_sq"]), l1):
            metric.update(*part, price, diagonal, where)

    def _shared_update(
        self, W: Tensor, state: dict, metric: "Metric", l1: float | Tensor, group: dict
    ) -> None:
        """W = shared + deviation, each with its own Adam step; the deviation is shrunk, then the sum."""
        price, symmetry = _now(group["deviation"])
        g, m, v = W.grad, state["exp_avg"], state["exp_avg_sq"]
        if "shared_avg" not in state:
            means = symmetry.mean(W)
            state.update(shared_avg=torch.zeros_like(means), shared_avg_sq=torch.zeros_like(means))
        shared, shared_gradient = symmetry.mean(W), symmetry.mean(g)
        gradient, deviation = symmetry.spread(shared_gradient), symmetry.spread(shared)
        torch.sub(g, gradient, out=gradient)
        torch.sub(W, deviation, out=deviation)
        metric.update(deviation, gradient, m, v, _to(price, W))
        metric.update(shared, shared_gradient, state["shared_avg"], state["shared_avg_sq"], 0.0)
        # The metric of what is shared, the same over an orbit, so that what is shared stays shared.
        d = symmetry.spread(metric.of(state["shared_avg_sq"]))
        z = deviation.add_(symmetry.spread(shared)).mul_(d)
        torch.div(_shrink(z, d, metric.lr, l1, _now(group["diagonal"])), d, out=W)


class ClippedRMSProp(ProximalAdam):
    """RMSProp whose changes are clipped, with a price taken off every step (the training of Miconi 2016).

        v <- b2 v + (1 - b2) g^2,   W <- soft(W - clip(lr g / sqrt(v + eps), -clip, clip),  c)

    There is no momentum and no bias correction, and a price is what an entry loses in one step whatever the learning rate.
    """

    def __init__(self, params: Iterable, lr: float, decay: float, eps: float, clip: float):
        super().__init__(params, lr, (0.0, decay), eps)
        if not clip > 0:
            raise ValueError(f"clip: must be greater than 0, not {clip}")
        self.clip = clip

    def _update(self, w: Tensor, group: dict) -> None:
        if group["diagonal"] is not None or group["deviation"] is not None:
            raise ValueError("diagonal, deviation: prices that RMSProp does not know")
        state = self.state[w]
        if not state:  # exp_avg stays zero: there is no momentum that could revive anything
            state.update(step=0, exp_avg=torch.zeros_like(w), exp_avg_sq=torch.zeros_like(w))
        state["step"] += 1
        v, decay = state["exp_avg_sq"], group["betas"][1]
        v.mul_(decay).addcmul_(w.grad, w.grad, value=1 - decay)
        w.sub_(
            (w.grad * group["lr"]).div_((v + group["eps"]).sqrt_()).clamp_(-self.clip, self.clip)
        )
        price = _now(group["l1"])
        if isinstance(price, Tensor) or price:
            w.copy_(soft(w, _to(price, w)))


class Metric:
    """Adam's step at one moment: moments, bias corrections and the metric d = sqrt(v_hat) + eps."""

    def __init__(self, lr: float, beta1: float, beta2: float, eps: float, step: int):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.correction1, self.correction2 = 1 - beta1**step, 1 - beta2**step

    @property
    def momentum_reach(self) -> float:
        """Bound on sum_t (b1 / sqrt(b2))^t: how many first steps the momentum left adds up to when gradients stop."""
        return 1 / max(1 - self.beta1 / self.beta2**0.5, 1e-6)

    def of(self, v: Tensor) -> Tensor:
        """d of the second moment v."""
        return v.sqrt().div_(self.correction2**0.5).add_(self.eps)

    def update(
        self,
        w: Tensor,
        g: Tensor,
        m: Tensor,
        v: Tensor,
        price: float | Tensor,
        diagonal: tuple | None = None,
        where=EVERYWHERE,
    ) -> None:
        """Move w, m and v (in place) one step along g, and shrink w at `price`."""
        scale = self.correction2**0.5
        if can_be_compiled(w, g, m, v):
            self._compiled(w, g, m, v, price, diagonal)
            return
        m.lerp_(g, 1 - self.beta1)
        v.mul_(self.beta2).addcmul_(g, g, value=1 - self.beta2)
        d = v.sqrt().add_(self.eps * scale)  # d times scale, which cancels below and saves a pass
        lr = self.lr * scale
        if isinstance(price, Tensor) or price or diagonal:
            # soft(w - lr m/d, lr c/d) = soft(w d - lr m, lr c) / d: the price stays a number, or one for each member
            w.mul_(d).add_(m, alpha=-lr / self.correction1)
            _shrink(w, d, lr, price, diagonal, where).div_(d)
        else:
            w.addcdiv_(m, d, value=-lr / self.correction1)

    def _compiled(
        self,
        w: Tensor,
        g: Tensor,
        m: Tensor,
        v: Tensor,
        price: float | Tensor,
        diagonal: tuple | None,
    ) -> None:
        """`update` of all of w, in one pass."""
        at_target, target, neurons = diagonal or (0.0, 0.0, slice(0, 0))
        shape = (
            (1, 1, w.numel()) if w.dim() < 2 else (len(w), math.prod(w.shape[1:-1]), w.shape[-1])
        )
        price = torch.as_tensor(price)
        if price.numel() == 1 or price.shape == (
            len(w),
            *[1] * (w.dim() - 1),
        ):  # a number, or one for each member
            price = price.double().reshape(-1, 1, 1).expand(shape[0], 1, 1)
        else:
            price = price.to(w).expand(w.shape).reshape(shape)
        at_target = torch.as_tensor(at_target, dtype=torch.float64).reshape(-1).expand(shape[0])
        arrays = [T.detach().view(shape).numpy() for T in (w, g, m, v)]
        arrays += [T.contiguous().cpu().numpy() for T in (price, at_target)]
        scale = self.correction2**0.5
        kernels.adam(
            *arrays,
            (neurons.start, neurons.stop),
            float(target),
            self.beta1,
            self.beta2,
            self.eps * scale,
            self.lr * scale,
            self.correction1,
        )


def _shrink(
    z: Tensor, d: Tensor, lr: float, price: float | Tensor, diagonal: tuple | None, where=EVERYWHERE
) -> Tensor:
    """The proximal step on z = w d, in place, for the part `where` (members, rows); the diagonal has a price of its own."""
    at_zero = _bounded(price * lr, z)
    if diagonal is None:
        return soft_(z, at_zero)
    (at_target, target, neurons), (members, rows) = diagonal, where
    first = rows.start or 0
    some = slice(max(neurons.start - first, 0), max(neurons.stop - first, 0))
    pick = lambda T: T.diagonal(offset=first, dim1=-2, dim2=-1)[..., some]  # noqa: E731
    kept = pick(z).clone()
    soft_(z, at_zero)
    at_zero = pick(at_zero.expand_as(z)) if isinstance(at_zero, Tensor) else at_zero
    at_target = (
        at_target.to(z).view(-1, 1)[members] * lr
        if isinstance(at_target, Tensor)
        else at_target * lr
    )
    if target == 0:  # one kink: the prices add up
        pick(z).copy_(soft(kept, _bounded(at_zero + at_target, z)))
    else:
        pick(z).copy_(prox_two_kinks(kept, at_zero, at_target, target * pick(d)))
    return z


def _bounded(threshold: float | Tensor, w: Tensor) -> float | Tensor:
    """A threshold that the dtype of w can hold; above that, everything is zero anyway."""
    return threshold if isinstance(threshold, Tensor) else min(threshold, torch.finfo(w.dtype).max)


def _now(value: object) -> object:
    return value() if callable(value) else value


def _to(price: float | Tensor, W: Tensor) -> float | Tensor:
    return price.to(W) if isinstance(price, Tensor) else price


def _chunks(tensors: tuple[Tensor, ...], price: float | Tensor):
    """Split equal tensors (and their price) into parts of about CHUNK entries, as views, along members and rows."""
    w = tensors[0]
    if w.is_cuda or w.numel() <= CHUNK or can_be_compiled(*tensors):
        yield tensors, price, EVERYWHERE
        return
    if w.dim() != 3:  # rows x entries; only the population's matrices have a member axis
        tensors = tuple(t.view(1, t.shape[0], -1) for t in tensors)
        price = (
            price.expand(w.shape).reshape(tensors[0].shape) if isinstance(price, Tensor) else price
        )
    K, rows, columns = tensors[0].shape
    members = max(1, CHUNK // (rows * columns))
    step = max(1, min(rows, CHUNK // columns))
    for k in range(0, K, members):
        for i in range(0, rows, step):
            part = (slice(k, k + members), slice(i, i + step))
            yield tuple(t[part] for t in tensors), _part(price, part), part


def _part(price: float | Tensor, part: tuple[slice, slice]) -> float | Tensor:
    """The same part of a price that broadcasts to (K, rows, columns)."""
    if not isinstance(price, Tensor) or price.dim() == 0:
        return price
    price = price.view(*[1] * (3 - price.dim()), *price.shape)
    return price[
        tuple(
            slice(None) if size == 1 else where
            for size, where in zip(price.shape, part, strict=False)
        )
    ]
