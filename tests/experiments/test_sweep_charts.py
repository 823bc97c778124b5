"""The page of a sweep in headless Chromium: every network is on the screen, and any mark leads to
its network, with the mouse and with the keyboard alone.

The networks of the large sweep are made up, in the columns of a real store; each has the folder of
a network that was trained.
"""

import base64
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis.importance import importance, numeric, top
from analysis.page.thumbnails import SIDE
from analysis.plots import pareto_front
from experiments.sweeps.importances import importances, points, spacing
from experiments.sweeps.page import write_page
from experiments.sweeps.pictures import Choice, Pictures
from experiments.sweeps.plan import make_plan
from experiments.sweeps.schema import quoted
from experiments.sweeps.store import Store
from tests.experiments.test_sweep_page import Seen
from tests.experiments.test_sweep_pictures import LEARNING
from tests.experiments.test_sweeps import engine, sweep

if TYPE_CHECKING:  # a machine without playwright skips these tests
    from playwright.sync_api import Page

Opened = Callable[..., "Page"]
"""Opens a page file, see the fixture `opened`."""

N = 720
"""Networks of the large sweep: 12 x 12 points and 5 seeds, as in experiments/sweeps/digits.toml"""

MOST_SECONDS = 3.0
"""From the opening of the page to all networks on the screen, in seconds of the browser's processor
time: the machine may be busy with other things."""

NASTY = "</script><script>alert(1)</script><i>"
"""A text that would run if it were read as HTML."""


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A sweep of 720 networks, a sixth at chance; its page is written."""
    folder = tmp_path_factory.mktemp("sweeps") / "large"
    axis = {"log": [1e-4, 1e-1], "n": 12}
    plan = make_plan(
        sweep(5, LEARNING, grid={"strengths.weight": axis, "strengths.depth": dict(axis)})
    )
    trained = trained_run(tmp_path_factory.mktemp("sweeps") / "one")
    with Store.create(folder, plan) as store:
        rng = np.random.default_rng(0)
        for number, row in enumerate(made_up(rng, [point.changes for point in plan.points])):
            names = ", ".join(f"{quoted(name)} = ?" for name in row)
            values = (*row.values(), number)
            store.db.execute(f"UPDATE points SET {names} WHERE number = ?", values)
            store.run_folder(number).symlink_to(trained)
        pictures = Pictures(store, Choice())
        write_page(pictures, [])
    return folder


def trained_run(folder: Path) -> Path:
    """The folder of a network that learned something."""
    plan = make_plan(sweep(1, LEARNING, grid={"strengths.weight": [1e-4]}))
    with Store.create(folder, plan) as store:
        engine(store, plan).run()
        return store.run_folder(0)


def made_up(rng: np.random.Generator, changes: list[dict]) -> list[dict]:
    """Rows as a sweep might have them: dear weights are few, and the dearest learn nothing."""
    rows = []
    for change in changes:
        weight = np.log10(change["strengths.weight"])
        depth = np.log10(change["strengths.depth"])
        at_chance = weight > -1.5
        recurrent = bool(depth + 0.3 * rng.normal() < -2.5)
        row = {"status": "ok", "architecture": "nothing learned", "validation_accuracy": 0.1}
        row |= {"loss": 2.3, "recurrent": 0, "recurrent_p": 0.9, "summary": NASTY}
        if not at_chance:
            row["architecture"] = f"recurrent {NASTY}" if recurrent else "MLP"
            row["validation_accuracy"] = float(0.97 - 0.01 * (weight + 4) + 0.003 * rng.normal())
            row["loss"] = float(0.02 + 0.01 * rng.random())
            row |= {"recurrent": int(recurrent), "recurrent_p": 0.002 if recurrent else 0.8}
        row["used_connections"] = int(10 ** (1 - 0.6 * weight + 0.05 * rng.normal()))
        row |= {"used_neurons": 30 + int(rng.integers(9)), "depth": 2, "path_depth": 1.5}
        row |= {"reuse_share": float(rng.random() * 0.1 + recurrent * 0.6), "density": 0.25}
        rows.append(row)
    return rows


def pictures_of(folder: Path, choice: Choice | None = None) -> Pictures:
    """What the page of a sweep was made of."""
    with Store(folder) as store:
        return Pictures(store, choice or Choice())


def centre(page: "Page", selector: str, x: float = 0.5, y: float = 0.5) -> tuple[float, float]:
    """A place within an element, from 0 to 1, once it is in view."""
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def panel(page: "Page") -> dict[str, str]:
    """{name: value} of what the panel lists, with its heading as None's value."""
    names = page.locator("#panel dt").all_inner_texts()
    values = page.locator("#panel dd").all_inner_texts()
    heading = page.locator("#panel h3").inner_text()
    return {"heading": heading, **dict(zip(names, values, strict=True))}


