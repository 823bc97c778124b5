"""The folder of a run: written atomically, survives being killed, and never holds a pickle.

config.toml             the configuration, every field
weights.safetensors     W (S, S), b (S,), positions (S, dim), kept (S,); status, test accuracy,
                        sizes and input mode in its metadata
history.csv             a row every `log_every` steps
snapshots/              W, b, positions over training, one file a snapshot
checkpoint.safetensors  only while there is something left to do

A file is written under a name that starts with a dot and ends with .draft, then renamed. A kill
may leave such a draft behind; the next process that trains in the folder, which one at a time may
do, takes it away.
"""

import contextlib
import csv
import errno
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from urn.checks import check_ids, expect
from urn.data.tasks import task_options
from urn.errors import InputError, shown
from urn.io import DRAFT_LENGTH, atomic_write, create_folder, remove_drafts
from urn.network.module import INPUT_MODES
from urn.network.wiring import Wiring
from urn.population.build import input_mode_of
from urn.population.snapshot import Snapshot
from urn.runs.run import Run
from urn.settings.config import TrainConfig, read_toml
from urn.training.history import BASE_COLUMNS, Row, columns, logged_steps
from urn.training.trainer import Trainer

try:
    import fcntl
except ImportError:  # not a Unix: no lock
    fcntl = None  # type: ignore[assignment]

CONFIG = "config.toml"
"""The configuration."""
WEIGHTS = "weights.safetensors"
"""The network and its status."""
HISTORY = "history.csv"
"""Rows over training."""
SNAPSHOTS = "snapshots"
"""The folder of networks over training."""
CHECKPOINT = "checkpoint.safetensors"
"""All that decides the next step."""
STRUCTURE = "structure.json"
"""Verdicts on the network, written by whoever judges it."""
STATUSES = ("ok", "disconnected", "diverged", "interrupted")
"""How a training may have ended."""


