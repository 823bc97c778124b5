"""`urn sweep`: train a sweep file's points, go on with what was begun, say how far it is, write tables, pictures, a page."""

import argparse
import functools
import os
import shlex
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.sweeps import tables
from experiments.sweeps.plan import Plan, read_plan
from experiments.sweeps.store import DATABASE, DONE, Store
from urn import InputError
from urn.cli import Interrupt
from urn.training.progress import bars

SECONDS_BETWEEN_LINES = 10.0


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """Sweep over strengths and see what emerges where. `urn sweep SWEEP.toml` trains every point; a folder in its place, with
    --resume, --status or --to, is a sweep that was begun; `urn sweep plot DIR` draws its
    pictures, and a page with links to the networks."""
    parser.set_defaults(run=_sweep)
    parser.add_argument(
        "what",
        metavar="SWEEP.toml|DIR|plot",
        help="a sweep file, the folder of a sweep, or the word plot",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="after plot: the folder of a sweep"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to write (default: sweeps/NAME; plot: DIR/figures)",
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
    drawn = parser.add_argument_group("plot")
    drawn.add_argument(
        "--x",
        metavar="FIELD",
        help="field along the horizontal axis of the maps (default: the first that varies)",
    )
    drawn.add_argument(
        "--y", metavar="FIELD", help="field along the vertical axis (default: the next one)"
    )
    drawn.add_argument(
        "--at",
        action="append",
        metavar="FIELD=VALUE",
        help="hold a field that is on no axis (default: its middle)",
    )
    drawn.add_argument(
        "--measure",
        action="append",
        metavar="COLUMN",
        help="draw a heat map of this column; may be repeated",
    )
    drawn.add_argument(
        "--plane", nargs=2, metavar="COLUMN", help="the two measures of the structure plane"
    )
    drawn.add_argument(
        "--point",
        action="append",
        type=int,
        metavar="N",
        help="draw how the structure of this point formed",
    )
    drawn.add_argument(
        "--reports",
        action="store_true",
        help="write the reports of networks that have none, linked in DIR/index.html",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--resume",
        action="store_true",
        help="go on with a sweep that was begun, or help another process",
    )
    instead.add_argument(
        "--status", action="store_true", help="print how far it is, and what came out so far"
    )
    instead.add_argument(
        "--to", choices=tables.FORMATS, metavar="FORMAT", help="write a table: csv or parquet"
    )


def _sweep(arguments: argparse.Namespace) -> int:
    if arguments.workers is not None and not 1 <= arguments.workers <= 1000:
        raise InputError(f"--workers: must be from 1 to 1000, not {arguments.workers}")
    if arguments.address and arguments.engine != "ray":
        raise InputError("--address: belongs to --engine ray")
    if arguments.what == "plot":
        return _plot(arguments)
    if arguments.folder:
        raise InputError(f"{arguments.folder}: only plot takes a second word")
    for flag in ("x", "y", "at", "measure", "plane", "point", "reports"):
        if getattr(arguments, flag):
            raise InputError(f"--{flag}: belongs to urn sweep plot")
    what = Path(arguments.what)
    if arguments.status or arguments.to:
        with Store(what) as store:
            return (
                show(store)
                if arguments.status
                else tables.write(store, arguments.to, arguments.out)
            )
    if what.is_dir():
        if not arguments.resume:
            raise InputError(
                f"{what}: a folder; give --resume, --status or --to with it, or a sweep file"
            )
        with Store(what) as store:
            return _train(store, store.plan(), arguments)
    plan, folder = read_plan(what), arguments.out or Path("sweeps") / what.stem
    if arguments.resume and (folder / DATABASE).exists():
        with Store(folder) as store:
            store.check_same(plan)
            return _train(store, plan, arguments)
    Store.check_new(folder)
    from experiments.sweeps.engine import (
        check,  # with all that trains and analyses; tables need none of it
    )

    check(plan)
    with Store.create(folder, plan) as store:
        return _train(store, plan, arguments)


def _plot(arguments: argparse.Namespace) -> int:
    from experiments.sweeps.page import write_page, write_reports
    from experiments.sweeps.pictures import FIGURES, Pictures, Wanted

    if not arguments.folder:
        raise InputError("plot: give the folder of a sweep with it")
    for flag in ("resume", "status", "to", "workers", "address"):
        if getattr(arguments, flag):
            raise InputError(f"--{flag}: does not go with plot")
    if arguments.engine != "local":
        raise InputError("--engine: does not go with plot")
    at = {}
    for text in arguments.at or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--at {text}: must be FIELD=VALUE")
        at[name] = value
    given = {"measures": arguments.measure, "plane": arguments.plane, "points": arguments.point}
    wanted = Wanted(
        arguments.x,
        arguments.y,
        at,
        **{name: tuple(value) for name, value in given.items() if value},
    )
    with Store(arguments.folder) as store:
        pictures, figures = Pictures(store, wanted), []
        for figure in pictures.write(arguments.out or store.folder / FIGURES):
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


def _train(store: Store, plan: Plan, arguments: argparse.Namespace) -> int:
    from experiments.sweeps.engine import Engine

    if arguments.engine == "ray":
        from experiments.sweeps.on_ray import RayEngine

        make = functools.partial(RayEngine, address=arguments.address)
    else:
        make = Engine
    on_cpu = plan.points[0].config.device == "cpu"
    workers = arguments.workers or (min(2, os.cpu_count() or 1) if on_cpu else 1)
    with _Watch(store, arguments.quiet) as tell, Interrupt() as interrupted:
        make(store, plan, workers, tell, interrupted).run()
    show(store)
    if not interrupted():
        return 0
    print(f"go on with: urn sweep --resume {shlex.quote(str(store.folder))}")
    return 130


def show(store: Store) -> int:
    """How many points have which status, and which architectures came out."""
    found = store.count()
    done = sum(found[status] for status in DONE)
    console = Console()
    console.print(
        f"{store.folder}: {done:,} of {found.total():,} points done", highlight=False, markup=False
    )
    table = Table("status", "points", box=None)
    for status, n in found.most_common():
        table.add_row(status, f"{n:,}")
    console.print(table)
    if done:
        table = Table(
            "architecture", "networks", "validation", "connections used", box=None, title="medians"
        )
        for name, n, accuracy, used in store.architectures():
            table.add_row(
                str(name),
                f"{n:,}",
                *(
                    "" if x is None else f"{x:{form}}"
                    for x, form in ((accuracy, ".4f"), (used, ",.0f"))
                ),
            )
        console.print(table)
    return 0


class _Watch:
    """Progress of a sweep: a bar of points in a terminal, plain lines elsewhere."""

    def __init__(self, store: Store, quiet: bool):
        self.store, self.quiet, self.last = store, quiet, time.monotonic()
        self.console, self.now = Console(stderr=True), {}
        self.progress = bars(self.console)

    def __enter__(self):
        if self.console.is_terminal and not self.quiet:
            self.bar = self.progress.add_task("points", total=self.store.count().total(), now="")
            self.progress.start()
        return self._tell

    def __exit__(self, *_):
        self.progress.stop()

    def _tell(self, number: int, step: int, steps: int, text: str) -> None:
        pause = 1.0 if self.console.is_terminal else SECONDS_BETWEEN_LINES
        if self.quiet or time.monotonic() - self.last < pause:
            return
        self.last = time.monotonic()
        found = self.store.count()
        done, now = (
            sum(found[status] for status in DONE),
            f"population {number}, step {step}/{steps}  {text}",
        )
        if self.console.is_terminal:
            self.progress.update(self.bar, completed=done, now=now)
        else:
            print(f"{done} of {found.total()} points done; {now}", file=sys.stderr, flush=True)