def network(page: "Page") -> int:
    """The number of the network that is shown."""
    found = re.match(r"network (\d+):", page.locator("#panel h3").inner_text())
    assert found
    return int(found[1])


def pixels(page: "Page", selector: str) -> str:
    """What is drawn in a canvas."""
    return page.evaluate("s => document.querySelector(s).toDataURL()", selector)


def plain(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace(",", "").replace("−", "-"))


# ---- all networks are there


def test_720_networks_are_on_the_screen_within_three_seconds(large: Path, opened: Opened) -> None:
    blank = large.parent / "blank.html"
    blank.write_text("<!doctype html><title>blank</title>")
    page = opened(blank)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def processor_seconds() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in metrics}["ProcessTime"]

    before = processor_seconds()
    begun = time.monotonic()
    page.goto((large / "index.html").as_uri())
    page.wait_for_selector(f"#lines-strip[data-drawn='{N}']")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    print(f"{time.monotonic() - begun:.2f} s by the clock")
    assert processor_seconds() - before < MOST_SECONDS

    columns = pictures_of(large).columns
    learned = columns["architecture"] != "nothing learned"
    assert page.locator("#front").get_attribute("data-drawn") == str(learned.sum())
    maps = page.locator(".map-picture")
    assert {maps.nth(k).get_attribute("data-drawn") for k in range(maps.count())} == {"144"}
    assert (large / "index.html").stat().st_size < 3e6


def test_texts_of_users_stay_texts_and_no_picture_is_empty(large: Path, opened: Opened) -> None:
    page = opened(large / "index.html")
    assert page.locator("i").count() == 0
    assert NASTY in page.locator("ul.kinds").inner_text()
    for canvas in ("#lines-strip canvas", "#front canvas", ".map-picture canvas"):
        page.locator(canvas).first.scroll_into_view_if_needed()
        filled = page.evaluate(
            "s => { const c = document.querySelector(s); const d = c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data; let n = 0;"
            "for (let k = 3; k < d.length; k += 4) n += d[k] > 0; return n / (d.length / 4); }",
            canvas,
        )
        assert filled > 0.02, canvas


# ---- lines


def test_a_brush_keeps_the_networks_that_pass_there(large: Path, opened: Opened) -> None:
    page = opened(large / "index.html")
    columns = pictures_of(large).columns
    handle = page.locator("[data-column='strengths.weight'][data-end='1']")
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    kept = columns["strengths.weight"] <= np.unique(columns["strengths.weight"])[-4]
    page.wait_for_selector(f"#lines-strip[data-drawn='{kept.sum()}']")
    assert page.locator("#brushed").inner_text().startswith(f"{kept.sum()} of {N} networks")
    assert plain(str(handle.get_attribute("aria-valuetext"))) == pytest.approx(
        np.unique(columns["strengths.weight"])[-4], rel=1e-2
    )

    # A second one, with the mouse: the upper half of the axis of depth.
    x, y = centre(page, "#lines-strip .axes g:nth-child(2) .sensor", 0.5, 0.5)
    top_y = centre(page, "#lines-strip .axes g:nth-child(2) .sensor", 0.5, 0.01)[1]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, top_y, steps=4)
    page.mouse.up()
    both = kept & (columns["strengths.depth"] > np.sqrt(1e-4 * 1e-1))
    page.wait_for_selector(f"#lines-strip[data-drawn='{both.sum()}']")

    # A click on an axis lets go of its brush; a button of all.
    page.mouse.click(x, y)
    page.wait_for_selector(f"#lines-strip[data-drawn='{kept.sum()}']")
    page.click("#clear")
    page.wait_for_selector(f"#lines-strip[data-drawn='{N}']")
    assert page.locator("#clear").is_disabled()


