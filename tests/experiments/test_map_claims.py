"""Claims about maps and pruning: from numbers that speak against them, they do not hold."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments import results
from experiments.claims import phase_map, pruning
from experiments.commands.prune import KEEPS
from urn.pruning import CRITERIA


def passed(checks):
    return [check.passed for check in checks]


def digits(c_depth: float, c_n: float) -> dict:
    """A network as the map of digits should hold it."""
    if c_n > 0.05:
        return dict.fromkeys(phase_map.KEPT) | {"architecture": "disconnected"}
    kind = {
        "recurrent": int(c_depth < 1e-2),
        "locally_connected": 0,
        "convolutional": 0,
        "test_accuracy": 0.9,
    }
    return kind | {"architecture": "recurrent MLP", "used_neurons": 100, "used_connections": 900}


def mnist1d(c_loc: float, c_sym: float) -> dict:
    local = int(c_loc > 0)
    verdicts = {
        "recurrent": 1,
        "locally_connected": local,
        "convolutional": int(local and c_sym >= 0.1),
        "test_accuracy": 0.8,
    }
    return verdicts | {
        "architecture": "local" if local else "recurrent",
        "used_neurons": 200,
        "used_connections": 9e3,
    }


def rows(digits=digits, mnist1d=mnist1d, scale="paper") -> dict[str, list[dict]]:
    make = {"digits": digits, "MNIST-1D": mnist1d}
    return {
        arm: [make[name](*at.values())] * 2
        for arm, (name, at, _) in phase_map.points(scale).items()
    }


def test_the_phase_map_can_fail():
    assert all(passed(phase_map.checks(rows(), "paper")))

    def always(c_depth, c_n):
        return digits(c_depth, c_n) | {"recurrent": 1}

    def blind(c_depth, c_n):
        return digits(c_depth, 1e-3)

    def free(c_loc, c_sym):
        return mnist1d(1.0, c_sym)

    assert passed(phase_map.checks(rows(digits=always), "paper")) == [False, True, True, True, True]
    assert passed(phase_map.checks(rows(digits=blind), "paper")) == [True, False, False, True, True]
    assert passed(phase_map.checks(rows(mnist1d=free), "paper")) == [True, True, True, False, False]


@pytest.mark.parametrize(("scale", "n"), [("quick", 25), ("paper", 144 + 64)])
def test_the_phase_map_trains_every_point_of_the_sweep_files(scale, n):
    arms = phase_map.arms(scale)
    assert len(arms) == n
    arm = next(arm for arm in arms if arm.startswith("digits, c_depth = 0.1, c_n = 0.1"))
    strengths = arms[arm].strengths
    assert (strengths["depth"].value, strengths["activity"].value) == pytest.approx((0.1, 0.1))
    assert strengths["depth"].warmup > 0


def test_maps_are_drawn_and_their_tables_left_out():
    measured = rows(scale="quick")
    drawn = phase_map.figures({}, measured)
    assert set(drawn) == {"digits-architectures", "digits-test_accuracy", "digits-used_neurons"}
    assert all(isinstance(figure, Figure) for figure in drawn.values())
    many = {"name": "phase_map", "ours": {"measured": rows(), "settings": {}}}
    assert not results.few(many)
    assert results.numbers(many)[1] == []


def pruned(**changes) -> dict[str, list[dict]]:
    """Two seeds of one task; `changes` to accuracies, `obd_25_pruned = 0.1`."""
    row = {}
    for criterion in CRITERIA:
        for keep in ("50%", "25%"):
            for state in ("pruned", "retrained"):
                row[f"{criterion} {keep}, {state}"] = 0.2 if criterion == "random" else 0.9
    for name, value in changes.items():
        criterion, keep, state = name.split("_")
        row[f"{criterion} {keep}%, {state}"] = value

    curves = [
        {"criterion": c, "keep": k, "test, pruned": k, "test, retrained": 1.0}
        for c in CRITERIA
        for k in KEEPS
    ]
    return {"digits": [row | {"curves": curves}] * 2}


def test_pruning_can_fail():
    assert all(passed(pruning.checks(pruned(), "quick")))
    for change, k in (
        ({"magnitude_50_pruned": 0.3}, 0),
        ({"obd_50_pruned": 0.3}, 1),
        ({"obs_50_pruned": 0.85}, 3),
        ({"obd_25_pruned": 0.8}, 4),
        ({"magnitude_25_retrained": 0.8}, 5),
    ):
        assert not passed(pruning.checks(pruned(**change), "quick"))[k]
    shrunk = {"magnitude_25_pruned": 0.4, "magnitude_25_retrained": 0.7}
    assert passed(pruning.checks(pruned(**shrunk), "quick"))[5]
    assert np.all(passed(pruning.checks(pruned(**shrunk), "quick")))


def test_the_curves_of_pruning_are_drawn():
    figure = pruning.figures({}, pruned())["curves"]
    assert [axes.get_title() for axes in figure.axes] == ["digits, pruned", "digits, retrained"]
    assert [len(axes.lines) for axes in figure.axes] == [len(CRITERIA)] * 2
