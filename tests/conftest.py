"""What all tests share: one thread, the command line, small runs to damage.

With one thread the machine's sums are always the same.
"""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_limits

from urn import TrainConfig, train
from urn.cli import main

ROOT = Path(__file__).resolve().parents[1]

SMALL = TrainConfig(
    task="shells",
    task_options={"dimension": 2, "n_train": 64, "n_validation": 16, "n_test": 16},
    n_neurons=12,
    n_iterations=3,
    steps=20,
    batch_size=16,
    check_every=5,
    log_every=5,
    snapshots=2,
    strengths={"weight": 1e-3, "depth": 1e-2},
)
"""A run of a few hundredths of a second."""


NOT_ASKED = "SCIPY_ARRAY_API is not set"
"""scikit-learn's checks of arrays other than NumPy's, which our estimators do not claim to take."""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where URN_SKIP_NOTHING is set, as in continuous integration, a skip is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    skipped = [report for report in reports if NOT_ASKED not in str(report.longrepr)]

    if skipped and "URN_SKIP_NOTHING" in os.environ:
        reporter.write_line(f"{len(skipped)} skipped where nothing may be", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def cwd(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def _runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    train(SMALL, folder / "finished")
    train(SMALL, folder / "interrupted", stop=after(12))
    return folder


@pytest.fixture
def finished_run(_runs, cwd):
    """A copy of a run that came to its end."""
    return shutil.copytree(_runs / "finished", cwd / "run")


@pytest.fixture
def interrupted_run(_runs, cwd):
    """A copy of a run that was stopped after 12 of 20 steps."""
    return shutil.copytree(_runs / "interrupted", cwd / "run")


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium, driven by playwright; the test is skipped where either is missing."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -e .[test]"
    )
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser):
    """A function that opens a page file and gives the browser's page; at the end nothing may have
    been complained of."""
    complaints, contexts = [], []

    def show(path: Path, **options):
        contexts.append(browser.new_context(viewport={"width": 1400, "height": 1000}, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(120_000)  # the machine may be busy with other things
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                request.url.startswith("file:") or complaints.append(f"loads {request.url}")
            ),
        )
        page.on(
            "dialog",
            lambda dialog: complaints.append(f"dialog {dialog.message}") or dialog.dismiss(),
        )
        page.goto(path.resolve().as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def refused(cwd, capsys):
    """A function that runs a command line and holds it to the rules for bad input.

    Exit status 2; exactly one line on stderr, which starts with `urn: ` and contains the culprit;
    not a file changed."""

    def check(argv: list[str], *culprits: str) -> str:
        capsys.readouterr()
        before = listing(cwd)
        status = main(argv)
        captured = capsys.readouterr()
        assert status == 2, captured
        assert captured.err.startswith("urn: "), captured.err
        assert captured.err.count("\n") == 1
        assert captured.err.endswith("\n")
        assert captured.out == ""
        for culprit in culprits:
            assert culprit in captured.err
        assert listing(cwd) == before
        return captured.err

    return check


SCHEMES = ("light", "dark")
"""Colours that a browser may ask for."""

SIZES = ({"width": 1300, "height": 1000}, {"width": 800, "height": 1000})
"""Windows, wide and narrow, that pages are drawn for."""


def faults(page) -> list[str]:
    """Serious faults that axe-core finds in a page as it stands, each with where."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    return [
        f"{violation['id']}: {[node['target'] for node in violation['nodes']][:3]}"
        for violation in axe.Axe().run(page).response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


def faults_in_any_colours(page) -> list[str]:
    """These faults in each scheme at each size, and whether the page then scrolls sideways."""
    said = []
    for scheme in SCHEMES:
        for size in SIZES:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            page.wait_for_timeout(300)  # until all is drawn anew
            said += [f"{scheme} {size['width']}: {fault}" for fault in faults(page)]
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > size["width"]:
                said.append(f"{scheme} {size['width']}: scrolls to {wide}")
    return said


def listing(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, with a digest of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def after(n: int):
    """A `stop` for `train` that lets n steps pass."""
    asked = iter(range(n))
    return lambda: next(asked, None) is None


def cases(table: dict):
    """Turn {name: (input, culprit)} into named parameters."""
    return pytest.mark.parametrize(("given", "culprit"), table.values(), ids=table.keys())
