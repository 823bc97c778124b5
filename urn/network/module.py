"""The URN: one vector of neurons, one dense weight matrix, one bias, applied a few times (DESIGN section 1).

`W[k, i, j]` is the weight *from* neuron j *to* neuron i of member k. This module knows neither losses nor training.
"""

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from urn.errors import InputError
from urn.network import firing as active
from urn.network.elman import ElmanUnroll, used_blocks

ACTIVATIONS = {"relu": torch.relu_, "tanh": torch.tanh_}
CHAINS = {
    "relu": lambda g, N, out: torch.ops.aten.threshold_backward.grad_input(g, N, 0, grad_input=out),
    "tanh": lambda g, N, out: torch.ops.aten.tanh_backward.grad_input(g, N, grad_input=out),
}
"""g phi'(P) into `out`, with phi'(P) in terms of N = phi(P), so that only N is kept for the backward pass."""
GAINS = {"relu": 2.0, "tanh": 1.0}
"""He (2015) for ReLU, LeCun (1998) for tanh: variance of a weight times its fan-in."""
PARAMETERS = ("weight", "bias", "positions")
"""What a network holds of its neurons beside their ids; positions only where there are any."""
INPUT_MODES = ("pulse", "clamped", "stream", "elman")
"""Input at l = 0 only; put back at every iteration; a new symbol at every iteration, read out as all iterations are (stream)
or from hidden neurons alone at the same symbol (elman)."""


class Unroll(torch.autograd.Function):
    """N(l+1) = phi(N(l) W^T + b), computing only what can matter, with the weight gradient of all iterations in one product.

    At l = 0 only the input columns of W are used (unless a state is carried in), at l = I only the output rows
    (unless the state is carried on). In "pulse" mode the input is present at l = 0 only; in "clamped" mode it is put
    back at every iteration; in "stream" mode a new symbol is written at every iteration and read out after it.
    """

    @staticmethod
    def forward(ctx, W, b, x, state, n_iterations, n_outputs, mode, activation):
        """Return (N, n, y).

        N (K, L, B, S) holds N(1), N(2), ... and before them the carried state, if any; n (K, L, S) the batch mean of |N|
        without that state; y is (K, B, d_out), or (K, I, B, d_out) in stream mode.
        """
        (K, S), (B, d_in), stream = b.shape, x.shape[-2:], mode == "stream"
        first, last = int(state is None), n_iterations if stream else n_iterations - 1
        out, phi = slice(S - n_outputs, S), ACTIVATIONS[activation]
        symbol = (
            (lambda l: x[:, l]) if stream else (lambda l: x)
        )  # what the input neurons hold at iteration l

        N = W.new_empty(K, last + 1 - first, B, S)  # N[:, l - first] is N(l)
        y = W.new_empty(K, n_iterations, B, n_outputs) if stream else None
        if state is not None:
            N[:, 0] = state
            N[:, 0, :, :d_in] = symbol(0)
        for l in range(n_iterations):
            source, columns = (
                (symbol(0), slice(d_in)) if l < first else (N[:, l - first], slice(None))
            )
            if l == last:  # the read-out: only the output rows
                y = torch.baddbmm(b[:, None, out], source, W[:, out, columns].mT)
                break
            P = torch.baddbmm(b[:, None], source, W[:, :, columns].mT, out=N[:, l + 1 - first])
            if stream:
                y[:, l] = P[..., out]
            phi(P)
            if mode != "pulse" and l + 1 < n_iterations:
                P[..., :d_in] = symbol(l + 1)
        spoken = N[:, 1 - first :]
        n = (spoken if activation == "relu" and mode == "pulse" else spoken.abs()).mean(2)

        ctx.save_for_backward(W, x, N)
        ctx.set_materialize_grads(False)
        ctx.carried, ctx.mode, ctx.activation, ctx.out = state is not None, mode, activation, out
        return N, n, y

    @staticmethod
    @once_differentiable
    def backward(ctx, dN, dn, dy):
        W, x, N = ctx.saved_tensors
        (K, L, B, S), d_in, out, chain = N.shape, x.shape[-1], ctx.out, CHAINS[ctx.activation]
        first, stream = int(not ctx.carried), ctx.mode == "stream"
        want_x, want_state = ctx.needs_input_grad[2], ctx.needs_input_grad[3]
        dx = torch.zeros_like(x) if want_x else None
        if dy is None:
            dy = (
                W.new_zeros(K, L - 1 + first, B, out.stop - out.start)
                if stream
                else W.new_zeros(K, B, out.stop - out.start)
            )

        if L == 0:  # I = 1: the input columns and the output rows are all there is
            dW, db = torch.zeros_like(W), W.new_zeros(K, S)
            dW[:, out, :d_in], db[:, out] = torch.bmm(dy.mT, x), dy.sum(1)
            return (
                dW,
                db,
                torch.bmm(dy, W[:, out, :d_in]) if want_x else None,
                None,
                None,
                None,
                None,
                None,
            )

        dP = torch.empty_like(N)  # dP[:, l] belongs to the pre-activation behind N[:, l]
        Ns, dPs, dn = (
            N.unbind(1),
            dP.unbind(1),
            None if dn is None else (dn / B).unsqueeze(2).unbind(1),
        )
        last, dstate = L - 1, None
        g = (
            torch.zeros_like(N[:, last]) if stream else torch.bmm(dy, W[:, out])
        )  # dL/dN, iteration by iteration
        for l in range(last, -1, -1):
            if dn is not None and l >= 1 - first:
                share = dn[l - 1 + first]
                g += (
                    share
                    if ctx.activation == "relu" and ctx.mode == "pulse"
                    else share * Ns[l].sign()
                )
            if dN is not None:
                g += dN[:, l]
            held = ctx.mode != "pulse" and not (stream and l == last)
            if held or (
                ctx.carried and l == 0
            ):  # overwritten by the input: no gradient to what was there
                if want_x and held:
                    (dx[:, l + first] if stream else dx).add_(g[..., :d_in])
                g[..., :d_in] = 0
            if ctx.carried and l == 0:
                dstate = g
                break
            chain(g, Ns[l], dPs[l])
            if stream:
                dPs[l][..., out] += dy[:, l + first - 1]
            if l > 0:
                g = torch.bmm(dPs[l], W)

        fold = lambda T: T.reshape(
            K, -1, S
        )  # (K, L, B, S) -> (K, L B, S), without a copy for one member
        dW = torch.bmm(fold(dP[:, 1:]).mT, fold(N[:, :-1])) if L > 1 else torch.zeros_like(W)
        db = dP[:, 1 - first :].sum((1, 2))
        if first:
            dW[..., :d_in] += torch.bmm(dP[:, 0].mT, x[:, 0] if stream else x)
            if want_x:
                (dx[:, 0] if stream else dx).add_(torch.bmm(dP[:, 0], W[..., :d_in]))
        if not stream:
            dW[:, out] += torch.bmm(dy.mT, N[:, last])
            db[:, out] += dy.sum(1)
        return dW, db, dx, dstate if want_state else None, None, None, None, None


