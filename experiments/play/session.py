"""A network that is played with: trained, turned, taken back, silenced, saved.

Knows no sockets and no clock. At every moment the session is a configuration and a step: whatever
was done, `urn train` with that configuration gives these weights, bit for bit. So any moment can be
come back to from a state that was kept before it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiments.play.messages import LARGEST_NETWORK
from experiments.play.plan import SETTINGS, Turn, saved_config, session_config, with_turns
from experiments.play.presets import PRESETS
from urn.data.scores import evaluate
from urn.data.tasks import Dataset, task_options
from urn.errors import InputError, shown
from urn.runs.run import Run
from urn.runs.train import run_of, save_run
from urn.settings.config import TrainConfig
from urn.settings.schedules import value_at
from urn.training.history import Row
from urn.training.trainer import Trainer

KEEP_EVERY = 100
"""Steps between states that are kept, a multiple of `check_every`. By judgement: replaying half of
them takes a fraction of a second."""
MOST_KEPT = 200
"""States. By judgement: every second one is dropped beyond, and the steps between them double."""
MOST_BYTES = 256 << 20
"""Memory of all states that are kept. By judgement: what a page of a browser takes as well."""
DATA_KEPT = 4
"""Data sets that are held."""
MOST_SAMPLES = 500
"""Validation samples that accuracy is measured on. By judgement: known to two points, at once."""


@dataclass(frozen=True)
class Kept:
    """All that decides what follows a step."""

    step: int
    tensors: dict[str, Tensor]
    history: list[Row]

    @property
    def n_bytes(self) -> int:
        """Of the tensors."""
        return sum(T.numel() * T.element_size() for T in self.tensors.values())


class Session:
    """A network that is played with.

    Attributes
    ----------
    preset : str or None
        Whose network it is, as long as nothing but dials was changed.
    origin : str or None
        The preset whose network was changed into this one.
    planned : TrainConfig
        What was asked for.
    base : TrainConfig
        The same for as long as one plays.
    turns : list of Turn
        What was done to it, by step.
    trainer : Trainer
        Of `config`, at `step`.
    latest : int
        The largest step that was reached with these turns.
    silenced : tuple of int
        Neurons without which accuracy is measured as well.
    """

    def __init__(
        self, config: TrainConfig, preset: str | None = None, origin: str | None = None
    ) -> None:
        if config.n_neurons > LARGEST_NETWORK:
            raise InputError(f"n_neurons: at most {LARGEST_NETWORK} on the page")
        # What was asked for, and what it becomes for as long as one plays.
        self.preset = preset
        self.origin = preset or origin
        self.planned = config
        self.base = session_config(config)
        self.config = self.base
        self.trainer = Trainer([self.base], load(self.base))

        # What was done to it.
        self.turns: list[Turn] = []
        self.latest = 0
        self.every = KEEP_EVERY
        self.kept = [self._state()]
        self.silenced: tuple[int, ...] = ()
        self._measured: dict[tuple[int, tuple[int, ...]], float] = {}

    @property
    def step(self) -> int:
        """Updates made."""
        return self.trainer.step

    @property
    def data(self) -> Dataset:
        """What the network learns."""
        return self.trainer.data

    @property
    def alive(self) -> bool:
        """Whether there is a network: one that diverged has left."""
        return bool(self.trainer.training)

    @property
    def done(self) -> bool:
        """Whether there is nothing left to train."""
        return not self.alive or self.step >= self.config.steps

    # ---- training

    def advance(self, until: int | None = None, stop: Callable[[], bool] | None = None) -> None:
        """Train to a step, or until `stop` says so between two steps."""
        until = self.config.steps if until is None else min(until, self.config.steps)
        while self.step < until and self.alive and not (stop and stop()):
            # States are kept right after a check, where they are smallest.
            due = self.step - self.step % self.every + self.every
            self.trainer.run(until=min(until, due), stop=stop)
            if self.alive and self.step == due and due > self.kept[-1].step:
                self._keep()
        self.latest = max(self.latest, self.step)

    def turn(self, name: str, value: float) -> None:
        """Turn a dial: from this step on, and what was planned or done later is forgotten.

        Raises
        ------
        InputError
            For a value that cannot be.
        """
        if name not in SETTINGS and name not in self.config.strengths:
            raise InputError(f"{name}: this network has no such term; start a new one with it")
        now = (self.step, name)
        turns = [t for t in self.turns if t.step <= self.step and (t.step, t.name) != now]
        turns.append(Turn(self.step, name, value))
        config = with_turns(self.base, turns)  # raises before anything has changed

        self.turns = turns
        self.config = config
        self.trainer.follow(config)
        self.latest = self.step
        self.kept = [kept for kept in self.kept if kept.step <= self.step]

    # ---- states

    def _state(self) -> Kept:
        tensors = {name: T.detach().clone() for name, T in self.trainer.state_dict().items()}
        return Kept(self.step, tensors, list(self.trainer.members[0].history))

    def _keep(self) -> None:
        """Keep the state of now; every second one goes where there are too many."""
        self.kept.append(self._state())
        n_bytes = sum(kept.n_bytes for kept in self.kept)
        if len(self.kept) > MOST_KEPT or (n_bytes > MOST_BYTES and len(self.kept) > 2):
            self.every *= 2
            self.kept = [kept for kept in self.kept if kept.step % self.every == 0]

    def _from(self, kept: Kept, config: TrainConfig) -> Trainer:
        """A trainer of a configuration that begins at a state."""
        trainer = Trainer([config], self.data)
        if kept.step:  # a trainer begins where training does
            # Copies: a trainer takes moments as they are, and changes them in place.
            trainer.load_state_dict({name: T.clone() for name, T in kept.tensors.items()})
        trainer.members[0].history = list(kept.history)
        return trainer

    def back(self, step: int) -> None:
        """Bring the network to what it was after `step` updates; what followed may come again.

        Raises
        ------
        InputError
            For a step that was not reached.
        """
        if step > self.latest:
            raise InputError(f"step: {step:,} was not reached; the last one is {self.latest:,}")
        kept = next(kept for kept in reversed(self.kept) if kept.step <= step)
        trainer = self._from(kept, self.config)
        trainer.run(until=step)
        self.trainer = trainer
        self._measured = {}

    # ---- measures

    def lesion(self, neurons: tuple[int, ...]) -> None:
        """Say without which neurons accuracy is measured.

        Raises
        ------
        InputError
            For a neuron that there is not.
        """
        for neuron in neurons:
            if neuron >= self.config.n_neurons:
                raise InputError(f"neurons: {neuron} is none of {self.config.n_neurons}")
        self.silenced = tuple(sorted(set(neurons)))

    def accuracy(self, silenced: tuple[int, ...] = ()) -> float:
        """Accuracy on the first validation samples (R^2 for regression), some neurons at zero."""
        key = (self.step, silenced)
        if key not in self._measured:
            self._measured = {k: a for k, a in self._measured.items() if k[0] == self.step}
            self._measured[key] = self._measure(silenced)
        return self._measured[key]

    def _measure(self, silenced: tuple[int, ...]) -> float:
        net = self.trainer.net
        X, y = self.data.validation
        split = X[:MOST_SAMPLES], y[:MOST_SAMPLES]

        # Rows of the neurons that are still held; others are silent anyway.
        ids = net.ids[0]
        rows = torch.isin(ids, torch.tensor(silenced, dtype=ids.dtype)).nonzero().flatten()
        if not len(rows):
            return float(evaluate(net, split, self.data.kind)[0])

        W = net.weight.data.clone()
        b = net.bias.data.clone()
        try:
            net.weight.data[:, rows] = 0
            net.weight.data[:, :, rows] = 0
            net.bias.data[:, rows] = 0
            return float(evaluate(net, split, self.data.kind)[0])
        finally:
            net.weight.data.copy_(W)
            net.bias.data.copy_(b)

    def value(self, name: str) -> float | None:
        """What a dial stands at; None where the network has no such term."""
        if name in SETTINGS:
            return value_at(getattr(self.config, SETTINGS[name]), self.step, self.config.steps)
        schedule = self.config.strengths.get(name)
        return None if schedule is None else schedule.at(self.step, self.config.steps)

    # ---- results

    def run(self) -> Run:
        """The network of now as a run: the one that training from the start gives.

        It is trained anew from the last state that was kept, for a training ends with a check.
        """
        # The last steps are trained once more by the configuration that is saved, which ends there.
        config = saved_config(self.config, self.step)
        if not self.alive:
            raise InputError("save: the network diverged; go back to an earlier moment first")
        before = (kept for kept in reversed(self.kept) if kept.step < self.step or not kept.step)
        trainer = self._from(next(before), config)
        trainer.run()
        return run_of(trainer, trainer.members[0], [])

    def save(self, folder: Path) -> Run:
        """Write the network of now as a run folder; InputError where that cannot be."""
        return save_run(self.run(), folder)

    # ---- other networks

    def changed(self, **fields: Any) -> TrainConfig:
        """The plan of this session with its dials where they are now, and other fields.

        Raises
        ------
        InputError
            For what cannot be.
        """
        strengths: dict[str, Any] = dict(self.planned.strengths)
        settings: dict[str, Any] = {}
        for name in dict.fromkeys(turn.name for turn in self.turns):
            if name in SETTINGS:
                settings[SETTINGS[name]] = self.value(name)
            else:
                strengths[name] = self.value(name)

        # What is asked for stands above what was turned.
        given = fields.pop("strengths", {})
        return self.planned.replace(**{**settings, **fields, "strengths": {**strengths, **given}})


_loaded: dict[str, Dataset] = {}


def load(config: TrainConfig) -> Dataset:
    """The data of a configuration; the last few are held."""
    # Options are plain values, so that their text tells them apart.
    key = f"{config.task} {sorted(config.task_options.items())}"
    if key not in _loaded:
        while len(_loaded) >= DATA_KEPT:
            del _loaded[next(iter(_loaded))]
        _loaded[key] = task_options(config.task, config.task_options).load()
    return _loaded[key]


def preset_config(name: str, seed: int) -> TrainConfig:
    """The configuration of a preset; InputError names those that there are."""
    if name not in PRESETS:
        raise InputError(f"name: no preset {shown(name)}; there are {', '.join(PRESETS)}")
    return TrainConfig(**PRESETS[name].fields, seed=seed)
