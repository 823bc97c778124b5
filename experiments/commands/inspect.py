"""`urn inspect`: what structure emerged in a run.

With evidence, in the terminal, as JSON, as figures and as a page.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from experiments.commands.inspection import N_DRAWS, Inspection
from experiments.commands.printing import print_inspection
from experiments.report import page, page_of_two
from urn import InputError, Run, load_run
from urn.io import atomic_write, to_json
from urn.outputs import check_file, check_folder
from urn.runs.folders import STRUCTURE

FIGURES = "figures"
"""Folder of the figures of a run, beside its weights."""

PAGE = "report.html"
"""Page of a run, beside its weights."""

PAIR = "report-with-{}.html"
"""Page of a run beside another one, by the name of the other's folder."""

OWN_PAGE = ""
"""What `--html` holds where no file is named after it."""

MOST_DRAWS = 1_000_000
"""By judgement: it resolves p-values of 1e-6, and takes hours."""

SEEDS = 2**32
"""One more than the largest seed that NumPy's and networkx's generators both take."""


# ---- files


def structure_of(
    inspection: Inspection, *, baseline: bool = False, n_triads: int | None = None
) -> dict:
    """What structure.json of an inspected run holds.

    Parameters
    ----------
    inspection : Inspection
    baseline : bool
        Whether to train a random mask of equal density too.
    n_triads : int, optional
        Draws from each null model of a triad census; without it, there is none.
    """
    run = inspection.run
    structure = {
        "run": str(run.folder or run.config.task),
        "task": run.config.task,
        **inspection.report.to_dict(),
        "test_accuracy": run.test_accuracy,
    }

    if inspection.report.status == "ok":
        score, cuts = inspection.lesions()
        structure["measures"] = inspection.measures()
        faithful = inspection.faithfulness()
        structure["lesions"] = {
            "score": score,
            "cuts": [lesion.to_dict() for lesion in cuts],
            "faithfulness": None if faithful is None else faithful.to_dict(),
        }
        if n_triads is not None:
            structure["triads"] = inspection.triads(n_triads)
    if baseline:
        from experiments.baselines import train_masked  # training takes its time to load

        accuracy = train_masked(run, inspection.data, inspection.seed)[1]
        structure["random_mask"] = {"test_accuracy": accuracy}
    return structure


def write_structure(inspection: Inspection, **options: Any) -> dict:
    """Write structure.json of an inspected run that lies in a folder, and return what it holds.

    Options are those of `structure_of`.
    """
    structure = structure_of(inspection, **options)
    atomic_write(_folder(inspection.run) / STRUCTURE, to_json(structure, indent=2))
    return structure


def write_report(inspection: Inspection, structure: dict) -> Path:
    """Write report.html of an inspected run, given its structure.json; returns the path."""
    path = _folder(inspection.run) / PAGE
    atomic_write(path, page(inspection, structure).encode(errors="replace"))
    return path


def write_figures(inspection: Inspection) -> Iterator[Path]:
    """Write every figure of an inspected run as PNG; the path of each."""
    from experiments.commands.figures import figures  # matplotlib takes its time to load

    for name, figure in figures(inspection):
        path = _folder(inspection.run) / FIGURES / f"{name}.png"
        atomic_write(path, partial(figure.savefig, dpi=150, format="png"))
        yield path


def _folder(run: Run) -> Path:
    if run.folder is None:
        raise InputError("run: was trained in memory; save it first")
    return run.folder


