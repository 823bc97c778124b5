"""Pruning criteria against problems whose answer is known.

Quadratics, and small networks where every choice can be tried.
"""

import itertools

import pytest
import torch

from urn import InputError
from urn.pruning import CRITERIA, Network, curvature, inverse, pruned, saliency, surgeon


def linear(generator, n=6, correlated=True):
    """One linear neuron, a URN with I = 1 and a quadratic loss: (net, X, y, loss(w))."""
    X = torch.randn(400, n, generator=generator, dtype=torch.float64)
    if correlated:
        X = X @ torch.randn(n, n, generator=generator, dtype=torch.float64)
    y = (
        X @ torch.randn(n, generator=generator, dtype=torch.float64)
        + 0.1 * torch.randn(400, generator=generator).double()
    )
    w = torch.linalg.lstsq(X, y).solution
    W = torch.zeros(n + 1, n + 1, dtype=torch.float64)
    W[n, :n] = w
    net = Network(
        W,
        torch.zeros(n + 1).double(),
        n_inputs=n,
        n_outputs=1,
        n_iterations=1,
        activation="relu",
        input_mode="pulse",
    )
    return net, X, y, lambda w: (X @ w - y).square().mean()


def test_curvature_of_a_quadratic_is_its_hessian(generator):
    net, X, _, loss = linear(generator)
    H = torch.autograd.functional.hessian(loss, net.theta)
    torch.testing.assert_close(curvature(net, X, "regression"), H)


def test_curvature_of_logistic_regression_is_its_hessian(generator):
    """Linear outputs under cross-entropy: Gauss-Newton is exact."""
    X = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (60,), generator=generator)
    W = torch.zeros(7, 7, dtype=torch.float64)
    W[4:, :4] = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    net = Network(
        W,
        torch.zeros(7).double(),
        n_inputs=4,
        n_outputs=3,
        n_iterations=1,
        activation="relu",
        input_mode="pulse",
    )
    loss = lambda theta: torch.nn.functional.cross_entropy(net(theta, net.bias, X), labels)  # noqa: E731
    torch.testing.assert_close(
        curvature(net, X, "classification"), torch.autograd.functional.hessian(loss, net.theta)
    )


def test_obd_is_exact_where_the_hessian_is_diagonal(generator):
    """Whitened inputs: the saliency is the increase of the loss, to rounding."""
    net, X, y, _ = linear(generator, correlated=False)
    X = torch.linalg.qr(X).Q * 20
    w = X.T @ y / 400
    net.theta = w
    loss = lambda w: (X @ w - y).square().mean()  # noqa: E731
    judged = saliency(net, "obd", curvature(net, X, "regression"))
    for q in range(6):
        without = w.clone()
        without[q] = 0
        assert (loss(without) - loss(w)).item() == pytest.approx(judged[q].item(), rel=1e-9)


def test_obs_is_exact_on_any_quadratic(generator):
    """Saliency = increase of the loss after the others are refitted; OBD errs there."""
    net, X, y, loss = linear(generator)
    H = curvature(net, X, "regression")
    judged = saliency(net, "obs", H, damping=1e-12)
    increases = []
    for q in range(6):
        rest = [i for i in range(6) if i != q]
        w = torch.zeros(6, dtype=torch.float64)
        w[rest] = torch.linalg.lstsq(X[:, rest], y).solution
        increases.append((loss(w) - loss(net.theta)).item())
        if q == int(judged.argmin()):
            torch.testing.assert_close(surgeon(net.theta, H, [1], damping=1e-12)[0], w)
    torch.testing.assert_close(judged, torch.tensor(increases, dtype=torch.float64))
    obd = saliency(net, "obd", H)
    assert (obd - torch.tensor(increases, dtype=torch.float64)).abs().max() > 0.1 * obd.max()


def test_several_deletions_equal_the_fit_of_what_is_left(generator):
    net, X, y, _ = linear(generator, n=10)
    for w, left in zip(
        surgeon(net.theta, curvature(net, X, "regression"), [2, 6, 9], damping=1e-12),
        (8, 4, 1),
        strict=True,
    ):
        rest = w.nonzero().flatten()
        assert len(rest) == left
        torch.testing.assert_close(w[rest], torch.linalg.lstsq(X[:, rest], y).solution)


UNDAMPED = 1e-12
"""Damping that changes nothing."""


