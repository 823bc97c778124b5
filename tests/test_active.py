"""Leaving out what is silent, against autograd on the dense formula in float64."""

import copy
import os
import subprocess
import sys

import pytest
import torch

from urn import URN
from urn.network import compiled as kernels
from urn.network import firing as active
from urn.network.firing import ActiveUnroll, CompiledUnroll

S, B, D_IN, D_OUT = 128, 64, 5, 3
SHARES = (1.0, 0.4, 0.05, 0.0)
"""Of the hidden neurons, how many can fire in each member."""


def population(n_iterations, generator, S=S):
    """Members of which a share of the hidden neurons is held silent by its bias, spread over them all."""
    net = URN(
        S,
        D_IN,
        D_OUT,
        n_iterations,
        population=len(SHARES),
        generator=generator,
        dtype=torch.float64,
    )
    net.bias.data.normal_(0.1, 0.3, generator=generator)
    for bias, share in zip(net.bias.data, SHARES, strict=True):
        bias[torch.rand(S, generator=generator) >= share] = -100.0
    return net, torch.randn(len(SHARES), B, D_IN, generator=generator, dtype=torch.float64)


def dense(net, x):
    """The formula of DESIGN section 1, with every product whole. Returns y, N and n."""
    N, activity = torch.nn.functional.pad(x, (0, net.n_neurons - D_IN)), []
    for _ in range(net.n_iterations):
        P = N @ net.weight.mT + net.bias[:, None]
        N = P.relu()
        activity.append(N)
    N = torch.stack(activity, 1)[:, :-1]
    return P[..., -D_OUT:], N, N.mean(2)


def way(net, x):
    return active.way(net.weight, x, net.n_iterations, net.activation, net.input_mode)


def results(values, heard, net):
    """What a network returned, and the gradients of a loss that hears y, N, n or all of them."""
    used = [value for name, value in zip("yNn", values, strict=True) if heard in (name, "all")]
    loss = sum(
        (value * (1 + torch.arange(value.numel()).view(value.shape) % 7)).square().sum()
        for value in used
    )
    return *values, *torch.autograd.grad(
        loss, [net.weight, net.bias], allow_unused=True, materialize_grads=True
    )


def assert_firing(n, few):
    """That the network tells members apart in which nearly all, some, hardly any and no neurons fire."""
    fire = (n > 0).double().mean(2)
    assert fire[0].max() > few > fire[1].max() > fire[2].min() > 0 == fire[3].max()


@pytest.mark.parametrize("heard", ["y", "N", "n", "all"])
@pytest.mark.parametrize("rows", [512, 17])
@pytest.mark.parametrize("n_iterations", [2, 4])
def test_silent_neurons_make_no_difference(n_iterations, rows, heard, generator, monkeypatch):
    monkeypatch.setattr(active, "ROWS", rows)
    net, x = population(n_iterations, generator)
    assert way(net, x) is ActiveUnroll
    y, activity = net.unroll(x)
    theirs = dense(net, x)
    assert_firing(theirs[2], active.FEW)
    for one, other in zip(
        results((y, *activity), heard, net), results(theirs, heard, net), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("heard", ["y", "N", "n", "all"])
@pytest.mark.parametrize("S", [S, kernels.ROWS + 88])
@pytest.mark.parametrize("n_iterations", [2, 4])
def test_silent_neurons_make_no_difference_to_compiled_kernels(n_iterations, S, heard, generator):
    net, x = population(n_iterations, generator, S)
    theirs = dense(net, x)
    assert_firing(theirs[2], kernels.FEW)
    theirs = results(theirs, heard, net)
    net, x = net.float(), x.float()
    assert way(net, x) is CompiledUnroll
    y, activity = net.unroll(x)
    for one, other in zip(results((y, *activity), heard, net), theirs, strict=True):
        torch.testing.assert_close(
            one.double(), other, rtol=0, atol=2e-6 * max(1, float(other.detach().abs().max()))
        )


def test_more_inputs_and_outputs_than_rows_taken_at_once(generator):
    d_in, d_out, S = kernels.ROWS + 88, kernels.ROWS + 8, 1300
    net = URN(S, d_in, d_out, 3, generator=generator)
    net.bias.data.normal_(0, 0.3, generator=generator)
    x = torch.randn(1, 4, d_in, generator=generator)
    found = []
    for one in (net, copy.deepcopy(net).double()):
        y, activity = one.unroll(x.to(one.bias))
        found.append(
            (y, *torch.autograd.grad(y.square().sum() + activity.n.sum(), [one.weight, one.bias]))
        )
    assert way(net, x) is CompiledUnroll
    for single, double in zip(*found, strict=True):
        torch.testing.assert_close(
            single.double(), double, rtol=0, atol=2e-6 * float(double.detach().abs().max())
        )


TRAIN = """
import sys, torch
from urn import TrainConfig, train
torch.set_num_threads(1)
run = train(TrainConfig(task="digits", n_neurons=600, steps=20, strengths={"activity": 1e-3}))
print(run.weights.double().sum().item().hex(), run.biases.double().sum().item().hex(), "torch._dynamo" in sys.modules)
"""


def test_one_thread_gives_the_same_numbers_when_it_compiles_and_whatever_the_cores(tmp_path):
    first, second = (
        subprocess.run(
            [sys.executable, "-c", TRAIN],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)} | more,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for more in ({}, {"OPENBLAS_NUM_THREADS": "1"})
    )
    assert any(tmp_path.rglob("*.nbc"))
    assert first == second
    assert "False" in second, "torch's compiler, which takes a second to import, is not needed"


def test_what_they_cannot_do_is_left_to_the_general_unroll(generator, monkeypatch):
    net, x = population(3, generator)
    W = net.weight
    assert active.way(W, x.clone().requires_grad_(), 3, "relu", "pulse") is None
    assert active.way(W, x, 3, "tanh", "pulse") is None
    assert active.way(W, x, 3, "relu", "clamped") is None
    assert active.way(W, x, 1, "relu", "pulse") is None
    assert active.way(W, x[:, :2], 3, "relu", "pulse") is None  # two samples: nothing to be saved
    assert active.way(W.float(), x[:, :2], 3, "relu", "pulse") is CompiledUnroll
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert (
        active.way(W.float(), x, 3, "relu", "pulse") is ActiveUnroll
    )  # torch's products share threads


def test_what_is_no_number_is_not_hidden(generator):
    """A neuron whose activity is not a number fires: nothing turns it into silence, and no other member hears of it."""
    net, x = population(3, generator)
    net, x = net.float(), x.float()
    net.bias.data[0, 20] = float("nan")
    y, _ = net.unroll(x)
    y.sum().backward()
    assert y[0].isnan().all()
    assert y[1:].isfinite().all()
    assert net.weight.grad[1:].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_members_do_not_depend_on_each_other(dtype, generator):
    """Each member is computed with its own neurons: alone, or beside others, it is the same to the last bit."""
    net, x = population(4, generator)
    net, x = net.to(dtype), x.to(dtype)
    y = net.unroll(x)[0]
    for k in range(len(SHARES)):
        one = URN(S, D_IN, D_OUT, 4, dtype=dtype)
        one.load_state_dict({name: T[k : k + 1] for name, T in net.state_dict().items()})
        assert torch.equal(one.unroll(x[k])[0][0], y[k])
