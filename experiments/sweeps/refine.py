"""Bisection on a grid: which points to ask next so that every border is known to one step.

Pure functions of the labels that are known; nothing is trained or read here. A point is a position
(column, row) on a grid; along one axis the row is always 0. A box is what lies between two columns
and two rows, borders included.

A box whose corners agree is left as it is, and so is a side of a box whose ends agree. Any other
side is bisected: its middle is asked, and the box split there, down to one step. What lies in a box
then has the label of the corner next to it. That is inferred, so where two neighbours differ and
one of them is inferred, it is asked as well. In the end every border there is on the map runs
between two points that were asked. What this cannot see is an island, or a bay narrower than a step
of the coarse grid: another label that lies whole within a box whose corners agree and touches no
border that was followed.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, product

Position = tuple[int, int]
"""Column and row of a point."""

Span = tuple[int, int]
"""The first and the last column, or row, of a box."""

Corners = dict[Position, Position]
"""Corners of a box, each with the known point whose label it has: itself, or its next neighbour."""


@dataclass
class Refined:
    """What follows from the points that are known.

    Attributes
    ----------
    wanted : set of Position
        Points to ask next; empty where nothing is left to ask.
    sources : dict
        Of points that are not known, the known point whose label each is inferred to have; complete
        once nothing is wanted.
    """

    wanted: set[Position] = field(default_factory=set)
    sources: dict[Position, Position] = field(default_factory=dict)


def coarse(n: int, halvings: int) -> list[int]:
    """Places of a coarse grid among n: every 2^halvings-th one, and the last."""
    places = list(range(0, n, 2**halvings))
    return places if places[-1] == n - 1 else [*places, n - 1]


def refine(
    known: Mapping[Position, Hashable],
    shape: tuple[int, int],
    halvings: int,
    closed: bool = True,
) -> Refined:
    """Which points to ask next.

    Parameters
    ----------
    known : mapping
        Labels of the points that were asked.
    shape : pair of int
        Columns and rows of the grid.
    halvings : int
        How often the step of the coarse grid is halved until it is that of the grid.
    closed : bool
        Whether inferred points beside a border are asked in the end. If not, borders are known to
        one step on the lines of the boxes, and drawn straight between them.

    Returns
    -------
    Refined
    """
    columns, rows = (coarse(n, halvings) for n in shape)
    wanted = {position for position in product(columns, rows) if position not in known}
    if wanted:
        return Refined(wanted)

    bisection = _Bisection(known)
    for x, y in product(_spans(columns), _spans(rows)):
        bisection.walk(x, y, {corner: corner for corner in product(x, y)})

    result = bisection.result
    if closed and not result.wanted:
        result.wanted = _beside_borders(known, result.sources)
    return result


def _beside_borders(
    known: Mapping[Position, Hashable], sources: Mapping[Position, Position]
) -> set[Position]:
    """Inferred points beside one with another label."""
    labels = dict(known) | {position: known[source] for position, source in sources.items()}
    beside = set()
    for column, row in sources:
        for other in ((column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1)):
            if labels.get(other, labels[column, row]) != labels[column, row]:
                beside.add((column, row))
    return beside


def _spans(places: list[int]) -> list[Span]:
    """Neighbouring places; a single one is a span of its own."""
    return list(pairwise(places)) or [(places[0], places[0])]


class _Bisection:
    """One walk through all boxes, from the coarse ones inwards as far as labels are known."""

    def __init__(self, known: Mapping[Position, Hashable]) -> None:
        self.known = known
        self.result = Refined()

    def walk(self, x: Span, y: Span, corners: Corners) -> None:
        """Split a box, ask for what is needed to split it, or infer all that lies in it."""
        wide = x[1] - x[0] > 1
        high = y[1] - y[0] > 1
        changes_in_x = any(self._differ(corners, [(x[0], row), (x[1], row)]) for row in y)
        changes_in_y = any(self._differ(corners, [(column, y[0]), (column, y[1])]) for column in x)

        is_uniform = not changes_in_x and not changes_in_y
        split_x = wide and (changes_in_x or (is_uniform and self._is_odd(x, y, corners)))
        split_y = high and (changes_in_y or (is_uniform and self._is_odd(x, y, corners)))
        if not split_x and not split_y:
            self._infer(x, y, corners)
            return

        columns = _halved(x) if split_x else x
        rows = _halved(y) if split_y else y
        points = self._points(columns, rows, corners)
        if points is None:
            return
        for inner_x, inner_y in product(pairwise(columns), pairwise(rows)):
            inner = {corner: points[corner] for corner in product(inner_x, inner_y)}
            self.walk(inner_x, inner_y, inner)

    def _differ(self, points: Corners, places: list[Position]) -> bool:
        return len({self.known[points[position]] for position in places}) > 1

    def _is_odd(self, x: Span, y: Span, corners: Corners) -> bool:
        """Whether a known point in a box has another label than its corners, which agree."""
        label = self.known[corners[x[0], y[0]]]
        places = product(range(x[0], x[1] + 1), range(y[0], y[1] + 1))
        return any(self.known[position] != label for position in places if position in self.known)

    def _points(
        self, columns: tuple[int, ...], rows: tuple[int, ...], corners: Corners
    ) -> Corners | None:
        """The corners of all parts of a box; None where some have to be asked first."""
        points = dict(corners)
        ends = product((columns[0], columns[-1]), (rows[0], rows[-1]))
        for column, row in ends:
            if len(columns) == 3:
                sides = [(columns[0], row), (columns[-1], row)]
                self._fill(points, (columns[1], row), sides)
            if len(rows) == 3:
                sides = [(column, rows[0]), (column, rows[-1])]
                self._fill(points, (column, rows[1]), sides)

        n_missing = len(set(product(columns, rows)) - points.keys())
        if n_missing == 1 and len(columns) == len(rows) == 3:
            around = [(column, rows[1]) for column in (columns[0], columns[-1])]
            around += [(columns[1], row) for row in (rows[0], rows[-1])]
            if all(position in points for position in around):
                self._fill(points, (columns[1], rows[1]), around)
                n_missing = int((columns[1], rows[1]) not in points)
        return None if n_missing else points

    def _fill(self, points: Corners, position: Position, around: list[Position]) -> None:
        """Put a point into `points` if it is known or can be inferred; else it is wanted."""
        if position in self.known:
            points[position] = position
        elif not self._differ(points, around):
            points[position] = points[around[0]]
        else:
            self.result.wanted.add(position)

    def _infer(self, x: Span, y: Span, corners: Corners) -> None:
        """Give every unknown point of a box the label of the corner that is next to it."""
        for column, row in product(range(x[0], x[1] + 1), range(y[0], y[1] + 1)):
            if (column, row) not in self.known:
                corner = _nearer(column, x), _nearer(row, y)
                self.result.sources.setdefault((column, row), corners[corner])


def _halved(span: Span) -> tuple[int, int, int]:
    return span[0], (span[0] + span[1]) // 2, span[1]


def _nearer(position: int, span: Span) -> int:
    """The end of a span that is nearer to a position in it; the first of two."""
    return span[0] if position - span[0] <= span[1] - position else span[1]
