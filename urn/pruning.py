"""Classical pruning: which weights of a trained network to take away, by five criteria, at any sparsity.

    magnitude   |w_q|
    l1          |w_q| too, of a network that its trainer has first put under a higher price (see `experiments.commands.prune`)
    obd         h_qq w_q^2 / 2                 Optimal Brain Damage (LeCun, Denker & Solla 1990)
    obs         w_q^2 / (2 [H^-1]_qq)          Optimal Brain Surgeon (Hassibi & Stork 1993); the other weights are corrected,
                dw = -w_q / [H^-1]_qq H^-1 e_q, one weight at a time
    random      chance

H is the Gauss-Newton matrix of the task loss (as in Hassibi & Stork), exact where the loss is quadratic in the weights, over
all living weights at once: meant for networks of up to a few thousand weights.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from urn.errors import InputError

CRITERIA = ("magnitude", "l1", "obd", "obs", "random")
PHI = {"relu": torch.relu, "tanh": torch.tanh}
MOST_WEIGHTS = 6000
DAMPING = 1e-4
"""Of the mean curvature, added to H: weights that the data say nothing of would have an infinite inverse."""


class Network:
    """The living weights of a URN with pulse or clamped input as one vector: what can be differentiated, pruned and retrained.

    Attributes:
        theta: `(n,)` the non-zero weights; places: their (row, column); bias: `(m,)`; kept: `(S,)` which neurons are held.
    """

    def __init__(
        self,
        W: Tensor,
        b: Tensor,
        *,
        n_inputs: int,
        n_outputs: int,
        n_iterations: int,
        activation: str,
        input_mode: str,
    ):
        if input_mode not in ("pulse", "clamped"):
            raise InputError(
                "run: pruning takes networks with pulse or clamped input, not streams of symbols"
            )
        self.kept = (W != 0).any(0) | (W != 0).any(1) | (b != 0)
        self.kept[:n_inputs] = self.kept[len(W) - n_outputs :] = True
        W = W[self.kept][:, self.kept]
        self.places = W.nonzero(as_tuple=True)
        self.theta, self.bias = W[self.places].clone(), b[self.kept].clone()
        self.n_inputs, self.n_outputs, self.n_iterations = n_inputs, n_outputs, n_iterations
        self.phi, self.clamped = PHI[activation], input_mode == "clamped"

    def __call__(self, theta: Tensor, bias: Tensor, x: Tensor) -> Tensor:
        """y `(B, d_out)` of inputs `(B, d_in)` with these weights in place of its own."""
        m = len(bias)
        W = theta.new_zeros(m, m).index_put(self.places, theta)
        x = torch.nn.functional.pad(x, (0, m - self.n_inputs))
        N = x
        for l in range(self.n_iterations):
            P = N @ W.T + bias
            N = self.phi(P)
            if self.clamped and l + 1 < self.n_iterations:
                N = torch.cat([x[..., : self.n_inputs], N[..., self.n_inputs :]], -1)
        return P[..., m - self.n_outputs :]

    def full(self, theta: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """W `(S, S)` and b `(S,)` with these weights."""
        S = len(self.kept)
        W, b = theta.new_zeros(S, S), theta.new_zeros(S)
        ids = self.kept.nonzero().flatten()
        W[ids[self.places[0]], ids[self.places[1]]] = theta
        b[ids] = bias
        return W, b


def curvature(net: Network, x: Tensor, kind: str, chunk: int = 64) -> Tensor:
    """Gauss-Newton matrix of the mean task loss over samples `(B, d_in)` in the weights, `(n, n)`.

    sum_b J_b^T A_b J_b / B, J_b the Jacobian of the outputs, A_b the Hessian of the loss in them: diag(p) - p p^T for
    cross-entropy, 2 / d_out for squares.
    """
    n = len(net.theta)
    if n > MOST_WEIGHTS:
        raise InputError(
            f"run: {n} weights; curvature of at most {MOST_WEIGHTS} is held (prune by magnitude first)"
        )
    H = net.theta.new_zeros(n, n)
    jacobian = vmap(jacrev(lambda theta, one: net(theta, net.bias, one)), (None, 0))
    for part in x.split(chunk):
        J = jacobian(net.theta, part)  # (B, d_out, n)
        if kind == "regression":
            J = J * (2 / net.n_outputs) ** 0.5
        else:
            p = net(net.theta, net.bias, part).softmax(-1)
            J = p.sqrt()[..., None] * (
                J - torch.einsum("bo,bon->bn", p, J)[:, None]
            )  # A = sqrt(p) (1 - p 1^T) squared
        J = J.reshape(-1, n)
        H += J.T @ J
    return H / len(x)


def saliency(
    net: Network,
    criterion: str,
    H: Tensor | None = None,
    generator: torch.Generator | None = None,
    damping: float = DAMPING,
) -> Tensor:
    """What the loss is thought to lose with each weight, `(n,)`; only its order counts but for obd and obs."""
    if criterion == "random":
        return torch.rand(len(net.theta), generator=generator, dtype=torch.float64)
    if criterion in ("magnitude", "l1"):
        return net.theta.abs()
    if criterion == "obd":
        return H.diagonal() * net.theta.square() / 2
    return net.theta.square() / (2 * inverse(H, damping).diagonal())


def inverse(H: Tensor, damping: float = DAMPING) -> Tensor:
    """H^-1, H damped by a part of its mean curvature so that it has one."""
    damped = H + damping * H.diagonal().mean().clamp_min(torch.finfo(H.dtype).tiny) * torch.eye(
        len(H), dtype=H.dtype
    )
    return torch.cholesky_inverse(torch.linalg.cholesky(damped))


def surgeon(
    theta: Tensor, H: Tensor, counts: Sequence[int], damping: float = DAMPING
) -> list[Tensor]:
    """Take weights away one at a time, each time the least salient, and correct the others: what is left after each of `counts`
    (ascending) deletions, a list of `(n,)`.

    After a deletion H^-1 is that of the weights that are left, by one elimination step; rows that are gone are dropped from
    it now and then, so that a step costs the square of what is left.
    """
    theta, P, left, found = theta.clone(), inverse(H, damping), torch.arange(len(theta)), []
    gone = torch.zeros(len(theta), dtype=torch.bool)  # of those that P still holds
    for n in range(max(counts) + 1):
        found += [
            torch.zeros_like(theta).index_put((left,), theta[left].masked_fill(gone, 0))
            for count in counts
            if count == n
        ]
        if n == max(counts):
            return found
        if gone.sum() > len(left) // 8:
            P, left, gone = P[~gone][:, ~gone], left[~gone], gone[~gone]
        values = theta[left]
        q = int((values.square() / P.diagonal()).masked_fill(gone, torch.inf).argmin())
        column = P[:, q] / P[q, q]
        theta[left] = (values - values[q] * column).masked_fill(gone, 0)
        P.addr_(column, P[q].clone(), alpha=-1)
        gone[q] = True
    return found


def pruned(
    net: Network,
    criterion: str,
    keeps: Sequence[float],
    x: Tensor,
    kind: str,
    generator: torch.Generator | None = None,
) -> list[Tensor]:
    """The weights with all but a share of them zero, `(n,)` for each of `keeps`. x `(B, d_in)`: samples for the curvature."""
    if criterion not in CRITERIA:
        raise InputError(f"criterion: must be one of {', '.join(CRITERIA)}, not {criterion!r}")
    for keep in keeps:
        if not 0 < keep <= 1:
            raise InputError(f"keep: must be above 0 and at most 1, not {keep!r}")
    n = len(net.theta)
    counts = [n - max(1, round(keep * n)) for keep in keeps]
    H = curvature(net, x, kind) if criterion in ("obd", "obs") else None
    if criterion == "obs":
        stages = dict(
            zip(sorted(set(counts)), surgeon(net.theta, H, sorted(set(counts))), strict=True)
        )
        return [stages[count] for count in counts]
    order = saliency(net, criterion, H, generator).argsort(stable=True)
    return [net.theta.index_fill(0, order[:count], 0) for count in counts]
