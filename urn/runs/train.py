"""A trained network, and how one comes about: trained, resumed, loaded or saved. Its files are `urn.runs.folders`' matter."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from urn.checks import expect
from urn.data.tasks import Dataset, task_options
from urn.errors import InputError
from urn.network.module import INPUT_MODES, URN
from urn.population.minimal import Living, living_part, network_of
from urn.population.snapshot import Member, Snapshot
from urn.runs.folders import ENDS, STRUCTURE, WEIGHTS, RunFolder, read_tensors
from urn.settings.config import TrainConfig
from urn.training.checkpoint import fingerprint
from urn.training.observers import Callback, notifying
from urn.training.trainer import Trainer


@dataclass(repr=False)
class Run:
    """A trained network and how it came about.

    Attributes:
        weights, biases, positions: `(S, S)`, `(S,)` and `(S, dim)` (NaN where a neuron has none) or None.
        kept: `(S,)` boolean, the neurons that were not removed as dead.
        history: a dictionary a row (step, loss, validation_accuracy, living_neurons, connections, living_l, R_term).
        snapshots: over training, oldest first.
        status: "ok", "disconnected" (no path from inputs to outputs), "diverged" (NaN or Inf came up; the weights are the
            last good ones) or "interrupted".
        test_accuracy: on the test set; R^2 for regression; NaN unless training ended well.
        steps_done: updates made.
        n_inputs, n_outputs: d_in and d_out.
        input_mode: "pulse", "clamped", or "stream" or "elman" where the data are symbol streams.
        folder: where it lies, or None.
        fingerprint: tells its training data apart; None where it was written before that was kept.
    """

    config: TrainConfig
    weights: Tensor
    biases: Tensor
    positions: Tensor | None
    kept: Tensor
    history: list[dict]
    snapshots: list[Snapshot]
    status: str
    test_accuracy: float
    steps_done: int
    n_inputs: int
    n_outputs: int
    input_mode: str
    folder: Path | None = None
    fingerprint: int | None = None

    def network(self) -> URN:
        """The trained network, ready to be called."""
        return network_of(self.weights, self.biases, **self.form)

    def compact(self) -> Living:
        """The part of it that can matter for any input, and how many parameters and multiply-adds that saves."""
        return living_part(self.weights, self.biases, **self.form)

    @property
    def form(self) -> dict:
        """What beside weights and biases makes the network."""
        form = {name: getattr(self, name) for name in ENDS}
        return form | {
            "n_iterations": self.config.n_iterations,
            "activation": self.config.activation,
        }

    def flat(self) -> dict[str, Any]:
        """The network as NumPy arrays: the keyword arguments of `analysis.analyse` and `analysis.flat_network`."""
        positions = None if self.positions is None else self.positions.numpy()
        arrays = {"weights": self.weights.numpy(), "biases": self.biases.numpy()}
        return arrays | {"positions": positions} | self.form

    def __repr__(self) -> str:
        where = f", {self.folder}" if self.folder else ""
        return f"Run({self.config.task}, {self.status}, step {self.steps_done}, test accuracy {self.test_accuracy:.4f}{where})"


def train(
    config: TrainConfig,
    out: str | Path | None = None,
    *,
    data: Dataset | None = None,
    start: Run | Snapshot | None = None,
    callbacks: Sequence[Callback] = (),
    report: Callable[[Trainer], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Run:
    """Train one network.

    Args:
        config: what to train.
        out: folder for the run, new or empty; nothing is written if left out.
        data: a data set in place of the task's.
        start: a trained network of the same size to start from: weights, biases and positions of the neurons it kept, with a
            fresh optimiser. A network can so be followed from task to task.
        callbacks: called with every row of history, see `urn.training.observers`.
        report: called with the `Trainer` now and then, for progress.
        stop: asked between steps; once it says True the run is saved as "interrupted" and can be resumed.

    Raises:
        InputError: for what cannot be; nothing half-written stays behind.
    """
    if out is None:
        start = None if start is None else [start]
        return train_population(
            [config], data=data, start=start, callbacks=callbacks, report=report, stop=stop
        )[0]
    RunFolder.check_new(Path(out))
    trainer = Trainer(
        [config], data, start=None if start is None else [start]
    )  # first: if it is wrong, no folder is left
    store = RunFolder.create(Path(out), config, None if start is None else trainer)
    with store.lock():
        return _train_in(store, trainer, notifying(callbacks, trainer, report), stop)


def resume(
    folder: str | Path,
    *,
    data: Dataset | None = None,
    callbacks: Sequence[Callback] = (),
    report: Callable[[Trainer], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Run:
    """Go on with a run that was interrupted or killed.

    On the same machine it ends with the same bits in every tensor as an unbroken one.
    """
    store = RunFolder(Path(folder))
    config = store.config()
    with store.lock():
        if store.finished():
            run = load_run(folder)
            store.tidy()
            return run
        trainer = Trainer([config], data)
        store.restore(trainer)
        return _train_in(store, trainer, notifying(callbacks, trainer, report), stop)


def train_population(
    configs: list[TrainConfig],
    *,
    data: Dataset | None = None,
    start: Sequence[Run | Snapshot] | None = None,
    callbacks: Sequence[Callback] = (),
    report: Callable[[Trainer], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[Run]:
    """Train configurations that differ only in seed and strengths together, in one batched computation. Nothing is written.

    `start` holds a network for each to start from, as for `train`.
    """
    snapshots: dict[int, list[Snapshot]] = {k: [] for k in range(len(configs))}

    trainer = Trainer(
        configs, data, lambda member, moment: snapshots[member.index].append(moment), start
    )
    trainer.run(report=notifying(callbacks, trainer, report), stop=stop)
    if trainer.step < trainer.config.steps:
        trainer.finish("interrupted")
    return [_run(trainer, member, snapshots[member.index]) for member in trainer.members]


def load_run(folder: str | Path) -> Run:
    """Read a run folder.

    Raises:
        InputError: when it is not one, or a file in it is missing, truncated or foreign; the message names the file.
    """
    store = RunFolder(Path(folder))
    config = store.config()
    tensors, about = read_tensors(store.path / WEIGHTS)
    try:
        run = Run(
            config,
            tensors["weights"],
            tensors["biases"],
            tensors.get("positions"),
            tensors["kept"],
            [],
            [],
            about["status"],
            float(about["test_accuracy"]),
            int(about["steps_done"]),
            *_ends(about, config),
            store.path,
            int(about["data"]) if "data" in about else None,
        )
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{store.path / WEIGHTS}: not the weights of a run (no valid {error})"
        ) from None
    S, dtype = config.n_neurons, getattr(torch, config.dtype)
    try:
        expect("weights", run.weights, (S, S), dtype)
        expect("biases", run.biases, (S,), dtype)
        expect("kept", run.kept, (S,), torch.bool)
        if (
            min(run.n_inputs, run.n_outputs) < 1
            or run.n_inputs + run.n_outputs > S
            or run.input_mode not in INPUT_MODES
        ):
            raise InputError(
                f"{run.n_inputs} inputs, {run.n_outputs} outputs, {run.input_mode} of {S} neurons"
            )
        if run.positions is not None:
            expect("positions", run.positions, (S, run.positions.shape[-1]), dtype, finite=False)
    except InputError as error:
        raise InputError(f"{store.path / WEIGHTS}: does not fit config.toml: {error}") from None
    run.history, run.snapshots = store.history(), store.snapshots(S)
    return run


def save_run(run: Run, folder: str | Path) -> Run:
    """Write a run that was trained in memory to a folder, new or empty, and return it from there.

    Raises:
        InputError: when something is there already, or it cannot be written.
    """
    store = RunFolder.create(Path(folder), run.config)
    with store.lock():
        for moment in run.snapshots:
            store.save_snapshot(moment)
        store.save_run(run)
    return load_run(folder)


def _ends(about: dict[str, str], config: TrainConfig) -> tuple[int, int, str]:
    """Inputs, outputs and input mode of a run; one that was written before they were kept asks its task."""
    if "n_inputs" in about:
        return int(about["n_inputs"]), int(about["n_outputs"]), about["input_mode"]
    data = task_options(config.task, config.task_options).load()
    stream = data.kind == "stream" and config.input_mode != "elman"
    return data.n_inputs, data.n_outputs, "stream" if stream else config.input_mode


def _run(
    trainer: Trainer, member: Member, snapshots: list[Snapshot], folder: Path | None = None
) -> Run:
    final, net = member.final, trainer.net
    return Run(
        member.config,
        final.weights,
        final.biases,
        final.positions,
        final.kept,
        member.history,
        snapshots,
        member.status,
        member.test_accuracy,
        final.step,
        *(getattr(net, name) for name in ENDS),
        folder,
        int(fingerprint(trainer.data)),
    )


def _train_in(
    store: RunFolder, trainer: Trainer, report: Callable | None, stop: Callable | None
) -> Run:
    """Train inside a run folder, with a checkpoint every so many seconds."""
    member, due = trainer.members[0], time.monotonic() + trainer.config.checkpoint_seconds
    (store.path / STRUCTURE).unlink(
        missing_ok=True
    )  # what was found so far will not describe the end

    def look(trainer: Trainer) -> None:
        nonlocal due
        if report:
            report(trainer)
        at_check = (
            trainer.step % trainer.config.check_every == 0
        )  # where the present weights are also the last good ones
        if at_check and time.monotonic() >= due:
            store.save_checkpoint(trainer)
            due = time.monotonic() + trainer.config.checkpoint_seconds

    store.sweep()
    trainer.on_snapshot = lambda _, moment: store.save_snapshot(moment)
    trainer.run(report=look, stop=stop)
    if trainer.step < trainer.config.steps and trainer.training:
        store.save_checkpoint(trainer)
        trainer.finish("interrupted")
    store.save_run(_run(trainer, member, [], store.path))
    return load_run(store.path)
