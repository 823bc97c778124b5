"""The form of the code: the measures of house.py, which way imports point, what pages name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

from tests import house

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = ("urn", "analysis", "experiments")

FORBIDDEN_IMPORTS = {
    "urn": {"analysis", "experiments", "tests"},
    "analysis": {"urn", "experiments", "tests"},
    "experiments": {"tests"},
}
"""{package: what its modules may not import}."""

ALLOWED = {("urn.estimators", "analysis")}
"""`structure_` of an estimator is judged when asked for: scikit-learn's users expect one object."""

PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@pytest.fixture(scope="module", params=PACKAGES)
def measured(request: pytest.FixtureRequest) -> house.Measures:
    """All measures of a package."""
    return house.measure([ROOT / request.param])


@pytest.mark.parametrize("name", house.MEASURES)
def test_a_measure_is_within_its_limit(name: str, measured: house.Measures) -> None:
    """The table of `python tests/house.py urn analysis experiments`."""
    worst = house.worst({name: measured[name]}, 10)
    assert house.holds(name, measured[name]), f"{house.shown(name, measured[name])}\n{worst}"


def test_the_measures_count_what_they_say(tmp_path: Path) -> None:
    """A module written to offend against each of them once."""
    path = tmp_path / "module.py"
    body = "\n".join(f"    g({n})" for n in range(51))
    many = ", ".join(f"a{n}" for n in range(8))
    line = "# " + "x" * 99
    text = f"LIMIT = 3\n{line}\n\n\ndef f({many}):\n    some, b = 1, 2\n{body}\n    g.exchange(b)\n"
    path.write_text(text)

    result = house.measure([tmp_path])
    once = set(house.MEASURES) - {"comments", "typed"}
    assert {name for name in once if result[name].counted == 1} == once
    assert result["comments"].counted == 1
    assert result["typed"].counted == 0
    assert not any(house.holds(name, result[name]) for name in once | {"typed"})


# ---- imports


def modules() -> dict[str, Path]:
    """{dotted name: file} of all that is installed."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in files}


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules that a file imports, also for type checking and within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known or f"{name}.__init__" in known else node.module


def test_imports_point_one_way() -> None:
    known = modules()
    for name, path in known.items():
        forbidden = FORBIDDEN_IMPORTS[name.split(".")[0]]
        tops = {imported.split(".")[0] for imported in imports(path, known)}
        offending = {top for top in tops & forbidden if (name, top) not in ALLOWED}
        assert not offending, name


def test_no_module_imports_itself_by_way_of_others() -> None:
    """No circle, not for type checking and not within functions either."""
    known = modules()
    graph = nx.DiGraph()
    for name, path in known.items():
        for imported in imports(path, known):
            target = imported if imported in known else f"{imported}.__init__"
            if target in known:
                graph.add_edge(name, target)

    circles = [sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1]
    assert not circles


# ---- pages


def test_no_text_points_to_a_document_that_is_not_in_the_tree() -> None:
    unknown = re.compile("DESIGN" + r"( section|\.md|'s)|" + "REFERENCES" + r"|HOUSE\.md|STYLE\.md")
    sources = [p for f in (*PACKAGES, "tests") for p in (ROOT / f).rglob("*.py")]
    for path in [*sources, *PAGES, ROOT / "pyproject.toml", ROOT / "Makefile"]:
        if path != Path(__file__):
            assert not unknown.search(path.read_text()), path


def test_extras_are_those_of_our_distribution() -> None:
    """`urn` on PyPI is another project: no message and no page may have it installed."""
    sources = [p for f in PACKAGES for p in (ROOT / f).rglob("*.py")]
    for path in [*sources, *PAGES]:
        assert not re.search(
            r"\burn\[[a-z]+\]|pip install '?urn\b(?!-networks|_networks)", path.read_text()
        ), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:urn|analysis|experiments|tests|docs)/[\w./-]*\w)`", page.read_text())
    for name in named:
        assert (ROOT / name).exists(), name
