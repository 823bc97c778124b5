"""Measure the form of the code: air, length, comments, types, words.

`python tests/house.py FOLDER...` prints a table and the worst places. It says nothing of what the
code does. The measures are in `tests.measures`, the limits in `LIMITS`; `tests/test_house.py` holds
them.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

if not __package__:  # run as a script: the folder that holds `tests` is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.measures import (
    VOCABULARY,
    Measure,
    measure_air,
    measure_arguments,
    measure_comments,
    measure_constants,
    measure_length,
    measure_lines,
    measure_packing,
    measure_reindexing,
    measure_types,
    measure_words,
    read,
)

Measures = dict[str, Measure]
"""Measures by their name in the table."""

LIMITS = {
    "airless": ("<", 0.25),
    "long lines": ("<", 0.01),
    "packed": ("<", 0.03),
    "comments": (">", 0.020),
    "typed": (">", 0.95),
    "over 50 lines": ("=", 0),
    "over 7 arguments": ("=", 0),
    "forbidden": ("=", 0),
    "bare constants": ("=", 0),
    "re-indexing": ("=", 0),
}
"""What each measure has to be: shares below or above, counts zero.

By judgement, between this code as it was and libraries that are good to read.
"""

MEASURES = {
    "airless": measure_air,
    "long lines": measure_lines,
    "packed": measure_packing,
    "comments": measure_comments,
    "typed": measure_types,
    "over 50 lines": measure_length,
    "over 7 arguments": measure_arguments,
    "forbidden": measure_words,
    "bare constants": measure_constants,
    "re-indexing": measure_reindexing,
}
"""Every measure by its name in the table."""


def measure(folders: Iterable[Path]) -> Measures:
    """All measures of all modules under some folders (or of single files)."""
    totals = {name: Measure() for name in MEASURES}
    for folder in folders:
        paths = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
        for path in paths:
            source = read(path)
            for name, function in MEASURES.items():
                totals[name].add(function(source))
    return totals


def holds(name: str, result: Measure) -> bool:
    """Whether a measure is within its limit."""
    sign, limit = LIMITS[name]
    if sign == "=":
        return result.counted == limit
    if result.of == 0:
        return True
    return result.share < limit if sign == "<" else result.share > limit


def shown(name: str, result: Measure) -> str:
    """A measure as the table prints it, with an exclamation mark where its limit is not held."""
    sign, _ = LIMITS[name]
    if name == "comments":
        text = f"{1000 * result.share:.1f} ‰"
    elif sign == "=":
        text = f"{result.counted:.0f}"
    else:
        text = f"{100 * result.share:.1f} %"
    return text if holds(name, result) else f"{text} !"


def table(columns: dict[str, Measures]) -> str:
    """A row a measure, a column a folder."""
    wide = max(10, *(len(name) + 2 for name in columns))
    rows = [f"{'':28}" + "".join(f"{name:>{wide}}" for name in columns)]

    for name, (sign, limit) in LIMITS.items():
        bound = f"{1000 * limit:g} ‰" if name == "comments" else f"{100 * limit:g} %"
        label = f"{name} ({sign} {limit if sign == '=' else bound})"
        rows.append(
            f"{label:28}" + "".join(f"{shown(name, m[name]):>{wide}}" for m in columns.values())
        )
    return "\n".join(rows)


def worst(measures: Measures, n: int) -> str:
    """The n worst offences of each measure."""
    blocks = []
    for name, result in measures.items():
        offences = sorted(result.offences, key=lambda o: -o.weight)[:n]
        if offences:
            more = len(result.offences) - len(offences)
            head = f"\n{name}: {len(result.offences)}" + (f", the worst {n}" if more else "")
            blocks += [head, *(f"  {o.where}  {o.says[:110]}" for o in offences)]
    return "\n".join(blocks)


def main() -> None:
    """Print the table for the folders named, and the worst offenders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("-n", type=int, default=12, help="offences to list of each kind (12)")
    parser.add_argument("--words", action="store_true", help="list words the vocabulary replaces")
    options = parser.parse_args()

    columns = {str(folder): measure([folder]) for folder in options.folders}
    everything = measure(options.folders)
    if len(columns) > 1:
        columns["all"] = everything
    print(table(columns))
    print(worst(everything, options.n))

    if options.words:
        paths = [
            p for f in options.folders for p in ([f] if f.is_file() else sorted(f.rglob("*.py")))
        ]
        result = Measure()
        for path in paths:
            result.add(measure_words(read(path), VOCABULARY))
        print(worst({"words": result}, 1000))


if __name__ == "__main__":
    main()
