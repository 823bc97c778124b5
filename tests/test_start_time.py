"""What a command or an import loads before it does anything: no heavy library without need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "numba", "matplotlib", "scipy", "networkx", "pandas", "sklearn")
"""Each takes a tenth of a second to three seconds to load."""

LOADED = {
    "help": ("from urn.cli import main; main(['--help'])", ()),
    "no_command": ("from urn.cli import main; main([])", ()),
    "urn": ("import urn", ()),
    "analysis": ("import analysis", ()),
    "analyse": ("from analysis import analyse", ("scipy",)),
}
"""Code that begins a process, and which of the heavy libraries it may load."""


@pytest.mark.parametrize(("code", "allowed"), LOADED.values(), ids=LOADED)
def test_heavy_libraries_wait_until_they_are_needed(code, allowed):
    loaded = modules_after(code)
    assert {name for name in HEAVY if name in loaded} == set(allowed)


def test_judging_does_not_load_statistics_before_a_test_is_made():
    assert "scipy.stats" not in modules_after("from analysis import analyse")


def test_the_help_describes_every_command_as_the_command_does(capsys):
    """Lines read from source are those of the functions themselves."""
    from importlib.metadata import entry_points

    from urn.cli import main

    assert main(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for entry in entry_points(group="urn.commands"):
        summary = " ".join(entry.load().__doc__.split()).split(".")[0].lower()
        assert f"{entry.name} {summary}" in shown


def modules_after(code: str) -> set[str]:
    """The modules that a new process has loaded after some code."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('LOADED', *sys.modules)"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stdout.split("LOADED")[-1].split())
