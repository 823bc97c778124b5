"""The benchmark of borders, on the networks of a claim: planted maps whose borders are known."""

import json

import numpy as np
import pytest

from experiments.benchmarks import borders as benchmark
from experiments.claims import phase_map

N_SEEDS = 3


@pytest.fixture
def results(tmp_path):
    """A folder of results in which structure is there below a price, and nowhere above it."""
    points = phase_map.points("paper")
    values: dict[str, set] = {}
    for title, at, _ in points.values():
        values.setdefault(title, set()).update(at.values())
    middle = {title: float(np.median(list(those))) for title, those in values.items()}
    measured = {}
    for arm, (title, at, _) in points.items():
        is_below = sum(at.values()) < 2 * middle[title]
        row = {
            "architecture": "MLP",
            "recurrent": is_below,
            "locally_connected": is_below,
            "convolutional": not is_below,
        }
        measured[arm] = [row] * N_SEEDS
    entry = dict.fromkeys(("claim", "source", "paper"), "") | {
        "name": "phase_map",
        "ours": {"scale": "paper", "measured": measured},
        "seeds": list(range(N_SEEDS)),
        "passed": True,
    }
    (tmp_path / "claims.json").write_text(json.dumps([entry]))
    return tmp_path, entry


@pytest.mark.parametrize("name", benchmark.FOLLOWED)
def test_borders_of_a_claim_are_those_that_were_planted(name, results):
    folder, _ = results
    rows, n_seeds = benchmark.of_claim(name, folder)
    plan = benchmark.plan_of(name, "paper", 2, n_seeds)
    assert n_seeds == N_SEEDS
    assert set(rows) == {point.number for point in plan.points}

    # What the row of a number says is what was planted at the strengths of the point.
    measured = results[1]["ours"]["measured"]
    arms = {
        tuple(at.values()): arm
        for arm, (title, at, _) in phase_map.points("paper").items()
        if phase_map.MAPS["paper"][title] == name
    }
    for point in plan.points:
        assert rows[point.number] == measured[arms[tuple(dict(point.changes).values())]][0]

    search, _ = benchmark.searched(plan, rows)
    assert 0 < len(search.asked) < len(rows)
    for label, far, n_islands, _ in benchmark.compared(search, rows):
        assert far <= 1, label
        assert n_islands == 0


def test_the_command_trains_nothing_and_names_what_is_missing(results, tmp_path, capsys):
    folder, entry = results
    benchmark.main(["--claim", str(folder)])
    assert "two halvings" in capsys.readouterr().out

    with pytest.raises(SystemExit, match="holds no phase_map"):
        benchmark.main(["--claim", str(tmp_path / "nowhere")])
    arm, *_ = entry["ours"]["measured"]
    entry["ours"]["measured"][arm] = [{"seconds": 1.0}]
    (folder / "claims.json").write_text(json.dumps([entry]))
    with pytest.raises(SystemExit, match="no networks of digits"):
        benchmark.main(["--claim", str(folder)])
