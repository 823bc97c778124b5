"""A network as an ONNX model, node by node: one MatMul, Conv or gather-and-sum for each block of weights. Needs the extra onnx.

Numbers are float32: for the operators used here, onnxruntime has no other.
"""

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

OPSET, IR_VERSION = 19, 9
"""The first in which a padding can wrap around; both are read by every onnxruntime since 1.17 (2024)."""


class _Graph:
    """Nodes and constants in the making; equal constants are held once."""

    def __init__(self):
        self.nodes, self.constants = [], {}

    def constant(self, array):
        """The name of a constant: floats as float32, whole numbers as int64."""
        array = np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else np.int64)
        key = (array.dtype.str, array.shape, array.tobytes())
        return self.constants.setdefault(
            key, numpy_helper.from_array(array, f"constant{len(self.constants)}")
        ).name

    def add(self, operator, *inputs, name=None, **attributes):
        """Append a node and return the name of its output; arrays among its inputs become constants."""
        inputs = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        name = name or f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def model(self, inputs, outputs, title):
        """The checked model; inputs and outputs as {name: shape}."""
        kind = TensorProto.FLOAT
        ends = [
            [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()]
            for shapes in (inputs, outputs)
        ]
        graph = helper.make_graph(
            self.nodes, "network", *ends, list(self.constants.values()), doc_string=title
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="urn",
        )
        checker.check_model(model, full_check=True)
        return model


def layered_onnx(plan, title) -> ModelProto:
    """A Plan as a model of x (batch, d_in) -> y (batch, d_out)."""
    graph, values, last = _Graph(), ["x"], len(plan.layers) - 1
    phi = {"relu": "Relu", "tanh": "Tanh"}[plan.activation]
    for k, layer in enumerate(plan.layers[1:], start=1):
        total = None
        for block in layer.blocks:
            term = _block(graph, block, values[block.source], len(layer.nodes))
            total = term if total is None else graph.add("Add", total, term)
        total = graph.add("Add", total, layer.bias, name="y" if k == last else None)
        values.append(total if k == last else graph.add(phi, total))
    return graph.model({"x": ("batch", plan.widths[0])}, {"y": ("batch", plan.widths[-1])}, title)


def _block(graph, block, value, n_targets):
    """What a block adds to its layer, (batch, T), without the bias."""
    if block.kind == "linear":
        return graph.add("MatMul", value, block.weight.T)
    if block.kind == "local":
        seen = graph.add("Gather", value, block.index, axis=1)
        return graph.add(
            "ReduceSum", graph.add("Mul", seen, block.weight), np.array([2]), keepdims=0
        )
    if block.order is not None:
        value = graph.add("Gather", value, block.order, axis=1)
    value = graph.add(
        "Reshape", value, np.array([-1, block.lattice.channels, *block.lattice.sites])
    )
    before, after = zip(*block.convolution.pad, strict=True)
    if any(before) or any(after):
        pads = np.array([0, 0, *before, 0, 0, *after])
        value = graph.add(
            "Pad", value, pads, mode="wrap" if block.convolution.circular else "constant"
        )
    return graph.add("Reshape", graph.add("Conv", value, block.weight), np.array([-1, n_targets]))


def recurrent_onnx(tensors, input_mode, activation, title) -> ModelProto:
    """The arrays of `recurrent_source` as a model of x (batch, time, d_in), state (1, batch, n) -> y (batch, time, d_out)."""
    graph = _Graph()
    W, R = (tensors[f"cell.weight_{part}_l0"][None] for part in ("ih", "hh"))
    bias = np.concatenate([tensors["cell.bias_ih_l0"], tensors["cell.bias_hh_l0"]])[None]
    n, n_inputs, n_outputs = R.shape[1], W.shape[2], len(tensors["readout.bias"])
    steps = graph.add("Transpose", "x", perm=[1, 0, 2])
    states = graph.add(
        "RNN", steps, W, R, bias, "", "state", hidden_size=n, activations=[activation.capitalize()]
    )
    states = graph.add("Squeeze", states, np.array([1]))
    earlier = graph.add("Slice", states, np.array([0]), np.array([-1]), np.array([0]))
    before = graph.add("Concat", "state", earlier, axis=0)
    seen = states if input_mode == "elman" else graph.add("Concat", steps, before, axis=2)
    y = graph.add(
        "Add", graph.add("MatMul", seen, tensors["readout.weight"].T), tensors["readout.bias"]
    )
    graph.add("Transpose", y, perm=[1, 0, 2], name="y")
    graph.add("Slice", states, np.array([-1]), np.array([2**31]), np.array([0]), name="next_state")
    inputs = {"x": ("batch", "time", n_inputs), "state": (1, "batch", n)}
    return graph.model(
        inputs, {"y": ("batch", "time", n_outputs), "next_state": (1, "batch", n)}, title
    )
