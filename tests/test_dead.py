"""Which neurons are dead: what momentum can still bring to life is not, nor what hears it."""

import pytest
import torch

from tests.conftest import after
from urn import TrainConfig
from urn.population import dead
from urn.training.trainer import Trainer

N_INPUTS = 4
A, B, C = range(N_INPUTS, N_INPUTS + 3)
"""The hidden neurons; A hears an input by momentum alone, B hears A, C hears nothing."""


@pytest.fixture
def trainer():
    """One whose weights are all zero but A -> B -> the first output, after a step."""
    trainer = Trainer(
        [
            TrainConfig(
                task="shells",
                task_options={"dimension": N_INPUTS, "n_train": 50, "n_validation": 20},
                n_neurons=N_INPUTS + 3 + 2,
                n_iterations=4,
                steps=10,
                check_every=10,
                strengths={"weight": 1e-3, "bias": 1e-3},
            )
        ]
    )
    trainer.run(stop=after(1))
    with torch.no_grad():
        for parameter in (trainer.net.weight, trainer.net.bias):
            parameter.zero_()
            trainer.optimiser.state[parameter]["exp_avg"].zero_()
        trainer.net.weight[0, B, A] = trainer.net.weight[0, C + 1, B] = 0.5
    return trainer


def alive(trainer):
    lives = dead.alive(trainer.net, trainer.optimiser, trainer.population.penalties)
    return [bool(lives[0, i]) for i in (A, B, C)]


def test_without_momentum_what_no_input_reaches_is_dead(trainer):
    assert alive(trainer) == [False, False, False]


def test_what_hears_a_neuron_that_momentum_revives_is_alive_as_well(trainer):
    trainer.optimiser.state[trainer.net.weight]["exp_avg"][0, A, 0] = -1.0
    assert alive(trainer) == [True, True, False]


def test_a_bias_that_momentum_lifts_revives_too(trainer):
    trainer.optimiser.state[trainer.net.bias]["exp_avg"][0, A] = -1.0
    assert alive(trainer) == [True, True, False]


def test_momentum_below_the_price_revives_nothing(trainer):
    trainer.optimiser.state[trainer.net.weight]["exp_avg"][0, A, 0] = -1e-6
    assert alive(trainer) == [False, False, False]
