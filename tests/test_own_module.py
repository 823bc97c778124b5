"""Penalties and the proximal optimiser on a stack of `nn.Linear` that is no URN."""

import pytest
import torch
from torch import nn

from urn import InputError, Penalties, ProximalAdam, Schedule


def stack(generator):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 20), nn.LayerNorm(20), nn.ReLU(), nn.Linear(20, 1))


def test_weights_that_are_not_needed_become_exactly_zero(generator):
    net = stack(generator)
    penalties = Penalties({"weight": 3e-2, "bias": 1e-3})
    optimiser = ProximalAdam(penalties.parameter_groups(net), lr=1e-2)
    x = torch.randn(256, 10, generator=generator)
    y = x[:, :1] - x[:, 1:2]

    first = None
    for _ in range(300):
        optimiser.zero_grad()
        task = (net(x) - y).square().mean()
        loss = task + penalties(net)
        loss.backward()
        optimiser.step()
        first = task.item() if first is None else first

    assert task.item() < first / 4
    used = (net[0].weight != 0).double().mean(0)
    assert used.mean() < 0.2  # exact zeros, not small numbers
    assert used[:2].mean() > 2 * used[2:].mean()
    assert net[1].weight.ne(0).all()  # a scale is neither a weight nor a bias


def test_value_is_the_whole_penalty_and_has_no_gradient(generator):
    net = stack(generator)
    weights = net[0].weight.abs().sum() + net[3].weight.abs().sum()
    biases = sum(net[k].bias.abs().sum() for k in (0, 1, 3))
    value = Penalties({"weight": 0.5, "bias": 2.0})(net)
    assert value.item() == pytest.approx((0.5 * weights + 2 * biases).item())
    assert not value.requires_grad


def test_schedules_are_followed(generator):
    net = stack(generator)
    penalties = Penalties({"weight": Schedule(value=1.0, warmup=10)}, n_steps=100)
    group = penalties.parameter_groups(net)[0]
    prices = []
    for step in (0, 5, 50):
        penalties.set_step(step)
        prices.append(group["price"]())
    assert prices[0] < prices[1] < prices[2] == 1.0


@pytest.mark.parametrize(
    ("strengths", "culprit"),
    [
        ({"depth": 1.0}, "strengths.depth: speaks of a URN"),
        ({"weight": torch.ones(3)}, "strengths.weight: must be one number"),
    ],
)
def test_terms_that_need_a_urn_are_refused(strengths, culprit, generator):
    with pytest.raises(InputError, match=culprit):
        Penalties(strengths).parameter_groups(stack(generator))
