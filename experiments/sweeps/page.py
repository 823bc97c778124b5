"""The page of a sweep: its phase map as a table whose cells list their networks, each a link to its report."""

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
from analysis.plots.style import short
from experiments.commands.inspect import PAGE, Inspection, write_report, write_structure
from experiments.sweeps.pictures import Pictures
from experiments.sweeps.store import Store
from urn import InputError, load_run
from urn.runs.folders import RunFolder

INDEX = "index.html"
DARK = 0.179
"""Relative luminance (WCAG 2.2) below which white has more contrast than black."""


def write_page(pictures: Pictures, figures: Sequence[Path]) -> Path:
    """Write index.html into the folder of the sweep, with links to the reports that are there; returns its path."""
    store = pictures.store
    links = [
        (figure.stem.replace("_", " "), quote(os.path.relpath(figure, store.folder)))
        for figure in figures
    ]
    text = render("sweep.html", package="experiments", **_contents(pictures), figures=links)
    RunFolder(store.folder).write(INDEX, text.encode(errors="replace"))
    return store.folder / INDEX


def write_reports(store: Store, interrupted: Callable[[], bool]) -> Iterator[tuple[int, int, Path]]:
    """Write the reports that are missing, as `urn inspect RUN --html` does; (how many so far, of how many, path) after each.

    Raises InputError for a run that cannot be read, once all others have theirs.
    """
    broken = None
    missing = [
        folder
        for (number,) in store.rows(["number"])
        if not ((folder := store.run_folder(number)) / PAGE).is_file()
    ]
    for k, folder in enumerate(missing, 1):
        if interrupted():
            return
        try:
            seen = Inspection(load_run(folder))
        except InputError as error:
            broken = broken or error
            continue
        yield k, len(missing), write_report(seen, write_structure(seen))
    if broken:
        raise broken


def _contents(pictures: Pictures) -> dict:
    """What the template shows, all but the figures."""
    store, everything = pictures.store, np.arange(len(pictures.shown))
    networks = _networks(pictures)
    shown = everything[pictures.shown]
    x, y = (
        pictures.of(name) if name else np.zeros(len(shown)) for name in (pictures.x, pictures.y)
    )
    xs, ys, phases, fills_grid = plots.phases(x, y, pictures.of("architecture"), pictures.palette)
    cells = [
        {
            "x": short(xs[phase.column]) if pictures.x else "",
            "y": short(ys[phase.row]) if pictures.y else "",
            "kind": phase.kind,
            "of_kind": round(phase.share * len(phase.networks)),
            "accuracy": _median(pictures.of("validation_accuracy")[phase.networks]),
            "colour": to_hex(phase.colour),
            "ink": _ink(phase.colour),
            "networks": [networks[i] for i in shown[phase.networks]],
        }
        for phase in phases
    ]
    at = {(phase.row, phase.column): cell for phase, cell in zip(phases, cells, strict=True)}
    dominating = Counter(phase.kind for phase in phases)
    return {
        "name": store.folder.resolve().name,
        "done": len(networks),
        "total": store.count().total(),
        "missing": sum(network["report"] is None for network in networks),
        "folder": shlex.quote(str(store.folder)),
        "x_label": pictures.x,
        "y_label": pictures.y,
        "where": pictures.where,
        "legend": [
            (kind, colour, dominating[kind])
            for kind, colour in pictures.palette.items()
            if kind in dominating
        ],
        "columns": [short(value) if pictures.x else "" for value in xs],
        "rows": [
            (
                short(ys[row]) if pictures.y else "",
                [at.get((row, column)) for column in range(len(xs))],
            )
            for row in reversed(range(len(ys)))
        ],
        "cells": cells,
        "fills_grid": fills_grid,
        "others": [networks[i] for i in everything[~pictures.shown]],
    }


def _networks(pictures: Pictures) -> list[dict]:
    """Every network of the sweep: where it lies, what it is, and where its report is, if there is one."""
    columns, store = pictures.columns, pictures.store
    found = []
    for i, number in enumerate(columns["number"].astype(int).tolist()):
        report = store.run_folder(number) / PAGE
        found.append(
            {
                "number": number,
                "at": ", ".join(f"{name} = {short(columns[name][i])}" for name in store.axes),
                "seed": int(columns["seed"][i]),
                "kind": columns["architecture"][i],
                "accuracy": _median(columns["validation_accuracy"][i : i + 1]),
                "report": quote(report.relative_to(store.folder).as_posix())
                if report.is_file()
                else None,
                "command": f"urn inspect {shlex.quote(str(report.parent))} --html",
            }
        )
    return found


def _median(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{np.median(known):.3f}" if len(known) else "none"


def _ink(colour: np.ndarray) -> str:
    """Black or white, whichever is easier to read on a colour (3,)."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return "#ffffff" if linear @ (0.2126, 0.7152, 0.0722) < DARK else "#000000"
