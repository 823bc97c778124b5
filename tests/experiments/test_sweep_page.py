"""The page of a sweep: its phase map with every network in it, links that lead to reports.

Texts stay texts.
"""

import shutil
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from experiments.commands.inspect import PAGE
from experiments.sweeps.engine import Engine
from experiments.sweeps.page import write_page
from experiments.sweeps.pictures import Choice, Pictures
from experiments.sweeps.plan import make_plan
from experiments.sweeps.store import Store
from tests.conftest import faults_in_any_colours
from tests.experiments.test_sweeps import sweep
from urn.cli import main

NAME = Path("<script>alert(1)<") / "script> & co"
GRID = {"strengths.weight": [1e-4, 1e6], "n_iterations": [2, 3]}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A sweep of four settings and two seeds; two settings are disconnected."""
    folder = tmp_path_factory.mktemp("sweeps") / "tiny"
    trained(folder, **GRID).db.close()
    return folder


@pytest.fixture
def folder(tiny, cwd):
    """A copy of that sweep under a name that is no harmless text."""
    (cwd / NAME).parent.mkdir()
    return shutil.copytree(tiny, cwd / NAME)


def trained(folder: Path, **grid) -> Store:
    plan = make_plan(sweep(2, grid=grid))
    store = Store.create(folder, plan)
    Engine(store, plan, 1, lambda *said: None, lambda: False).run()
    return store


class Seen(HTMLParser):
    """Links, pictures, cells of the map and all text of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.images, self.tags, self.text, self.path = [], [], [], "", path
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        if tag == "a" and not found["href"].startswith("#"):
            self.links.append(self.path.parent / unquote(found["href"]))
        if tag == "img":
            self.images.append(self.path.parent / unquote(found["src"]))

    def handle_data(self, data):
        if self.tags[-1:] not in (["script"], ["style"]):
            self.text += data


def test_every_network_is_listed_and_linked_to_its_report_once_that_is_written(folder, capsys):
    with Store(folder) as store:
        numbers = [number for (number,) in store.rows(["number"])]
    assert main(["sweep", "plot", str(folder), "--measure", "depth"]) == 0
    assert str(folder / "index.html") in capsys.readouterr().out
    page = Seen(folder / "index.html")
    assert page.images
    assert all(image.is_file() for image in page.images)
    files = set((folder / "figures").iterdir())
    assert set(page.images) < files
    assert set(page.links) == files
    assert page.tags.count("script") == 2  # our own, and the data
    assert "script> & co" in page.text
    assert all(f"{folder}/runs/{number:06d}' --html" in page.text for number in numbers)
    assert page.text.count("seed 100: ") == page.text.count("seed 101: ") == 4
    assert page.text.count("seed 100: disconnected") == 2

    assert main(["inspect", str(folder / "runs" / "000003"), "--html", "--nulls", "200"]) == 0
    made = (folder / "runs" / "000003" / "report.html").stat().st_mtime_ns
    capsys.readouterr()
    assert main(["sweep", "plot", str(folder), "--measure", "depth", "--reports"]) == 0
    assert "(7 of 7)" in capsys.readouterr().err
    assert (folder / "runs" / "000003" / "report.html").stat().st_mtime_ns == made
    page = Seen(folder / "index.html")
    reports = {folder / "runs" / f"{number:06d}" / "report.html" for number in numbers}
    assert set(page.links) == reports | files
    assert all(link.is_file() for link in page.links)
    assert "--html" not in page.text


def test_it_opens_from_disk_and_works_without_a_script(folder, opened):
    inspected = (
        folder / "runs" / "000006"
    )  # the highest price with 3 iterations: the second cell of the first row
    assert main(["inspect", str(inspected), "--html", "--nulls", "200"]) == 0
    assert main(["sweep", "plot", str(folder), "--measure", "depth"]) == 0
    page = opened(folder / "index.html", java_script_enabled=False)
    assert page.locator("h1").inner_text() == "script> & co"
    assert page.locator("#map tbody tr").count() == 2
    assert page.locator("#map tbody th").all_inner_texts() == ["3", "2"]
    cell = page.locator("#map tbody td").nth(1)
    assert "disconnected" in cell.inner_text()
    assert "2 of 2" in cell.inner_text()
    assert cell.locator("a").evaluate_all("links => links.map((link) => link.href)") == [
        (inspected / PAGE).as_uri()
    ]
    cell.locator("summary").focus()
    page.keyboard.press("Enter")
    link = cell.get_by_role("link").first
    assert link.inner_text().startswith("seed 100: disconnected, ")
    link.click()
    assert page.locator("h1").inner_text() == "disconnected"


