"""Borders of both phase maps, bisected, against their whole grids.

The grids of `digits.toml` and `mnist1d.toml` are trained whole, and then searched as `[borders]` of
a sweep file searches them, with what the networks became in place of training them again. Printed:
how many networks the search asks for, and how far, in steps of the grid, a border of the whole grid
lies from one that the search found, or the other way round. An island, an area that nothing was
asked in, is no border that is missed by some steps: islands are counted. Claim: at most 40 % of the
networks, and no distance over one step.

`quick` has the same grids with smaller networks, shorter training and three seeds; `paper` is the
files as they are (an hour and a half on two cores). With `--out` the sweeps stay in a folder, and
those that are there are gone on with. `--claim DIR` trains nothing: it takes the networks of the
claim `phase_map` at the paper's scale from a folder of results.
"""

import argparse
import os
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path

import tomli_w
from rich.console import Console
from rich.table import Table

from experiments import results, sweeps
from experiments.claims import phase_map
from experiments.sweeps.borders import Labels, Row, Search, label_names, rows_of
from experiments.sweeps.engine import Engine
from experiments.sweeps.plan import Plan, parse_plan
from experiments.sweeps.refine import Position
from experiments.sweeps.store import Store
from urn.cli import Interrupt
from urn.errors import InputError

FOLLOWED = {
    "digits": ["recurrent", "learned"],
    "mnist1d": ["locally_connected", "convolutional"],
}
"""What the borders of each map are borders of, as in `experiments.borders`, by its sweep file."""

SMALLER = {
    "digits": {
        "n_neurons": 150,
        "steps": 1500,
        "log_every": 500,
        "strengths": {
            "weight": 3e-4,
            "bias": 1e-3,
            "self": 1.0,
            "depth": {"value": 0, "warmup": 400},
        },
    },
    "mnist1d": {"channels": 2, "n_neurons": 130, "steps": 600, "log_every": 300},
}
"""Settings of the quick scale."""

QUICK_SEEDS = 3
"""Of a point at the quick scale. By judgement: the fewest that have a majority of more than one."""

HALVINGS = (1, 2, 3)
"""Of the first step, from a dense start to a sparse one."""

MOST_SHARE = 0.4
"""Claim: of the networks of a map."""

MOST_STEPS = 1
"""Claim: between a border and where the search found it."""

WIDTH = 120
"""Columns of what is printed: the table needs them."""

console = Console(width=WIDTH)

Cells = Mapping[Position, object]
"""One label of every point of a map."""

Edges = set[tuple[Position, Position]]
"""Neighbours with different labels: pieces of a border."""


# ---- distances


def edges_of(cells: Cells) -> Edges:
    """The pieces of border of a map."""
    pairs = {
        ((x, y), other) for x, y in cells for other in ((x + 1, y), (x, y + 1)) if other in cells
    }
    return {(here, there) for here, there in pairs if cells[here] != cells[there]}


def distance(edges: Edges, others: Edges) -> float:
    """The largest distance from a piece of border to the next of `others`, in steps, along the axis
    where it is larger."""

    def middle(edge: tuple[Position, Position]) -> tuple[float, float]:
        (x, y), (u, v) = edge
        return (x + u) / 2, (y + v) / 2

    targets = [middle(edge) for edge in others]
    far = float("inf")
    return max(
        (
            min((max(abs(x - u), abs(y - v)) for u, v in targets), default=far)
            for x, y in map(middle, edges)
        ),
        default=0.0,
    )


def islands(cells: Cells, asked: set[Position]) -> list[set[Position]]:
    """Areas of one label in which nothing was asked."""
    left = set(cells)
    out = []
    while left:
        area = set(_area(cells, left.pop()))
        left -= area
        if not area & asked:
            out.append(area)
    return out


def _area(cells: Cells, start: Position) -> Iterator[Position]:
    """The points that are joined to one by neighbours of its label."""
    reached = {start}
    open_ends = [start]
    while open_ends:
        x, y = open_ends.pop()
        yield x, y
        for other in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if other not in reached and cells.get(other) == cells[start]:
                reached.add(other)
                open_ends.append(other)


# ---- maps


def plan_of(
    name: str, scale: str, halvings: int, n_seeds: int | None = None, **settings: bool
) -> Plan:
    """The map of a sweep file, with borders to search; of as many seeds, or those of the scale."""
    content = tomllib.loads((Path(sweeps.__file__).parent / f"{name}.toml").read_text())
    if scale == "quick":
        content["base"] |= SMALLER[name]
        content["seeds"] = QUICK_SEEDS
    if n_seeds is not None:
        content["seeds"] = n_seeds
    content["borders"] = {"follow": FOLLOWED[name], "halvings": halvings, **settings}
    return parse_plan(tomli_w.dumps(content))


def trained(name: str, scale: str, folder: Path, stop: Callable[[], bool]) -> dict:
    """What every network of a map became, trained whole."""
    content = tomllib.loads(plan_of(name, scale, 1).text)
    del content["borders"]
    whole = parse_plan(tomli_w.dumps(content))
    borders = plan_of(name, scale, 1).borders
    assert borders is not None

    path = folder / f"{name}-{scale}"
    with Store(path) if path.exists() else Store.create(path, whole) as store:
        store.check_same(whole)
        Engine(store, whole, min(2, os.cpu_count() or 1), lambda *progress: None, stop).run()
        return rows_of(store, borders)


