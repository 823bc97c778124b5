"""The promise of the command line, on cases drawn anew by every seed; the ones here are fixed."""

import pytest

from tests.fuzz.generators import GENERATORS, case_of
from tests.fuzz.mutations import MUTATIONS, holds_with, missed_by
from tests.fuzz.sandbox import Case, Sandbox, bad_line

pytestmark = pytest.mark.fuzz

SEED = 18
BATCHES = 30
BATCH = 50
"""1,500 cases in batches, so that two workers share them."""
PROCESSES = 8
"""Cases that are whole processes: each starts Python and imports torch."""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    return Sandbox(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_any_command_line_keeps_the_promise(sandbox, batch):
    broken = {}
    for number in range(batch * BATCH, (batch + 1) * BATCH):
        case = case_of(SEED, number, sandbox.template)
        if complaint := sandbox.broken(case):
            broken[number, case.kind] = complaint

    assert not broken


@pytest.mark.parametrize("number", range(PROCESSES))
def test_a_process_of_its_own_keeps_it_too(sandbox, number):
    case = case_of(SEED, number, sandbox.template, "processes")
    assert sandbox.broken(case) is None


def test_a_case_is_the_same_whenever_it_is_asked_for(sandbox):
    for number in range(200):
        assert case_of(3, number, sandbox.template) == case_of(3, number, sandbox.template)


def test_every_generator_has_its_share(sandbox):
    kinds = {case_of(SEED, number, sandbox.template).kind for number in range(BATCHES * BATCH)}
    assert kinds == set(GENERATORS)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("urn: steps: must be at least 0\n", None),
        ("steps: must be at least 0\n", "not one line"),
        ("urn: steps\nmust be at least 0\n", "not one line"),
        ("urn: steps", "not one line"),
        (f"urn: {'x' * 600}\n", "a line of 606 characters"),
        ("urn: \x1b[31msteps\n", "control characters"),
    ],
)
def test_the_oracle_knows_a_good_line(line, fault):
    judged = bad_line(line)
    assert judged is None if fault is None else judged.startswith(fault)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_guard_that_is_taken_away_is_missed(sandbox, name):
    """Or the fuzzer shows nothing. The same cases hold while the guard stands."""
    missed = missed_by(sandbox, MUTATIONS[name], SEED)
    assert missed is not None
    number, _ = missed
    assert holds_with(sandbox, MUTATIONS[name], SEED, number) is None


def test_the_oracle_sees_what_a_command_did_to_files(sandbox):
    """Writing to an existing file through the oracle's eyes: training over a run is refused."""
    over = Case("outputs", ["export", "run", "--to", "json", "--out", "precious.txt"])
    assert sandbox.broken(over) is None

    reads = Case("words", ["inspect", "run", "--json", "--nulls", "200"], may_write=())
    assert "changed" in (sandbox.broken(reads) or "")
