"""Observers of a training. Callbacks are called with every row of history, as it is written.

A callback is any callable `(step, row, member)`: `row` is a dictionary (step, loss,
validation_accuracy, living_neurons, connections, living_l, R_term), `member` the place of the
network in its population (0 for a network alone).

    train(config, callbacks=[lambda step, row, member: print(step, row["loss"])])
    train(config, callbacks=[TensorBoard("logs")])
"""

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from urn.errors import InputError
from urn.training.trainer import Trainer

Observer = Callable[[Trainer], object]
"""Told of progress: called with the trainer at every row of history and every check."""


class Callback(Protocol):
    """Called once for every row of history of every network in training."""

    def __call__(self, step: int, row: dict[str, float], member: int) -> object: ...


def observing(
    callbacks: Sequence[Callback], trainer: Trainer, observer: Observer | None = None
) -> Observer | None:
    """An observer that hands new rows of history to callbacks, and then calls the given one.

    Raises
    ------
    InputError
        For a callback that is no callable.
    """
    for callback in callbacks:
        if not callable(callback):
            raise InputError(f"callbacks: must be callables (step, row, member), not {callback!r}")
    if not callbacks:
        return observer
    # Rows that a resumed run has from before were handed over then.
    n_rows = [len(member.history) for member in trainer.members]

    def observe(trainer: Trainer) -> None:
        for member in trainer.members:
            for row in member.history[n_rows[member.index] :]:
                for callback in callbacks:
                    callback(int(row["step"]), dict(row), member.index)
            n_rows[member.index] = len(member.history)
        if observer:
            observer(trainer)

    return observe


class TensorBoard:
    """A callback that writes every figure of the history where TensorBoard reads it.

    Needs the extra tensorboard.

    Parameters
    ----------
    folder : path
        Where the event files go, one sub-folder for each further member of a population.

    Raises
    ------
    InputError
        Where TensorBoard is not installed, or where the folder cannot be made or written.

    Notes
    -----
    The folder is tried when the callback is made, and comes to stay with the first row: nothing is
    left of a training that is refused, and the folder may lie in that of the run.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(
                "tensorboard: needs the extra tensorboard (pip install 'urn-networks[tensorboard]')"
            ) from None
        _check_writable(Path(folder))
        self.folder = Path(folder)
        self._new_writer = SummaryWriter
        self._writers: dict[int, Any] = {}

    def __call__(self, step: int, row: dict[str, float], member: int) -> None:
        # A writer for each member, made when its first row comes.
        if member not in self._writers:
            folder = self.folder / f"member{member}" if member else self.folder
            self._writers[member] = self._new_writer(str(folder))
        writer = self._writers[member]
        for name, value in row.items():
            if name != "step":
                writer.add_scalar(name, value, step)
        # TensorBoard is to show it now, and a kill is not to lose it.
        writer.flush()


def _check_writable(folder: Path) -> None:
    """Raise InputError unless a file can be written in a folder; what is made for that goes again.

    Raises
    ------
    InputError
        Naming the folder.
    """
    made = []

    try:
        # The event files are opened by a library that takes UTF-8 only.
        str(folder).encode()
        for parent in (*reversed(folder.parents), folder):
            if not parent.is_dir():
                parent.mkdir()
                made.append(parent)
        with tempfile.TemporaryFile(dir=folder):
            pass

    except UnicodeEncodeError:
        raise InputError(f"tensorboard: {str(folder)!a} must be UTF-8") from None
    except (FileExistsError, NotADirectoryError):
        above = [path for path in (folder, *folder.parents) if path.is_file() or path.exists()]
        raise InputError(
            f"tensorboard: {above[0]} is not a folder; {folder} cannot be written"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"tensorboard: {folder} cannot be written ({reason})") from None
    finally:
        for parent in reversed(made):
            with contextlib.suppress(OSError):
                parent.rmdir()
