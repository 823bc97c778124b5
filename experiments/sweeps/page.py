"""The page of a sweep: its phase map as a table whose cells list their networks.

Each network is a link to its report. A table of verdicts says how many survive the correction for
how many networks were judged; those that do not are marked in the map.
"""

import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from matplotlib.colors import to_hex

from analysis import plots
from analysis.page import render
from analysis.plots.maps import Phase
from analysis.plots.style import short
from experiments.commands.inspect import PAGE, Inspection, write_report, write_structure
from experiments.sweeps.corrected import LEVEL, Corrected
from experiments.sweeps.pictures import Pictures
from experiments.sweeps.store import Store
from urn import InputError, load_run
from urn.io import atomic_write

INDEX = "index.html"
"""The page, in the folder of the sweep."""

DARK = 0.179
"""Relative luminance (WCAG 2.2) below which white has more contrast than black."""

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Shares of red, green and blue in relative luminance (WCAG 2.2)."""


def write_page(pictures: Pictures, figures: Sequence[Path]) -> Path:
    """Write index.html into the folder of the sweep, with links to the reports that are there.

    Parameters
    ----------
    pictures : Pictures
        What the maps show.
    figures : sequence of path
        Images to show.

    Returns
    -------
    path
        Of the page.
    """
    store = pictures.store
    links = [
        (figure.stem.replace("_", " "), quote(os.path.relpath(figure, store.folder)))
        for figure in figures
    ]
    contents = _heading(pictures) | _map(pictures)
    contents |= {"level": LEVEL, "verdicts": [_verdict(verdict) for verdict in pictures.verdicts]}
    text = render("sweep.html", package="experiments", **contents, figures=links)
    atomic_write(store.folder / INDEX, text.encode(errors="replace"))
    return store.folder / INDEX


def write_reports(store: Store, interrupted: Callable[[], bool]) -> Iterator[tuple[int, int, Path]]:
    """Write the reports that are missing, as `urn inspect RUN --html` does.

    Yields
    ------
    k, n, path : int, int, path
        How many so far, of how many, and the report, after each.

    Raises
    ------
    InputError
        For a run that cannot be read, once all others have theirs.
    """
    broken = None
    folders = [store.run_folder(number) for (number,) in store.rows(["number"])]
    missing = [folder for folder in folders if not (folder / PAGE).is_file()]

    for k, folder in enumerate(missing, 1):
        if interrupted():
            return
        try:
            inspection = Inspection(load_run(folder))
        except InputError as error:
            broken = broken or error
            continue
        yield k, len(missing), write_report(inspection, write_structure(inspection))

    if broken:
        raise broken


def _heading(pictures: Pictures) -> dict:
    """What the template shows above and beside the map."""
    store = pictures.store
    done = len(pictures.shown)
    reports = [store.run_folder(number) / PAGE for number in _numbers(pictures)]
    return {
        "name": store.folder.resolve().name,
        "done": done,
        "total": store.count().total(),
        "missing": sum(not report.is_file() for report in reports),
        "folder": shlex.quote(str(store.folder)),
        "x_label": pictures.x,
        "y_label": pictures.y,
        "where": pictures.where,
    }


def _map(pictures: Pictures) -> dict:
    """The phase map: its cells, its rows and columns, its legend, and what is off it."""
    everything = np.arange(len(pictures.shown))
    shown = everything[pictures.shown]
    x, y, kinds, marked, inferred = pictures.entries()
    xs, ys, phases, fills_grid = plots.phases(x, y, kinds, pictures.palette, marked, inferred)
    columns = [short(value) if pictures.x else "" for value in xs]
    lines = [short(value) if pictures.y else "" for value in ys]

    networks = _networks(pictures)
    cells = {}
    for phase in phases:
        here = [] if phase.inferred else [networks[i] for i in shown[phase.networks]]
        cell = _cell(phase, pictures, here)
        cells[phase.row, phase.column] = {"x": columns[phase.column], "y": lines[phase.row]} | cell

    rows = [
        (lines[row], [cells.get((row, column)) for column in range(len(columns))])
        for row in reversed(range(len(lines)))
    ]
    return {
        "legend": _legend(pictures, Counter(phase.kind for phase in phases)),
        "n_marked": sum(phase.n_marked > 0 for phase in phases),
        "n_inferred": sum(phase.inferred for phase in phases),
        "columns": columns,
        "rows": rows,
        "cells": list(cells.values()),
        "fills_grid": fills_grid,
        "others": [networks[i] for i in everything[~pictures.shown]],
    }


def _cell(phase: Phase, pictures: Pictures, networks: list[dict]) -> dict:
    """One cell of the map."""
    accuracy = pictures.of("validation_accuracy")
    return {
        "kind": phase.kind,
        "of_kind": round(phase.share * len(phase.networks)),
        "n_marked": phase.n_marked,
        "accuracy": _median(np.array([]) if phase.inferred else accuracy[phase.networks]),
        "colour": to_hex(phase.colour),
        "ink": _ink(phase.colour),
        "networks": networks,
        "inferred": phase.inferred,
    }


def _verdict(verdict: Corrected) -> dict:
    """A row of the table of verdicts."""
    return {
        "name": verdict.name.replace("_", " "),
        "present": int(verdict.present.sum()),
        "judged": int(verdict.judged.sum()),
        "n_tested": int(np.isfinite(verdict.p).sum()),
        "survives": int(verdict.survives.sum()),
        "fallen": int(verdict.fallen.sum()),
        "untested": int(verdict.untested.sum()),
        "out_of_reach": verdict.out_of_reach,
        "least_p": f"{verdict.least_p:.3g}",
        "n_needed": verdict.n_needed,
    }


def _legend(pictures: Pictures, dominating: Counter[str]) -> list[tuple]:
    """(architecture, colour, how many cells it dominates)."""
    return [
        (kind, colour, dominating[kind])
        for kind, colour in pictures.palette.items()
        if kind in dominating
    ]


def _numbers(pictures: Pictures) -> list[int]:
    """The numbers of all points that are done."""
    return pictures.columns["number"].astype(int).tolist()


def _networks(pictures: Pictures) -> list[dict]:
    """Every network of the sweep: its folder, its kind, and its report, if there is one."""
    columns = pictures.columns
    store = pictures.store
    fallen = _fallen(pictures)
    networks = []
    for i, number in enumerate(_numbers(pictures)):
        report = store.run_folder(number) / PAGE
        link = quote(report.relative_to(store.folder).as_posix())
        networks.append(
            {
                "number": number,
                "at": ", ".join(f"{name} = {short(columns[name][i])}" for name in store.axes),
                "seed": int(columns["seed"][i]),
                "kind": columns["architecture"][i],
                "accuracy": _median(columns["validation_accuracy"][i : i + 1]),
                "fallen": ", ".join(fallen[i]),
                "report": link if report.is_file() else None,
                "command": f"urn inspect {shlex.quote(str(report.parent))} --html",
            }
        )
    return networks


def _fallen(pictures: Pictures) -> list[list[str]]:
    """Of every network, in words, the verdicts that fall to the correction, each with its q."""
    out: list[list[str]] = [[] for _ in pictures.fallen]
    for verdict in pictures.verdicts:
        for i in np.flatnonzero(verdict.fallen):
            out[i].append(f"{verdict.name.replace('_', ' ')}: q = {verdict.q[i]:.2g}")
    return out


def _median(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{np.median(known):.3f}" if len(known) else "none"


def _ink(colour: np.ndarray) -> str:
    """Black or white, whichever is easier to read on a colour (3,)."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return "#ffffff" if linear @ LUMINANCE < DARK else "#000000"
