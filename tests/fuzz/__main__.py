"""`python -m tests.fuzz --minutes 30 --seed 1`: run cases until the time is over; print those that
break the promise."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.generators import case_of
from tests.fuzz.sandbox import Sandbox, one_thread

EVERY = 60
"""One case in so many is a whole process."""


def fuzz() -> int:
    """Run the command line; status 1 where a case broke the promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="this case alone, with what it printed")
    parser.add_argument("--kind", help="cases of one generator only")
    arguments = parser.parse_args()

    one_thread()
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder))
        if arguments.case is not None:
            case = case_of(arguments.seed, arguments.case, sandbox.template, arguments.kind)
            print(case)
            print(sandbox.broken(case) or "holds")
            return 0

        return _for_minutes(sandbox, arguments)


def _for_minutes(sandbox: Sandbox, arguments: argparse.Namespace) -> int:
    end = time.monotonic() + 60 * arguments.minutes
    counts: Counter[str] = Counter()
    number = failures = 0
    while time.monotonic() < end:
        kind = arguments.kind or ("processes" if number % EVERY == EVERY - 1 else None)
        case = case_of(arguments.seed, number, sandbox.template, kind)
        counts[case.kind] += 1
        if broken := sandbox.broken(case):
            failures += 1
            words = [word if len(word) < 80 else f"{word[:80]}..." for word in case.argv]
            print(f"case {number} ({case.kind}) {words!r}\n    {broken!r}", flush=True)
        number += 1

    print(f"seed {arguments.seed}: {number} cases, {failures} broken; {dict(counts)}")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(fuzz())
