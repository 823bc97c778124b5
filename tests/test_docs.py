"""What the documentation prints is what the code prints."""

import doctest
import shlex
from pathlib import Path

import pytest
from sklearn.datasets import load_iris

from urn.cli import main

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["theory.md"])
def test_the_worked_examples_come_out_as_printed(page):
    """Every `>>>` line of the page, in order."""
    result = doctest.testfile(str(DOCS / page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 10
    assert result.failed == 0


def test_the_way_from_clone_to_a_report_on_a_table_of_ones_own(place):
    """Every `urn` command of the first page, as printed, with a table such as it speaks of."""
    iris = load_iris()
    rows = [f"{','.join(map(str, x))},{iris.target_names[y]}" for x, y in zip(iris.data, iris.target, strict=True)]
    (place / "mine.csv").write_text("\n".join(["a,b,c,d,species", *rows]))
    commands = [
        line.split(".venv/bin/urn ")[1] for line in (DOCS / "index.md").read_text().splitlines() if ".venv/bin/urn" in line
    ]
    assert len(commands) == 5
    for command in commands:
        assert main(shlex.split(command)) == 0
    assert (place / "runs" / "mine" / "structure.json").is_file()
    assert (place / "runs" / "first" / "export" / "network.py").is_file()
