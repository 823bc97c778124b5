"""The address of the report page, groups that are pinned in it, and two runs on one page."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.analysis.test_page import NASTY, data_of
from tests.conftest import faults_in_any_colours
from tests.experiments.test_page_silence import CLOSE, expected, go_to
from tests.experiments.test_report_page import LAYERED, TINY, highlights, picture, slide
from urn import Run, load_run, train
from urn.cli import main

if TYPE_CHECKING:  # a machine without playwright skips these tests
    from playwright.sync_api import Page

Opened = Callable[..., "Page"]
"""Opens a page file, see the fixture `opened`."""

PATIENT = 120
"""Seconds to wait for the address: the machine may be busy with other things."""

# Two networks of different sizes, that were not trained alike.
LEFT = TINY.replace(
    task="digits", task_options={}, n_neurons=110, steps=400, snapshots=3, strengths=LAYERED
)
RIGHT = LEFT.replace(
    n_neurons=96, n_iterations=2, steps=300, snapshots=2, strengths={"weight": 1e-3}
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Both of them, with a page of the first and a page of both."""
    folder = tmp_path_factory.mktemp("runs")
    left, right = (train(c, folder / name) for c, name in ((LEFT, "left"), (RIGHT, "right")))
    words = ["--html", "--nulls", "200"]
    assert main(["inspect", str(left.folder), *words]) == 0
    assert main(["inspect", str(left.folder), str(right.folder), *words]) == 0
    return load_run(left.folder), load_run(right.folder)


@pytest.fixture
def report(runs: tuple[Run, Run]) -> Path:
    """The page of the first run."""
    return runs[0].folder / "report.html"


@pytest.fixture
def pair(runs: tuple[Run, Run]) -> Path:
    """The page of both."""
    return runs[0].folder / "report-with-right.html"


def address(page: "Page", parts: str) -> str:
    """The address once it holds some words."""
    return until(page, lambda now: parts in now)


def until(page: "Page", fits: Callable[[str], bool]) -> str:
    """The address once it fits; the page's policy lets no text be run, so Python asks for it."""
    end = time.monotonic() + PATIENT
    while not fits(now := page.evaluate("location.hash")):
        assert time.monotonic() < end, now
        page.wait_for_timeout(50)
    return now


def state(page: "Page") -> list[str]:
    """All that one sees of a page: pictures and texts."""
    pictures = [picture(page, host) for host in ("matrix", "graph")]
    marks = "document.querySelectorAll('#graph canvas')[2].toDataURL()"
    texts = [page.locator(f"#{name}").inner_text() for name in ("neuron", "verdicts", "groups")]
    return [
        *pictures,
        *(highlights(page, host) for host in ("matrix", "graph")),
        page.evaluate(marks),
        *texts,
        page.locator("#snapshot-text").inner_text(),
        page.locator("#level-text").inner_text(),
        page.locator("#silence-score").inner_text(),
        page.locator("#click").input_value(),
        page.locator("#sort").input_value(),
    ]


# ---- the address


def test_an_address_opened_again_shows_the_same(runs, report: Path, opened: Opened) -> None:
    page = opened(report)
    at_first = state(page)
    assert page.evaluate("location.hash") == ""

    page.locator("#verdicts summary").nth(4).click()
    slide(page, "snapshot", ["ArrowLeft"])
    slide(page, "level", ["ArrowLeft", "ArrowLeft"])
    page.locator("#sort").select_option("own")
    for _ in range(2):
        page.locator("#zoom-in").click()
    page.focus("#graph")
    for key in ("ArrowDown", "ArrowRight", "Enter", "s", "ArrowDown", "s"):
        page.keyboard.press(key)
    page.locator("#pin-what").select_option("the silenced neurons")
    page.locator("#pin-name").fill("my two, #1 & 2:x")
    page.keyboard.press("Enter")
    page.locator("#click").select_option("silences")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")

    words = address(page, "click=silences")
    for name in ("step=", "level=2", "sort=own", "zoom=", "open=recurrent", "neuron=", "silenced="):
        assert name in words
    shown = state(page)
    # The row of the neuron that is selected may be out of the part of the matrix in view.
    assert all(shown[k] != at_first[k] for k in (0, 1, 3, 4, 5))

    again = opened(report)
    go_to(again, words)
    again.mouse.move(0, 0)
    assert state(again)[5:] == shown[5:]
    assert state(again)[:5] == shown[:5]
    assert not again.locator("#address-note").is_visible()
    again.wait_for_timeout(400)
    assert again.evaluate("location.hash") == words

    # At the start of a page, and back to nothing.
    first = opened(report)
    first.goto(report.as_uri() + words)
    first.reload()
    assert state(first)[5:] == shown[5:]
    go_to(first, "")
    assert state(first) == at_first


