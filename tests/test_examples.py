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
def test_example_prints_what_is_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"))
    assert words(capsys.readouterr().out) == words((EXAMPLES / f"{name}.txt").read_text())


def test_every_example_is_on_the_page() -> None:
    """The page names both files of each; that the built page shows them is held in test_docs.py."""
    page = (EXAMPLES.parent / "examples.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f'```python\n--8<-- "{path.name}"\n```' in page
        assert f'```text\n--8<-- "{path.stem}.txt"\n```' in page
