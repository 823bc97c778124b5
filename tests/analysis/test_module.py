"""A flat network of a torch module computes what torch computes; what has no flat form is named."""

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from analysis import FlatNetwork, analyse, from_module
from analysis.flatten.module import TOLERANCE, FlatModule
from analysis.forward import forward


class Calls(nn.Module):
    """A module whose forward method is a function of its layers and the input."""

    def __init__(self, body: Callable[[nn.ModuleList, Tensor], Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.layers, x)


def largest_difference(module: nn.Module, flat: FlatNetwork, example: Tensor) -> float:
    """Of the outputs on fresh inputs of both signs, relative to the largest output."""
    x = 2 * torch.randn(20, *example.shape[1:])
    with torch.no_grad():
        wanted = module(x).flatten(1).double().numpy()
    computed = forward(flat, x.flatten(1).double().numpy()).outputs
    return float(np.abs(computed - wanted).max() / max(1.0, np.abs(wanted).max()))


def flattened(module: nn.Module, *shape: int) -> FlatModule:
    """The flat network, after a check against torch's own answer in float32."""
    torch.manual_seed(1)
    module.eval()
    example = torch.randn(4, *shape)
    flat = from_module(module, example)
    assert isinstance(flat, FlatNetwork)
    assert largest_difference(module, flat, example) < TOLERANCE
    return flat


def linears(*sizes: int) -> list[nn.Module]:
    return [nn.Linear(n, m) for n, m in pairwise(sizes)]


def residual(layers: nn.ModuleList, x: Tensor) -> Tensor:
    h = F.relu(layers[0](x))
    h = F.relu(h + layers[2](F.relu(layers[1](h))))
    return layers[3](h)


def signed_skip(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """The input itself, of either sign, waits for two iterations."""
    return layers[2](torch.relu(layers[1](torch.relu(layers[0](x))))) + x


def concatenating(layers: nn.ModuleList, x: Tensor) -> Tensor:
    h = torch.relu(layers[0](x))
    h = torch.cat([h, torch.relu(layers[1](h)), x], 1)
    return layers[2](h)


def halves(layers: nn.ModuleList, x: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=1)
    return torch.stack([layers[0](left).relu(), 2 * layers[1](right) - 1], dim=1).mean(dim=1)


def viewed(layers: nn.ModuleList, x: Tensor) -> Tensor:
    h = layers[0](x.unsqueeze(1)).relu()
    return layers[1](h.view(h.size(0), -1) / 2)


def functional(layers: nn.ModuleList, x: Tensor) -> Tensor:
    h = F.conv2d(x, layers[0].weight, layers[0].bias, stride=2, padding=1)
    h = F.relu(F.dropout(h, 0.5, training=False))
    h = F.avg_pool2d(h, 2)
    return F.linear(torch.flatten(h, 1), layers[1].weight, layers[1].bias)


def by_name(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """Arguments by their names."""
    h = torch.relu(input=layers[0](input=x))
    return torch.cat(tensors=[F.linear(input=h, weight=layers[1].weight), h], dim=1).sub(
        other=h[:, :1]
    )


def max_pooled(layers: nn.ModuleList, x: Tensor) -> Tensor:
    h = F.max_pool2d(F.relu(layers[0](x)), 2)
    return F.adaptive_avg_pool2d(h, 1).squeeze()


BODIES = {
    "residual": (Calls(residual, *linears(6, 8, 5), nn.Linear(5, 8), nn.Linear(8, 3)), (6,)),
    "signed skip": (Calls(signed_skip, *linears(6, 8, 7, 6)), (6,)),
    "concatenating": (Calls(concatenating, *linears(6, 8, 5), nn.Linear(19, 3)), (6,)),
    "halves": (Calls(halves, *linears(3, 4), *linears(3, 4)), (6,)),
    "viewed": (Calls(viewed, nn.Conv1d(1, 2, 3), nn.Linear(12, 3)), (8,)),
    "functional": (Calls(functional, nn.Conv2d(2, 3, 3), nn.Linear(12, 3)), (2, 8, 8)),
    "by name": (Calls(by_name, *linears(6, 5, 4)), (6,)),
    "max pooled": (Calls(max_pooled, nn.Conv2d(1, 3, 3)), (1, 8, 8)),
}
"""Modules with a forward method of their own, and the shape of a sample."""

SEQUENTIAL = {
    "one linear": ([nn.Linear(5, 3)], (5,)),
    "two linear": ([nn.Linear(5, 4), nn.Linear(4, 3), nn.ReLU()], (5,)),
    "perceptron": ([nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)], (5,)),
    "tanh": ([nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2), nn.Tanh()], (5,)),
    "dropout": ([nn.Linear(5, 4), nn.ReLU(), nn.Dropout(), nn.Identity(), nn.Linear(4, 2)], (5,)),
    "conv1d": ([nn.Conv1d(2, 3, 3, stride=2, dilation=2, padding=3), nn.ReLU()], (2, 17)),
    "grouped": ([nn.Conv1d(4, 6, 3, groups=2), nn.ReLU(), nn.Conv1d(6, 2, 3)], (4, 9)),
    "circular": ([nn.Conv1d(1, 2, 3, padding=1, padding_mode="circular"), nn.ReLU()], (1, 9)),
    "conv2d": (
        [nn.Conv2d(2, 3, 3, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(75, 2)],
        (2, 5, 5),
    ),
    "averages": ([nn.Conv1d(1, 2, 3), nn.ReLU(), nn.AvgPool1d(2), nn.Conv1d(2, 2, 2)], (1, 12)),
    "adaptive": ([nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()], (1, 7, 6)),
    "max 1d": ([nn.Conv1d(1, 2, 3), nn.ReLU(), nn.MaxPool1d(3, 2), nn.Conv1d(2, 2, 2)], (1, 12)),
    "max 2d": ([nn.Conv2d(1, 2, 3), nn.MaxPool2d(2, padding=1), nn.ReLU()], (1, 8, 8)),
    "max first": ([nn.MaxPool1d(5, 1, dilation=2), nn.Flatten(), nn.Linear(4, 2)], (1, 12)),
    "norm": ([nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.ReLU(), nn.Conv1d(2, 1, 1)], (1, 8)),
    "unflatten": ([nn.Unflatten(1, (1, 4, 3)), nn.Conv2d(1, 2, 2), nn.ReLU()], (12,)),
}
"""Layers one after the other, and the shape of a sample."""


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_layers_compute_what_torch_computes(name: str) -> None:
    layers, shape = SEQUENTIAL[name]
    module = nn.Sequential(*layers)
    # Statistics that are not those of a new BatchNorm.
    module.train()
    module(3 + 2 * torch.randn(50, *shape))
    flattened(module, *shape)


@pytest.mark.parametrize("name", BODIES)
def test_forward_methods_compute_what_torch_computes(name: str) -> None:
    module, shape = BODIES[name]
    flattened(module, *shape)


def test_a_perceptron_is_its_own_matrix() -> None:
    """Three blocks below the diagonal, nothing else; no neuron more than the module has."""
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    flat = flattened(module, 4)
    assert flat.n_neurons == 9
    assert (flat.n_inputs, flat.n_outputs, flat.n_iterations) == (4, 2, 2)
    np.testing.assert_allclose(flat.weights[4:7, :4], module[0].weight.detach())
    np.testing.assert_allclose(flat.weights[7:, 4:7], module[2].weight.detach())
    assert np.count_nonzero(flat.weights) == 18
    np.testing.assert_allclose(flat.biases[7:], module[2].bias.detach())
    assert flat.labels[0] == "input[0]"
    assert flat.labels[5] == "0[1]"
    assert flat.labels[8] == "output[1]"
    assert flat.positions is None


def test_exact_zeros_stay_exact() -> None:
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    with torch.no_grad():
        module[0].weight[torch.rand(5, 6) < 0.5] = 0.0
    flat = flattened(module, 6)
    assert np.array_equal(flat.weights[6:11, :6] == 0, (module[0].weight == 0).numpy())


def test_linear_layers_in_a_row_are_one_block() -> None:
    flat = flattened(nn.Sequential(nn.Linear(5, 2), nn.Linear(2, 4), nn.ReLU()), 5)
    assert flat.n_neurons == 5 + 4 + 4
    assert flat.n_iterations == 2


# ---- relays


def test_a_skip_is_one_relay_a_neuron() -> None:
    module, shape = BODIES["residual"]
    flat = flattened(module, *shape)
    relays = [label for label in flat.labels if label.startswith("relay")]
    assert len(relays) == 8
    assert flat.n_neurons == 6 + 8 + 5 + 8 + 8 + 3
    assert flat.n_iterations == 4


def test_only_what_is_read_later_waits() -> None:
    """Two of the values of the first layer are added to the output; the others are gone."""

    def body(layers: nn.ModuleList, x: Tensor) -> Tensor:
        h = torch.relu(layers[0](x))
        return layers[1](h).relu() + h[:, :2]

    flat = flattened(Calls(body, *linears(4, 9), *linears(9, 2)), 4)
    assert sum(label.startswith("relay") for label in flat.labels) == 2


@pytest.mark.parametrize(("nonnegative", "n_relays"), [(False, 24), (True, 12)])
def test_what_may_be_negative_takes_two_relays(nonnegative: bool, n_relays: int) -> None:
    module, _ = BODIES["signed skip"]
    x = torch.rand(9, 6)
    flat = from_module(module, x, nonnegative=nonnegative)
    assert sum(label.startswith("relay") for label in flat.labels) == n_relays
    difference = forward(flat, x.double().numpy()).outputs - module(x).detach().numpy()
    assert np.abs(difference).max() < TOLERANCE


def test_skips_between_neurons_of_tanh_use_its_linear_part() -> None:
    def body(layers: nn.ModuleList, x: Tensor) -> Tensor:
        h = torch.tanh(layers[0](x))
        return layers[2](torch.tanh(layers[1](h)) + h) + x

    flat = flattened(Calls(body, *linears(5, 4), *linears(4, 4), *linears(4, 5)), 5)
    assert flat.activation == "tanh"


# ---- positions


def test_neurons_of_a_convolution_lie_at_the_centres_of_their_fields() -> None:
    """Also where stride, dilation and padding move them, and through a pooling."""
    module = nn.Sequential(
        nn.Conv1d(1, 2, 3, stride=2, padding=1),  # sites 0, 2, ..., 14
        nn.ReLU(),
        nn.AvgPool1d(2),  # 1, 5, 9, 13
        nn.Conv1d(2, 1, 2, dilation=2),  # 5, 9
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2, 3),
    )
    flat = flattened(module, 1, 16)
    np.testing.assert_allclose(flat.positions[:16, 0], np.arange(16))
    np.testing.assert_allclose(flat.positions[16:24, 0], np.arange(0, 16, 2))
    np.testing.assert_allclose(flat.positions[24:32, 0], np.arange(0, 16, 2))
    np.testing.assert_allclose(flat.positions[32:34, 0], [5, 9])
    assert np.isnan(flat.positions[34:]).all()


def test_positions_are_those_of_the_inputs_that_are_given() -> None:
    """Pixels of a flat input that the module views as an image, at places of the caller's."""
    module = nn.Sequential(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Flatten())
    x = torch.randn(3, 16)
    flat = from_module(module, x)
    expected = np.array([(1, 1), (1, 2), (2, 1), (2, 2)])
    np.testing.assert_allclose(flat.positions[16:20], expected)

    places = np.stack(np.meshgrid(*[np.linspace(0, 1, 4)] * 2, indexing="ij"), -1).reshape(-1, 2)
    flat = from_module(module, x, positions=places)
    np.testing.assert_allclose(flat.positions[16:20], expected / 3)
    np.testing.assert_allclose(flat.positions[:16], places)


# ---- loops


def clamped_loop(layers: nn.ModuleList, x: Tensor) -> Tensor:
    h = torch.relu(layers[0](x))
    for _ in range(4):
        h = torch.relu(layers[0](x) + layers[1](h))
    return layers[2](h)


def free_loop(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """The first step has a bias of its own, and the input is gone after it."""
    h = torch.relu(layers[0](x))
    for _ in range(4):
        h = torch.relu(layers[1](h))
    return layers[2](h)


def leaky_loop(layers: nn.ModuleList, x: Tensor) -> Tensor:
    h = torch.zeros(x.shape[0], 7)
    for _ in range(5):
        h = torch.relu(0.5 * h + 0.5 * (layers[0](x) + layers[1](h)))
    return layers[2](h)


def fading_loop(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """The leak outside the rectifier: the state is a mean of all that came before."""
    h = x.new_zeros(x.size(0), 7)
    for _ in range(6):
        h = 0.75 * h + 0.25 * torch.relu(layers[0](x) + layers[1](h))
    return layers[2](h)


def encoded_loop(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """Two layers, then a loop that starts from what they say."""
    h = torch.relu(layers[3](torch.relu(layers[0](x))))
    for _ in range(4):
        h = torch.relu(layers[1](h))
    return layers[2](h)


def fed_loop(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """A loop that reads the same features at every step, not the input itself."""
    features = torch.relu(layers[0](x))
    h = torch.relu(layers[3](features))
    for _ in range(4):
        h = torch.relu(layers[3](features) + layers[1](h))
    return layers[2](h)


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        (fed_loop, "clamped"),
        (clamped_loop, "clamped"),
        (free_loop, "pulse"),
        (leaky_loop, "clamped"),
        (encoded_loop, "pulse"),
    ],
)
def test_a_loop_is_written_once(body: Callable, mode: str) -> None:
    """Recurrent weights stand in one block on the diagonal, for neurons that are re-used."""
    module = Calls(body, *linears(5, 7), *linears(7, 7), *linears(7, 3), *linears(7, 7))
    flat = flattened(module, 5)
    assert flat.input_mode == mode
    assert len(flat.shared) == 1
    n_copies = 2 if body in (encoded_loop, fed_loop) else 1
    assert flat.n_neurons <= 5 + 7 * n_copies + 3 + 3  # at most three clock neurons

    loop = [k for k, label in enumerate(flat.labels) if label.startswith(flat.shared[0].split()[0])]
    block = flat.weights[np.ix_(loop, loop)]
    expected = module.layers[1].weight.detach().double().numpy()
    if body is leaky_loop:
        expected = 0.5 * expected + 0.5 * np.eye(7)
    np.testing.assert_allclose(block, expected, atol=1e-12)


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_an_rnn_is_re_used_neurons(nonlinearity: str, batch_first: bool, n_layers: int) -> None:
    """Its inputs wait in a register until their step."""

    def body(layers: nn.ModuleList, x: Tensor) -> Tensor:
        states, last = layers[0](x if batch_first else x.transpose(0, 1))
        return layers[1](states[:, -1] if batch_first else last[-1])

    rnn = nn.RNN(3, 6, n_layers, nonlinearity=nonlinearity, batch_first=batch_first)
    flat = flattened(Calls(body, rnn, nn.Linear(6, 2)), 5, 3)
    assert len(flat.shared) == n_layers
    assert flat.n_iterations == 5 + n_layers
    n_registers = 2 if nonlinearity == "relu" else 1
    assert flat.n_neurons <= 15 + 6 * n_layers + n_registers * 12 + 2 + 2
    hidden = np.flatnonzero(np.char.startswith(flat.labels, "layers.0.0"))
    expected = rnn.weight_hh_l0.detach().double().numpy()
    np.testing.assert_allclose(flat.weights[np.ix_(hidden, hidden)], expected)


def test_all_states_of_a_cell_can_be_read() -> None:
    """Those before the last wait in relays."""

    def body(layers: nn.ModuleList, x: Tensor) -> Tensor:
        h = torch.zeros(x.shape[0], 4)
        states = []
        for t in range(3):
            h = layers[0](x[:, t], h)
            states.append(h)
        return layers[1](torch.cat(states, dim=1))

    flat = flattened(Calls(body, nn.RNNCell(2, 4, nonlinearity="relu"), nn.Linear(12, 2)), 3, 2)
    assert flat.shared == ("layers.0 x 3",)


def test_layers_of_equal_width_are_no_loop() -> None:
    layers = [nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU()]
    assert flattened(nn.Sequential(*layers), 4).shared == ()


def test_a_state_that_fades_has_neurons_for_its_past() -> None:
    """Two re-used vectors: what is said, and the fading sum of what was said before."""
    module = Calls(fading_loop, *linears(5, 7), *linears(7, 7), *linears(7, 3))
    flat = flattened(module, 5)
    assert len(flat.shared) == 2
    assert flat.n_neurons == 5 + 7 + 7 + 3
    assert flat.input_mode == "clamped"
    past = [k for k, label in enumerate(flat.labels) if label.startswith("trace")]
    np.testing.assert_allclose(flat.weights[np.ix_(past, past)], 0.75 * np.eye(7))


# ---- what is refused


REFUSED = {
    "LSTM": (Calls(lambda layers, x: layers[0](x)[0], nn.LSTM(3, 4)), (5, 3)),
    "GRU": (Calls(lambda layers, x: layers[0](x)[0], nn.GRU(3, 4)), (5, 3)),
    "Sigmoid": (nn.Sequential(nn.Linear(3, 2), nn.Sigmoid()), (3,)),
    "softmax": (Calls(lambda layers, x: torch.softmax(x, 1)), (3,)),
    "product of two": (Calls(lambda layers, x: x * x), (3,)),
    "tanh beside relu": (nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Tanh()), (3,)),
    "bidirectional": (
        Calls(lambda layers, x: layers[0](x)[0], nn.RNN(3, 4, bidirectional=True)),
        (5, 3),
    ),
    "traced": (Calls(lambda layers, x: x if x.sum() > 0 else -x), (3,)),
    "mixes samples": (Calls(lambda layers, x: x.flip(0)), (3,)),
    "depend on its input": (Calls(lambda layers, x: 0 * x), (3,)),
    "one tensor": (Calls(lambda layers, x: (x, x)), (3,)),
    "layers.0: mat1": (Calls(lambda layers, x: layers[0](x), nn.Linear(4, 2)), (3,)),
}
"""Part of the message, a module that has no flat form, and the shape of a sample."""


@pytest.mark.parametrize("word", REFUSED)
def test_what_has_no_flat_form_is_named_in_one_line(word: str) -> None:
    module, shape = REFUSED[word]
    with pytest.raises(ValueError, match=word) as refused:
        from_module(module, torch.randn(3, *shape))
    assert "\n" not in str(refused.value)


def test_a_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Dropout(), nn.ReLU()).train()
    from_module(module, torch.randn(3, 3))
    assert module.training
    assert module[0].weight.dtype == torch.float32


@pytest.mark.parametrize("example", [torch.randn(4), torch.randn(0, 4), np.zeros((3, 4))])
def test_a_bad_example_is_named(example: Tensor) -> None:
    with pytest.raises(ValueError, match="example"):
        from_module(nn.Linear(4, 2), example)


def test_the_parts_are_those_of_analyse() -> None:
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    flat = flattened(module, 6)
    report = analyse(**flat.parts, n_null=200)
    assert report.widths == (8,)
    assert report.verdicts["fully_connected"].present


def test_analysis_does_not_load_torch_until_a_module_comes() -> None:
    program = "import sys, analysis; analysis.analyse; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
