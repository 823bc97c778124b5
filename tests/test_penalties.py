"""The general loss: against a float64 loop, its invariances, and its zeros."""

import numpy as np
import pytest
import torch

from tests import oracles
from urn import URN, InputError, Penalties, Schedule, register
from urn.loss import terms
from urn.loss.geometry import (
    attach_positions,
    grid,
    lattice_positions,
    learned_positions,
    line,
    ring,
    wire_price,
)
from urn.loss.penalties import TERMS, Settings
from urn.loss.symmetry import PermutationGroup, translations
from urn.network.module import Activity
from urn.optimiser.prices import DiagonalPrice, SharedPrice

D_IN, D_OUT, S, I = 3, 2, 12, 4
STRENGTHS = {
    "weight": 0.01,
    "bias": 0.02,
    "activity": 0.03,
    "depth": 0.05,
    "self": 0.07,
    "locality": 0.11,
}


def network(generator, positions=None):
    net = URN(S, D_IN, D_OUT, I, generator=generator, dtype=torch.float64)
    net.bias.data.normal_(0, 0.2, generator=generator)

    if positions is None:
        positions = learned_positions(grid(1, D_IN), S - D_IN - D_OUT, D_OUT, generator)
    attach_positions(net, positions, learned=True)
    return net


@pytest.mark.parametrize(
    ("power", "floor", "w0"), [(1.0, 0.0, 0.0), (2.0, 0.1, 1.0), (0.5, 0.2, 1.0)]
)
def test_loss_equals_a_numpy_loop(power, floor, w0, generator):
    net = network(generator)
    x = torch.randn(6, D_IN, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 0, 1, 0])

    whole = Penalties(STRENGTHS, settings=Settings(power, floor, w0))
    y, activity = net.unroll(x)
    ours = torch.nn.functional.cross_entropy(y[0], labels) + whole(net, activity)

    expected = oracles.loss(
        net.weight[0].detach().numpy(),
        net.bias[0].detach().numpy(),
        x.numpy(),
        labels.numpy(),
        I,
        D_OUT,
        STRENGTHS,
        positions=net.positions[0].detach().numpy(),
        power=power,
        floor=floor,
        w0=w0,
    )
    assert ours.item() == pytest.approx(expected, rel=1e-12)


def permuted(net, order):
    """The same network with its hidden neurons in another order."""
    other = URN(S, D_IN, D_OUT, I, dtype=torch.float64)
    other.weight.data = net.weight.data[:, order][:, :, order]
    other.bias.data = net.bias.data[:, order]
    attach_positions(other, net.positions.detach()[:, order], learned=True)
    return other


@pytest.mark.parametrize("name", STRENGTHS)
def test_every_term_is_invariant_under_permutation_of_hidden_neurons(name, generator):
    net = network(generator)
    hidden = D_IN + torch.randperm(S - D_IN - D_OUT, generator=generator)
    order = torch.cat([torch.arange(D_IN), hidden, torch.arange(S - D_OUT, S)])
    other = permuted(net, order)

    x = torch.randn(6, D_IN, generator=generator, dtype=torch.float64)
    values = [TERMS[name].value(n, n.unroll(x)[1], Settings()) for n in (net, other)]
    torch.testing.assert_close(*values, rtol=1e-13, atol=0)
    assert values[0] > 0


def test_symmetry_term_is_invariant_under_permutations_that_carry_channels_into_channels(generator):
    group = translations((4,), 4, 3, 2)
    net = URN(4 + 12 + 2, 4, 2, 3, generator=generator, dtype=torch.float64)
    channels = torch.randperm(3, generator=generator)
    hidden = (4 + channels[:, None] * 4 + torch.arange(4)).flatten()
    order = torch.cat([torch.arange(4), hidden, torch.arange(16, 18)])

    value = terms.symmetry(net, None, Settings(group=group))
    net.weight.data = net.weight.data[:, order][:, :, order]
    torch.testing.assert_close(
        terms.symmetry(net, None, Settings(group=group)), value, rtol=1e-13, atol=0
    )


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_locality_is_invariant_under_rigid_motions(power, generator):
    net = network(generator)
    angle = torch.tensor(0.7, dtype=torch.float64)
    mirror = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2) @ mirror

    before = terms.locality(net, None, Settings(power, 0.1))
    net.positions.data = net.positions.data @ turn.T + torch.tensor([3.0, -5.0]).double()
    torch.testing.assert_close(
        terms.locality(net, None, Settings(power, 0.1)), before, rtol=1e-12, atol=0
    )

    net.positions.data = net.positions.data * 2  # stretching is no rigid motion
    assert terms.locality(net, None, Settings(power, 0.1)) > before * 1.1


