"""Training: K configurations that differ in seed, strengths, learning rate and steps only, as one
population.

The loop reads: losses of all members, summed; gradients; one proximal step; now and then a check
for dead neurons, a row of history, a snapshot. Everything that decides the next step is in the
population and in `state_dict`, so a restored trainer continues bit for bit. Runs on disk are
`urn.runs`' matter.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from urn.data.batches import Batches
from urn.data.scores import evaluate, task_losses
from urn.data.tasks import Dataset, Split, task_options
from urn.errors import InputError, memory_for
from urn.network.blas import Threads
from urn.network.choose import threads_for
from urn.network.module import Activity
from urn.population import dead, growth
from urn.population.build import (
    Trained,
    build,
    check_room,
    device_of,
    moving_settings,
    start_from,
)
from urn.population.population import ACTIVITY_AXES
from urn.population.snapshot import Snapshot
from urn.settings.config import TrainConfig
from urn.training import checkpoint, history, stationary
from urn.training.history import Member

OWN_FIELDS = ("seed", "strengths", "learning_rate", "steps")
"""What members of a population may differ in."""
SHARED_FIELDS = tuple(name for name in TrainConfig.model_fields if name not in OWN_FIELDS)
"""What all members of a population have in common."""


class Trainer:
    """A population in training.

    Parameters
    ----------
    configs : sequence of TrainConfig
        One for each member; they may differ in `seed`, `strengths`, `learning_rate` and `steps`. A
        member that has made its steps leaves.
    data : Dataset, optional
        The task's data set is loaded if left out.
    on_snapshot : callable, optional
        Called with (member, snapshot) whenever a snapshot is due.
    start : sequence of Run or Snapshot, optional
        A trained network for each member to start from in place of random weights: weights,
        biases and positions of the neurons it held. Optimiser, schedules and data order start
        afresh.

    Raises
    ------
    InputError
        Naming the field or argument that cannot be.
    """

    def __init__(
        self,
        configs: Sequence[TrainConfig],
        data: Dataset | None = None,
        on_snapshot: Callable[[Member, Snapshot], object] | None = None,
        start: Sequence[Trained] | None = None,
    ) -> None:
        _check_configs(configs, data)
        self.config = configs[0]
        self.on_snapshot = on_snapshot
        self.members = [Member(config, k) for k, config in enumerate(configs)]
        # Steps after which some member is done; asked for at every step.
        self._ends = {config.steps for config in configs}
        device = device_of(self.config.device)
        check_room(self.config, len(configs), device)  # before minutes go into the data
        with memory_for("task_options"):
            self.data = data or task_options(self.config.task, self.config.task_options).load()
        stationary.check_fits(self.config, self.data)

        self.population = build(configs, self.data, device)
        self.net = self.population.net
        self.optimiser = self.population.optimiser
        seeds = [config.seed for config in configs]
        self.batches = Batches(self.data.train, self.config, seeds, device, self.population.dtype)

        # A network that grows starts with the neurons of a trained one, or with a few of its own.
        held = None if start is None else start_from(self.population, start)
        self.rule = self.config.growth
        self.grown_at: int | None = None
        if self.rule is not None:
            self.rule = growth.start(self.population, self.rule, held)
        self.population.remember()

    @property
    def step(self) -> int:
        """Updates made."""
        return self.population.step

    @property
    def steps(self) -> int:
        """Updates to make: those of the member that trains longest."""
        return max(self._ends)

    @property
    def training(self) -> list[Member]:
        """Members still in the population, in its order."""
        return [self.members[k] for k in self.population.members.tolist()]

    # ---- the loop

    def run(
        self,
        until: int | None = None,
        observer: Callable[["Trainer"], object] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        """Train.

        Parameters
        ----------
        until : int, optional
            Step to train to; all steps by default.
        observer : callable, optional
            Told of progress: called with the trainer at every row of history and every check.
        stop : callable, optional
            Asked between two steps; training ends early when it says True.

        Notes
        -----
        It takes one thread where a second one would not pay (`urn.network.choose.threads_for`), and
        never more than torch has when it is called.
        """
        with Threads() as threads:
            self._run(threads, until, observer, stop)

    def _run(
        self,
        threads: Threads,
        until: int | None,
        observer: Callable[["Trainer"], object] | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        """`run`, with threads that are given back afterwards."""
        population = self.population
        until = self.steps if until is None else min(until, self.steps)
        update = None
        self._end_quiet()  # of a checkpoint that was saved at the very moment
        self._end_done()

        while self.step < until and self.training and not (stop and stop()):
            threads.at_most(threads_for(self.net.weight.shape[1], self.batches.size))
            del update  # not to be held while the next one is made
            update = self._update()
            if update is None:
                continue  # a member diverged and left; the others do this step again
            population.step += 1
            self._follow_up(*update, observer)

        if self.training:
            self._dismiss(population.finite())
        if self.step >= self.steps:
            self.finish()

    def _follow_up(
        self,
        activity: Activity,
        losses: Tensor,
        observer: Callable[["Trainer"], object] | None,
    ) -> None:
        """What is due after a step: check, rows of history, snapshots, members that leave."""
        population = self.population
        members = population.members  # who made this step: a check may drop some of them
        ids = population.ids
        check_due, row_due = self._due()

        if check_due:
            self._check()
        elif self.step in self._ends:
            self._check_done()
        if not check_due and (places := self._snapshots_due()):
            # Between two checks the weights may have diverged: what is saved must be finite.
            self._dismiss(population.finite() | ~self._are(places))
        if not self.training:
            return

        # Rows and snapshots come after the check: they show the neurons that are left.
        if row_due or self.step in self._ends:
            self._log(activity, losses, members, ids, everyone=row_due)
        if row_due and self.config.stationary:
            stationary.judge(population, self.data)
        if self.on_snapshot:
            for k in self._snapshots_due():
                self.on_snapshot(self.training[k], population.snapshot(k))
        if observer and (row_due or check_due):
            observer(self)

        self._end_quiet()
        self._end_done()

    def _update(self) -> tuple[Activity, Tensor] | None:
        """One step. Returns the activity and the task losses, or None if a member had to leave."""
        net = self.net
        population = self.population
        penalties = population.penalties

        # Births and deaths, strengths and learning rate of this step. A step that is made again,
        # because a member left, does not grow a second time.
        if self.rule is not None and self.step > 0 and self.grown_at != self.step:
            growth.grow(population, self.rule)
            self.grown_at = self.step
        penalties.set_step(self.step)
        lr = population.learning_rate()
        for group in self.optimiser.param_groups:
            group["lr"] = lr

        # The loss of every member, summed: members share no weight, so none changes another's
        # gradient. Prices are not in it; the optimiser takes them.
        x, y, fresh = self.batches.at(self.step)
        self.optimiser.zero_grad()
        output, activity = net.unroll(x, None if fresh else population.carried)
        losses = task_losses(output, y, self.data.kind)
        (losses + penalties.smooth(net, activity)).sum().backward()

        # Biases stand for all parameters here, for they are few; a check looks at all.
        assert net.bias.grad is not None
        finite = torch.isfinite(losses.detach() + net.bias.grad.sum(1))
        if not bool(finite.all()):
            self._dismiss(finite)
            return None
        if population.reads_symbols:
            population.carry(activity.N[:, -1].detach(), losses.detach())
        self.optimiser.step()
        return Activity(*(T.detach() for T in activity)), losses.detach()

    def _check(self) -> None:
        """Drop dead neurons and members that diverged, and put the weights aside as good."""
        population = self.population
        self.optimiser.zero_grad()  # the memory of the gradient serves the check
        self._dismiss(population.finite())
        if not self.training:
            return

        if self.config.remove_dead:
            hold = self._hold()
            # Growth keeps its slots, emptied, for the next birth; else the tensors shrink.
            if population.grows:
                growth.bury(population, growth.inhabited(population) & ~hold)
            else:
                population.compact(hold)
        if population.grows:
            growth.trim(population)
        population.remember()

    def _hold(self) -> Tensor:
        """The neurons `(K, n)` that are alive, without those idle for too long at this check."""
        population = self.population
        hold = dead.alive(self.net, self.optimiser, population.penalties)
        if self.config.remove_dangling:
            idle = dead.idle(self.net, self.optimiser, population.penalties)
            hold &= population.count_idle(idle) < self.config.remove_dangling
        return hold

    def _check_done(self) -> None:
        """A check, between two checks, of the members that made their last step.

        For the others nothing changes: each has its checks where it would have them alone.
        """
        population = self.population
        self.optimiser.zero_grad()
        self._dismiss(population.finite() | ~self._are(self._done()))
        places = self._done()
        if not places or not self.config.remove_dead:
            return

        # Their dead neurons are emptied, not dropped: the tensors keep their shape.
        counted = population.idle_checks
        gone = ~self._hold() & self._are(places)[:, None]
        population.idle_checks = counted
        gone[:, : self.net.n_inputs] = False
        gone[:, self.net.outputs] = False
        if population.grows:
            growth.bury(population, growth.inhabited(population) & gone)
        else:
            population.empty(gone)

    def _done(self) -> list[int]:
        """Places of members in training that have made their steps."""
        return [k for k, member in enumerate(self.training) if member.config.steps <= self.step]

    def _are(self, places: list[int]) -> Tensor:
        """Which members in training are at these places, `(K,)` boolean."""
        mask = torch.zeros(len(self.training), dtype=torch.bool, device=self.population.device)
        mask[places] = True
        return mask

    def _dismiss(self, finite: Tensor) -> None:
        """Members that are not `finite` `(K,)` leave with their last good weights."""
        if bool(finite.all()):
            return
        # The weights of now are not theirs: those of the last check are.
        for k in (~finite).nonzero().flatten().tolist():
            self._settle(k, "diverged", last_good=True)
        self.population.take(members=finite.nonzero().flatten().cpu())
        self.batches.seeds = self.population.seeds

    def _settle(self, k: int, status: str, last_good: bool = False) -> None:
        """Write the k-th network in training into its member."""
        member = self.training[k]
        member.final = self.population.snapshot(k, last_good)
        member.status = status

    def _log(
        self,
        activity: Activity,
        losses: Tensor,
        members: Tensor,
        ids: Tensor,
        everyone: bool = True,
    ) -> None:
        """Append a row to every history, from what `members` and their neurons `ids` did.

        Or not to everyone's: to those of members that made their last step.
        """
        follow = self.population.follow
        N = follow(activity.N, ACTIVITY_AXES["N"], members, ids)
        n = follow(activity.n, ACTIVITY_AXES["n"], members, ids)
        losses = follow(losses, "k", members, ids)

        accuracy = self.evaluate(self.data.validation)
        rows = history.rows(self.population, Activity(N, n), losses, accuracy)
        for member, row in zip(self.training, rows, strict=True):
            if everyone or member.config.steps <= self.step:
                member.history.append(row)

    def _due(self) -> tuple[bool, bool]:
        """Whether a check and a row of everyone's history follow the step that was just made."""
        is_last = self.step == self.steps
        check = is_last or self.step % self.config.check_every == 0
        row = is_last or self.step % self.config.log_every == 0
        return check, row

    def _snapshots_due(self) -> list[int]:
        """Places of members of whom a snapshot follows the step that was just made."""
        n = self.config.snapshots
        if self.on_snapshot is None or n == 0:
            return []
        # Evenly over training: whenever another n-th part of the steps is done, the last included.
        step = self.step
        ends = {end for end in self._ends if end and step * n // end > (step - 1) * n // end}
        if not ends:
            return []
        return [k for k, member in enumerate(self.training) if member.config.steps in ends]

    def finish(self, status: str = "ok") -> None:
        """Settle every network still in training, and measure it on the test set."""
        if self.training:
            self._conclude(range(len(self.training)), status)

    def _conclude(self, places: Iterable[int], status: str) -> None:
        """Settle the networks at these places of the population, and measure them."""
        accuracy = self.evaluate(self.data.test)
        connected = dead.connected(self.net)

        for k in places:
            member = self.training[k]
            self._settle(k, "disconnected" if status == "ok" and not connected[k] else status)
            member.test_accuracy = float(accuracy[k])

    def _end_quiet(self) -> None:
        """Members that came to rest leave as finished, with a snapshot of how they ended."""
        ended = stationary.ended(self.population)
        if not bool(ended.any()):
            return
        places = ended.nonzero().flatten().tolist()
        # Snapshots follow `steps`, so that the last one would be missing.
        if self.on_snapshot and self.config.snapshots:
            due = self._snapshots_due()
            for k in places:
                if k not in due:
                    self.on_snapshot(self.training[k], self.population.snapshot(k))
        self._leave(places)

    def _end_done(self) -> None:
        """Members that have made their steps leave as finished, while others train longer."""
        if min(self._ends) <= self.step < self.steps and (places := self._done()):
            self._leave(places)

    def _leave(self, places: list[int]) -> None:
        """Settle the networks at these places, and go on without them."""
        self._conclude(places, "ok")
        stay = (~self._are(places)).nonzero().flatten().cpu()
        self.population.take(members=stay)
        self.batches.seeds = self.population.seeds

    # ---- dials

    def follow(self, config: TrainConfig) -> None:
        """Go on with other schedules: training by `config` from the start comes to the same.

        Parameters
        ----------
        config : TrainConfig
            That of the one member, whose strengths, w0 and q may be others from this step on.
        """
        if set(config.strengths) != set(self.config.strengths) or len(self.members) != 1:
            raise InputError("config: must have the terms of the one network in training")
        self.config = config
        self.members[0].config = config
        self.population.configs = [config]
        self.population.penalties.moving = moving_settings(config)
        self.population.set_strengths()

    # ---- measures

    def evaluate(self, split: Split) -> Tensor:
        """Accuracy (R^2 for regression) of every member in training on a split, `(K,)`."""
        return evaluate(self.net, split, self.data.kind)

    def count_alive(self) -> Tensor:
        """Hidden neurons that can fire or learn, in each member in training, `(K,)`."""
        return history.count_alive(self.population)

    # ---- interruption

    @cached_property
    def _fingerprint(self) -> Tensor:
        return checkpoint.fingerprint(self.data)

    def state_dict(self) -> dict[str, Tensor]:
        """All that decides the next step, as named tensors. History is the caller's to keep."""
        return checkpoint.save(self.population, self._fingerprint)

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Continue from the `state_dict` of a trainer with the same configurations.

        Raises
        ------
        InputError
            Naming the first tensor that such a trainer cannot have written.
        """
        checkpoint.restore(self.population, tensors, self._fingerprint, self.batches.size)
        self.batches.seeds = self.population.seeds


def _check_configs(configs: Sequence[TrainConfig], data: Dataset | None) -> None:
    """Raise InputError for what is no configuration, and for those that cannot train together."""
    if not configs:
        raise InputError("configs: at least one is needed")
    if data is not None and not isinstance(data, Dataset):
        raise InputError(f"data: must be a Dataset, not {type(data).__name__}")
    for config in configs:
        if not isinstance(config, TrainConfig):
            raise InputError(f"config: must be a TrainConfig, not {type(config).__name__}")
    for name in shared_fields(configs[0]):
        if any(getattr(config, name) != getattr(configs[0], name) for config in configs):
            raise InputError(f"{name}: must be the same for all members of a population")


def shared_fields(config: TrainConfig) -> tuple[str, ...]:
    """What members of a population have in common with one that trains by `config`.

    Where w0 or q has milestones, which are parts of the steps, these are among it.
    """
    moving = moving_settings(config).values()
    return (*SHARED_FIELDS, *(["steps"] if any(each.milestones for each in moving) else []))
