"""Tensors, arguments and modules of torch as `Value`s and plain options. Follows no graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, fx, nn

from analysis.arrays import Floats
from analysis.flatten.operations import CONSTANTS
from analysis.flatten.values import Value, constant

BATCH = 2
"""Samples that a traced module is told it has: with one, `squeeze` would take the batch away."""


@contextmanager
def constants_traced() -> Iterator[None]:
    """Let torch.fx see constants whose shape depends on the input's, which it otherwise refuses."""

    def traced(function: Callable[..., Tensor]) -> Callable[..., Any]:
        def create(*args: Any, **kwargs: Any) -> Any:
            proxies = [a for a in (*args, *kwargs.values()) if isinstance(a, fx.Proxy)]
            proxies += [a for group in args if isinstance(group, tuple | list) for a in group]
            for proxy in proxies:
                if isinstance(proxy, fx.Proxy):
                    tracer = proxy.tracer
                    return tracer.create_proxy("call_function", function, args, kwargs)
            return function(*args, **kwargs)

        return create

    with ExitStack() as stack:
        for name in CONSTANTS:
            stack.enter_context(patch.object(torch, name, traced(getattr(torch, name))))
        yield


def values_in(arguments: Any) -> Iterator[Value]:
    """All values in nested lists, tuples and dictionaries."""
    if isinstance(arguments, Value):
        yield arguments
    elif isinstance(arguments, list | tuple):
        for item in arguments:
            yield from values_in(item)
    elif isinstance(arguments, dict):
        yield from values_in(list(arguments.values()))


def called(operation: Any, first: Any, rest: Any, kwargs: Any) -> Any:
    """A module, a function or the name of a method, called on tensors."""
    if isinstance(operation, nn.Module):
        return operation(first)
    if isinstance(operation, str):
        return getattr(first, operation)(*rest, **kwargs)
    return operation(first, *rest, **kwargs)


def asked(value: Value, target: Any, rest: Any) -> Any:
    """The size, shape or another plain fact of a value, as a tensor would say it."""
    shape = list(value.shape)
    shape.insert(value.axis, BATCH)
    if target == "size":
        return torch.Size(shape) if not rest else shape[rest[0]]
    if target == "dim" or rest[0] == "ndim":
        return len(shape)
    facts = {"shape": torch.Size(shape), "dtype": torch.float64, "device": torch.device("cpu")}
    if rest[0] not in facts:
        raise ValueError(f"the attribute {rest[0]} of a computed tensor has no flat form")
    return facts[rest[0]]


def attribute(module: nn.Module, path: Any) -> Any:
    """A parameter or buffer by its dotted name, in float64."""
    for name in str(path).split("."):
        module = getattr(module, name)
    if isinstance(module, Tensor):
        return module.detach()
    return module


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else repr(error)


def precise(value: Any) -> Any:
    """A tensor of real numbers in float64, anything else as it is."""
    is_real = isinstance(value, Tensor) and value.is_floating_point()
    return value.double() if is_real else value


def single(result: Any) -> Value:
    """The one tensor that a module returns."""
    if isinstance(result, list | tuple) and len(result) == 1:
        return single(result[0])
    if not isinstance(result, Value):
        raise ValueError("module must return one tensor that is computed from its input")
    if result.axis != 0:
        raise ValueError("module must return a tensor whose first axis is the batch")
    return result


def as_value(given: Any, axis: int = 0) -> Value:
    """A constant tensor with a batch as a value: the same in every sample."""
    tensor = torch.as_tensor(given).detach().double()
    if tensor.ndim <= axis:
        raise ValueError("a constant without a batch is joined with a computed tensor")
    return constant(tensor.select(axis, 0).numpy(), axis)


def summed(args: Any, kwargs: Any, sign: float, name: str) -> Value:
    """The sum (or difference) of a value with another or with a constant, broadcast."""
    if kwargs.get("alpha", 1) != 1:
        raise ValueError("add with alpha has no flat form")
    a, b = (*args, kwargs["other"]) if "other" in kwargs else args
    if isinstance(a, Value) and isinstance(b, Value):
        a, b = broadcast(a, b)
        # Named after what was computed last, not after neurons that are added as they are.
        labels = [v.label for v in (b, a) if v.label not in {u.label for u in v.forms}]
        return replace(a.plus(b.times(sign)), label=next(filter(None, labels), name))

    value, other = (a, b) if isinstance(a, Value) else (b, a)
    shape = list(value.shape)
    shape.insert(value.axis, BATCH)
    tensor = torch.as_tensor(other).detach().double()
    if torch.broadcast_shapes(tensor.shape, tuple(shape)) != tuple(shape):
        raise ValueError(f"a constant of shape {tuple(tensor.shape)} does not fit")
    added = tensor.broadcast_to(shape).select(value.axis, 0).reshape(-1).numpy()

    # constant - value, or value -+ constant.
    if value is b:
        return replace(value.times(sign), constant=sign * value.constant + added)
    return replace(value, constant=value.constant + sign * added)


def broadcast(a: Value, b: Value) -> tuple[Value, Value]:
    """Two values brought to one shape."""
    if a.shape == b.shape:
        return a, b
    shape = torch.broadcast_shapes(a.shape, b.shape)

    def wide(value: Value) -> Value:
        numbers = np.broadcast_to(np.arange(value.size).reshape(value.shape), shape)
        return value.rows(numbers.reshape(-1), tuple(shape))

    return wide(a), wide(b)


def options_of(module: Any) -> dict[str, Any]:
    """Kernel, stride, padding and dilation of a convolution or pooling."""
    names = ("kernel_size", "stride", "padding", "dilation")
    return {name: getattr(module, name) for name in names if hasattr(module, name)}


def convolution_options(rest: Any, kwargs: Any) -> dict[str, Any]:
    """The same of a functional convolution: arguments after the input."""
    names = ("weight", "bias", "stride", "padding", "dilation", "groups")
    options = {"stride": 1} | dict(zip(names, rest, strict=False)) | dict(kwargs)
    return options | {"kernel_size": tuple(options["weight"].shape[2:])}


def cell_of(rnn: nn.RNN, layer: int) -> nn.RNNCell:
    """A layer of an RNN as the cell that is applied at every step."""
    n_features = getattr(rnn, f"weight_ih_l{layer}").shape[1]
    cell = nn.RNNCell(n_features, rnn.hidden_size, rnn.bias, rnn.nonlinearity, dtype=torch.float64)
    for name, parameter in cell.named_parameters():
        parameter.data = getattr(rnn, f"{name}_l{layer}").data
    return cell


def batch_axis(numbers: Tensor, total: int) -> int:
    """The axis along which the numbers of the second sample follow those of the first."""
    for axis, n in enumerate(numbers.shape):
        if n != BATCH:
            continue
        first = numbers.select(axis, 0)
        if int(first.max()) < total and torch.equal(numbers.select(axis, 1), first + total):
            return axis
    raise ValueError("an operation that mixes samples has no flat form")


def centres(matrix: Any, positions: Floats | None) -> Floats | None:
    """The mean position of what each row of a matrix reads; NaN for rows that read nothing."""
    if positions is None:
        return None
    reads = sparse.csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), matrix.shape)
    with np.errstate(invalid="ignore"):
        return (reads @ positions) / reads.sum(axis=1)[:, None]
