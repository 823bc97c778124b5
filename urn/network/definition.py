"""The network as its formula says it: what every fast form has to agree with.

    N(0) = [x ; 0],    N(l+1) = phi(N(l) W^T + b),    y = the last d_out entries of N(I-1) W^T + b

A row of N is a sample: hence N W^T + b where the README, for one sample, has W N + b. y is taken
before phi. This is a pulse: x stands in the input neurons at l = 0 only. The other input modes:

    clamped   the input neurons of every N(l) are x
    sequence  those of N(l) are x(l), the l-th of I inputs
    stream    those of N(l) are the symbol x(l), and every iteration is read out
    elman     h(t) = phi(W_hx x(t) + W_hh h(t-1) + b_h),   y(t) = W_oh h(t) + b_o

The last two read symbols, one at every iteration, and a call may go on from the state of the last
one; a sequence begins with N(0) = [x(0) ; 0]. In shapes, K counts members (networks that are
computed together, each with a W of its own), B the samples of a batch, and L the states that are
returned: I - 1, or I where symbols are read.

Plain torch, differentiated by autograd. Only the tests run this; training uses equal, faster forms,
picked in `urn.network.choose`. A fast form returns `(N, n, y)`, where n is the batch mean of |N|;
the functions here return `(y, N)`.
"""

import torch
from torch import Tensor

from urn.network.wiring import Wiring


def unroll(
    W: Tensor, b: Tensor, x: Tensor, wiring: Wiring, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Apply W `(K, S, S)` and b `(K, S)` I times.

    Parameters
    ----------
    W, b : Tensor
        `W[k, i, j]` is the weight from neuron j to neuron i of member k.
    x : Tensor
        `(K, B, d_in)`; `(K, I, B, d_in)` where symbols or a sequence are read.
    wiring : Wiring
        d_in, d_out, I, phi and the input mode.
    state : Tensor, optional
        `(K, B, S)`, the neurons before the first symbol; zero if left out, and of a sequence.

    Returns
    -------
    y : Tensor
        `(K, B, d_out)`; `(K, I, B, d_out)` where symbols are read.
    N : Tensor
        `(K, L, B, S)`: N(1), ..., N(I-1), and N(I) where symbols are read.
    """
    if wiring.input_mode == "elman":
        return elman(W, b, x, wiring, state)

    phi = {"relu": torch.relu, "tanh": torch.tanh}[wiring.activation]
    N = W.new_zeros(*x.shape[:1], x.shape[-2], W.shape[-1]) if state is None else state
    states = []  # N(0), ..., N(I-1)
    read = []  # what stands at the outputs after each application of W

    for l in range(wiring.n_iterations):
        # A pulse writes the input once; the other modes write over what W has put there.
        if l == 0 or wiring.input_mode != "pulse":
            written = x[:, l] if wiring.reads_one_each else x
            N = torch.cat([written, N[..., wiring.n_inputs :]], -1)
        states.append(N)

        P = N @ W.mT + b[:, None]
        read.append(P[..., -wiring.n_outputs :])
        N = phi(P)

    # N(0) is the input. A stream has N(I) in addition: the state that the next call goes on from.
    if wiring.input_mode == "stream":
        return torch.stack(read, 1), torch.stack([*states[1:], N], 1)
    return read[-1], torch.stack(states, 1)[:, 1:]


def elman(
    W: Tensor, b: Tensor, x: Tensor, wiring: Wiring, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """h(t) = phi(W_hx x(t) + W_hh h(t-1) + b_h), y(t) = W_oh h(t) + b_o; shapes as in `unroll`."""
    phi = {"relu": torch.relu, "tanh": torch.tanh}[wiring.activation]
    d_in, d_out = wiring.n_inputs, wiring.n_outputs
    hidden = slice(d_in, W.shape[-1] - d_out)
    h = torch.zeros_like(b[:, None, hidden]) if state is None else state[..., hidden]
    states = []
    read = []

    for symbol in x.unbind(1):
        P = symbol @ W[:, hidden, :d_in].mT + h @ W[:, hidden, hidden].mT
        h = phi(P + b[:, None, hidden])
        read.append(h @ W[:, -d_out:, hidden].mT + b[:, None, -d_out:])
        states.append(torch.nn.functional.pad(h, (d_in, d_out)))  # inputs and outputs are zero

    return torch.stack(read, 1), torch.stack(states, 1)
