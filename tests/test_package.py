"""What is shipped: imports are pinned; wheel and sdist are whole, and run where nothing else is.

The tests marked `package` build both distributions and install them into clean environments, which
takes minutes; `make package` runs them. Network: the package registry.
"""

import ast
import configparser
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

OURS = ("urn", "analysis", "experiments", "tests")

FULL = "3.11"
"""The Python on which every test runs, and for which the versions are pinned."""

OTHERS = ("3.12", "3.13")
"""Pythons that the metadata names besides."""

OF_ANALYSIS = ("numpy", "scipy", "networkx", "matplotlib", "jinja2", "threadpoolctl", "packaging")
"""What `analysis` needs. Torch for the other Pythons is several GB with its libraries for GPUs."""

TINY = ["--steps", "60", "--n-neurons", "30", "--quiet"]
"""A training that takes a second."""


def imported(path: Path) -> Iterator[str]:
    """The top-level modules that a source file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def pinned() -> dict[str, str]:
    """{distribution: version} of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def test_every_third_party_import_is_pinned() -> None:
    """Every module that any file of ours imports comes from a distribution in constraints.txt."""
    modules = {
        name for folder in OURS for p in (ROOT / folder).rglob("*.py") for name in imported(p)
    }
    third_party = modules - set(OURS) - set(sys.stdlib_module_names)
    providers = importlib.metadata.packages_distributions()
    known = pinned()

    assert {"torch", "numba", "llvmlite"} <= {*third_party, *known}
    for module in third_party:
        # Ray and JAX need not be there when this test runs.
        distributions = providers.get(module, [module])
        assert any(canonicalize_name(d) in known for d in distributions), module


def test_what_is_pinned_is_what_runs() -> None:
    """No installed distribution has another version than the one in constraints.txt."""
    for name, version in pinned().items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        # "+cpu" names a build of the same version. Setuptools is the machine's.
        if name != "setuptools":
            assert installed.split("+")[0] == version, name


