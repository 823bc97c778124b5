"""What the scripts of the page of a sweep are given: a row a network, as plain values."""

import os
import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from analysis.arrays import Ints
from analysis.page.thumbnails import SHADES, SIDE
from analysis.plots.maps import FILLED
from experiments.commands.inspect import PAGE
from experiments.sweeps.columns import EFFECTS
from experiments.sweeps.corrected import LEVEL, Corrected
from experiments.sweeps.importances import points, spacing
from experiments.sweeps.measure import UNLEARNED
from experiments.sweeps.pictures import ANSWERS, LOGARITHMIC, NAMES, Pictures
from experiments.sweeps.store import Store

MEASURES = (
    "validation_accuracy",
    "loss",
    "used_connections",
    "used_neurons",
    "density",
    "depth",
    "path_depth",
    *EFFECTS.values(),
)
"""Measures that the page has of every network, beside those that are asked for."""

LEFT_OUT = ("loss", "density")
"""Of these, axes that are not drawn until they are asked for: others say the same."""
NOT_JUDGED = 0  # as in networks.js
ABSENT = 1  # as in networks.js
SURVIVES = 2  # as in networks.js
FALLEN = 3  # as in networks.js
UNTESTED = 4  # as in networks.js


def title(name: str) -> str:
    """What a measure is called on the page."""
    return NAMES.get(name, name.replace("_", " "))


def fields(pictures: Pictures) -> dict[str, np.ndarray]:
    """{name: values} of the fields that vary among the networks that are done."""
    listed = {name: pictures.columns[name] for name in pictures.store.axes}
    return {name: values for name, values in listed.items() if len(np.unique(values)) > 1}


def measures(pictures: Pictures) -> dict[str, np.ndarray]:
    """{name: values} of the measures that any network has: those of the page, and those asked for.

    NaN where a network has none.
    """
    names = dict.fromkeys((*MEASURES, *pictures.measures))
    listed = {name: pictures.measured(name) for name in names}
    return {name: values for name, values in listed.items() if np.isfinite(values).any()}


def embedded(pictures: Pictures) -> dict[str, Any]:
    """Plain values, for scripts."""
    columns = pictures.columns
    varied = fields(pictures)
    measured = measures(pictures)
    kinds = list(pictures.palette)
    return {
        "n": len(columns["number"]),
        "columns": _columns(pictures, varied, measured),
        "fields": list(varied),
        "measures": list(measured),
        "lines": [*varied, *_lines(measured)],
        "kinds": [[kind, pictures.palette[kind]] for kind in kinds],
        "kind": [kinds.index(kind) for kind in columns["architecture"].tolist()],
        "at_chance": (columns["architecture"] == UNLEARNED).astype(int).tolist(),
        "verdicts": [_verdict(verdict) for verdict in pictures.verdicts],
        "number": columns["number"].astype(int).tolist(),
        "seed": columns["seed"].astype(int).tolist(),
        "summary": columns["summary"].tolist(),
        "point": pictures.points.tolist(),
        "level": f"{LEVEL:g}",
        "map": _map(pictures),
        "front": pictures.front.tolist(),
        "thumbnails": pictures.thumbnails,
        "side": SIDE,
        "shades": SHADES,
        **_files(pictures),
    }


def _lines(measured: dict[str, np.ndarray]) -> list[str]:
    """Measures that have an axis from the first: those that vary, and say what others do not."""
    varies = {name: len(np.unique(x[np.isfinite(x)])) > 1 for name, x in measured.items()}
    return [name for name in measured if varies[name] and name not in LEFT_OUT]


