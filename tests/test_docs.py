"""What the documentation prints is what the code prints."""

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["theory.md"])
def test_the_worked_examples_come_out_as_printed(page):
    """Every `>>>` line of the page, in order."""
    result = doctest.testfile(str(DOCS / page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 10
    assert result.failed == 0
