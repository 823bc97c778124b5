"""The network against float64 loops, and its gradients against finite differences."""

import numpy as np
import pytest
import torch

from tests import oracles
from urn import URN, InputError


def make(mode="pulse", activation="relu", n_iterations=3, population=2, generator=None):
    net = URN(
        9,
        3,
        2,
        n_iterations,
        population=population,
        activation=activation,
        input_mode=mode,
        generator=generator,
        dtype=torch.float64,
    )
    net.bias.data.normal_(0, 0.3, generator=generator)
    return net


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("mode", ["pulse", "clamped"])
@pytest.mark.parametrize("n_iterations", [1, 2, 4])
def test_forward_equals_a_numpy_loop(mode, activation, n_iterations, generator):
    net = make(mode, activation, n_iterations, generator=generator)
    x = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    y, activity = net.unroll(x)
    assert activity.N.shape == (2, n_iterations - 1, 4, 9)
    torch.testing.assert_close(activity.n, activity.N.abs().mean(2))
    for k in range(2):
        W, b = net.weight[k].detach().numpy(), net.bias[k].detach().numpy()
        for sample in range(4):
            expected, states = oracles.forward(
                W, b, x[k, sample].numpy(), n_iterations, 2, activation, mode
            )
            np.testing.assert_allclose(
                y[k, sample].detach().numpy(), expected, rtol=1e-12, atol=1e-12
            )
            for l, N in enumerate(states):
                np.testing.assert_allclose(
                    activity.N[k, l, sample].detach().numpy(), N, rtol=1e-12, atol=1e-12
                )


@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("n_iterations", [1, 3])
def test_stream_equals_an_elman_recurrence(n_iterations, carried, generator):
    net = make("stream", "tanh", n_iterations, generator=generator)
    x = torch.randn(2, 4, n_iterations, 3, generator=generator, dtype=torch.float64)
    state = torch.randn(2, 4, 9, generator=generator, dtype=torch.float64) if carried else None
    y, activity = net.unroll(x, state)
    N = torch.zeros(2, 4, 9, dtype=torch.float64) if state is None else state
    for l in range(n_iterations):
        N = torch.cat([x[:, :, l], N[..., 3:]], -1)
        P = torch.einsum("kij,kbj->kbi", net.weight, N) + net.bias[:, None]
        torch.testing.assert_close(y[:, :, l], P[..., -2:])
        N = P.tanh()
    torch.testing.assert_close(activity.N[:, -1], N)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("mode", ["pulse", "clamped", "stream"])
@pytest.mark.parametrize("n_iterations", [1, 2, 4])
def test_gradients_equal_finite_differences(mode, activation, n_iterations, generator):
    net = make(mode, activation, n_iterations, generator=generator)
    steps = (n_iterations,) if mode == "stream" else ()
    x = torch.randn(2, 3, *steps, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    state = (
        torch.rand(2, 3, 9, generator=generator, dtype=torch.float64, requires_grad=True)
        if mode == "stream"
        else None
    )

    def outputs(W, b, x, state):
        held = URN(
            9,
            3,
            2,
            n_iterations,
            population=2,
            activation=activation,
            input_mode=mode,
            dtype=torch.float64,
        )
        del held.weight, held.bias
        held.weight, held.bias = W, b
        y, activity = held.unroll(x, state)
        return y, *activity

    assert torch.autograd.gradcheck(outputs, (net.weight, net.bias, x, state), eps=1e-7, atol=1e-6)


def test_weight_runs_from_column_to_row():
    net = URN(3, 1, 1, 2)
    net.weight.data.zero_()
    net.weight.data[0, 1, 0], net.weight.data[0, 2, 1] = 2.0, 3.0  # 0 -> 1 -> 2
    assert net(torch.tensor([[5.0]])).item() == 30.0


def test_one_network_has_no_member_axis_and_a_population_has():
    assert URN(6, 2, 1, 2)(torch.zeros(5, 2)).shape == (5, 1)
    assert URN(6, 2, 1, 2, population=3)(torch.zeros(5, 2)).shape == (3, 5, 1)


def test_he_initialisation_scales_each_column_by_its_own_fan_in():
    net = URN(2000, 10, 2, 4, generator=torch.Generator().manual_seed(1))
    W = net.weight[0].detach()
    assert W[:, :10].var().item() == pytest.approx(2 / 10, rel=0.05)
    assert W[:, 10:].var().item() == pytest.approx(2 / 2000, rel=0.01)
    assert not net.bias.any()


def test_same_seed_same_weights_and_members_have_their_own():
    def draw(seeds):
        return URN(
            20,
            2,
            2,
            2,
            population=len(seeds),
            generator=[torch.Generator().manual_seed(s) for s in seeds],
        ).weight

    assert torch.equal(draw([3, 4])[1], draw([4])[0])
    assert not torch.equal(draw([3, 4])[0], draw([3, 4])[1])


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ((5, 3, 3, 2), "n_neurons"),
        ((5, 0, 1, 2), "n_inputs"),
        ((5, 1, 0, 2), "n_outputs"),
        ((5, 1, 1, 0), "n_iterations"),
    ],
)
def test_impossible_sizes_are_named(arguments, culprit):
    with pytest.raises(InputError, match=culprit):
        URN(*arguments)


def test_wrong_inputs_are_named():
    net = URN(6, 2, 1, 2)
    with pytest.raises(InputError, match="x: shape"):
        net(torch.zeros(5, 3))
    with pytest.raises(InputError, match="state"):
        net.unroll(torch.zeros(5, 2), torch.zeros(1, 5, 6))
    with pytest.raises(InputError, match="activation"):
        URN(6, 2, 1, 2, activation="gelu")
