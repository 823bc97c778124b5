"""How well a network answers: the loss of a batch, accuracy and R2 of a whole split."""

import torch
from torch import Tensor
from torch.nn import functional

from urn.data.dataset import Split
from urn.network.module import URN

ENTRIES = 1 << 19
"""Activity that `evaluate` holds at once, in numbers: 2 MiB of float32, about a second-level cache.
By judgement."""

FEWEST_SAMPLES = 32
"""Samples that `evaluate` takes at once, however large the population. By judgement: fewer leave a
matrix product with too little to do."""


def task_losses(output: Tensor, y: Tensor, kind: str) -> Tensor:
    """Loss of every member of a population, mean over the batch.

    Parameters
    ----------
    output : Tensor
        `(K, B, d_out)`; of streams `(K, B, T, d_out)`.
    y : Tensor
        `(K, B)` classes, `(K, B, T)` symbols or `(K, B, d_out)` targets.
    kind : {"classification", "regression", "stream"}
        Regression takes the mean squared error; the others cross-entropy, in nats.

    Returns
    -------
    Tensor
        `(K,)`.
    """
    if kind == "regression":
        return (output - y).square().mean((1, 2))

    K = output.shape[0]
    classes = output.shape[-1]
    # With the batch as the last axis, torch sums the classes of many samples at a time.
    scores = output.reshape(K, -1, classes).mT
    return functional.cross_entropy(scores, y.reshape(K, -1), reduction="none").mean(1)


@torch.no_grad()
def evaluate(net: URN, split: Split, kind: str, entries: int = ENTRIES) -> Tensor:
    """Accuracy, or R^2 for regression, of every member of a population on a split.

    Parameters
    ----------
    net : URN
        The population.
    split : pair of Tensor
        X and y of a `Dataset`.
    kind : {"classification", "regression", "stream"}
        What y holds; R^2 is the mean over outputs.
    entries : int
        Bound of the activity held at once: samples x neurons x members.

    Returns
    -------
    Tensor
        `(K,)`.
    """
    X, y = (T.to(net.bias) if T.is_floating_point() else T.to(net.bias.device) for T in split)
    if kind == "stream":
        return _stream_accuracy(net, X, y)

    output = answers(net, X, entries)
    if kind == "classification":
        return (output.argmax(-1) == y).double().mean(1)

    # R^2 of each output: the share of variance that is left, taken from one.
    residual = (output - y).square().sum(1)
    total = (y - y.mean(0)).square().sum(0)
    return (1 - residual / total.clamp_min(torch.finfo(y.dtype).tiny)).mean(1)


@torch.no_grad()
def answers(net: URN, X: Tensor, entries: int = ENTRIES) -> Tensor:
    """y `(K, N, d_out)` of samples X `(N, d_in)`, or `(N, T, d_in)` of sequences.

    `entries` bounds the activity held at once, in numbers.
    """
    # Of a sequence all iterations are held.
    steps = net.n_iterations if net.wiring.reads_one_each else 1
    parts = X.split(max(FEWEST_SAMPLES, entries // (net.bias.numel() * steps)))
    # The output is a view that keeps all of N in memory: clone it.
    return torch.cat([net.unroll(part)[0].clone() for part in parts], 1)


def _stream_accuracy(net: URN, X: Tensor, y: Tensor) -> Tensor:
    """Share of symbols that were foretold, `(K,)`; the state is carried from window to window."""
    n_symbols = net.n_iterations
    starts = range(0, X.shape[1] - n_symbols + 1, n_symbols)
    hits = torch.zeros(net.bias.shape[0], dtype=torch.int64, device=X.device)
    state: Tensor | None = None

    for start in starts:
        window = slice(start, start + n_symbols)
        output, activity = net.unroll(X[:, window], state)
        hits = hits + (output.argmax(-1) == y[:, window]).sum((1, 2))
        state = activity.N[:, -1]

    return hits / max(1, len(starts) * n_symbols * len(X))