class RunFolder:
    """The files of one run.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._locked: os.stat_result | None = None  # the folder that `lock` holds

    @classmethod
    def create(
        cls,
        path: Path,
        config: TrainConfig,
        trainer: Trainer | None = None,
        fill_more: Callable[["RunFolder"], object] | None = None,
    ) -> "RunFolder":
        """A new run folder, complete with its configuration or not there at all.

        With a trainer, whose weights do not follow from the configuration, it holds a checkpoint
        from the first; and what `fill_more` writes into the draft of the folder.
        """

        def fill(draft: Path) -> None:
            (draft / CONFIG).write_text(config.to_toml(), encoding="utf-8")
            (draft / SNAPSHOTS).mkdir()
            if trainer:
                (draft / CHECKPOINT).write_bytes(save(trainer.state_dict()))
            if fill_more:
                try:
                    fill_more(cls(draft))
                except InputError as error:  # names a file in the draft, which nobody knows
                    raise InputError(str(error).replace(str(draft), str(path))) from None

        _check_length(path)
        create_folder(path, fill)
        return cls(path)

    def write(self, name: str, content: bytes) -> None:
        """Write one file of the run, whole or not at all.

        Raises
        ------
        InputError
            When it cannot be written, or the folder that is locked is no longer here.
        """
        # Written all the same, a run that was moved would come back without its configuration.
        self.check_here()
        atomic_write(self.path / name, content)

    def check_here(self) -> None:
        """Raise InputError if the folder that `lock` holds is no longer the one at this path."""
        if self._locked is None:
            return
        try:
            here = os.path.samestat(self._locked, self.path.stat())
        except OSError:
            here = False
        if not here:
            raise InputError(f"{self.path}: was moved or removed while it was trained")

    def config(self) -> TrainConfig:
        """The configuration in config.toml."""
        path = self.path / CONFIG
        # Unlike pathlib's, these say False of a name that is too long, or holds a null character.
        if not os.path.isdir(self.path):
            raise InputError(f"{self.path}: no such run folder")
        if not os.path.exists(path):
            raise InputError(f"{path}: no such file, so {self.path.name} is not a run folder")
        # An error of TOML names the file already, one of a field does not.
        try:
            return TrainConfig(**read_toml(path))
        except InputError as error:
            text = str(error)
            raise InputError(
                text if text.startswith(str(self.path)) else f"{path}: {text}"
            ) from None

    def finished(self) -> bool:
        """Whether training came to its end, good or bad."""
        path = self.path / WEIGHTS
        if not os.path.isfile(path):
            return False
        status = read_tensors(path)[1].get("status")
        if status not in STATUSES:
            raise InputError(f"{path}: not the weights of a run (no valid 'status')")
        return status != "interrupted"

    # ---- while it is trained

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process alone; the system lets go of it however that ends."""
        # A folder can be opened for reading, and carries the lock as well as a file.
        try:
            handle = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from None
        try:
            if fcntl:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise InputError(f"{self.path}: another process is training there") from None
        except OSError:
            pass  # a file system without locks

        self._locked = os.fstat(handle)
        try:
            yield
        finally:
            self._locked = None
            os.close(handle)

    def remove_drafts(self) -> None:
        """Take away drafts that a killed process left behind."""
        for folder in (self.path, self.path / SNAPSHOTS):
            remove_drafts(folder)

    def tidy(self) -> None:
        """Take away what a finished run does not need."""
        self.remove_drafts()
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    def save_checkpoint(self, trainer: Trainer) -> None:
        """History first, so that it never falls behind the checkpoint."""
        self._save_history(trainer.members[0].history)
        self.write(CHECKPOINT, save(trainer.state_dict()))

    def restore(self, trainer: Trainer) -> None:
        """Bring a trainer and its history to the last checkpoint; to the start if there was none.

        Raises
        ------
        InputError
            Naming the file that does not fit.
        """
        path = self.path / CHECKPOINT
        if path.is_file():
            try:
                trainer.load_state_dict(read_tensors(path)[0])
            except InputError as error:
                text = str(error)
                raise InputError(
                    text if str(path) in text else f"{path}: does not fit config.toml: {text}"
                ) from None

        # A kill may have come between history and checkpoint: rows after the checkpoint come again.
        rows = self.history()
        history = [row for row in rows if row["step"] <= trainer.step]
        if len(history) != len(logged_steps(trainer.config, trainer.step)):
            raise InputError(
                f"{self.path / HISTORY}: lacks rows up to step {trainer.step}, where the "
                "checkpoint is"
            )
        names = columns(trainer.population)
        if rows and list(rows[0]) != names:
            raise InputError(f"{self.path / HISTORY}: its columns must be {', '.join(names)}")
        trainer.members[0].history = history
        self._check_outputs(trainer.config)

    def _check_outputs(self, config: TrainConfig) -> None:
        """Raise InputError for what training would stumble over at its end, and not before."""
        if not os.access(self.path, os.W_OK):
            raise InputError(f"{self.path}: cannot be written")
        folder = self.path / SNAPSHOTS
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: not a folder")
        self.snapshots(config)

    # ---- history

    def history(self) -> list[Row]:
        """The rows of history.csv, whose first column is `step`."""
        path = self.path / HISTORY
        if not path.is_file():
            return []
        try:
            with path.open(newline="", encoding="utf-8") as lines:
                table = csv.DictReader(lines)
                known = not table.fieldnames or set(table.fieldnames) >= set(BASE_COLUMNS)
                rows = [{name: json.loads(text) for name, text in row.items()} for row in table]
        except (ValueError, TypeError, csv.Error):
            raise InputError(f"{path}: not the history of a run") from None

        # A file whose header or cells are others is another program's.
        numbers = (number for row in rows for number in row.values())
        if not known or not all(isinstance(number, int | float) for number in numbers):
            raise InputError(f"{path}: not the history of a run")
        return rows

    def _save_history(self, rows: list[Row]) -> None:
        # JSON's numbers read back as the same floats.
        text = io.StringIO()
        if rows:
            table = csv.DictWriter(text, rows[0], lineterminator="\n")
            table.writeheader()
            for row in rows:
                table.writerow({name: json.dumps(value) for name, value in row.items()})
        self.write(HISTORY, text.getvalue().encode())

    # ---- snapshots

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """One file a snapshot, with the neurons it holds."""
        tensors = {
            "ids": snapshot.ids,
            "weights": snapshot.held_weights,
            "biases": snapshot.held_biases,
        }
        if snapshot.held_positions is not None:
            tensors["positions"] = snapshot.held_positions
        about = {"step": str(snapshot.step), "n_neurons": str(snapshot.n_neurons)}
        self.write(f"{SNAPSHOTS}/{snapshot_name(snapshot.step)}", save(tensors, about))

    def snapshots(self, config: TrainConfig) -> list[Snapshot]:
        """All snapshots of a run with this configuration, oldest first."""
        paths = sorted((self.path / SNAPSHOTS).glob("step_*.safetensors"))
        return [_read_snapshot(path, config) for path in paths]

    # ---- the result

    def save_run(self, run: Run) -> None:
        """The result. The checkpoint goes after it is safely there, if nothing is left to do."""
        self._save_history(run.history)
        tensors = {"weights": run.weights, "biases": run.biases, "kept": run.kept}
        if run.positions is not None:
            tensors["positions"] = run.positions
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}

        about = {
            "status": run.status,
            "test_accuracy": repr(run.test_accuracy),
            "steps_done": str(run.steps_done),
            "n_inputs": str(run.wiring.n_inputs),
            "n_outputs": str(run.wiring.n_outputs),
            "input_mode": run.wiring.input_mode,
        }
        if run.fingerprint is not None:
            about["data"] = str(run.fingerprint)
        self.write(WEIGHTS, save(tensors, about))
        if run.status != "interrupted":
            self.tidy()

    def run(self) -> Run:
        """The run that lies here.

        Raises
        ------
        InputError
            Naming the file that is missing, truncated or foreign.
        """
        config = self.config()
        path = self.path / WEIGHTS
        tensors, about = read_tensors(path)
        try:
            run = Run(
                config,
                _wiring(about, config),
                tensors["weights"],
                tensors["biases"],
                tensors.get("positions"),
                tensors["kept"],
                [],
                [],
                about["status"],
                float(about["test_accuracy"]),
                int(about["steps_done"]),
                self.path,
                int(about["data"]) if "data" in about else None,
            )
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: not the weights of a run (no valid {error})") from None
        # All tensors are there: do they belong to this configuration?
        try:
            _check_run(run)
        except InputError as error:
            raise InputError(f"{path}: does not fit config.toml: {error}") from None

        run.history = self.history()
        run.snapshots = self.snapshots(config)
        return run


