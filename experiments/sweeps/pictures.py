"""`urn sweep plot`: the pictures of a sweep. Chooses what to draw; `analysis.plots` draws it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from analysis import plots
from analysis.plots.style import short
from experiments.sweeps.columns import EFFECTS
from experiments.sweeps.measure import UNLEARNED
from experiments.sweeps.store import Store
from urn import InputError, Run, load_run

MEASURES = (
    "validation_accuracy",
    "used_connections",
    "used_neurons",
    "depth",
    "reuse_share",
    "skip_share",
)
"""What heat maps are drawn of unless asked otherwise."""
ANSWERS = ("validation_accuracy", "test_accuracy", "loss")
"""Measures of what a network answers, not of what it looks like."""
FIGURES = "figures"
LOGARITHMIC = ("used_connections", "connections", "used_neurons", "living_neurons")
PANELS = 6
NAMES = {
    "validation_accuracy": "validation accuracy",
    "path_depth": "nonlinear nodes on a path",
    **{name: name.replace("_", " ") for name in (*EFFECTS.values(), *LOGARITHMIC)},
}


@dataclass(frozen=True)
class Wanted:
    """What to draw: the fields on the axes (None: the first two that vary), where the other fields are held, measures of the
    heat maps, the two of the plane, and points whose training to show."""

    x: str | None = None
    y: str | None = None
    at: dict[str, str] | None = None
    measures: Sequence[str] = MEASURES
    plane: tuple[str, str] = ("path_depth", "reuse_share")
    points: Sequence[int] = ()


class Pictures:
    """The networks of a sweep that are done, as columns, and the figures made of them."""

    def __init__(self, store: Store, wanted: Wanted):
        self.store, self.wanted = store, wanted
        self.kinds = store.columns()
        rows = store.rows(self.kinds)
        if not rows:
            raise InputError(f"{store.folder}: no point is done yet")
        self.columns = {
            name: _column(values, self.kinds[name])
            for name, values in zip(self.kinds, zip(*rows, strict=True), strict=True)
        }
        self.palette = plots.colours(self.columns["architecture"].tolist())
        self.x, self.y = self._axes()
        for name in (*wanted.measures, *wanted.plane):
            if self.kinds.get(name) not in ("REAL", "INTEGER"):
                numbers = ", ".join(name for name, kind in self.kinds.items() if kind != "TEXT")
                raise InputError(f"{name}: no measure of this sweep; there are {numbers}")
        self.shown, self.where = self._slice()
        for number in wanted.points:
            self._formed(number)  # before anything is written

    def all(self) -> Iterator[tuple[str, Figure]]:
        """(name, figure) of everything that can be drawn."""
        if self.y:
            yield "phase_map", self.phase_map()
            for name in self.wanted.measures:
                if np.isfinite(self._measured(name)).any():
                    yield f"map_{name}", self.heat_map(name)
        elif self.x and (figure := self.dial()):
            yield "dial", figure
        if (
            np.isfinite(self.columns["validation_accuracy"])
            & (self.columns["used_connections"] > 0)
        ).any():
            yield "trade_off", self.trade_off()
        if (
            np.isfinite([self._structural(name, self.columns) for name in self.wanted.plane])
            .all(0)
            .any()
        ):
            yield "plane", self.plane()
        if self.x and (figure := self.matrices()):
            yield "matrices", figure
        for number in self.wanted.points:
            yield f"training_{number:06d}", self.training(number)

    def write(self, folder: Path) -> Iterator[Path]:
        """Write every picture as PNG; the path of each. In the sweep's own folder, pictures of another choice go."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("*.png") if folder == self.store.folder / FIGURES else ():
                old.unlink()
            for name, figure in self.all():
                figure.savefig(folder / f"{name}.png", dpi=150)
                yield folder / f"{name}.png"
        except OSError as error:
            raise InputError(
                f"{error.filename or folder}: cannot be written ({error.strerror})"
            ) from None

    def of(self, name: str) -> np.ndarray:
        """A column of the networks shown in maps."""
        return self.columns[name][self.shown]

    def _measured(self, name: str) -> np.ndarray:
        """A measure of the networks shown in maps; NaN for those that are none, whose accuracy would drown the others'."""
        return self._structural(name, self.columns)[self.shown]

    @staticmethod
    def _structural(name: str, columns: dict[str, np.ndarray]) -> np.ndarray:
        """A column, NaN for networks that are none; what a network at chance looks like says nothing, how it answers does."""
        known = columns["status"] == "ok"
        if name not in ANSWERS:
            known &= columns["architecture"] != UNLEARNED
        return np.where(known, columns[name], np.nan)

    def _axes(self) -> tuple[str | None, str | None]:
        free = [name for name in self.store.axes if name not in (self.wanted.x, self.wanted.y)]
        for name in (self.wanted.x, self.wanted.y, *(self.wanted.at or ())):
            if name is not None and name not in self.store.axes:
                raise InputError(
                    f"{name}: does not vary in this sweep; {', '.join(self.store.axes) or 'nothing'} does"
                )
        if self.wanted.x is not None and self.wanted.x == self.wanted.y:
            raise InputError(f"--y {self.wanted.y}: is on the horizontal axis already")
        for name in self.wanted.at or ():
            if name in (self.wanted.x, self.wanted.y):
                raise InputError(f"--at {name}: is on an axis already")
        free = [name for name in free if name not in (self.wanted.at or ())] or free
        x = self.wanted.x or (free.pop(0) if free else None)
        return x, self.wanted.y or (free.pop(0) if free else None)

    def _slice(self) -> tuple[np.ndarray, str]:
        """Which networks the maps show, and in words where the fields are held that are on no axis.

        On a grid every other field is held, at its middle value unless told otherwise; samples are shown all together.
        """
        shown, words = np.ones(len(self.columns["seed"]), dtype=bool), []
        held = {name: self._held(name, text) for name, text in (self.wanted.at or {}).items()}
        others = [name for name in self.store.axes if name not in (self.x, self.y)]
        levels = {name: np.unique(self.columns[name]) for name in self.store.axes}
        settings = len(
            set(zip(*(self.columns[name].tolist() for name in self.store.axes), strict=True))
        )
        if others and 2 * settings > np.prod([len(values) for values in levels.values()]):
            held = {name: levels[name][(len(levels[name]) - 1) // 2] for name in others} | held
        for name, value in held.items():
            shown &= self.columns[name] == value
            words.append(f"{name} = {short(value)}")
        if not shown.any():
            raise InputError(f"no point is done at {', '.join(words)}")
        return shown, ", ".join(words)

    def _held(self, name: str, text: str) -> object:
        levels = np.unique(self.columns[name])
        try:
            value = float(text) if self.kinds[name] != "TEXT" else text
        except ValueError:
            value = None
        found = [level for level in levels.tolist() if level == value]
        if not found:
            raise InputError(
                f"--at {name}={text}: no such value in this sweep; there are {', '.join(map(str, levels.tolist()[:12]))}"
            )
        return found[0]

    # ---- figures

    def phase_map(self) -> Figure:
        """The dominating architecture over two fields."""
        return plots.phase_map(
            self.of(self.x),
            self.of(self.y),
            self.of("architecture"),
            **self._names(),
            palette=self.palette,
        )

    def heat_map(self, name: str) -> Figure:
        """One measure over two fields."""
        names = self._names() | {"name": NAMES.get(name, name), "logarithmic": name in LOGARITHMIC}
        return plots.heat_map(self.of(self.x), self.of(self.y), self._measured(name), **names)

    def dial(self) -> Figure | None:
        """Measures along the one field that varies; None where every network is none."""
        levels = np.unique(self.of(self.x))
        measures = {}
        for name in self.wanted.measures:
            seeds = [self._measured(name)[self.of(self.x) == level] for level in levels]
            table = np.full((len(levels), max(map(len, seeds))), np.nan)
            for row, values in zip(table, seeds, strict=True):
                row[: len(values)] = values
            measures[NAMES.get(name, name)] = table
        known = np.all([np.isfinite(table).any(1) for table in measures.values()], axis=0)
        if not known.any():
            return None
        return plots.dial(
            levels[known], {name: table[known] for name, table in measures.items()}, label=self.x
        )

    def trade_off(self) -> Figure:
        """Validation accuracy against connections in use, of the whole sweep."""
        return plots.trade_off(
            self.columns["used_connections"],
            self.columns["validation_accuracy"],
            self.columns["architecture"],
            cost_label="connections used",
            score_label=NAMES["validation_accuracy"],
            palette=self.palette,
        )

    def plane(self) -> Figure:
        """Two measures of structure against each other, accuracy as colour, of the whole sweep."""
        x, y = self.wanted.plane
        return plots.measure_plane(
            self._structural(x, self.columns),
            self._structural(y, self.columns),
            self.columns["validation_accuracy"],
            x_label=NAMES.get(x, x),
            y_label=NAMES.get(y, y),
            name=NAMES["validation_accuracy"],
        )

    def matrices(self) -> Figure | None:
        """|W| along x, of the first seed, at the middle of y; None where no network has a structure to sort it by."""
        ok = (
            self.shown
            & (self.columns["status"] == "ok")
            & (self.columns["seed"] == self.columns["seed"].min())
        )
        if self.y and ok.any():
            levels = np.unique(self.columns[self.y][ok])
            ok &= self.columns[self.y] == levels[(len(levels) - 1) // 2]
        numbers = self.columns["number"][ok][
            np.argsort(self.columns[self.x][ok], kind="stable")
        ].astype(int)
        chosen = np.unique(
            np.round(np.linspace(0, len(numbers) - 1, min(PANELS, len(numbers)))).astype(int)
        )
        panels, sizes = [], {}
        for number in numbers[chosen].tolist():
            layers = self.store.layers(number)
            if layers:
                run = load_run(self.store.run_folder(number))
                at = int(np.flatnonzero(self.columns["number"] == number)[0])
                title = f"{self.x} = {short(self.columns[self.x][at])}: {self.columns['architecture'][at]}"
                panels.append((title, run.weights.numpy(), layers))
                sizes = sizes or _sizes(run)
        return plots.sorted_matrices(panels, **sizes, columns=3) if panels else None

    def training(self, number: int) -> Figure:
        """How the structure of one point formed."""
        run, layers = self._formed(number)
        moments = [(moment.step, moment.weights.numpy()) for moment in run.snapshots]
        return plots.structure_over_training(
            moments, layers, **_sizes(run), title=f"point {number}"
        )

    def _formed(self, number: int) -> tuple[Run, dict[int, int]]:
        """A point whose structure can be watched forming, and its layers."""
        if number not in self.columns["number"]:
            raise InputError(f"--point {number}: not done, or not in this sweep")
        run, layers = load_run(self.store.run_folder(number)), self.store.layers(number)
        if not layers or len(run.snapshots) < 2:
            raise InputError(f"--point {number}: has no structure or fewer than two snapshots")
        return run, layers

    def _names(self) -> dict[str, str | None]:
        return {
            "x_label": self.x,
            "y_label": self.y,
            "title": f"at {self.where}" if self.where else None,
        }


def _sizes(run: Run) -> dict[str, int]:
    return {"n_inputs": run.n_inputs, "n_outputs": run.n_outputs}


def _column(values: tuple, kind: str) -> np.ndarray:
    """Numbers as floats, NaN where there is none; text as text."""
    if kind == "TEXT":
        return np.array(["" if value is None else value for value in values])
    return np.array([np.nan if value is None else value for value in values], dtype=float)
