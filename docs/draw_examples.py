"""Draw the pictures of the page of examples anew: `python docs/draw_examples.py`."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent
WIDTH = 480
"""Pixels, twice what the page shows: sharp on fine screens."""


def main() -> None:
    """Run every notebook, and save the figure that it ends with."""
    for path in sorted((DOCS / "examples").glob("*.py")):
        figure = runpy.run_path(str(path))["app"].run()[1]["figure"]
        width = figure.get_size_inches()[0]
        figure.savefig(DOCS / "figures" / "examples" / f"{path.stem}.png", dpi=WIDTH / width)


if __name__ == "__main__":
    main()