def test_lines_take_the_colours_of_a_verdict_and_columns_are_chosen(
    large: Path, opened: Opened
) -> None:
    page = opened(large / "index.html")
    before = pixels(page, "#lines-strip canvas")
    page.select_option("#colouring", "recurrent")
    verdict = next(v for v in pictures_of(large).verdicts if v.name == "recurrent")
    legend = page.locator("ul.kinds").inner_text()
    assert f"yes ({verdict.survives.sum()})" in legend
    assert f"no ({(verdict.judged & ~verdict.present).sum()})" in legend
    assert pixels(page, "#lines-strip canvas") != before

    axes = page.locator("#lines-strip .axis-title").count()
    page.click("#choose")
    page.get_by_label("density", exact=True).check()
    assert page.locator("#lines-strip .axis-title").count() == axes + 1


def test_a_line_leads_to_its_network_and_a_click_pins_it(large: Path, opened: Opened) -> None:
    page = opened(large / "index.html")
    columns = pictures_of(large).columns
    x, y = centre(page, "#lines-strip", 0.2, 0.4)
    for step in range(60):
        page.mouse.move(x, y + step)
        if page.locator("#panel h3").count():
            break
    k = network(page)
    shown = panel(page)
    for name in ("strengths.weight", "strengths.depth", "seed"):
        assert plain(shown[name]) == pytest.approx(columns[name][k], rel=1e-3)
    assert plain(shown["used connections"]) == columns["used_connections"][k]
    assert page.locator("#tip").is_visible()
    command = page.locator("#panel .command").inner_text()
    assert command == f"urn inspect {large}/runs/{k:06d} --html"

    page.mouse.click(x, y + step)
    page.mouse.move(*centre(page, "#front", 0.5, 0.2))
    page.locator("#front").focus()
    page.keyboard.press("Tab")
    assert network(page) == k
    page.keyboard.press("Escape")
    assert page.locator("#panel h3").count() == 0


def test_the_arrow_keys_go_through_lines_and_dots(large: Path, opened: Opened) -> None:
    page = opened(large / "index.html")
    columns = pictures_of(large).columns
    page.locator("#lines").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert network(page) == 2
    assert page.locator("#said").inner_text().startswith("network 2, ")
    assert panel(page)["validation accuracy"] in ("0.1", f"{columns['validation_accuracy'][2]:.4g}")

    page.locator("#front").focus()
    page.keyboard.press("Home")
    learned = columns["architecture"] != "nothing learned"
    fewest = columns["used_connections"][learned].min()
    assert columns["used_connections"][network(page)] == fewest
    page.keyboard.press("Enter")
    assert "Pinned" in page.locator("#panel").inner_text()


# ---- the front


def test_the_front_is_that_of_the_sweep_and_its_axis_begins_where_networks_are(
    large: Path, opened: Opened
) -> None:
    page = opened(large / "index.html")
    columns = pictures_of(large).columns
    learned = columns["architecture"] != "nothing learned"
    cost = np.where(learned, columns["used_connections"], np.nan)
    expected = pareto_front(cost, columns["validation_accuracy"])
    picked = page.locator("#front-pictures button")
    assert [int(str(b.get_attribute("data-network"))) for b in picked.all()] == expected.tolist()
    assert page.locator("#front-pictures canvas").count() == len(expected)

    picked.first.focus()
    assert network(page) == expected[0]
    assert page.locator("#panel .frame canvas").count() == 1

    # At chance 0.1, others from 0.93 on: were 0.1 on the axis, its lower half would be empty.
    x, y = centre(page, "#front", 0.5, 0.85)
    page.keyboard.press("Escape")
    left, width = x - 300, 600
    for dx in range(0, width, 6):
        page.mouse.move(left + dx, y)
        if page.locator("#panel h3").count():
            break
    assert columns["validation_accuracy"][network(page)] > 0.9


