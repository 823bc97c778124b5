"""How a run comes about: trained, resumed, loaded or saved."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from urn.data.tasks import Dataset
from urn.io import check_new
from urn.network.wiring import Wiring
from urn.population.build import Trained
from urn.population.snapshot import Snapshot
from urn.provenance import add_record
from urn.runs.folders import STRUCTURE, RunFolder
from urn.runs.run import Run
from urn.settings.config import TrainConfig
from urn.training.checkpoint import fingerprint
from urn.training.history import Member
from urn.training.observers import Callback, Observer, observing
from urn.training.trainer import Trainer


def train(
    config: TrainConfig,
    out: str | Path | None = None,
    *,
    data: Dataset | None = None,
    start: Trained | None = None,
    callbacks: Sequence[Callback] = (),
    observer: Observer | None = None,
    stop: Callable[[], bool] | None = None,
) -> Run:
    """Train one network.

    Parameters
    ----------
    config : TrainConfig
        What to train.
    out : path, optional
        Folder for the run, new or empty; nothing is written if left out.
    data : Dataset, optional
        In place of the task's.
    start : Run or Snapshot, optional
        A trained network of the same size to start from: weights, biases and positions of the
        neurons it held, with a fresh optimiser. A network can so be followed from task to task.
    callbacks : sequence of callables
        Called with every row of history, see `urn.training.observers`.
    observer : callable, optional
        Called with the `Trainer` now and then, for progress.
    stop : callable, optional
        Asked between steps; once it says True the run is saved as "interrupted" and can be resumed.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        For what cannot be; nothing half-written stays behind.
    """
    starts = None if start is None else [start]
    if out is None:
        return train_population(
            [config], data=data, start=starts, callbacks=callbacks, observer=observer, stop=stop
        )[0]

    # Before the data are loaded: to be told of a folder that is taken need not take long.
    check_new(Path(out))
    trainer = Trainer([config], data, start=starts)  # first: if it is wrong, no folder is left
    store = RunFolder.create(Path(out), config, None if start is None else trainer)
    with store.lock():
        return _train_in(store, trainer, observing(callbacks, trainer, observer), stop)


def resume(
    folder: str | Path,
    *,
    data: Dataset | None = None,
    callbacks: Sequence[Callback] = (),
    observer: Observer | None = None,
    stop: Callable[[], bool] | None = None,
) -> Run:
    """Go on with a run that was interrupted or killed; the arguments are those of `train`.

    On the same machine it ends with the same bits in every tensor as an unbroken one.

    Raises
    ------
    InputError
        When the folder holds no run, or its files do not fit each other.
    """
    store = RunFolder(Path(folder))
    config = store.config()
    with store.lock():
        if store.finished():
            run = store.run()
            store.tidy()  # a kill may have come between the result and this
            return run

        trainer = Trainer([config], data)
        store.restore(trainer)
        return _train_in(store, trainer, observing(callbacks, trainer, observer), stop)


def train_population(
    configs: list[TrainConfig],
    *,
    data: Dataset | None = None,
    start: Sequence[Trained] | None = None,
    callbacks: Sequence[Callback] = (),
    observer: Observer | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[Run]:
    """Train configurations that differ only in seed, strengths, learning rate and steps together.

    A member that has made its steps makes room for the others. Nothing is written. `start` holds a
    network for each to start from, the other arguments are those of `train`.

    Raises
    ------
    InputError
        For what cannot be.
    """
    snapshots: list[list[Snapshot]] = [[] for _ in configs]

    def keep(member: Member, snapshot: Snapshot) -> None:
        snapshots[member.index].append(snapshot)

    trainer = Trainer(configs, data, keep, start)
    trainer.run(observer=observing(callbacks, trainer, observer), stop=stop)
    if trainer.step < trainer.steps:
        trainer.finish("interrupted")
    return [run_of(trainer, member, snapshots[member.index]) for member in trainer.members]


def load_run(folder: str | Path) -> Run:
    """Read a run folder.

    Raises
    ------
    InputError
        When it is not one, or a file in it is missing, truncated or foreign; names the file.
    """
    return RunFolder(Path(folder)).run()


def save_run(run: Run, folder: str | Path) -> Run:
    """Write a run that was trained in memory to a folder, new or empty, and return it from there.

    Raises
    ------
    InputError
        When something is there already, or it cannot be written.
    """

    def fill(store: RunFolder) -> None:
        for snapshot in run.snapshots:
            store.save_snapshot(snapshot)
        add_record(store.path)
        store.save_run(run)

    return RunFolder.create(Path(folder), run.config, fill_more=fill).run()


def run_of(
    trainer: Trainer, member: Member, snapshots: list[Snapshot], folder: Path | None = None
) -> Run:
    """The record of a member that is finished."""
    net = trainer.net
    final = member.final
    assert final is not None
    wiring = Wiring(net.n_inputs, net.n_outputs, net.n_iterations, net.activation, net.input_mode)

    return Run(
        member.config,
        wiring,
        final.weights,
        final.biases,
        final.positions,
        final.kept,
        member.history,
        snapshots,
        member.status,
        member.test_accuracy,
        final.step,
        folder,
        int(fingerprint(trainer.data)),
    )


def _train_in(
    store: RunFolder,
    trainer: Trainer,
    observer: Observer | None,
    stop: Callable[[], bool] | None,
) -> Run:
    """Train inside a run folder, with a checkpoint every so many seconds."""
    member = trainer.members[0]
    seconds = trainer.config.checkpoint_seconds
    due = time.monotonic() + seconds

    def observe(trainer: Trainer) -> None:
        nonlocal due
        if observer:
            observer(trainer)
        store.check_here()  # rather now than after hours that nothing can be written of
        # At a check the present weights are the last good ones as well, and are saved once.
        at_check = trainer.step % trainer.config.check_every == 0
        if at_check and time.monotonic() >= due:
            store.save_checkpoint(trainer)
            due = time.monotonic() + seconds

    # A verdict on an earlier state will not describe the end.
    (store.path / STRUCTURE).unlink(missing_ok=True)
    store.remove_drafts()
    add_record(store.path)
    trainer.on_snapshot = lambda _, snapshot: store.save_snapshot(snapshot)
    trainer.run(observer=observe, stop=stop)
    # Asked to stop before the end: what is needed to go on is saved before the result.
    if trainer.step < trainer.steps and trainer.training:
        store.save_checkpoint(trainer)
        trainer.finish("interrupted")
    store.save_run(run_of(trainer, member, [], store.path))
    return store.run()
