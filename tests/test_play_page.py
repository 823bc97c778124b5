"""The page of `urn play` in headless Chromium: every dial, button and key, without a complaint.

The page's policy lets no text be run, so that the tests wait for what is on the page.
"""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from experiments.play.presets import PRESETS
from tests.conftest import SCHEMES, SIZES, faults
from tests.playing import Program, playing

if TYPE_CHECKING:  # a machine without playwright skips these tests
    from playwright.sync_api import Browser, Page

pytest.importorskip("starlette", reason="starlette is not installed: pip install -e .[play]")

PATIENT = 60_000
"""Milliseconds to wait: the machine may be busy with other things."""
WIDE = SIZES[0]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One program for all tests of this module."""
    with playing(tmp_path_factory.mktemp("play")) as program:
        yield program


@pytest.fixture
def page(browser: "Browser", program: Program) -> Iterator["Page"]:
    """The page, with a small network at rest; at the end nothing may have been complained of."""
    complaints: list[str] = []
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    page.set_default_timeout(PATIENT)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda r: program.host in r.url or r.url == "data:," or complaints.append(r.url),
    )
    page.goto(program.address)
    page.wait_for_selector("#facts dd")
    before = page.get_attribute("body", "data-network")
    page.click("#preset-recurrent")
    until(lambda: page.get_attribute("body", "data-network") != before)
    rest(page)
    yield page
    context.close()
    assert not complaints


def shows(page: "Page", selector: str, text: str) -> None:
    """Wait until an element holds a text."""
    page.locator(selector).filter(has_text=re.compile(text)).first.wait_for()


def until(fits: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENT / 1000
    while not fits():
        assert time.monotonic() < end
        time.sleep(0.03)


def step(page: "Page") -> int:
    """The step that is shown."""
    return int(page.inner_text("#moment-text").split()[1].replace(",", ""))


def rest(page: "Page") -> None:
    """Pause, if it trains, and wait until the step where it stopped is on the page."""
    until(lambda: page.inner_text("#run") in ("Train", "Pause"))
    if page.inner_text("#run") == "Pause":
        page.click("#run")
    page.wait_for_selector("body[data-at-rest=true]")


def picture(page: "Page", canvas: str) -> str:
    """What is drawn in a canvas."""
    return page.evaluate("id => document.getElementById(id).toDataURL()", canvas)


def test_training_goes_on_pauses_and_makes_single_steps(page: "Page") -> None:
    at = step(page)
    page.click("#step")
    until(lambda: step(page) == at + 1)
    page.click("#steps")
    until(lambda: step(page) == at + 101)
    before = picture(page, "W")
    page.click("#run")
    until(lambda: step(page) > at + 120)
    assert picture(page, "W") != before
    page.keyboard.press("Escape")
    rest(page)


def test_keys_do_what_buttons_do(page: "Page") -> None:
    page.locator("h1").click()
    at = step(page)
    page.keyboard.press(".")
    until(lambda: step(page) == at + 1)
    page.keyboard.press(" ")
    shows(page, "#run", "Pause")
    until(lambda: step(page) > at + 150)
    page.keyboard.press(" ")
    page.wait_for_selector("body[data-at-rest=true]")

    at = step(page)
    page.keyboard.press("[")
    until(lambda: step(page) == at - 100)
    page.keyboard.press("]")
    until(lambda: step(page) == at)
    page.keyboard.press("p")
    shows(page, "#by-place[aria-pressed=true]", "place")
    page.keyboard.press("l")
    shows(page, "#by-layers[aria-pressed=true]", "layers")
    page.keyboard.press("?")
    page.wait_for_selector("#tour:visible")
    page.keyboard.press("Escape")
    page.wait_for_selector("#tour", state="hidden")


def test_every_dial_acts_on_the_running_network(page: "Page") -> None:
    for name in ("weight", "bias", "activity", "depth", "self", "w0"):
        dial = page.locator(f"#dial-{name}")
        before = page.inner_text(f"#value-{name}")
        dial.focus()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        until(lambda b=before, n=name: page.inner_text(f"#value-{n}") != b)
        set_to = page.inner_text(f"#value-{name}")
        page.keyboard.press("Home")
        until(lambda n=name: page.inner_text(f"#value-{n}") == "0")
        page.keyboard.press("End")
        until(lambda n=name, s=set_to: page.inner_text(f"#value-{n}") not in ("0", s))
    for name in ("locality", "symmetry", "outgoing", "q"):
        assert page.locator(f"#dial-{name}").is_disabled()

    # The address says which dials were turned.
    turned = ("weight", "depth", "w0")
    until(lambda: all(f"c.{name}=" in page.evaluate("location.hash") for name in turned))


def test_dials_of_places_and_of_the_outgoing_term(page: "Page") -> None:
    page.click("#preset-local")
    page.wait_for_selector("#preset-local.now")
    rest(page)
    for name in ("locality", "q"):
        page.focus(f"#dial-{name}")
        before = page.inner_text(f"#value-{name}")
        page.keyboard.press("ArrowLeft")
        until(lambda b=before, n=name: page.inner_text(f"#value-{n}") != b)
    assert page.locator("#dial-symmetry").is_disabled()

    page.check("#outgoing")
    page.click("#start button")
    page.wait_for_selector("#dial-outgoing:enabled")
    rest(page)


def test_symmetry_is_a_dial_of_a_lattice(page: "Page") -> None:
    page.click("#preset-convolutional")
    page.wait_for_selector("#dial-symmetry:enabled")
    rest(page)
    page.focus("#dial-symmetry")
    page.keyboard.press("Home")
    until(lambda: page.inner_text("#value-symmetry") == "0")


def test_a_neuron_and_a_layer_are_silenced_by_mouse_and_by_keys(page: "Page") -> None:
    end = step(page) + 100
    page.click("#steps")
    until(lambda: step(page) == end)
    box = page.locator("#W").bounding_box()
    page.mouse.click(box["x"] + 60, box["y"] + 120)
    shows(page, "#silenced", "Without neuron")
    page.mouse.click(box["x"] + 60, box["y"] + 120)
    shows(page, "#silenced", "All neurons speak")

    graph = page.locator("#graph").bounding_box()
    page.mouse.click(graph["x"] + 22, graph["y"] + graph["height"] / 2)
    shows(page, "#silenced", "Without neuron")
    page.click("#wake")
    shows(page, "#silenced", "All neurons speak")

    # The inputs: without them a network of ten classes knows nothing.
    page.focus("#layers button")
    page.keyboard.press("Enter")
    shows(page, "#silenced", r"Without 64 neurons: [\d.]+ %")
    without = float(re.search(r"neurons: ([\d.]+) %", page.inner_text("#silenced"))[1])
    assert without < 30
    page.fill("#neuron", "70")
    page.keyboard.press("Enter")
    shows(page, "#silenced", "Without 65 neurons")
    page.locator("h1").click()
    page.keyboard.press("w")
    shows(page, "#silenced", "All neurons speak")


def test_one_goes_back_to_any_moment(page: "Page") -> None:
    end = step(page) + 100
    page.click("#steps")
    until(lambda: step(page) == end)
    after = picture(page, "W")
    page.focus("#moment")
    page.keyboard.press("Home")
    until(lambda: step(page) == 0 and picture(page, "W") != after)
    page.keyboard.press("End")
    until(lambda: step(page) == end and picture(page, "W") == after)


def test_what_if_starts_anew_and_the_old_one_stays_beside_it(page: "Page") -> None:
    for name in ("random_labels", "shuffled_positions"):
        page.click(f"#{name}")
        page.wait_for_selector(f"#{name}[aria-pressed=true]")
        page.wait_for_selector("#before-card:visible")
        rest(page)
    shows(page, "#before-text", "recurrent")
    page.fill("#n_neurons", "120")
    page.fill("#n_iterations", "3")
    page.fill("#seed", "5")
    page.fill("#rate", "0.001")
    page.select_option("#task", "digits")
    page.click("#start button")
    shows(page, "#facts", "of 120")
    rest(page)
    page.select_option("#task", "shells")
    page.click("#start button")
    shows(page, "#layers", "inputs · 10")
    rest(page)
    assert page.locator("#shuffled_positions").is_disabled()

    # What cannot be is refused in a line, and the network stays.
    page.fill("#n_neurons", "5")
    page.click("#start button")
    shows(page, "#status", "n_neurons")


def test_a_session_is_saved(page: "Page", program: Program) -> None:
    page.fill("#save-name", "mine")
    page.click("#save button")
    shows(page, "#saved", "urn inspect")
    assert Path(program.folder, "runs", "mine", "config.toml").is_file()


def test_the_address_starts_its_network(page: "Page", browser: "Browser", program: Program) -> None:
    other = browser.new_page(viewport=WIDE)
    other.set_default_timeout(PATIENT)
    other.goto(f"{program.address}#preset=residual&seed=4&c.depth=0.01&n_neurons=140")
    other.wait_for_selector("#notice:visible")
    other.click("#notice-yes")
    shows(other, "#facts", "of 140")
    rest(other)
    assert other.inner_text("#value-depth") == "0.01"
    assert other.inner_text("#value-w0") == "1"
    # The first page is shown the same.
    shows(page, "#facts", "of 140")
    other.goto(f"{program.address}#preset=local&seed=1")
    other.reload()
    other.wait_for_selector("#notice:visible")
    other.click("#notice-no")
    other.wait_for_selector("#notice", state="hidden")
    other.close()


def test_the_tour_has_six_steps(page: "Page") -> None:
    page.click("#tour-open")
    for k in range(1, 7):
        shows(page, "#tour-title", f"^{k} of 6")
        page.click("#tour-do")
        if k < 6:
            page.click("#tour-next")
    page.click("#tour-back")
    shows(page, "#tour-title", "^5 of 6")
    page.click("#tour-close")
    page.wait_for_selector("#tour", state="hidden")
    page.wait_for_selector("#preset-local.now")
    rest(page)


def test_all_presets_say_why(page: "Page") -> None:
    for name, preset in PRESETS.items():
        page.click(f"#preset-{name}")
        shows(page, "#why", re.escape(preset.why))
        rest(page)


def test_a_verdict_comes_with_its_age(page: "Page") -> None:
    page.click("#run")
    shows(page, "#age", r"judged at step \d")
    assert page.locator("#verdicts li").count() >= 6
    rest(page)


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_serious_fault_in_any_colours_and_no_scrolling_sideways(
    page: "Page", size: dict, scheme: str
) -> None:
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    page.click("#tour-open")
    page.wait_for_selector("#tour:visible")
    assert not faults(page)
    wide = page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= size["width"]
