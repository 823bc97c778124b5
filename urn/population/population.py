"""The networks that train together: all that has an axis of members or of neurons.

Parameters, what the optimiser remembers of them, the carried state of streams, the ages of
neurons: `Population.take` is the one place where a tensor of them changes its shape. It knows
nothing of why: which neurons are dead is `dead`'s matter, which are born `growth`'s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from urn.loss.penalties import Penalties
from urn.loss.symmetry import PermutationGroup
from urn.network.module import PARAMETERS, URN
from urn.network.wiring import SYMBOL_MODES
from urn.optimiser.adam import ProximalAdam
from urn.population.snapshot import Snapshot
from urn.settings.config import TrainConfig
from urn.settings.schedules import Schedule

AXES = {
    "weight": "k i j",
    "bias": "k i",
    "positions": "k i .",
    "ids": "k i",
    "carried": "k b i",
    "members": "k",
    "loss_mean": "k",
    "quiet_rows": "k",
    "quiet_support": "k",
    "quiet_objective": "k",
    "idle_checks": "k s",
    "born": "k s",
    "inheritance": "k s",
    "birthplaces": "k s .",
}
"""Axes of every tensor. k: members; i, j: neurons held; s: all S neurons; b: streams; .: others.

The moments of the optimiser have the axes of their parameter.
"""
ACTIVITY_AXES = {"N": "k l b i", "n": "k l i"}
"""Axes of the fields of an `Activity`; l: iterations."""
OF_THE_NET = ("ids", *PARAMETERS)
"""Tensors that the module holds; the others are the population's."""
ROWS_AT_ONCE = 256
"""Rows of a matrix indexed together (by judgement): a whole one would be held a second time."""
LOSS_MEMORY = 0.99
"""Decay of loss_mean, by judgement: one stretch of symbols says little of the loss."""


