"""Leaving out what is silent, against autograd on the dense formula in float64."""

import pytest
import torch

from urn import URN, active, network

S, B, D_IN, D_OUT = 128, 64, 5, 3
SHARES = (1.0, 0.4, 0.05, 0.0)
"""Of the hidden neurons, how many can fire in each member."""


def population(n_iterations, generator):
    """Members of which a share of the hidden neurons is held silent by its bias, spread over them all."""
    net = URN(S, D_IN, D_OUT, n_iterations, population=len(SHARES), generator=generator, dtype=torch.float64)
    net.bias.data.normal_(0.1, 0.3, generator=generator)
    for bias, share in zip(net.bias.data, SHARES, strict=True):
        bias[torch.rand(S, generator=generator) >= share] = -100.0
    return net, torch.randn(len(SHARES), B, D_IN, generator=generator, dtype=torch.float64)


def dense(net, x):
    """The formula of DESIGN section 1, with every product whole. Returns y, N and n."""
    N, activity = torch.nn.functional.pad(x, (0, S - D_IN)), []
    for _ in range(net.n_iterations):
        P = N @ net.weight.mT + net.bias[:, None]
        N = P.relu()
        activity.append(N)
    N = torch.stack(activity, 1)[:, :-1]
    return P[..., -D_OUT:], N, N.mean(2)


@pytest.mark.parametrize("heard", ["y", "N", "n", "all"])
@pytest.mark.parametrize("rows", [512, 17])
@pytest.mark.parametrize("n_iterations", [1, 2, 4])
def test_silent_neurons_make_no_difference(n_iterations, rows, heard, generator, monkeypatch):
    monkeypatch.setattr(active, "ROWS", rows)
    net, x = population(n_iterations, generator)
    assert active.pays(net.weight, x, net.activation, net.input_mode)
    y, activity = net.unroll(x)
    ours, theirs = (y, *activity), dense(net, x)
    if n_iterations > 1:
        fire = (theirs[2] > 0).double().mean(2)
        assert fire[0].max() > active.FEW > fire[1].max() > fire[2].min() > 0 == fire[3].max()
    gradients = []
    for values in (ours, theirs):
        used = [value for name, value in zip("yNn", values, strict=True) if heard in (name, "all")]
        loss = sum((value * (1 + torch.arange(value.numel()).view(value.shape) % 7)).square().sum() for value in used)
        gradients.append(torch.autograd.grad(loss, [net.weight, net.bias], allow_unused=True, materialize_grads=True))
    for one, other in zip((*ours, *gradients[0]), (*theirs, *gradients[1]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-8)


def test_what_it_cannot_do_is_left_to_the_general_unroll(generator):
    net, x = population(3, generator)
    pays = active.pays
    assert not pays(net.weight, x.requires_grad_(), "relu", "pulse")
    x = x.detach()
    assert not pays(net.weight, x, "tanh", "pulse")
    assert not pays(net.weight, x, "relu", "clamped")
    assert not pays(net.weight, x[:, :2], "relu", "pulse")  # two samples: nothing to be saved


def test_members_do_not_depend_on_each_other(generator):
    """Each member is computed with its own neurons: alone, or beside others, it is the same to the last bit."""
    net, x = population(4, generator)
    y = net.unroll(x)[0]
    for k in range(len(SHARES)):
        one = URN(S, D_IN, D_OUT, 4, dtype=torch.float64)
        one.load_state_dict({name: T[k : k + 1] for name, T in net.state_dict().items()})
        assert torch.equal(one.unroll(x[k])[0][0], y[k])


def test_both_ways_agree_in_a_training_precision(generator, monkeypatch):
    net, x = population(4, generator)
    net, x = net.float(), x.float()
    some = net.unroll(x)[0]
    monkeypatch.setattr(network, "pays", lambda *_: False)
    torch.testing.assert_close(some, net.unroll(x)[0], rtol=1e-4, atol=1e-4)