def test_no_serious_fault_in_any_colours_and_no_scrolling_sideways(folder, opened):
    assert main(["sweep", "plot", str(folder)]) == 0
    assert not faults_in_any_colours(opened(folder / "index.html"))


def test_one_field_gives_one_row_and_held_fields_leave_the_rest_below(cwd):
    with trained(cwd / "one", **{"strengths.weight": [1e-4, 1e-3]}):
        pass
    assert (
        main(
            [
                "sweep",
                "plot",
                str(cwd / "one"),
                "--measure",
                "used_connections",
                "--out",
                str(cwd / "elsewhere"),
            ]
        )
        == 0
    )
    page = Seen(cwd / "one" / "index.html")
    assert page.tags.count("summary") == 2
    assert all(image.is_file() for image in page.images)
    assert {image.parent.resolve() for image in page.images} == {cwd / "elsewhere"}
    with trained(cwd / "held", **GRID, **{"strengths.depth": [0.0, 1e-2]}) as store:
        page = Seen(write_page(Pictures(store, Choice(measures=("depth",))), []))
    assert "8 networks off this map" in page.text
    assert page.text.count("seed 100") == 8


def test_samples_are_listed_point_by_point(cwd):
    with Store.create(
        cwd / "out",
        make_plan(
            sweep(
                1,
                sobol={
                    "n": 64,
                    "over": {
                        "strengths": {
                            "weight": {"log": [1e-4, 1e-1]},
                            "depth": {"log": [1e-4, 1e-1]},
                        }
                    },
                },
            )
        ),
    ) as store:
        store.db.execute(
            "UPDATE points SET status = 'ok', architecture = 'MLP <i>', validation_accuracy = 0.5 "
            "WHERE number < 40"
        )
        page = Seen(write_page(Pictures(store, Choice()), []))
    assert page.tags.count("summary") == 40 + 1  # one for each, and one for the list of them
    assert "i" not in page.tags
    assert "40 of 64 networks are trained" in page.text


def test_ten_thousand_networks_have_a_page_in_seconds(cwd):
    axis = {"log": [1e-4, 1e-1], "n": 20}
    with Store.create(
        cwd / "out",
        make_plan(sweep(25, grid={"strengths.weight": axis, "strengths.depth": axis})),
    ) as store:
        store.db.execute(
            "UPDATE points SET status = 'ok', architecture = 'MLP', validation_accuracy = 0.5"
        )
        begun = time.process_time()
        path = write_page(Pictures(store, Choice()), [])
        assert time.process_time() - begun < 3
        assert Seen(path).text.count("seed ") == 10_000


def test_reports_belong_to_plot_and_an_interruption_keeps_what_is_written(
    folder, capsys, monkeypatch
):
    assert main(["sweep", "status", "nowhere", "--reports"]) == 2
    assert "--reports" in capsys.readouterr().err
    monkeypatch.setattr(
        "urn.cli.Interrupt.__call__", lambda self: (folder / "runs/000001/report.html").exists()
    )
    assert main(["sweep", "plot", str(folder), "--measure", "depth", "--reports"]) == 130
    links = [link for link in Seen(folder / "index.html").links if link.suffix == ".html"]
    assert links == [folder / "runs" / f"{number:06d}" / "report.html" for number in (0, 1)]


def test_a_run_that_cannot_be_read_is_named_and_the_others_have_their_reports(folder, capsys):
    (folder / "runs/000001/weights.safetensors").write_bytes(b"x")
    assert main(["sweep", "plot", str(folder), "--measure", "depth", "--reports", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert "000001/weights.safetensors: not a readable" in error
    assert error.count("\n") == 1
    links = [link for link in Seen(folder / "index.html").links if link.suffix == ".html"]
    assert set(links) == {
        folder / "runs" / f"{number:06d}" / "report.html" for number in (0, 2, 3, 4, 5, 6, 7)
    }