def of_claim(name: str, folder: Path) -> tuple[dict[int, Row], int]:
    """What every network of a map of the claim became, numbered as `plan_of` does, of how many
    seeds.

    Raises
    ------
    InputError
        Where the folder holds no such claim.
    """
    entries = {entry["name"]: entry for entry in results.Store(folder).entries()}
    entry = entries.get(phase_map.__name__.rpartition(".")[2])
    if entry is None or entry["ours"]["scale"] != "paper":
        raise InputError(f"--claim: {folder} holds no phase_map at the scale of the paper")

    # Settings come in the order of the sweep's file, which is that of the plan; seeds innermost.
    maps = {file: title for title, file in phase_map.MAPS["paper"].items()}
    points = phase_map.points("paper")
    arms = [arm for arm, (title, _, _) in points.items() if title == maps[name]]
    measured = entry["ours"]["measured"]
    for arm in arms:
        # The claims of the documentation hold no rows of so many networks, only their seconds.
        if any("architecture" not in row for row in measured.get(arm, [{}])):
            raise InputError(f"--claim: the phase_map in {folder} has no networks of {arm}")
    return dict(enumerate(row for arm in arms for row in measured[arm])), len(entry["seeds"])


def searched(plan: Plan, rows: dict) -> tuple[Search, int]:
    """A search that is told of each round what its networks became; and how many rounds it took."""
    search = Search(plan)
    n_rounds = 0
    known: dict = {}
    while asked := search.advance(known):
        known |= {number: rows[number] for number in asked}
        n_rounds += 1
    return search, n_rounds


def compared(search: Search, rows: dict) -> Iterator[tuple[str, float, int, int]]:
    """Of each label: largest distance of its borders, islands overseen, points wrongly inferred."""
    (grid,) = search.maps
    whole, _ = grid.known(set(rows), rows)
    known, _ = grid.known(search.asked, rows)
    sources = grid.refined(known).sources
    inferred: dict[Position, Labels] = known | {at: known[of] for at, of in sources.items()}

    for k, name in enumerate(label_names(search.borders)):
        truth = {position: labels[k] for position, labels in whole.items()}
        guess = {position: labels[k] for position, labels in inferred.items()}
        overseen = islands(truth, set(known))
        lost = set().union(*overseen)
        edges = {edge for edge in edges_of(truth) if not lost & set(edge)}
        far = max(distance(edges, edges_of(guess)), distance(edges_of(guess), edges_of(truth)))
        wrong = sum(truth[position] != guess[position] for position in truth)
        yield name, far, len(overseen), wrong


def compare(name: str, scale: str, rows: dict, n_seeds: int | None = None) -> tuple[int, int, int]:
    """Print the searches of one map.

    Returns how many networks two halvings ask for, with closed borders and without, of how many.
    """
    heads = ("halvings", "closed", "seeds", "networks", "share", "rounds")
    heads += ("border", "steps", "islands", "wrong")
    table = Table(*heads, title=f"{name}, {scale} scale: {len(rows)} networks")
    asked = {}
    for halvings in HALVINGS:
        for closed, every_seed in product((True, False), repeat=2):
            plan = plan_of(name, scale, halvings, n_seeds, closed=closed, every_seed=every_seed)
            search, n_rounds = searched(plan, rows)
            n = len(search.asked)
            first = [str(halvings), "yes" if closed else "no", "all" if every_seed else "as needed"]
            first += [str(n), f"{n / len(rows):.1%}", str(n_rounds)]
            for label, far, n_islands, wrong in compared(search, rows):
                table.add_row(*first, label, f"{far:g}", str(n_islands), str(wrong))
                first = [""] * 6
            if halvings == 2 and not every_seed:
                asked[closed] = n
    console.print(table)
    return asked[True], asked[False], len(rows)


def main(arguments: list[str]) -> None:
    """Train the maps named, or both, and search them."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks borders",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("maps", nargs="*", metavar="MAP", help=f"of {', '.join(FOLLOWED)}")
    parser.add_argument("--scale", choices=("quick", "paper"), default="quick")
    parser.add_argument("--out", type=Path, help="folder that keeps the sweeps (default: none)")
    parser.add_argument("--claim", type=Path, metavar="DIR", help="folder of results")
    given = parser.parse_args(arguments)
    if unknown := set(given.maps) - set(FOLLOWED):
        raise SystemExit(f"no map {', '.join(sorted(unknown))}; there are {', '.join(FOLLOWED)}")

    if given.claim:
        try:
            maps = {name: of_claim(name, given.claim) for name in given.maps or FOLLOWED}
        except InputError as error:
            raise SystemExit(str(error)) from None
        _conclude([compare(name, "paper", *rows) for name, rows in maps.items()])
        return

    counts = []
    with tempfile.TemporaryDirectory() as folder, Interrupt() as interrupted:
        for name in given.maps or FOLLOWED:
            rows = trained(name, given.scale, given.out or Path(folder), interrupted)
            if interrupted():
                raise SystemExit(130)
            counts.append(compare(name, given.scale, rows))
    _conclude(counts)


def _conclude(counts: list[tuple[int, int, int]]) -> None:
    """Print how many networks all maps need together."""
    closed, drawn, total = (sum(column) for column in zip(*counts, strict=True))
    console.print(
        f"two halvings, seeds as needed: {closed / total:.1%} of {total} networks with closed "
        f"borders, {drawn / total:.1%} without "
        f"(claim: at most {MOST_SHARE:.0%}, and no border over {MOST_STEPS} step away)"
    )
