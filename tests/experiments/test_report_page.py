"""The report page in headless Chromium: it opens from disk, loads nothing, makes no complaint, follows mouse and keys."""

import re
import time

import numpy as np
import pytest

from analysis import analyse
from experiments.commands.inspect import Inspection
from experiments.report import KEPT
from tests.analysis.test_page import small_page, snapshot
from urn import TrainConfig, load_run, train
from urn.cli import main

LAYERED = {
    "weight": 5e-4,
    "activity": 1e-3,
    "bias": 1e-3,
    "self": 1.0,
    "depth": {"value": 2e-2, "warmup": 300},
}
CONFIG = TrainConfig(n_neurons=130, steps=600, snapshots=4, strengths=LAYERED)
SHELLS = {"dimension": 3, "n_train": 64, "n_validation": 16, "n_test": 16}
TINY = TrainConfig(
    task="shells",
    task_options=SHELLS,
    n_neurons=14,
    n_iterations=3,
    steps=40,
    batch_size=16,
    check_every=5,
    log_every=5,
    snapshots=3,
    strengths={"weight": 1e-3},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small layered network on digits, with its page."""
    run = train(CONFIG, tmp_path_factory.mktemp("runs") / "digits")
    assert main(["inspect", str(run.folder), "--html"]) == 0
    return run


def picture(page, host: str) -> str:
    """What is drawn in a picture, its highlights left out."""
    return page.evaluate(f"document.querySelector('#{host} canvas').toDataURL()")


def highlights(page, host: str) -> str:
    return page.evaluate(f"document.querySelectorAll('#{host} canvas')[1].toDataURL()")


def slide(page, slider: str, keys: list[str]) -> None:
    page.focus(f"#{slider}")
    for key in keys:
        page.keyboard.press(key)


def find_with_mouse(page, host: str, x: float) -> None:
    """Move the mouse down along x (0 to 1 of the width) until something is said under it."""
    box = page.locator(f"#{host}").bounding_box()
    for y in np.arange(10, box["height"], 2.0):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y)
        if page.locator("#tip").is_visible():
            return
    raise AssertionError(f"nothing was found in {host}")


def test_it_says_what_the_report_says(run, opened):
    page, seen = opened(run.folder / "report.html"), Inspection(load_run(run.folder))
    assert page.locator("h1").inner_text() == seen.report.summary
    assert page.locator("#now").inner_text() == seen.report.summary
    rows = page.locator("#verdicts > tbody > tr")
    assert rows.count() == len(seen.report.verdicts)
    for k, (name, verdict) in enumerate(seen.report.verdicts.items()):
        text = rows.nth(k).inner_text()
        assert name.replace("_", " ") in text
        assert ("✓ present" in text) == verdict.present
    page.locator("#verdicts summary").first.click()
    assert (
        seen.report.verdicts["fully_connected"].evidence["effect_is"]
        in page.locator("#verdicts").inner_text()
    )
    assert page.locator("#depths .fill").count() == len(seen.report.path_depths)
    strengths = page.locator("#strengths").inner_text()
    assert all(name in strengths for name in CONFIG.strengths)
    assert page.locator("#history svg").count() == 4


def test_the_training_slider_changes_pictures_and_verdicts(run, opened):
    page = opened(run.folder / "report.html")
    end = [picture(page, "matrix"), picture(page, "graph"), page.locator("#now").inner_text()]
    slide(page, "snapshot", ["Home"])
    start = [picture(page, "matrix"), picture(page, "graph"), page.locator("#now").inner_text()]
    assert all(a != b for a, b in zip(start, end, strict=True))
    assert page.locator("#snapshot-text").inner_text().startswith(f"step {run.snapshots[0].step} ")
    slide(page, "snapshot", ["End"])
    assert [
        picture(page, "matrix"),
        picture(page, "graph"),
        page.locator("#now").inner_text(),
    ] == end
    slide(page, "snapshot", ["Home"])
    page.locator("#play").click()
    page.locator("#snapshot-text", has_text=f"step {CONFIG.steps} ").wait_for()


def test_the_slider_of_the_strongest_weights_changes_pictures_and_verdicts(run, opened):
    page, seen = opened(run.folder / "report.html"), Inspection(load_run(run.folder))
    whole = [picture(page, "matrix"), picture(page, "graph")]
    slide(page, "level", ["ArrowLeft", "ArrowLeft", "ArrowLeft"])
    assert all(
        a != b
        for a, b in zip(whole, [picture(page, "matrix"), picture(page, "graph")], strict=True)
    )
    size = np.sort(np.abs(seen.W[seen.W != 0]))[::-1]
    kept = int(np.ceil(KEPT[2] * len(size)))
    assert page.locator("#level-text").inner_text() == f"{kept:,} of {len(size):,}"
    judged = analyse(
        seen.W,
        seen.b,
        **seen.sizes,
        n_iterations=4,
        inputs=seen.inputs,
        threshold=float(size[kept]),
        n_null=200,
        sweep=False,
    )
    assert page.locator("#now").inner_text() == judged.summary


def test_the_mouse_finds_weights_and_zooms(run, opened):
    page = opened(run.folder / "report.html")
    find_with_mouse(page, "matrix", 0.3)
    told = page.locator("#tip").inner_text().replace("−", "-")
    origin, to, weight = re.search(
        r"from (\d+) .* to (\d+) .*\nweight ([+-]?[\d.]+(?:e-?\d+)?)", told
    ).groups()
    assert float(weight) == pytest.approx(float(run.weights[int(to), int(origin)]), rel=5e-3)
    before = picture(page, "matrix")
    page.locator("#zoom-in").click()
    assert picture(page, "matrix") != before
    page.locator("#zoom-all").click()
    assert picture(page, "matrix") == before
    page.locator("#sort").select_option("own")


def test_hover_lights_paths_and_a_click_shows_the_neuron(run, opened):
    page = opened(run.folder / "report.html")
    dark = highlights(page, "graph")
    page.locator("#graph").scroll_into_view_if_needed()
    width = page.locator("#graph").bounding_box()["width"]
    depth = Inspection(load_run(run.folder)).report.depth
    column = (26 + (width - 52) / (depth + 1)) / width  # layer 1
    find_with_mouse(page, "graph", column)
    assert highlights(page, "graph") != dark
    told = page.locator("#tip").inner_text()
    assert "layer 1" in told
    neuron = int(told.split()[1])
    page.mouse.down()
    page.mouse.up()
    panel = page.locator("#neuron")
    assert panel.locator("h3").first.inner_text() == f"Neuron {neuron}"
    text = panel.inner_text()
    for part in ("Receptive field", "Mean |activity| at each iteration", "comes from", "goes to"):
        assert part in text
    strongest = panel.locator(".links").first.locator("li").first
    source = int(strongest.locator("button").inner_text().split()[0])
    value = float(strongest.locator(".value").inner_text().replace("−", "-"))
    assert value == pytest.approx(float(run.weights[neuron, source]), rel=5e-3)
    strongest.locator("button").click()
    assert panel.locator("h3").first.inner_text() == f"Neuron {source}"


def test_everything_can_be_reached_with_the_keyboard(run, opened):
    page = opened(run.folder / "report.html")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"theme", "play", "snapshot", "level", "sort", "zoom-in", "matrix", "graph"} <= reached
    page.focus("#graph")
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#neuron h3").first.inner_text().startswith("Neuron ")
    page.keyboard.press("Escape")
    assert page.locator("#neuron h3").count() == 0
    page.focus("#matrix")
    page.keyboard.press("ArrowRight")
    told = page.locator("#tip").inner_text()
    assert "weight" in told
    page.keyboard.press("ArrowDown")
    assert page.locator("#tip").inner_text() != told


def test_dark_light_and_print(run, opened):
    path = run.folder / "report.html"
    shades = {}
    for scheme in ("light", "dark"):
        page = opened(path, color_scheme=scheme)
        shades[scheme] = (
            page.evaluate("getComputedStyle(document.body).backgroundColor"),
            picture(page, "matrix"),
        )
    assert shades["light"][0] != shades["dark"][0]
    assert shades["light"][1] != shades["dark"][1]
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == shades["light"][0]
    page.locator("#theme").click()
    page.emulate_media(media="print")
    page.locator("html[data-theme=light]").wait_for(state="attached")
    assert not page.locator("#play").is_visible()
    page.emulate_media(media="screen")
    page.locator("html[data-theme=dark]").wait_for(state="attached")


@pytest.mark.parametrize("width", [1400, 390])
def test_no_text_lies_over_another(run, opened, width):
    """Nothing is wider than its box, on a desk or on a telephone, except what can be scrolled."""
    page = opened(run.folder / "report.html")
    page.set_viewport_size({"width": width, "height": 900})
    page.locator("#verdicts summary").first.click()
    spilled = page.evaluate("""[...document.querySelectorAll("body, body *:not(.sr, svg *, .scroll *)")].filter((one) => {
        const { display, overflowX } = getComputedStyle(one);
        return display !== "inline" && overflowX === "visible" && one.clientWidth && one.scrollWidth > one.clientWidth + 1;
    }).map((one) => one.outerHTML.slice(0, 100))""")
    assert not spilled


def test_names_are_text(tmp_path, opened):
    run = train(TINY, tmp_path / "<script>alert(1)<" / "script>")
    assert main(["inspect", str(run.folder), "--html"]) == 0
    page = opened(run.folder / "report.html")
    assert "<script>alert(1)</script>" in page.locator(".eyebrow").inner_text()
    assert page.locator("script").count() == 2


SORTS = {
    "regression": TINY.replace(
        task="carry",
        task_options={
            "dimension": 4,
            "n_outputs": 3,
            "n_train": 100,
            "n_validation": 50,
            "n_test": 50,
        },
        n_neurons=20,
    ),
    "symbol stream": TINY.replace(
        task="miconi_easy",
        task_options={"n_streams": 10, "length": 200},
        n_iterations=6,
        activation="tanh",
    ),
    "places on a line": TINY.replace(
        task="mnist1d",
        task_options={},
        n_neurons=70,
        hidden_positions="learned",
        strengths={"weight": 1e-4, "locality": 1e-3},
    ),
    "places in a plane": TINY.replace(
        task="digits",
        task_options={},
        n_neurons=90,
        hidden_positions="learned",
        strengths={"weight": 1e-4, "locality": 1e-3},
    ),
    "clamped": TINY.replace(input_mode="clamped"),
    "disconnected": TINY.replace(strengths={"weight": 10.0}, steps=200),
    "diverged": TINY.replace(learning_rate=1e30, check_every=1),
    "no snapshots, one row of history": TINY.replace(snapshots=0, log_every=1000, steps=2),
    "not sparse": TINY.replace(strengths={}),
}


@pytest.mark.parametrize("config", SORTS.values(), ids=SORTS.keys())
def test_every_sort_of_run_has_a_page(config, tmp_path, opened, request):
    run = train(config, tmp_path / "run")
    assert main(["inspect", str(run.folder), "--html"]) == 0
    page = opened(run.folder / "report.html")
    for key in ("Home", "End"):
        slide(page, "snapshot", [key])
        slide(page, "level", ["ArrowLeft", "Home", "End"])
    page.focus("#graph")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    kind = request.node.callspec.id
    if run.status != "ok":
        assert run.status == kind
    if kind == "disconnected":
        assert page.locator("#now").inner_text() == "disconnected"
    if kind in ("disconnected", "diverged"):
        assert page.locator(".warning[role=alert]").count() == 1
    else:
        assert page.locator("#neuron h3").first.inner_text().startswith("Neuron ")
    assert page.locator("#history svg").count() == (4 if run.history else 0)


def test_an_interrupted_run_has_a_page_that_says_so(interrupted_run, opened):
    assert main(["inspect", str(interrupted_run), "--html"]) == 0
    page = opened(interrupted_run / "report.html")
    assert "interrupted" in page.locator(".warning").inner_text()


def test_large_networks_load_within_two_seconds_and_follow_the_mouse(tmp_path, browser, opened):
    """500 neurons in use and 20,000 edges, at three snapshots and four cuts. Measured on two busy cores: 0.5 to 0.9 s."""
    generator = np.random.default_rng(0)
    sizes, shape = (110, 180, 140, 60, 10), {"n_inputs": 110, "n_outputs": 10, "n_iterations": 4}
    starts = np.concatenate([[0], np.cumsum(sizes)])
    W = np.zeros((500, 500))
    for low, mid, high in zip(starts, starts[1:], starts[2:], strict=False):
        W[mid:high, low:mid] = generator.normal(size=(high - mid, mid - low))
    left = np.flatnonzero(W)
    W.ravel()[generator.choice(left, len(left) - 20_000, replace=False)] = 0.0
    b, cuts = np.full(500, 0.1), (0.0, 0.5, 1.0, 1.5)
    snapshots = [
        snapshot(W * (1 + k / 10), b, k, shape, cuts, activity=generator.random((5, 500)))
        for k in range(3)
    ]
    report = snapshots[-1].report
    assert len(report.layer_of) == 500
    assert len(report.effective.edges) == 20_000
    path = tmp_path / "large.html"
    path.write_text(small_page(snapshots=snapshots, n_inputs=110, n_outputs=10), encoding="utf-8")
    opening = []
    for _ in range(3):
        used, start = processor_time(browser), time.perf_counter()
        page = opened(path)
        assert "20,000 edges" in page.locator("#graph-note").inner_text()
        page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )  # it is on the screen
        opening.append((time.perf_counter() - start, processor_time(browser) - used))
    wall, used = map(
        min, zip(*opening, strict=True)
    )  # the least disturbed by what else the machine does
    assert wall < 2.0
    assert used < 2.0
    page.locator("#graph").scroll_into_view_if_needed()
    before = processor_time(browser)
    for value in range(3):
        page.evaluate(
            """(value) => {
            const slider = document.getElementById("snapshot");
            slider.value = value;
            slider.dispatchEvent(new Event("input"));
            return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }""",
            value,
        )
    moved = (processor_time(browser) - before) / 3
    before = processor_time(browser)
    for k in range(10):
        page.evaluate(
            """(k) => {
            const host = document.getElementById("graph"), box = host.getBoundingClientRect();
            const x = box.left + 26 + (k % 2) * 0.25 * (box.width - 52);
            host.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: box.top + 20 + 45 * k }));
            return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }""",
            k,
        )
    hovered = (processor_time(browser) - before) / 10
    print(
        f"load {wall:.2f} s, {used:.2f} s of processor time, slider {moved:.2f} s, hover {hovered:.2f} s"
    )
    assert moved < 0.5
    assert hovered < 0.25


def processor_time(browser) -> float:
    """Seconds that all processes of the browser have used: what an idle core would have needed, however busy this one is."""
    return sum(
        process["cpuTime"]
        for process in browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")[
            "processInfo"
        ]
    )
