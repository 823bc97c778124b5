"""The proximal optimiser against scikit-learn's Lasso, brute force and torch's own Adam.

The fast forms of its step are held against the plain formula in 64 bits, form by form.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from urn import URN, Penalties, ProximalAdam
from urn.loss.penalties import Settings
from urn.loss.symmetry import translations
from urn.network.choose import can_be_compiled
from urn.optimiser import fast
from urn.optimiser.adam import plain_shared_step, plain_step
from urn.optimiser.metric import Metric
from urn.optimiser.prices import DiagonalPrice, SharedPrice
from urn.optimiser.proximal import prox_two_kinks, soft, soft_
from urn.optimiser.rmsprop import ClippedRMSProp


def regression(generator, n=80, d=12):
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    true = torch.zeros(d, dtype=torch.float64)
    true[:4] = torch.tensor([2.0, -1.0, 0.5, 0.1], dtype=torch.float64)
    return X, X @ true + 0.1 * torch.randn(n, generator=generator, dtype=torch.float64)


def test_the_old_name_of_a_price_is_read():
    """Groups, and states that were saved, said `l1` in version 0.1."""
    w = torch.nn.Parameter(torch.ones(3))
    optimiser = ProximalAdam([{"params": [w], "l1": 0.25}])
    assert optimiser.param_groups[0]["price"] == 0.25

    saved = optimiser.state_dict()
    saved["param_groups"][0]["l1"] = saved["param_groups"][0].pop("price") * 2
    optimiser.load_state_dict(saved)
    assert optimiser.param_groups[0]["price"] == 0.5
    assert "l1" not in optimiser.param_groups[0]


@pytest.mark.parametrize("c", [0.02, 0.1, 0.5])
def test_reaches_the_optimum_of_lasso(c, generator):
    X, y = regression(generator)
    linear = torch.nn.Linear(12, 1, bias=False, dtype=torch.float64)
    steps = 6000
    steepest = ProximalAdam([{"params": [linear.weight], "price": c}], lr=1e-2)
    for step in range(steps):
        steepest.param_groups[0]["lr"] = 3e-2 * 10 ** (-3 * step / steps)
        steepest.zero_grad()
        (0.5 * (linear(X)[:, 0] - y).square().mean()).backward()
        steepest.step()
    lasso = Lasso(alpha=c, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(
        X.numpy(), y.numpy()
    )
    ours = linear.weight.detach()[0].numpy()
    assert np.array_equal(ours != 0, lasso.coef_ != 0)  # exact zeros, no threshold
    np.testing.assert_allclose(ours, lasso.coef_, atol=1e-3)


def test_without_prices_it_is_adam(generator):
    X, y = regression(generator)
    nets = [torch.nn.Linear(12, 1, dtype=torch.float64) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    optimisers = [
        ProximalAdam(nets[0].parameters(), lr=3e-3),
        torch.optim.Adam(nets[1].parameters(), lr=3e-3),
    ]
    for _ in range(50):
        for net, optimiser in zip(nets, optimisers, strict=True):
            optimiser.zero_grad()
            (net(X)[:, 0] - y).square().mean().backward()
            optimiser.step()
    for ours, theirs in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def brute_force(z, at_zero, at_target, target):
    grid = np.concatenate([np.linspace(-4, 4, 80_001), [0.0, target]])
    return grid[
        np.argmin(
            0.5 * (grid - z) ** 2 + at_zero * np.abs(grid) + at_target * np.abs(grid - target)
        )
    ]


@pytest.mark.parametrize("target", [0.0, 1.0, 0.5])
def test_proximal_maps_minimise_what_they_say(target, generator):
    for z, a, c in torch.rand(40, 3, generator=generator, dtype=torch.float64) * torch.tensor(
        [6.0, 1, 1]
    ) - torch.tensor([3.0, 0, 0]):
        ours = prox_two_kinks(z, a, c, torch.tensor(target, dtype=torch.float64))
        assert ours.item() == pytest.approx(
            brute_force(z.item(), a.item(), c.item(), target), abs=2e-4
        )
        assert soft(z, a).item() == pytest.approx(
            brute_force(z.item(), a.item(), 0.0, 0.0), abs=2e-4
        )
        assert soft(z, a.item()).item() == pytest.approx(soft(z, a).item())


def one_step(net, strengths, settings, gradient, lr=1e-2):
    """ProximalAdam on a given gradient."""
    whole = Penalties(strengths, settings=settings)
    steepest = ProximalAdam(whole.parameter_groups(net), lr=lr)
    net.weight.grad = gradient.clone()
    steepest.step()
    return steepest


@pytest.mark.parametrize("w0", [0.0, 1.0])
def test_diagonal_has_its_own_price(w0, generator):
    net = URN(8, 2, 1, 3, generator=generator, dtype=torch.float64)
    before = net.weight.detach().clone()
    gradient = torch.randn(1, 8, 8, generator=generator, dtype=torch.float64)
    one_step(net, {"weight": 0.3, "self": 0.5}, Settings(self_target=w0), gradient)
    d = gradient.abs() + 1e-8  # first step: m_hat = g, v_hat = g^2
    for i in range(8):
        for j in range(8):
            scale = 1e-2 / d[0, i, j]
            z = before[0, i, j] - gradient[0, i, j] * scale
            expected = brute_force(
                z.item(), 0.3 * scale.item(), 0.5 * scale.item() if i == j else 0.0, w0
            )
            assert net.weight[0, i, j].item() == pytest.approx(expected, abs=2e-4), (i, j)


def test_members_and_matrices_of_prices(generator):
    """Prices as numbers, per member and per entry are the same step."""
    gradient = torch.randn(3, 8, 8, generator=generator, dtype=torch.float64)
    results = []
    for price in (torch.full((3,), 0.4), 0.4, torch.full((3, 8, 8), 0.4)):
        net = URN(
            8,
            2,
            1,
            3,
            population=3,
            generator=[torch.Generator().manual_seed(s) for s in range(3)],
            dtype=torch.float64,
        )
        if isinstance(price, torch.Tensor) and price.dim() == 3:
            steepest = ProximalAdam([{"params": [net.weight], "price": price}], lr=1e-2)
            net.weight.grad = gradient.clone()
            steepest.step()
        else:
            one_step(net, {"weight": price}, Settings(), gradient)
        results.append(net.weight.detach())
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(results[0], results[2], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("w0", [None, 0.0, 1.0])
@pytest.mark.parametrize("price", [0.0, 0.4, torch.tensor([0.1, 0.4, 0.9]), "entries"])
def test_the_compiled_step_is_the_same(price, w0, generator):
    """32 bits are compiled on one thread, 64 bits are not: ten steps agree, zeros included."""
    price = (
        torch.rand(3, 8, 8, generator=generator, dtype=torch.float64)
        if isinstance(price, str)
        else price
    )
    price = price.view(3, 1, 1) if isinstance(price, torch.Tensor) and price.dim() == 1 else price
    start, gradients = (
        torch.randn(n, 3, 8, 8, generator=generator, dtype=torch.float64) for n in (1, 10)
    )
    ended = []
    for dtype in (torch.float32, torch.float64):
        W = torch.nn.Parameter(start[0].to(dtype))
        assert can_be_compiled(W) == (dtype == torch.float32)
        group = {"params": [W], "price": price}
        if w0 is not None:
            group["diagonal"] = DiagonalPrice(torch.tensor([0.0, 0.3, 2.0]), w0, slice(2, 7))
        steepest = ProximalAdam([group], lr=0.1)
        for gradient in gradients:
            W.grad = gradient.to(dtype)
            steepest.step()
        ended.append(W.detach().double())
    assert (ended[0] == 0).any() == (ended[1] == 0).any()
    torch.testing.assert_close(ended[0], ended[1], rtol=1e-4, atol=1e-5)


PRICES = {
    "none": 0.0,
    "number": 0.4,
    "members": torch.tensor([0.1, 0.4, 0.9]).view(3, 1, 1),
    "entries": torch.linspace(0, 1, 3 * 13 * 13).view(3, 13, 13),
}
DIAGONALS = {
    "none": None,
    "zero": DiagonalPrice(0.3, 0.0, slice(6, 12)),
    "target": DiagonalPrice(torch.tensor([0.0, 0.3, 2.0]), 1.0, slice(6, 12)),
}
SHARED = {
    "no": None,
    "own step": SharedPrice(0.2, translations((6,), 6, 1, 1)),
    "by price alone": SharedPrice(0.2, translations((6,), 6, 1, 1), own_step=False),
}


def steps(start, gradients, group, **options):
    """Ten steps of ProximalAdam from `start` along given gradients: W and its moments."""
    W = torch.nn.Parameter(start.clone())
    adam = ProximalAdam([{"params": [W], **group}], lr=0.1, **options)
    for gradient in gradients:
        W.grad = gradient.to(W).clone()
        adam.step()

    state = adam.state[W]
    return [W.detach(), *(T for T in state.values() if isinstance(T, torch.Tensor))]


def group_of(price, diagonal, shared):
    """The prices of these names, as ProximalAdam takes them."""
    deviation = {} if SHARED[shared] is None else {"deviation": SHARED[shared]}
    return {"price": PRICES[price], "diagonal": DIAGONALS[diagonal]} | deviation


def start_and_gradients(generator):
    start, *gradients = torch.randn(11, 3, 13, 13, generator=generator, dtype=torch.float64)
    return start, gradients


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("diagonal", DIAGONALS)
@pytest.mark.parametrize("price", PRICES)
def test_threads_take_the_step_of_one(price, diagonal, shared, generator, monkeypatch):
    """Bit for bit: who computes a row changes no number in it."""
    start, gradients = start_and_gradients(generator)
    group = group_of(price, diagonal, shared)
    alone = steps(start.float(), gradients, group)

    n_threads = []

    class Pool(fast.ThreadPoolExecutor):
        def __init__(self, n):
            n_threads.append(n)
            super().__init__(n)

    monkeypatch.setattr(fast, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(fast, "ENTRIES_OF_THREAD", 100)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for ours, theirs in zip(steps(start.float(), gradients, group), alone, strict=True):
        assert torch.equal(ours, theirs)
    assert 3 in n_threads


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("diagonal", DIAGONALS)
@pytest.mark.parametrize("price", PRICES)
@pytest.mark.parametrize("form", ["scaled", "blocks", "compiled"])
def test_fast_forms_take_the_plain_step(form, price, diagonal, shared, generator, monkeypatch):
    """The plain formula in 64 bits, against each fast form of it: values, moments, exact zeros."""
    start, gradients = start_and_gradients(generator)
    group = group_of(price, diagonal, shared)
    plain = steps(start, gradients, group, plain=True)

    if form == "compiled":
        assert can_be_compiled(start.float())
        start = start.float()
    if form == "blocks":
        monkeypatch.setattr(fast, "CHUNK", 40)
    quick = steps(start, gradients, group)

    close = {"rtol": 1e-4, "atol": 2e-5} if form == "compiled" else {"rtol": 1e-9, "atol": 1e-12}
    for ours, formula in zip(quick, plain, strict=True):
        torch.testing.assert_close(ours.double(), formula, **close)
    assert torch.equal(quick[0] == 0, plain[0] == 0)
    assert price == "none" or shared != "no" or (plain[0] == 0).any()


@pytest.mark.parametrize("diagonal", DIAGONALS)
@pytest.mark.parametrize("price", PRICES)
@pytest.mark.parametrize("shared", SHARED)
def test_blocks_change_no_bit(shared, price, diagonal, generator, monkeypatch):
    start, gradients = start_and_gradients(generator)
    group = group_of(price, diagonal, shared)
    whole = steps(start, gradients, group)

    for chunk in (340, 40, 1):
        monkeypatch.setattr(fast, "CHUNK", chunk)
        parts = steps(start, gradients, group)
        assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("diagonal", DIAGONALS)
@pytest.mark.parametrize("price", PRICES)
@pytest.mark.parametrize("form", ["plain", "scaled", "blocks", "compiled"])
def test_each_member_steps_at_its_own_rate(form, price, diagonal, shared, generator, monkeypatch):
    """Beside others, and alone with a rate that is a number."""
    start, gradients = start_and_gradients(generator)
    start = start.float() if form == "compiled" else start
    if form == "blocks":
        monkeypatch.setattr(fast, "CHUNK", 40)
    deviation = SharedPrice(0.2, translations((6,), 6, 1, 1)) if shared else None
    options = {"plain": form == "plain"}
    rates = torch.tensor([0.02, 0.1, 0.3], dtype=torch.float64)

    def priced(members):
        diagonal_price = DIAGONALS[diagonal]
        if diagonal_price and isinstance(diagonal_price.price, torch.Tensor):
            diagonal_price = replace(diagonal_price, price=diagonal_price.price[members])
        whole = PRICES[price]
        part = whole[members] if isinstance(whole, torch.Tensor) else whole
        return {"price": part, "diagonal": diagonal_price, "deviation": deviation}

    together = steps(start, gradients, priced(slice(3)) | {"lr": rates}, **options)
    for k in range(3):
        one = slice(k, k + 1)
        alone = steps(
            start[one],
            [g[one] for g in gradients],
            priced(one) | {"lr": float(rates[k])},
            **options,
        )
        # Entry by entry the compiled kernel does the same; the others cast the rate elsewhere.
        close = {"rtol": 0, "atol": 0} if form == "compiled" and not shared else {}
        for member, same in zip(together, alone, strict=True):
            torch.testing.assert_close(member[one], same, **close)


def test_rmsprop_steps_at_the_rate_of_each_member(generator):
    start, *gradients = torch.randn(4, 2, 5, 5, generator=generator, dtype=torch.float64)

    def ended(members, lr):
        W = torch.nn.Parameter(start[members].clone())
        rmsprop = ClippedRMSProp(
            [{"params": [W], "price": 1e-3, "lr": lr}], lr=0.1, decay=0.9, eps=1e-2, clip=0.1
        )
        for gradient in gradients:
            W.grad = gradient[members].clone()
            rmsprop.step()
        return W.detach()

    together = ended(slice(2), torch.tensor([1e-3, 0.05], dtype=torch.float64))
    torch.testing.assert_close(together[:1], ended(slice(0, 1), 1e-3))
    torch.testing.assert_close(together[1:], ended(slice(1, 2), 0.05))


def test_the_plain_step_is_three_lines_of_arithmetic():
    """First step by hand: m_hat = g, v_hat = g^2, so a step is lr sign(g), a price lr c / |g|."""
    w = torch.tensor([1.0, 1.0, 0.15, -1.0], dtype=torch.float64)
    g = torch.tensor([2.0, -4.0, 0.5, 1.0], dtype=torch.float64)
    m, v = torch.zeros(2, 4, dtype=torch.float64)

    plain_step(w, g, m, v, Metric(0.1, 0.9, 0.999, 1e-15, step=1), 0.5)

    expected = [0.9 - 0.1 * 0.5 / 2, 1.1 - 0.1 * 0.5 / 4, 0.0, -1.1 + 0.1 * 0.5 / 1]
    torch.testing.assert_close(w, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(m, 0.1 * g)
    torch.testing.assert_close(v, 0.001 * g**2)


def test_soft_in_place_is_soft(generator):
    z = torch.randn(50, generator=generator)
    for threshold in (0.0, 0.5, torch.rand(50, generator=generator)):
        assert torch.equal(soft_(z.clone(), threshold), soft(z, threshold))


def test_without_a_price_a_shared_part_is_adam_on_the_orbits(generator):
    """From a symmetric start and gradient the deviation stays zero: one Adam step an orbit."""
    group = translations((6,), 6, 1, 1)
    W, g = (
        group.project(torch.randn(1, 13, 13, generator=generator, dtype=torch.float64))
        for _ in range(2)
    )
    adam = torch.nn.Parameter(W.clone())
    adam.grad = g.clone()
    torch.optim.Adam([adam], lr=0.1).step()

    W = torch.nn.Parameter(W)
    W.grad = g
    means = torch.zeros_like(group.mean(g))
    state = {"exp_avg": torch.zeros_like(g), "exp_avg_sq": torch.zeros_like(g)}
    state |= {"shared_avg": means.clone(), "shared_avg_sq": means.clone()}
    with torch.no_grad():
        plain_shared_step(W, state, Metric(0.1, 0.9, 0.999, 1e-8, 1), SharedPrice(0.2, group))
    torch.testing.assert_close(W.detach(), adam.detach(), rtol=1e-10, atol=1e-12)


def test_sharing_by_price_alone_is_adam_and_then_the_price(generator):
    """Without a price it is torch's Adam, moments and all; at a high one an orbit has one value."""
    start, gradients = start_and_gradients(generator)
    group = translations((6,), 6, 1, 1)
    adam = torch.nn.Parameter(start.clone())
    torchs = torch.optim.Adam([adam], lr=0.1)
    for gradient in gradients:
        adam.grad = gradient.clone()
        torchs.step()

    free = steps(start, gradients, {"deviation": SharedPrice(0.0, group, own_step=False)})
    state = torchs.state[adam]
    ours = dict(zip(("W", "m", "v"), free, strict=True))
    torch.testing.assert_close(ours["W"], adam.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(ours["m"], state["exp_avg"])
    torch.testing.assert_close(ours["v"], state["exp_avg_sq"])

    dear = steps(start, gradients, {"deviation": SharedPrice(1e3, group, own_step=False)})[0]
    torch.testing.assert_close(dear, group.project(dear), rtol=0, atol=1e-12)


def test_rmsprop_refuses_prices_it_does_not_know():
    W = torch.nn.Parameter(torch.ones(1, 2, 2))
    W.grad = torch.ones(1, 2, 2)
    rmsprop = ClippedRMSProp([{"params": [W]}], lr=0.1, decay=0.9, eps=1e-2, clip=0.1)
    rmsprop.param_groups[0]["diagonal"] = DiagonalPrice(0.1, 0.0, slice(0, 2))
    with pytest.raises(ValueError, match="diagonal"):
        rmsprop.step()


def test_symmetry_reaches_exactly_zero_deviation_and_the_rest_goes_on_learning(generator):
    """Regression onto a circular convolution, from a start without symmetry.

    The kernel is learned, and shared bit for bit.
    """
    L = 6
    group = translations((L,), L, 1, 1)
    net = URN(2 * L + 1, L, 1, 2, generator=generator, dtype=torch.float64)
    target = group.project(torch.randn(1, 13, 13, generator=generator, dtype=torch.float64))[
        0, L : 2 * L, :L
    ]
    x = torch.randn(256, L, generator=generator, dtype=torch.float64)
    whole = Penalties({"symmetry": 0.2}, settings=Settings(group=group))
    steepest = ProximalAdam(whole.parameter_groups(net), lr=1e-2)
    assert (net.weight - group.project(net.weight)).abs().max() > 0.1
    for _ in range(1500):
        steepest.zero_grad()
        (net.weight[0, L : 2 * L, :L] @ x.T - target @ x.T).square().mean().backward()
        steepest.step()
    shared = net.weight.detach()
    assert torch.equal(shared, group.spread(shared.flatten(1)[:, group.members[0]]))
    torch.testing.assert_close(shared[0, L : 2 * L, :L], target, atol=1e-3, rtol=0)


def test_impossible_settings_are_named():
    weight = torch.nn.Parameter(torch.ones(2))
    for wrong, name in (({"lr": -1}, "lr"), ({"betas": (1.0, 0.9)}, "betas"), ({"eps": 0}, "eps")):
        with pytest.raises(ValueError, match=name):
            ProximalAdam([weight], **wrong)
