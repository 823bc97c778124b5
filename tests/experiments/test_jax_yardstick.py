"""The yardstick in JAX computes what it is raced against: one update, and some in a row."""

from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context

import numpy as np
import pytest
import torch

from experiments.benchmarks.training import Plain
from experiments.commands.workers import data_of
from urn import TrainConfig
from urn.training.trainer import Trainer

STEPS = 5
"""Enough for weights to become zero."""

pytestmark = pytest.mark.skipif(
    find_spec("jax") is None, reason="JAX is not installed: pip install -e .[bench]"
)


def config(seed: int, **changes: object) -> TrainConfig:
    """A small network on digits, every neuron kept."""
    fields = {
        "n_neurons": 90,
        "n_iterations": 3,
        "batch_size": 32,
        "seed": seed,
        "strengths": {"weight": 1e-3, "activity": 1e-2},
        "remove_dead": False,
    }
    return TrainConfig(**fields | changes)


def trained(configs: list[TrainConfig], n: int) -> tuple[np.ndarray, np.ndarray]:
    """What JAX makes of them, in a process of its own: a process with its threads must not fork."""
    from experiments.benchmarks import jax_yardstick

    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(jax_yardstick.trained, configs, data_of(configs[0]), n).result()


def test_a_step_is_that_of_the_plain_yardstick():
    """Without a price of weights, for that one differentiates it and JAX takes a proximal step."""
    given = config(3, strengths={"activity": {"value": 1e-2, "warmup": 4}})
    plain = Plain(given, data_of(given))
    before = plain.net.weight.detach().clone()
    plain.run(1)
    weights, biases = trained([given], 1)

    assert not torch.equal(plain.net.weight, before)
    np.testing.assert_allclose(weights[0], plain.net.weight.detach(), atol=1e-6)
    np.testing.assert_allclose(biases[0], plain.net.bias.detach(), atol=1e-6)


def test_steps_are_those_of_a_population():
    """With the proximal step, in members that differ in seed, strengths and learning rate."""
    strengths = {"weight": {"value": 3e-3, "warmup": 3}, "activity": 1e-3}
    configs = [config(1), config(2, learning_rate=1e-2, strengths=strengths)]
    trainer = Trainer(configs, data_of(configs[0]))
    trainer.run(until=STEPS)
    weights, biases = trained(configs, STEPS)

    W = trainer.net.weight.detach().numpy()
    assert 0.01 < (W == 0).mean() < 0.9
    # An entry at its threshold may end on either side of it.
    assert ((W == 0) != (weights == 0)).mean() < 1e-3
    # At a kink of ReLU a sample may fall on either side too: few entries, and by little.
    assert (abs(weights - W) > 2e-5).mean() < 1e-3
    np.testing.assert_allclose(weights, W, atol=1e-3)
    np.testing.assert_allclose(biases, trainer.net.bias.detach(), atol=1e-3)
