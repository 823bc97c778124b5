"""`urn sweep`: train a sweep, go on with it, say how far it is, draw it, write it as a table."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.commands.workers import Observer, check_workers
from experiments.sweeps import tables
from experiments.sweeps.plan import Plan, read_plan
from experiments.sweeps.schema import DATABASE
from experiments.sweeps.store import DONE, Store
from urn import InputError
from urn.cli import Interrupt
from urn.outputs import check_file, check_folder
from urn.training.progress import bars

SECONDS_BETWEEN_LINES = 10.0
"""Of progress, without a terminal. By judgement: six lines a minute."""

SECONDS_BETWEEN_BARS = 1.0
"""Of progress, in a terminal: each counts the points of the store."""

# ---- what can be asked


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """Sweep over strengths and see what emerges where. `urn sweep run SWEEP.toml` trains every
    point; resume, status, plot and table take the folder of a sweep that was begun."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (text, add) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        add(command)

    # The spelling of before is translated first, for one release.
    parse = parser.parse_known_args

    def translated(
        words: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        words = list(sys.argv[1:] if words is None else words)
        new = translate(words)
        arguments, rest = parse(new, namespace)
        if new != words:
            arguments.run = partial(_with_hint, new, arguments.run)
        return arguments, rest

    parser.parse_known_args = translated  # type: ignore[method-assign,assignment]


def translate(words: list[str]) -> list[str]:
    """The words after `urn sweep` in today's spelling: the command comes first."""
    if not words or words[0] in COMMANDS or {"-h", "--help"} & set(words):
        return words

    for command in ("status", "resume"):
        if f"--{command}" in words:
            return [command, *(word for word in words if word != f"--{command}")]
    is_table = any(word == "--to" or word.startswith("--to=") for word in words)
    return ["table" if is_table else "run", *words]


def _with_hint(
    words: list[str], run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace
) -> int:
    """Run a command that was spelled as before, and then say how it is spelled now."""
    status = run(arguments)
    print(
        f"urn: this spelling ends with the next release; now: urn sweep {shlex.join(words)}",
        file=sys.stderr,
    )
    return status


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("file", type=Path, metavar="SWEEP.toml", help="a sweep file")
    _add_training(parser)


def _add_resume(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_resume)
    parser.add_argument(
        "begun",
        type=Path,
        metavar="DIR|SWEEP.toml",
        help="the folder of a sweep; or its file, which is begun if it was not",
    )
    _add_training(parser)


def _add_training(parser: argparse.ArgumentParser) -> None:
    """Flags of the commands that train."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder to write (default: sweeps/NAME)"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes that train (default: 2, on a GPU 1)"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="where to train (default: local)",
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="with --engine ray: a running cluster (default: start one here)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of a sweep")


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_status)
    _add_folder(parser)


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_table)
    _add_folder(parser)
    parser.add_argument(
        "--to",
        choices=tables.FORMATS,
        default="csv",
        metavar="FORMAT",
        help="csv or parquet (default: csv)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="file to write (default: DIR/sweep.FORMAT)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite what --out names")


def _add_plot(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_plot)
    _add_folder(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder to write (default: DIR/figures)"
    )
    fields = {
        "--x": "field along the horizontal axis of the maps (default: the first that varies)",
        "--y": "field along the vertical axis (default: the next)",
    }
    for flag, text in fields.items():
        parser.add_argument(flag, metavar="FIELD", help=text)

    parser.add_argument(
        "--at",
        action="append",
        metavar="FIELD=VALUE",
        help="hold a field that is on no axis (default: its middle)",
    )
    parser.add_argument(
        "--measure",
        action="append",
        metavar="COLUMN",
        help="draw a heat map of this column; may be repeated",
    )
    parser.add_argument(
        "--plane", nargs=2, metavar="COLUMN", help="the two measures of the structure plane"
    )
    parser.add_argument(
        "--point",
        action="append",
        type=int,
        metavar="N",
        help="draw how the structure of this point formed",
    )
    parser.add_argument("--force", action="store_true", help="overwrite pictures in --out")
    parser.add_argument(
        "--reports",
        action="store_true",
        help="write the reports of networks that have none, linked in DIR/index.html",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


COMMANDS = {
    "run": ("train every point of a sweep file", _add_run),
    "resume": ("go on with a sweep that was begun, or help another process", _add_resume),
    "status": ("print how far a sweep is, and which architectures came out", _add_status),
    "plot": ("draw the pictures of a sweep, and a page that links to its networks", _add_plot),
    "table": ("write a table of a sweep, a row a point that is done", _add_table),
}
"""What follows `urn sweep`: what it does, and what adds its arguments to a parser."""


# ---- training


def _run(arguments: argparse.Namespace) -> int:
    _check_training(arguments)
    if arguments.file.is_dir():
        raise InputError(
            f"{arguments.file}: a folder; urn sweep resume goes on with it, status, plot and table "
            "read it"
        )
    plan = read_plan(arguments.file)
    return _begin(plan, _folder_of(arguments.file, arguments.out), arguments)


def _resume(arguments: argparse.Namespace) -> int:
    _check_training(arguments)
    if arguments.begun.is_dir() or not arguments.begun.exists():
        with Store(arguments.begun) as store:
            return _train(store, store.plan(), arguments)

    plan = read_plan(arguments.begun)
    folder = _folder_of(arguments.begun, arguments.out)
    if not (folder / DATABASE).exists():
        return _begin(plan, folder, arguments)
    with Store(folder) as store:
        store.check_same(plan)
        return _train(store, plan, arguments)


def _check_training(arguments: argparse.Namespace) -> None:
    """Raise InputError for flags that cannot be, or do not go together."""
    if arguments.workers is not None:
        check_workers(arguments.workers)
    if arguments.address and arguments.engine != "ray":
        raise InputError("--address: belongs to --engine ray")


def _folder_of(file: Path, out: Path | None) -> Path:
    return out or Path("sweeps") / file.stem


def _begin(plan: Plan, folder: Path, arguments: argparse.Namespace) -> int:
    """Make a new store and train its points."""
    check_folder(folder)

    # Imported here: tables and pictures need nothing of what trains and analyses.
    from experiments.sweeps.engine import check

    check(plan)
    with Store.create(folder, plan) as store:
        return _train(store, plan, arguments)


def _train(store: Store, plan: Plan, arguments: argparse.Namespace) -> int:
    """Train what is left to do in a store."""
    store.warn()
    from experiments.sweeps.engine import Engine

    make: Callable[..., Engine] = Engine
    if arguments.engine == "ray":
        from experiments.sweeps.on_ray import RayEngine

        make = partial(RayEngine, address=arguments.address)

    on_cpu = plan.points[0].config.device == "cpu"
    workers = arguments.workers or (min(2, os.cpu_count() or 1) if on_cpu else 1)
    with _Watch(store, arguments.quiet) as observer, Interrupt() as interrupted:
        make(store, plan, workers, observer, interrupted).run()

    show(store)
    if not interrupted():
        return 0
    print(f"go on with: urn sweep resume {shlex.quote(str(store.folder))}")
    return 130


# ---- reading


def _status(arguments: argparse.Namespace) -> int:
    with Store(arguments.folder) as store:
        store.warn()
        return show(store)


def _table(arguments: argparse.Namespace) -> int:
    with Store(arguments.folder) as store:
        path = arguments.out or arguments.folder / f"sweep.{arguments.to}"
        check_file(path, force=arguments.force or arguments.out is None)
        store.warn()
        return tables.write(store, arguments.to, path)


def _plot(arguments: argparse.Namespace) -> int:
    # Imported here: what draws takes its time to load.
    from experiments.sweeps.page import write_page, write_reports
    from experiments.sweeps.pictures import FIGURES, Choice, Pictures

    choice = Choice(
        arguments.x,
        arguments.y,
        _held(arguments.at or ()),
        measures=arguments.measure,
        plane=arguments.plane,
        points=arguments.point or (),
    )
    with Store(arguments.folder) as store:
        folder = arguments.out or store.folder / FIGURES
        _check_pictures(folder, force=arguments.force or arguments.out is None)
        check_folder(store.folder, new=False, flag="DIR")

        pictures = Pictures(store, choice)
        store.warn()
        figures = []
        for figure in pictures.write(folder):
            figures.append(figure)
            print(figure)
        print(write_page(pictures, figures))
        if not arguments.reports:
            return 0

        try:
            with Interrupt() as interrupted:
                for k, n, report in write_reports(store, interrupted):
                    if not arguments.quiet:
                        print(f"{report} ({k:,} of {n:,})", file=sys.stderr, flush=True)
        finally:  # a run that cannot be read ends it, yet those before have their reports
            write_page(pictures, figures)
    return 130 if interrupted() else 0


def _check_pictures(folder: Path, force: bool) -> None:
    """Raise InputError for a folder that pictures cannot go to, or that holds some already."""
    check_folder(folder, new=False)
    if not force and any(folder.glob("*.png")):
        raise InputError(f"--out: {folder} holds pictures already; --force overwrites them")


def _held(texts: Sequence[str]) -> dict[str, str]:
    """{field: value} of FIELD=VALUE."""
    held = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--at {text}: must be FIELD=VALUE")
        held[name] = value
    return held


def show(store: Store) -> int:
    """Print how many points have which status, and which architectures came out."""
    console = Console()
    points = store.count()
    done = sum(points[status] for status in DONE)
    of = "of at most" if store.has_borders else "of"
    console.print(Text(f"{store.folder}: {done:,} {of} {points.total():,} points done"))
    if _show_search(store, console):
        points["not needed"] = points.pop("waiting", 0)

    table = Table("status", "points", box=None)
    for status, n in points.most_common():
        table.add_row(Text(status), f"{n:,}")
    console.print(table)
    if not done:
        return 0

    names = ("architecture", "networks", "validation", "connections used")
    table = Table(*names, box=None, title="medians")
    for name, n, accuracy, used in store.architectures():
        medians = [
            "" if accuracy is None else f"{accuracy:.4f}",
            "" if used is None else f"{used:,.0f}",
        ]
        table.add_row(Text(str(name)), f"{n:,}", *medians)
    console.print(table)
    _show_verdicts(store, console)
    return 0


def _show_search(store: Store, console: Console) -> bool:
    """Print how far the search for borders is, if there is one; whether it is complete."""
    if not store.has_borders:
        return False
    # Imported here: what reads the plan takes its time to load.
    from experiments.sweeps.borders import label_names, search_of

    searched = search_of(store)
    if searched is None:
        return False
    search, inferred = searched
    names = ", ".join(dict.fromkeys(label_names(search.borders)))
    state = f"{len(search.asked):,} networks asked so far"
    if search.is_complete:
        state = f"known to one step; {len(inferred):,} settings inferred, not trained"
    console.print(Text(f"borders of {names}: {state}"))
    return search.is_complete


def _show_verdicts(store: Store, console: Console) -> None:
    """Print how many networks have which verdict, before and after the correction."""
    # Imported here: what computes q takes its time to load.
    from experiments.sweeps.corrected import LEVEL, counts

    verdicts = counts(store)
    if not verdicts:
        return
    names = ("verdict", "networks", f"q <= {LEVEL:g}", f"q > {LEVEL:g}", "no p asked")
    table = Table(*names, box=None)
    for verdict in verdicts:
        sums = [verdict.survives.sum(), verdict.fallen.sum(), verdict.untested.sum()]
        networks = f"{verdict.present.sum():,} of {verdict.judged.sum():,}"
        table.add_row(verdict.name, networks, *(f"{n:,}" for n in sums))
    console.print(table)


class _Watch:
    """Progress of a sweep: a bar of points in a terminal, plain lines elsewhere."""

    def __init__(self, store: Store, quiet: bool) -> None:
        self.store = store
        self.quiet = quiet
        self.last = time.monotonic()
        self.console = Console(stderr=True)
        self.progress = bars(self.console, disable=quiet or not self.console.is_terminal)

    def __enter__(self) -> Observer:
        self.bar = self.progress.add_task("points", total=self.store.count().total(), now="")
        self.progress.start()
        return self._observe

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def _observe(self, number: int, step: int, steps: int, text: str) -> None:
        is_terminal = self.console.is_terminal
        pause = SECONDS_BETWEEN_BARS if is_terminal else SECONDS_BETWEEN_LINES
        if self.quiet or time.monotonic() - self.last < pause:
            return
        self.last = time.monotonic()

        points = self.store.count()
        done = sum(points[status] for status in DONE)
        now = f"population {number}, step {step}/{steps}  {text}"
        if is_terminal:
            self.progress.update(self.bar, completed=done, now=now)
        else:
            line = f"{done} of {points.total()} points done; {now}"
            print(line, file=sys.stderr, flush=True)
