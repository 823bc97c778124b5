"""A network as the source code of a plain `torch.nn.Module`, which imports nothing of ours, and the arrays it loads."""

from dataclasses import dataclass

import numpy as np

from analysis.export.lattice import EXACT

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

LOCAL = '''
class LocallyConnected(nn.Module):
    """Every target has weights of its own from `size` sources of its own: (B, n_sources) -> (B, n_targets)."""

    def __init__(self, n_targets: int, size: int, bias: bool = True):
        super().__init__()
        self.register_buffer("index", torch.zeros(n_targets, size, dtype=torch.int64))
        self.weight = nn.Parameter(torch.zeros(n_targets, size))
        self.register_parameter("bias", nn.Parameter(torch.zeros(n_targets)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        y = (x[:, self.index] * self.weight).sum(-1)
        return y if self.bias is None else y + self.bias

'''

FOOTER = '''

def load(weights: str | Path = Path(__file__).with_suffix(".safetensors")) -> Network:
    """The network with the weights that lie beside this file."""
    net = Network().to({dtype})
    net.load_state_dict(load_file(weights))
    return net.eval()
'''


@dataclass(frozen=True)
class Exported:
    """Source code of a module, the arrays of its state dict, and how many weights and biases and multiply-adds it has."""

    source: str
    tensors: dict
    parameters: int
    multiply_adds: int


def layered_source(plan, *, title, name="network", dtype="float32"):
    """A Plan as a module with one submodule a layer, and one for each skip, added.

    Blocks of equal weights are one submodule, called again: where a recurrent network repeats itself, so does the code.
    """
    layers, last = plan.layers, len(plan.layers) - 1
    blocks = [
        (k, block, block is layer.blocks[0])
        for k, layer in enumerate(layers)
        for block in layer.blocks
    ]
    biases = {}  # of each block's weights, every bias it is used with: one is the module's own
    for k, block, first in blocks:
        biases.setdefault(_key(block), set()).add(layers[k].bias.tobytes() if first else None)
    names = [f"layer{layer.name}" for layer in layers[:-1]] + ["readout"]
    values = ["x", *(f"h{layer.name}" for layer in layers[1:])]
    known, init, tensors, cost = {}, [], {}, 0
    forward, terms = [], []
    phi = {"relu": "F.relu", "tanh": "torch.tanh"}[plan.activation]
    for k, block, first in blocks:
        layer, key = layers[k], _key(block)
        if key not in known:
            own = biases[key] == {layer.bias.tobytes()} and (
                block.kind != "conv" or _by_channel(block, layer.bias) is not None
            )
            known[key] = names[k] if first else f"from{layers[block.source].name}_to_{names[k]}"
            code, arrays = _module(block, layer, len(layers[block.source].nodes), own)
            init.append(f"self.{known[key]} = {code}")
            tensors |= {f"{known[key]}.{part}": array for part, array in arrays.items()}
        argument = _argument(block, values[block.source], tensors, init)
        terms.append(f"self.{known[key]}({argument})" + ".flatten(1)" * (block.kind == "conv"))
        if first and f"{known[key]}.bias" not in tensors and layer.bias.any():
            init.append(f"self.bias_of_{names[k]} = nn.Parameter(torch.zeros({len(layer.bias)}))")
            tensors[f"bias_of_{names[k]}"] = layer.bias
            terms.append(f"self.bias_of_{names[k]}")
        cost += len(layer.nodes) * int(np.prod(block.weight.shape[1:]))
        if block is layer.blocks[-1]:
            total = " + ".join(terms)
            forward.append(f"return {total}" if k == last else f"{values[k]} = {phi}({total})")
            terms = []
    tensors = {
        key: np.ascontiguousarray(T, dtype if T.dtype.kind == "f" else np.int64)
        for key, T in tensors.items()
    }
    n_in, n_out = plan.widths[0], plan.widths[-1]
    shapes = f"x (B, {n_in}) -> y (B, {n_out})"
    about = f"{shapes}; nodes in each layer: {'-'.join(map(str, plan.widths))}.\n"
    head = HEADER.format(title=title, about=about, name=name, use=f"y = net(x)  # x (B, {n_in})")
    body = _class(f"{shapes}.", init, "x: Tensor", "Tensor", forward)
    local = LOCAL if any(block.kind == "local" for _, block, _ in blocks) else ""
    return Exported(
        head + local + body + FOOTER.format(dtype=f"torch.{dtype}"), tensors, _count(tensors), cost
    )


def _key(block):
    """What tells the weights of a block from those of another."""
    index = () if block.index is None else block.index.tobytes()
    return block.kind, block.weight.shape, block.weight.tobytes(), index


def _module(block, layer, n_sources, with_bias):
    """(constructor call, {name: array}) of a block."""
    n, arrays = len(layer.nodes), {"weight": block.weight}
    ending, bias = "" if with_bias else ", bias=False", layer.bias
    if block.kind == "conv":
        (n_to, n_from), kernel, bias = (
            block.weight.shape[:2],
            block.weight.shape[2:],
            _by_channel(block, bias),
        )
        code = f"nn.Conv{len(kernel)}d({n_from}, {n_to}, {_tuple(kernel)}{ending})"
    elif block.kind == "local":
        arrays["index"] = block.index
        code = f"LocallyConnected({n}, {block.weight.shape[1]}{ending})"
    else:
        code = f"nn.Linear({n_sources}, {n}{ending})"
    return code, arrays | ({"bias": bias} if with_bias else {})


