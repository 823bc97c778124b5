"""Dead neurons are found and dropped while training runs, exactly: training goes on as it would have without removal.

A neuron is dead when it can never again fire nor learn. For ReLU: no source of activity (an input, or a neuron with a
positive bias) reaches it through non-zero weights within the iterations left, its bias is not positive, and neither its
incoming weights nor its bias can be moved off that state by the momentum they still carry. It then gets no gradient, and
whatever it sends is multiplied by zero. For tanh a silent neuron still learns while it is listened to, so it must
also have no way to an output.
"""

from dataclasses import replace

import torch
from torch import Tensor

from urn.loss.penalties import Penalties
from urn.network.module import URN
from urn.optimiser.adam import ProximalAdam


def reached(W: Tensor, sources: Tensor, steps: int) -> Tensor:
    """Which neurons activity reaches from `sources` `(K, n)` in at most `steps` applications of W `(K, n, n)`, `(K, n)`."""
    linked, found = W != 0, sources.expand(W.shape[:2]).clone()
    for _ in range(steps):
        k, i = (~found).nonzero(as_tuple=True)
        new = (linked[k, i] & found[k]).any(-1)
        if not new.any():
            break
        found[k[new], i[new]] = True
    return found


def connected(net: URN) -> Tensor:
    """Whether a path of non-zero weights leads from an input to an output in the iterations there are, `(K,)` boolean."""
    inputs, outputs = _ends(net)
    at = inputs
    for _ in range(net.n_iterations):
        at = ((net.weight != 0) & at[:, None]).any(-1)
        if net.input_mode != "pulse":
            at = at | inputs
    return (at & outputs).any(1)


@torch.no_grad()
def living(net: URN, optimiser: ProximalAdam, penalties: Penalties) -> Tensor:
    """Which neurons are alive, `(K, n)` boolean. Inputs and outputs always are; a channel is while one of its sites is."""
    inputs, outputs = _ends(net)
    sources = inputs | (net.bias > 0 if net.activation == "relu" else net.bias != 0)
    alive = reached(net.weight, sources, net.n_iterations) | outputs
    if net.activation == "tanh":
        alive |= reached(net.weight.mT, outputs, net.n_iterations)
    silent = (~alive).nonzero().unbind(1)  # (member, neuron) of each candidate
    if len(silent[0]) and optimiser.state:
        alive[silent] = _revivable(net, optimiser, penalties, silent, alive)
    return _whole_channels(alive, penalties)


def _revivable(
    net: URN,
    optimiser: ProximalAdam,
    penalties: Penalties,
    silent: tuple[Tensor, Tensor],
    alive: Tensor,
) -> Tensor:
    """Of m silent neurons: those that momentum could still give an incoming weight or a positive bias, `(m,)` boolean."""
    k, _ = silent

    def price(place: str, parameter: Tensor) -> float | Tensor:
        c = penalties.l1(place, net)
        return c.to(parameter).expand(parameter.shape)[silent] if isinstance(c, Tensor) else c

    state, metric = optimiser.state[net.weight], optimiser.metric(net.weight)
    own, shared = state["exp_avg"][silent].abs() / metric.correction1, None
    group = penalties.settings.group
    if "shared_avg" in state:
        shared = group.spread(state["shared_avg"])[silent].abs() / metric.correction1
        moving = (own > price("deviation", net.weight)) | (shared > price("weight", net.weight))
    else:
        moving = own > price("weight", net.weight)
    moving = (moving & alive[k]).any(1)

    b, state, metric = net.bias[silent], optimiser.state[net.bias], optimiser.metric(net.bias)
    upward = (-state["exp_avg"][silent] / metric.correction1).clamp_min(0)
    lift = metric.lr * upward / metric.of(state["exp_avg_sq"][silent]) * metric.momentum_reach
    return moving | torch.where(b == 0, upward > price("bias", net.bias), b + lift > 0)


@torch.no_grad()
def idle(net: URN, optimiser: ProximalAdam, penalties: Penalties) -> Tensor:
    """Hidden neurons that reach no output and whose missing outgoing weights stay missing, `(K, n)` boolean.

    They may fire, but no output hears them in the iterations there are, and the mean gradient of every weight to a neuron
    that is heard is at most its price, so the proximal step keeps it at zero. A later gradient could revive them: dropping
    them is an option (`remove_dangling` checks in a row), not exact.
    """
    inputs, outputs = _ends(net)
    heard = reached(net.weight.mT, outputs, net.n_iterations) | inputs
    gradient = (
        optimiser.state[net.weight]["exp_avg"].abs() / optimiser.metric(net.weight).correction1
    )
    price = penalties.l1("weight", net)
    held = gradient <= (price.to(gradient) if isinstance(price, Tensor) else price)
    unheard = ~heard & (held | ~heard[:, :, None]).all(1)
    return ~_whole_channels(~unheard, penalties)


