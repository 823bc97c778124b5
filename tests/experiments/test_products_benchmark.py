"""The products that training met: as many as the formulas have, and nothing else is changed."""

import numpy as np
import pytest
import torch

from experiments.benchmarks.products import Met, multiply, room_for
from urn import TrainConfig
from urn.network import compiled
from urn.training.trainer import Trainer

S, BATCH, N_ITERATIONS, N_STEPS = 40, 16, 4, 3


def trained(met=None):
    """Weights of a network after some steps, noted by `met`."""
    config = TrainConfig(
        task="shells",
        n_neurons=S,
        n_iterations=N_ITERATIONS,
        steps=N_STEPS + 1,
        batch_size=BATCH,
        strengths={},
        remove_dead=False,
    )
    trainer = Trainer([config])
    if met is None:
        trainer.run(until=N_STEPS)
    else:
        with met.noted():
            trainer.run(until=N_STEPS)
    return trainer.net.weight.detach().clone()


def test_products_are_those_of_the_formulas():
    met = Met()
    trained(met)
    sizes = met.taken()
    work = sizes[:, :3].prod(1).sum()

    # A dense step: there and back through I - 2 whole matrices, with dW as often; d_in and d_out at
    # the ends, there and for dW, and back from the outputs. At most all neurons fire.
    d_in, d_out = 10, 2
    whole = 3 * (N_ITERATIONS - 2) * S * S
    ends = 2 * d_in * S + 3 * d_out * S
    assert 0.5 * N_STEPS * BATCH * (whole + ends) < work <= N_STEPS * BATCH * (whole + ends)
    assert len(sizes) == N_STEPS * (3 * (N_ITERATIONS - 2) + 5)


def test_nothing_is_changed_by_noting():
    before = compiled.forward, compiled.backward
    met = Met()
    assert torch.equal(trained(met), trained())
    assert (compiled.forward, compiled.backward) == before
    met.taken()
    assert len(met.taken()) == 0


def test_the_same_products_are_made():
    sizes = np.array([[3, 5, 4, 0, 0]], np.int64)
    A, B, C = room_for(sizes)
    multiply(sizes, A, B, C)
    assert C.reshape(3, 5) == pytest.approx(A.reshape(3, 4) @ B.reshape(4, 5), rel=1e-5)

    sizes[0, 3:] = 1
    multiply(sizes, A, B, C)
    assert C.reshape(3, 5) == pytest.approx(A.reshape(4, 3).T @ B.reshape(5, 4).T, rel=1e-5)
