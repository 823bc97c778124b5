"""Pictures of a sweep: whatever came out, there is a page, and it shows what was asked for."""

import numpy as np
import pytest

from experiments.sweeps.pictures import Choice, Pictures
from experiments.sweeps.plan import make_plan
from experiments.sweeps.store import Store
from tests.experiments.test_sweeps import engine, sweep
from urn.cli import main

LEARNING = {
    "n_neurons": 24,
    "steps": 200,
    "snapshots": 3,
    "task_options": {"dimension": 2, "n_train": 512, "n_validation": 200, "n_test": 16},
}
"""Networks that learn something."""


def test_a_trained_sweep_is_drawn(cwd):
    plan = make_plan(
        sweep(2, LEARNING, grid={"strengths.weight": [1e-4, 1e-3], "n_iterations": [2, 3, 4]})
    )
    with Store.create(cwd / "out", plan) as store:
        engine(store, plan).run()
        pictures = Pictures(store, Choice(points=(0,)))
        assert {"phase_map", "map_depth", "matrices", "training_000000"} <= {
            name for name, _ in pictures.all()
        }
        one = Pictures(
            store, Choice(x="n_iterations", at={"strengths.weight": "1e-3"}, measures=("depth",))
        )
        assert one.shown.sum() == 6
        assert not np.isnan(one.of("depth")).all()


def test_one_strength_gives_a_dial(cwd):
    plan = make_plan(sweep(2, LEARNING, grid={"strengths.weight": [1e-4, 1e-3, 1e-2]}))
    with Store.create(cwd / "out", plan) as store:
        engine(store, plan).run()
        names = [name for name, _ in Pictures(store, Choice(measures=("used_connections",))).all()]
    assert names[:3] == ["dial", "trade_off", "plane"]


@pytest.mark.parametrize(
    ("grid", "drawn"),
    [
        ({"strengths.weight": [1e4, 1e5]}, set()),
        ({"strengths.weight": [1e4, 1e5], "strengths.activity": [0, 1e-3]}, {"phase_map"}),
        ({"strengths.weight": [0, 1e4]}, {"dial", "trade_off", "plane", "matrices"}),
        ({"activation": ["relu", "tanh"]}, {"dial", "trade_off", "plane", "matrices"}),
        (
            {"task_options.radii": [[1.0, 2.0], [1.0, 3.0]], "strengths.weight": [1e-4, 1e-3]},
            {"phase_map", "map_used_connections", "trade_off", "plane", "matrices"},
        ),
    ],
)
def test_whatever_came_out_there_is_a_page(cwd, grid, drawn):
    """All dead, alive at 0 only, and fields that are text or lists."""
    with Store.create(
        cwd / "out", make_plan(sweep(1, LEARNING | {"snapshots": 0}, grid=grid))
    ) as store:
        engine(store, make_plan(sweep(1, LEARNING | {"snapshots": 0}, grid=grid))).run()
    assert main(["sweep", "plot", str(cwd / "out"), "--measure", "used_connections"]) == 0
    assert {path.stem for path in (cwd / "out" / "figures").iterdir()} == drawn
    assert (cwd / "out" / "index.html").exists()


def test_a_switch_is_named_true_and_false_and_a_second_choice_of_pictures_replaces_the_first(
    cwd, capsys
):
    grid = {"task_options.shuffled": [False, True], "strengths.weight": [1e-3, 1e-2]}
    plan = make_plan(
        sweep(1, {"task": "mnist1d", "n_neurons": 60, "steps": 2, "task_options": {}}, grid=grid)
    )
    with Store.create(cwd / "out", plan) as store:
        engine(store, plan).run()
        assert {value for (value,) in store.rows(["task_options.shuffled"])} == {"true", "false"}
    assert main(["sweep", "plot", str(cwd / "out")]) == 0
    assert (cwd / "out" / "figures" / "phase_map.png").exists()
    assert main(["sweep", "plot", str(cwd / "out"), "--at", "task_options.shuffled=true"]) == 0
    assert not (cwd / "out" / "figures" / "phase_map.png").exists()
    assert (
        main(
            [
                "sweep",
                "plot",
                str(cwd / "out"),
                "--x",
                "strengths.weight",
                "--at",
                "strengths.weight=1e-3",
            ]
        )
        == 2
    )
    assert "--at strengths.weight: is on an axis already" in capsys.readouterr().err
