"""The programs of docs/examples run, and print what the page shows, numbers aside."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


def words(text: str) -> list[str]:
    """The words of every line, without numbers: these differ between machines."""
    return [
        re.sub(r"[-+(]*\d[\d.,e+()-]*", "#", line).strip() for line in text.strip().splitlines()
    ]


@pytest.mark.parametrize("name", ["first_network", "locality", "phase_map", "take_away"])
def test_example_prints_what_is_shown(name, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"))
    assert words(capsys.readouterr().out) == words((EXAMPLES / f"{name}.txt").read_text())


def test_every_example_is_on_the_page():
    page = (EXAMPLES.parent / "examples.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.name}"' in page
        assert f'"{path.stem}.txt"' in page
