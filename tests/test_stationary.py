"""Training ends early where nothing comes of going on, and only there."""

import pytest
import torch

from tests.conftest import after
from urn import Dataset, InputError, Snapshot, TrainConfig, load_run, resume, train
from urn.training import stationary
from urn.training.trainer import Trainer

D_IN = 3
D_OUT = 2
CONFIG = TrainConfig(
    task="file",
    task_options={"path": "none.csv"},
    n_neurons=D_IN + D_OUT,
    n_iterations=1,
    steps=2000,
    batch_size=40,
    check_every=10,
    log_every=10,
    stationary=3,
    snapshots=0,
    strengths={},
    dtype="float64",
)


@pytest.fixture
def plant():
    """A linear map, and the data that it makes.

    Both hold quarters, whose products no processor rounds: at the optimum every gradient is zero.
    Were it 1e-17, Adam would leave the optimum, for its step there is far too long.
    """
    generator = torch.Generator().manual_seed(1)
    A = torch.randn(D_OUT, D_IN, generator=generator, dtype=torch.float64).mul(4).round() / 4
    X = torch.randn(40, D_IN, generator=generator, dtype=torch.float64).mul(4).round() / 4
    split = (X, X @ A.T)
    return A, Dataset(split, split, split, D_OUT, "regression")


def planted(A):
    """The network that computes the map exactly: every gradient is zero."""
    S = D_IN + D_OUT
    W = torch.zeros(S, S, dtype=torch.float64)
    W[D_IN:, :D_IN] = A
    return Snapshot(0, S, torch.arange(S), W, torch.zeros(S, dtype=torch.float64), None)


def test_a_network_at_the_optimum_ends_after_as_many_rows_as_were_asked_for(plant):
    A, data = plant
    run = train(CONFIG, data=data, start=planted(A))
    # The first row begins to count, three more are quiet.
    assert run.steps_done == 40
    assert run.status == "ok"
    assert run.test_accuracy == pytest.approx(1)
    assert [row["step"] for row in run.history] == [10, 20, 30, 40]
    torch.testing.assert_close(run.weights[D_IN:, :D_IN], A)


def test_a_network_that_still_learns_does_not_end(plant):
    _, data = plant
    run = train(CONFIG.replace(steps=200), data=data)
    losses = [row["loss"] for row in run.history]
    assert losses == sorted(losses, reverse=True)
    assert run.steps_done == 200


def test_it_ends_at_last_when_it_has_learned(plant):
    """With a price the optimum is that of the lasso, to which the objective comes down."""
    _, data = plant
    config = CONFIG.replace(strengths={"weight": 1e-2}, learning_rate=2e-2)
    run = train(config, data=data)
    whole = train(config.replace(stationary=0), data=data)
    assert run.steps_done < 1500
    assert whole.steps_done == 2000
    assert torch.equal(run.weights != 0, whole.weights != 0)
    torch.testing.assert_close(run.weights, whole.weights, rtol=0, atol=2e-2)


def test_without_being_asked_it_never_ends_early(plant):
    A, data = plant
    run = train(CONFIG.replace(stationary=0, steps=100), data=data, start=planted(A))
    assert run.steps_done == 100


def test_no_row_counts_while_a_strength_is_to_change(plant):
    A, data = plant
    warming = {"bias": {"value": 1e-3, "warmup": 55}}
    run = train(CONFIG.replace(strengths=warming), data=data, start=planted(A))
    assert run.steps_done == 80  # 60, where it is settled, 70 and 80


@pytest.mark.parametrize("stop_after", [25, 40])
def test_interrupted_and_resumed_it_ends_at_the_same_step(plant, cwd, stop_after):
    A, data = plant
    unbroken = train(CONFIG, data=data, start=planted(A))
    broken = train(CONFIG, "run", data=data, start=planted(A), stop=after(stop_after))
    assert broken.status == ("interrupted" if stop_after < 40 else "ok")
    resumed = resume("run", data=data)
    assert resumed.steps_done == unbroken.steps_done
    assert torch.equal(resumed.weights, unbroken.weights)
    assert load_run("run").status == "ok"


def test_a_checkpoint_of_the_very_moment_goes_no_step_further(plant):
    A, data = plant
    saved = {}
    trainer = Trainer([CONFIG], data, start=[planted(A)])
    trainer.run(observer=lambda t: saved.update(t.state_dict()))
    restored = Trainer([CONFIG], data)
    restored.load_state_dict(saved)
    restored.run()
    assert restored.step == trainer.step == 40
    assert restored.members[0].status == "ok"


def test_members_end_each_by_itself(plant):
    A, data = plant
    random = Trainer([CONFIG.replace(seed=1)], data).population.snapshot(0)
    trainer = Trainer(
        [CONFIG, CONFIG.replace(seed=1, steps=2000)], data, start=[planted(A), random]
    )
    trainer.run(until=100)
    assert trainer.members[0].final.step == 40
    assert [member.index for member in trainer.training] == [1]


def test_the_support_is_told_apart_from_every_other_of_as_many_weights(plant):
    """All ways to set one of 25 weights to zero have numbers of their own."""
    _, data = plant
    numbers = set()
    for i in range(D_IN + D_OUT):
        for j in range(D_IN + D_OUT):
            trainer = Trainer([CONFIG], data)
            trainer.net.weight.data[0, i, j] = 0
            numbers.add(int(stationary.supports(trainer.population)))
    assert len(numbers) == 25


def test_streams_are_refused():
    config = TrainConfig(task="miconi_easy", input_mode="elman", n_neurons=40, stationary=2)
    with pytest.raises(InputError, match=r"^stationary: "):
        Trainer([config])
