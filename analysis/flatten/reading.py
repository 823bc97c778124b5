"""Read a torch module into linear forms of neurons. Imports torch, and nothing else here does.

The module is traced by torch.fx, and its graph is followed with `Value`s in the place of tensors.
What an operation does is asked of torch itself: one that only moves elements about is given their
numbers, and one that is linear is given every basis vector.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, fx, nn
from torch.nn import functional as F

from analysis.arrays import Floats
from analysis.flatten.arguments import (
    BATCH,
    as_value,
    asked,
    attribute,
    batch_axis,
    called,
    cell_of,
    centres,
    constants_traced,
    convolution_options,
    first_line,
    options_of,
    precise,
    single,
    summed,
    values_in,
)
from analysis.flatten.convolution import lattice, mean_positions, pooling_windows, window_centres
from analysis.flatten.operations import (
    ADD,
    CONSTANT_LIKE,
    CONVOLUTIONS,
    DIVIDE,
    IDLE,
    IDLE_MODULES,
    LINEAR,
    LINEAR_MODULES,
    MAX_POOL,
    MAXIMUM,
    MOVING,
    MOVING_MODULES,
    PRODUCTS,
    RELU,
    SCALE,
    SUBTRACT,
    SUPPORTED,
    TANH,
)
from analysis.flatten.values import (
    MOST_NEURONS,
    Units,
    Value,
    of_units,
    stacked,
    without_zeros,
)

CHUNK = 512
"""Basis vectors that are put through a linear operation at once. By judgement: some megabytes."""


class Reader:
    """Follows the graph of a module with values in the place of tensors.

    Parameters
    ----------
    module : nn.Module
        It is copied, put into eval mode and into float64.
    shape : tuple of int
        Of one sample of its input.
    positions : (n_inputs, dim) array or None
        Of the inputs; for samples on a lattice, `(channels, L)` or `(channels, H, W)`, it is made.
    nonnegative : bool
        Whether inputs are never below 0.

    Attributes
    ----------
    inputs : Units
    activation : str or None
        "relu" or "tanh", as soon as one of them was met.
    dtype : torch.dtype
        Of the module's own numbers.
    """

    def __init__(
        self,
        module: nn.Module,
        shape: tuple[int, ...],
        positions: Floats | None,
        nonnegative: bool,
    ) -> None:
        placed = lattice(shape) if positions is None else positions
        size = int(np.prod(shape))
        if size > MOST_NEURONS:
            raise ValueError(f"example: {size:,} inputs, more than {MOST_NEURONS:,}")
        self.inputs = Units("input", size, None, placed, nonnegative)
        self.activation: str | None = None
        self._given = positions is not None

        self._original = deepcopy(module).eval()
        kinds = [p.dtype for p in module.parameters() if p.is_floating_point()]
        self.dtype = kinds[0] if kinds else torch.float64
        copy = deepcopy(module).double().eval()
        # A leaf of torch.fx alone would be traced inside, so it is put into a sequence.
        is_leaf = type(module).__module__.startswith("torch.nn")
        self._module = nn.Sequential(copy) if is_leaf and not list(module.children()) else copy
        self._shape = shape

    def read(self) -> Value:
        """The output of the module, as a value.

        Raises
        ------
        ValueError
            Naming the operation or module that has no flat form.
        """
        graph = self._traced()
        has_input = False
        values: dict[fx.Node, Any] = {}

        for node in graph.nodes:
            if node.op == "output":
                return single(values[node.args[0]] if node.args[0] in values else node.args[0])
            if node.op == "placeholder":
                values[node] = self._placeholder(node, has_input)
                has_input = True
                continue
            try:
                values[node] = self._value(node, values)
            except Exception as error:  # whatever torch says to arguments that it cannot take
                where = str(node.target) if node.op == "call_module" else node.name
                raise ValueError(f"{where}: {first_line(error)}") from error
        raise ValueError("module has no output")

    def _value(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        """What a node of the graph computes."""
        if node.op == "get_attr":
            return attribute(self._module, node.target)
        args = fx.node.map_arg(node.args, lambda n: precise(values[n]))
        kwargs = dict(fx.node.map_arg(node.kwargs, lambda n: precise(values[n])))
        for first in ("input", "tensors"):
            if first in kwargs:
                args = (kwargs.pop(first), *args)

        if node.op == "call_module":
            name = str(node.target)
            return self._called(self._module.get_submodule(name), name, args, kwargs)
        return self._computed(node, args, kwargs)

    def outputs(self, rows: Floats) -> Floats:
        """What the module itself says to rows of inputs, flat."""
        with torch.no_grad():
            given = torch.from_numpy(rows).to(self.dtype)
            answer = self._original(given.reshape(-1, *self._shape))
        while isinstance(answer, list | tuple):
            answer = answer[0]
        return answer.reshape(len(rows), -1).double().numpy()

    def _traced(self) -> fx.Graph:
        try:
            with constants_traced():
                return fx.Tracer().trace(self._module)
        except Exception as error:  # whatever the forward method of the module raises
            name = type(self._module).__name__
            reason = first_line(error)
            raise ValueError(f"module {name} cannot be traced by torch.fx: {reason}") from error

    def _placeholder(self, node: fx.Node, is_second: bool) -> Any:
        if not is_second:
            return of_units(self.inputs, self._shape)
        if node.args:
            return node.args[0]
        raise ValueError(f"module takes more than one tensor ({node.target}); supported is one")

    # ---- modules

    def _called(self, module: nn.Module, name: str, args: Any, kwargs: Any) -> Any:
        """A submodule that torch.fx leaves whole, applied."""
        if not list(values_in(args)):
            return module(*args, **kwargs)
        if isinstance(module, nn.RNN):
            return self._rnn(module, name, *args, **kwargs)
        if isinstance(module, nn.RNNCell):
            return self._rnn_cell(module, name, *args, **kwargs)

        value = args[0]
        if isinstance(module, IDLE_MODULES):
            return value
        if isinstance(module, nn.ReLU):
            return self._nonlinear(value, "relu", name)
        if isinstance(module, nn.Tanh):
            return self._nonlinear(value, "tanh", name)
        if isinstance(module, MOVING_MODULES):
            return self._moved(module, args, kwargs)
        if isinstance(module, nn.MaxPool1d | nn.MaxPool2d):
            if module.return_indices:
                raise ValueError("MaxPool with return_indices has no flat form")
            return self._max_pool(value, module, options_of(module), name)
        if isinstance(module, LINEAR_MODULES):
            return self._linear_module(module, value, name)
        raise ValueError(f"{type(module).__name__} has no flat form; supported are {SUPPORTED}")

    def _linear_module(self, module: nn.Module, value: Value, name: str) -> Value:
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is None:
            raise ValueError(
                f"{type(module).__name__} without running statistics mixes "
                "samples; supported is one that tracks them, in eval mode"
            )
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            return self._convolved(module, value, options_of(module), name)
        result = replace(self._linear(module, value), label=name)
        return replace(result, positions=None) if isinstance(module, nn.Linear) else result

    def _convolved(
        self,
        operation: Callable[[Tensor], Tensor],
        value: Value,
        options: dict[str, Any],
        name: str,
    ) -> Value:
        """A convolution, its neurons at the centres of their receptive fields."""
        value = self._on_lattice(value)
        result = self._linear(operation, value)
        centres = window_centres(value.positions, value.shape, result.shape, options)
        return replace(result, positions=centres, label=name)

    def _rnn_cell(
        self, cell: nn.RNNCell, name: str, x: Value, hidden: Value | Tensor | None = None
    ) -> Value:
        """relu or tanh of W_ih x + b_ih + W_hh h + b_hh."""
        total = self._linear(lambda t: F.linear(t, cell.weight_ih, cell.bias_ih), x)
        # The bias belongs to the cell even where there is no state yet.
        if cell.bias:
            total = replace(total, constant=total.constant + cell.bias_hh.detach().numpy())
        if isinstance(hidden, Tensor):
            hidden = as_value(hidden)
        if hidden is not None:
            total = total.plus(self._linear(lambda t: F.linear(t, cell.weight_hh), hidden))
        return self._nonlinear(replace(total, label=name), cell.nonlinearity, name)

    def _rnn(
        self, rnn: nn.RNN, name: str, x: Value, hidden: Value | Tensor | None = None
    ) -> tuple[Value, Value]:
        """Every step of every layer: the states of the last layer, and the last of each layer."""
        if rnn.bidirectional:
            raise ValueError("RNN with bidirectional=True has no flat form; supported is one way")
        if isinstance(hidden, Value):
            raise ValueError("RNN with a computed first state has no flat form; supported is zero")
        if len(x.shape) != 2:
            raise ValueError("RNN without a batch has no flat form")

        # (features,) values, step after step, whichever axis is first.
        steps = list(self._moved(torch.unbind, (x,), {"dim": 1 - x.axis}))
        if (x.axis == 0) != rnn.batch_first:
            raise ValueError(
                f"RNN has batch_first={rnn.batch_first}, but its batch is axis {x.axis}"
            )
        last = []
        for layer in range(rnn.num_layers):
            cell = cell_of(rnn, layer)
            state: Value | Tensor | None = None if hidden is None else hidden[layer]
            states = []
            for step in steps:
                state = self._rnn_cell(cell, f"{name}.{layer}", step, state)
                states.append(state)
            steps = states
            last.append(states[-1])

        out = self._moved(torch.stack, (steps,), {"dim": 1 - x.axis})
        return out, self._moved(torch.stack, (last,), {"dim": 0})

    # ---- functions and methods

    def _computed(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        """A function or method, applied; without values among its arguments by torch itself."""
        target = node.target
        if not list(values_in((args, kwargs))):
            if isinstance(target, str):
                return getattr(args[0], target)(*args[1:], **kwargs)
            return target(*args, **kwargs)

        if isinstance(args[0], Value) and target in ("size", "dim", getattr):
            return asked(args[0], target, args[1:])
        if target is operator.getitem and not isinstance(args[0], Value):
            return args[0][args[1]]
        if target in CONSTANT_LIKE:
            return torch.zeros(*args[1:], dtype=torch.float64) + CONSTANT_LIKE[target]
        if target is torch.zeros_like:
            return torch.zeros(asked(args[0], "size", ()), dtype=torch.float64)
        if target in MOVING:
            return self._moved(target, args, kwargs)
        if target in ADD or target in SUBTRACT:
            return summed(args, kwargs, -1.0 if target in SUBTRACT else 1.0, node.name)
        if target in IDLE:
            return args[0]

        handler = self._handler(target)
        if handler is None or not isinstance(args[0], Value | Tensor | float | int):
            name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
            raise ValueError(f"{name} has no flat form; supported are {SUPPORTED}")
        return handler(node.name, target, args, kwargs)

    def _handler(self, target: Any) -> Callable[[str, Any, Any, Any], Value] | None:
        """How an operation is read that is neither a sum nor a move."""
        if target in RELU:
            return lambda name, _, args, kwargs: self._nonlinear(args[0], "relu", name)
        if target in TANH:
            return lambda name, _, args, kwargs: self._nonlinear(args[0], "tanh", name)
        if target in MAX_POOL or getattr(target, "__name__", "").startswith("boolean_dispatch"):
            return self._max_pool_function
        if target in MAXIMUM:
            return lambda name, _, args, kwargs: self._larger(args[0], args[1], name)
        if target in (*SCALE, *DIVIDE, operator.neg, torch.neg, "neg"):
            return self._scaled
        return self._linear_function if target in LINEAR else None

    def _linear_function(self, name: str, target: Any, args: Any, kwargs: Any) -> Value:
        value = args[0]
        if not isinstance(value, Value) or list(values_in((args[1:], kwargs))):
            raise ValueError("a product of two computed tensors has no flat form")
        if target is F.batch_norm and (kwargs.get("training") or (len(args) > 5 and args[5])):
            raise ValueError("batch_norm in training has no flat form; supported is eval")

        def operation(x: Tensor) -> Tensor:
            return called(target, x, args[1:], kwargs)

        if target in CONVOLUTIONS:
            return self._convolved(operation, value, convolution_options(args[1:], kwargs), name)
        result = replace(self._linear(operation, value), label=name)
        # A product with a matrix mixes all elements: its results lie nowhere.
        return replace(result, positions=None) if target in PRODUCTS else result

    def _scaled(self, name: str, target: Any, args: Any, kwargs: Any) -> Value:
        """A product or quotient with a constant, or the negative."""
        if len(args) == 1:
            return args[0].times(-1.0)
        a, b = args
        if isinstance(a, Value) and isinstance(b, Value):
            raise ValueError("a product of two computed tensors has no flat form")
        if not isinstance(a, Value) and target in DIVIDE:
            raise ValueError("a quotient by a computed tensor has no flat form")
        value, factor = (a, b) if isinstance(a, Value) else (b, a)
        if not isinstance(factor, Tensor):
            return value.times(1.0 / factor if target in DIVIDE else factor)

        factor = 1.0 / factor.double() if target in DIVIDE else factor.double()
        # A factor with an axis for the batch is the same for every sample.
        factor = factor[:1] if factor.ndim > len(value.shape) else factor
        return replace(self._linear(lambda t: t * factor, value), label=value.label)

    def _max_pool_function(self, name: str, target: Any, args: Any, kwargs: Any) -> Value:
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        options = dict(zip(names, args[1:], strict=False)) | dict(kwargs)
        if options.pop("return_indices", False):
            raise ValueError("max_pool with return_indices has no flat form")

        def pool(x: Tensor) -> Tensor:
            return (F.max_pool1d if x.ndim == 3 else F.max_pool2d)(x, **options)

        return self._max_pool(args[0], pool, options, name)

    # ---- what they are made of

    def _nonlinear(self, value: Value, activation: str, name: str) -> Value:
        """New neurons, unless a rectifier would change nothing."""
        if self.activation not in (None, activation):
            raise ValueError(
                f"{activation} beside {self.activation} has no flat form; "
                "supported is one nonlinearity for all neurons"
            )
        self.activation = activation
        if activation == "relu" and value.nonnegative:
            return value
        if not value.forms:
            phi = np.tanh if activation == "tanh" else lambda z: np.maximum(z, 0.0)
            return replace(value, constant=phi(value.constant))

        label = value.label or name
        units = Units(label, value.size, value, value.positions, activation == "relu")
        return of_units(units, value.shape, value.axis)

    def _larger(self, a: Any, b: Any, name: str) -> Value:
        """max(a, b) = relu(a - b) + b."""
        difference = replace(summed((a, b), {}, -1.0, name), label=name)
        return replace(
            summed((self._nonlinear(difference, "relu", name), b), {}, 1.0, name), label=name
        )

    def _max_pool(
        self, value: Value, pool: Callable[[Tensor], Tensor], options: dict[str, Any], name: str
    ) -> Value:
        """The largest of each window, by rounds of max(a, b) = relu(a - b) + b.

        Each round halves the windows; a value without a partner waits for the next.
        """
        with torch.no_grad():
            shape = tuple(pool(torch.zeros(1, *value.shape, dtype=torch.float64)).shape[1:])
        windows = pooling_windows(value.shape, shape, options)
        positions = mean_positions(windows, value.positions)

        current = replace(value, positions=None)
        while max(map(len, windows)) > 1:
            current, windows = self._halved(current, windows, name)
        first = np.array([window[0] for window in windows])
        return replace(current.rows(first, shape), positions=positions, label=name)

    def _halved(
        self, value: Value, windows: list[list[int]], name: str
    ) -> tuple[Value, list[list[int]]]:
        """The larger of each two elements of a window, and what had no partner."""
        # A pair that several windows share is compared once.
        pairs: dict[tuple[int, int], int] = {}
        alone: dict[int, int] = {}
        for window in windows:
            for a, b in zip(window[::2], window[1::2], strict=False):
                pairs.setdefault((a, b), len(pairs))
            if len(window) % 2:
                alone.setdefault(window[-1], len(alone))

        left, right = np.array(list(pairs)).T
        single = np.array(list(alone), dtype=int)
        larger = self._larger(
            value.rows(left, (len(left),)), value.rows(right, (len(right),)), name
        )
        halved = stacked([larger, value.rows(single, (len(single),))]) if len(single) else larger
        shorter = [
            [pairs[a, b] for a, b in zip(window[::2], window[1::2], strict=False)]
            + [len(pairs) + alone[c] for c in window[-1:] if len(window) % 2]
            for window in windows
        ]
        return halved, shorter

    def _linear(self, operation: Callable[[Tensor], Tensor], value: Value) -> Value:
        """A linear operation on a value, asked for its matrix by basis vectors."""
        if value.axis != 0:
            raise ValueError(
                "a linear operation where the batch is not the first axis has no flat form"
            )
        rows = []
        with torch.no_grad():
            zero = operation(torch.zeros(1, *value.shape, dtype=torch.float64))
            if not zero.ndim or zero.shape[0] != 1:
                raise ValueError("an operation that mixes samples has no flat form")
            if zero.numel() > MOST_NEURONS:
                raise ValueError(f"{zero.numel():,} values, more than {MOST_NEURONS:,}")
            shape = tuple(zero.shape[1:])
            offset = zero.reshape(-1).numpy()
            for start in range(0, value.size, CHUNK):
                n = min(CHUNK, value.size - start)
                basis = torch.zeros(n, value.size, dtype=torch.float64)
                basis[torch.arange(n), start + torch.arange(n)] = 1.0
                answer = operation(basis.reshape(n, *value.shape)) - zero
                if answer.shape[0] != n:
                    raise ValueError("an operation that mixes samples has no flat form")
                rows.append(sparse.csr_array(answer.reshape(n, -1).numpy()))
        matrix = without_zeros(sparse.vstack(rows).T)
        mapped = value.mapped(matrix, offset, shape)
        return replace(mapped, positions=centres(matrix, value.positions))

    def _moved(self, operation: Any, args: Any, kwargs: Any) -> Any:
        """An operation that moves elements about, asked by their numbers where they go."""
        axis = next(values_in((args, kwargs))).axis
        is_joining = isinstance(args[0], list | tuple)
        # Constants that are joined with values become values without neurons.
        known = args[0] if is_joining else [args[0]]
        values = [v if isinstance(v, Value) else as_value(v, axis) for v in known]
        everything = stacked(values)

        numbered, start = [], 0
        for value in values:
            numbers = start + torch.arange(value.size).reshape(value.shape)
            start += value.size
            shifts = torch.arange(BATCH).reshape(-1, *[1] * numbers.ndim)
            both = numbers[None] + everything.size * shifts
            numbered.append(both.movedim(0, value.axis))
        first = tuple(numbered) if is_joining else numbered[0]
        result = called(operation, first, args[1:], kwargs)

        def back(numbers: Tensor) -> Value:
            where = batch_axis(numbers, everything.size)
            index = numbers.select(where, 0)
            return everything.rows(index.reshape(-1).numpy(), tuple(index.shape), where)

        return tuple(map(back, result)) if isinstance(result, list | tuple) else back(result)

    def _on_lattice(self, value: Value) -> Value:
        """A value whose elements have positions, for a convolution that is about to read it.

        Flat inputs that the module itself puts on a lattice get their positions here.
        """
        if value.positions is not None or set(value.forms) != {self.inputs} or self._given:
            return value
        form = value.forms[self.inputs]
        is_all = form.nnz == self.inputs.size == value.size and (form.data == 1).all()
        if not is_all:
            return value
        sites = lattice(value.shape)
        if sites is None:
            return value
        self.inputs.positions = np.empty_like(sites)
        self.inputs.positions[form.indices] = sites
        return replace(value, positions=sites)