def _columns(
    pictures: Pictures, varied: dict[str, np.ndarray], measured: dict[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Every column with its title, how it is spaced, and its values; None where there is none."""
    out = {}
    for name, values in (varied | measured).items():
        how = spacing(values)
        # A measure is logarithmic only where it is in the pictures too.
        if name not in varied and not (how == "log" and name in (*LOGARITHMIC, "loss")):
            how = "linear"
        out[name] = {
            "title": name if name in varied else title(name),
            "spacing": how,
            "whole": pictures.kinds[name] == "INTEGER",
            "answers": name in ANSWERS,
            "values": _plain(values),
        }
    return out


def _verdict(verdict: Corrected) -> dict[str, Any]:
    """Whether each network has a verdict and keeps it, and its q."""
    state = np.where(verdict.judged, ABSENT, NOT_JUDGED)
    state[verdict.present] = SURVIVES
    state[verdict.fallen] = FALLEN
    state[verdict.untested] = UNTESTED
    return {
        "name": verdict.name,
        "title": verdict.name.replace("_", " "),
        "effect": EFFECTS[verdict.name],
        "state": state.tolist(),
        "q": _plain(verdict.q),
    }


def _map(pictures: Pictures) -> dict[str, Any]:
    """The networks of the maps, the fields on their axes, and which measures they are of.

    Inferred points have their place on the axes too: a row of which nothing was trained stays.
    """
    names = map_axes(pictures)
    x, y, *_ = pictures.entries()
    places = {pictures.x: x, pictures.y: y}
    axes = [places[name] for name in names]
    levels = [np.unique(values) for values in axes]
    n_cells = np.prod([len(values) for values in levels])
    n_points = len(np.unique(points(axes))) if axes else 1
    return {
        "axes": names,
        "levels": [_plain(values) for values in levels],
        "networks": np.flatnonzero(pictures.shown).tolist(),
        "is_grid": bool(n_points >= FILLED * n_cells),
        "measures": list(varying(pictures)),
    }


def map_axes(pictures: Pictures) -> list[str]:
    """The fields on the axes of maps that vary: two, or one, or none."""
    return [name for name in (pictures.x, pictures.y) if name in fields(pictures)]


def varying(pictures: Pictures) -> dict[str, np.ndarray]:
    """{name: values} of the measures asked for that differ over the map, or over its one field.

    Values are of the networks shown. A point of a map has the colour of the median of its networks:
    where all medians are the same, the map would have one colour.
    """
    axes = [pictures.of(name) for name in map_axes(pictures)]
    listed = {name: pictures.measured(name)[pictures.shown] for name in pictures.measures}
    if len(axes) == 2:
        at = points(axes)
        return {name: values for name, values in listed.items() if len(_medians(values, at)) > 1}
    return {name: x for name, x in listed.items() if len(np.unique(x[np.isfinite(x)])) > 1}


def _medians(values: np.ndarray, at: Ints) -> np.ndarray:
    """The distinct medians of the values of each point, points without any left out."""
    known = np.isfinite(values)
    order = np.lexsort((values[known], at[known]))
    ordered = values[known][order]
    _, start, n = np.unique(at[known][order], return_index=True, return_counts=True)
    return np.unique((ordered[start + (n - 1) // 2] + ordered[start + n // 2]) / 2)


@dataclass(frozen=True)
class Places:
    """Where the runs and the reports of networks are: texts around their numbers."""

    command: tuple[str, ...]
    link: tuple[str, ...]
    path: tuple[str, ...]

    def has_report(self, number: int) -> bool:
        """Whether a network has a report."""
        return os.path.isfile(number_in(self.path, number))


def places(store: Store) -> Places:
    """Where the runs and the reports of the networks of a store are."""
    folder = store.run_folder(0)
    command = f"urn inspect {shlex.quote(str(folder))} --html"
    link = quote((folder / PAGE).relative_to(store.folder).as_posix())
    texts = (command, link, str(folder / PAGE))
    return Places(*(tuple(text.rsplit(folder.name, 1)) for text in texts))


def number_in(around: tuple[str, ...], number: int) -> str:
    """A text of `Places` for one network."""
    return f"{number:06d}".join(around)


def _files(pictures: Pictures) -> dict[str, Any]:
    """Where runs and reports are, for scripts."""
    where = places(pictures.store)
    numbers = pictures.columns["number"].astype(int).tolist()
    has_report = [int(where.has_report(number)) for number in numbers]
    return {"command": where.command, "link": where.link, "has_report": has_report}


def _plain(values: np.ndarray) -> list[Any]:
    """Words as they are, numbers to six digits, None for NaN."""
    if values.dtype.kind not in "fiu":
        return values.tolist()
    return [float(f"{x:.6g}") if np.isfinite(x) else None for x in values.tolist()]
