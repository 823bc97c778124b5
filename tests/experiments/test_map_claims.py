"""Claims about maps and pruning: from numbers that speak against them, they do not hold."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from experiments import results
from experiments.claims import phase_map, pruning
from experiments.commands import prune
from experiments.commands.prune import KEEPS
from tests.conftest import SMALL
from urn import train_population
from urn.data.tasks import task_options
from urn.pruning import CRITERIA


def failed(claim, measured):
    return [check.title for check in claim.checks(measured, "paper") if not check.passed]


def passed(checks):
    return [check.passed for check in checks]


def digits(c_depth: float, c_n: float) -> dict:
    """A network as the map of digits should hold it."""
    if c_n > 0.05:
        return dict.fromkeys(phase_map.KEPT) | {"architecture": "disconnected"}
    recurrent = int(c_depth < 1e-2)
    kind = {
        "recurrent": recurrent,
        "locally_connected": 0,
        "convolutional": 0,
        "reuse_share": 0.9 * recurrent,
        "locality_ratio": None,
        "kernel_share": None,
        "test_accuracy": 0.9,
    }
    return kind | {"architecture": "recurrent MLP", "used_neurons": 100, "used_connections": 900}


def mnist1d(c_loc: float, c_sym: float) -> dict:
    local = int(c_loc > 0)
    shared = int(local and c_sym >= 0.1)
    verdicts = {
        "recurrent": 1,
        "locally_connected": local,
        "convolutional": shared,
        "reuse_share": 0.9,
        "locality_ratio": 1 - 0.6 * local,
        "kernel_share": 0.9 * shared,
        "test_accuracy": 0.8,
    }
    return verdicts | {
        "architecture": "local" if local else "recurrent",
        "used_neurons": 200,
        "used_connections": 9e3,
    }


def rows(digits=digits, mnist1d=mnist1d, scale="paper", **on_twins) -> dict[str, list[dict]]:
    """Six seeds of every point, and of the twins of corners: the same, but at chance."""
    make = {"digits": digits, "MNIST-1D": mnist1d}
    points = phase_map.points(scale)
    measured = {arm: [make[name](*at.values())] * 6 for arm, (name, at, _) in points.items()}
    twins = [arm for arm in phase_map.arms(scale) if arm not in points]
    assert twins
    for arm in twins:
        row = measured[arm.removesuffix(f", {phase_map.TWIN}")][0]
        measured[arm] = [row | {"test_accuracy": 0.1} | on_twins] * 6
    return measured


def test_the_phase_map_can_fail():
    assert failed(phase_map, rows()) == []

    def always(c_depth, c_n):
        return digits(c_depth, c_n) | {"recurrent": 1}

    def blind(c_depth, c_n):
        return digits(c_depth, 1e-3)

    def free(c_loc, c_sym):
        return mnist1d(1.0, c_sym)

    (title,) = failed(phase_map, rows(digits=always))
    assert "recurrent networks" in title
    titles = failed(phase_map, rows(digits=blind))
    assert ["log10" in title or "disconnected" in title for title in titles] == [True] * 3
    titles = failed(phase_map, rows(mnist1d=free))
    assert ["share of local" in titles[0], "both prices" in titles[1]] == [True] * 2


# {a number that is the same in every twin: what of its border then fails}
BLIND_TWINS = {
    "reuse_share": "digits, random labels: share of neurons re-used",
    "used_neurons": "digits, random labels: log10 of neurons",
    "locality_ratio": "MNIST-1D, random labels: narrowness",
    "kernel_share": "MNIST-1D, random labels: kernels shared",
}


@pytest.mark.parametrize(("name", "culprit"), BLIND_TWINS.items())
def test_a_border_that_random_labels_lack_is_not_the_prices(name, culprit):
    """The null network: without data to learn, its prices change nothing."""
    (title,) = failed(phase_map, rows(**{name: 0.5}))
    assert title.startswith(culprit)


def test_a_network_that_answers_no_better_than_on_random_labels_fails():
    titles = failed(phase_map, rows(test_accuracy=0.8))
    assert len(titles) == 5
    assert all("data less random labels" in title for title in titles)

    def dead(c_depth, c_n):
        return digits(c_depth, c_n) | {"test_accuracy": None}

    titles = failed(phase_map, rows(digits=dead, test_accuracy=None))
    assert all("test accuracy" in title for title in titles)


def test_both_sides_of_a_border_are_said_on_data_and_on_random_labels():
    notes = phase_map.notes(rows(reuse_share=0.5), "paper")
    assert (
        "0.9 on data (accuracy 0.9 and 0.9), 0 on random labels (accuracy 0.1 and 0.1)" in notes[0]
    )


@pytest.mark.parametrize(("scale", "n"), [("quick", 25 + 3), ("paper", 144 + 64 + 3 + 3)])
def test_the_phase_map_trains_every_point_of_the_sweep_files(scale, n):
    arms = phase_map.arms(scale)
    assert len(arms) == n
    arm = next(arm for arm in arms if arm.startswith("digits, c_depth = 0.1, c_n = 0.1"))
    strengths = arms[arm].strengths
    assert (strengths["depth"].value, strengths["activity"].value) == pytest.approx((0.1, 0.1))
    assert strengths["depth"].warmup > 0
    assert all(config.task_options["data_seed"] == 1 for config in arms.values())


def test_twins_of_corners_differ_in_their_labels_alone():
    arms = phase_map.arms("paper")
    twins = {arm: config for arm, config in arms.items() if config.task == "twin"}
    assert len(twins) == 6
    for arm, twin in twins.items():
        config = arms[arm.removesuffix(f", {phase_map.TWIN}")]
        assert twin.replace(task=config.task, task_options=config.task_options) == config
        assert twin.task_options["kind"] == "random_labels"


def test_maps_are_drawn_and_their_tables_left_out():
    measured = rows(scale="quick")
    drawn = phase_map.figures({}, measured)
    assert set(drawn) == {"digits-architectures", "digits-test_accuracy", "digits-used_neurons"}
    assert all(isinstance(figure, Figure) for figure in drawn.values())
    many = {"name": "phase_map", "ours": {"measured": rows(), "settings": {}}}
    assert not results.few(many)
    assert results.numbers(many)[1] == []


def pruned(**changes) -> dict[str, list[dict]]:
    """Twenty seeds of one task that differ a little, and its twin.

    `changes` to scores, `accuracy_obd_25_pruned = 0.1`.
    """
    row = {}
    for criterion in CRITERIA:
        kept = 0.2 if criterion == "random" else 0.9
        for score in pruning.SCORES:
            for keep in (0.5, 0.25):
                for state in pruning.STATES:
                    row[pruning._number(score, criterion, keep, state)] = kept
        # Of weights in other places large ones matter too, but less.
        dealt = 0.2 if criterion == "random" else 0.5
        row[pruning._number("answers", criterion, 0.5, pruning.DEALT)] = dealt

    # There is a gap between magnitude and obd, and retraining closes it.
    row["accuracy, magnitude 25%, pruned"] = 0.7
    for name, value in changes.items():
        score, criterion, keep, state = name.split("_")
        row[f"{score}, {criterion} {keep}%, {state.replace('dealt', pruning.DEALT)}"] = value

    points = [
        {"criterion": c, "keep": k}
        | {f"{score}, {state}": k for score in pruning.SCORES for state in pruning.STATES}
        for c in CRITERIA
        for k in KEEPS
    ]
    rng = np.random.default_rng(0)
    rows = [
        {name: value + rng.uniform(-0.005, 0.005) for name, value in row.items()}
        | {"weights": 1000 + k, "test accuracy": 0.96, "curves": points}
        for k in range(20)
    ]
    return {"digits": rows, "digits, random labels": [{"weights": 90, "test accuracy": 0.1}] * 20}


SPOILED = {
    "magnitude is chance": (
        {"accuracy_magnitude_50_pruned": 0.3},
        ["accuracy kept by magnitude, less by chance"],
    ),
    "obd is chance": ({"accuracy_obd_50_pruned": 0.3}, ["accuracy kept by obd, less by chance"]),
    "obs is chance": (
        {"accuracy_obs_50_pruned": 0.3},
        ["accuracy kept by obs, less by chance", "by obs less by magnitude"],
    ),
    "large weights matter only where training put them": (
        {"answers_magnitude_50_dealt": 0.3},
        ["dealt anew: answers kept by magnitude"],
    ),
    "curvature matters only there": (
        {"answers_obd_50_dealt": 0.2, "answers_obs_50_dealt": 0.2},
        ["dealt anew: answers kept by obd", "dealt anew: answers kept by obs"],
    ),
    "obs loses to magnitude": ({"accuracy_obs_50_pruned": 0.85}, ["by obs less by magnitude"]),
    "obd loses to magnitude": (
        {"accuracy_obd_25_pruned": 0.6},
        ["by obd less by magnitude", "all that retraining leaves"],
    ),
    "retraining leaves the gap": (
        {"accuracy_magnitude_25_retrained": 0.75},
        ["all that retraining leaves"],
    ),
    "there is no gap": ({"accuracy_magnitude_25_pruned": 0.9}, ["all that retraining leaves"]),
}


@pytest.mark.parametrize(("changes", "culprits"), SPOILED.values(), ids=SPOILED.keys())
def test_each_check_of_pruning_can_fail(changes, culprits):
    assert failed(pruning, pruned()) == []
    titles = failed(pruning, pruned(**changes))
    assert len(titles) == len(culprits)
    assert all(culprit in title for culprit, title in zip(culprits, titles, strict=True))


def test_weights_that_random_labels_leave_as_well_are_not_the_datas():
    measured = pruned()
    measured["digits, random labels"] = measured["digits"]
    (title,) = failed(pruning, measured)
    assert "weights, data less random labels" in title


def test_a_network_whose_criteria_are_chance_keeps_nothing():
    """The null network: no criterion tells its weights apart, in their places or in others."""
    measured = pruned()
    for row in measured["digits"]:
        row |= {name: 0.2 for name in row if name.startswith(("accuracy, ", "answers, "))}
    titles = failed(pruning, measured)
    assert sum("chance" in title for title in titles) == 6
    assert len(titles) == 7


@pytest.fixture(scope="module")
def small():
    """A small network and its data."""
    config = SMALL.replace(
        n_neurons=20,
        steps=200,
        task_options={"dimension": 2, "n_train": 256, "n_validation": 64, "n_test": 64},
    )
    data = task_options(config.task, config.task_options).load()
    (run,) = train_population([config], data=data)
    return run, data


@pytest.fixture
def quickly(monkeypatch):
    """Few shares of the weights, and hardly any retraining."""
    monkeypatch.setattr(pruning, "KEEPS", (1.0, 0.5, 0.25))
    monkeypatch.setattr(pruning, "RETRAIN", 2)
    monkeypatch.setattr(prune, "LEAST_PRICE_STEPS", 2)


@pytest.mark.usefixtures("quickly")
def test_answers_are_those_before_pruning(small):
    run, data = small
    row = pruning.measure("shells", run, data)
    whole = [point for point in row["curves"] if point["keep"] == 1 and point["criterion"] != "l1"]
    assert [point["answers, pruned"] for point in whole] == [1.0] * 4
    scores = {point["accuracy, pruned"] for point in whole}
    assert list(scores) == pytest.approx([run.test_accuracy] * len(scores))
    dealt = [value for name, value in row.items() if name.endswith(pruning.DEALT)]
    assert len(dealt) == 4
    assert all(0 <= value <= 1 for value in dealt)


def test_answers_above_the_commonest():
    answers = torch.tensor([0, 0, 0, 1])
    assert [pruning._above(share, answers) for share in (1.0, 0.875, 0.75, 0.3)] == [1, 0.5, 0, 0]
    assert pruning._above(1.0, torch.zeros(4, dtype=torch.int64)) == 1


def test_a_network_that_is_gone_loses_nothing(small):
    run, data = small
    gone = replace(run, weights=run.weights * 0)
    row = pruning.measure("shells", gone, data)
    assert row["weights"] == 0
    assert {value for name, value in row.items() if name.startswith("answers, ")} == {1.0}
    twin = pruning.measure("shells, random labels", run, data)
    assert set(twin) == {"weights", "test accuracy"}


def test_the_curves_of_pruning_are_drawn():
    drawn = pruning.figures({}, pruned())
    for name, label in (("curves", "test accuracy"), ("answers", "answers kept")):
        axes = drawn[name].axes
        assert [a.get_title() for a in axes] == ["digits, pruned", "digits, retrained"]
        assert axes[0].get_ylabel() == label
        assert [len(a.lines) for a in axes] == [len(CRITERIA)] * 2
