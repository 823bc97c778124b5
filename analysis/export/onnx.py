"""A network as an ONNX model, node by node. Needs the extra onnx.

Each block of weights is a MatMul, a Conv or a gather-and-sum. Numbers are float32: for the
operators used here, onnxruntime has no other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from analysis.export.plan import Plan, WeightBlock

# The first operator set in which a padding can wrap around, and its file format. Both are read by
# every onnxruntime since 1.17 (2024).
OPSET = 19
IR_VERSION = 9  # of the same age

# {name: shape} of inputs or outputs; a text names a size that is free.
Shapes = Mapping[str, Sequence[int | str]]


class _Graph:
    """Nodes and constants in the making; equal constants are held once."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[tuple, TensorProto] = {}

    def constant(self, array: np.ndarray) -> str:
        """The name of a constant: floats as float32, whole numbers as int64."""
        array = np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else np.int64)
        key = (array.dtype.str, array.shape, array.tobytes())
        name = f"constant{len(self.constants)}"
        return self.constants.setdefault(key, numpy_helper.from_array(array, name)).name

    def add(
        self,
        operator: str,
        *inputs: str | np.ndarray,
        name: str | None = None,
        **attributes: Any,
    ) -> str:
        """Append a node and return the name of its output; arrays become constants."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        name = name or f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [name], **attributes))
        return name

    def model(self, inputs: Shapes, outputs: Shapes, title: str) -> ModelProto:
        """The checked model."""
        kind = TensorProto.FLOAT
        begins, ends = (
            [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()]
            for shapes in (inputs, outputs)
        )
        constants = list(self.constants.values())
        graph = helper.make_graph(self.nodes, "network", begins, ends, constants, doc_string=title)

        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="urn",
        )
        checker.check_model(model, full_check=True)
        return model


def layered_onnx(plan: Plan, title: str) -> ModelProto:
    """A plan as a model of x (batch, d_in) -> y (batch, d_out)."""
    graph = _Graph()
    values = ["x"]
    last = len(plan.layers) - 1
    phi = {"relu": "Relu", "tanh": "Tanh"}[plan.activation]
    for k, layer in enumerate(plan.layers[1:], start=1):
        first, *others = layer.blocks
        total = _block(graph, first, values[first.source], len(layer.nodes))
        for block in others:
            term = _block(graph, block, values[block.source], len(layer.nodes))
            total = graph.add("Add", total, term)

        total = graph.add("Add", total, layer.bias, name="y" if k == last else None)
        values.append(total if k == last else graph.add(phi, total))
    return graph.model({"x": ("batch", plan.widths[0])}, {"y": ("batch", plan.widths[-1])}, title)


def _block(graph: _Graph, block: WeightBlock, value: str, n_targets: int) -> str:
    """What a block adds to its layer, (batch, T), without the bias."""
    if block.kind == "linear":
        return graph.add("MatMul", value, block.weight.T)
    if block.index is not None:
        gathered = graph.add("Gather", value, block.index, axis=1)
        products = graph.add("Mul", gathered, block.weight)
        return graph.add("ReduceSum", products, np.array([2]), keepdims=0)

    assert block.lattice is not None  # a block of kind "conv"
    assert block.convolution is not None
    if block.order is not None:
        value = graph.add("Gather", value, block.order, axis=1)
    shape = np.array([-1, block.lattice.channels, *block.lattice.sites])
    value = graph.add("Reshape", value, shape)

    before, after = zip(*block.convolution.pad, strict=True)
    if any(before) or any(after):
        pads = np.array([0, 0, *before, 0, 0, *after])
        mode = "wrap" if block.convolution.circular else "constant"
        value = graph.add("Pad", value, pads, mode=mode)
    return graph.add("Reshape", graph.add("Conv", value, block.weight), np.array([-1, n_targets]))


def recurrent_onnx(
    tensors: Mapping[str, np.ndarray], input_mode: str, activation: str, title: str
) -> ModelProto:
    """The arrays of `recurrent_source` as a model.

    x (batch, time, d_in), state (1, batch, n) -> y (batch, time, d_out), next_state (1, batch, n).
    Of a sequence x -> y (batch, d_out).
    """
    if input_mode == "sequence":
        return _sequence_onnx(tensors, activation, title)

    graph = _Graph()
    steps, states = _recurrence(graph, tensors, activation, "", "state")
    earlier = graph.add("Slice", states, np.array([0]), np.array([-1]), np.array([0]))
    before = graph.add("Concat", "state", earlier, axis=0)

    # The read-out of an Elman network reads the new state, that of a stream the state before it.
    read = states if input_mode == "elman" else graph.add("Concat", steps, before, axis=2)
    products = graph.add("MatMul", read, tensors["readout.weight"].T)
    y = graph.add("Add", products, tensors["readout.bias"])
    graph.add("Transpose", y, perm=[1, 0, 2], name="y")
    graph.add("Slice", states, np.array([-1]), np.array([2**31]), np.array([0]), name="next_state")

    n_outputs = len(tensors["readout.bias"])
    n_inputs, n = _sizes(tensors)
    inputs: Shapes = {"x": ("batch", "time", n_inputs), "state": (1, "batch", n)}
    outputs: Shapes = {"y": ("batch", "time", n_outputs), "next_state": (1, "batch", n)}
    return graph.model(inputs, outputs, title)


def _sequence_onnx(tensors: Mapping[str, np.ndarray], activation: str, title: str) -> ModelProto:
    """The network of a sequence: the state begins at zero, and the last input is answered."""
    graph = _Graph()
    steps, states = _recurrence(graph, tensors, activation)
    # The state before the last input; before the first one it is zero.
    first = graph.add("Slice", states, np.array([0]), np.array([1]), np.array([0]))
    zero = graph.add("Mul", first, np.array(0.0))
    padded = graph.add("Concat", zero, states, axis=0)
    before = graph.add("Slice", padded, np.array([-2]), np.array([-1]), np.array([0]))
    last = graph.add("Slice", steps, np.array([-1]), np.array([2**31]), np.array([0]))

    read = graph.add("Concat", last, before, axis=2)
    products = graph.add("MatMul", read, tensors["readout.weight"].T)
    y = graph.add("Add", products, tensors["readout.bias"])
    graph.add("Squeeze", y, np.array([0]), name="y")

    inputs: Shapes = {"x": ("batch", "time", _sizes(tensors)[0])}
    outputs: Shapes = {"y": ("batch", len(tensors["readout.bias"]))}
    return graph.model(inputs, outputs, title)


def _recurrence(
    graph: _Graph, tensors: Mapping[str, np.ndarray], activation: str, *state: str
) -> tuple[str, str]:
    """Names of the inputs (time, batch, d_in) and of the states that they leave (time, batch, n).

    `state` names the lengths of sequences, which all have the same, and the first state; without
    it that is zero.
    """
    W = tensors["cell.weight_ih_l0"][None]
    R = tensors["cell.weight_hh_l0"][None]
    bias = np.concatenate([tensors["cell.bias_ih_l0"], tensors["cell.bias_hh_l0"]])[None]
    steps = graph.add("Transpose", "x", perm=[1, 0, 2])
    phi = [activation.capitalize()]
    n = R.shape[1]
    states = graph.add("RNN", steps, W, R, bias, *state, hidden_size=n, activations=phi)
    return steps, graph.add("Squeeze", states, np.array([1]))


def _sizes(tensors: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """d_in and the number of neurons in the state."""
    n, n_inputs = tensors["cell.weight_ih_l0"].shape
    return n_inputs, n
