"""Telling others how training goes: callbacks are called with every row of history, as it is written.

A callback is any callable `(step, row, member)`: `row` is a dictionary (step, loss, validation_accuracy, living_neurons,
connections, living_l, R_term), `member` the place of the network in its population (0 for one alone).

    train(config, callbacks=[lambda step, row, member: print(step, row["loss"])])
    train(config, callbacks=[TensorBoard("logs")])
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from urn.errors import InputError
from urn.outputs import check_folder
from urn.training.trainer import Trainer

Report = Callable[[Trainer], None]


class Callback(Protocol):
    """Called once for every row of history of every network in training."""

    def __call__(self, step: int, row: dict[str, float], member: int) -> None: ...


def notifying(
    callbacks: Sequence[Callback], trainer: Trainer, report: Report | None = None
) -> Report | None:
    """A `report` for `Trainer.run` that hands new rows of history to callbacks, and then calls the one given."""
    for callback in callbacks:
        if not callable(callback):
            raise InputError(f"callbacks: must be callables (step, row, member), not {callback!r}")
    if not callbacks:
        return report
    told = [
        len(member.history) for member in trainer.members
    ]  # a resumed run has told of these before

    def tell(trainer: Trainer) -> None:
        for member in trainer.members:
            for row in member.history[told[member.index] :]:
                for callback in callbacks:
                    callback(row["step"], dict(row), member.index)
            told[member.index] = len(member.history)
        if report:
            report(trainer)

    return tell


class TensorBoard:
    """A callback that writes every figure of the history where TensorBoard reads it. Needs the extra tensorboard.

    Args:
        folder: where the event files go, one sub-folder for each further member of a population.

    Raises:
        InputError: where TensorBoard is not installed, or where the folder is a file.
    """

    def __init__(self, folder: str | Path):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(
                "tensorboard: needs the extra tensorboard (pip install 'urn[tensorboard]')"
            ) from None
        check_folder(Path(folder), new=False, flag="tensorboard")
        self.folder, self._new, self._writers = Path(folder), SummaryWriter, {}

    def __call__(self, step: int, row: dict[str, float], member: int) -> None:
        if member not in self._writers:
            self._writers[member] = self._new(
                str(self.folder / f"member{member}" if member else self.folder)
            )
        writer = self._writers[member]
        for name, value in row.items():
            if name != "step":
                writer.add_scalar(name, value, step)
        writer.flush()