def test_obs_says_what_a_deleted_weight_costs_once_the_others_are_refitted(generator):
    """Exact where the loss is quadratic: a linear map of inputs that go together, each left out."""
    n = 6
    X = torch.randn(200, n, generator=generator, dtype=torch.float64)
    X = X @ torch.randn(n, n, generator=generator, dtype=torch.float64)
    y = X @ torch.randn(n, 1, generator=generator, dtype=torch.float64)
    y += torch.randn(200, 1, generator=generator, dtype=torch.float64)

    best = torch.linalg.lstsq(X, y).solution
    W = torch.zeros(n + 1, n + 1, dtype=torch.float64)
    W[-1, :n] = best[:, 0]
    form = {
        "n_inputs": n,
        "n_outputs": 1,
        "n_iterations": 1,
        "activation": "relu",
        "input_mode": "pulse",
    }
    net = Network(W, torch.zeros(n + 1).double(), **form)
    H = curvature(net, X, "regression")
    judged = saliency(net, "obs", H, damping=UNDAMPED)

    def loss(columns):
        """Of the best linear map of these inputs."""
        part = X[:, columns]
        return (part @ torch.linalg.lstsq(part, y).solution - y).square().mean().item()

    everyone = list(range(n))
    increases = [loss(everyone[:q] + everyone[q + 1 :]) - loss(everyone) for q in everyone]
    assert judged.tolist() == pytest.approx(increases, rel=1e-6)

    # The surgeon's correction of the others is that refit.
    q = int(judged.argmin())
    theta = surgeon(net.theta, H, [1], damping=UNDAMPED)[0]
    assert theta[q] == 0
    after = (net(theta, net.bias, X) - y).square().mean().item()
    assert after - loss(everyone) == pytest.approx(increases[q], rel=1e-6)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_asked_share_is_kept_and_nothing_else_changes_but_for_obs(generator, criterion):
    net, X, _, _ = linear(generator, n=10)
    more, theta = pruned(net, criterion, [0.6, 0.3], X, "regression", generator)
    assert int((theta != 0).sum()) == 3
    assert int((more != 0).sum()) == 6
    assert (more != 0)[theta != 0].all()
    if criterion != "obs":
        left = theta != 0
        assert torch.equal(theta[left], net.theta[left])


def test_a_network_equals_the_run_it_is_of(generator):
    from urn import URN

    for mode, phi in itertools.product(("pulse", "clamped"), ("relu", "tanh")):
        urn = URN(
            12, 3, 2, 4, activation=phi, input_mode=mode, generator=generator, dtype=torch.float64
        )
        W, b = (T[0] for T in urn.full())
        W = W * (torch.rand(12, 12, generator=generator) < 0.5)
        W[5], W[:, 5] = 0, 0
        urn.weight.data[0] = W
        net = Network(
            W, b, n_inputs=3, n_outputs=2, n_iterations=4, activation=phi, input_mode=mode
        )
        x = torch.rand(7, 3, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(net(net.theta, net.bias, x), urn(x).detach())
        assert torch.equal(net.full(net.theta, net.bias)[0], W)


@pytest.mark.parametrize(
    ("criterion", "keep", "culprit"),
    [("hessian", 0.5, "criterion"), ("obd", 0.0, "keep"), ("obd", 2, "keep")],
)
def test_wrong_words_are_refused(generator, criterion, keep, culprit):
    net, X, _, _ = linear(generator)
    with pytest.raises(InputError, match=culprit):
        pruned(net, criterion, [keep], X, "regression")


def test_the_inverse_exists_where_data_say_nothing():
    H = torch.diag(torch.tensor([1.0, 0.0])).double()
    assert inverse(H).isfinite().all()


def test_the_inverse_exists_where_no_weight_does_anything():
    assert inverse(torch.zeros(3, 3).double()).isfinite().all()


FORM = {
    "n_inputs": 2,
    "n_outputs": 1,
    "n_iterations": 2,
    "activation": "relu",
    "input_mode": "pulse",
}


def test_a_network_without_weights_is_refused():
    with pytest.raises(InputError, match="no weight is left"):
        Network(torch.zeros(4, 4).double(), torch.ones(4).double(), **FORM)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_network_without_a_path_can_be_pruned(generator, criterion):
    """Its weights lead nowhere; how many are kept is still what was asked for."""
    W = torch.zeros(4, 4).double()
    W[2, 0], W[2, 1] = 0.5, -0.3
    net = Network(W, torch.zeros(4).double(), **FORM)
    x = torch.rand(9, 2, generator=generator).double()
    (theta,) = pruned(net, criterion, [0.5], x, "regression", generator)
    assert theta.isfinite().all()
    assert int((theta != 0).sum()) == 1
