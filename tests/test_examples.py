"""The notebooks of docs/examples run from top to bottom and show what they say."""

import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analysis.frame import Frame

if TYPE_CHECKING:  # a machine without playwright skips these tests
    from playwright.sync_api import Browser

pytest.importorskip("marimo", reason="marimo is not installed: pip install -e .[notebooks]")

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))


def run(name: str) -> tuple[tuple, dict[str, Any]]:
    """What the cells of a notebook show, and the names that they define."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["app"].run()


def frame_of(shown: tuple) -> Frame:
    """The frame that a notebook shows."""
    return next(output for output in shown if isinstance(output, Frame))


def test_a_first_network_sorts_itself_into_layers(browser: "Browser") -> None:
    shown, names = run("first_network")
    assert names["run"].test_accuracy > 0.95
    assert names["report"].verdicts["fully_connected"].present
    opened(browser, frame_of(shown), names["report"].summary)


def test_short_wires_make_narrow_fields() -> None:
    shown, names = run("locality")
    assert names["local"].present
    assert names["local"].effect < 0.5
    assert "locality" in frame_of(shown).page


def test_a_phase_map_has_more_than_one_phase() -> None:
    _, names = run("phase_map")
    assert len(names["rows"]) == 16
    assert len({row["structure"] for row in names["rows"]}) >= 3


def test_a_network_grows_from_one_neuron() -> None:
    _, names = run("growth")
    assert names["hidden"] > 5
    assert names["run"].test_accuracy > 0.9


def test_a_convolution_in_torch_is_named(browser: "Browser") -> None:
    shown, names = run("judge_torch")
    assert names["right"] > 0.85
    assert names["report"].verdicts["convolutional"].present
    opened(browser, frame_of(shown), names["report"].summary)


def test_a_network_taken_away_says_the_same() -> None:
    _, names = run("take_away")
    assert names["same"]
    assert "urn" not in re.findall(r"^(?:from|import) (\w+)", names["files"]["network.py"].decode())


def opened(browser: "Browser", frame: Frame, headline: str) -> None:
    """The frame in a page of another kind: drawn, silent, and with nothing that was asked for."""
    complaints: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url))
    # At first its place is not laid out, and has no width: nothing is to be drawn there.
    place = f"<div id=place hidden>{frame._repr_html_()}</div>"
    page.set_content(f"<!doctype html><title>A notebook</title>{place}")
    page.frame_locator("iframe").locator("#level").wait_for(state="attached")
    page.evaluate("document.getElementById('place').hidden = false")
    inside = page.frame_locator("iframe")
    assert inside.locator("h1").inner_text() == headline

    # A slider moves, and the page tells of it where pages of files write their address.
    inside.locator("#level").focus()
    page.keyboard.press("ArrowRight")
    inside.locator("#level-text").wait_for()
    page.close()
    assert not [text for text in complaints if not text.startswith(("about:", "data:"))]


def test_every_example_is_on_the_page() -> None:
    """With its picture; that the built page shows them is held in test_docs.py."""
    page = (EXAMPLES.parent / "examples.md").read_text()
    for name in NAMES:
        assert f'```python\n--8<-- "{name}.py"\n```' in page
        assert f"figures/examples/{name}.png" in page
        assert (EXAMPLES.parent / "figures" / "examples" / f"{name}.png").is_file()
