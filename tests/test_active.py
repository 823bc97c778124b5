"""Leaving out what is silent, against the definition in float64."""

import copy
import os
import subprocess
import sys

import pytest
import torch

from urn import URN
from urn.network import choose, compiled, definition, firing
from urn.network.compiled import CompiledUnroll
from urn.network.firing import FiringUnroll
from urn.network.unroll import ClampedUnroll, PulseUnroll
from urn.network.wiring import Wiring

S, B, D_IN, D_OUT = 128, 64, 5, 3
SHARES = (1.0, 0.4, 0.05, 0.0)
"""Of the hidden neurons, how many can fire in each member."""


def population(n_iterations, generator, S=S):
    """Members of which a share of the hidden neurons, spread over all, is silent by its bias."""
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


def defined(net, x):
    """y, N and n by the definition."""
    y, N = definition.unroll(net.weight, net.bias, x, net.wiring)
    return y, N, N.mean(2)


def form(net, x):
    return choose.form(net.weight, x, net.wiring)


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
    """Members in which nearly all, a part, hardly any and no neurons fire are told apart."""
    fire = (n > 0).double().mean(2)
    assert fire[0].max() > few > fire[1].max() > fire[2].min() > 0 == fire[3].max()


@pytest.mark.parametrize("heard", ["y", "N", "n", "all"])
@pytest.mark.parametrize("rows", [512, 17])
@pytest.mark.parametrize("n_iterations", [2, 4])
def test_silent_neurons_make_no_difference(n_iterations, rows, heard, generator, monkeypatch):
    monkeypatch.setattr(firing, "ROWS", rows)
    net, x = population(n_iterations, generator)
    assert form(net, x) is FiringUnroll
    y, activity = net.unroll(x)
    theirs = defined(net, x)
    assert_firing(theirs[2], firing.FEW)
    ours = results((y, *activity), heard, net)
    for value, expected in zip(ours, results(theirs, heard, net), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("heard", ["y", "N", "n", "all"])
@pytest.mark.parametrize("S", [S, compiled.ROWS + 88])
@pytest.mark.parametrize("n_iterations", [2, 4])
def test_silent_neurons_make_no_difference_to_compiled_kernels(n_iterations, S, heard, generator):
    net, x = population(n_iterations, generator, S)
    theirs = defined(net, x)
    assert_firing(theirs[2], compiled.FEW)
    theirs = results(theirs, heard, net)
    net, x = net.float(), x.float()
    assert form(net, x) is CompiledUnroll
    y, activity = net.unroll(x)
    for value, expected in zip(results((y, *activity), heard, net), theirs, strict=True):
        largest = max(1, float(expected.detach().abs().max()))
        torch.testing.assert_close(value.double(), expected, rtol=0, atol=2e-6 * largest)


def test_more_inputs_and_outputs_than_rows_taken_at_once(generator):
    d_in, d_out, S = compiled.ROWS + 88, compiled.ROWS + 8, 1300
    net = URN(S, d_in, d_out, 3, generator=generator)
    net.bias.data.normal_(0, 0.3, generator=generator)
    x = torch.randn(1, 4, d_in, generator=generator)
    results = []
    for held in (net, copy.deepcopy(net).double()):
        y, activity = held.unroll(x.to(held.bias))
        loss = y.square().sum() + activity.n.sum()
        results.append((y, *torch.autograd.grad(loss, [held.weight, held.bias])))
    assert form(net, x) is CompiledUnroll
    for single, double in zip(*results, strict=True):
        torch.testing.assert_close(
            single.double(), double, rtol=0, atol=2e-6 * float(double.detach().abs().max())
        )


TRAIN = """
import sys, torch
from urn import TrainConfig, train
torch.set_num_threads(1)
run = train(TrainConfig(task="digits", n_neurons=600, steps=20, strengths={"activity": 1e-3}))
sums = [T.double().sum().item().hex() for T in (run.weights, run.biases)]
print(*sums, "torch._dynamo" in sys.modules)
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


def test_the_ladder_of_forms(generator, monkeypatch):
    net, x = population(3, generator)
    W = net.weight

    def chosen(W, x, n_iterations=3, activation="relu", input_mode="pulse"):
        return choose.form(W, x, Wiring(D_IN, D_OUT, n_iterations, activation, input_mode))

    assert chosen(W, x.clone().requires_grad_()) is PulseUnroll
    assert chosen(W, x, activation="tanh") is PulseUnroll
    assert chosen(W, x, input_mode="clamped") is ClampedUnroll
    assert chosen(W, x, n_iterations=1) is PulseUnroll
    assert chosen(W, x[:, :2]) is PulseUnroll  # two samples: nothing to be saved
    assert chosen(W.float(), x[:, :2]) is CompiledUnroll
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert chosen(W.float(), x) is FiringUnroll  # torch's products share threads


def test_what_is_no_number_is_not_hidden(generator):
    """A neuron whose activity is not a number fires, and no other member hears of it."""
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
    """Alone, or beside others, a member is the same to the last bit."""
    net, x = population(4, generator)
    net, x = net.to(dtype), x.to(dtype)
    y = net.unroll(x)[0]
    for k in range(len(SHARES)):
        alone = URN(S, D_IN, D_OUT, 4, dtype=dtype)
        alone.load_state_dict({name: T[k : k + 1] for name, T in net.state_dict().items()})
        assert torch.equal(alone.unroll(x[k])[0][0], y[k])
