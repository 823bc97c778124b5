"""`urn reproduce`: train what the claims are about and hold every claim against its numbers.

Writes claims.json, figures and index.html.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import TaskID
from rich.table import Table
from rich.text import Text

from experiments import claims, lab, results
from experiments.claims import FIRST_SEED, SCALES, Claim, Row
from experiments.results_markdown import write_docs
from urn import InputError
from urn.outputs import check_folder
from urn.provenance import provenance
from urn.training.progress import bars

# Networks of each kind where a claim does not say another number. By judgement: a median and a
# range of five cost an affordable time.
SEEDS = {"quick": 1, "paper": 5}

MOST_SEEDS = 10_000  # The largest number that a flag takes; a slip of the keyboard is refused.

SECONDS_BETWEEN_LINES = 10.0  # Between lines of progress where there is no terminal. By judgement.

Rows = dict[str, dict[int, Row]]  # {arm: {seed: row}} of one claim.


def add_reproduce(parser: argparse.ArgumentParser) -> None:
    """Reproduce the claims about what emerges. Trains over seeds, resumes what was begun, and
    writes claims.json, figures and index.html."""
    parser.set_defaults(run=_reproduce)
    names = ", ".join(claims.modules())
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"claims (default: all): {names}")
    parser.add_argument(
        "--scale",
        choices=SCALES,
        default="quick",
        help="small networks in minutes, or the paper's (default: quick)",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="networks of each kind "
        "(default: 1 quick; paper 5, or 20 where networks grow on symbols)",
    )
    parser.add_argument(
        "--first-seed",
        type=int,
        metavar="N",
        help=f"default: {FIRST_SEED}, or that of the claim; 0-9 are for tuning",
    )

    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="folder to write (default: results)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=min(2, os.cpu_count() or 1),
        metavar="N",
        help="processes that train",
    )
    parser.add_argument(
        "--docs", type=Path, metavar="DIR", help="put them into a folder's results.md too"
    )


def _reproduce(arguments: argparse.Namespace) -> int:
    names = _names(arguments)
    seeds = {name: _seeds(name, arguments) for name in names}
    check_folder(arguments.out, new=False)
    store = results.Store(arguments.out)
    # A claims.json that cannot be read is refused now, not after an hour of training.
    for folder in filter(None, (arguments.out, arguments.docs)):
        results.Store(folder).entries()

    if not _train(names, seeds, store, arguments):
        # All that ended is saved; the same command goes on with the rest.
        raise KeyboardInterrupt
    store.write_page()
    if arguments.docs:
        write_docs(store, arguments.docs)

    passed = [entry for entry in store.entries() if entry["name"] in names and entry["passed"]]
    page = arguments.out / "index.html"
    text = f"{len(passed)} of {len(names)} claims hold; see {page}"
    Console().print(text, highlight=False)
    return 0


def _names(arguments: argparse.Namespace) -> list[str]:
    """The claims asked for, each once, all flags checked.

    Raises
    ------
    InputError
        For a claim that there is not, or a number that cannot be.
    """
    # Each claim is loaded now: a wrong name is refused before anything is trained.
    names = list(dict.fromkeys(arguments.names)) or list(claims.modules())
    for name in names:
        claims.load(name)

    for flag, value, least in (
        ("seeds", 1 if arguments.seeds is None else arguments.seeds, 1),
        ("workers", arguments.workers, 1),
        ("first-seed", 0 if arguments.first_seed is None else arguments.first_seed, 0),
    ):
        if not least <= value <= MOST_SEEDS:
            raise InputError(f"--{flag}: must be from {least} to {MOST_SEEDS}, not {value}")
    return names


def _seeds(name: str, arguments: argparse.Namespace) -> list[int]:
    """The seeds of a claim: as many as asked for, or as it takes (SEEDS of its module)."""
    module = claims.load(name)
    usual = SEEDS | getattr(module, "SEEDS", {})
    n = usual[arguments.scale] if arguments.seeds is None else arguments.seeds
    first = arguments.first_seed
    if first is None:
        first = getattr(module, "FIRST_SEED", FIRST_SEED)
    return list(range(first, first + n))


def _train(
    names: list[str],
    seeds: dict[str, list[int]],
    store: results.Store,
    arguments: argparse.Namespace,
) -> bool:
    """Perform all jobs, concluding each claim with its last. Returns False when it was stopped."""
    scale = arguments.scale
    root = arguments.out / "runs" / scale
    jobs = {name: lab.jobs_of(name, scale, seeds[name], root) for name in names}
    n_networks = {name: sum(len(job.configs) for job in jobs[name]) for name in names}
    rows: dict[str, Rows] = {name: {} for name in names}
    complete = True

    with _Watch([job for name in names for job in jobs[name]]) as watch:
        for job, measured in watch.perform(arguments.workers):
            if measured is None:
                complete = False
                continue
            name = job.claim
            # A claim is concluded as soon as its last network is measured, while others still
            # train.
            by_seed = rows[name].setdefault(job.arm, {})
            by_seed |= zip((c.seed for c in job.configs), measured, strict=True)
            if sum(map(len, rows[name].values())) == n_networks[name]:
                entry = conclude(name, scale, seeds[name], rows[name], root, store)
                watch.say(summary(entry))
    return complete


def conclude(
    name: str, scale: str, seeds: list[int], rows: Rows, root: Path, store: results.Store
) -> dict:
    """Hold one claim against its numbers, draw its figures, and put both into the store.

    Parameters
    ----------
    name, scale : str
        The claim, "quick" or "paper".
    seeds : list of int
        The seeds of each arm.
    rows : dict
        What was measured, {arm: {seed: row}}.
    root : path
        The folder of the runs.
    store : Store
        Where the entry goes.

    Returns
    -------
    dict
        The entry in claims.json.
    """
    module = claims.load(name)
    measured = {arm: [rows[arm][seed] for seed in seeds] for arm in module.arms(scale)}
    checks = module.checks(measured, scale)
    # Figures need the networks themselves, the checks their numbers only.
    figures = module.figures(lab.runs_of(name, scale, seeds, root), measured)

    entry = {
        "name": name,
        "claim": module.CLAIM,
        "source": module.SOURCE,
        "paper": module.PAPER,
        "ours": {
            "scale": scale,
            "checks": [check.to_dict() for check in checks],
            "settings": results.settings(module.arms(scale), getattr(module, "AFTER", {})),
            "measured": measured,
        },
        "seeds": seeds,
        "passed": all(check.passed for check in checks),
        "provenance": provenance(),
    }
    notes = module.notes(measured, scale) if hasattr(module, "notes") else []
    store.put(entry, figures, "\n\n".join([story(module), *notes]))
    return entry


def story(module: Claim) -> str:
    """How a claim can be refuted: the docstring of its module without the first paragraph."""
    return (module.__doc__ or "").partition("\n\n")[2].strip()


def summary(entry: dict) -> Table:
    """The checks of a claim as a table for the terminal."""
    hold = "holds" if entry["passed"] else "does not hold"
    seconds = sum(row["seconds"] for rows in entry["ours"]["measured"].values() for row in rows)
    title = Text(f"{entry['name']}: {hold} ({seconds:.0f} s of training)")
    table = Table("", "what", "measured", "asked", title=title, title_justify="left")

    for check in entry["ours"]["checks"]:
        cells = [Text(check[key]) for key in ("what", "measured", "asked")]
        table.add_row("yes" if check["passed"] else "NO", *cells)
    return table


class _Watch:
    """Progress of all jobs: bars in a terminal, plain lines elsewhere."""

    def __init__(self, jobs: list[lab.Job]) -> None:
        self.jobs = jobs
        self.console = Console(stderr=True)
        self.bars: dict[int, TaskID] = {}
        self.last = time.monotonic()
        self.progress = bars(self.console, disable=not self.console.is_terminal)

    def __enter__(self) -> Self:
        self.progress.start()
        self.whole = self.progress.add_task("all jobs", total=len(self.jobs), now="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def perform(self, workers: int) -> Iterator[tuple[lab.Job, list[Row] | None]]:
        """Yield (job, rows) as they end."""
        ended = lab.perform_all(self.jobs, workers, self._observe)
        for done, (job, rows) in enumerate(ended, start=1):
            self.progress.update(self.whole, completed=done)
            number = self.jobs.index(job)
            if number in self.bars:
                self.progress.remove_task(self.bars.pop(number))
            if not self.console.is_terminal:
                self._line(f"{done} of {len(self.jobs)} jobs done: {job.title}")
            yield job, rows

    def say(self, table: Table) -> None:
        """Print something that stays."""
        (self.progress.console if self.console.is_terminal else Console()).print(table)

    def _observe(self, number: int, step: int, steps: int, text: str) -> None:
        """Show how far a job is."""
        title = self.jobs[number].title
        if self.console.is_terminal:
            if number not in self.bars:
                self.bars[number] = self.progress.add_task(title, total=steps, now="")
            self.progress.update(self.bars[number], completed=step, now=text)
        elif time.monotonic() - self.last >= SECONDS_BETWEEN_LINES:
            self.last = time.monotonic()
            self._line(f"{title}  step {step}/{steps}  {text}")

    def _line(self, text: str) -> None:
        """A line of progress where there is no terminal."""
        print(text, file=sys.stderr, flush=True)
