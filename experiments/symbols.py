"""The growing networks of Miconi 2016 on streams of symbols.

Settings, entropy floors, and the numbers of each network.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from analysis.plots import growth_curves
from urn import Run, TrainConfig
from urn.data.batches import task_losses
from urn.data.tasks import Dataset, Split

# Symbols in an update; losses are in nats over so many, as in the paper.
STRETCH = 40
# Settings of `growth` that differ from the defaults. The paper's program sums its loss over a
# stretch, ours is the mean, hence the division.
PAPERS_RULE: dict[str, Any] = {"cap": 99, "newborn_second_moment": 0.01 / STRETCH**2}
# Settings of `growth` with which no neuron is born and none dies.
FIXED = {"add_probability": 0, "delete_probability": 0, "spontaneous_probability": 0}
# Loss on the hard grammar of a network that reverses a group yet does not know whether its flip
# was used (docs/experiments.md).
NO_MEMORY_OF_FLIPS = 13.517
# Symbols of a split on which the loss is measured. By judgement: a hundred stretches.
MEASURED_SYMBOLS = 4_000


def floor(grammar: str, p: float = 0.6) -> float:
    """Entropy of a stretch in nats: no network can do better on average.

    Parameters
    ----------
    grammar : str
        "easy": after each `ab` a coin with probability p, 1/(1-p) coins and 2/(1-p) + 2 symbols a
        group. "hard": one of six letters is flipped, ln 6 a group of eight symbols.
    p : float
        The coin of the easy grammar.
    """
    if grammar == "hard":
        return STRETCH * np.log(6) / 8
    coin = -p * np.log(p) - (1 - p) * np.log(1 - p)
    return STRETCH * coin / (2 + 2 * (1 - p))


def papers(grammar: str, steps: int, **changes: Any) -> TrainConfig:
    """The paper's network: tanh, one stream, from one neuron.

    RMSProp with clipped changes, outgoing weights priced. `changes` replace fields.
    """
    fields: dict[str, Any] = {
        "task": f"miconi_{grammar}",
        "task_options": {"n_streams": 100, "length": 8_000},
        "input_mode": "elman",
        "activation": "tanh",
        "n_neurons": 99 + 8,
        "n_iterations": STRETCH,
        "batch_size": 1,
        "steps": steps,
        "optimiser": "rmsprop",
        "learning_rate": 1e-2,
        "betas": (0.0, 0.99),
        "epsilon": 1e-8 / STRETCH**2,
        "clip": 1e-2,
        "strengths": {"outgoing": 1e-4},
        "growth": PAPERS_RULE,
        "remove_dead": False,
        "log_every": max(1, steps // 50),
        "check_every": max(1, steps // 100),
        "snapshots": 0,
    }

    return TrainConfig(**fields | changes)


def switching(parts: tuple[str, ...], steps: int, **changes: Any) -> TrainConfig:
    """The same on one stream whose grammar changes, in equal parts."""
    options = {"parts": list(parts), "length": STRETCH * steps + 1}
    return papers("switch", steps, **{"task_options": options} | changes)


def ours(grammar: str, steps: int, **changes: Any) -> TrainConfig:
    """Our policy: a reserve of eight that fills ten times as fast, and four streams at once.

    At half the step. Neither does it alone (docs/experiments.md): a network that reverses groups
    but does not know whether its flip was used needs a neuron that compares the letter it expects
    with the one it reads. More neurons on offer make one likelier to be there, and the gradient
    must be clean enough for it to be asked for before it is deleted.
    """
    policy = {
        "batch_size": 4,
        "learning_rate": 5e-3,
        "growth": PAPERS_RULE | {"reserve": 8, "add_probability": 0.1},
    }
    return papers(grammar, steps, **policy | changes)


@torch.no_grad()
def stretch_loss(run: Run, split: Split, symbols: int = MEASURED_SYMBOLS) -> float:
    """Mean loss of a stretch on the first symbols of a split, the state carried over.

    Parameters
    ----------
    run : Run
        A network on streams.
    split : tuple
        Inputs `(streams, length, symbols)` and targets `(streams, length)`.
    symbols : int
        How many symbols of each stream.

    Returns
    -------
    float
        In nats over STRETCH symbols.
    """
    net = run.network()
    state = None
    losses = []
    X, y = split
    X = X.to(net.bias)
    for t in range(0, min(symbols, X.shape[1] - STRETCH + 1), STRETCH):
        output, activity = net.unroll(X[:, t : t + STRETCH], state)
        losses.append(float(task_losses(output, y[:, t : t + STRETCH], "stream")))
        state = activity.N[:, -1]

    return STRETCH * float(np.mean(losses))


def measure(run: Run, data: Dataset) -> dict[str, Any]:
    """Size and loss over training and at the end."""
    sizes = _sizes(run)
    return {
        "neurons": sizes[-1],
        "most neurons": max(sizes),
        "loss of a stretch": stretch_loss(run, data.test),
        "test accuracy": run.test_accuracy,
        "sizes": sizes,
        "losses": _losses(run),
    }


def _sizes(run: Run) -> list[int]:
    """Hidden neurons, a number a row of the history."""
    return [row["living_neurons"] for row in run.history]


def _losses(run: Run) -> list[float]:
    """Running mean of the loss of a stretch, a number a row of the history."""
    return [STRETCH * row["loss_mean"] for row in run.history]


def at(values: list[float], part: float) -> float:
    """The value when this part of training is over."""
    return values[max(0, round(part * len(values)) - 1)]


def curves(runs: Mapping[str, list[Run]], floors: Mapping[str, float]) -> Figure:
    """Draw loss and size over time, medians and quartiles of every arm.

    Parameters
    ----------
    runs : dict
        {arm: runs of its seeds}.
    floors : dict
        {name: loss} of lines that no curve can cross.
    """
    steps = {arm: [row["step"] for row in seeds[0].history] for arm, seeds in runs.items()}
    losses = {arm: [_losses(run) for run in seeds] for arm, seeds in runs.items()}
    sizes = {arm: [_sizes(run) for run in seeds] for arm, seeds in runs.items()}
    panels = {"loss of a stretch, nats": losses, "neurons": sizes}
    return growth_curves(steps, panels, floors=floors)
