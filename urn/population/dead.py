"""Which neurons are dead, exactly: training without them goes on as it would have with them.

Dead means not alive: `alive` is the test, and what is not alive is dropped. A dead neuron can never
again fire nor learn. For ReLU: no source of activity (an input, or a neuron with a positive bias)
reaches it through non-zero weights within the iterations there are, its bias is not positive, and
the momentum left cannot give it an incoming weight from a neuron that is alive, or a positive bias,
nor do so to a neuron that it already hears.
It then gets no gradient, and whatever it sends is multiplied by zero. For tanh a neuron that never
fires still learns while it has a path to an output, so to be dead it must have none.

This module makes masks. `urn.training.trainer.Trainer._check` decides what follows from them, and
`urn.population.population.Population.compact` takes the dead out of the tensors.
"""

import torch
from torch import Tensor

from urn.loss.penalties import Penalties
from urn.network.module import URN
from urn.optimiser.adam import ProximalAdam


def reached(W: Tensor, sources: Tensor, n_iterations: int) -> Tensor:
    """Which neurons activity reaches from some sources.

    Parameters
    ----------
    W : (K, n, n) tensor
    sources : (K, n) boolean tensor
    n_iterations : int
        How often W is applied, at most.

    Returns
    -------
    (K, n) boolean tensor
        Sources included.
    """
    linked = W != 0
    arrived = sources.expand(W.shape[:2]).clone()

    # Only rows of neurons that activity has not reached yet are looked at, fewer every time.
    for _ in range(n_iterations):
        k, i = (~arrived).nonzero(as_tuple=True)
        new = (linked[k, i] & arrived[k]).any(-1)
        if not new.any():
            break
        arrived[k[new], i[new]] = True
    return arrived


def connected(net: URN) -> Tensor:
    """Whether a path of non-zero weights leads from an input to an output, `(K,)` boolean.

    It must take as many steps as there are iterations.
    """
    inputs, outputs = _ends(net)
    at = inputs  # where paths of so many steps end
    for _ in range(net.n_iterations):
        at = ((net.weight != 0) & at[:, None]).any(-1)
        if net.input_mode != "pulse":
            at = at | inputs
    return (at & outputs).any(1)


@torch.no_grad()
def alive(net: URN, optimiser: ProximalAdam, penalties: Penalties) -> Tensor:
    """Which neurons are alive, `(K, n)` boolean.

    Inputs and outputs always are. Where a symmetry group acts, one neuron that is alive keeps the
    whole of its channel alive.
    """
    # Activity comes from inputs, and from neurons whose bias alone makes them fire.
    inputs, outputs = _ends(net)
    fires_alone = net.bias > 0 if net.activation == "relu" else net.bias != 0
    lives = reached(net.weight, inputs | fires_alone, net.n_iterations) | outputs

    # phi'(0) is 1 for tanh: a silent neuron with a path to an output gets a gradient.
    if net.activation == "tanh":
        lives |= reached(net.weight.mT, outputs, net.n_iterations)

    # Candidates for being dead: only momentum could still revive them. Before the first step there
    # is none.
    candidates = (~lives).nonzero().unbind(1)  # member and neuron of each
    if len(candidates[0]) and optimiser.state:
        lives |= _revivable(net, optimiser, penalties, candidates, lives)
    return _whole_channels(lives, penalties)


def _revivable(
    net: URN,
    optimiser: ProximalAdam,
    penalties: Penalties,
    candidates: tuple[Tensor, ...],
    lives: Tensor,
) -> Tensor:
    """Candidates, which never fire, that momentum could still revive, `(K, n)` boolean.

    It does so by giving them an incoming weight from a neuron that is alive, or a positive bias;
    and what hears a neuron that is revived may fire as well.
    """
    k, _ = candidates
    moves = _rows_that_move(net, optimiser, penalties, candidates)  # (m, n)
    hears = moves | (net.weight[candidates] != 0)
    new = (moves & lives[k]).any(1) | _biases_that_rise(net, optimiser, penalties, candidates)

    revived = torch.zeros_like(lives)
    while (new & ~revived[candidates]).any():
        revived[candidates] |= new
        new = (hears & revived[k]).any(1)
    return revived