def test_locality_moves_hidden_neurons_only_and_along_the_gradient(generator):
    net = network(generator)
    total = Penalties({"locality": 0.5}, settings=Settings(1.0, 0.1))
    (gradient,) = torch.autograd.grad(total.smooth(net, None).sum(), net.positions)
    assert not gradient[:, : net.hidden.start].any()
    assert not gradient[:, net.hidden.stop :].any()

    step = torch.zeros_like(net.positions)
    step[0, 5, 1] = 1e-6

    def value(shift):
        moved = network(torch.Generator().manual_seed(0), (net.positions.detach() + shift)[0])
        moved.weight.data = net.weight.data
        return 0.5 * terms.locality(moved, None, Settings(1.0, 0.1)).item()

    assert gradient[0, 5, 1].item() == pytest.approx((value(step) - value(-step)) / 2e-6, rel=1e-6)


def test_outputs_have_no_position_and_cost_the_floor_only(generator):
    price = wire_price(network(generator), 1.0, 0.25)
    assert torch.equal(price[0, -D_OUT:], torch.full((D_OUT, S), 0.25, dtype=torch.float64))
    assert torch.equal(price[0, :, -D_OUT:], torch.full((S, D_OUT), 0.25, dtype=torch.float64))


def test_geometries_have_the_distances_they_are_named_after():
    torch.testing.assert_close(
        torch.cdist(line(5), line(5))[0], torch.tensor([0, 0.25, 0.5, 0.75, 1.0])
    )
    square = grid(3, 3)
    assert torch.dist(square[0], square[8]).item() == pytest.approx(2**0.5)
    chords = torch.cdist(ring(6), ring(6))
    torch.testing.assert_close(chords[0, 1], chords[0, 5])
    assert chords[0, 3].item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("sites", "n_inputs", "channels"), [((5,), 5, 2), ((5,), 10, 3), ((2, 3), 6, 2)]
)
def test_symmetry_is_zero_exactly_on_matrices_that_commute(sites, n_inputs, channels, generator):
    group = translations(sites, n_inputs, channels, 2)
    n = group.n
    net = URN(n, n_inputs, 2, 2, generator=generator, dtype=torch.float64)
    assert terms.symmetry(net, None, Settings(group=group)) > 0

    # Built from the definition, not by the projection: powers of translations commute with
    # translations, for the group is abelian.
    matrices = [torch.eye(n, dtype=torch.float64)[g].T for g in group.elements]
    commuting = sum(float(torch.randn((), generator=generator)) * T for T in matrices)
    for T in matrices:
        torch.testing.assert_close(T @ commuting, commuting @ T)

    net.weight.data[0] = commuting
    assert terms.symmetry(net, None, Settings(group=group)).item() == pytest.approx(0, abs=1e-13)


def test_projection_is_the_mean_over_the_group_and_orthogonal(generator):
    group = translations((3, 2), 6, 2, 3)
    W = torch.randn(1, group.n, group.n, generator=generator, dtype=torch.float64)
    mean = torch.stack([W[:, g][:, :, g] for g in group.elements]).mean(0)
    projected = group.project(W)
    torch.testing.assert_close(projected, mean)
    torch.testing.assert_close(group.project(projected), projected)
    assert (projected * (W - projected)).sum().item() == pytest.approx(0, abs=1e-12)


def test_shared_weights_are_a_circular_convolution(generator):
    """P_G W from one input channel acts as torch's conv1d with circular padding."""
    L = 6
    group = translations((L,), L, 1, 1)
    W = group.project(torch.randn(1, group.n, group.n, generator=generator, dtype=torch.float64))[
        0, L : 2 * L, :L
    ]
    x = torch.randn(1, 1, L, generator=generator, dtype=torch.float64)
    kernel = W[0].view(1, 1, L)  # weights of site 0 from sites 0..L-1
    wrapped = torch.nn.functional.pad(x, (0, L - 1), mode="circular")
    torch.testing.assert_close(torch.nn.functional.conv1d(wrapped, kernel)[0, 0], W @ x[0, 0])


def test_group_restricted_to_whole_channels_is_the_smaller_lattice():
    larger = translations((4,), 4, 3, 2)
    smaller = translations((4,), 4, 2, 2)
    held = torch.cat([torch.arange(8), torch.arange(12, 18)])  # all but the second of three
    assert torch.equal(larger.restrict(held).elements, smaller.elements)


def activity_of(N):
    return Activity(N, N.abs().mean(2))


def test_depth_is_zero_when_each_neuron_fires_once_and_positive_otherwise():
    net = URN(6, 1, 1, 4, dtype=torch.float64)
    once = torch.zeros(1, 3, 2, 6, dtype=torch.float64)
    for l, loudness in ((0, 3.0), (1, 2.0), (2, 1.0)):
        once[0, l, :, l + 1] = loudness
    assert terms.depth(net, activity_of(once), Settings()).item() == 0

    twice = once.clone()
    twice[0, 2, :, 1] = 4.0  # 2 * 3 * 4 under the root
    rounding = terms.DEPTH_ROUNDING
    expected = (24 + rounding**2) ** 0.5 - rounding
    assert terms.depth(net, activity_of(twice), Settings()).item() == pytest.approx(
        expected, rel=1e-12
    )


