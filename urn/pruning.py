"""Classical pruning: which weights of a trained network to take away, by five criteria.

    magnitude   |w_q|
    l1          |w_q| too, of a network that its trainer has first put under a higher price (see
                `experiments.commands.prune`)
    obd         h_qq w_q^2 / 2                 Optimal Brain Damage (LeCun, Denker & Solla 1990)
    obs         w_q^2 / (2 [H^-1]_qq)          Optimal Brain Surgeon (Hassibi & Stork 1993); the
                other weights are corrected, dw = -w_q / [H^-1]_qq H^-1 e_q, one weight at a time
    random      chance

H is the Gauss-Newton matrix of the task loss (as in Hassibi & Stork), exact where the loss is
quadratic in the weights, over all non-zero weights at once: meant for networks of up to a few
thousand weights.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import jacrev, vmap
from torch.nn import functional

from urn.errors import InputError, shown

CRITERIA = ("magnitude", "l1", "obd", "obs", "random")
"""As in the table above."""

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}
"""As functions that `torch.func` can differentiate, not in place."""

MOST_WEIGHTS = 6000
"""Weights that H is held of: with its inverse it then takes 0.6 GB in float64. By judgement."""

DAMPING = 1e-4
"""Of the mean curvature, added to H: weights that the data say nothing of would have an infinite
inverse. By judgement; Hassibi & Stork take 1e-8 to 1e-4."""

SAMPLES_AT_ONCE = 64
"""Whose Jacobians are held together. By judgement: 30 MB for ten outputs and 6,000 weights."""

SHARE_GONE = 8
"""`surgeon` drops rows from H^-1 once one in so many is gone. By judgement: dropping copies all of
H^-1, which should cost little beside the eliminations between."""


class Network:
    """The non-zero weights of a URN as one vector: what can be differentiated and pruned.

    Parameters
    ----------
    W, b : Tensor
        `(S, S)` and `(S,)`, as in a `Run`.
    n_inputs, n_outputs, n_iterations : int
        d_in, d_out and I.
    activation : {"relu", "tanh"}
        phi.
    input_mode : {"pulse", "clamped"}
        Sequences and streams of symbols are refused.

    Attributes
    ----------
    theta : Tensor
        `(n,)`, the non-zero weights.
    indices : tuple of Tensor
        Row and column of each of them among the neurons held.
    bias : Tensor
        `(m,)`, of the neurons held.
    held : Tensor
        `(S,)` boolean: inputs, outputs, and neurons that have a weight or a bias.

    Raises
    ------
    InputError
        For another input mode, and where there is no weight.
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
    ) -> None:
        if input_mode not in ("pulse", "clamped"):
            raise InputError(
                "run: pruning takes networks with pulse or clamped input, not sequences or streams"
            )

        if not W.any():
            raise InputError("run: no weight is left to prune")

        # Neurons without a weight and without a bias are constant at zero and leave both axes of W.
        # Inputs and outputs stay, so that they are the first and the last neurons of what is held.
        self.held = (W != 0).any(0) | (W != 0).any(1) | (b != 0)
        self.held[:n_inputs] = True
        self.held[len(W) - n_outputs :] = True
        W = W[self.held][:, self.held]
        self.indices = W.nonzero(as_tuple=True)
        self.theta = W[self.indices].clone()
        self.bias = b[self.held].clone()

        self.n_inputs = n_inputs
        self.n_outputs = n_outputs
        self.n_iterations = n_iterations
        self.phi = ACTIVATIONS[activation]
        self.clamped = input_mode == "clamped"

    def __call__(self, theta: Tensor, bias: Tensor, x: Tensor) -> Tensor:
        """y `(B, d_out)` of inputs `(B, d_in)` with these weights in place of its own."""
        m = len(bias)
        W = theta.new_zeros(m, m).index_put(self.indices, theta)
        x = functional.pad(x, (0, m - self.n_inputs))
        # The formula of `urn.network.definition` with a fixed mode, written without an in-place
        # operation, which `torch.func` could not go back through.
        N = x
        P = N

        for l in range(self.n_iterations):
            P = N @ W.T + bias
            N = self.phi(P)
            if self.clamped and l + 1 < self.n_iterations:
                N = torch.cat([x[..., : self.n_inputs], N[..., self.n_inputs :]], -1)

        return P[..., m - self.n_outputs :]

    def full(self, theta: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """W `(S, S)` and b `(S,)` with these weights."""
        S = len(self.held)
        ids = self.held.nonzero().flatten()
        rows, columns = self.indices

        W = theta.new_zeros(S, S)
        W[ids[rows], ids[columns]] = theta
        b = theta.new_zeros(S)
        b[ids] = bias
        return W, b


def curvature(net: Network, x: Tensor, kind: str, chunk: int = SAMPLES_AT_ONCE) -> Tensor:
    """Gauss-Newton matrix of the mean task loss in the weights.

    Parameters
    ----------
    net : Network
        With n weights.
    x : Tensor
        `(B, d_in)` samples.
    kind : {"classification", "regression"}
        Cross-entropy or the mean squared error.
    chunk : int
        Samples whose Jacobians are held together.

    Returns
    -------
    Tensor
        `(n, n)`: sum_b J_b^T A_b J_b / B, where J_b is the Jacobian of the outputs and A_b the
        Hessian of the loss in them, diag(p) - p p^T for cross-entropy and 2 / d_out for squares.

    Raises
    ------
    InputError
        For more than `MOST_WEIGHTS` weights.
    """
    n = len(net.theta)
    if n > MOST_WEIGHTS:
        raise InputError(
            f"run: {n} weights; curvature of at most {MOST_WEIGHTS} is held"
            " (prune by magnitude first)"
        )

    H = net.theta.new_zeros(n, n)
    # The loss is sum_b l(y_b) / B. Its Gauss-Newton matrix drops the curvature of y in the weights:
    # H = sum_b (R_b J_b)^T (R_b J_b) / B, where A_b = R_b^T R_b.
    jacobian = vmap(jacrev(lambda theta, sample: net(theta, net.bias, sample)), (None, 0))
    for part in x.split(chunk):
        J = jacobian(net.theta, part)  # (B, d_out, n)
        if kind == "regression":
            J = J * (2 / net.n_outputs) ** 0.5
        else:  # A = R^T R with R = sqrt(p) (1 - 1 p^T)
            p = net(net.theta, net.bias, part).softmax(-1)
            J = p.sqrt()[..., None] * (J - torch.einsum("bo,bon->bn", p, J)[:, None])
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
    """What the loss is thought to lose with each weight, `(n,)`.

    Only its order counts, but for `obd` and `obs`, which need H `(n, n)`.
    """
    if criterion == "random":
        return torch.rand(len(net.theta), generator=generator, dtype=torch.float64)
    if criterion in ("magnitude", "l1"):
        return net.theta.abs()

    if H is None:
        raise InputError(f"H: {criterion} needs the curvature")
    if criterion == "obd":
        return H.diagonal() * net.theta.square() / 2
    return net.theta.square() / (2 * inverse(H, damping).diagonal())


def inverse(H: Tensor, damping: float = DAMPING) -> Tensor:
    """H^-1, H damped by a part of its mean curvature so that it has one.

    Of a network whose weights all do nothing, where H is 0, it is a multiple of the identity.
    """
    # The unit of damping is the curvature of this network, so that one number fits all of them.
    mean_curvature = H.diagonal().mean()
    if mean_curvature < torch.finfo(H.dtype).tiny:
        mean_curvature = torch.ones_like(mean_curvature)
    damped = H + damping * mean_curvature * torch.eye(len(H), dtype=H.dtype)
    return torch.cholesky_inverse(torch.linalg.cholesky(damped))


def surgeon(
    theta: Tensor, H: Tensor, counts: Sequence[int], damping: float = DAMPING
) -> list[Tensor]:
    """Take weights away one at a time, each time the least salient, and correct the others.

    Parameters
    ----------
    theta : Tensor
        `(n,)`.
    H : Tensor
        `(n, n)`, their curvature.
    counts : sequence of int
        Ascending: after how many deletions to look.
    damping : float
        See `inverse`.

    Returns
    -------
    list of Tensor
        `(n,)` for each of `counts`: what is left after so many deletions.

    Notes
    -----
    After a deletion H^-1 is that of the weights that are left, by one elimination step. Rows that
    are gone are dropped from it now and then, so that a step costs the square of what is left.
    """
    theta = theta.clone()
    inverse_H = inverse(H, damping)
    left = torch.arange(len(theta))  # the weights that inverse_H has a row of
    gone = torch.zeros(len(theta), dtype=torch.bool)  # of those in `left`
    stages: list[Tensor] = []

    for n in range(max(counts) + 1):
        # After n deletions: the weights at full length, zero where they went.
        present = theta[left].masked_fill(gone, 0)
        stage = torch.zeros_like(theta).index_put((left,), present)
        stages += [stage.clone() for count in counts if count == n]
        if n == max(counts):
            break

        # Compact H^-1 when enough of its rows are gone: a step costs the square of what it holds.
        if gone.sum() > len(left) // SHARE_GONE:
            inverse_H = inverse_H[~gone][:, ~gone]
            left = left[~gone]
            gone = gone[~gone]

        # The cheapest weight q, and the correction of all others by dw = -w_q / [H^-1]_qq H^-1 e_q.
        # Then q is eliminated: H^-1 <- H^-1 - H^-1 e_q e_q^T H^-1 / [H^-1]_qq.
        values = theta[left]
        salience = values.square() / inverse_H.diagonal()
        q = int(salience.masked_fill(gone, torch.inf).argmin())
        column = inverse_H[:, q] / inverse_H[q, q]
        theta[left] = (values - values[q] * column).masked_fill(gone, 0)
        inverse_H.addr_(column, inverse_H[q].clone(), alpha=-1)
        gone[q] = True

    return stages


def pruned(
    net: Network,
    criterion: str,
    keeps: Sequence[float],
    x: Tensor,
    kind: str,
    generator: torch.Generator | None = None,
) -> list[Tensor]:
    """The weights with all but a share of them zero.

    Parameters
    ----------
    net : Network
        With n weights.
    criterion : str
        One of `CRITERIA`.
    keeps : sequence of float
        Shares of the weights to keep, above 0 and at most 1.
    x : Tensor
        `(B, d_in)`, samples for the curvature.
    kind : {"classification", "regression"}
        What the network was trained on.
    generator : torch.Generator, optional
        For `random`.

    Returns
    -------
    list of Tensor
        `(n,)` for each of `keeps`.

    Raises
    ------
    InputError
        For an unknown criterion, an impossible share, or too many weights for their curvature.
    """
    if criterion not in CRITERIA:
        raise InputError(f"criterion: must be one of {', '.join(CRITERIA)}, not {shown(criterion)}")
    for keep in keeps:
        if not 0 < keep <= 1:
            raise InputError(f"keep: must be above 0 and at most 1, not {shown(keep)}")

    n = len(net.theta)
    counts = [n - max(1, round(keep * n)) for keep in keeps]
    H = curvature(net, x, kind) if criterion in ("obd", "obs") else None
    if criterion == "obs" and H is not None:
        # One pass of the surgeon visits every count on its path; the other criteria rank all
        # weights once.
        ascending = sorted(set(counts))
        stages = dict(zip(ascending, surgeon(net.theta, H, ascending), strict=True))
        return [stages[count] for count in counts]

    order = saliency(net, criterion, H, generator).argsort(stable=True)
    return [net.theta.index_fill(0, order[:count], 0) for count in counts]
