"""`urn train`. The other commands are in other packages, see `urn.cli`."""

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from urn.border import DONE, FAILED, INTERRUPTED, Interrupt
from urn.data.tasks import TASKS, Dataset, task_options
from urn.errors import InputError, memory_for, shown
from urn.loss.penalties import TERMS
from urn.outputs import check_unowned
from urn.runs.folders import RunFolder
from urn.runs.train import Run, load_run, resume, train
from urn.settings.config import GrowthRule, TrainConfig, read_toml
from urn.settings.suited import completed, suited
from urn.training.observers import TensorBoard
from urn.training.progress import progress


def add_train(parser: argparse.ArgumentParser) -> None:
    """Train a network. Fields come from a TOML file, then from flags; tables as
    --strengths.weight 3e-4, --strengths.depth "{value = 1e-2, warmup = 1000}",
    --task-options.radii "[1, 2, 3]"."""
    parser.set_defaults(run=_train)
    add = parser.add_argument
    add("config", nargs="?", type=Path, metavar="CONFIG.toml", help="fields of the configuration")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="run folder to write (default: runs/TASK-SEED or FILE-SEED)",
    )
    add(
        "--start",
        type=Path,
        metavar="RUN",
        help="run whose network to start from, of the same size",
    )
    add("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")
    add(
        "--data",
        type=Path,
        metavar="FILE",
        help="your own .npz or .csv: short for --task file and its path; without a CONFIG.toml,"
        " what no flag says is chosen by its size",
    )
    add("--target", metavar="COLUMN", help="the column of a .csv to predict (default: y)")
    add("--tensorboard", type=Path, metavar="DIR", help="also write the history for TensorBoard")
    add("--quiet", action="store_true", help="no progress")
    _add_fields(parser)


