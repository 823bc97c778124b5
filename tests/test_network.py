"""The definition against float64 loops; every form against the definition, values and gradients."""

import numpy as np
import pytest
import torch

from tests import oracles
from urn import URN, InputError
from urn.network import choose, definition
from urn.network.elman import ElmanUnroll
from urn.network.firing import FiringUnroll
from urn.network.stream import SequenceUnroll, StreamUnroll
from urn.network.unroll import ClampedUnroll, PulseUnroll
from urn.network.wiring import INPUT_MODES, Wiring


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
def test_the_definition_equals_a_numpy_loop(mode, activation, n_iterations, generator):
    net = make(mode, activation, n_iterations, generator=generator)
    x = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    y, N = definition.unroll(net.weight.detach(), net.bias.detach(), x, net.wiring)
    assert N.shape == (2, n_iterations - 1, 4, 9)

    for k, sample in np.ndindex(2, 4):
        W = net.weight[k].detach().numpy()
        b = net.bias[k].detach().numpy()
        expected, states = oracles.forward(
            W, b, x[k, sample].numpy(), n_iterations, 2, activation, mode
        )
        np.testing.assert_allclose(y[k, sample].numpy(), expected, rtol=1e-12, atol=1e-12)
        for l, state in enumerate(states):
            np.testing.assert_allclose(N[k, l, sample].numpy(), state, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", ["stream", "elman"])
@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("n_iterations", [1, 3])
def test_the_definition_equals_a_recurrence(n_iterations, carried, mode, generator):
    net = make(mode, "tanh", n_iterations, generator=generator)
    x = torch.randn(2, n_iterations, 4, 3, generator=generator, dtype=torch.float64)
    state = torch.randn(2, 4, 9, generator=generator, dtype=torch.float64) if carried else None
    y, N = definition.unroll(net.weight.detach(), net.bias.detach(), x, net.wiring, state)

    for k, sample in np.ndindex(2, 4):
        W = net.weight[k].detach().numpy()
        b = net.bias[k].detach().numpy()
        before = np.zeros(9) if state is None else state[k, sample].numpy()
        expected, states = oracles.symbols(W, b, x[k, :, sample].numpy(), before, 2, mode)
        np.testing.assert_allclose(y[k, :, sample].numpy(), expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(N[k, :, sample].numpy(), states, rtol=1e-12, atol=1e-12)


FORMS = {
    "pulse": PulseUnroll,
    "firing": FiringUnroll,
    "clamped": ClampedUnroll,
    "sequence": SequenceUnroll,
    "stream": StreamUnroll,
    "elman": ElmanUnroll,
}
"""Every form that computes in float64; `test_active` holds the compiled one in float32."""


def case(name, activation, n_iterations, carried, generator):
    """Arguments (W, b, x, state) of a form in float64, its wiring, and whether it takes a state."""
    mode = "pulse" if name == "firing" else name
    wiring = Wiring(3, 2, n_iterations, activation, mode)
    each = (n_iterations,) if wiring.reads_one_each else ()
    shapes = [(2, 9, 9), (2, 9), (2, *each, 4, 3), (2, 4, 9)]
    tensors = [torch.randn(*s, generator=generator, dtype=torch.float64) for s in shapes]

    if name == "firing":  # a member in which some neurons never fire, and one in which all may
        tensors[1][0, 4:] = -100
    needs = [True, True, name != "firing", carried]
    tensors = [T.requires_grad_(n) for T, n in zip(tensors, needs, strict=True)]
    return (*tensors[:3], tensors[3] if carried else None), wiring


CASES = [
    (name, activation, n_iterations, carried)
    for name in FORMS
    for activation in ("relu", "tanh")
    for n_iterations in (1, 2, 4)
    for carried in (False, True)
    if not (carried and name not in ("stream", "elman"))
    if not (name == "firing" and (activation == "tanh" or n_iterations == 1))
]


def applied(name, tensors, wiring):
    """(y, N, n) by a form."""
    W, b, x, state = tensors
    rest = (state, wiring) if wiring.reads_symbols else (wiring,)
    N, n, y = FORMS[name].apply(W, b, x, *rest)
    return y, N, n


@pytest.mark.parametrize("hears", ["y", "N", "n", "yNn"])
@pytest.mark.parametrize(("name", "activation", "n_iterations", "carried"), CASES)
def test_every_form_equals_the_definition(
    name, activation, n_iterations, carried, hears, generator
):
    tensors, wiring = case(name, activation, n_iterations, carried, generator)
    W, b, x, state = tensors
    y, N = definition.unroll(W, b, x, wiring, state)
    both = [applied(name, tensors, wiring), (y, N, N.abs().mean(2))]
    leaves = [T for T in tensors if T is not None and T.requires_grad]

    gradients = []
    for values in both:
        heard = [T for T, letter in zip(values, "yNn", strict=True) if letter in hears]
        loss = sum((T * torch.arange(1, T.numel() + 1).view(T.shape)).sum() for T in heard)
        gradients.append(
            torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
            if loss.requires_grad
            else ()
        )
    for values in (both, gradients):
        for ours, expected in zip(*values, strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("name", "activation", "n_iterations", "carried"), CASES)
def test_gradients_equal_finite_differences(name, activation, n_iterations, carried, generator):
    tensors, wiring = case(name, activation, n_iterations, carried, generator)
    tensors = [T for T in tensors if T is not None]

    def outputs(W, b, x, state=None):
        return applied(name, (W, b, x, state), wiring)

    assert torch.autograd.gradcheck(outputs, tensors, eps=1e-7, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("mode", INPUT_MODES)
def test_the_module_is_its_form(mode, generator):
    net = make(mode, "tanh", 3, generator=generator)
    one_each = net.wiring.reads_one_each
    steps = (3,) if one_each else ()
    x = torch.randn(4, *steps, 3, generator=generator, dtype=torch.float64)
    y, activity = net.unroll(x)
    each = x.expand(2, *x.shape)
    form = choose.form(net.weight, each, net.wiring)
    assert form is FORMS[mode]
    expected, N = definition.unroll(
        net.weight, net.bias, each.transpose(1, 2) if one_each else each, net.wiring
    )
    symbols = net.wiring.reads_symbols
    torch.testing.assert_close(y, expected.transpose(1, 2) if symbols else expected)
    torch.testing.assert_close(activity.N, N)
    torch.testing.assert_close(activity.n, N.abs().mean(2))


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
