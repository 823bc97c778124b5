"""The part of a trained network that can matter: a smaller URN with the same outputs for every input."""

from dataclasses import dataclass

import torch
from torch import Tensor

from urn.network.module import URN

SYMBOL_MODES = ("stream", "elman")
"""A new symbol at every iteration, and a state that is carried on."""


@dataclass(frozen=True)
class Living:
    """A URN of the n neurons that can influence an output; inputs first, outputs last, as before.

    Attributes:
        ids: `(n,)`, which neurons of the whole network they are.
        weights, biases: `(n, n)` and `(n,)`.
        connections: weights that are not zero.
        neurons, parameters, multiply_adds: of the whole network and of this one. Parameters are all weights and biases held,
            multiply-adds those of one sample (of one symbol, where symbols are read) when the matrices are taken as dense.
    """

    ids: Tensor
    weights: Tensor
    biases: Tensor
    form: dict
    neurons: tuple[int, int]
    parameters: tuple[int, int]
    multiply_adds: tuple[int, int]

    @property
    def connections(self) -> int:
        """Weights that are not zero."""
        return int(torch.count_nonzero(self.weights))

    def network(self) -> URN:
        """The smaller network, ready to be called."""
        return network_of(self.weights, self.biases, **self.form)

    def __str__(self) -> str:
        sizes = zip(
            ("neurons", "parameters", "multiply-adds"),
            (self.neurons, self.parameters, self.multiply_adds),
            strict=True,
        )
        return ", ".join(f"{name} {before:,} -> {after:,}" for name, (before, after) in sizes)


def living_part(weights: Tensor, biases: Tensor, **form) -> Living:
    """The `Living` part of a network with weights `(S, S)` and biases `(S,)`.

    A neuron stays if at some iteration it may be other than zero and still has a way to an output in exactly the
    iterations that are left (where a state is carried: any way). Inputs and outputs always stay. `form` is as for `network_of`.
    """
    S, d_in, d_out = len(biases), form["n_inputs"], form["n_outputs"]
    linked, neuron, steps = weights != 0, torch.arange(S), form["n_iterations"]
    inputs, outputs = neuron < d_in, neuron >= S - d_out
    own = biases > 0 if form["activation"] == "relu" else biases != 0
    stream = form["input_mode"] in SYMBOL_MODES
    held = torch.zeros_like(inputs) if form["input_mode"] == "pulse" else inputs
    active, heard = [inputs], [outputs]
    for _ in range(S if stream else steps):
        active.append((linked & active[-1]).any(1) | own | held)
        heard.append((linked & heard[-1][:, None]).any(0))
        if stream:  # states are carried: whatever may happen at one step may happen later
            active[-1], heard[-1] = active[-1] | active[-2], heard[-1] | heard[-2]
            if torch.equal(active[-1], active[-2]) and torch.equal(heard[-1], heard[-2]):
                break
    pairs = [(active[-1], heard[-1])] if stream else zip(active[:-1], heard[:0:-1], strict=True)
    keep = inputs | outputs
    for may_act, matters in pairs:
        keep = keep | (may_act & matters)
    ids = keep.nonzero().flatten()
    n = len(ids)

    def multiply_adds(size: int) -> int:
        if stream:
            return size * size
        return d_in * d_out if steps == 1 else size * (d_in + (steps - 2) * size + d_out)

    return Living(
        ids,
        weights[ids][:, ids],
        biases[ids],
        form,
        (S, n),
        (S * S + S, n * n + n),
        (multiply_adds(S), multiply_adds(n)),
    )


def network_of(weights: Tensor, biases: Tensor, **form) -> URN:
    """A URN with weights `(S, S)` and biases `(S,)`; `form` are n_inputs, n_outputs, n_iterations, activation, input_mode."""
    net = URN(len(biases), generator=torch.Generator().manual_seed(0), dtype=weights.dtype, **form)
    with torch.no_grad():
        net.weight.copy_(weights)
        net.bias.copy_(biases)
    return net
