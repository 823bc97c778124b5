"""The growing networks of Miconi 2016 on streams of symbols: settings, entropy floors, and what is
measured of each of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from analysis.plots import growth_curves
from urn import Run, TrainConfig
from urn.data.scores import task_losses
from urn.data.tasks import Dataset, Split

STRETCH = 40
"""Symbols in an update; losses are in nats over so many, as in the paper."""
PAPERS_RULE = {"cap": 99, "newborn_second_moment": 0.01 / STRETCH**2}
"""What `growth` is not by default; the paper's program sums its loss over a stretch, ours is the
mean, hence the division."""
# Chances of a network that keeps its size.
FIXED = {"add_probability": 0, "delete_probability": 0, "spontaneous_probability": 0}


def floor(grammar: str, p: float = 0.6) -> float:
    """Entropy of a stretch: no network can do better on average.

    easy: after each `ab` a coin with probability p, 1/(1-p) coins and 2/(1-p) + 2 symbols a group;
    hard: one of six letters is flipped, ln 6 a group of eight symbols."""
    if grammar == "hard":
        return STRETCH * np.log(6) / 8
    # Coins a symbol, 1/(1-p) over 2/(1-p) + 2, with both multiplied by 1 - p.
    coin = -p * np.log(p) - (1 - p) * np.log(1 - p)
    return STRETCH * coin / (2 + 2 * (1 - p))


NO_MEMORY_OF_FLIPS = 13.517
"""What is left on the hard grammar when a network reverses a group yet does not know whether its
flip was used."""


def papers(grammar: str, steps: int, *, data_seed: int = 0, **changes: Any) -> TrainConfig:
    """The paper's network: tanh, one stream, RMSProp with clipped changes, outgoing weights priced,
    from one neuron."""
    fields = {
        "task": f"miconi_{grammar}",
        "task_options": {"data_seed": data_seed, "n_streams": 100, "length": 8_000},
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


def switching(
    parts: tuple[str, ...], steps: int, *, data_seed: int = 0, **changes: Any
) -> TrainConfig:
    """The same on one stream whose grammar changes, in equal parts."""
    options = {"data_seed": data_seed, "parts": list(parts), "length": STRETCH * steps + 1}
    return papers("switch", steps, **{"task_options": options} | changes)


def ours(grammar: str, steps: int, **changes: Any) -> TrainConfig:
    """Our policy: a reserve of eight that fills ten times as fast, and four streams at once at half
    the step.

    Neither does it alone (docs/experiments.md): a network that reverses groups but does not know
    whether its flip was used needs a neuron that compares the letter it expects with the one it
    reads. More neurons on offer make one likelier to be there, and the gradient must be clean
    enough for it to be asked for before it is deleted."""
    more = {
        "batch_size": 4,
        "learning_rate": 5e-3,
        "growth": PAPERS_RULE | {"reserve": 8, "add_probability": 0.1},
    }
    return papers(grammar, steps, **more | changes)


@torch.no_grad()
def stretch_loss(run: Run, split: Split, symbols: int = 4_000) -> float:
    """Mean loss of a stretch on the first symbols of a split, the state carried over."""
    net = run.network()
    state = None
    total = []
    X = split[0].to(net.bias)
    y = split[1]
    # The state is carried from stretch to stretch, as in training; no gradient is.
    for t in range(0, min(symbols, X.shape[1] - STRETCH + 1), STRETCH):
        output, activity = net.unroll(X[:, t : t + STRETCH], state)
        total.append(float(task_losses(output, y[:, t : t + STRETCH], "stream")))
        state = activity.N[:, -1]
    return STRETCH * float(np.mean(total))


def measure(run: Run, data: Dataset) -> dict:
    """Size and loss over training and at the end."""
    # Of a network that grows the column counts hidden neurons that were born and not buried.
    sizes = [row["living_neurons"] for row in run.history]
    return {
        "neurons": sizes[-1],
        "most neurons": max(sizes),
        "loss of a stretch": stretch_loss(run, data.test),
        "test accuracy": run.test_accuracy,
        "sizes": sizes,
        "losses": [STRETCH * row["loss_mean"] for row in run.history],
    }


def at(values: list[float], part: float) -> float:
    """The value when this part of training is over."""
    return values[max(0, round(part * len(values)) - 1)]


def curves(runs: Mapping[str, list[Run]], floors: Mapping[str, float]) -> Figure:
    """Loss and size over time, medians and quartiles of every arm."""
    steps = {arm: [row["step"] for row in group[0].history] for arm, group in runs.items()}
    losses = {
        arm: [[STRETCH * row["loss_mean"] for row in run.history] for run in group]
        for arm, group in runs.items()
    }
    sizes = {
        arm: [[row["living_neurons"] for row in run.history] for run in group]
        for arm, group in runs.items()
    }
    return growth_curves(
        steps, {"loss of a stretch, nats": losses, "neurons": sizes}, floors=floors
    )