BAD = {
    "step": "step=17",
    "no number": "step=two",
    "level": "level=99",
    "sort": "sort=best",
    "zoom": "zoom=0.5,0.5,1000",
    "zoom without numbers": "zoom=,,2",
    "zoom beyond": "zoom=0.9,0,2",
    "neuron": "neuron=100000",
    "neuron, no number": "neuron=-1",
    "silenced": "silenced=1-2000000000",
    "silenced backwards": "silenced=9-3",
    "silenced, no numbers": "silenced=all",
    "open": "open=constructor",
    "group without neurons": "group=:name",
    "group without name": "group=1-2:",
    "group twice": "group=1:a&group=2:a",
    "lit": "lit=nobody",
    "click": "click=explodes",
    "unknown": "__proto__=1",
    "not encoded": "step=%E0%A4%A&%%%=%",
    "html": "step=<img src=x onerror=alert(1)>",
}


@pytest.mark.parametrize("words", BAD.values(), ids=BAD.keys())
def test_a_bad_address_is_left_out_with_a_line(words: str, report: Path, opened: Opened) -> None:
    page = opened(report)
    at_first = state(page)
    go_to(page, words + "&silenced=70" * ("silenced" not in words))
    note = page.locator("#address-note")
    assert note.is_visible()
    assert re.split("[=&]", words)[0] in note.inner_text()
    assert note.locator("*").count() == 0
    if "silenced" not in words:  # what can be is there all the same
        assert page.locator("#silenced li").count() == 1

    go_to(page, "level=0")
    assert not note.is_visible()
    assert state(page) == at_first


def test_the_link_at_the_top_is_no_state(report: Path, opened: Opened) -> None:
    page = opened(report)
    go_to(page, "silenced=70")
    page.focus(".skip")
    page.keyboard.press("Enter")
    address(page, "silenced=70")
    assert page.locator("#silenced li").count() == 1
    assert not page.locator("#address-note").is_visible()


# ---- pinned groups


def pin(page: "Page", source: str, name: str) -> None:
    page.locator("#pin-what").select_option(source)
    page.locator("#pin-name").fill(name)
    page.locator("#pin button").click()


def saved(page: "Page", path: Path) -> Path:
    """The page that a page saves of itself."""
    with page.expect_download() as download:
        page.locator("#save").click()
    download.value.save_as(path)
    return path