def _wiring(about: dict[str, str], config: TrainConfig) -> Wiring:
    """How the weights of a run are applied.

    A run that was written before its metadata said sizes and input mode asks its task.
    """
    # Sizes in the metadata: a run may have been trained on data that no task knows.
    if "n_inputs" in about:
        n_inputs = int(about["n_inputs"])
        n_outputs = int(about["n_outputs"])
        mode = about["input_mode"]
    else:
        data = task_options(config.task, config.task_options).load()
        n_inputs = data.n_inputs
        n_outputs = data.n_outputs
        mode = input_mode_of(config, data)
    return Wiring(n_inputs, n_outputs, config.n_iterations, config.activation, mode)


def _check_run(run: Run) -> None:
    """Raise InputError for what the configuration of a run cannot have led to."""
    _check_result(run)
    S = run.config.n_neurons
    dtype = getattr(torch, run.config.dtype)
    wiring = run.wiring
    expect("weights", run.weights, (S, S), dtype)
    expect("biases", run.biases, (S,), dtype)
    expect("kept", run.kept, (S,), torch.bool)

    sizes_fit = min(wiring.n_inputs, wiring.n_outputs) >= 1
    sizes_fit &= wiring.n_inputs + wiring.n_outputs <= S
    if not sizes_fit or wiring.input_mode not in INPUT_MODES:
        raise InputError(
            f"{wiring.n_inputs} inputs, {wiring.n_outputs} outputs, {wiring.input_mode} of {S} "
            "neurons"
        )

    if run.positions is not None:
        shape = (S, *run.positions.shape[-1:])
        expect("positions", run.positions, shape, dtype, finite=False)


