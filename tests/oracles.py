"""The formulas of docs/theory.md as float64 NumPy loops, neuron by neuron where that is clearest.

Slow, and hard to get wrong.
"""

import numpy as np


def forward(W, b, x, n_iterations, n_outputs, activation="relu", input_mode="pulse"):
    """One network, one sample x (d_in,). Returns y (d_out,) and N(1), ..., N(I-1), each (S,)."""
    S, d_in = len(b), len(x)
    phi = {"relu": lambda p: max(p, 0.0), "tanh": np.tanh}[activation]
    N = np.zeros(S)
    N[:d_in] = x
    activity = []
    for _ in range(n_iterations):
        P = np.array([sum(W[i, j] * N[j] for j in range(S)) + b[i] for i in range(S)])
        N = np.array([phi(p) for p in P])
        if input_mode == "clamped":
            N[:d_in] = x
        activity.append(N)
    return P[S - n_outputs :], activity[:-1]


def symbols(W, b, x, state, n_outputs, input_mode):
    """One tanh network, one stream x (I, d_in). Returns y (I, d_out) and N(1), ..., N(I), (I, S).

    What stands at the inputs is the symbol to come; in elman mode hidden neurons alone act.
    """
    S, I, d_in = len(b), len(x), x.shape[1]
    hidden = range(d_in, S - n_outputs)
    N = np.array([state[i] if i in hidden or input_mode == "stream" else 0.0 for i in range(S)])
    y, states = [], []

    for t in range(I):
        N[:d_in] = x[t]
        P = np.array([sum(W[i, j] * N[j] for j in range(S)) + b[i] for i in range(S)])
        if input_mode == "stream":
            N = np.tanh(P)
            y.append(P[S - n_outputs :])
        else:
            N = np.array([np.tanh(P[i]) if i in hidden else 0.0 for i in range(S)])
            y.append([sum(W[i, j] * N[j] for j in hidden) + b[i] for i in range(S - n_outputs, S)])
        after = N.copy()
        if input_mode == "stream" and t + 1 < I:
            after[:d_in] = x[t + 1]
        states.append(after)
    return np.array(y), np.array(states)


def sequence(W, b, x, n_outputs, activation="relu"):
    """One network, one sequence x (I, d_in). Returns y (d_out,) and N(1), ..., N(I-1)."""
    S, d_in = len(b), x.shape[1]
    phi = {"relu": lambda p: max(p, 0.0), "tanh": np.tanh}[activation]
    N = np.zeros(S)
    activity = []
    for written in x:
        N[:d_in] = written
        activity.append(N.copy())
        P = np.array([sum(W[i, j] * N[j] for j in range(S)) + b[i] for i in range(S)])
        N = np.array([phi(p) for p in P])
    return P[S - n_outputs :], activity[1:]


def loss(
    W,
    b,
    X,
    labels,
    n_iterations,
    n_outputs,
    strengths,
    *,
    positions=None,
    power=1.0,
    floor=0.0,
    w0=0.0,
    rounding=0.1,
):
    """The whole general loss for one ReLU network with pulse input (all terms but symmetry)."""
    S, B = len(b), len(X)
    task, activity = 0.0, []
    for x, label in zip(X, labels, strict=True):
        y, N = forward(W, b, x, n_iterations, n_outputs)
        task += np.log(np.exp(y - y.max()).sum()) + y.max() - y[label]
        activity.append(N)
    n = np.abs(np.array(activity)).mean(0)  # (I-1, S): mean activity of neuron i at iteration l
    ends = np.zeros((2, S))  # inputs have spoken at l = 0, outputs will at l = I
    ends[0, : X.shape[1]] = ends[1, S - n_outputs :] = 1
    spoken = np.concatenate([ends[:1], n, ends[1:]])

    def distance(i, j):
        if np.isnan(positions[i]).any() or np.isnan(positions[j]).any():
            return 0.0
        return np.sqrt(((positions[i] - positions[j]) ** 2).sum())

    terms = {
        "weight": np.abs(W).sum(),
        "bias": np.abs(b).sum(),
        "activity": n.sum(),
        "depth": sum(
            np.sqrt(m.sum() ** 2 - (m**2).sum() + rounding**2) - rounding for m in spoken.T
        ),
        "self": sum(abs(W[i, i] - w0) for i in range(S)),
        "locality": 0.0
        if positions is None
        else sum(
            abs(W[i, j]) * (distance(i, j) ** power + floor) for i in range(S) for j in range(S)
        ),
    }
    return task / B + sum(c * terms[name] for name, c in strengths.items())
