"""`from_module`: a torch module as one flat network that computes the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats
from analysis.checks import as_finite
from analysis.flatten.layout import Layout, lay_out
from analysis.flatten.reading import Reader
from analysis.flatten.sharing import Sharing, ancestors, share
from analysis.flatten.traces import with_traces
from analysis.flatten.values import Units, Value
from analysis.forward import forward
from analysis.network import FlatNetwork

if TYPE_CHECKING:
    from torch import Tensor, nn

TOLERANCE = 1e-5
"""Largest difference of the outputs to those of the module, relative to the largest output. What is
promised; in float64 a rectified network differs by 1e-15 (measured on 150 loops and skips)."""

N_PROBES = 8
"""Random inputs on which a flat network is held against its module, beside the example."""


@dataclass(frozen=True, eq=False)
class FlatModule(FlatNetwork):
    """The flat network of a module.

    Attributes
    ----------
    labels : tuple of str
        For each neuron the module and unit that it is: "conv1[12]", "relay 1 of conv1[12]",
        "input[3]", "output[0]".
    shared : tuple of str
        Names of the modules whose neurons are re-used, each with the number of iterations.
    """

    labels: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, Any]:
        """The arguments of `analyse` and `flat_network`."""
        names = ("weights", "biases", "n_inputs", "n_outputs", "n_iterations")
        more = ("positions", "activation", "input_mode", "threshold")
        return {name: getattr(self, name) for name in (*names, *more)}


def from_module(
    module: nn.Module,
    example: Tensor,
    *,
    positions: ArrayLike | None = None,
    nonnegative: bool = False,
) -> FlatModule:
    """A torch module as one flat network: W applied I times, with the same outputs.

    Parameters
    ----------
    module : nn.Module
        With one input and one output tensor. It is copied, and taken in eval mode.
    example : (B, ...) Tensor
        A few inputs. The flat network takes them as rows, `example.flatten(1)`.
    positions : (n_inputs, dim) array, optional
        Of the inputs. By default samples of shape (channels, L) or (channels, H, W) lie on their
        pixels, and so do flat ones that the module itself brings into such a shape.
    nonnegative : bool
        Whether inputs are never below 0. Those that have to wait are then handed on by one relay
        each, where they otherwise need two.

    Returns
    -------
    FlatModule
        A `FlatNetwork` with labels. `analyse(**flat.parts, inputs=...)` judges it. Its threshold is
        0, for zeros are exact. Hidden neurons of convolutions and poolings lie at the centres of
        their receptive fields, in the coordinates of the inputs; those of Linear have no position.

    Raises
    ------
    ValueError
        Naming the module or operation that has no flat form.

    Notes
    -----
    Linear operations without a nonlinearity between them are multiplied: that adds no neurons, and
    so keeps the matrix smallest. The larger of two values is relu(a - b) + b, so that pooling over
    n takes log2 n iterations. Skips are handed on by relays. A loop whose weights are the same at
    every step becomes neurons that are re-used, with a clamped input where every step reads the
    same, and with a register that moves a sequence up where each reads its own.
    """
    samples = _as_rows(example)
    shape = tuple(example.shape[1:])
    given = (
        None if positions is None else as_finite("positions", positions, (samples.shape[1], None))
    )
    if nonnegative and (samples < 0).any():
        raise ValueError("nonnegative: the example holds values below 0")

    reader = Reader(module, shape, given, nonnegative)
    read = reader.read()
    output = with_traces(_in_order(read, reader.inputs), read)
    units = _in_order(output, reader.inputs)
    sharing = share(units, reader.inputs)
    activation = reader.activation or "relu"
    layout = lay_out(units, reader.inputs, output, sharing, activation)

    flat = _flat_module(layout, reader.inputs.size, output.size, sharing, activation)
    _check(flat, reader, samples, nonnegative)
    return flat


def _as_rows(example: Tensor) -> Floats:
    """The example as rows of float64."""
    if not hasattr(example, "detach") or example.ndim < 2 or not len(example):
        raise ValueError("example must be a tensor of shape (B, ...) with at least one sample")
    rows = example.detach().double().cpu().flatten(1).numpy()
    return as_finite("example", rows, (None, None))


def _in_order(output: Value, inputs: Units) -> list[Units]:
    """Every vector that the output depends on but the inputs, each after those that it reads."""
    final = Units("output", output.size, output, None, False)
    needed = ancestors([final]) - {inputs}
    ordered: list[Units] = []
    placed = {inputs}
    # Depth first by hand: a long loop would be too deep for a recursion.
    waiting = sorted(needed, key=lambda u: (u.label, u.size))
    while waiting:
        u = waiting[-1]
        missing = [] if u.value is None else [s for s in u.value.forms if s not in placed]
        if missing and u not in placed:
            waiting += missing
            continue
        waiting.pop()
        if u not in placed:
            placed.add(u)
            ordered.append(u)
    return ordered


def _flat_module(
    layout: Layout, n_inputs: int, n_outputs: int, sharing: Sharing, activation: str
) -> FlatModule:
    return FlatModule(
        layout.weights,
        layout.biases,
        n_inputs,
        n_outputs,
        layout.n_iterations,
        layout.positions,
        activation,
        "clamped" if sharing.clamped else "pulse",
        0.0,
        labels=layout.labels,
        shared=tuple(f"{g.first.label} x {len(g.members)}" for g in sharing.groups),
    )


def _check(flat: FlatModule, reader: Reader, samples: Floats, nonnegative: bool) -> None:
    """Hold a flat network against its module, on the example and on noise of its size."""
    rng = np.random.default_rng(0)
    scale = samples.std() if samples.std() > 0 else 1.0
    noise = samples.mean() + scale * rng.normal(size=(N_PROBES, samples.shape[1]))
    if nonnegative:
        noise = np.abs(noise)

    probes = np.concatenate([samples[:N_PROBES], noise])
    wanted = reader.outputs(probes)
    is_precise = "float64" in str(reader.dtype)
    computed = forward(flat, probes).outputs
    difference = np.abs(computed - wanted).max() / max(1.0, np.abs(wanted).max())
    # Without float64 the module's own rounding comes to it.
    allowed = TOLERANCE if is_precise else 10 * TOLERANCE
    if not difference <= allowed:
        raise ValueError(
            f"module: the flat form differs by {difference:.2g}, more than {allowed:g}; "
            "does its output depend on the batch, on chance or on something beside its input?"
        )