def test_a_thumbnail_shows_the_weights_of_its_network(large: Path, opened: Opened) -> None:
    page = opened(large / "index.html")
    page.locator("#front-pictures button").first.focus()
    filled = page.evaluate(
        "() => { const c = document.querySelector('#panel .frame canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let n = 0; for (let k = 3; k < d.length; k += 4) n += d[k] > 0; return n; }"
    )
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page.content())[1])
    picture = data["thumbnails"][str(data["front"][0])]
    shades = np.frombuffer(base64.b64decode(picture["pixels"]), dtype=np.uint8)
    assert filled == ((shades >> 4) > 0).sum() + ((shades & 15) > 0).sum()
    assert 0 < filled < SIDE**2


# ---- maps


def test_a_map_says_its_values_under_the_pointer_and_under_the_keys(
    large: Path, opened: Opened
) -> None:
    page = opened(large / "index.html")
    pictures = pictures_of(large)
    columns = pictures.columns
    weights = np.unique(columns["strengths.weight"])
    depths = np.unique(columns["strengths.depth"])
    chart = page.locator(".map-picture[data-measure='used_connections']")
    chart.focus()
    page.keyboard.press("ArrowRight")  # the first cell: both least
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    here = (columns["strengths.weight"] == weights[2]) & (columns["strengths.depth"] == depths[1])
    values = columns["used_connections"][here]
    said = page.locator("#said").inner_text()
    assert f"median of 5, {values.min():,.0f} to {values.max():,.0f}" in said
    assert f"used connections: {np.median(values):,.0f}" in said
    assert here[network(page)]

    # The same cell under the pointer: what is said there is the same.
    page.keyboard.press("Tab")
    box = chart.bounding_box()
    assert box is not None
    x = box["x"] + 64 + (2 + 0.5) / 12 * (box["width"] - 72)
    y = box["y"] + 6 + (10 + 0.5) / 12 * (box["height"] - 64)
    page.mouse.move(x, y)
    assert page.locator("#tip").inner_text().replace("\n", ", ") == said


def test_a_measure_that_does_not_vary_is_a_line_of_text(large: Path, opened: Opened) -> None:
    page = opened(large / "index.html")
    drawn = page.locator(".map-picture").evaluate_all("m => m.map((x) => x.dataset.measure)")
    assert drawn == ["validation_accuracy", "used_connections", "used_neurons", "reuse_share"]
    same = page.locator("#same").inner_text()
    assert "depth is 2 in every network" in same
    assert "no network has a value of skip share" in same


# ---- importance


def test_the_table_of_importances_is_that_of_ped_anova(large: Path, opened: Opened) -> None:
    page = opened(large / "index.html")
    pictures = pictures_of(large)
    fields = [pictures.columns[name] for name in ("strengths.weight", "strengths.depth")]
    measure = pictures.measured("used_connections")
    for end, sign in (("highest", 1), ("lowest", -1)):
        page.select_option("#importance-of", end)
        row = page.locator(f"#importance tbody[data-end={end}] tr", has_text="used connections")
        assert row.is_visible()
        raw = [
            importance(numeric(x, is_log=True), top(sign * measure), np.isfinite(measure))
            for x in fields
        ]
        cells = row.locator("td").all_inner_texts()
        assert cells[0].startswith(f"{top(sign * measure).sum()} of ")
        for cell, value in zip(cells[1:], raw, strict=True):
            assert cell.startswith(f"{100 * value / sum(raw):.0f} %")
        assert "chance" not in cells[1]
    assert not page.locator("#importance tbody[data-end=highest]").is_visible()


