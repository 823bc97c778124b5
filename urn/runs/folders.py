"""The folder of a run: written atomically, survives being killed, resumes bit for bit, and never holds a pickle.

config.toml             the configuration, every field
weights.safetensors     W (S, S), b (S,), positions (S, dim), kept (S,); status and test accuracy in its metadata
history.csv             a row every `log_every` steps
snapshots/              W, b, positions over training, one file a snapshot
checkpoint.safetensors  only while there is something left to do

A file is written under a name that starts with a dot and ends with .draft, then renamed; a kill may leave such a draft behind,
and the next process that trains in the folder, which one at a time may do, sweeps it away.
"""

import contextlib
import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from urn.checks import check_ids, expect
from urn.errors import InputError
from urn.io import atomic_write
from urn.population.snapshot import Snapshot
from urn.settings.config import TrainConfig, read_toml
from urn.training.trainer import BASE_COLUMNS, Trainer

if TYPE_CHECKING:
    from urn.runs.train import Run

try:
    import fcntl
except ImportError:  # not a Unix: no lock
    fcntl = None

CONFIG, WEIGHTS, HISTORY, SNAPSHOTS, CHECKPOINT, STRUCTURE = (
    "config.toml",
    "weights.safetensors",
    "history.csv",
    "snapshots",
    "checkpoint.safetensors",
    "structure.json",
)
STATUSES = ("ok", "disconnected", "diverged", "interrupted")
ENDS = ("n_inputs", "n_outputs", "input_mode")
"""What the metadata of a run's weights say beside its status."""


