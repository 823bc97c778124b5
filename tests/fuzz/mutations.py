"""`python -m tests.fuzz.mutations`: take one guard away, and see the fuzzer notice.

A fuzzer that cannot fail shows nothing. For each guard, cases of the kinds that it stands before
are run until a promise breaks; the same cases must hold while the guard stands.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

# A guard is replaced where it is asked for, so those who ask must have been imported before.
import experiments.commands.export
import experiments.commands.sweep  # noqa: F401
import urn.commands  # noqa: F401
from tests.fuzz.generators import case_of
from tests.fuzz.sandbox import Sandbox, one_thread
from urn.errors import InputError
from urn.outputs import check_file
from urn.population.population import Population

MOST_CASES = 400
"""Cases of the kinds concerned, after which a guard counts as not missed."""


@dataclass(frozen=True)
class Mutation:
    """A guard that is taken away.

    Attributes
    ----------
    kinds : tuple of str
        The generators of the cases that it stands before.
    patches : dict
        Name of what is replaced, and what by.
    """

    kinds: tuple[str, ...]
    patches: dict[str, Any]


def _nothing(*_: object, **__: object) -> None:
    """A check that finds no fault."""


def _always_forced(path: Path, *, force: bool = False, flag: str = "--out") -> None:
    check_file(path, force=True, flag=flag)


def _unbounded(text: str, longest: int = 0) -> str:
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _as_it_is(character: str) -> str:
    return character


def _any_number(text: str) -> float | None:
    """What Python reads as a number, and 0 for what it does not."""
    try:
        return min(max(float(text or 0), -1e9), 1e9)
    except ValueError:
        return 0.0


def _all_finite(population: Population) -> torch.Tensor:
    return torch.ones(len(population.members), dtype=torch.bool)


def _no_border(command: Callable[[], int], words: list[str]) -> int:
    """Bad input is met, and all else left to Python."""
    try:
        return command()
    except InputError as error:
        print(f"urn: {error}", file=sys.stderr)
        return 2
    except SystemExit as error:
        return int(error.code or 0)


def _no_damage(*_: object) -> dict[int, str]:
    return {}


MUTATIONS = {
    "what a run owns": Mutation(
        ("outputs",),
        {"urn.outputs.check_unowned": _nothing, "urn.commands.check_unowned": _nothing},
    ),
    "--force": Mutation(
        ("outputs",),
        {
            "experiments.commands.export.check_file": _always_forced,
            "experiments.commands.sweep.check_file": _always_forced,
        },
    ),
    "length of a message": Mutation(
        ("names", "words"),
        {"urn.errors.bounded": _unbounded, "urn.border.bounded": _unbounded},
    ),
    "control characters": Mutation(("names", "words"), {"urn.errors._escaped": _as_it_is}),
    "size of weights": Mutation(("network",), {"analysis.network._check_size": _nothing}),
    "numbers in a matrix": Mutation(
        ("network",), {"experiments.network_readers.number_of": _any_number}
    ),
    "cells of a table": Mutation(("csv",), {"urn.data.files.number_of": _any_number}),
    "finite snapshots": Mutation(
        ("diverging",), {f"{Population.__module__}.Population.finite": _all_finite}
    ),
    "the border": Mutation(("faults",), {"urn.cli.guarded": _no_border}),
    "damaged rows": Mutation(("store",), {"experiments.sweeps.store.damaged_points": _no_damage}),
    "drafts": Mutation(("faults",), {"pathlib.Path.unlink": _nothing}),
}
"""By the guard that is missing."""


def missed_by(
    sandbox: Sandbox, mutation: Mutation, seed: int, n: int = MOST_CASES
) -> tuple[int, str] | None:
    """The number of the first case that breaks a promise without a guard, and which it breaks."""
    for number in range(n):
        if broken := _broken(sandbox, mutation, seed, number):
            return number, broken
    return None


def holds_with(sandbox: Sandbox, mutation: Mutation, seed: int, last: int) -> str | None:
    """What the cases up to `last` break while the guard stands: nothing, or they prove nothing."""
    whole = Mutation(mutation.kinds, {})
    broken = (_broken(sandbox, whole, seed, number) for number in range(last + 1))
    return next(filter(None, broken), None)


def _broken(sandbox: Sandbox, mutation: Mutation, seed: int, number: int) -> str | None:
    kind = mutation.kinds[number % len(mutation.kinds)]
    case = case_of(seed, number, sandbox.template, kind)
    with ExitStack() as stack:
        for name, replacement in mutation.patches.items():
            stack.enter_context(patch(name, replacement))
        return sandbox.broken(case)


def main() -> int:
    """Take away one guard after the other; status 1 where one is not missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.mutations", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    one_thread()
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder))
        for name, mutation in MUTATIONS.items():
            missed = missed_by(sandbox, mutation, arguments.seed)
            if missed is None:
                faults += 1
                print(f"{name}: not missed by {MOST_CASES} cases", flush=True)
                continue

            number, broken = missed
            holds = holds_with(sandbox, mutation, arguments.seed, number)
            faults += holds is not None
            with_it = f"but also with it: {holds}" if holds else "holds with it"
            print(f"{name}: missed by case {number} ({broken[:100]}); {with_it}", flush=True)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
