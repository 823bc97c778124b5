"""The command line. Flags and TOML files say the same things: a flag is a key of `TrainConfig`, its value a TOML value.

Ends with 0, with 2 after one line about bad input, with 130 after an interrupt, with 1 when training diverged.
"""

import argparse
import signal
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from urn.data.tasks import TASKS
from urn.errors import InputError
from urn.loss.penalties import TERMS
from urn.outputs import print_any_name
from urn.population.growth import Growth
from urn.runs.folders import RunFolder
from urn.runs.train import Run, load_run, resume, train
from urn.settings.config import TrainConfig, read_toml
from urn.training.observers import TensorBoard
from urn.training.progress import progress


class _Parser(argparse.ArgumentParser):
    """argparse, but a wrong flag is one line and no usage."""

    def error(self, message: str):
        raise InputError(message)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        print_any_name()
        argv = sys.argv[1:] if argv is None else argv
        arguments = _parser(argv[0] if argv else "").parse_args(argv)
        return arguments.run(arguments)
    except InputError as error:
        return _refuse(str(error))
    except OSError as error:  # what the file system refuses, wherever it was touched; without a name it is our own output
        return _refuse(f"{error.filename or 'output'}: {error.strerror}")
    except KeyboardInterrupt:
        print("urn: interrupted", file=sys.stderr)
        return 130


def _refuse(message: str) -> int:
    print(f"urn: {message}", file=sys.stderr)
    return 2


def _parser(command: str) -> argparse.ArgumentParser:
    """The parser. Other packages add commands under the entry point group `urn.commands`: a function that fills a parser.

    Only the one asked for is imported, for analysis takes its time to load; for --help all are.
    """
    parser = _Parser(
        prog="urn",
        description="Unstructured Recursive Networks: watch architecture emerge in one flat weight matrix.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    found = {"train": lambda: add_train} | {
        entry.name: entry.load for entry in entry_points(group="urn.commands")
    }
    for name in [command] if command in found else found:
        add = found[name]()
        text = " ".join(add.__doc__.split()).replace("%", "%%")
        add(
            commands.add_parser(
                name, help=text.split(".")[0].lower(), description=text, allow_abbrev=False
            )
        )
    return parser


def add_train(parser: argparse.ArgumentParser) -> None:
    """Train a network. Fields come from a TOML file, then from flags; tables as --strengths.weight 3e-4,
    --strengths.depth "{value = 1e-2, warmup = 1000}", --task-options.radii "[1, 2, 3]"."""
    parser.set_defaults(run=_train)
    parser.add_argument(
        "config", nargs="?", type=Path, metavar="CONFIG.toml", help="fields of the configuration"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="run folder to write (default: runs/TASK-SEED or FILE-SEED)",
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="RUN",
        help="run whose network to start from, of the same size",
    )
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="your own .npz or .csv: short for --task file and its path",
    )
    parser.add_argument(
        "--target", metavar="COLUMN", help="the column of a .csv to predict (default: y)"
    )
    parser.add_argument(
        "--tensorboard", type=Path, metavar="DIR", help="also write the history for TensorBoard"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")
    fields = parser.add_argument_group("configuration")
    for name, info in TrainConfig.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        default = getattr(info.default, "value", info.default)
        text = f"{info.description or ''} (default: {default})".strip().replace("%", "%%")
        if name in ("strengths", "task_options", "growth"):
            keys = {"strengths": TERMS, "growth": Growth.model_fields}.get(name) or sorted(
                {key for options in TASKS.values() for key in options.model_fields}
            )
            for key in keys:
                fields.add_argument(
                    f"{flag}.{key.replace('_', '-')}",
                    dest=f"{name}.{key}",
                    metavar="VALUE",
                    help=f"see {flag}",
                )
        fields.add_argument(flag, dest=f"={name}", metavar="VALUE", help=text)


def _train(arguments: argparse.Namespace) -> int:
    given = {
        name: value
        for name, value in vars(arguments).items()
        if value is not None and ("." in name or name.startswith("="))
    }
    others = (arguments.config, arguments.out, arguments.start, arguments.data, arguments.target)
    if arguments.resume and (given or any(others)):
        raise InputError(
            "--resume: goes on with the configuration in the run folder; give nothing else with it"
        )
    callbacks = [TensorBoard(arguments.tensorboard)] if arguments.tensorboard else []
    interrupted = Interrupt()
    if arguments.resume:
        complete = RunFolder(arguments.resume).finished()
        with progress(str(arguments.resume), arguments.quiet) as report, interrupted:
            run = resume(arguments.resume, callbacks=callbacks, report=report, stop=interrupted)
        if complete:
            print(f"{arguments.resume}: already complete", file=sys.stderr)
    else:
        fields = _merge(read_toml(arguments.config) if arguments.config else {}, given)
        config = TrainConfig(**_with_data(fields, arguments.data, arguments.target))
        start = load_run(arguments.start) if arguments.start else None
        name = arguments.data.stem if arguments.data else config.task
        out = arguments.out or Path("runs") / f"{name}-{config.seed}"
        with progress(str(out), arguments.quiet) as report, interrupted:
            run = train(
                config, out, start=start, callbacks=callbacks, report=report, stop=interrupted
            )
    show(run)
    return {"interrupted": 130, "diverged": 1}.get(run.status, 0)


def _with_data(fields: dict, data: Path | None, target: str | None) -> dict:
    """The fields of a configuration, with --data and --target laid over them."""
    if data is None:
        if target is not None:
            raise InputError("--target: goes with --data")
        return fields
    if "task" in fields:
        raise InputError("--data: stands for --task file; give one of the two")
    for key, given in {"path": data, "target": target}.items():
        if given is not None and key in fields.get("task_options", {}):
            raise InputError(
                f"task_options.{key}: --{'data' if key == 'path' else key} says it already"
            )
    if target is not None and data.suffix == ".npz":
        raise InputError(f"--target: names a column of a .csv; {data} holds X and y")
    options = {
        **fields.get("task_options", {}),
        "path": str(data),
        **({} if target is None else {"target": target}),
    }
    return {**fields, "task": "file", "task_options": options}


def _merge(fields: dict, flags: dict[str, str]) -> dict:
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
            raise InputError(f"{table}: must be a table, not {merged[table]!r}")
    return merged


def _toml_value(text: str) -> object:
    """A TOML value; what is not one is text."""
    try:
        value = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # RecursionError: thousands of nested brackets
        return text
    return value["value"] if len(value) == 1 else text


class Interrupt:
    """While it is entered, a first SIGINT or SIGTERM asks training to stop between two steps; a second interrupts at once."""

    def __init__(self):
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self):
        self._before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number, frame):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def show(run: Run) -> None:
    """A short table of what came out."""
    table = Table(show_header=False, box=None)
    rows = {
        "run": str(run.folder),
        "status": run.status,
        "steps": f"{run.steps_done:,} of {run.config.steps:,}",
        "test accuracy (R2 for regression)": f"{run.test_accuracy:.4f}",
    }
    if run.history:
        rows |= {
            "hidden neurons not removed": f"{run.history[-1]['living_neurons']:,}",
            "connections": f"{run.history[-1]['connections']:,}",
        }
    for name, value in rows.items():
        table.add_row(name, Text(value))
    Console().print(table)
    if run.status == "interrupted":
        print(f"go on with: urn train --resume {run.folder}")
    if run.status == "diverged":
        print(
            "training diverged (NaN or Inf); the weights are the last good ones; try a lower learning_rate"
        )
    if run.status == "disconnected":
        print("no path of weights leads from an input to an output; the strengths are too high")