def _check_result(run: Run) -> None:
    """Raise InputError for figures and names of a result that training does not write."""
    config = run.config
    if run.status not in STATUSES:
        raise InputError(f"status: must be one of {', '.join(STATUSES)}, not {shown(run.status)}")
    # NaN unless training ended well, and R^2 has no lower end.
    if run.test_accuracy > 1:
        raise InputError(f"test_accuracy: must be at most 1, not {run.test_accuracy:g}")
    if not 0 <= run.steps_done <= config.steps:
        raise InputError(f"steps_done: must be from 0 to {config.steps}")

    # Streams are read as such unless the network is Elman's, and so are sequences.
    modes = {config.input_mode, "elman" if config.input_mode == "elman" else "stream"}
    modes |= {"sequence"} if config.input_mode == "pulse" else set()
    if run.wiring.input_mode not in modes:
        raise InputError(
            f"input_mode: must be {' or '.join(sorted(modes))}, not {shown(run.wiring.input_mode)}"
        )


def _check_length(path: Path) -> None:
    """Raise InputError where a path is too long for some file of its run, though not for all.

    Better now than after the first steps. The longest name is that of a draft of a snapshot.
    """
    try:
        (path / SNAPSHOTS / ("x" * DRAFT_LENGTH)).lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    except ValueError:  # no name of a file at all, which the writer says
        pass


def snapshot_name(step: int) -> str:
    """The file of the snapshot that was taken after so many updates."""
    return f"step_{step:08d}.safetensors"


def _read_snapshot(path: Path, config: TrainConfig) -> Snapshot:
    """A snapshot of a run with this configuration, or InputError naming the file."""
    tensors, about = read_tensors(path)
    try:
        snapshot = Snapshot(
            int(about["step"]),
            int(about["n_neurons"]),
            tensors["ids"],
            tensors["weights"],
            tensors["biases"],
            tensors.get("positions"),
        )
    except (KeyError, ValueError):
        raise InputError(f"{path}: not a snapshot of a run") from None

    try:
        _check_snapshot(snapshot, config)
    except InputError as error:
        raise InputError(f"{path}: not a snapshot of this run: {error}") from None
    return snapshot


def _check_snapshot(snapshot: Snapshot, config: TrainConfig) -> None:
    """Raise InputError for tensors that do not fit each other or the configuration."""
    n_neurons = config.n_neurons
    if not 0 <= snapshot.step <= config.steps:
        raise InputError(f"step: must be from 0 to {config.steps}")
    if snapshot.n_neurons != n_neurons:
        raise InputError(f"n_neurons: {snapshot.n_neurons} where config.toml says {n_neurons}")
    check_ids(snapshot.ids, n_neurons)
    n = len(snapshot.ids)
    dtype = getattr(torch, config.dtype)
    expect("weights", snapshot.held_weights, (n, n), dtype)
    expect("biases", snapshot.held_biases, (n,), dtype)
    positions = snapshot.held_positions
    if positions is not None:
        expect("positions", positions, (n, *positions.shape[-1:]), dtype, finite=False)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a .safetensors file, or InputError naming it."""
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable .safetensors file ({error})") from None
