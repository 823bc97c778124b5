"""Starting from a trained network: it goes on as what it was, alone or in a population.

It survives being killed at once.
"""

import pytest
import torch

from tests.conftest import SMALL, after
from tests.test_interruption import contents
from urn import InputError, load_run, resume, train, train_population
from urn.cli import main
from urn.training.trainer import Trainer

PLACED = SMALL.replace(
    task="digits",
    task_options={},
    n_neurons=90,
    hidden_positions="learned",
    strengths={"weight": 1e-2, "bias": 1e-2},
    steps=40,
)
"""Loses neurons, and has positions that learn."""


@pytest.fixture(scope="module")
def first():
    return train(PLACED)


def test_it_is_what_it_started_from(first):
    trainer = Trainer([PLACED.replace(seed=5)], start=[first])
    held = trainer.net.full()
    assert 74 < len(trainer.net.ids[0]) == int(first.kept.sum()) < 90
    torch.testing.assert_close(held[0][0], first.weights, rtol=0, atol=0)
    torch.testing.assert_close(held[1][0], first.biases, rtol=0, atol=0)
    kept = trainer.net.ids[0]
    torch.testing.assert_close(
        trainer.net.positions[0].detach(), first.positions[kept], rtol=0, atol=0, equal_nan=True
    )
    assert float(trainer.evaluate(trainer.data.test)[0]) == pytest.approx(first.test_accuracy)
    assert not trainer.optimiser.state


def test_a_member_starts_as_it_would_alone(first):
    other = train(PLACED.replace(seed=1))
    configs = [PLACED.replace(seed=7, steps=10), PLACED.replace(seed=8, steps=10)]
    together = train_population(configs, start=[first, other])
    for config, start, member in zip(configs, (first, other), together, strict=True):
        alone = train(config, start=start)
        torch.testing.assert_close(member.weights, alone.weights, rtol=1e-4, atol=1e-5)
        assert not torch.equal(member.weights, start.weights)


def test_killed_before_its_first_step_it_still_starts_there(first, tmp_path):
    train(PLACED, tmp_path / "whole", start=first)
    stopped = train(PLACED, tmp_path / "killed", start=first, stop=after(0))
    assert stopped.status == "interrupted"
    (
        tmp_path / "killed" / "weights.safetensors"
    ).unlink()  # nothing but what was there before the first step
    resume(tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_network_that_grows_goes_on_with_the_neurons_it_has(first):
    """Newborns come into the slots that are free; until one comes, nothing has changed."""
    growth = {"reserve": 3, "add_probability": 1.0, "newborn_scale": 0.3}
    grown = train(
        PLACED.replace(growth={"start": 4, **growth}, strengths={"weight": 1e-3}, steps=30)
    )
    config = PLACED.replace(
        growth={"start": 1, **growth}, strengths={"weight": 1e-3}, seed=9, steps=30
    )
    trainer = Trainer([config], start=[grown])
    torch.testing.assert_close(trainer.net.full()[0][0], grown.weights, rtol=0, atol=0)
    assert int(trainer.count_alive()[0]) == int(grown.kept.sum()) - 74
    assert float(trainer.evaluate(trainer.data.test)[0]) == pytest.approx(grown.test_accuracy)
    later = train(config, start=grown)
    assert (later.kept & ~grown.kept).any()
    with pytest.raises(InputError, match=r"growth\.cap"):
        train(config.replace(growth={"cap": 1}), start=first)


def test_a_snapshot_will_do(first):
    trainer = Trainer([PLACED], start=[first.snapshots[0]])
    torch.testing.assert_close(trainer.net.full()[0][0], first.snapshots[0].weights, rtol=0, atol=0)


def test_on_the_command_line(finished_run, cwd):
    (cwd / "config.toml").write_text(SMALL.to_toml())
    assert (
        main(
            [
                "train",
                "config.toml",
                "--seed",
                "3",
                "--steps",
                "5",
                "--start",
                "run",
                "--out",
                "next",
                "--quiet",
            ]
        )
        == 0
    )
    assert load_run("next").config.seed == 3
    assert torch.equal(
        load_run("next").weights,
        train(SMALL.replace(seed=3, steps=5), start=load_run("run")).weights,
    )


def test_what_does_not_fit_is_refused(first, refused, finished_run, cwd):
    (cwd / "config.toml").write_text(SMALL.replace(n_neurons=13).to_toml())
    refused(["train", "config.toml", "--start", "run", "--out", "next"], "start.kept", "13")
    refused(["train", "--start", "run", "--resume", "run"], "--resume")
    refused(["train", "config.toml", "--start", "nowhere", "--out", "next"], "nowhere")
    with pytest.raises(InputError, match="start: 1 networks for a population of 2"):
        train_population([PLACED, PLACED.replace(seed=1)], start=[first])
    with pytest.raises(InputError, match=r"start\.positions"):
        train(PLACED.replace(hidden_positions="none"), start=first)
    with pytest.raises(InputError, match=r"start\.weights.*float64"):
        train(PLACED.replace(dtype="float64"), start=first)
