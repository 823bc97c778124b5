"""The part of a trained network that can matter: a smaller URN, same outputs for every input."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from urn.network.module import URN
from urn.network.wiring import Wiring
from urn.population.population import AXES, Slots, taken


@dataclass(frozen=True)
class MinimalNetwork:
    """A URN of the n neurons that can influence an output; inputs first, outputs last, as before.

    Attributes
    ----------
    ids : (n,) tensor
        Which neurons of the whole network they are.
    weights, biases : (n, n) and (n,) tensors
    wiring : Wiring
        That of the whole network.
    neurons, parameters, multiply_adds : (int, int)
        Of the whole network and of this one. Parameters are all weights and biases held,
        multiply-adds those of one sample (of one symbol, where symbols are read) when matrices
        are taken as dense.
    """

    ids: Tensor
    weights: Tensor
    biases: Tensor
    wiring: Wiring
    neurons: tuple[int, int]
    parameters: tuple[int, int]
    multiply_adds: tuple[int, int]

    @property
    def connections(self) -> int:
        """Weights that are not zero."""
        return int(torch.count_nonzero(self.weights))

    def network(self) -> URN:
        """The smaller network, ready to be called."""
        return network_of(self.weights, self.biases, self.wiring)

    def __str__(self) -> str:
        sizes = {
            "neurons": self.neurons,
            "parameters": self.parameters,
            "multiply-adds": self.multiply_adds,
        }
        return ", ".join(
            f"{name} {before:,} -> {after:,}" for name, (before, after) in sizes.items()
        )


def minimal_network(weights: Tensor, biases: Tensor, wiring: Wiring) -> MinimalNetwork:
    """The part of a network that can matter for any input.

    A neuron stays if at some iteration it may be other than zero and still has a path to an
    output in exactly the iterations that are left (where a state is carried: any path). Inputs
    and outputs stay.

    Parameters
    ----------
    weights, biases : (S, S) and (S,) tensors
    wiring : Wiring
    """
    S = len(biases)
    neuron = torch.arange(S)
    stays = (neuron < wiring.n_inputs) | (neuron >= S - wiring.n_outputs)
    for may_fire, matters in _moments(weights, biases, wiring):
        stays = stays | (may_fire & matters)

    ids = stays.nonzero().flatten()
    n = len(ids)
    slots = Slots(ids[None], S)
    return MinimalNetwork(
        ids,
        taken(weights[None], AXES["weight"], None, slots)[0],
        taken(biases[None], AXES["bias"], None, slots)[0],
        wiring,
        neurons=(S, n),
        parameters=(S * S + S, n * n + n),
        multiply_adds=(_multiply_adds(S, wiring), _multiply_adds(n, wiring)),
    )


def _moments(weights: Tensor, biases: Tensor, wiring: Wiring) -> Iterable[tuple[Tensor, Tensor]]:
    """For iterations l = 0..I-1: which neurons may be other than zero, and from which a path of I
    - l steps leads to an output, `(S,)` boolean each. Of streams one pair: states are carried, so
    what may
    happen at one iteration may happen at any later one."""
    linked = weights != 0
    neuron = torch.arange(len(biases))
    inputs = neuron < wiring.n_inputs
    outputs = neuron >= len(biases) - wiring.n_outputs
    own = biases > 0 if wiring.activation == "relu" else biases != 0
    clamped = torch.zeros_like(inputs) if wiring.input_mode == "pulse" else inputs

    # Both recursions, forwards from the inputs and backwards from the outputs, at once.
    fires = [inputs]
    matters = [outputs]
    for _ in range(len(biases) if wiring.reads_symbols else wiring.n_iterations):
        fires.append((linked & fires[-1]).any(1) | own | clamped)
        matters.append((linked & matters[-1][:, None]).any(0))
        if wiring.reads_symbols:
            fires[-1] = fires[-1] | fires[-2]
            matters[-1] = matters[-1] | matters[-2]
            if torch.equal(fires[-1], fires[-2]) and torch.equal(matters[-1], matters[-2]):
                break

    # A neuron at iteration l has I - l iterations left; the outputs are read after the last one.
    if wiring.reads_symbols:
        return [(fires[-1], matters[-1])]
    return zip(fires[:-1], matters[:0:-1], strict=True)


def _multiply_adds(size: int, wiring: Wiring) -> int:
    """Multiply-adds of a sample, or of a symbol of a stream, in a dense network of that size."""
    if wiring.reads_symbols:
        return size * size
    # At l = 0 only the input columns of W are used, at l = I only the output rows.
    if wiring.n_iterations == 1:
        return wiring.n_inputs * wiring.n_outputs
    return size * (wiring.n_inputs + (wiring.n_iterations - 2) * size + wiring.n_outputs)


def network_of(weights: Tensor, biases: Tensor, wiring: Wiring) -> URN:
    """A URN with weights `(S, S)` and biases `(S,)`."""
    net = URN(
        len(biases),
        generator=torch.Generator().manual_seed(0),
        dtype=weights.dtype,
        **wiring.to_dict(),
    )
    with torch.no_grad():
        net.weight.copy_(weights)
        net.bias.copy_(biases)
    return net