@torch.no_grad()
def compact(net: URN, optimiser: ProximalAdam, penalties: Penalties, keep: Tensor) -> bool:
    """Drop the neurons not in `keep` `(K, n)` from every tensor, in place. Return whether the size changed.

    A population shrinks to its largest member; smaller members keep some dead neurons, emptied, as filling.
    """
    inputs, outputs = _ends(net)
    keep = keep | inputs | outputs
    size = int(keep.sum(1).max())
    if bool(keep.all()):
        return False
    # Per member: its living neurons and enough dead ones, in their old order (so inputs stay first and outputs last;
    # dead ones fill up in order, hence by whole channels where there is a lattice).
    index = torch.argsort((~keep).to(torch.int8), dim=1, stable=True)[:, :size].sort(1).values
    shrinks, dead = size < keep.shape[1], (~keep.gather(1, index)).nonzero(as_tuple=True)

    def rows(T: Tensor) -> Tensor:
        kept = torch.stack([t[i] for t, i in zip(T, index, strict=True)]) if shrinks else T
        if T is not net.ids:
            kept[dead] = 0
        return kept

    def square(T: Tensor) -> Tensor:
        kept = T
        if shrinks:
            kept = T.new_empty(len(T), size, size)
            for t, i, new in zip(T, index, kept, strict=True):
                for some, rows_of_new in zip(
                    i.split(256), new.split(256), strict=True
                ):  # no second copy of W
                    torch.index_select(t[some], 1, i, out=rows_of_new)
        kept[dead] = 0
        kept.mT[dead] = 0
        return kept

    group = penalties.settings.group
    if group is not None:
        penalties.settings = replace(penalties.settings, group=group.restrict(index[0]))
    for name, take in (("weight", square), ("bias", rows), ("positions", rows)):
        if getattr(net, name) is None:
            continue
        state = optimiser.state.get(getattr(net, name), {})
        for (
            key
        ) in state:  # no name for the old tensors, so that each goes before the next new one comes
            if key.startswith("shared"):
                state[key] = penalties.settings.group.mean(square(group.spread(state[key])))
            elif isinstance(state[key], Tensor):
                state[key] = take(state[key])
        optimiser.exchange(net, name, take(getattr(net, name).data), state)
    net.ids = rows(net.ids)
    return shrinks


@torch.no_grad()
def rearrange(
    net: URN, optimiser: ProximalAdam, carried: Tensor | None, ids: Tensor
) -> tuple[Tensor | None, Tensor]:
    """Hold the neurons `ids` `(K, m)`, ascending, and no others; those not held before come in empty.

    Returns the state of streams `(K, B, m)`, and which neurons are new, `(K, m)` boolean.
    """
    K, n = net.ids.shape
    slot = torch.full((K, net.n_neurons), -1, device=ids.device)
    slot.scatter_(1, net.ids, torch.arange(n, device=ids.device).expand(K, n))
    where = slot.gather(1, ids)
    held, where = where >= 0, where.clamp_min(0)

    def along(T: Tensor, axis: int) -> Tensor:
        shape = [K] + [1] * (T.dim() - 1)
        shape[axis] = where.shape[1]
        expanded = [*T.shape]
        expanded[axis] = where.shape[1]
        return T.gather(axis, where.view(shape).expand(expanded)).masked_fill_(~held.view(shape), 0)

    for name, axes in (("weight", (1, 2)), ("bias", (1,)), ("positions", (1,))):
        if getattr(net, name) is None:
            continue

        def take(T: Tensor, axes=axes) -> Tensor:
            for axis in axes:
                T = along(T, axis)
            return T

        state = optimiser.state.get(getattr(net, name), {})
        state = {key: take(T) if isinstance(T, Tensor) else T for key, T in state.items()}
        optimiser.exchange(net, name, take(getattr(net, name).data), state)
    net.ids = ids
    return None if carried is None else along(carried, 2), ~held


def _ends(net: URN) -> tuple[Tensor, Tensor]:
    """Masks of the input and of the output neurons, `(1, n)` boolean."""
    neuron = torch.arange(net.weight.shape[1], device=net.weight.device)[None]
    return neuron < net.n_inputs, neuron >= net.outputs.start


def _whole_channels(alive: Tensor, penalties: Penalties) -> Tensor:
    """Where a group acts on the neurons, one living neuron keeps all that the group can move it to."""
    group = penalties.settings.group
    return alive if group is None else alive[:, group.elements].any(1)
