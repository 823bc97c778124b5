"""A network as the source code of a plain `torch.nn.Module`, and the arrays it loads.

The code imports nothing of ours. Writes no files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.export.lattice import EXACT
from analysis.export.plan import Layer, Plan, WeightBlock
from analysis.network import FlatNetwork, Floats

# The state dict of a module: {name: array}.
Arrays = dict[str, np.ndarray]

# The three templates hold the parts of the code that no network changes.
HEADER = '''"""{title}

{about}
Written by `urn export`. Needs torch, and safetensors to load the weights. Use it so:

    from {name} import load
    net = load()
    {use}
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

'''

# Only a network with receptive fields needs this class.
LOCAL = '''
class LocallyConnected(nn.Module):
    """Every target has weights of its own from `size` sources of its own.

    (B, n_sources) -> (B, n_targets).
    """

    def __init__(self, n_targets: int, size: int, bias: bool = True):
        super().__init__()
        self.register_buffer("index", torch.zeros(n_targets, size, dtype=torch.int64))
        self.weight = nn.Parameter(torch.zeros(n_targets, size))
        self.register_parameter("bias", nn.Parameter(torch.zeros(n_targets)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        y = (x[:, self.index] * self.weight).sum(-1)
        return y if self.bias is None else y + self.bias

'''

# The function that a reader of the file calls.
FOOTER = '''

def load(weights: str | Path = Path(__file__).with_suffix(".safetensors")) -> Network:
    """The network with the weights that lie beside this file."""
    net = Network().to({dtype})
    net.load_state_dict(load_file(weights))
    return net.eval()
'''


@dataclass(frozen=True)
class Exported:
    """Source code of a module, the arrays of its state dict, and its size.

    Attributes
    ----------
    source : str
    tensors : dict of str to array
        {name: array}.
    parameters : int
        Weights and biases.
    multiply_adds : int
        For an input.
    """

    source: str
    tensors: Arrays
    parameters: int
    multiply_adds: int


def layered_source(
    plan: Plan, *, title: str, name: str = "network", dtype: str = "float32"
) -> Exported:
    """A plan as a module with a submodule for each layer, and one for each skip, added.

    Blocks of equal weights are the same submodule, called again: where a recurrent network repeats
    itself, so does the code.

    Parameters
    ----------
    plan : Plan
    title : str
        First line of the module's docstring.
    name : str
        Of the module that the code is written to.
    dtype : str
        Of all numbers, "float32" or "float64".
    """
    writer = _Writer(plan)
    for k in range(1, len(plan.layers)):
        writer.add_layer(k)
    tensors = {
        key: np.ascontiguousarray(array, dtype if array.dtype.kind == "f" else np.int64)
        for key, array in writer.tensors.items()
    }

    n_in = plan.widths[0]
    shapes = f"x (B, {n_in}) -> y (B, {plan.widths[-1]})"
    about = f"{shapes}; nodes in each layer: {'-'.join(map(str, plan.widths))}.\n"
    head = HEADER.format(title=title, about=about, name=name, use=f"y = net(x)  # x (B, {n_in})")
    body = _class(f"{shapes}.", writer.init, "x: Tensor", "Tensor", writer.forward)
    blocks = [(layer, block) for layer in plan.layers for block in layer.blocks]
    local = LOCAL if any(block.kind == "local" for _, block in blocks) else ""
    return Exported(
        head + local + body + FOOTER.format(dtype=f"torch.{dtype}"),
        tensors,
        _count(tensors),
        sum(len(layer.nodes) * int(np.prod(block.weight.shape[1:])) for layer, block in blocks),
    )


class _Writer:
    """The lines of `__init__` and `forward`, and the arrays, of a plan's module in the making."""

    def __init__(self, plan: Plan) -> None:
        hidden = plan.layers[1:]
        self.plan = plan
        self.init: list[str] = []
        self.forward: list[str] = []
        self.tensors: Arrays = {}
        self.names = [f"layer{layer.name}" for layer in plan.layers[:-1]] + ["readout"]
        self.values = ["x", *(f"h{layer.name}" for layer in hidden)]
        self.phi = {"relu": "F.relu", "tanh": "torch.tanh"}[plan.activation]
        self.submodules: dict[tuple, str] = {}  # name by what the block holds

        # A submodule has a bias of its own where all layers that it begins have the same.
        self.biases: dict[tuple, set[bytes | None]] = {}
        for layer in hidden:
            for number, block in enumerate(layer.blocks):
                bias = layer.bias.tobytes() if number == 0 else None
                self.biases.setdefault(_key(block), set()).add(bias)

    def add_layer(self, k: int) -> None:
        """Write layer k: the sum of its blocks, and its bias."""
        layer = self.plan.layers[k]
        terms = []
        for block in layer.blocks:
            first = block is layer.blocks[0]
            submodule = self._submodule(k, block, first)
            argument = self._argument(block)
            terms.append(f"self.{submodule}({argument})" + ".flatten(1)" * (block.kind == "conv"))
            if first and f"{submodule}.bias" not in self.tensors and layer.bias.any():
                terms.append(self._bias(k))

        total = " + ".join(terms)
        last = k == len(self.plan.layers) - 1
        self.forward.append(
            f"return {total}" if last else f"{self.values[k]} = {self.phi}({total})"
        )

    def _submodule(self, k: int, block: WeightBlock, first: bool) -> str:
        """The name of the submodule with the weights of a block of layer k, new or not."""
        key = _key(block)
        if key in self.submodules:
            return self.submodules[key]

        # A convolution has a bias for each channel, not for each node.
        layer = self.plan.layers[k]
        own_bias = self.biases[key] == {layer.bias.tobytes()}
        if block.kind == "conv":
            own_bias = own_bias and _by_channel(block, layer.bias) is not None
        source = self.plan.layers[block.source]
        name = self.names[k] if first else f"from{source.name}_to_{self.names[k]}"
        code, arrays = _module(block, layer, len(source.nodes), own_bias)

        self.submodules[key] = name
        self.init.append(f"self.{name} = {code}")
        self.tensors |= {f"{name}.{part}": array for part, array in arrays.items()}
        return name

    def _argument(self, block: WeightBlock) -> str:
        """What a block is called with: the layer it reads.

        For a convolution it is laid out on the lattice and padded.
        """
        value = self.values[block.source]
        if block.convolution is None or block.lattice is None:
            return value

        if block.order is not None:
            name = f"order_of_{value}"
            zeros = f"torch.zeros({len(block.order)}, dtype=torch.int64)"
            line = f'self.register_buffer("{name}", {zeros})'
            if line not in self.init:
                self.init.append(line)
            self.tensors[name] = block.order
            value = f"{value}[:, self.{name}]"

        shape = ", ".join(map(str, (-1, block.lattice.channels, *block.lattice.sites)))
        value = f"{value}.view({shape})"
        # F.pad takes the last axis first.
        pads = [sites for axis in reversed(block.convolution.pad) for sites in axis]
        if any(pads):
            mode = ', mode="circular"' if block.convolution.circular else ""
            value = f"F.pad({value}, {_tuple(pads)}{mode})"
        return value

    def _bias(self, k: int) -> str:
        """A bias of layer k that belongs to none of its submodules."""
        bias = self.plan.layers[k].bias
        name = f"bias_of_{self.names[k]}"
        self.init.append(f"self.{name} = nn.Parameter(torch.zeros({len(bias)}))")
        self.tensors[name] = bias
        return f"self.{name}"


def _key(block: WeightBlock) -> tuple:
    """What tells the weights of a block from those of another."""
    index = () if block.index is None else block.index.tobytes()
    return block.kind, block.weight.shape, block.weight.tobytes(), index


def _module(
    block: WeightBlock, layer: Layer, n_sources: int, with_bias: bool
) -> tuple[str, Arrays]:
    """Constructor call and arrays of a block."""
    n = len(layer.nodes)
    ending = "" if with_bias else ", bias=False"
    arrays: Arrays = {"weight": block.weight}
    bias: Floats | None = layer.bias
    if block.kind == "conv":
        n_to, n_from, *kernel = block.weight.shape
        code = f"nn.Conv{len(kernel)}d({n_from}, {n_to}, {_tuple(kernel)}{ending})"
        bias = _by_channel(block, layer.bias)
    elif block.kind == "local" and block.index is not None:
        code = f"LocallyConnected({n}, {block.weight.shape[1]}{ending})"
        arrays["index"] = block.index
    else:
        code = f"nn.Linear({n_sources}, {n}{ending})"

    if with_bias and bias is not None:
        arrays["bias"] = bias
    return code, arrays


def _by_channel(block: WeightBlock, bias: Floats) -> Floats | None:
    """The bias (T,) of a convolution's nodes as (C_out,).

    None where it is not the same all over a channel.
    """
    bias = bias.reshape(len(block.weight), -1)
    return bias[:, 0] if np.ptp(bias, axis=1).max() <= EXACT * np.abs(block.weight).max() else None


def recurrent_source(
    network: FlatNetwork, *, title: str, name: str = "network", dtype: str = "float32"
) -> Exported:
    """A network that gets a new input at every iteration, as an `nn.RNN` and a linear read-out.

    The state is made of the neurons that are no inputs, may be other than zero, and reach an
    output. The read-out sees the symbol and the state that it met (input mode "stream"), or the
    state that the symbol left ("elman"). A sequence is read out after its last input, as a stream
    is, and no state is handed on.

    Parameters
    ----------
    network : FlatNetwork
        Of input mode "sequence", "stream" or "elman".
    title, name, dtype : str
        As in `layered_source`.
    """
    state = _state(network)
    tensors = {
        key: np.ascontiguousarray(array, dtype=dtype)
        for key, array in _recurrent_arrays(network, state).items()
    }

    n_in = network.n_inputs
    n_out = network.n_outputs
    size = max(1, len(state))
    n_read = tensors["readout.weight"].shape[1]
    init = [
        f"self.cell = nn.RNN("
        f'{n_in}, {size}, nonlinearity="{network.activation}", batch_first=True)',
        f"self.readout = nn.Linear({n_read}, {n_out})",
    ]
    is_sequence = network.input_mode == "sequence"
    shapes = f"x (B, T, {n_in}) -> y (B, T, {n_out}), and the state (1, B, {size}) to carry on."
    if is_sequence:
        shapes = f"x (B, T, {n_in}) -> y (B, {n_out}), after the last of T inputs."

    head = HEADER.format(
        title=title,
        about=f"{shapes}\n",
        name=name,
        use=f"y{'' if is_sequence else ', state'} = net(x)  # x (B, T, {n_in})",
    ).replace("from torch.nn import functional as F\n", "")
    body = _class(
        shapes,
        init,
        "x: Tensor" if is_sequence else "x: Tensor, state: Tensor | None = None",
        "Tensor" if is_sequence else "tuple[Tensor, Tensor]",
        _recurrent_forward(network.input_mode, size),
    )
    return Exported(
        head + body + FOOTER.format(dtype=f"torch.{dtype}"),
        tensors,
        _count(tensors),
        sum(array.size for key, array in tensors.items() if "weight" in key),
    )


def _state(network: FlatNetwork) -> NDArray[np.int64]:
    """Neurons that are no inputs, may be other than zero, and reach an output."""
    n = network.n_neurons
    linked = network.weights != 0
    free = np.arange(n) >= network.n_inputs
    fed = ~free | (network.biases != 0)
    heard = linked[n - network.n_outputs :].any(axis=0)

    # Each round adds the neurons that are one weight further away.
    for _ in range(n):
        wider_fed = fed | linked[:, fed].any(axis=1)
        wider_heard = heard | linked[heard & free].any(axis=0)
        if np.array_equal(wider_fed, fed) and np.array_equal(wider_heard, heard):
            break
        fed = wider_fed
        heard = wider_heard
    return np.flatnonzero(fed & heard & free)


def _recurrent_arrays(network: FlatNetwork, state: NDArray[np.int64]) -> Arrays:
    """The state dict of an `nn.RNN` over the neurons `state`, and of its read-out."""
    weights = network.weights
    biases = network.biases
    n_inputs = network.n_inputs
    out = np.arange(network.n_neurons - network.n_outputs, network.n_neurons)
    symbols = np.arange(0 if network.input_mode == "elman" else n_inputs)
    sources = np.concatenate([symbols, state])
    arrays = {"readout.weight": weights[np.ix_(out, sources)], "readout.bias": biases[out]}

    cell = {
        "weight_ih_l0": weights[state, :n_inputs],
        "weight_hh_l0": weights[np.ix_(state, state)],
        "bias_ih_l0": biases[state],
        "bias_hh_l0": np.zeros(len(state)),
    }
    # Where nothing is remembered a neuron of zeros stands in: an RNN has at least one.
    if not len(state):
        cell = {
            "weight_ih_l0": np.zeros((1, n_inputs)),
            "weight_hh_l0": np.zeros((1, 1)),
            "bias_ih_l0": np.zeros(1),
            "bias_hh_l0": np.zeros(1),
        }
        arrays["readout.weight"] = np.pad(arrays["readout.weight"], ((0, 0), (0, 1)))
    return arrays | {f"cell.{key}": array for key, array in cell.items()}


def _recurrent_forward(input_mode: str, size: int) -> list[str]:
    """The lines of `forward` of a recurrent network with a state of `size`."""
    if input_mode == "sequence":
        return [
            f"state = x.new_zeros(1, x.shape[0], {size})",
            "h, _ = self.cell(x, state)",
            "before = torch.cat([state.transpose(0, 1), h], 1)[:, -2]"
            "  # the read-out sees the last input and the state it met",
            "return self.readout(torch.cat([x[:, -1], before], 1))",
        ]

    lines = [
        "if state is None:",
        f"    state = x.new_zeros(1, x.shape[0], {size})",
        "h, last = self.cell(x, state)",
    ]
    if input_mode == "elman":
        return [*lines, "return self.readout(h), last"]
    return [
        *lines,
        "before = torch.cat([state.transpose(0, 1), h[:, :-1]], 1)"
        "  # the read-out sees the symbol and the state it met",
        "return self.readout(torch.cat([x, before], 2)), last",
    ]


def _class(
    doc: str, init: Sequence[str], arguments: str, result: str, forward: Sequence[str]
) -> str:
    """The source of a class `Network` with these lines in its two methods."""
    lines = [
        "",
        "class Network(nn.Module):",
        f'    """{doc}"""',
        "",
        "    def __init__(self):",
        "        super().__init__()",
    ]
    lines += [f"        {line}" for line in init]
    lines += ["", f"    def forward(self, {arguments}) -> {result}:"]
    return "\n".join([*lines, *(f"        {line}" for line in forward)]) + "\n"


def _tuple(values: Sequence[int]) -> str:
    """Whole numbers as the source of a tuple."""
    numbers = [str(int(value)) for value in values]
    return f"({', '.join(numbers)}{',' if len(numbers) == 1 else ''})"


def _count(tensors: Mapping[str, np.ndarray]) -> int:
    """How many numbers there are, indices left out."""
    return int(sum(array.size for array in tensors.values() if array.dtype.kind == "f"))
