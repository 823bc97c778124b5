"""What the documentation prints is what the code prints; its site holds what its pages name."""

import doctest
import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_iris

from urn.cli import main

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["theory.md"])
def test_the_worked_examples_come_out_as_printed(page: str) -> None:
    """Every `>>>` line of the page, in order."""
    result = doctest.testfile(
        str(DOCS / page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert result.attempted > 10
    assert result.failed == 0


def test_the_way_from_clone_to_a_report_on_a_table_of_ones_own(cwd: Path) -> None:
    """Every command of the first page after the set-up, as printed, with a table as it has it."""
    iris = load_iris()
    rows = [
        f"{','.join(map(str, x))},{iris.target_names[y]}"
        for x, y in zip(iris.data, iris.target, strict=True)
    ]
    (cwd / "mine.csv").write_text("\n".join(["a,b,c,d,species", *rows]))
    blocks = (DOCS / "index.md").read_text().split("```")[1::2]
    venv, install, *commands = [line for block in blocks for line in block.strip().splitlines()]
    assert venv == "python3.11 -m venv .venv"
    assert install == ".venv/bin/pip install -c constraints.txt -e ."
    assert (DOCS.parent / "constraints.txt").is_file()
    assert len(commands) == 5
    for command in commands:
        program, *words = shlex.split(command)
        assert program == ".venv/bin/urn"
        assert main(words) == 0
    assert "species" in (cwd / "runs" / "mine" / "config.toml").read_text()
    assert "<title>runs/mine" in (cwd / "runs" / "mine" / "report.html").read_text()
    assert (cwd / "runs" / "first" / "export" / "network.py").is_file()


def commands(page: str) -> list[str]:
    """The command lines on a page."""
    text = (DOCS / page).read_text()
    return re.findall(r"^urn (judge .*)$", text, flags=re.MULTILINE)


def test_a_connectome_is_judged_as_the_page_says(
    cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its files as printed, its program, and every command."""
    page = "how-to/judge-a-connectome.md"
    text = (DOCS / page).read_text()
    for name in ("csv", "toml"):
        block = re.search(rf"```{name}\n(.*?)```", text, flags=re.DOTALL)
        assert block is not None
        (cwd / f"worm.{name}").write_text(block[1])
    exec(compile(programs(page), page, "exec"), {})

    lines = commands(page)
    assert len(lines) == 4
    for line in lines:
        assert main(shlex.split(line)) == 0, capsys.readouterr().err
    assert "fully_connected" in capsys.readouterr().out
    assert "<title>" in (cwd / "worm.html").read_text()


def programs(page: str) -> str:
    """The blocks of Python on a page, one after the other."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
    assert blocks
    return "\n".join(blocks)


@pytest.mark.parametrize(
    "page",
    [
        *("how-to/term.md", "how-to/task.md", "how-to/verdict.md"),
        "how-to/judge-your-network.md",
    ],
)
def test_what_may_be_added_is_added_from_outside(page: str, tmp_path: Path) -> None:
    """The programs of the page run as they stand, as somebody else's module, in another folder."""
    module = tmp_path / "outside.py"
    module.write_text(programs(page))
    root = {"PYTHONPATH": str(DOCS.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", module],
        cwd=tmp_path,
        env=os.environ | root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]


# ---- the site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a broken link, anchor, snippet or name of the API is an error."""
    pytest.importorskip("zensical", reason="zensical is not installed: pip install -e .[docs]")
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(DOCS.parent / "mkdocs.yml", folder)
    for name in ("docs", "urn", "analysis", "experiments"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(DOCS.parent / name, folder / name, ignore=ignored)

    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def text_of(page: Path) -> str:
    """What a reader of a built page sees."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def test_the_page_of_examples_shows_programs_and_their_pictures(site: Path) -> None:
    shown = text_of(site / "examples" / "index.html")
    files = sorted((DOCS / "examples").glob("*.py"))
    assert len(files) >= 6
    for path in files:
        assert path.read_text().strip() in shown, path.name


def test_every_page_is_built_and_in_the_navigation(site: Path) -> None:
    listed = set(re.findall(r": ([\w/-]+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(), re.M))
    assert listed == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    for name in listed:
        page = Path(name).with_suffix("")
        assert (site / ("" if name == "index.md" else page) / "index.html").is_file(), name


def test_the_api_is_there_with_its_parameters(site: Path) -> None:
    """Names, docstrings and, of a function with NumPy's sections, a table of parameters."""
    page = (site / "api" / "index.html").read_text()
    for name in ("urn.train", "urn.TrainConfig", "urn.ProximalAdam", "analysis.analyse"):
        assert f'id="{name}"' in page
    assert "Judge" in page
    assert page.count("Parameters:") > 3
    assert ":::" not in text_of(site / "api" / "index.html")


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"?([^\" >]+)", path.read_text()
        )
        assert not [url for url in loaded if re.match(r"(https?:)?//", url)], path
