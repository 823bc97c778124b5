"""The history of a training: which columns a row has, and its numbers."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from urn.network.module import Activity
from urn.population import dead, growth
from urn.population.population import Population
from urn.population.snapshot import Snapshot
from urn.settings.config import TrainConfig

BASE_COLUMNS = ("step", "loss", "validation_accuracy", "living_neurons", "connections")
"""Columns of every history.

Then come living_l, the neurons that fire at iteration l, or loss_mean for streams; then R_term.
"""

Row = dict[str, float]


@dataclass
class Member:
    """What is known of one network of a population beside its tensors."""

    config: TrainConfig
    index: int
    status: str = "ok"
    history: list[Row] = field(default_factory=list)
    test_accuracy: float = float("nan")
    final: Snapshot | None = None  # the network it became, once it is finished


def columns(population: Population) -> list[str]:
    """The columns of the history of a member."""
    if population.reads_symbols:
        middle = ["loss_mean"]
    else:
        middle = [f"living_{l}" for l in range(1, population.net.n_iterations)]
    terms = [f"R_{name}" for name in population.penalties.schedules]
    return [*BASE_COLUMNS, *middle, *terms]


def logged_steps(config: TrainConfig, step: int) -> list[int]:
    """The steps up to `step` that have a row."""
    every = config.log_every
    steps = list(range(every, step + 1, every))
    # The last step has a row whatever its number.
    if step == config.steps and step % every:
        steps.append(step)
    return steps


@torch.no_grad()
def count_alive(population: Population) -> Tensor:
    """Hidden neurons that can fire or learn; of one that grows, the inhabited slots, `(K,)`."""
    net = population.net
    if population.grows:
        return growth.inhabited(population).sum(1)
    alive = dead.alive(net, population.optimiser, population.penalties)
    return alive[:, net.hidden].sum(1)


@torch.no_grad()
def rows(
    population: Population, activity: Activity, losses: Tensor, accuracy: Tensor
) -> Iterable[Row]:
    """A row for every member in training.

    Parameters
    ----------
    population : Population
    activity : Activity
        What the neurons held did in the last step.
    losses, accuracy : (K,) tensors
        Task losses of that step, accuracy on the validation set.
    """
    net = population.net
    names = columns(population)
    fires = (activity.N[..., net.hidden] != 0).any(2)  # (K, L, hidden): in this batch
    terms = population.penalties.values(net, activity)
    alive = count_alive(population)
    # Counted matrix by matrix: over several axes torch would copy W as int64.
    connections = [int(torch.count_nonzero(W)) for W in net.weight]

    # In the order of `columns`.
    for k in range(net.population):
        numbers: list[float] = [population.step, float(losses[k]), float(accuracy[k])]
        numbers += [int(alive[k]), connections[k]]
        if population.loss_mean is not None:
            numbers.append(float(population.loss_mean[k]))
        else:
            numbers += fires[k].sum(1).tolist()
        numbers += [float(values[k]) for values in terms.values()]
        yield dict(zip(names, numbers, strict=True))