def test_spacing_and_points_are_seen_in_the_values() -> None:
    assert spacing(np.array(["relu", "tanh"])) == "kinds"
    assert spacing(np.array([1e-4, 1e-1, np.nan])) == "log"
    assert spacing(np.array([0, 1e-4, 1e-1])) == "levels"
    assert spacing(np.array([2.0, 3.0, 4.0])) == "linear"
    assert spacing(np.array([-1.0, 1.0, 100.0])) == "linear"
    a = np.repeat([1.0, 1.0, np.nan], 2)
    at = points([a, np.array(list("xxyyxx"))])
    assert [len(set(at[:2])), len(set(at[2:4])), len(set(at[4:])), len(set(at))] == [1, 1, 1, 3]


def test_what_decides_stands_out_and_what_does_not_is_marked_as_chance() -> None:
    rng = np.random.default_rng(0)
    depth = np.repeat(np.tile(np.geomspace(1e-4, 1e-1, 10), 10), 3)
    other = np.repeat(rng.random(100), 3)
    measure = np.log(depth) + 0.1 * rng.normal(size=300)
    rows = importances({"depth": depth, "other": other}, set(), {"m": measure, "none": 0 * measure})
    assert [(row.measure, row.end) for row in rows] == [("m", "highest"), ("m", "lowest")]
    for row in rows:
        assert row.n_chosen == 30
        assert row.shares.sum() == pytest.approx(1)
        assert row.shares[0] > 0.8
        assert row.by_chance.tolist() == [False, True]


# ---- everybody's page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [800, 1300])
def test_it_is_accessible_and_fits(large: Path, opened: Opened, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    page = opened(large / "index.html", color_scheme=scheme, bypass_csp=True)
    page.set_viewport_size({"width": width, "height": 1000})
    page.locator("#front-pictures button").first.focus()
    result = axe.Axe().run(page)
    serious = [
        (fault["id"], [node["target"] for node in fault["nodes"]][:3])
        for fault in result.response["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
    assert not serious
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_script_tables_remain_and_nothing_empty_is_shown(
    large: Path, opened: Opened
) -> None:
    page = opened(large / "index.html", java_script_enabled=False)
    assert page.locator("#map td").count() >= 144
    assert page.locator("#importance tbody").count() == 2
    for hidden in ("#lines", "#network", "#front", "#maps"):
        assert not page.locator(hidden).is_visible()


@pytest.mark.parametrize(
    "kind",
    [
        {"grid": {"strengths.weight": [1e-4, 1e-3, 1e-2]}},
        {"grid": {"activation": ["relu", "tanh"], "task_options.dimension": [2, 3]}},
        {"grid": {"strengths.weight": [1e4, 1e5]}},
        {"points": [{"n_iterations": 3}]},
        {"sobol": {"n": 8, "over": {"strengths.weight": {"log": [1e-4, 1e-1]}}}},
        {
            "random": {
                "n": 8,
                "over": {
                    "strengths.weight": {"log": [1e-4, 1e-1]},
                    "n_iterations": {"linear": [2, 4]},
                },
            }
        },
    ],
    ids=["dial", "words", "dead", "seeds only", "sobol", "random"],
)
def test_whatever_was_swept_has_a_page_without_a_complaint(
    cwd: Path, opened: Opened, kind: dict
) -> None:
    plan = make_plan(sweep(2, LEARNING, **kind))
    with Store.create(cwd / "out", plan) as store:
        engine(store, plan).run()
        write_page(Pictures(store, Choice()), [])
    page = opened(cwd / "out" / "index.html")
    page.wait_for_selector(f"#lines-strip[data-drawn='{len(plan.points)}']")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1400
    assert page.locator("#panel").inner_text().startswith("Point at")
    page.locator("#lines").focus()
    page.keyboard.press("ArrowRight")
    assert network(page) == 0
    for chart in page.locator("#maps .picture, #front").all():
        chart.focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("#panel h3").count() == 1
    assert "undefined" not in page.locator("body").inner_text()
    assert "NaN" not in page.locator("body").inner_text()
    assert Seen(cwd / "out" / "index.html").tags.count("script") == 2