# ---- the command


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Judge the structure of a trained run. Prints the verdicts with their evidence, and writes
    structure.json."""
    parser.set_defaults(run=_inspect)
    runs = "run folder; two of them with --html are shown side by side"
    parser.add_argument("folders", type=Path, nargs="*", metavar="RUN", help=runs)
    parser.add_argument("--json", action="store_true", help="print structure.json and nothing else")
    parser.add_argument("--figures", action="store_true", help="also write figures/*.png")
    parser.add_argument(
        "--html",
        nargs="?",
        const=OWN_PAGE,
        metavar="FILE",
        help="also write a page to look around in (default: report.html in the folder; of two "
        "runs report-with-NAME.html in the first)",
    )
    parser.add_argument("--force", action="store_true", help="write over a FILE that is there")
    parser.add_argument(
        "--baseline",
        action="store_true",
        help="also train a random mask of equal density in the same manner",
    )
    parser.add_argument(
        "--triads",
        action="store_true",
        help="also count the three-neuron patterns, beside three null models",
    )
    parser.add_argument(
        "--nulls",
        type=int,
        default=N_DRAWS,
        metavar="N",
        help=f"draws from each null model (default: {N_DRAWS})",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default: 0)")


def _inspect(arguments: argparse.Namespace) -> int:
    if arguments.nulls > MOST_DRAWS:
        raise InputError(f"--nulls: must be at most {MOST_DRAWS:,}")
    if not 0 <= arguments.seed < SEEDS:
        raise InputError(f"--seed: must be from 0 to {SEEDS - 1}")

    # All that can be refused is refused before anything is computed or written.
    folders, target = _asked(arguments)
    runs = [load_run(folder) for folder in folders]
    for folder in folders:
        check_folder(folder, new=False, flag="RUN")
        if arguments.figures:
            check_folder(folder / FIGURES, new=False, flag="--figures")
    if target is not None:
        check_file(target, force=arguments.force, flag="--html")

    inspected = [_inspect_run(run, arguments) for run in runs]
    if arguments.html is not None:
        print(f"page {_write_page(inspected, target)}", file=sys.stderr)
    return 0


def _asked(arguments: argparse.Namespace) -> tuple[list[Path], Path | None]:
    """The runs, and the file that a page was asked for in; None for one in the folder of a run."""
    folders = list(arguments.folders)
    target = None if arguments.html in (None, OWN_PAGE) else Path(arguments.html)
    # `--html RUN`: what follows the flag is the run where nothing else is.
    if target is not None and not folders:
        folders = [target]
        target = None

    if not folders:
        raise InputError("RUN: name a run folder")
    if len(folders) > 2:
        raise InputError(f"RUN: one run, or two for a page of both, not {len(folders)}")
    if len(folders) == 2 and arguments.html is None:
        raise InputError("RUN: two runs are shown on a page; add --html")
    if len(folders) == 2 and arguments.json:
        raise InputError("--json: prints one run, not two")
    return folders, target


Inspected = tuple[Inspection, dict[str, Any]]
"""A run that was inspected, and what its structure.json holds."""


def _inspect_run(run: Run, arguments: argparse.Namespace) -> Inspected:
    """Inspect a run: print it, write its structure.json and, if asked for, its figures."""
    try:
        inspection = Inspection(run, arguments.nulls, arguments.seed)
    except ValueError as error:
        message = str(error).replace("n_null", "--nulls").replace("seed must", "--seed must")
        raise InputError(message) from None

    n_triads = arguments.nulls if arguments.triads else None
    structure = write_structure(inspection, baseline=arguments.baseline, n_triads=n_triads)
    if arguments.json:
        print(to_json(structure, indent=2))
    else:
        print_inspection(inspection, structure)

    if arguments.figures and inspection.report.status == "ok":
        for path in write_figures(inspection):
            print(f"figure {path}", file=sys.stderr)
    return inspection, structure


def _write_page(inspected: list[Inspected], target: Path | None) -> Path:
    """Write the page of a run, or of two; the path."""
    if target is None and len(inspected) == 1:
        return write_report(*inspected[0])

    text = page(*inspected[0]) if len(inspected) == 1 else page_of_two(*inspected)
    if target is None:
        first, second = (_folder(inspection.run) for inspection, _ in inspected)
        target = first / PAIR.format(second.resolve().name)
    atomic_write(target, text.encode(errors="replace"))
    return target
