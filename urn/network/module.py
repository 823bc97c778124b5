"""The URN: one vector of neurons, one dense weight matrix, one bias, applied a few times.

`W[k, i, j]` is the weight *from* neuron j *to* neuron i of member k. The formula stands in
`urn.network.definition`. This module knows neither losses nor training.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from urn.errors import InputError
from urn.network import choose
from urn.network.activation import GAINS
from urn.network.elman import keep_used_blocks
from urn.network.wiring import INPUT_MODES as INPUT_MODES
from urn.network.wiring import Wiring, check_size, is_whole

PARAMETERS = ("weight", "bias", "positions")
"""What a network holds of its neurons beside their ids; positions only where there are any."""


class Activity(NamedTuple):
    """What the neurons did.

    A term that needs the mean only should take `n`: its gradient then never has the size of N.

    Attributes
    ----------
    N : Tensor
        `(K, L, B, n)`: N(1), N(2), ...; L is I - 1, or I where symbols are read (the last one is
        the state to carry).
    n : Tensor
        `(K, L, n)`, the mean of |N| over the batch.
    """

    N: Tensor
    n: Tensor


class URN(nn.Module):
    """K Unstructured Recursive Networks held at once.

    Parameters
    ----------
    n_neurons : int
        S, the length of the vector, inputs and outputs included.
    n_inputs, n_outputs : int
        d_in and d_out. Inputs come first, outputs last.
    n_iterations : int
        I, how often the matrix is applied (symbols per call where it reads a stream, T where it
        reads a sequence of T inputs).
    population : int
        K.
    activation : str
        "relu" or "tanh".
    input_mode : str
        One of `INPUT_MODES`.
    generator : torch.Generator or sequence of them, optional
        For the weights; a sequence has one for each member.
    device, dtype
        Where and how the parameters are held; the draws do not depend on the device.

    Attributes
    ----------
    weight, bias : nn.Parameter
        `(K, n, n)` and `(K, n)` of the n neurons held: S, or fewer when dead ones were removed.
    ids : Tensor
        `(K, n)`, the original neuron behind each row.
    positions : Tensor or None
        `(K, n, dim)`, see `urn.loss.geometry.attach_positions`.
    wiring : Wiring
        What the network is beside these.

    Raises
    ------
    InputError
        Naming the argument that cannot be.
    """

    ids: Tensor
    positions: Tensor | None

    def __init__(
        self,
        n_neurons: int,
        n_inputs: int,
        n_outputs: int,
        n_iterations: int,
        *,
        population: int = 1,
        activation: str = "relu",
        input_mode: str = "pulse",
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ):
        super().__init__()
        self.wiring = Wiring(n_inputs, n_outputs, n_iterations, activation, input_mode)
        check_size("population", population)
        if not is_whole(n_neurons) or n_neurons < n_inputs + n_outputs:
            raise InputError(
                f"n_neurons: {n_neurons!r} cannot hold {n_inputs} inputs and {n_outputs} outputs"
            )
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise InputError(f"dtype: must be a floating point type, not {dtype!r}")
        generators = _a_generator_each(generator, population)

        self.n_neurons = n_neurons
        W = draw_weights(n_neurons, self.wiring, generators)
        # Biases start at zero, and ids name the neuron behind each row.
        self.weight = nn.Parameter(W.to(device, dtype))
        self.bias = nn.Parameter(torch.zeros(population, n_neurons, device=device, dtype=dtype))
        self.register_buffer("ids", torch.arange(n_neurons, device=device).repeat(population, 1))
        self.register_parameter("positions", None)

    @property
    def population(self) -> int:
        """K, the number of networks held."""
        return self.weight.shape[0]

    @property
    def n_inputs(self) -> int:
        """d_in."""
        return self.wiring.n_inputs

    @property
    def n_outputs(self) -> int:
        """d_out."""
        return self.wiring.n_outputs

    @property
    def n_iterations(self) -> int:
        """I, how often W is applied."""
        return self.wiring.n_iterations

    @property
    def activation(self) -> str:
        """The name of phi."""
        return self.wiring.activation

    @property
    def input_mode(self) -> str:
        """When the input neurons are written."""
        return self.wiring.input_mode

    @property
    def hidden(self) -> slice:
        """The hidden neurons among those held."""
        return slice(self.n_inputs, self.weight.shape[1] - self.n_outputs)

    @property
    def outputs(self) -> slice:
        """The output neurons among those held."""
        return slice(self.weight.shape[1] - self.n_outputs, self.weight.shape[1])

    @property
    def acting(self) -> slice:
        """The neurons that act as hidden ones at l = 1..I-1: all but inputs held by their mode.

        After a pulse the input and output neurons are free like any other. Were they spared by a
        term, computation would move into them (on digits every hidden neuron dies, and the 74
        others carry the network).
        """
        if self.input_mode == "elman":
            return self.hidden
        return slice(0 if self.input_mode == "pulse" else self.n_inputs, self.weight.shape[1])

    def unroll(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Activity]:
        """Run the network.

        Parameters
        ----------
        x : Tensor
            `(B, d_in)` for all members alike, or `(K, B, d_in)`; where an input is read at every
            iteration (sequence, stream, elman) `(B, I, d_in)` or `(K, B, I, d_in)`.
        state : Tensor, optional
            `(K, B, n)`, the neurons as an earlier call left them (symbols only).

        Returns
        -------
        y : Tensor
            `(K, B, d_out)`; with symbols `(K, B, I, d_out)`.
        activity : Activity
            What the neurons did.

        Raises
        ------
        InputError
            For a tensor of another shape or type.
        """
        x = self._with_member_axis(x)
        self._check_state(state, x)
        compute = choose.form(self.weight, x, self.wiring).apply

        if self.wiring.reads_one_each:
            x = x.transpose(1, 2)
        if self.wiring.reads_symbols:
            N, n, y = compute(self.weight, self.bias, x, state, self.wiring)
            return y.transpose(1, 2), Activity(N, n)
        N, n, y = compute(self.weight, self.bias, x, self.wiring)
        return y, Activity(N, n)

    def forward(self, x: Tensor) -> Tensor:
        """y of shape `(B, d_out)` for one network, `(K, B, d_out)` for more (see `unroll`)."""
        y, _ = self.unroll(x)
        return y[0] if self.population == 1 else y

    def full(self) -> tuple[Tensor, Tensor]:
        """Weights `(K, S, S)` and biases `(K, S)` at full size, zero for neurons removed."""
        W = [
            rebuild(weight, ids, self.n_neurons, square=True)
            for weight, ids in zip(self.weight.detach(), self.ids, strict=True)
        ]
        b = [
            rebuild(bias, ids, self.n_neurons)
            for bias, ids in zip(self.bias.detach(), self.ids, strict=True)
        ]
        return torch.stack(W), torch.stack(b)

    def _with_member_axis(self, x: Tensor) -> Tensor:
        """x `(K, B, ...)`; InputError unless it fits."""
        axes = 4 if self.wiring.reads_one_each else 3
        if not isinstance(x, Tensor) or x.dtype != self.bias.dtype:
            kind = getattr(x, "dtype", type(x).__name__)
            raise InputError(f"x: must be a tensor of {self.bias.dtype}, not {kind}")

        if x.dim() == axes - 1:
            x = x.expand(self.population, *x.shape)
        if x.dim() != axes or x.shape[-1] != self.n_inputs or x.shape[0] != self.population:
            raise InputError(
                f"x: shape {tuple(x.shape)} does not fit {self.population} x batch x "
                f"{self.n_inputs} inputs"
            )
        if self.wiring.reads_one_each and x.shape[2] != self.n_iterations:
            read = "symbols" if self.wiring.reads_symbols else "inputs in a row"
            raise InputError(f"x: {x.shape[2]} {read} where n_iterations is {self.n_iterations}")
        return x

    def _check_state(self, state: Tensor | None, x: Tensor) -> None:
        """Raise InputError for a state that does not fit the network and x `(K, B, ...)`."""
        if state is None:
            return
        if not self.wiring.reads_symbols:
            raise InputError("state: only a network that reads symbols carries one")
        right = (*x.shape[:2], self.bias.shape[1])
        if tuple(state.shape) != right:
            raise InputError(f"state: must be {right}, not of shape {tuple(state.shape)}")


def draw_weights(n_neurons: int, wiring: Wiring, generators: Sequence[object]) -> Tensor:
    """Normal weights `(K, S, S)`, a generator for each member.

    A column of the input is seen together with d_in others, a hidden one with S others: that is
    the fan-in of each.
    """
    # The variance of a weight is gain / fan-in, He's rule for ReLU.
    gain = GAINS[wiring.activation]
    scale = torch.full((n_neurons,), (gain / n_neurons) ** 0.5)
    scale[: wiring.n_inputs] = (gain / wiring.n_inputs) ** 0.5

    W = torch.empty(len(generators), n_neurons, n_neurons)
    for member, generator in zip(W, generators, strict=True):
        member.normal_(generator=generator).mul_(scale)
    if wiring.input_mode == "elman":
        keep_used_blocks(W, wiring.n_inputs, wiring.n_outputs)
    return W


def _a_generator_each(
    generator: torch.Generator | Sequence[torch.Generator] | None, population: int
) -> list[torch.Generator | None]:
    """A list of one generator a member; InputError where it cannot be."""
    generators: list[torch.Generator | None] = [None] * population
    # A generator for each member, or one that all members draw from in turn.
    if isinstance(generator, Sequence):
        generators = list(generator)
    elif generator is not None:
        generators = [generator] * population

    if len(generators) != population:
        raise InputError(
            f"generator: {len(generators)} generators for a population of {population}"
        )
    if not all(g is None or isinstance(g, torch.Generator) for g in generators):
        raise InputError(
            f"generator: must be a torch.Generator, or one for each member, not {generator!r}"
        )
    return generators


def rebuild(
    values: Tensor, ids: Tensor, size: int, *, square: bool = False, fill: float = 0.0
) -> Tensor:
    """Put values of the neurons held back among all neurons.

    Parameters
    ----------
    values : Tensor
        `(n, ...)`, or with `square` a matrix `(n, n)` that is rebuilt along both axes.
    ids : Tensor
        `(n,)`, the neurons they belong to.
    size : int
        S.
    fill : float
        What the others get.
    """
    if square:
        whole = values.new_full((size, size), fill)
        whole[ids[:, None], ids] = values
    else:
        whole = values.new_full((size, *values.shape[1:]), fill)
        whole[ids] = values
    return whole
