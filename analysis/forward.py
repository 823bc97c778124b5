"""The network of DESIGN section 1 run on plain arrays. No training, no gradients."""

import numpy as np

PHI = {"relu": lambda z: np.maximum(z, 0.0), "tanh": np.tanh}


def forward(
    weights,
    biases,
    inputs,
    n_iterations,
    *,
    n_outputs,
    input_mode="pulse",
    activation="relu",
    keep=None,
    fill=None,
):
    """N(0) = [x; 0], N(l+1) = phi(N(l) W^T + b), read-out without phi.

    Parameters
    ----------
    weights : (S, S) array or scipy sparse array, `weights[i, j]` from neuron j to neuron i.
    biases : (S,) array.
    inputs : (B, n_inputs) array.
    keep, fill : (I + 1, S) arrays or None. Where `keep` is False the activity is replaced by `fill` (0 without `fill`):
        a lesion that acts at one iteration only.

    Returns
    -------
    activity : (I + 1, B, S), N(l); at l = I the pre-activation.
    preactivation : (I + 1, B, S), zero at l = 0.
    outputs : (B, n_outputs).
    """
    n_batch, n_inputs = inputs.shape
    n_neurons = weights.shape[0]
    phi = PHI[activation]
    state = np.zeros((n_batch, n_neurons))
    state[:, :n_inputs] = inputs
    activity = np.empty((n_iterations + 1, n_batch, n_neurons))
    before = np.zeros_like(activity)
    for l in range(n_iterations + 1):
        if l > 0:
            before[l] = (weights @ state.T).T + biases
            state = before[l] if l == n_iterations else phi(before[l])
            if input_mode == "clamped" and l < n_iterations:
                state[:, :n_inputs] = inputs
        if keep is not None:
            state = np.where(keep[l], state, 0.0 if fill is None else fill[l])
        activity[l] = state
    return activity, before, activity[-1][:, n_neurons - n_outputs :]