def test_citation_and_changelog_name_the_version() -> None:
    """One version in setup.cfg, CITATION.cff and CHANGELOG.md; both papers are cited."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    version = config["metadata"]["version"]
    citation = (ROOT / "CITATION.cff").read_text()

    assert f"\nversion: {version}\n" in citation
    assert "arXiv:1911.11691" in citation
    assert "arXiv:1606.06216" in citation
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


# ---- the distributions


def run(*command: object, cwd: Path, **variables: str) -> str:
    """Run a command without this environment's packages, and return what it printed."""
    hidden = ("PYTHONPATH", "VIRTUAL_ENV")
    environment = {k: v for k, v in os.environ.items() if k not in hidden} | variables
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and sdist; the wheel is built from the sdist, and lacks what that lacks."""
    source = tmp_path_factory.mktemp("source") / "urn"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "site", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=ignored)

    folder = tmp_path_factory.mktemp("dist")
    constraints = str(ROOT / "constraints.txt")
    run(sys.executable, "-m", "build", "-o", folder, source, cwd=folder, PIP_CONSTRAINT=constraints)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.mark.package
def test_wheel_and_sdist_hold_what_runs_and_no_tests(built: tuple[Path, Path]) -> None:
    """Every file in the three packages but caches, the licence, and nothing else."""
    wheel, sdist = built
    shipped = {
        path.relative_to(ROOT).as_posix()
        for folder in OURS[:3]
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"urn/py.typed", "analysis/py.typed", "experiments/sweeps/digits.toml"} <= shipped
    assert "analysis/page/templates/report.html" in shipped

    names = set(zipfile.ZipFile(wheel).namelist())
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == shipped
    assert any(name.endswith("licenses/LICENSE") for name in about)

    with tarfile.open(sdist) as archive:
        inside = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    assert shipped <= inside
    top = {"LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "constraints.txt"}
    assert top <= inside
    assert not [name for name in inside if name.startswith(("tests/", "docs/"))]


@pytest.mark.package
def test_metadata_is_valid_and_complete(built: tuple[Path, Path]) -> None:
    """As PyPI checks it, on both distributions."""
    wheel, sdist = built
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        texts = [archive.read(name)]
    with tarfile.open(sdist) as archive:
        (member,) = [m for m in archive.getmembers() if re.fullmatch(r"[^/]+/PKG-INFO", m.name)]
        texts.append(archive.extractfile(member).read())

    for text in texts:
        metadata = Metadata.from_email(text, validate=True)
        assert metadata.name == "urn-networks"
        assert metadata.license_expression == "BSD-3-Clause"
        assert metadata.license_files == ["LICENSE"]
        assert metadata.author == "the urn developers"
        assert metadata.description.startswith("# urn")
        assert metadata.description_content_type.startswith("text/markdown")
        for version in (FULL, *OTHERS):
            assert f"Programming Language :: Python :: {version}" in metadata.classifiers


def environment(folder: Path, *arguments: object, python: list[str] | None = None) -> Path:
    """Make a virtual environment, install into it, and return the folder of its programs."""
    if python is None:
        venv.create(folder, with_pip=True, symlinks=True)
    else:
        run(*python, "-m", "venv", folder, cwd=folder.parent)

    quiet = ("--quiet", "--disable-pip-version-check")
    run(folder / "bin" / "python", "-m", "pip", "install", *quiet, *arguments, cwd=folder)
    return folder / "bin"


@pytest.mark.package
def test_the_wheel_runs_in_a_clean_environment_and_an_empty_folder(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    """Train, look, benchmark: with nothing but the wheel and what it requires."""
    constraints = ROOT / "constraints.txt"
    programs = environment(tmp_path / "env", "-c", constraints, built[0])
    empty = tmp_path / "empty"
    empty.mkdir()

    run(programs / "urn", "train", "--task", "shells", "--out", "runs/tiny", *TINY, cwd=empty)
    run(programs / "urn", "inspect", "runs/tiny", "--html", cwd=empty)
    assert "<title>runs/tiny" in (empty / "runs/tiny/report.html").read_text()

    printed = run(programs / "python", "-m", "experiments.benchmarks", "census", cwd=empty)
    assert "networkx" in printed
    listed = run(programs / "python", "-m", "pip", "list", cwd=empty)
    assert "urn-networks" in listed
    assert "pytest" not in listed


def interpreter(version: str) -> tuple[list[str], dict[str, str]] | None:
    """How to start a Python of a version: by its name on PATH, or through pyenv; or None."""
    name = f"python{version}"
    variables: list[dict[str, str]] = [{}]

    if pyenv := shutil.which("pyenv"):
        listed = subprocess.run(
            [pyenv, "versions", "--bare"], capture_output=True, text=True
        ).stdout
        matching = [v for v in listed.split() if v.startswith(f"{version}.")]
        variables += [{"PYENV_VERSION": v} for v in matching]

    for extra in variables:
        if not shutil.which(name):
            break
        tried = subprocess.run([name, "-V"], env=os.environ | extra, capture_output=True)
        if tried.returncode == 0:
            return [name], extra
    return None


@pytest.mark.package
@pytest.mark.parametrize("version", OTHERS)
def test_analysis_runs_on_other_pythons(
    version: str, built: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It judges a planted two-layer network without torch, which is too large to fetch here."""
    at_hand = interpreter(version)
    if at_hand is None:
        pytest.skip(f"no Python {version} on this machine")
    python, variables = at_hand
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    programs = environment(tmp_path / "env", *OF_ANALYSIS, python=python)
    run(programs / "python", "-m", "pip", "install", "--no-deps", "--quiet", built[0], cwd=tmp_path)
    program = """if True:
        import sys
        import numpy as np
        from analysis import analyse, to_networkx
        from analysis.plots import sorted_matrix

        rng = np.random.default_rng(0)
        weights = np.zeros((20, 20))
        weights[4:10, :4] = rng.uniform(0.5, 1, (6, 4))
        weights[10:17, 4:10] = rng.uniform(0.5, 1, (7, 6))
        weights[17:, 10:17] = rng.uniform(0.5, 1, (3, 7))
        report = analyse(weights, n_inputs=4, n_outputs=3, n_iterations=3)
        assert "torch" not in sys.modules
        print(sys.version_info[:2], report.summary, list(report.widths))
    """
    printed = run(programs / "python", "-c", program, cwd=tmp_path)
    assert str(tuple(map(int, version.split(".")))) in printed
    assert "[6, 7]" in printed.replace("np.int64(6)", "6").replace("np.int64(7)", "7")