class Activity(NamedTuple):
    """What the neurons did: `N` `(K, L, B, n)` holds N(1), N(2), ...; `n` `(K, L, n)` the mean of |N| over the batch.

    L is I - 1, or I where symbols are read (the last one is the state to carry). A term that needs the mean only should take
    `n`: its gradient then never has the size of N.
    """

    N: Tensor
    n: Tensor


class URN(nn.Module):
    """K Unstructured Recursive Networks held at once.

    Parameters: `weight` of shape `(K, n, n)`, `bias` of shape `(K, n)`; the buffer `ids` of shape `(K, n)` names the
    original neuron behind each row (n shrinks from S as dead neurons are removed). Inputs come first, outputs last.

    Args:
        n_neurons: S, the length of the vector, inputs and outputs included.
        n_inputs, n_outputs: d_in and d_out.
        n_iterations: I, how often the matrix is applied (symbols per call where it reads a stream).
        population: K.
        activation: "relu" or "tanh".
        input_mode: one of INPUT_MODES.
        generator: a `torch.Generator`, or one for each member.
        device, dtype: where and how the parameters are held; the draws do not depend on the device.

    Raises:
        InputError: naming the argument that cannot be.
    """

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
        for name, value in (
            ("n_inputs", n_inputs),
            ("n_outputs", n_outputs),
            ("n_iterations", n_iterations),
            ("population", population),
        ):
            if not _whole(value) or value < 1:
                raise InputError(f"{name}: must be a whole number of at least 1, not {value!r}")
        if not _whole(n_neurons) or n_neurons < n_inputs + n_outputs:
            raise InputError(
                f"n_neurons: {n_neurons!r} cannot hold {n_inputs} inputs and {n_outputs} outputs"
            )
        if activation not in ACTIVATIONS:
            raise InputError(
                f"activation: must be one of {', '.join(ACTIVATIONS)}, not {activation!r}"
            )
        if input_mode not in INPUT_MODES:
            raise InputError(
                f"input_mode: must be one of {', '.join(INPUT_MODES)}, not {input_mode!r}"
            )
        generators = (
            [generator] * population if not isinstance(generator, Sequence) else list(generator)
        )
        if len(generators) != population:
            raise InputError(
                f"generator: {len(generators)} generators for a population of {population}"
            )
        if not all(one is None or isinstance(one, torch.Generator) for one in generators):
            raise InputError(
                f"generator: must be a torch.Generator, or one for each member, not {generator!r}"
            )
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise InputError(f"dtype: must be a floating point type, not {dtype!r}")

        self.n_neurons, self.n_inputs, self.n_outputs = n_neurons, n_inputs, n_outputs
        self.n_iterations, self.activation, self.input_mode = n_iterations, activation, input_mode
        # He initialisation: a column of the input is seen together with d_in others, a hidden one with S others.
        scale = torch.full((n_neurons,), (GAINS[activation] / n_neurons) ** 0.5)
        scale[:n_inputs] = (GAINS[activation] / n_inputs) ** 0.5
        W = torch.empty(population, n_neurons, n_neurons)
        for member, member_generator in zip(W, generators, strict=True):
            member.normal_(generator=member_generator).mul_(scale)
        if input_mode == "elman":
            used_blocks(W, n_inputs, n_outputs)
        self.weight = nn.Parameter(W.to(device, dtype))
        self.bias = nn.Parameter(torch.zeros(population, n_neurons, device=device, dtype=dtype))
        self.register_buffer("ids", torch.arange(n_neurons, device=device).repeat(population, 1))
        self.register_parameter("positions", None)

    @property
    def population(self) -> int:
        """K, the number of networks held."""
        return self.weight.shape[0]

    @property
    def hidden(self) -> slice:
        """The hidden neurons among those held."""
        return slice(self.n_inputs, self.weight.shape[1] - self.n_outputs)

    @property
    def acting(self) -> slice:
        """The neurons that act as hidden ones at l = 1..I-1: all of them, but for inputs that are held by their mode.

        After a pulse the input and output neurons are free like any other. Were they spared by a regulariser, computation
        would move into them (on digits every hidden neuron dies, and the 74 others carry the network).
        """
        if self.input_mode == "elman":
            return self.hidden
        return slice(0 if self.input_mode == "pulse" else self.n_inputs, self.weight.shape[1])

    @property
    def outputs(self) -> slice:
        """The output neurons among those held."""
        return slice(self.weight.shape[1] - self.n_outputs, self.weight.shape[1])

    def unroll(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Activity]:
        """Run the network and return `(y, activity)`.

        Args:
            x: `(B, d_in)` for all members alike, or `(K, B, d_in)`; where symbols are read (stream, elman) `(B, I, d_in)` or
                `(K, B, I, d_in)`.
            state: `(K, B, n)`, the neurons as an earlier call left them (symbols only).

        Returns:
            y: `(K, B, d_out)`; with symbols `(K, B, I, d_out)`.
            activity: see `Activity`.
        """
        stream = self.input_mode in ("stream", "elman")
        if not isinstance(x, Tensor) or x.dtype != self.bias.dtype:
            raise InputError(
                f"x: must be a tensor of {self.bias.dtype}, not {getattr(x, 'dtype', type(x).__name__)}"
            )
        if x.dim() == (4 if stream else 3) - 1:
            x = x.expand(self.population, *x.shape)
        if (
            x.dim() != (4 if stream else 3)
            or x.shape[-1] != self.n_inputs
            or x.shape[0] != self.population
        ):
            raise InputError(
                f"x: shape {tuple(x.shape)} does not fit {self.population} x batch x {self.n_inputs} inputs"
            )
        if stream and x.shape[2] != self.n_iterations:
            raise InputError(f"x: {x.shape[2]} symbols where n_iterations is {self.n_iterations}")
        if state is not None and not stream:
            raise InputError("state: only a network that reads symbols carries one")
        if state is not None and tuple(state.shape) != (*x.shape[:2], self.bias.shape[1]):
            raise InputError(
                f"state: must be {(*x.shape[:2], self.bias.shape[1])}, not of shape {tuple(state.shape)}"
            )
        if self.input_mode == "elman":
            N, n, y = ElmanUnroll.apply(
                self.weight,
                self.bias,
                x.transpose(1, 2),
                state,
                self.n_outputs,
                ACTIVATIONS[self.activation],
                CHAINS[self.activation],
            )
            return y.transpose(1, 2), Activity(N, n)
        of_firing = active.way(self.weight, x, self.n_iterations, self.activation, self.input_mode)
        if of_firing:
            N, n, y = of_firing.apply(self.weight, self.bias, x, self.n_iterations, self.n_outputs)
            return y, Activity(N, n)
        N, n, y = Unroll.apply(
            self.weight,
            self.bias,
            x.transpose(1, 2) if stream else x,
            state,
            self.n_iterations,
            self.n_outputs,
            self.input_mode,
            self.activation,
        )
        return (y.transpose(1, 2) if stream else y), Activity(N if state is None else N[:, 1:], n)

    def forward(self, x: Tensor) -> Tensor:
        """y of shape `(B, d_out)` for one network, `(K, B, d_out)` for a population (see `unroll`)."""
        y, _ = self.unroll(x)
        return y[0] if self.population == 1 else y

    def full(self) -> tuple[Tensor, Tensor]:
        """Weights `(K, S, S)` and biases `(K, S)` at full size, zero for neurons that were removed."""
        W = [
            rebuild(w, i, self.n_neurons, square=True)
            for w, i in zip(self.weight.detach(), self.ids, strict=True)
        ]
        b = [
            rebuild(b, i, self.n_neurons) for b, i in zip(self.bias.detach(), self.ids, strict=True)
        ]
        return torch.stack(W), torch.stack(b)


def _whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def rebuild(
    values: Tensor, ids: Tensor, size: int, *, square: bool = False, fill: float = 0.0
) -> Tensor:
    """Put what is known of the neurons `ids` `(n,)` back among all `size` of them; a matrix `(n, n)` along both axes."""
    if square:
        whole = values.new_full((size, size), fill)
        whole[ids[:, None], ids] = values
    else:
        whole = values.new_full((size, *values.shape[1:]), fill)
        whole[ids] = values
    return whole
