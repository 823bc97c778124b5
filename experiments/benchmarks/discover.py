"""Claim: `urn discover` says what data ask for where the answer is known, and that nothing pays on
random labels.

Each data set has dials that must pay, and dials that must not; of the others nothing is known, and
nothing is asked. Five data sets were set aside. One of them was answered wrongly, `linear`: its
linear networks had too few steps. They have ten times as many since; `linear` counts as looked at,
and two tables that were not take its place. Wine and parity of 4 were right before and after.

`python -m experiments.benchmarks discover [NAME ...] [--minutes 4] [--out DIR] [--seed 0]`
`python -m experiments.benchmarks discover --noise 20` asks of so many tables of noise, small ones.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.discover import discover
from experiments.discover.discovery import go_on
from experiments.discover.request import FILE, begin, read_request, request_of
from experiments.discover.sizes import Sizes
from urn.io import atomic_write

LINEAR = "depth 2"
"""The dial that a linear task must leave alone, and every other must turn."""

EVERYTHING = ("depth 2", "depth 3", "depth 4", "carrying", "locality", "sharing")
"""All dials."""


NOISE = (400, 8)
"""Samples and inputs of a table of noise. By judgement: small, so that many can be asked."""

SMALL = Sizes(hidden=20, rungs=(30, 60), steps=120, seeds=5)
"""Of the networks that are asked of noise."""


@dataclass(frozen=True)
class Known:
    """A data set with a known answer.

    Attributes
    ----------
    task : str
        Or a name in TABLES, which is written as a table first.
    options : dict
        Of the task.
    pays, not_pays : tuple of str
        Dials that must, and that must not.
    minutes : float
        Times what is asked for: how much more than others it takes to learn.
    why : str
    """

    task: str
    pays: tuple[str, ...]
    not_pays: tuple[str, ...]
    why: str
    options: dict[str, Any] = field(default_factory=dict)
    minutes: float = 1.0


def _twin(of: str, kind: str = "random_labels") -> dict[str, Any]:
    return {"of": of, "kind": kind}


GEOMETRY = ("locality", "sharing")
"""The dials that shuffled places must leave alone."""

KNOWN = {
    "mnist1d": Known(
        "mnist1d", (LINEAR, *GEOMETRY), (), "published: MLP 68, CNN 94 %", minutes=3.5
    ),
    "mnist1d shuffled": Known(
        "mnist1d", (LINEAR,), GEOMETRY, "no places are left", {"shuffled": True}, 3.5
    ),
    "digits": Known("digits", (), ("carrying",), "published here: carrying costs accuracy"),
    "ring_field": Known("ring_field", (LINEAR,), (), "the sign of a field says nothing"),
    "ring_field shuffled": Known(
        "twin", (LINEAR,), GEOMETRY, "no places", _twin("ring_field", "shuffled_positions")
    ),
    "shells": Known("shells", (LINEAR,), ("depth 3", "depth 4"), "solved by a layer", minutes=0.5),
    "parity of 3": Known("parity", (LINEAR,), (), "no bit says anything", minutes=0.5),
    "halves": Known("halves", (LINEAR,), (), "sums of rectified projections", minutes=0.5),
    "digits, random labels": Known("twin", (), EVERYTHING, "nothing to learn", _twin("digits")),
    "linear": Known("carry", (), EVERYTHING, "a linear map", {"correction": 0.0}, 0.5),
    # Set aside from here on.
    "digits shuffled": Known("digits", (), GEOMETRY, "no places are left", {"shuffled": True}),
    "parity of 4": Known("parity", (LINEAR,), (), "no bit says anything", {"k": 4}, 0.5),
    "ring_field, random labels": Known(
        "twin", (), EVERYTHING, "nothing to learn", _twin("ring_field")
    ),
    "wine": Known("wine", (), EVERYTHING, "linearly separable", minutes=0.5),
    "breast cancer": Known("breast_cancer", (), EVERYTHING, "linear to 97 %", minutes=0.5),
    "diabetes": Known("diabetes", (), EVERYTHING, "no gain over least squares", minutes=0.5),
}
"""{name: data set}."""

SET_ASIDE = (
    *("digits shuffled", "parity of 4", "ring_field, random labels", "wine"),
    *("breast cancer", "diabetes"),
)
"""Not looked at before the settings of `experiments.discover` were frozen; `linear` was of them."""

TABLES = ("wine", "breast_cancer", "diabetes")
"""Of scikit-learn."""


def wrong(known: Known, pays: Sequence[str], asked: Sequence[str]) -> list[str]:
    """What is wrong with an answer: dials that should pay or should not, of those asked."""
    # A dial that could not be asked, for want of places, is not held against the answer.
    missed = [f"{name} should pay" for name in known.pays if name in asked and name not in pays]
    false = [f"{name} should not pay" for name in known.not_pays if name in pays]
    return missed + false


def answer(name: str, folder: Path, minutes: float, seed: int) -> dict[str, Any]:
    """What `urn discover` wrote of a data set; it is asked where the answer is not there yet."""
    known = KNOWN[name]
    result = folder / "discover.json"
    # What was begun is gone on with, and what is there is read: a benchmark takes an hour.
    if not result.exists():
        if not (folder / FILE).exists():
            data, target = _data(known, folder.parent)
            request, table = request_of(
                data,
                folder,
                target=target,
                options=known.options,
                minutes=minutes * known.minutes,
                seed=seed,
            )
            begin(request, folder, table)
        go_on(read_request(folder), folder)
    return json.loads(result.read_text(encoding="utf-8"))


def _data(known: Known, folder: Path) -> tuple[str, str | None]:
    """What is given to `urn discover`: a task, or a table and its target."""
    if known.task not in TABLES:
        return known.task, None

    from sklearn import datasets

    X, y = getattr(datasets, f"load_{known.task}")(return_X_y=True)
    names = [f"x{k}" for k in range(X.shape[1])] + ["y"]
    rows = [
        ",".join(map(repr, map(float, row))) + f",{label}" for row, label in zip(X, y, strict=True)
    ]
    path = folder / f"{known.task}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(path, "\n".join([",".join(names), *rows]) + "\n")
    return str(path), "y"


def noise(n: int, first: int) -> list[list[str]]:
    """What pays on tables of noise: half of them with two classes, half with a real target."""
    answers = []
    for seed in range(first, first + n):
        rng = np.random.default_rng([seed, n])
        X = rng.normal(size=NOISE)
        # Inputs sit on a line, so that locality can be asked as well.
        line = np.linspace(0, 1, NOISE[1])[:, None]
        y = rng.integers(2, size=len(X)) if seed % 2 else rng.normal(size=len(X))
        answers.append(discover(X, y, line, seed=seed, sizes=SMALL).pays)
    return answers


def main(arguments: Sequence[str] = ()) -> int:
    """Print a table of right and wrong; exit status 1 where an answer is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks discover", description=__doc__
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(KNOWN))
    parser.add_argument("--minutes", type=float, default=4.0, help="for each, more or less")
    parser.add_argument("--out", type=Path, default=Path("results/discover"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--noise", type=int, metavar="N", help="only tables of noise, so many")
    options = parser.parse_args(arguments)

    console = Console()
    if options.noise is not None:
        answers = noise(options.noise, options.seed)
        silent = sum(not pays for pays in answers)
        console.print(f"noise: nothing pays in {silent} of {len(answers)}")
        return 0 if silent == len(answers) else 1

    table = Table("data", "set aside", "pays", "wrong", "test", "steps", "seconds", box=None)
    n_wrong = 0
    names = options.names or list(KNOWN)
    for name in names:
        folder = options.out / f"{name.replace(' ', '-').replace(',', '')}-{options.seed}"
        result = answer(name, folder, options.minutes, options.seed)
        console.print(f"{name}: {result['text']}", markup=False, highlight=False)

        faults = wrong(KNOWN[name], result["pays"], [dial["dial"] for dial in result["dials"]])
        n_wrong += bool(faults)
        best = max(float(np.nan_to_num(arm["test_score"])) for arm in result["arms"].values())
        table.add_row(
            name,
            "yes" if name in SET_ASIDE else "",
            ", ".join(result["pays"]) or "nothing",
            "; ".join(faults) or "right",
            f"{best:.3f}",
            str(result["sizes"]["steps"]),
            f"{result['seconds']:.0f}",
        )

    console.print(table)
    console.print(f"right: {len(names) - n_wrong} of {len(names)}")
    return 1 if n_wrong else 0
