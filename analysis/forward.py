"""The network run on plain arrays (docs/theory.md: network). No training, no gradients."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from analysis.arrays import Bools, Floats
from analysis.network import FlatNetwork


def _relu(z: Floats) -> Floats:
    return np.maximum(z, 0.0)


PHI: dict[str, Callable[[Floats], Floats]] = {"relu": _relu, "tanh": np.tanh}
"""The nonlinearity of each name in `analysis.network.ACTIVATIONS`."""


class Trace(NamedTuple):
    """What a network does on a batch of B inputs.

    Attributes
    ----------
    activity : (I + 1, B, S) array
        N(l); at l = I the pre-activation.
    preactivation : (I + 1, B, S) array
        Zero at l = 0.
    outputs : (B, n_outputs) array
    """

    activity: Floats
    preactivation: Floats
    outputs: Floats


def forward(
    net: FlatNetwork, inputs: Floats, *, keep: Bools | None = None, fill: Floats | None = None
) -> Trace:
    """N(0) = [x; 0], N(l + 1) = phi(N(l) W^T + b), read-out without phi.

    Parameters
    ----------
    net : FlatNetwork
        Its weights may be sparse.
    inputs : (B, n_inputs) array
        Of sequences (B, I, n_inputs).
    keep : (I + 1, S) bool array, optional
    fill : (I + 1, S) or (I + 1, B, S) array, optional
        Where `keep` is False the activity is replaced by `fill` (0 without `fill`), one value for
        all samples or one for each: a lesion that acts at one iteration only.

    Returns
    -------
    Trace
    """
    phi = PHI[net.activation]
    last = net.n_iterations
    # What is written at l; a sequence has an input for each, the others have the same one.
    is_sequence = net.input_mode == "sequence"
    written = inputs.swapaxes(0, 1) if is_sequence else [inputs] * last
    state = np.zeros((len(inputs), net.n_neurons))
    state[:, : net.n_inputs] = written[0]
    activity = np.empty((last + 1, *state.shape))
    preactivation = np.zeros_like(activity)

    # The read-out is linear, and no input is written into it.
    for l in range(last + 1):
        if l > 0:
            preactivation[l] = (net.weights @ state.T).T + net.biases
            state = preactivation[l] if l == last else phi(preactivation[l])
            if net.input_mode != "pulse" and l < last:
                state[:, : net.n_inputs] = written[l]
        # A node that is not kept holds its fill, whatever it would compute.
        if keep is not None:
            state = np.where(keep[l], state, 0.0 if fill is None else fill[l])
        activity[l] = state

    return Trace(activity, preactivation, activity[-1][:, net.n_neurons - net.n_outputs :])
