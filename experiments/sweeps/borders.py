"""Borders of a sweep: which of its networks to train next, and what the others would be.

The points of a grid are asked in rounds. A round asks the points that `experiments.sweeps.refine`
names, on each map by itself where further axes vary; once all of its networks are done, their
labels say what the next one asks. So what is asked is a function of the plan and of what came out,
and a sweep that was killed goes on with the round it was in.

Networks of several seeds vote on the label of a point. A verdict is there where at least half of
them have it, which is what `experiments.borders` asks of a claim's map too. A level of a measure is
reached where at least half reach it, which is where the upper median does: one network that failed
does not move a median, as it would a mean. The architecture is the most frequent one, of equally
frequent ones the first by name, as maps show it. A vote that cannot be turned any more is closed:
the seeds that are left are not trained, for the label would be the same.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.sweeps.columns import EFFECTS, UNLEARNED
from experiments.sweeps.plan import Borders, Plan, Point
from experiments.sweeps.refine import Position, Refined, refine
from experiments.sweeps.store import Store

INFERRED = "inferred"
"""The status of a row that was not computed."""

FAILED = ("disconnected", "diverged", UNLEARNED)
"""Architectures of networks that do not serve their task. They count as without any structure,
whatever shape verdicts find in their remains."""

Row = Mapping[str, object]
"""What the store says of a network that is done, by column."""

Labels = tuple[Hashable, ...]
"""Of a point or of a network: one for each thing that is followed."""


@dataclass(frozen=True)
class Inferred:
    """A point that was not trained.

    Attributes
    ----------
    point : Point
        Of the plan, with the first seed.
    source : tuple of int
        Numbers of the networks whose point it is inferred to be like: the nearest corner of the
        cell that it lies in.
    labels : dict
        What it is inferred to be, by name; levels by their measure, as how many are reached.
    """

    point: Point
    source: tuple[int, ...]
    labels: dict[str, object]


# ---- labels


def label_names(borders: Borders) -> tuple[str, ...]:
    """What the labels of a point are of, in their order; a measure is there once for each level."""
    levels = [name for name, values in borders.levels.items() for _ in values]
    return (*borders.follow, *levels)


def columns_for(borders: Borders) -> tuple[str, ...]:
    """Columns of the store that labels are made of."""
    verdicts = [name for name in borders.follow if name in EFFECTS]
    return ("number", "architecture", *verdicts, *borders.levels)


def labels_of(row: Row, borders: Borders) -> Labels:
    """The labels of one network; of an empty row those of a network that failed."""
    architecture = row.get("architecture") or ""
    learned = architecture not in ("", *FAILED)
    labels: list[Hashable] = []
    for name in borders.follow:
        if name == "architecture":
            labels.append(str(architecture))
        else:
            labels.append(learned and (name == "learned" or bool(row.get(name))))

    for name, levels in borders.levels.items():
        value = row.get(name)
        labels += [isinstance(value, int | float) and value >= level for level in levels]
    return tuple(labels)


def vote(labels: Sequence[Hashable], n: int) -> Hashable | None:
    """The label that most of n networks have; None while those to come could change it.

    Parameters
    ----------
    labels : sequence
        Of the networks that are known: booleans or text. Of equally frequent ones True wins, or the
        first by name.
    n : int
        How many there may be.
    """
    counts = Counter(labels)
    if all(isinstance(label, bool) for label in labels):
        counts.update({True: 0, False: 0})
        # The other one could not be a third: with this many it wins, whatever comes.
        needed = {True: (n + 1) // 2, False: n // 2 + 1}
        return next((label for label in needed if counts[label] >= needed[label]), None)

    left = n - len(labels)
    first, *others = sorted(counts, key=lambda label: (-counts[label], str(label)))
    # A label that nobody has yet would have to overtake from nothing.
    rivals = [(counts[label] + left, str(label)) for label in others] + [(left, "")] * (left > 0)
    is_open = any(
        votes > counts[first] or (votes == counts[first] and name < str(first))
        for votes, name in rivals
    )
    return None if is_open else first


# ---- rounds


class _Map:
    """The points of a plan over one or two axes, the other axes held.

    Parameters
    ----------
    points : list of Point
        All of them, with all seeds.
    borders : Borders
        What is followed, along which axes.
    """

    def __init__(self, points: list[Point], borders: Borders) -> None:
        self.borders = borders
        places = [_places(points, name) for name in borders.along]
        self.shape = (len(places[0]), len(places[-1]) if len(places) > 1 else 1)

        self.points: dict[Position, list[Point]] = {}
        for point in points:
            column, *row = (
                of[point.changes[name]] for name, of in zip(borders.along, places, strict=True)
            )
            self.points.setdefault((column, row[0] if row else 0), []).append(point)

    def next(self, asked: set[int], rows: Mapping[int, Row]) -> list[int]:
        """Networks to train once all that were `asked` are done; none where nothing is left."""
        known, open_votes = self.known(asked, rows)
        if open_votes:
            return [point.number for position in open_votes for point in self.points[position]]

        wanted = self.refined(known).wanted
        return [
            point.number
            for position in sorted(wanted)
            for point in self.points[position][: self._first(len(self.points[position]))]
        ]

    def refined(self, known: Mapping[Position, Labels]) -> Refined:
        """What follows from the labels that are known."""
        assert self.borders.halvings is not None  # a plan has it
        return refine(known, self.shape, self.borders.halvings, self.borders.closed)

    def _first(self, n: int) -> int:
        """How many of n seeds to train first: the fewest that can close a vote."""
        return n if self.borders.every_seed else (n + 1) // 2

    def known(
        self, asked: set[int], rows: Mapping[int, Row]
    ) -> tuple[dict[Position, Labels], list[Position]]:
        """Labels of the points that were asked, and the points whose vote is still open."""
        known: dict[Position, Labels] = {}
        open_votes = []
        for position, points in self.points.items():
            numbers = [point.number for point in points if point.number in asked]
            if not numbers:
                continue
            ballots = [labels_of(rows[number], self.borders) for number in numbers]
            labels = tuple(vote(of, len(points)) for of in zip(*ballots, strict=True))
            if None in labels:
                open_votes.append(position)
            else:
                known[position] = labels
        return known, open_votes


def _places(points: list[Point], axis: str) -> dict[object, int]:
    """{value: its place} along an axis, the values in order."""
    values: set[Any] = {point.changes[axis] for point in points}
    return {value: k for k, value in enumerate(sorted(values))}


class Search:
    """Which networks of a plan to train next, round by round.

    Parameters
    ----------
    plan : Plan
        One with borders.

    Attributes
    ----------
    asked : set of int
        Networks of all rounds until now.
    is_complete : bool
        Whether all borders are known to one step.
    """

    def __init__(self, plan: Plan) -> None:
        assert plan.borders is not None
        self.borders = plan.borders
        self.asked: set[int] = set()
        self.is_complete = False

        maps: dict[tuple, list[Point]] = {}
        for point in plan.points:
            held = [
                value for name, value in point.changes.items() if name not in plan.borders.along
            ]
            maps.setdefault(tuple(map(repr, held)), []).append(point)
        self.maps = [_Map(points, plan.borders) for points in maps.values()]

    def advance(self, rows: Mapping[int, Row]) -> list[int]:
        """Networks to train now.

        Parameters
        ----------
        rows : mapping
            What is known of every network that is done or will never be, by its number.

        Returns
        -------
        list of int
            Those of the round that are not in `rows`; none once the search is complete.
        """
        while True:
            left = sorted(self.asked - rows.keys())
            if left or self.is_complete:
                return left
            more = {number for each in self.maps for number in each.next(self.asked, rows)}
            self.is_complete = more <= self.asked
            self.asked |= more

    def inferred(self, rows: Mapping[int, Row]) -> list[Inferred]:
        """The points that need not be trained, once the search is complete; before, none."""
        if not self.is_complete:
            return []
        names = label_names(self.borders)
        out = []
        for each in self.maps:
            known, _ = each.known(self.asked, rows)
            sources = each.refined(known).sources
            for position, source in sorted(sources.items()):
                if any(point.number in rows for point in each.points[position]):
                    continue  # trained without having been asked: by a sweep of the whole grid
                numbers = [p.number for p in each.points[source] if p.number in self.asked]
                labels = _summed(zip(names, known[source], strict=True))
                out.append(Inferred(each.points[position][0], tuple(numbers), labels))
        return out


def _summed(labels: Iterable[tuple[str, Hashable]]) -> dict[str, object]:
    """Labels by name; of those with one name, how many are true."""
    out: dict[str, object] = {}
    for name, label in labels:
        flag = int(label) if isinstance(label, bool) else label
        out[name] = out[name] + flag if name in out else flag  # type: ignore[operator]
    return out


# ---- a store


def rows_of(store: Store, borders: Borders) -> dict[int, Row]:
    """{number: row} of all networks of a store that are done, or damaged and never will be."""
    columns = columns_for(borders)
    rows: dict[int, Row] = {number: {} for number in store.damaged}
    for values in store.rows(columns):
        row = dict(zip(columns, values, strict=True))
        rows[row["number"]] = row
    return rows


def search_of(store: Store) -> tuple[Search, list[Inferred]] | None:
    """How far the search of a store is, and what it left out; None where nothing is searched."""
    plan = store.plan() if store.has_borders else None
    if plan is None or plan.borders is None:
        return None
    search = Search(plan)
    rows = rows_of(store, search.borders)
    search.advance(rows)
    return search, search.inferred(rows)


def inferred_rows(store: Store) -> list[dict[str, object]]:
    """A row of columns for every point that was inferred, without a seed and without measures.

    Its architecture is the most frequent one of the networks it is inferred to be like, the first
    of which `inferred_from` names. The verdicts that are followed are 0 or 1, and the summary says
    in words all that is inferred.
    """
    search, points = search_of(store) or (None, [])
    if not search or not points:
        return []
    kinds = dict(store.rows(["number", "architecture"]))
    inputs = [
        name for name in store.columns() if name in store.axes or name.startswith("strengths.")
    ]
    stored = store.rows(["number", "hash", *inputs], [point.point.number for point in points])
    cells = {
        values[0]: dict(zip(("number", "hash", *inputs), values, strict=True)) for values in stored
    }

    out = []
    for point in points:
        architectures = Counter(str(kinds[number]) for number in point.source if number in kinds)
        most = min(architectures, key=lambda name: (-architectures[name], name), default="")
        flags = {name: label for name, label in point.labels.items() if name in EFFECTS}
        row = {
            "status": INFERRED,
            "architecture": most,
            "summary": _in_words(point, search.borders),
            "inferred_from": point.source[0],
        }
        out.append(cells[point.point.number] | row | flags)
    return out


def _in_words(point: Inferred, borders: Borders) -> str:
    """What a point is inferred to be."""
    words = []
    for name in borders.follow:
        label = point.labels[name]
        words.append(str(label) if name == "architecture" else f"{'' if label else 'not '}{name}")
    for name, levels in borders.levels.items():
        n_reached = point.labels[name]
        assert isinstance(n_reached, int)
        words += [f"{name} >= {level:g}" for level in levels[:n_reached][-1:]]
        words += [f"{name} < {level:g}" for level in levels[n_reached:][:1]]
    return f"like point {point.source[0]}: {', '.join(words)}"
