"""`urn reproduce`: train what the claims are about, hold every claim against its numbers, and write them down with figures."""

import argparse
import os
import sys
import time
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments import claims, lab, results
from experiments.claims import FIRST_SEED, NAMES, SCALES
from urn import InputError
from urn.outputs import check_folder
from urn.training.progress import bars

SEEDS = {"quick": 1, "paper": 5}
SECONDS_BETWEEN_LINES = 10.0


def add_reproduce(parser: argparse.ArgumentParser) -> None:
    """Reproduce the claims about what emerges. Trains over seeds, resumes what was begun, and writes claims.json, figures
    and index.html."""
    parser.set_defaults(run=_reproduce)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"claims (default: all): {', '.join(NAMES)}"
    )
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
        help="networks of each kind (default: 1 quick; paper 5, or 20 where networks grow on symbols)",
    )
    parser.add_argument(
        "--first-seed",
        type=int,
        default=FIRST_SEED,
        metavar="N",
        help=f"default: {FIRST_SEED}; 0-4 are for tuning",
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
    names = list(dict.fromkeys(arguments.names)) or list(NAMES)
    for name in names:
        if name not in NAMES:
            raise InputError(f"{name}: no such claim; there are {', '.join(NAMES)}")
    for flag, value, least in (
        ("seeds", 1 if arguments.seeds is None else arguments.seeds, 1),
        ("workers", arguments.workers, 1),
        ("first-seed", arguments.first_seed, 0),
    ):
        if not least <= value <= 10_000:
            raise InputError(f"--{flag}: must be from {least} to 10000, not {value}")
    seeds = {name: _seeds(name, arguments) for name in names}
    check_folder(arguments.out, new=False)
    store = results.Store(arguments.out)
    for folder in filter(None, (arguments.out, arguments.docs)):
        results.Store(
            folder
        ).entries()  # a claims.json that cannot be read is found out now, not after an hour
    root = arguments.out / "runs" / arguments.scale
    jobs = {name: lab.jobs_of(name, arguments.scale, seeds[name], root) for name in names}
    console, rows, cut_short = Console(), {name: {} for name in names}, False
    with _Watch([job for name in names for job in jobs[name]]) as watch:
        for job, found in watch.perform(arguments.workers):
            if found is None:
                cut_short = True
                continue
            rows[job.claim].setdefault(job.arm, {}).update(
                zip((c.seed for c in job.configs), found, strict=True)
            )
            if sum(map(len, rows[job.claim].values())) == sum(
                len(job.configs) for job in jobs[job.claim]
            ):
                entry = conclude(
                    job.claim, arguments.scale, seeds[job.claim], rows[job.claim], root, store
                )
                watch.say(summary(entry))
    if cut_short:
        raise KeyboardInterrupt
    store.write_page()
    if arguments.docs:
        results.write_docs(store, arguments.docs)
    passed = [entry for entry in store.entries() if entry["name"] in names and entry["passed"]]
    console.print(
        f"{len(passed)} of {len(names)} claims hold; see {arguments.out / 'index.html'}",
        highlight=False,
    )
    return 0


def _seeds(name: str, arguments: argparse.Namespace) -> list[int]:
    """The seeds of a claim: as many as asked for, or as it takes (SEEDS of its module) at this scale."""
    usual = SEEDS | getattr(claims.load(name), "SEEDS", {})
    n = usual[arguments.scale] if arguments.seeds is None else arguments.seeds
    return list(range(arguments.first_seed, arguments.first_seed + n))


def conclude(
    name: str,
    scale: str,
    seeds: list[int],
    rows: dict[str, dict[int, dict]],
    root: Path,
    store: "results.Store",
) -> dict:
    """Hold one claim against its numbers, draw its figures, and put both into the store. Returns its entry in claims.json."""
    module = claims.load(name)
    measured = {arm: [rows[arm][seed] for seed in seeds] for arm in module.arms(scale)}
    checks = module.checks(measured, scale)
    figures = module.figures(lab.runs_of(name, scale, seeds, root), measured)
    entry = {
        "name": name,
        "claim": module.CLAIM,
        "source": module.SOURCE,
        "paper": module.PAPER,
        "ours": {
            "scale": scale,
            "checks": [vars(check) for check in checks],
            "settings": results.settings(module.arms(scale), getattr(module, "AFTER", {})),
            "measured": measured,
        },
        "seeds": seeds,
        "passed": all(check.passed for check in checks),
    }
    notes = module.notes(measured, scale) if hasattr(module, "notes") else []
    store.put(entry, figures, "\n\n".join([story(module), *notes]))
    return entry


def story(module: ModuleType) -> str:
    """How a claim can be refuted: what its module says about itself, in paragraphs, without the first one."""
    return module.__doc__.partition("\n\n")[2].strip()


def summary(entry: dict) -> Table:
    """The checks of a claim as a table for the terminal."""
    hold = "holds" if entry["passed"] else "does not hold"
    seconds = sum(row["seconds"] for rows in entry["ours"]["measured"].values() for row in rows)
    table = Table(
        "",
        "what",
        "measured",
        "asked",
        title=Text(f"{entry['name']}: {hold} ({seconds:.0f} s of training)"),
        title_justify="left",
    )
    for check in entry["ours"]["checks"]:
        table.add_row(
            "yes" if check["passed"] else "NO",
            *(Text(check[key]) for key in ("what", "measured", "asked")),
        )
    return table


class _Watch:
    """Progress of all jobs: bars in a terminal, plain lines elsewhere."""

    def __init__(self, jobs: list[lab.Job]):
        self.jobs, self.console, self.bars, self.last = (
            jobs,
            Console(stderr=True),
            {},
            time.monotonic(),
        )
        self.progress = bars(self.console, disable=not self.console.is_terminal)

    def __enter__(self):
        self.progress.start()
        self.whole = self.progress.add_task("all jobs", total=len(self.jobs), now="")
        return self

    def __exit__(self, *_):
        self.progress.stop()

    def perform(self, workers: int):
        """Yield (job, rows) as they end."""
        for done, (job, rows) in enumerate(
            lab.perform_all(self.jobs, workers, self._tell), start=1
        ):
            self.progress.update(self.whole, completed=done)
            number = self.jobs.index(job)
            if number in self.bars:
                self.progress.remove_task(self.bars.pop(number))
            if not self.console.is_terminal:
                print(
                    f"{done} of {len(self.jobs)} jobs done: {job.title}",
                    file=sys.stderr,
                    flush=True,
                )
            yield job, rows

    def say(self, table: Table) -> None:
        """Print something that stays."""
        (self.progress.console if self.console.is_terminal else Console()).print(table)

    def _tell(self, number: int, step: int, steps: int, text: str) -> None:
        if self.console.is_terminal:
            if number not in self.bars:
                self.bars[number] = self.progress.add_task(
                    self.jobs[number].title, total=steps, now=""
                )
            self.progress.update(self.bars[number], completed=step, now=text)
        elif time.monotonic() - self.last >= SECONDS_BETWEEN_LINES:
            self.last = time.monotonic()
            print(
                f"{self.jobs[number].title}  step {step}/{steps}  {text}",
                file=sys.stderr,
                flush=True,
            )
