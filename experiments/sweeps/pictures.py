"""`urn sweep plot`: the pictures of a sweep. Chooses what to draw; `analysis.plots` draws it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis import plots
from analysis.arrays import Bools, Ints
from analysis.plots.style import short
from experiments.sweeps.borders import inferred_rows
from experiments.sweeps.columns import EFFECTS
from experiments.sweeps.corrected import LEVEL, corrected, fallen, read_table
from experiments.sweeps.importances import points
from experiments.sweeps.measure import UNLEARNED
from experiments.sweeps.store import Store
from experiments.sweeps.thumbnails import in_turn, thumbnails
from urn import InputError, Run, load_run
from urn.io import atomic_write

MEASURES = (
    "validation_accuracy",
    "used_connections",
    "used_neurons",
    "depth",
    "reuse_share",
    "skip_share",
)
"""What heat maps are drawn of unless asked otherwise."""

PLANE = ("path_depth", "reuse_share")
"""Measures of the structure plane unless asked otherwise."""

ANSWERS = ("validation_accuracy", "test_accuracy", "loss")
"""Measures of how a network answers, not of its shape."""

COST = "used_connections"
"""What a network pays for its accuracy on the Pareto front."""

SCORE = "validation_accuracy"
"""What it is to be good at."""

FIGURES = "figures"
"""Folder of the pictures, in that of the sweep."""

LOGARITHMIC = ("used_connections", "connections", "used_neurons", "living_neurons")
"""Measures that span decades."""

PANELS = 6
"""Matrices in one picture, at most. By judgement: two rows of three can still be read."""

MOST_NAMED = 12
"""Values that a message lists, at most."""

NAMES = {
    "validation_accuracy": "validation accuracy",
    "path_depth": "nonlinear nodes on a path",
    **{name: name.replace("_", " ") for name in (*EFFECTS.values(), *LOGARITHMIC)},
}
"""What measures are called in pictures; others by their column."""


@dataclass(frozen=True)
class Choice:
    """What to draw.

    Attributes
    ----------
    x, y : str or None
        The fields on the axes; None: the first two that vary.
    at : dict
        Values at which other fields are held.
    measures : sequence of str, or None
        Columns of the heat maps; None: MEASURES.
    plane : pair of str, or None
        Columns of the structure plane; None: PLANE.
    points : sequence of int
        Points whose training to show.
    """

    x: str | None = None
    y: str | None = None
    at: dict[str, str] = field(default_factory=dict)
    measures: Sequence[str] | None = None
    plane: Sequence[str] | None = None
    points: Sequence[int] = ()


class Pictures:
    """The networks of a sweep that are done, as columns, and the figures made of them.

    Parameters
    ----------
    store : Store
        An open store.
    choice : Choice
        What to draw.

    Attributes
    ----------
    columns : dict
        Arrays with an entry a network, by name; those of q too.
    palette : dict
        Colours of architectures.
    verdicts : list of Corrected
        Every verdict over these networks.
    inferred : list of dict
        Rows of the points that a search for borders left out.
    fallen : boolean array
        Networks whose architecture is named after a verdict that falls to the correction.
    x, y : str or None
        The fields on the axes of maps.
    shown : boolean array
        Which networks the maps show.
    where : str
        In words, at which values other fields are held.
    """

    def __init__(self, store: Store, choice: Choice) -> None:
        self.store = store
        self.choice = choice
        self.measures = tuple(choice.measures or MEASURES)
        self.plane_measures = tuple(choice.plane or PLANE)

        self.kinds, table = read_table(store)
        if not table["number"]:
            raise InputError(f"{store.folder}: no point is done yet")
        self.columns = {name: _column(values, self.kinds[name]) for name, values in table.items()}
        self.palette = plots.colours(self.columns["architecture"].tolist())
        self.verdicts = corrected(self.columns)
        self.fallen = fallen(self.verdicts, self.columns["architecture"])
        self.inferred = inferred_rows(store)

        # All that can be wrong is found here, before anything is written.
        self.x, self.y = self._axes()
        self._check_measures()
        self.shown, self.where = self._slice()
        for number in choice.points:
            self._formed(number)

    def _check_measures(self) -> None:
        for name in (*self.measures, *self.plane_measures):
            if self.kinds.get(name) not in ("REAL", "INTEGER"):
                numbers = ", ".join(name for name, kind in self.kinds.items() if kind != "TEXT")
                raise InputError(f"{name}: no measure of this sweep; there are {numbers}")

    @cached_property
    def points(self) -> Ints:
        """(n,) the point of each network, from 0: those of a point differ in the seed only."""
        columns = [self.columns[name] for name in self.store.axes]
        return points(columns or [np.zeros(len(self.shown))])

    @cached_property
    def front(self) -> Ints:
        """Networks that no other beats in accuracy and connections used, by rising connections."""
        cost = self.measured(COST)
        return plots.pareto_front(np.where(cost > 0, cost, np.nan), self.measured(SCORE))

    @cached_property
    def thumbnails(self) -> dict[int, dict[str, Any]]:
        """{index: picture of W} of networks, those of the front before all others."""
        order = in_turn(self.points, self.front)
        order = order[np.isfinite(self.columns[COST][order])]  # the others have no structure
        numbers = self.columns["number"].astype(int)
        index = {int(number): k for k, number in enumerate(numbers)}
        pictured = thumbnails(self.store, numbers[order].tolist())
        return {index[number]: picture for number, picture in pictured.items()}

    def all(self) -> Iterator[tuple[str, Figure]]:
        """(name, figure) of everything that can be drawn."""
        if self.y:
            yield "phase_map", self.phase_map()
            for name in self.measures:
                if np.isfinite(self.measured(name)[self.shown]).any():
                    yield f"map_{name}", self.heat_map(name)
        elif self.x and (figure := self.dial()):
            yield "dial", figure

        scored = np.isfinite(self.columns["validation_accuracy"])
        if (scored & (self.measured("used_connections") > 0)).any():
            yield "trade_off", self.trade_off()
        plane = [self.measured(name) for name in self.plane_measures]
        if np.isfinite(plane).all(0).any():
            yield "plane", self.plane()

        if self.x and (figure := self.matrices()):
            yield "matrices", figure
        for number in self.choice.points:
            yield f"training_{number:06d}", self.training(number)

    def write(self, folder: Path) -> Iterator[Path]:
        """Write every picture as PNG; the path of each.

        In the sweep's own folder, pictures of another choice go.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("*.png") if folder == self.store.folder / FIGURES else ():
                old.unlink()
        except OSError as error:
            raise InputError(
                f"{error.filename or folder}: cannot be written ({error.strerror})"
            ) from None

        for name, figure in self.all():
            path = folder / f"{name}.png"
            atomic_write(path, partial(_save, figure))
            yield path

    def of(self, name: str) -> np.ndarray:
        """A column of the networks shown in maps."""
        return self.columns[name][self.shown]

    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, Bools, Bools]:
        """What `plots.phases` takes, the networks shown first, then the inferred points.

        Returns
        -------
        x, y, kinds, marked, inferred
            An entry each: its place, its architecture, whether that rests on a verdict that falls
            to the correction, and whether it is an inferred point.
        """
        columns = []
        for name in (self.x, self.y, "architecture"):
            shown = self.of(name) if name else np.zeros(self.shown.sum())
            left_out = [row[name] if name else 0.0 for row in self.inferred]
            columns.append(np.concatenate([shown, np.array(left_out, shown.dtype)]))

        marked = np.append(self.fallen[self.shown], np.zeros(len(self.inferred), dtype=bool))
        inferred = np.arange(len(marked)) >= self.shown.sum()
        return columns[0], columns[1], columns[2], marked, inferred

    def measured(self, name: str) -> np.ndarray:
        """A measure of all networks, NaN for those that are none.

        The shape of a network at chance says nothing, how it answers does.
        """
        known = self.columns["status"] == "ok"
        if name not in ANSWERS:
            known &= self.columns["architecture"] != UNLEARNED
        return np.where(known, self.columns[name], np.nan)

    def _axes(self) -> tuple[str | None, str | None]:
        """The fields on the axes of maps. Raises InputError for a choice that cannot be."""
        x = self.choice.x
        y = self.choice.y
        held = self.choice.at
        for name in (x, y, *held):
            if name is not None and name not in self.store.axes:
                axes = ", ".join(self.store.axes) or "nothing"
                raise InputError(f"{name}: does not vary in this sweep; {axes} does")
        if x is not None and x == y:
            raise InputError(f"--y {y}: is on the horizontal axis already")
        for name in held:
            if name in (x, y):
                raise InputError(f"--at {name}: is on an axis already")

        free = [name for name in self.store.axes if name not in (x, y)]
        free = [name for name in free if name not in held] or free
        x = x or (free.pop(0) if free else None)
        return x, y or (free.pop(0) if free else None)

    def _slice(self) -> tuple[np.ndarray, str]:
        """Which networks the maps show, and in words where the fields are held that are on no axis.

        On a grid every other field is held, at its middle value unless told otherwise; samples are
        shown all together.
        """
        axes = self.store.axes
        levels = {name: np.unique(self.columns[name]) for name in axes}
        held = {name: self._held(name, text) for name, text in self.choice.at.items()}

        others = [name for name in axes if name not in (self.x, self.y)]
        settings = len(set(zip(*(self.columns[name].tolist() for name in axes), strict=True)))
        settings += len(self.inferred)
        is_grid = 2 * settings > np.prod([len(values) for values in levels.values()])
        if others and is_grid:
            held = {name: _middle(levels[name]) for name in others} | held

        shown = np.ones(len(self.columns["seed"]), dtype=bool)
        for name, value in held.items():
            shown &= self.columns[name] == value
            self.inferred = [row for row in self.inferred if row[name] == value]
        where = ", ".join(f"{name} = {short(value)}" for name, value in held.items())
        if not shown.any():
            raise InputError(f"no point is done at {where}")
        return shown, where

    def _held(self, name: str, text: str) -> object:
        """The value of a field that a text names."""
        levels = np.unique(self.columns[name]).tolist()
        value: object = text
        if self.kinds[name] != "TEXT":
            try:
                value = float(text)
            except ValueError:
                value = None
        for level in levels:
            if level == value:
                return level
        raise InputError(
            f"--at {name}={text}: no such value in this sweep; "
            f"there are {', '.join(map(str, levels[:MOST_NAMED]))}"
        )

    # ---- figures

    def phase_map(self) -> Figure:
        """The dominating architecture over two fields; inferred points among them."""
        x, y, kinds, marked, inferred = self.entries()
        return plots.phase_map(
            x,
            y,
            kinds,
            **self._names(),
            palette=self.palette,
            marked=marked,
            mark_label=f"a verdict has q > {LEVEL:g}",
            inferred=inferred,
        )

    def heat_map(self, name: str) -> Figure:
        """One measure over two fields."""
        x, y, *_, inferred = self.entries()
        values = np.full(len(x), np.nan)  # an inferred point has its place, and no value
        values[~inferred] = self.measured(name)[self.shown]
        return plots.heat_map(
            x,
            y,
            values,
            **self._names(),
            name=NAMES.get(name, name),
            logarithmic=name in LOGARITHMIC,
        )

    def dial(self) -> Figure | None:
        """Measures along the one field that varies; None where every network is none."""
        levels = np.unique(self.of(self.x))
        measures = {NAMES.get(name, name): self._by_level(name, levels) for name in self.measures}
        known = np.all([np.isfinite(table).any(1) for table in measures.values()], axis=0)
        if not known.any():
            return None

        tables = {name: table[known] for name, table in measures.items()}
        return plots.dial(levels[known], tables, label=self.x)

    def _by_level(self, name: str, levels: np.ndarray) -> np.ndarray:
        """A measure of the networks shown: a row a level of x, a column a seed; NaN is filling."""
        x = self.of(self.x)
        seeds = [self.measured(name)[self.shown][x == level] for level in levels]
        table = np.full((len(levels), max(map(len, seeds))), np.nan)
        for row, values in zip(table, seeds, strict=True):
            row[: len(values)] = values
        return table

    def trade_off(self) -> Figure:
        """Validation accuracy against connections in use, of the whole sweep.

        Networks at chance are left out: the others would share the upper edge.
        """
        return plots.trade_off(
            self.measured("used_connections"),
            self.columns["validation_accuracy"],
            self.columns["architecture"],
            cost_label="connections used",
            score_label=NAMES["validation_accuracy"],
            palette=self.palette,
        )

    def plane(self) -> Figure:
        """Two measures of structure against each other, accuracy as colour, of the whole sweep."""
        x, y = self.plane_measures
        return plots.measure_plane(
            self.measured(x),
            self.measured(y),
            self.columns["validation_accuracy"],
            x_label=NAMES.get(x, x),
            y_label=NAMES.get(y, y),
            name=NAMES["validation_accuracy"],
        )

    def matrices(self) -> Figure | None:
        """|W| along x, of the first seed, at the middle of y.

        None where no network has a structure to sort it by.
        """
        panels = []
        sizes: dict[str, int] = {}
        for number in self._row_of_numbers():
            layers = self.store.layers(number)
            if not layers:
                continue
            run = load_run(self.store.run_folder(number))
            at = int(np.flatnonzero(self.columns["number"] == number)[0])
            value = short(self.columns[self.x][at])
            title = f"{self.x} = {value}: {self.columns['architecture'][at]}"
            panels.append((title, run.weights.numpy(), layers))
            sizes = sizes or _sizes(run)
        return plots.sorted_matrices(panels, **sizes, columns=3) if panels else None

    def _row_of_numbers(self) -> list[int]:
        """Points along x, of the first seed, at the middle of y: at most PANELS, evenly spread."""
        first = self.columns["seed"] == self.columns["seed"].min()
        ok = self.shown & (self.columns["status"] == "ok") & first
        if self.y and ok.any():
            ok &= self.columns[self.y] == _middle(np.unique(self.columns[self.y][ok]))

        order = np.argsort(self.columns[self.x][ok], kind="stable")
        numbers = self.columns["number"][ok][order].astype(int)
        spread = np.linspace(0, len(numbers) - 1, min(PANELS, len(numbers)))
        return numbers[np.unique(np.round(spread).astype(int))].tolist()

    def training(self, number: int) -> Figure:
        """How the structure of one point formed."""
        run, layers = self._formed(number)
        steps = [(snapshot.step, snapshot.weights.numpy()) for snapshot in run.snapshots]
        return plots.structure_over_training(steps, layers, **_sizes(run), title=f"point {number}")

    def _formed(self, number: int) -> tuple[Run, dict[int, int]]:
        """A point whose structure can be watched forming, and its layers."""
        if number not in self.columns["number"]:
            raise InputError(f"--point {number}: not done, or not in this sweep")
        run = load_run(self.store.run_folder(number))
        layers = self.store.layers(number)
        if not layers or len(run.snapshots) < 2:
            raise InputError(f"--point {number}: has no structure or fewer than two snapshots")
        return run, layers

    def _names(self) -> dict[str, Any]:
        return {
            "x_label": self.x,
            "y_label": self.y,
            "title": f"at {self.where}" if self.where else None,
        }


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=150, format="png")


def _middle(levels: np.ndarray) -> object:
    """The middle one of values in order, the lower of two."""
    return levels[(len(levels) - 1) // 2]


def _sizes(run: Run) -> dict[str, int]:
    return {"n_inputs": run.n_inputs, "n_outputs": run.n_outputs}


def _column(values: Sequence, kind: str) -> np.ndarray:
    """Numbers as floats, NaN where there is none; text as text."""
    if kind == "TEXT":
        return np.array(["" if value is None else value for value in values])
    return np.array([np.nan if value is None else value for value in values], dtype=float)