class RunFolder:
    """The files of one run. Every write goes to a temporary file first and is renamed into place."""

    def __init__(self, path: Path):
        self.path = path

    @staticmethod
    def check_new(path: Path) -> None:
        """Raise InputError if something is there already, or if its name is one that safetensors will not open."""
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise InputError(f"{str(path)!a}: must be UTF-8") from None
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"{path}: already exists; give another folder, or --resume it")

    @classmethod
    def create(cls, path: Path, config: TrainConfig, trainer: Trainer | None = None) -> "RunFolder":
        """A new run folder, complete with its configuration or not there at all.

        With a trainer whose weights do not follow from the configuration it holds a checkpoint from the first.
        """
        try:
            cls.check_new(path)
            missing = [folder for folder in path.parents if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
            try:
                (draft / CONFIG).write_text(config.to_toml(), encoding="utf-8")
                (draft / SNAPSHOTS).mkdir()
                if trainer:
                    (draft / CHECKPOINT).write_bytes(save(trainer.state_dict()))
                draft.chmod(0o755)
                draft.rename(path)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                with contextlib.suppress(OSError):
                    for folder in missing:
                        folder.rmdir()
                raise
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from None
        return cls(path)

    def config(self) -> TrainConfig:
        """The configuration in config.toml."""
        if not self.path.is_dir():
            raise InputError(f"{self.path}: no such run folder")
        if not (self.path / CONFIG).exists():
            raise InputError(
                f"{self.path / CONFIG}: no such file, so {self.path.name} is not a run folder"
            )
        try:
            return TrainConfig(**read_toml(self.path / CONFIG))
        except InputError as error:
            text = str(error)
            raise InputError(
                text if text.startswith(str(self.path)) else f"{self.path / CONFIG}: {text}"
            ) from None

    def finished(self) -> bool:
        """Whether training came to its end, good or bad."""
        if not (self.path / WEIGHTS).is_file():
            return False
        status = read_tensors(self.path / WEIGHTS)[1].get("status")
        if status not in STATUSES:
            raise InputError(f"{self.path / WEIGHTS}: not the weights of a run (no valid 'status')")
        return status != "interrupted"

    def restore(self, trainer: Trainer) -> None:
        """Put a trainer, and its history, back to where the last checkpoint was made; the start if there was none."""
        path = self.path / CHECKPOINT
        if path.is_file():
            try:
                trainer.load_state_dict(read_tensors(path)[0])
            except InputError as error:
                text = str(error)
                raise InputError(
                    text if str(path) in text else f"{path}: does not fit config.toml: {text}"
                ) from None
        rows = self.history()
        member = trainer.members[0]
        member.history = [row for row in rows if row["step"] <= trainer.step]
        if len(member.history) != len(trainer.logged_steps()):
            raise InputError(
                f"{self.path / HISTORY}: lacks rows up to step {trainer.step}, where the checkpoint is"
            )
        if rows and list(rows[0]) != trainer.columns():
            raise InputError(
                f"{self.path / HISTORY}: its columns must be {', '.join(trainer.columns())}"
            )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process alone; the system lets go of it however the process ends."""
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
        try:
            yield
        finally:
            os.close(handle)

    def sweep(self) -> None:
        """Take away drafts that a killed process left behind."""
        for folder in (self.path, self.path / SNAPSHOTS):
            for draft in folder.glob(".*.draft"):
                draft.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Take away what a finished run does not need."""
        self.sweep()
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    def save_checkpoint(self, trainer: Trainer) -> None:
        """History first, so that it never falls behind the checkpoint."""
        self._save_history(trainer.members[0].history)
        self.write(CHECKPOINT, save(trainer.state_dict()))

    def save_snapshot(self, moment: Snapshot) -> None:
        """One file a snapshot, with the neurons it holds."""
        tensors = {"ids": moment.ids, "weights": moment.held_weights, "biases": moment.held_biases}
        if moment.held_positions is not None:
            tensors["positions"] = moment.held_positions
        about = {"step": str(moment.step), "n_neurons": str(moment.n_neurons)}
        self.write(f"{SNAPSHOTS}/step_{moment.step:08d}.safetensors", save(tensors, about))

    def snapshots(self, n_neurons: int) -> list[Snapshot]:
        """All snapshots of a network of S neurons, oldest first."""
        moments = []
        for path in sorted((self.path / SNAPSHOTS).glob("step_*.safetensors")):
            tensors, about = read_tensors(path)
            try:
                ids, weights, biases = tensors["ids"], tensors["weights"], tensors["biases"]
                moment = Snapshot(
                    int(about["step"]),
                    int(about["n_neurons"]),
                    ids,
                    weights,
                    biases,
                    tensors.get("positions"),
                )
            except (KeyError, ValueError):
                raise InputError(f"{path}: not a snapshot of a run") from None
            try:
                if moment.n_neurons != n_neurons:
                    raise InputError(
                        f"n_neurons: {moment.n_neurons} where config.toml says {n_neurons}"
                    )
                check_ids(ids, n_neurons)
                expect("weights", weights, (len(ids), len(ids)), weights.dtype)
                expect("biases", biases, (len(ids),), weights.dtype)
                if moment.held_positions is not None:
                    shape = (len(ids), moment.held_positions.shape[-1])
                    expect("positions", moment.held_positions, shape, weights.dtype, finite=False)
            except InputError as error:
                raise InputError(f"{path}: not a snapshot of this run: {error}") from None
            moments.append(moment)
        return moments

    def save_run(self, run: "Run") -> None:
        """The result; the checkpoint goes only after it is safely there, and only when nothing is left to do."""
        self._save_history(run.history)
        tensors = {"weights": run.weights, "biases": run.biases, "kept": run.kept}
        if run.positions is not None:
            tensors["positions"] = run.positions
        about = {
            "status": run.status,
            "test_accuracy": repr(run.test_accuracy),
            "steps_done": str(run.steps_done),
        }
        about |= {name: str(getattr(run, name)) for name in ENDS}
        if run.fingerprint is not None:
            about["data"] = str(run.fingerprint)
        self.write(
            WEIGHTS, save({name: tensor.contiguous() for name, tensor in tensors.items()}, about)
        )
        if run.status != "interrupted":
            self.tidy()

    def history(self) -> list[dict]:
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
        if not known or not all(
            isinstance(number, int | float) for row in rows for number in row.values()
        ):
            raise InputError(f"{path}: not the history of a run")
        return rows

    def _save_history(self, rows: list[dict]) -> None:
        text = io.StringIO()
        if rows:
            table = csv.DictWriter(text, rows[0], lineterminator="\n")
            table.writeheader()
            table.writerows(
                {name: json.dumps(value) for name, value in row.items()} for row in rows
            )
        self.write(HISTORY, text.getvalue().encode())

    def write(self, name: str, content: bytes) -> None:
        """Write one file of the run, whole or not at all."""
        atomic_write(self.path / name, content)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a .safetensors file, or InputError naming it."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable .safetensors file ({error})") from None