def test_pinned_groups_are_kept_in_the_file(
    runs, report: Path, tmp_path: Path, opened: Opened
) -> None:
    page = opened(report)
    pin(page, "layer 1", NASTY)
    go_to(page, f"{address(page, 'group=')}&neuron=70")
    pin(page, "the selected neuron", "one")
    pin(page, "outputs", "one")
    groups = page.locator("#groups li")
    texts = groups.all_inner_texts()
    assert NASTY in texts[0]
    assert "one (11)" in texts[1]

    copy = saved(page, tmp_path / "copy.html")
    again = opened(copy)
    assert again.locator("#groups li").all_inner_texts() == texts
    assert again.evaluate("location.hash") == ""
    assert again.locator("script").count() == 3
    # All else is what was there, to the letter.
    before, after = (path.read_text(encoding="utf-8") for path in (report, copy))
    assert data_of(after) == data_of(before)
    code = [re.findall(r"<script>(.*?)</script>", text, re.DOTALL) for text in (before, after)]
    assert code[0] == code[1]

    # A group lights, is silenced whole, and goes.
    dark = again.evaluate("document.querySelectorAll('#graph canvas')[2].toDataURL()")
    again.locator("#groups li button").first.click()
    assert again.evaluate("document.querySelectorAll('#graph canvas')[2].toDataURL()") != dark
    again.locator("#groups li").nth(1).locator("button", has_text="silence").click()
    left = float(again.locator("#silence-score b").nth(1).get_attribute("data-value"))
    ids = [70, *range(100, 110)]
    assert left == pytest.approx(expected(runs[0], ids), abs=CLOSE)
    again.locator("#groups li").nth(1).locator("button", has_text="×").click()
    assert again.locator("#groups li").count() == 1
    third = opened(saved(again, tmp_path / "third.html"))
    assert third.locator("#groups li").count() == 1

    # The address can say that there are none, though the file has some.
    third.locator("#groups li button", has_text="×").click()
    assert "group=" in address(third, "group=")
    assert third.locator("#groups li").count() == 0


def test_groups_in_a_file_that_cannot_be_are_left_out(
    report: Path, tmp_path: Path, opened: Opened
) -> None:
    text = report.read_text(encoding="utf-8")
    for k, groups in enumerate(([[{"name": "a", "ids": [10**6]}]], [[1]], [], {}, [[None]])):
        path = tmp_path / f"{k}.html"
        path.write_text(re.sub(r"(json\">)\[\[\]\]", rf"\g<1>{json.dumps(groups)}", text))
        assert opened(path).locator("#groups li").count() == 0


# ---- two runs