def test_inputs_fixed_by_their_mode_are_not_priced():
    fixed, free = (URN(6, 2, 1, 3, input_mode=mode) for mode in ("clamped", "pulse"))
    activity = Activity(torch.ones(1, 2, 4, 6), torch.ones(1, 2, 6))
    assert terms.activity(free, activity, Settings()).item() == 12
    assert terms.activity(fixed, activity, Settings()).item() == 8


def test_strengths_follow_their_schedules_and_members_have_their_own():
    schedule = Schedule(value=2.0, warmup=4, milestones=(0.25, 0.5), factor=10)
    assert [schedule.at(t, 100) for t in (0, 1, 3, 24, 25, 50)] == pytest.approx(
        [0.5, 1.0, 2.0, 2.0, 20.0, 200.0]
    )
    two = Penalties({"weight": [Schedule(value=1.0), schedule]}, n_steps=100)
    two.set_step(0)
    net = URN(6, 2, 1, 3, population=2)
    assert two.price("weight", net).flatten().tolist() == [1.0, 0.5]


def test_a_user_adds_a_term_without_touching_the_core(generator):
    try:

        @register("bias_square")
        def bias_square(net, activity, settings):
            return net.bias.square().sum(1)

        net = network(generator)
        _, activity = net.unroll(torch.zeros(1, D_IN, dtype=torch.float64))
        value = Penalties({"bias_square": 2.0})(net, activity)
        assert value.item() == pytest.approx(2 * (net.bias**2).sum().item())
        (gradient,) = torch.autograd.grad(value, net.bias)
        torch.testing.assert_close(gradient, 4 * net.bias.detach())
    finally:
        del TERMS["bias_square"]
    with pytest.raises(InputError, match=r"strengths\.bias_square.*weight, bias"):
        Penalties({"bias_square": 2.0})


def test_group_needs_a_lattice_and_locality_needs_positions():
    net = URN(6, 2, 1, 3)
    with pytest.raises(InputError, match="locality"):
        terms.locality(net, None, Settings())
    with pytest.raises(InputError, match="symmetry"):
        terms.symmetry(net, None, Settings())
    with pytest.raises(InputError, match="positions"):
        attach_positions(net, lattice_positions(line(2), 2, 2, 1), learned=False)


def test_any_closed_set_of_permutations_is_a_group():
    """Reflection of four points: orbits of pairs are found without being told what the group is."""
    reflection = PermutationGroup(torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0]]))
    W = torch.arange(16.0).view(1, 4, 4)
    np.testing.assert_allclose(reflection.project(W), (W + W.flip(1, 2)) / 2)


def test_cost_is_the_old_name_of_price(generator):
    double = lambda net, settings: 2 * torch.ones_like(net.bias)  # noqa: E731
    value = lambda net, activity, settings: 2 * net.bias.abs().sum(1)  # noqa: E731
    try:
        with pytest.warns(DeprecationWarning, match="price"):
            register("double_bias", shrinks="bias", cost=double)(value)
        assert (Penalties({"double_bias": 0.5}).price("bias", network(generator)) == 1).all()
    finally:
        TERMS.pop("double_bias", None)

    with pytest.raises(InputError, match="cost: is the old name of price"):
        register("double_bias", shrinks="bias", cost=double, price=double)


def test_a_price_on_biases_moves_learned_positions(generator):
    """The gradient of sum_i |b_i| x_i by x is |b_i|."""

    def price(net, settings):
        return torch.where(net.positions.isnan(), 0, net.positions)[..., 0]

    try:
        register("outside", shrinks="bias", price=price)(
            lambda net, activity, settings: (net.bias.abs() * price(net, settings)).sum(1)
        )
        net = network(generator)
        smooth = Penalties({"outside": 0.5}).smooth(net, None)
        (gradient,) = torch.autograd.grad(smooth.sum(), net.positions)
    finally:
        TERMS.pop("outside", None)

    expected = 0.5 * net.bias.detach().abs()
    torch.testing.assert_close(gradient[:, net.hidden, 0], expected[:, net.hidden])
    assert not gradient[..., 1].any()


def test_the_optimiser_is_given_prices_by_name():
    group = translations((4,), 4, 3, 2)
    net = URN(group.n, 4, 2, 3)
    settings = Settings(self_target=1.0, group=group)
    weights, biases = Penalties(
        {"self": 0.25, "symmetry": 0.5, "bias": 0.125}, settings=settings
    ).parameter_groups(net)

    assert weights["price"]() == 0
    assert weights["diagonal"]() == DiagonalPrice(0.25, 1.0, net.acting)
    assert weights["deviation"]() == SharedPrice(0.5, group)
    alone = Settings(group=group, shared_step=False)
    (weights, _) = Penalties({"symmetry": 0.5}, settings=alone).parameter_groups(net)
    assert weights["deviation"]() == SharedPrice(0.5, group, own_step=False)
    assert biases["price"]() == 0.125