class Population:
    """K networks in training.

    Parameters
    ----------
    net : URN
        The parameters, at full size.
    optimiser : ProximalAdam
        Its parameters are those of `net`.
    penalties : Penalties
        Its group, if any, acts on all S neurons; `take` restricts it to those held.
    configs : sequence of TrainConfig
        One for each member.

    Attributes
    ----------
    step : int
        Updates made.
    members : (K,) tensor
        Which of `configs` are still in training.
    carried : (K, B, n) tensor or None
        State of symbol streams.
    loss_mean : (K,) tensor or None
        Exponential mean of the task loss over updates, of symbol streams.
    quiet_rows, quiet_support, quiet_objective : (K,) tensors or None
        What `urn.training.stationary` has counted, where training may end by it.
    idle_checks : (K, S) tensor
        How many checks in a row a neuron has been idle.
    born : (K, S) tensor or None
        Of a population that grows: the update a hidden neuron was born after, -1 before its birth
        and after its burial.
    inheritance : (K, S) tensor or None
        Incoming weights of the last neuron that died, where newborns inherit them.
    birthplaces : (K, S, dim) tensor or None
        Where a newborn is put.
    last_good : dictionary
        Copies of ids and parameters at the last moment when they were known to be finite.
    """

    def __init__(
        self,
        net: URN,
        optimiser: ProximalAdam,
        penalties: Penalties,
        configs: Sequence[TrainConfig],
    ) -> None:
        K = len(configs)
        self.net = net
        self.optimiser = optimiser
        self.penalties = penalties
        self.configs = list(configs)
        self.step = 0

        # What else has an axis of members or neurons; None where a population has no use for it.
        self.members = torch.arange(K)
        self.idle_checks = torch.zeros(K, net.n_neurons, dtype=torch.int32, device=self.device)
        self.carried: Tensor | None = None
        self.loss_mean: Tensor | None = None
        self.quiet_rows: Tensor | None = None
        self.quiet_support: Tensor | None = None
        self.quiet_objective: Tensor | None = None
        self.born: Tensor | None = None
        self.inheritance: Tensor | None = None
        self.birthplaces: Tensor | None = None

        self.last_good: dict[str, Tensor] = {}
        self.remembered_at: int | None = None  # the step at which it was made
        self._whole_group = penalties.settings.group  # acts on all S neurons
        self.set_strengths()

    # ---- what is held

    @property
    def ids(self) -> Tensor:
        """Which of the S neurons each member holds, ascending, `(K, n)`."""
        ids = self.net.ids
        assert isinstance(ids, Tensor)  # a buffer
        return ids

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.net.bias.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters."""
        return self.net.bias.dtype

    @property
    def seeds(self) -> list[int]:
        """Seeds of the members in training."""
        return [self.configs[k].seed for k in self.members.tolist()]

    @property
    def reads_symbols(self) -> bool:
        """Whether the members read streams, and so carry a state."""
        return self.net.input_mode in SYMBOL_MODES

    @property
    def grows(self) -> bool:
        """Whether neurons are born."""
        return self.born is not None

    def tensors(self, names: Iterable[str] = AXES) -> dict[str, Tensor]:
        """Those tensors of `AXES` that there are, without gradients."""
        owned = {
            name: getattr(self.net if name in OF_THE_NET else self, name, None) for name in names
        }
        return {name: T.detach() for name, T in owned.items() if T is not None}

    def moments(self, name: str) -> dict[str, Any]:
        """What the optimiser remembers of a parameter: tensors, and the number of its steps."""
        parameter = getattr(self.net, name)
        return self.optimiser.state.get(parameter, {})

    def _put(self, name: str, value: Tensor) -> None:
        if name in PARAMETERS:
            self.optimiser.exchange(self.net, name, value, self.moments(name))
        else:
            setattr(self.net if name in OF_THE_NET else self, name, value)

    # ---- changes of shape

    @torch.no_grad()
    def take(
        self,
        members: Tensor | None = None,
        neurons: Tensor | None = None,
        ids: Tensor | None = None,
    ) -> None:
        """Go on with these members and neurons. Everything with such an axis follows.

        The strengths of members that left go with them, and a symmetry group is restricted to the
        neurons held.

        Parameters
        ----------
        members : (K',) integer tensor, optional
            Places of the members that stay; all of them if left out.
        neurons : (K', m) integer tensor, optional
            For each member that stays, the slots now of the neurons to hold. -1 is an empty slot:
            it comes in as zero, at the birthplace of its neuron where there is one.
        ids : (K', m) integer tensor, optional
            Names of the neurons in `neurons`, ascending. Needed where there are empty slots.

        Notes
        -----
        Each tensor is let go before the next one is made, and a matrix is gathered a few rows at a
        time, so that the peak of memory is one further copy of the smaller matrix.
        """
        slots = None if neurons is None else Slots(neurons, self.ids.shape[1])
        if neurons is not None and ids is None:
            held = self.ids if members is None else self.ids[members]
            ids = held.gather(1, neurons)
        group = self.penalties.settings.group
        if ids is not None:
            self._restrict_group(ids)

        # One tensor at a time, with no other name for it: it goes before the next one comes. `ids`
        # follow the parameters in `AXES`, for all of these are gathered by the slots of now.
        for name in list(self.tensors()):
            if name in PARAMETERS:
                self._take_moments(name, members, slots, group)
            if name == "ids" and ids is not None:
                self.net.ids = ids  # empty slots have names too
            else:
                self._put(name, taken(self.tensors([name])[name], AXES[name], members, slots))

        if members is not None:
            self.last_good = {
                name: taken(T, AXES[name], members) for name, T in self.last_good.items()
            }
            self.set_strengths()
        if slots is not None and slots.any_empty:
            self._put_at_birthplace(slots.empty)

    def _take_moments(
        self,
        name: str,
        members: Tensor | None,
        slots: "Slots | None",
        group: PermutationGroup | None,
    ) -> None:
        """Let the moments of a parameter follow it. `group` acts on the neurons held until now."""
        state = self.moments(name)

        for key in state:
            if not isinstance(state[key], Tensor):
                continue  # the number of steps
            if not key.startswith("shared"):
                state[key] = taken(state[key], AXES[name], members, slots)
            elif slots is None:
                state[key] = taken(state[key], "k .", members)
            else:
                # Means over orbits have no axis of neurons. They are written to every pair of their
                # orbit, and averaged again over the orbits of the neurons held from now on.
                now = self.penalties.settings.group
                assert group is not None
                assert now is not None
                whole = taken(group.spread(state[key]), AXES[name], members, slots)
                state[key] = now.mean(whole)

    def compact(self, hold: Tensor) -> None:
        """Hold the neurons in `hold` `(K, n)`, and inputs and outputs.

        The population shrinks to its largest member; smaller ones are padded with zeroed neurons.
        Lets go of `last_good` first: nothing can fail between a
        check and `remember`, and its memory serves the change of size.
        """
        hold = hold.clone()
        hold[:, : self.net.n_inputs] = True
        hold[:, self.net.outputs] = True
        if bool(hold.all()):
            return
        self.last_good = {}

        # Neurons stay in their order, so that inputs come first and outputs last. Padding is taken
        # in order too, hence by whole channels where there is a lattice.
        size = int(hold.sum(1).max())
        order = torch.argsort((~hold).to(torch.int8), dim=1, stable=True)
        neurons = order[:, :size].sort(1).values
        ids = self.ids.gather(1, neurons)
        self.take(neurons=neurons.where(hold.gather(1, neurons), -1), ids=ids)

    def hold_ids(self, ids: Tensor) -> None:
        """Hold the neurons `ids` `(K, m)`, ascending; those not held before come in empty."""
        self.take(neurons=slots_of(self.ids, ids), ids=ids)

    def _restrict_group(self, ids: Tensor) -> None:
        """Let the symmetry group act on the neurons `ids` `(K, m)`, in place of those held now.

        It is that of the first member: others may hold other channels, but the group permutes the
        sites of all channels alike.
        """
        # Made from the whole group, not from the last one, so that it depends on ids alone.
        if self._whole_group is not None and not torch.equal(ids, self.ids):
            group = self._whole_group.restrict(ids[0])
            self.penalties.settings = replace(self.penalties.settings, group=group)

    def learning_rate(self) -> float | Tensor:
        """That of the next step: a number, or a tensor `(K,)` where members differ in it."""
        configs = [self.configs[k] for k in self.members.tolist()]
        rates = [config.learning_rate.at(self.step, config.steps) for config in configs]
        if len(set(rates)) == 1:
            return rates[0]
        return torch.tensor(rates, dtype=torch.float64, device=self.device)

    def set_strengths(self) -> None:
        """Bring strengths to those of the members in training, at this step."""
        configs = [self.configs[k] for k in self.members.tolist()]
        if configs:
            schedule_terms(self.penalties, configs, self.step)

    # ---- changes of values

    @torch.no_grad()
    def empty(self, neurons: Tensor) -> None:
        """Set all that is held of `neurons` `(K, n)` boolean to zero, but for their positions."""
        for T in self._with_moments("weight"):
            T.masked_fill_(neurons[:, :, None] | neurons[:, None], 0)
        for T in self._with_moments("bias"):
            T.masked_fill_(neurons, 0)
        if self.carried is not None:
            self.carried = self.carried.masked_fill(neurons[:, None], 0)

    @torch.no_grad()
    def insert(
        self, newborn: Tensor, incoming: Tensor, outgoing: Tensor, second_moment: float = 0.0
    ) -> None:
        """Put neurons into empty slots.

        Parameters
        ----------
        newborn : (K, n) boolean tensor
            The m slots.
        incoming, outgoing : (m, n) tensors
            Their rows and their columns of W, in the order of `newborn.nonzero()`. Where newborns
            feed each other, `outgoing` decides.
        second_moment : float
            What the optimiser is to remember of their squared gradients.
        """
        k, j = newborn.nonzero(as_tuple=True)
        W = self.net.weight.data
        # Rows first: where a newborn feeds another, the column of the one that feeds is what stays.
        W[k, j] = incoming
        W[k, :, j] = outgoing

        # A second moment of zero would make the first steps of a newborn as long as can be.
        if second_moment and self.optimiser.state:
            touched = newborn[:, :, None] | newborn[:, None]
            self.moments("weight")["exp_avg_sq"].masked_fill_(touched, second_moment)
            self.moments("bias")["exp_avg_sq"].masked_fill_(newborn, second_moment)
        self._put_at_birthplace(newborn)

    def _put_at_birthplace(self, newborn: Tensor) -> None:
        """Give neurons `(K, n)` the positions that they were given at the beginning."""
        if self.birthplaces is None:
            return
        dim = self.birthplaces.shape[-1]
        places = self.birthplaces.gather(1, self.ids[..., None].expand(-1, -1, dim))
        position, *moments = self._with_moments("positions")
        position[newborn] = places[newborn]
        for T in moments:
            T[newborn] = 0

    def _with_moments(self, name: str) -> list[Tensor]:
        """A parameter's values, and the tensors that the optimiser remembers of it."""
        moments = [T for T in self.moments(name).values() if isinstance(T, Tensor)]
        return [getattr(self.net, name).data, *moments]

    def carry(self, state: Tensor, losses: Tensor) -> None:
        """Keep the state of streams `(K, B, n)` for the next update, and count in its losses."""
        self.carried = state
        if self.loss_mean is None:
            self.loss_mean = losses.clone()
        else:
            self.loss_mean.lerp_(losses, 1 - LOSS_MEMORY)

    def count_idle(self, idle: Tensor) -> Tensor:
        """Count another check with these `idle` neurons; how many in a row each was, `(K, n)`."""
        ids = self.ids
        count = torch.where(idle, self.idle_checks.gather(1, ids) + 1, 0).to(torch.int32)
        self.idle_checks = torch.zeros_like(self.idle_checks).scatter_(1, ids, count)
        return count

    # ---- last good weights, snapshots

    def finite(self) -> Tensor:
        """Which members hold finite numbers only, `(K,)`."""
        net = self.net
        finite = _all_finite(net.weight) & _all_finite(net.bias[..., None])
        # Outputs have no positions, and those of inputs do not learn.
        for positions in self.tensors(["positions"]).values():
            finite = finite & _all_finite(positions[:, net.hidden])
        return finite

    def remember(self) -> None:
        """Put the present weights aside as the last good ones."""
        now = self.tensors(OF_THE_NET)
        if self.last_good and self.last_good["weight"].shape == now["weight"].shape:
            for name, T in now.items():
                self.last_good[name].copy_(T)
        else:
            self.last_good = {}  # let go before the new copies are made
            self.last_good = {name: T.clone() for name, T in now.items()}
        self.remembered_at = self.step

    def snapshot(self, k: int, last_good: bool = False) -> Snapshot:
        """A copy on the CPU of the k-th member as it is, or as it was when last known to be finite.

        Of one that grows: the neurons that are wired, without empty slots.
        """
        held = self.last_good if last_good else self.tensors(OF_THE_NET)
        whole = {name: T[k : k + 1].to("cpu", copy=True) for name, T in held.items()}

        # Slots of neurons that died are no part of the network.
        if self.grows:
            wired = _wired(whole["weight"][0], whole["bias"][0])
            wired[: self.net.n_inputs] = True
            wired[len(wired) - self.net.n_outputs :] = True
            slots = Slots(wired.nonzero().T, len(wired))
            whole = {name: taken(T, AXES[name], None, slots) for name, T in whole.items()}

        return Snapshot(
            self.step,
            self.net.n_neurons,
            whole["ids"][0],
            whole["weight"][0],
            whole["bias"][0],
            whole["positions"][0] if "positions" in whole else None,
        )

    def follow(self, T: Tensor, axes: str, members: Tensor, ids: Tensor) -> Tensor:
        """What was measured of `members` `(k,)` and neurons `ids` `(k, n)`, of those held now."""
        # Both are in their old order, so a member's place is where its name is.
        stay = torch.isin(members, self.members).nonzero().flatten()
        changed = len(stay) < len(members)
        slots = None
        if not torch.equal(ids[stay], self.ids):
            slots = Slots(slots_of(ids[stay], self.ids), ids.shape[1])
        return taken(T, axes, stay if changed else None, slots)


class Slots:
    """For each member, where to find the neurons of the next moment.

    Parameters
    ----------
    neurons : (K, m) integer tensor
        Slots among the n of now; -1 for an empty one.
    n : int
        Neurons held now.
    """

    def __init__(self, neurons: Tensor, n: int) -> None:
        self.empty = neurons < 0
        self.any_empty = bool(self.empty.any())
        self.index = neurons.clamp_min(0)
        # Where every neuron stays at its place, nothing need be gathered.
        in_place = torch.arange(neurons.shape[1], device=neurons.device)
        self.moved = neurons.shape[1] != n or not bool((self.empty | (neurons == in_place)).all())


def taken(
    T: Tensor, axes: str, members: Tensor | None = None, slots: Slots | None = None
) -> Tensor:
    """One tensor, of other members and with other neurons.

    Where neither changes it is T itself, and where slots are only emptied, T emptied in place.

    Parameters
    ----------
    T : tensor
    axes : str
        Its axes, as in `AXES`.
    members : (K',) integer tensor, optional
        Places of the members that stay.
    slots : Slots, optional
        Of the neurons of the members that stay.
    """
    letters = axes.split()
    if members is not None:
        T = T[members.to(T.device)]
    if slots is None or "i" not in letters:
        return T

    # Empty slots are gathered from slot 0, and set to zero then.
    axis = letters.index("i")
    if slots.moved:
        T = _gather_square(T, slots.index) if "j" in letters else _gather(T, slots.index, axis)
    if slots.any_empty:
        empty = slots.empty.nonzero(as_tuple=True)
        T.movedim(axis, 1)[empty] = 0
        if "j" in letters:
            T.movedim(letters.index("j"), 1)[empty] = 0
    return T


def _gather(T: Tensor, index: Tensor, axis: int) -> Tensor:
    """T of every member at `index` `(K, m)` along an axis."""
    return torch.stack(
        [t.index_select(axis - 1, places) for t, places in zip(T, index, strict=True)]
    )


def _gather_square(T: Tensor, index: Tensor) -> Tensor:
    """T `(K, n, n)` of every member at `index` `(K, m)` along both axes, `(K, m, m)`."""
    m = index.shape[1]
    gathered = T.new_empty(len(T), m, m)
    # Member by member, so that no index is as large as the matrix.
    for old, places, new in zip(T, index, gathered, strict=True):
        chunks = zip(places.split(ROWS_AT_ONCE), new.split(ROWS_AT_ONCE), strict=True)
        for rows, new_rows in chunks:
            torch.index_select(old[rows], 1, places, out=new_rows)
    return gathered


def slots_of(held: Tensor, ids: Tensor) -> Tensor:
    """Where the neurons `ids` `(K, m)` are among those held, -1 if nowhere; both ascend."""
    # The last slot stands for neurons after all those held: they are not there either.
    slots = torch.searchsorted(held, ids).clamp_max(held.shape[1] - 1)
    return slots.where(held.gather(1, slots) == ids, -1)


def schedule_terms(penalties: Penalties, configs: Sequence[TrainConfig], step: int) -> None:
    """Give every term of `penalties` the schedules of these configurations, at `step`.

    A member whose configuration lacks a term has it at strength 0. Milestones are parts of the
    steps of each.
    """
    off = Schedule(value=0)
    names = list(penalties.schedules)
    schedules = {name: [config.strengths.get(name, off) for config in configs] for name in names}
    penalties.schedules = dict(schedules)
    penalties.n_steps = [config.steps for config in configs]
    penalties.set_step(step)

    # What never changes is looked up once, not at every step.
    for name in names:
        if all(schedule.constant for schedule in schedules[name]):
            penalties.schedules[name] = penalties.current[name]


def _wired(W: Tensor, b: Tensor) -> Tensor:
    """Which neurons of `(n, n)` and `(n,)` have a weight or a bias, `(n,)` boolean."""
    linked = W != 0
    return linked.any(0) | linked.any(1) | (b != 0)


def _all_finite(T: Tensor) -> Tensor:
    """Which members hold neither NaN nor Inf, without a mask as large as T `(K, m, n)`."""
    if not T.numel():
        return torch.ones(len(T), dtype=torch.bool, device=T.device)
    T = T.detach()
    return T.amin((1, 2)).isfinite() & T.amax((1, 2)).isfinite()