def test_two_runs_stand_side_by_side(runs, pair: Path, opened: Opened) -> None:
    page = opened(pair)
    tops = [page.locator(f"#{k}-matrix").bounding_box() for k in "ab"]
    assert tops[0]["y"] == pytest.approx(tops[1]["y"], abs=1)
    assert tops[0]["x"] < tops[1]["x"]
    page.set_viewport_size({"width": 800, "height": 900})
    tops = [page.locator(f"#{k}-matrix").bounding_box() for k in "ab"]
    assert tops[0]["y"] + tops[0]["height"] < tops[1]["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 800

    # What both are, and by how much they differ.
    rows = page.locator("#both tbody tr").all_inner_texts()
    kept = next(row.split("\t") for row in rows if row.startswith("weights kept"))
    sizes = [int((run.weights != 0).sum()) for run in runs]
    assert [int(kept[k].replace(",", "")) for k in (1, 2)] == sizes
    by = int(kept[3].replace(",", "").replace("−", "-"))
    assert by == sizes[1] - sizes[0]
    text = page.locator("main").inner_text()
    for field in ("n_neurons\t110\t96", "n_iterations\t", "strength of depth\t"):
        assert field in text
    for run, name in zip(runs, "ab", strict=True):
        assert page.locator(f"#{name}-verdicts > tbody > tr").count() > 4
        assert run.folder.name in page.locator(".top").inner_text()


def test_the_sliders_move_both_and_a_neuron_lights_in_both(
    runs, pair: Path, opened: Opened
) -> None:
    page = opened(pair)
    before = [picture(page, f"{k}-graph") for k in "ab"]
    slide(page, "snapshot", ["Home"])
    assert all(picture(page, f"{k}-graph") != before[i] for i, k in enumerate("ab"))
    slide(page, "snapshot", ["End"])
    slide(page, "level", ["ArrowLeft", "ArrowLeft"])
    text = page.locator("#level-text").inner_text()
    assert re.match(r"A [\d,]+ of [\d,]+, B [\d,]+ of [\d,]+$", text)
    slide(page, "level", ["End"])
    assert [picture(page, f"{k}-graph") for k in "ab"] == before

    page.focus("#b-graph")
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    name = page.locator("#b-neuron h3").first.inner_text()
    assert page.locator("#a-neuron h3").first.inner_text() == name
    page.focus("#a-graph")
    page.keyboard.press("Escape")
    assert page.locator("#b-neuron h3").count() == 0

    # Each is silenced on its own, and the address holds it for each.
    go_to(page, "a-silenced=70-75&b-silenced=66&b-group=64-69:some&neuron=70")
    for run, name, ids in zip(runs, "ab", ([*range(70, 76)], [66]), strict=True):
        left = page.locator(f"#{name}-silence-score b").nth(1).get_attribute("data-value")
        assert float(left) == pytest.approx(expected(run, ids), abs=CLOSE)
    assert page.locator("#b-groups li").count() == 1
    page.locator("#a-silence-none").click()
    until(page, lambda now: "a-silenced" not in now)
    words = page.evaluate("location.hash")
    for part in ("b-silenced=66", "b-group=64-69:some", "neuron=70"):
        assert part in words


def test_neither_a_page_of_one_nor_of_two_has_a_serious_fault(
    report: Path, pair: Path, opened: Opened
) -> None:
    for path in (report, pair):
        page = opened(path)
        assert not faults_in_any_colours(page)
        # With a neuron shown, as a reader has it.
        page.locator(".picture.matrix").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert not faults_in_any_colours(page)


def test_a_page_of_two_saves_the_groups_of_both(pair: Path, tmp_path: Path, opened: Opened) -> None:
    page = opened(pair)
    go_to(page, "a-group=70-75:mine&b-group=66:yours")
    again = opened(saved(page, tmp_path / "copy.html"))
    assert "mine (6)" in again.locator("#a-groups").inner_text()
    assert "yours (1)" in again.locator("#b-groups").inner_text()


def test_a_neuron_that_only_one_has_is_lit_there_alone(pair: Path, opened: Opened) -> None:
    page = opened(pair)
    go_to(page, "neuron=109")
    assert page.locator("#a-neuron h3").first.inner_text() == "Neuron 109"
    assert page.locator("#b-neuron h3").count() == 0


def test_what_cannot_be_inspected_is_one_line(
    runs, tmp_path: Path, refused: Callable[..., str]
) -> None:
    left, right = (str(run.folder) for run in runs)
    there = tmp_path / "there.html"
    there.write_text("precious")
    refused(["inspect", left, "nowhere", "--html"], "nowhere", "no such run folder")
    refused(["inspect", left, right], "--html")
    refused(["inspect", left, right, left, "--html"], "RUN", "3")
    refused(["inspect", left, right, "--html", "--json"], "--json")
    refused(["inspect", left, right, "--html", str(there)], "--force")
    refused(["inspect", left, "--html", f"{left}/config.toml"], "--html")
    refused(["inspect", left, "--html", right], "--html", "is a folder")
    refused(["inspect"], "RUN")
    assert there.read_text() == "precious"


def test_a_page_goes_where_it_is_asked_for(runs, tmp_path: Path) -> None:
    words = ["--nulls", "200", "--html"]
    left, right = (str(run.folder) for run in runs)
    path = tmp_path / "one.html"
    assert main(["inspect", left, *words, str(path)]) == 0
    assert data_of(path.read_text())["label"] == ""
    both = tmp_path / "both.html"
    both.write_text("old")
    assert main(["inspect", left, right, "--force", *words, str(both)]) == 0
    assert 'id="b-data"' in both.read_text()
    # As it was before a file could be named: the flag before the folder.
    (runs[0].folder / "report.html").unlink()
    assert main(["inspect", *words, left]) == 0
    assert (runs[0].folder / "report.html").is_file()