def _rows_that_move(
    net: URN, optimiser: ProximalAdam, penalties: Penalties, candidates: tuple[Tensor, ...]
) -> Tensor:
    """Which incoming weights of m neurons leave zero by the momentum they carry, `(m, n)` boolean.

    A weight leaves zero when its mean gradient m_hat = m / correction1 exceeds its price. Where the
    price of deviating shares momentum over an orbit, any momentum of the orbit may move it.
    """
    state = optimiser.state[net.weight]
    correction = optimiser.metric(net.weight).correction1
    mean = state["exp_avg"][candidates].abs() / correction
    group = penalties.settings.group

    # Where weights are shared, `exp_avg` is that of the deviation from the mean over an orbit, with
    # a price of its own; the shared part moves the whole orbit.
    if group is not None and "shared_avg" in state:
        spread = group.spread(state["shared_avg"])  # (K, n, n)
        shared = spread[candidates].abs() / correction
        deviation_price = _price_of(candidates, penalties, "deviation", net)
        weight_price = _price_of(candidates, penalties, "weight", net)
        return (mean > deviation_price) | (shared > weight_price)
    if group is not None:
        return group.spread(group.mean(state["exp_avg"].abs()))[candidates] > 0
    return mean > _price_of(candidates, penalties, "weight", net)


def _biases_that_rise(
    net: URN, optimiser: ProximalAdam, penalties: Penalties, candidates: tuple[Tensor, ...]
) -> Tensor:
    """Of m neurons whose bias is not positive: which does momentum make so, `(m,)` boolean."""
    b = net.bias[candidates]
    state = optimiser.state[net.bias]
    metric = optimiser.metric(net.bias)
    upward = (-state["exp_avg"][candidates] / metric.correction1).clamp_min(0)

    # A bias at zero leaves it like a weight; a negative one must be lifted by all steps together
    # that momentum still makes, at most `momentum_reach` times the first.
    lr = metric.rate(net.bias)
    lr = lr.expand(net.bias.shape)[candidates] if isinstance(lr, Tensor) else lr
    step = lr * upward / metric.of(state["exp_avg_sq"][candidates])
    lift = step * metric.momentum_reach
    leaves_zero = upward > _price_of(candidates, penalties, "bias", net)
    return torch.where(b == 0, leaves_zero, b + lift > 0)


def _price_of(
    candidates: tuple[Tensor, ...], penalties: Penalties, kind: str, net: URN
) -> float | Tensor:
    """The price of the incoming weights of m neurons `(m, n)`, or of their biases `(m,)`."""
    parameter = net.bias if kind == "bias" else net.weight
    price = penalties.price(kind, net)
    if not isinstance(price, Tensor):
        return price
    return price.to(parameter).expand(parameter.shape)[candidates]


@torch.no_grad()
def idle(net: URN, optimiser: ProximalAdam, penalties: Penalties) -> Tensor:
    """Hidden neurons that are idle: no path to an output, and none after the next step, `(K, n)`.

    They may fire, but the mean gradient of every weight from them to a neuron with such a path is
    at most its price, so the proximal step keeps it at zero. A later gradient could give them a
    path, so dropping them is not exact: the option `remove_dangling = n` (an old name for idle)
    drops what was idle at n checks in a row.
    """
    inputs, outputs = _ends(net)
    matters = reached(net.weight.mT, outputs, net.n_iterations) | inputs
    correction = optimiser.metric(net.weight).correction1
    gradient = optimiser.state[net.weight]["exp_avg"].abs() / correction
    price = penalties.price("weight", net)
    stays_zero = gradient <= (price.to(gradient) if isinstance(price, Tensor) else price)

    # Column by column: every weight from this neuron stays zero, or leads to one without a path.
    idle_now = ~matters & (stays_zero | ~matters[:, :, None]).all(1)
    return ~_whole_channels(~idle_now, penalties)


def _ends(net: URN) -> tuple[Tensor, Tensor]:
    """Masks of the input and of the output neurons, `(1, n)` boolean."""
    neuron = torch.arange(net.weight.shape[1], device=net.weight.device)[None]
    return neuron < net.n_inputs, neuron >= net.outputs.start


def _whole_channels(lives: Tensor, penalties: Penalties) -> Tensor:
    """`lives` `(K, n)`, where a group acts with all that it can move a neuron that is alive to."""
    group = penalties.settings.group
    return lives if group is None else lives[:, group.elements].any(1)
