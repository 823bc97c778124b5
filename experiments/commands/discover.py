"""`urn discover`: which architecture a data set asks for."""

import argparse
import shlex
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from urn import InputError
from urn.cli import Interrupt
from urn.outputs import check_folder

MOST_UNASKED = 8
"""Processes where their number is not given. By judgement: a stage has about as many jobs."""

MOST_SHOWN = 3
"""Networks of the front in a line of progress. By judgement: what fits a line."""


def add_discover(parser: argparse.ArgumentParser) -> None:
    """Find out which architecture a data set asks for. Trains many networks, turns the dials that
    shape structure, and says which of them pay on unseen samples, by how much, and whether they
    also do on data without the structure."""
    parser.set_defaults(run=_discover)
    add = parser.add_argument
    add("data", nargs="?", metavar="DATA", help="a .csv, an .npz, or the name of a task")
    add("--target", metavar="COLUMN", help="the column of a .csv to predict (default: y)")
    add(
        "--task-options",
        metavar="TABLE",
        help='options of the task, as TOML: "{shuffled = true}"',
    )
    add("--out", type=Path, metavar="DIR", help="folder to write (default: discover/NAME)")
    add("--minutes", type=float, help="about how long it may take (default: 15)")
    add("--seed", type=int, help="of all that is random (default: 0)")
    add(
        "--workers",
        type=int,
        metavar="N",
        help=f"processes that train (default: one a core, at most {MOST_UNASKED})",
    )
    add("--resume", type=Path, metavar="DIR", help="go on with what was interrupted")
    add("--quiet", action="store_true", help="no progress")


def _discover(arguments: argparse.Namespace) -> int:
    """Begin, or go on; then print what came out."""
    # Imported here: what trains and analyses takes its time to load.
    import torch

    from experiments.commands.workers import check_workers
    from experiments.discover.discovery import go_on
    from experiments.discover.jobs import Interrupted
    from experiments.discover.request import FILE, begin, read_request

    workers = arguments.workers
    if workers is None:
        workers = min(torch.get_num_threads(), MOST_UNASKED)
    check_workers(workers)
    folder, request, table = _asked(arguments)
    if request is None:
        check_folder(folder, new=False, flag="--resume")
        request = read_request(folder)
    elif (folder / FILE).exists():
        # The same command again goes on with what it began.
        if read_request(folder) != request:
            raise InputError(f"--out: {folder} holds another discovery; give another folder")
    else:
        check_folder(folder)
        begin(request, folder, table)

    try:
        with Interrupt() as stop:
            progress = _Progress(arguments.quiet)
            discovery = go_on(request, folder, workers=workers, observer=progress, stop=stop)
    except Interrupted:
        print(f"go on with: urn discover --resume {shlex.quote(str(folder))}")
        return 130

    show(discovery, folder)
    return 0


def _asked(arguments: argparse.Namespace) -> tuple[Path, Any, Any]:
    """The folder, the request, and the table if it is to be written there.

    The request is None where the folder holds it.
    """
    from experiments.discover.request import request_of

    # Defaults are those of `Request`: a flag that was not given is not in `given`.
    given = {
        name: getattr(arguments, name)
        for name in ("data", "target", "task_options", "out", "minutes", "seed")
        if getattr(arguments, name) is not None
    }
    if arguments.resume is not None:
        if given:
            raise InputError(
                "--resume: goes on with what the folder was begun with; give nothing else with it"
            )
        return arguments.resume, None, None

    if arguments.data is None:
        raise InputError("DATA: a .csv, an .npz or the name of a task is needed")
    folder = arguments.out or Path("discover") / Path(arguments.data).stem
    asked = {name: given[name] for name in ("minutes", "seed") if name in given}
    options = _table(arguments.task_options)
    request, table = request_of(
        arguments.data, folder, target=arguments.target, options=options, **asked
    )
    return folder, request, table


def _table(text: str | None) -> dict[str, Any]:
    """A TOML table on a line."""
    if text is None:
        return {}
    try:
        values = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        values = {}
    table = values.get("value")
    if len(values) != 1 or not isinstance(table, dict):
        raise InputError('--task-options: must be a TOML table, such as "{shuffled = true}"')
    return table


def show(discovery: Any, folder: Path) -> None:
    """Print the sentences, the dials, the choice and where all of it lies."""
    from experiments.discover.words import points

    console = Console()
    console.print(Text(discovery.text))
    table = Table("dial", "with", "without", "points", "95 %", "on the twin", "p", "pays", box=None)
    for outcome in discovery.outcomes:
        gain = outcome.gain
        twin = "" if outcome.on_twin is None else points(outcome.on_twin.mean)
        table.add_row(
            outcome.dial.name,
            f"{outcome.score_on:.4f}",
            f"{outcome.score_off:.4f}",
            points(gain.mean),
            f"{points(gain.low)} to {points(gain.high)}",
            twin,
            f"{outcome.q:.2g}",
            "yes" if outcome.pays else "no",
        )
    console.print(table)
    chosen = f"chosen: {discovery.arm}, {discovery.report.summary}"
    console.print(Text(f"{chosen}; {discovery.score:.4f} on test samples"))
    console.print(Text(f"{folder}: index.html, discover.json, chosen.toml, network/"))


class _Progress:
    """A line for every batch, with the front so far."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.start = time.monotonic()

    def __call__(self, title: str, points: list) -> None:
        from experiments.discover.search import front

        if self.quiet:
            return
        # The end of the front holds the best networks, and these have the most weights.
        best = front(points)[-MOST_SHOWN:]
        shown = ", ".join(f"{point.accuracy:.3f} ({point.weights:,.0f})" for point in best)
        seconds = time.monotonic() - self.start
        line = f"{seconds:5.0f} s  {title}; best with so many weights: {shown}"
        print(line, file=sys.stderr, flush=True)
