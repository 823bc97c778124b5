"""How many threads training takes: one where a second would not pay, never more than asked for."""

import pytest
import torch

from tests.conftest import after
from urn import TrainConfig
from urn.network import choose
from urn.training.trainer import Trainer

CONFIG = TrainConfig(
    task="shells",
    task_options={"dimension": 4, "n_train": 60, "n_validation": 20, "n_test": 20},
    n_neurons=40,
    n_iterations=3,
    batch_size=16,
    steps=80,
    check_every=5,
    log_every=5,
    learning_rate=2e-2,
    strengths={"weight": 1e-2, "bias": 1e-2, "activity": 1e-1},
)


@pytest.fixture
def two_threads():
    """What torch has by default on a machine with two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def everything_pays(monkeypatch):
    """More threads pay at any size."""
    monkeypatch.setattr(choose, "PARALLEL", 0)


def threads_of(trainer):
    """The numbers of threads that were met while it trained."""
    met = []
    trainer.run(observer=lambda _: met.append(torch.get_num_threads()))
    return set(met)


def weights_of(trainer):
    member = trainer.members[0]
    return member.final.weights, member.final.biases


def test_the_measured_size_is_between_a_thousand_and_two_thousand_neurons():
    assert choose.threads_for(1000, 128) == 1
    assert choose.threads_for(2000, 128) > 1


def test_a_larger_batch_is_more_work():
    assert choose.threads_for(500, 16) == 1
    assert choose.threads_for(500, 4096) > 1


@pytest.mark.usefixtures("two_threads")
def test_a_small_network_takes_one_thread_and_gives_the_others_back():
    assert threads_of(Trainer([CONFIG])) == {1}
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads", "everything_pays")
def test_a_large_network_takes_all_that_there_are():
    assert threads_of(Trainer([CONFIG])) == {2}
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("everything_pays")
def test_a_user_who_asked_for_one_gets_one():
    assert torch.get_num_threads() == 1  # tests run so
    assert threads_of(Trainer([CONFIG])) == {1}


@pytest.mark.usefixtures("two_threads")
def test_threads_are_given_back_after_a_failure():
    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Trainer([CONFIG]).run(observer=fail)
    assert torch.get_num_threads() == 2


def test_a_small_network_is_the_same_to_the_last_bit_whatever_the_default():
    trained = []
    for n in (1, 2):
        torch.set_num_threads(n)
        trainer = Trainer([CONFIG])
        trainer.run()
        trained.append(weights_of(trainer))
        torch.set_num_threads(1)
    for one, two in zip(*trained, strict=True):
        assert torch.equal(one, two)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("interrupted_after", [8, 60])
def test_resumed_on_either_side_of_the_change_it_is_the_same_to_the_last_bit(
    monkeypatch, interrupted_after
):
    """The network shrinks, so that two threads pay in the beginning and not at the end."""
    monkeypatch.setattr(choose, "PARALLEL", CONFIG.batch_size * 40**2)
    unbroken = Trainer([CONFIG])
    assert threads_of(unbroken) == {1, 2}

    begun = Trainer([CONFIG])
    begun.run(stop=after(interrupted_after))
    resumed = Trainer([CONFIG])
    resumed.load_state_dict(begun.state_dict())
    resumed.run()
    for whole, parts in zip(weights_of(unbroken), weights_of(resumed), strict=True):
        assert torch.equal(whole, parts)
