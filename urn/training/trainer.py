"""Training: K configurations that differ in seed and strengths only, as one population. Runs on disk are `urn.runs.folders`' matter.

The loop reads: losses of all members, summed; gradients; one proximal Adam step; now and then a check for dead neurons,
a row of history, a snapshot. Everything that decides the next step is in `state_dict`, so a restored trainer continues
bit for bit.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from urn.checks import expect
from urn.data.batches import Batches, evaluate, task_losses
from urn.data.tasks import Dataset, Split, task_options
from urn.errors import InputError, memory_for
from urn.loss.penalties import Penalties, Settings
from urn.loss.symmetry import translations
from urn.network import compiled as kernels
from urn.network.module import PARAMETERS, Activity
from urn.optimiser.adam import ProximalAdam
from urn.optimiser.rmsprop import ClippedRMSProp
from urn.population import dead as compaction
from urn.population.build import build, check_room, device_of
from urn.population.growth import Growing
from urn.population.snapshot import Member, Snapshot
from urn.settings.config import TrainConfig
from urn.settings.schedules import Schedule
from urn.training.checkpoint import check_state

BASE_COLUMNS = ("step", "loss", "validation_accuracy", "living_neurons", "connections")
"""Columns of every history; living_l (neurons heard from at iteration l), or loss_mean for streams, and R_term follow."""
MEMORY = 0.99
"""Of loss_mean, the exponential mean of the task loss over updates: one stretch of symbols says little."""
SHARED_FIELDS = tuple(
    name for name in TrainConfig.model_fields if name not in ("seed", "strengths")
)
"""What all members of a population have in common."""
TAKEN = {"weight": "weights", "bias": "biases", "positions": "positions"}
"""What a run calls them."""


class Trainer:
    """A population in training.

    Args:
        configs: one for each member; they may differ in `seed` and `strengths`.
        data: the task's data set; loaded if left out.
        on_snapshot: called with (member, snapshot) whenever a snapshot is due.
        start: a trained network for each member to start from, a `Run` or a `Snapshot`, in place of random weights: weights,
            biases and positions of the neurons it kept. The optimiser starts afresh, and so do schedules and data order.
    """

    def __init__(
        self,
        configs: Sequence[TrainConfig],
        data: Dataset | None = None,
        on_snapshot: Callable | None = None,
        start: Sequence[object] | None = None,
    ):
        if not configs:
            raise InputError("configs: at least one is needed")
        if data is not None and not isinstance(data, Dataset):
            raise InputError(f"data: must be a Dataset, not {type(data).__name__}")
        for one in configs:
            if not isinstance(one, TrainConfig):
                raise InputError(f"config: must be a TrainConfig, not {type(one).__name__}")
        for name in SHARED_FIELDS:
            if any(getattr(config, name) != getattr(configs[0], name) for config in configs):
                raise InputError(f"{name}: must be the same for all members of a population")
        config = self.config = configs[0]
        self.device, self.dtype = device_of(config.device), getattr(torch, config.dtype)
        with memory_for("task_options"):
            self.data = data or task_options(config.task, config.task_options).load()
        check_room(config, len(configs), self.device)
        self.step, self.on_snapshot = 0, on_snapshot
        self.members = [Member(one, k) for k, one in enumerate(configs)]
        self.training = list(self.members)  # members still in the population, in its order
        self.stream = self.data.kind == "stream"
        with memory_for("n_neurons"):
            self.net = build(config, [one.seed for one in configs], self.data, self.device)
        self.penalties = self._penalties()
        self.optimiser = self._optimiser()
        self.batches = Batches(
            self.data.train,
            config,
            [one.config.seed for one in self.members],
            self.device,
            self.dtype,
        )
        self.carried: Tensor | None = None  # the state of symbol streams, (K, B, n)
        self.loss_mean: Tensor | None = None  # of symbol streams, (K,)
        self.idle_checks = torch.zeros(
            len(configs), config.n_neurons, dtype=torch.int32, device=self.device
        )
        kept = None if start is None else self._start_from(start)
        self.growing = self.acted_at = None
        if config.growth is not None:
            self.growing = Growing(
                config.growth, self.batches.seeds, self.net, self.optimiser, kept
            )
        self.last_good = None
        self._remember()

    # ---- construction

    @torch.no_grad()
    def _start_from(self, start: Sequence[object]) -> Tensor:
        """Take over trained networks, one for each member. Inputs stay where the data put them.

        Returns which of their neurons they had kept, `(K, S)` boolean.
        """
        net = self.net
        if len(start) != len(self.members):
            raise InputError(
                f"start: {len(start)} networks for a population of {len(self.members)}"
            )
        keep = torch.stack([one.kept.to(self.device) for one in start])
        expect("start.kept", keep, tuple(net.ids.shape), torch.bool)
        for name in PARAMETERS:
            for k, one in enumerate(start):
                value, mine = getattr(one, TAKEN[name]), getattr(net, name)
                if (value is None) != (mine is None):
                    raise InputError(
                        f"start.{TAKEN[name]}: must be there if, and only if, hidden_positions are"
                    )
                if value is None:
                    continue
                expect(
                    f"start.{TAKEN[name]}",
                    value,
                    tuple(mine.shape[1:]),
                    self.dtype,
                    finite=name != "positions",
                )
                if name == "positions":  # those not kept need a place if ever they are born
                    hidden = keep[k].clone()
                    hidden[: net.n_inputs] = hidden[net.outputs] = False
                    mine[k, hidden] = value.to(self.device)[hidden]
                else:
                    mine[k] = value.to(self.device)
        if self.config.remove_dead and self.config.growth is None:
            compaction.compact(net, self.optimiser, self.penalties, keep)
        return keep

    def _penalties(self) -> Penalties:
        config, data = self.config, self.data
        names = dict.fromkeys(name for member in self.members for name in member.config.strengths)
        group = None
        if "symmetry" in names:
            group = translations(
                data.sites, data.n_inputs, config.channels, data.n_outputs, self.device
            )
        settings = Settings(config.locality_power, config.locality_floor, config.self_target, group)
        penalties = Penalties({}, n_steps=config.steps, settings=settings)
        self._schedule(penalties, names)
        return penalties

    def _optimiser(self) -> ProximalAdam:
        config, groups = self.config, self.penalties.parameter_groups(self.net)
        if config.optimiser == "rmsprop":
            return ClippedRMSProp(
                groups, config.learning_rate.value, config.betas[1], config.epsilon, config.clip
            )
        return ProximalAdam(
            groups, lr=config.learning_rate.value, betas=config.betas, eps=config.epsilon
        )

    def _schedule(self, penalties: Penalties, names) -> None:
        """Give every term the schedules of the members in training; a member without a term has it at strength 0."""
        off = Schedule(value=0)
        given = {
            name: [member.config.strengths.get(name, off) for member in self.training]
            for name in names
        }
        penalties.schedules = given
        penalties.set_step(self.step)
        constant = {
            name: penalties.current[name]
            for name, some in given.items()
            if all(one.constant for one in some)
        }
        penalties.schedules = given | constant  # looked up once, not at every step

    # ---- the loop

    @kernels.as_many_threads()
    def run(
        self,
        until: int | None = None,
        report: Callable | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        """Train to step `until` (all steps by default). `report(trainer)` is called at every row of history and every
        check; training ends early, between two steps, when `stop()` says so."""
        config, until = (
            self.config,
            self.config.steps if until is None else min(until, self.config.steps),
        )
        activity = losses = None
        while self.step < until and self.training and not (stop and stop()):
            del activity, losses  # not to be held while the next ones are made
            activity, losses = self._update()
            if activity is None:
                continue  # a member diverged and left; the others do this step again
            self.step += 1
            ids = self.net.ids
            if self.step % config.check_every == 0 or self.step == config.steps:
                finite = self._check()
                activity, losses, ids = (
                    Activity(*(T[finite] for T in activity)),
                    losses[finite],
                    ids[finite],
                )
                if not self.training:
                    break
            logged = self.step % config.log_every == 0 or self.step == config.steps
            if logged:
                self._log(self._of_those_held(activity, ids), losses)
            if self.on_snapshot and self._is_snapshot_step():
                self._snapshot()
            if report and (logged or self.step % config.check_every == 0):
                report(self)
        if self.training:
            self._dismiss(self._finite())
        if self.step >= config.steps:
            self.finish()

    def _update(self) -> tuple[Activity | None, Tensor | None]:
        """One step. Returns the activity and the task losses, or None if a member had to leave."""
        net, optimiser, penalties = self.net, self.optimiser, self.penalties
        if self.growing and self.step > 0 and self.acted_at != self.step:
            self.carried = self.growing.act(net, optimiser, self.carried, self.step)
            self.acted_at = self.step
        penalties.set_step(self.step)
        for group in optimiser.param_groups:
            group["lr"] = self.config.learning_rate.at(self.step, self.config.steps)
        x, y, fresh = self.batches.at(self.step)
        optimiser.zero_grad()
        output, activity = net.unroll(x, None if fresh else self.carried)
        losses = task_losses(output, y, self.data.kind)
        (losses + penalties.smooth(net, activity)).sum().backward()
        finite = torch.isfinite(losses.detach() + net.bias.grad.sum(1))
        if not bool(finite.all()):
            self._dismiss(finite)
            return None, None
        if self.stream:
            self.carried, now = activity.N[:, -1].detach(), losses.detach()
            self.loss_mean = (
                now.clone() if self.loss_mean is None else self.loss_mean.lerp_(now, 1 - MEMORY)
            )
        optimiser.step()
        return Activity(*(T.detach() for T in activity)), losses.detach()

    def _check(self) -> Tensor:
        """Drop neurons that are dead, and put the present weights aside as the last good ones.

        Returns which members are still there, `(K,)`; those whose weights are not finite leave.
        """
        self.optimiser.zero_grad()  # its memory serves the check
        finite = self._finite()
        self._dismiss(finite)
        if not self.training:
            return finite
        config, net = self.config, self.net
        if config.remove_dead:
            keep = compaction.living(net, self.optimiser, self.penalties)
            if config.remove_dangling:
                idle = compaction.idle(net, self.optimiser, self.penalties)
                count = torch.where(idle, self.idle_checks.gather(1, net.ids) + 1, 0).to(
                    torch.int32
                )
                self.idle_checks = torch.zeros_like(self.idle_checks).scatter_(1, net.ids, count)
                keep &= count < config.remove_dangling
            self._remove(keep)
        if self.growing:
            self.carried = self.growing.trim(net, self.optimiser, self.carried)
        self._remember()
        return finite

    def _remove(self, keep: Tensor) -> None:
        """Drop all but these neurons `(K, n)`; of a network that grows, free their slots."""
        net = self.net
        if self.growing:
            dead = self.growing.living(net) & ~keep
            self.carried = self.growing.bury(net, self.optimiser, self.carried, dead)
            return
        before = net.ids
        if not keep.all():
            self.last_good = None  # nothing fails from here to its renewal, and its memory serves the change of size
        if (
            compaction.compact(net, self.optimiser, self.penalties, keep)
            and self.carried is not None
        ):
            where = torch.stack(
                [torch.searchsorted(old, new) for old, new in zip(before, net.ids, strict=True)]
            )
            self.carried = torch.stack(
                [state[:, i] for state, i in zip(self.carried, where, strict=True)]
            )

    def _finite(self) -> Tensor:
        """Which members hold finite numbers only, `(K,)`."""
        net = self.net
        finite = _all_finite(net.weight) & _all_finite(net.bias[..., None])
        return (
            finite if net.positions is None else finite & _all_finite(net.positions[:, net.hidden])
        )

    def _held(self) -> tuple[Tensor, ...]:
        """What a member is: ids, weights, biases, positions or None."""
        net = self.net
        return (
            net.ids,
            net.weight.data,
            net.bias.data,
            None if net.positions is None else net.positions.data,
        )

    def _remember(self) -> None:
        self.remembered_at = self.step
        if self.last_good is not None and self.last_good[1].shape == self.net.weight.shape:
            for old, new in zip(self.last_good, self._held(), strict=True):
                if new is not None:
                    old.copy_(new)
        else:
            self.last_good = None  # let go before the new copy is made
            self.last_good = tuple(None if T is None else T.clone() for T in self._held())

    def _dismiss(self, finite: Tensor) -> None:
        """Members whose loss, gradient or weights are not finite leave the population with their last good weights."""
        if bool(finite.all()):
            return
        for k in (~finite).nonzero().flatten().tolist():
            self._settle(k, "diverged", self.last_good)
        self.training = [
            member for member, keep in zip(self.training, finite.tolist(), strict=True) if keep
        ]
        if not self.training:
            return
        for name in PARAMETERS:
            value = getattr(self.net, name)
            if value is not None:
                state = self.optimiser.state.get(value, {})
                state = {
                    key: moment[finite] if isinstance(moment, Tensor) else moment
                    for key, moment in state.items()
                }
                self.optimiser.exchange(self.net, name, value.data[finite], state)
        self.net.ids, self.idle_checks = self.net.ids[finite], self.idle_checks[finite]
        self.loss_mean = None if self.loss_mean is None else self.loss_mean[finite]
        if self.growing:
            self.growing.dismiss(finite)
        self.last_good = tuple(None if T is None else T[finite] for T in self.last_good)
        self.carried = None if self.carried is None else self.carried[finite]
        self.batches.seeds = [member.config.seed for member in self.training]
        self._schedule(self.penalties, list(self.penalties.schedules))

    # ---- looking

    def _of_those_held(self, activity: Activity, ids: Tensor) -> Activity:
        """The activity of the neurons that are held now, from that of the neurons `ids` `(K, n)`, some of which may be gone."""
        now = self.net.ids
        if torch.equal(ids, now):
            return activity
        where = torch.searchsorted(ids, now).clamp_max(ids.shape[1] - 1)
        held = ids.gather(1, where) == now

        def take(T: Tensor) -> Tensor:
            shape = (len(T), *[1] * (T.dim() - 2), -1)
            return T.gather(-1, where.view(shape).expand(*T.shape[:-1], -1)) * held.view(shape)

        return Activity(*(take(T) for T in activity))

    @torch.no_grad()
    def _log(self, activity: Activity, losses: Tensor) -> None:
        """Append a row to the history of every member."""
        net, hidden = self.net, self.net.hidden
        fires = (activity.N[..., hidden] != 0).any(
            2
        )  # (K, L, hidden): heard from in this batch at iteration l
        accuracy = self.evaluate(self.data.validation)
        terms = self.penalties.values(net, activity)
        neurons = self.living_neurons()
        connections = [
            int(torch.count_nonzero(W)) for W in net.weight
        ]  # over dimensions it would copy W as int64
        for k, member in enumerate(self.training):
            row = [self.step, float(losses[k]), float(accuracy[k]), int(neurons[k]), connections[k]]
            row += (
                [float(self.loss_mean[k])]
                if self.stream
                else [int(count) for count in fires[k].sum(1)]
            )
            row += [float(values[k]) for values in terms.values()]
            member.history.append(dict(zip(self.columns(), row, strict=True)))

    @torch.no_grad()
    def living_neurons(self) -> Tensor:
        """Hidden neurons that can fire or learn (of a network that grows, those that live), `(K,)`."""
        if self.growing:
            return self.growing.living(self.net).sum(1)
        return compaction.living(self.net, self.optimiser, self.penalties)[:, self.net.hidden].sum(
            1
        )

    def evaluate(self, split: Split) -> Tensor:
        """Accuracy (for regression R^2, the coefficient of determination) of every member in training on a split, `(K,)`."""
        return evaluate(self.net, split, self.data.kind)

    def _is_snapshot_step(self) -> bool:
        n, steps = self.config.snapshots, self.config.steps
        return self.step * n // steps > (self.step - 1) * n // steps

    def _snapshot(self) -> None:
        for k, member in enumerate(self.training):
            self.on_snapshot(member, Snapshot(self.step, self.config.n_neurons, *self._one(k)))

    def _one(self, k: int, held: tuple[Tensor, ...] | None = None) -> list[Tensor]:
        """A copy of the k-th of what is held, on the CPU."""
        one = [None if T is None else T[k].to("cpu", copy=True) for T in held or self._held()]
        return _living_only(one, self.net.n_inputs, self.net.n_outputs) if self.growing else one

    def _settle(self, k: int, status: str, held: tuple[Tensor, ...] | None = None) -> None:
        """Write the k-th network in training into its member."""
        member = self.training[k]
        member.final = Snapshot(self.step, self.config.n_neurons, *self._one(k, held))
        member.status = status

    def finish(self, status: str = "ok") -> None:
        """Rebuild every network still in training at full size and measure it on the test set."""
        if not self.training:
            return
        accuracy = self.evaluate(self.data.test)
        linked = compaction.connected(self.net)
        for k, member in enumerate(self.training):
            self._settle(k, "disconnected" if status == "ok" and not linked[k] else status)
            member.test_accuracy = float(accuracy[k])

    # ---- interruption

    @cached_property
    def fingerprint(self) -> Tensor:
        """A number that tells training data apart: to go on with others would be another run."""
        whole = 0
        for tensor in self.data.train:
            whole = zlib.crc32(
                np.ascontiguousarray(tensor.cpu()),
                zlib.crc32(str(tuple(tensor.shape)).encode(), whole),
            )
        return torch.tensor(whole)

    def logged_steps(self) -> list[int]:
        """The steps so far that have a row in the history."""
        every, last = self.config.log_every, self.config.steps
        return [
            *range(every, self.step + 1, every),
            *([last] if self.step == last and last % every else []),
        ]

    def columns(self) -> list[str]:
        """The columns of the history of a member."""
        layers = (
            ["loss_mean"]
            if self.stream
            else [f"living_{l}" for l in range(1, self.config.n_iterations)]
        )
        return [*BASE_COLUMNS, *layers, *(f"R_{name}" for name in self.penalties.schedules)]

    def state_dict(self) -> dict[str, Tensor]:
        """All that decides the next step, as named tensors. History is the caller's to keep."""
        tensors = {
            "step": torch.tensor(self.step),
            "members": torch.tensor([member.index for member in self.training]),
        }
        tensors |= {"data": self.fingerprint, "ids": self.net.ids, "idle_checks": self.idle_checks}
        if self.carried is not None:
            tensors |= {"carried": self.carried, "loss_mean": self.loss_mean}
        if self.growing:
            tensors["born"] = self.growing.born
            more = {"will": self.growing.will, "birthplaces": self.growing.birthplaces}
            tensors |= {name: T for name, T in more.items() if T is not None}
        for name in PARAMETERS:
            value = getattr(self.net, name)
            if value is None:
                continue
            tensors[name] = value.data
            for key, moment in self.optimiser.state.get(value, {}).items():
                tensors[f"{name}.{key}"] = torch.as_tensor(moment)
        if self.remembered_at != self.step:  # interrupted between two checks
            tensors |= {
                f"good.{name}": T
                for name, T in zip(("ids", *PARAMETERS), self.last_good, strict=True)
                if T is not None
            }
        return {name: tensor.contiguous() for name, tensor in tensors.items()}

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Continue from a `state_dict` of a trainer with the same configurations.

        Raises:
            InputError: naming the first tensor that such a trainer cannot have written.
        """
        try:
            check_state(self, tensors)
        except KeyError as missing:
            raise InputError(f"no tensor {missing}") from None
        tensors = {name: tensor.to(self.device) for name, tensor in tensors.items()}
        self.step = int(tensors["step"])
        self.training = [self.members[k] for k in tensors["members"].tolist()]
        self.net.ids, self.idle_checks = tensors["ids"], tensors["idle_checks"]
        self.carried, self.loss_mean = tensors.get("carried"), tensors.get("loss_mean")
        if self.growing:
            self.growing.dismiss(torch.tensor([member in self.training for member in self.members]))
            self.growing.born = tensors["born"].cpu()
            self.growing.will = tensors["will"].cpu() if "will" in tensors else None
            self.growing.birthplaces = tensors.get("birthplaces")
        group = self.penalties.settings.group
        if group is not None:
            self.penalties.settings = replace(
                self.penalties.settings, group=group.restrict(self.net.ids[0])
            )
        for name in PARAMETERS:
            value = getattr(self.net, name)
            if value is None:
                continue
            prefix = f"{name}."
            state = {
                key.removeprefix(prefix): moment
                for key, moment in tensors.items()
                if key.startswith(prefix)
            }
            self.optimiser.exchange(
                self.net, name, tensors[name], state | {"step": int(state["step"])} if state else {}
            )
        self.batches.seeds = [member.config.seed for member in self.training]
        self._schedule(self.penalties, list(self.penalties.schedules))
        self._remember()
        if "good.ids" in tensors:
            self.last_good, self.remembered_at = (
                tuple(tensors.get(f"good.{name}") for name in ("ids", *PARAMETERS)),
                None,
            )


def _living_only(one: list[Tensor], n_inputs: int, n_outputs: int) -> list[Tensor]:
    """Of one network that grows (see `Trainer._held`) the neurons that are wired, without empty slots."""
    ids, W, b, positions = one
    kept = (W != 0).any(0) | (W != 0).any(1) | (b != 0)
    kept[:n_inputs] = kept[len(kept) - n_outputs :] = True
    return [ids[kept], W[kept][:, kept], b[kept], None if positions is None else positions[kept]]


def _all_finite(T: Tensor) -> Tensor:
    """Which members of `(K, m, n)` hold neither NaN nor Inf, `(K,)`, without a mask as large as T."""
    if not T.numel():
        return torch.ones(len(T), dtype=torch.bool, device=T.device)
    T = T.detach()
    return T.amin((1, 2)).isfinite() & T.amax((1, 2)).isfinite()
