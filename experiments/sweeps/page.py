"""The page of a sweep: all networks at once, its phase map, maps of measures, Pareto front,
importances.

The phase map is a table whose cells list their networks, each a link to its report. A table of
verdicts says how many survive the correction for how many networks were judged; those that do not
are marked in the map. Tables are written here; pictures are drawn by scripts in experiments/static,
from what `embedded` gives them.
"""

import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup
from matplotlib.colors import to_hex

from analysis import plots
from analysis.page import render
from analysis.plots.maps import Phase
from analysis.plots.style import short
from experiments.commands.inspect import PAGE, write_report, write_structure
from experiments.commands.inspection import Inspection
from experiments.sweeps.corrected import LEVEL, Corrected
from experiments.sweeps.embedded import (
    embedded,
    fields,
    map_axes,
    measures,
    number_in,
    places,
    title,
    varying,
)
from experiments.sweeps.importances import ENDS, N_DRAWS, Importance, importances
from experiments.sweeps.pictures import COST, SCORE, Pictures
from experiments.sweeps.store import Store
from urn import InputError, load_run
from urn.io import atomic_write

INDEX = "index.html"
"""The page, in the folder of the sweep."""

SCRIPTS = tuple(
    f"experiments:{name}.js" for name in ("words", "networks", "dots", "maps", "lines", "sweep")
)
"""In the order they run: a script may use what those before it define."""

DRAWN = ("phase_map", "trade_off")
"""Pictures that the page draws itself, as it does all maps: their files are links."""

MOST_OPEN = 100
"""Points that are listed at once; of more, the list is opened by who wants it. By judgement."""

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
    drawn, others = _links(store, figures)
    contents = _heading(pictures) | _map(pictures) | _importances(pictures) | _charts(pictures)
    contents |= {"level": LEVEL, "verdicts": [_verdict(verdict) for verdict in pictures.verdicts]}
    contents |= {"files": drawn, "figures": others, "data": embedded(pictures)}

    style = resources.files("experiments").joinpath("static", "sweep.css").read_text("utf-8")
    text = render(
        "sweep.html", package="experiments", scripts=SCRIPTS, style=Markup(style), **contents
    )
    atomic_write(store.folder / INDEX, text.encode(errors="replace"))
    return store.folder / INDEX


def _links(
    store: Store, figures: Sequence[Path]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(title, link) of the picture files that the page draws itself, and of all others."""
    drawn = []
    others = []
    for figure in figures:
        is_drawn = figure.stem in DRAWN or figure.stem.startswith("map_")
        link = quote(os.path.relpath(figure, store.folder))
        (drawn if is_drawn else others).append((figure.stem.replace("_", " "), link))
    return drawn, others


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
    where = places(store)
    return {
        "name": store.folder.resolve().name,
        "done": done,
        "total": store.count().total(),
        "missing": sum(not where.has_report(number) for number in _numbers(pictures)),
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
        for row in reversed(range(len(lines) if fills_grid else 0))
    ]
    return {
        "legend": _legend(pictures, Counter(phase.kind for phase in phases)),
        "n_marked": sum(phase.n_marked > 0 for phase in phases),
        "n_inferred": sum(phase.inferred for phase in phases),
        "columns": columns,
        "rows": rows,
        "cells": list(cells.values()),
        "fills_grid": fills_grid,
        "most_open": MOST_OPEN,
        "others": [networks[i] for i in everything[~pictures.shown]],
    }


def _charts(pictures: Pictures) -> dict[str, Any]:
    """What is said beside the maps and the Pareto front."""
    axes = map_axes(pictures)
    cost = pictures.measured(COST)
    on_chart = (cost > 0) & np.isfinite(pictures.measured(SCORE))
    n_off = int((~on_chart).sum())
    return {
        "map_axes": axes,
        "same": _same(pictures) if axes else [],
        "n_maps": len(varying(pictures)) if axes else 0,
        "n_on_chart": len(on_chart) - n_off,
        "n_off_chart": n_off,
        "colourings": [
            (verdict.name, verdict.name.replace("_", " ")) for verdict in pictures.verdicts
        ],
    }


def _same(pictures: Pictures) -> list[str]:
    """In words, the measures of which a map would have one colour."""
    differing = varying(pictures)
    out = []
    for name in pictures.measures:
        if name in differing:
            continue
        values = pictures.measured(name)[pictures.shown]
        known = values[np.isfinite(values)]
        if not len(known):
            out.append(f"no network has a value of {title(name)}")
        elif known.min() == known.max():
            out.append(f"{title(name)} is {short(known[0])} in every network")
        else:
            spread = f"networks from {short(known.min())} to {short(known.max())}"
            out.append(f"{title(name)} is {short(np.median(known))} at every point ({spread})")
    return out


def _importances(pictures: Pictures) -> dict[str, Any]:
    """The table of importances: its columns, and its rows by end of the measures."""
    varied = fields(pictures)
    whole = {name for name in varied if pictures.kinds[name] == "INTEGER"}
    measured = measures(pictures)
    rows = importances(varied, whole, measured) if varied else []
    by_end = [(end, [_importance(row) for row in rows if row.end == end]) for end in ENDS]
    shown = {row.measure for row in rows}
    return {
        "importance_fields": list(varied),
        "importances": [(end, listed) for end, listed in by_end if listed],
        "importance_less": [title(name) for name in measured if name not in shown],
        "n_draws": N_DRAWS,
    }


def _importance(row: Importance) -> dict[str, Any]:
    """A row of the table of importances."""
    cells = [
        {
            "text": f"{100 * share:.0f} %",
            "width": f"{100 * share:.1f}%",
            "raw": f"{raw:.3g}",
            "by_chance": bool(by_chance),
        }
        for share, raw, by_chance in zip(row.shares, row.raw, row.by_chance, strict=True)
    ]
    return {
        "measure": title(row.measure),
        "n_chosen": row.n_chosen,
        "n_known": row.n_known,
        "cells": cells,
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
    where = places(store)
    networks = []
    for i, number in enumerate(_numbers(pictures)):
        link = number_in(where.link, number)
        accuracy = columns["validation_accuracy"][i]
        networks.append(
            {
                "index": i,
                "number": number,
                "at": ", ".join(f"{name} = {short(columns[name][i])}" for name in store.axes),
                "seed": int(columns["seed"][i]),
                "kind": columns["architecture"][i],
                "accuracy": f"{accuracy:.3f}" if np.isfinite(accuracy) else "none",
                "fallen": ", ".join(fallen[i]),
                "report": link if where.has_report(number) else None,
                "command": number_in(where.command, number),
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
