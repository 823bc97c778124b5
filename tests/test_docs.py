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
    result = doctest.testfile(
        str(DOCS / page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert result.attempted > 10
    assert result.failed == 0


def test_the_way_from_clone_to_a_report_on_a_table_of_ones_own(place):
    """Every command of the first page after the set-up, as printed, with a table such as it speaks of."""
    iris = load_iris()
    rows = [
        f"{','.join(map(str, x))},{iris.target_names[y]}"
        for x, y in zip(iris.data, iris.target, strict=True)
    ]
    (place / "mine.csv").write_text("\n".join(["a,b,c,d,species", *rows]))
    blocks = (DOCS / "index.md").read_text().split("```")[1::2]
    venv, install, *commands = [line for block in blocks for line in block.strip().splitlines()]
    assert venv == "python3.11 -m venv .venv"
    assert install == ".venv/bin/pip install -c constraints.txt -e ."
    assert (DOCS.parent / "constraints.txt").is_file()
    assert len(commands) == 5
    for command in commands:
        program, *words = shlex.split(command)
        assert program == ".venv/bin/urn"
        assert main(words) == 0
    assert "species" in (place / "runs" / "mine" / "config.toml").read_text()
    assert "<title>runs/mine" in (place / "runs" / "mine" / "report.html").read_text()
    assert (place / "runs" / "first" / "export" / "network.py").is_file()