def _add_fields(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every field of `TrainConfig`, and for every key of those that are tables."""
    group = parser.add_argument_group("configuration")
    for name, info in TrainConfig.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        for key in _keys_of(name):
            group.add_argument(
                f"{flag}.{key.replace('_', '-')}",
                dest=f"{name}.{key}",
                metavar="VALUE",
                help=f"see {flag}",
            )

        default = getattr(info.default, "value", info.default)
        text = f"{info.description or ''} (default: {default})".strip().replace("%", "%%")
        group.add_argument(flag, dest=f"={name}", metavar="VALUE", help=text)


def _keys_of(name: str) -> list[str]:
    """The keys of a field that is a table; none of another one."""
    if name == "strengths":
        return list(TERMS)
    if name == "growth":
        return list(GrowthRule.model_fields)
    if name == "task_options":
        return sorted({key for options in TASKS.values() for key in options.model_fields})
    return []


def _train(arguments: argparse.Namespace) -> int:
    """Train, or go on with a run, and show what came out."""
    fields = {
        name: value
        for name, value in vars(arguments).items()
        if value is not None and ("." in name or name.startswith("="))
    }
    if arguments.resume is not None:
        given = (arguments.config, arguments.out, arguments.start, arguments.data, arguments.target)
        if fields or any(value is not None for value in given):
            raise InputError(
                "--resume: goes on with the configuration in the run folder;"
                " give nothing else with it"
            )
        run = _go_on(arguments)
    else:
        run = _begin(arguments, fields)

    show(run)
    return {"interrupted": INTERRUPTED, "diverged": FAILED}.get(run.status, DONE)


def _begin(arguments: argparse.Namespace, flags: dict[str, str]) -> Run:
    """Train a network from the start."""
    fields = _merge(read_toml(arguments.config) if arguments.config else {}, flags)
    fields = _with_data(fields, arguments.data, arguments.target)
    config = TrainConfig(**fields)
    start = load_run(arguments.start) if arguments.start else None
    data: Dataset | None = None
    # A configuration file says all: what it leaves out has the defaults of every configuration.
    if arguments.data and not arguments.config:
        data = _load(config)
        if start is not None:
            fields.setdefault("n_neurons", start.config.n_neurons)
        defaults = suited(len(data.train[0]), data.n_inputs, data.n_outputs, data.kind)
        config = TrainConfig(**completed(fields, defaults))

    name = arguments.data.stem if arguments.data else config.task
    out = arguments.out or Path("runs") / f"{name}-{config.seed}"

    check_unowned(out, "--out")
    callbacks = _observers(arguments.tensorboard)
    interrupted = Interrupt()
    with progress(str(out), arguments.quiet) as observer, interrupted:
        return train(
            config,
            out,
            data=data,
            start=start,
            callbacks=callbacks,
            observer=observer,
            stop=interrupted,
        )


def _load(config: TrainConfig) -> Dataset:
    """The data of a configuration."""
    with memory_for("task_options"):
        return task_options(config.task, config.task_options).load()


def _go_on(arguments: argparse.Namespace) -> Run:
    """Resume a run."""
    folder = arguments.resume
    complete = RunFolder(folder).finished()
    callbacks = _observers(arguments.tensorboard)
    interrupted = Interrupt()
    with progress(str(folder), arguments.quiet) as observer, interrupted:
        run = resume(folder, callbacks=callbacks, observer=observer, stop=interrupted)

    if complete:
        print(f"{folder}: already complete", file=sys.stderr)
    return run


def _observers(folder: Path | None) -> list[TensorBoard]:
    """TensorBoard's, where a folder for it was given; refused where that cannot or must not be
    written."""
    if folder is None:
        return []
    observer = TensorBoard(folder)
    check_unowned(folder, "--tensorboard")
    return [observer]


def _with_data(fields: dict[str, Any], data: Path | None, target: str | None) -> dict[str, Any]:
    """The fields of a configuration, with --data and --target laid over them."""
    if data is None:
        if target is not None:
            raise InputError("--target: goes with --data")
        return fields

    if "task" in fields:
        raise InputError("--data: stands for --task file; give one of the two")
    options = fields.get("task_options", {})
    if not isinstance(options, dict):
        raise InputError(f"task_options: must be a table, not {shown(options)}")
    for key, flag, given in (("path", "--data", data), ("target", "--target", target)):
        if given is not None and key in options:
            raise InputError(f"task_options.{key}: {flag} says it already")
    if target is not None and data.suffix == ".npz":
        raise InputError(f"--target: names a column of a .csv; {data} holds X and y")

    own = {"path": str(data)} if target is None else {"path": str(data), "target": target}
    return {**fields, "task": "file", "task_options": {**options, **own}}


def _merge(fields: dict[str, Any], flags: dict[str, str]) -> dict[str, Any]:
    """Lay flags over the fields of a file; a dotted flag sets one entry of a table."""
    merged = dict(fields)
    for name, text in sorted(flags.items()):  # "=strengths" sorts before "strengths.weight"
        value = _toml_value(text)
        table, _, key = name.lstrip("=").partition(".")
        if not key:
            merged[table] = value
        elif isinstance(merged.get(table, {}), dict):
            merged[table] = {**merged.get(table, {}), key: value}
        else:
            raise InputError(f"{table}: must be a table, not {shown(merged[table])}")
    return merged


def _toml_value(text: str) -> object:
    """A TOML value; what is not one is text."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # RecursionError: thousands of nested brackets
        return text
    return table["value"] if len(table) == 1 else text


def show(run: Run) -> None:
    """A short table of what came out."""
    rows = {
        "run": str(run.folder),
        "status": run.status,
        "steps": f"{run.steps_done:,} of {run.config.steps:,}",
        "test accuracy (R2 for regression)": f"{run.test_accuracy:.4f}",
    }
    if run.history:
        rows["hidden neurons not removed"] = f"{run.history[-1]['living_neurons']:,}"
        rows["connections"] = f"{run.history[-1]['connections']:,}"

    table = Table(show_header=False, box=None)
    for name, value in rows.items():
        table.add_row(name, Text(value))
    Console().print(table)

    if run.status == "interrupted":
        print(f"go on with: urn train --resume {run.folder}")
    if run.status == "diverged":
        print(
            "training diverged (NaN or Inf); the weights are the last good ones;"
            " try a lower learning_rate"
        )
    if run.status == "disconnected":
        print("no path of weights leads from an input to an output; the strengths are too high")