def _by_channel(block, bias):
    """The bias (T,) of a convolution's nodes as (C_out,), None where it is not the same all over a channel."""
    bias = bias.reshape(len(block.weight), -1)
    return bias[:, 0] if np.ptp(bias, axis=1).max() <= EXACT * np.abs(block.weight).max() else None


def _argument(block, value, tensors, init):
    """What a block is called with: the layer it reads, laid out and padded where it is a convolution."""
    if block.kind != "conv":
        return value
    if block.order is not None:
        name = f"order_of_{value}"
        line = f'self.register_buffer("{name}", torch.zeros({len(block.order)}, dtype=torch.int64))'
        if line not in init:
            init.append(line)
        tensors[name] = block.order
        value = f"{value}[:, self.{name}]"
    value = (
        f"{value}.view(-1, {block.lattice.channels}, {', '.join(map(str, block.lattice.sites))})"
    )
    pads = [
        p for axis in reversed(block.convolution.pad) for p in axis
    ]  # the last axis comes first
    if any(pads):
        mode = ', mode="circular"' if block.convolution.circular else ""
        value = f"F.pad({value}, {_tuple(pads)}{mode})"
    return value


def recurrent_source(
    weights,
    biases,
    *,
    n_inputs,
    n_outputs,
    input_mode,
    activation,
    title,
    name="network",
    dtype="float32",
):
    """A network that gets a new symbol at every iteration, as an `nn.RNN` and a linear read-out.

    The state is made of the neurons that are no inputs, may be other than zero, and are heard by an output. The read-out
    sees the symbol and the state that it met ("stream"), or the state that the symbol left ("elman").
    """
    n = len(weights)
    linked, free, out = weights != 0, np.arange(n) >= n_inputs, np.arange(n) >= n - n_outputs
    fed = ~free | (biases != 0)
    heard = linked[out].any(axis=0)
    for _ in range(n):
        fed_now, heard_now = (
            fed | linked[:, fed].any(axis=1),
            heard | linked[heard & free].any(axis=0),
        )
        if np.array_equal(fed_now, fed) and np.array_equal(heard_now, heard):
            break
        fed, heard = fed_now, heard_now
    state = np.flatnonzero(fed & heard & free)
    sources = state if input_mode == "elman" else np.concatenate([np.arange(n_inputs), state])
    tensors = {"readout.weight": weights[np.ix_(out, sources)], "readout.bias": biases[out]}
    size = max(1, len(state))
    cell = {
        "weight_ih_l0": weights[state, :n_inputs],
        "weight_hh_l0": weights[np.ix_(state, state)],
        "bias_ih_l0": biases[state],
        "bias_hh_l0": np.zeros(len(state)),
    }
    if not len(state):  # nothing is remembered; an RNN has at least one neuron
        cell = {
            key: np.zeros((1,) * array.ndim if key != "weight_ih_l0" else (1, n_inputs))
            for key, array in cell.items()
        }
        tensors["readout.weight"] = np.pad(tensors["readout.weight"], ((0, 0), (0, 1)))
    tensors |= {f"cell.{key}": array for key, array in cell.items()}
    tensors = {key: np.ascontiguousarray(array, dtype=dtype) for key, array in tensors.items()}
    init = [
        f'self.cell = nn.RNN({n_inputs}, {size}, nonlinearity="{activation}", batch_first=True)',
        f"self.readout = nn.Linear({tensors['readout.weight'].shape[1]}, {n_outputs})",
    ]
    forward = [
        "if state is None:",
        f"    state = x.new_zeros(1, x.shape[0], {size})",
        "h, last = self.cell(x, state)",
    ]
    forward += (
        ["return self.readout(h), last"]
        if input_mode == "elman"
        else [
            "before = torch.cat([state.transpose(0, 1), h[:, :-1]], 1)  # the read-out sees the symbol and the state it met",
            "return self.readout(torch.cat([x, before], 2)), last",
        ]
    )
    shapes = (
        f"x (B, T, {n_inputs}) -> y (B, T, {n_outputs}), and the state (1, B, {size}) to carry on."
    )
    head = HEADER.format(
        title=title,
        about=f"{shapes}\n",
        name=name,
        use=f"y, state = net(x)  # x (B, T, {n_inputs})",
    )
    head = head.replace("from torch.nn import functional as F\n", "")
    signature = "x: Tensor, state: Tensor | None = None"
    body = _class(shapes, init, signature, "tuple[Tensor, Tensor]", forward)
    cost = sum(tensors[key].size for key in tensors if "weight" in key)
    return Exported(
        head + body + FOOTER.format(dtype=f"torch.{dtype}"), tensors, _count(tensors), cost
    )


def _class(doc, init, arguments, result, forward):
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


def _tuple(values):
    values = [str(int(value)) for value in values]
    return f"({', '.join(values)}{',' if len(values) == 1 else ''})"


def _count(tensors):
    return int(sum(array.size for array in tensors.values() if array.dtype.kind == "f"))
