"""When training may end before its steps are done: nothing comes of going on.

A member is *quiet* at a row of history when the same weights and biases are non-zero as when its
quiet rows began, and its objective has fallen by less than a tolerance since then. After so many
quiet rows in a row (`stationary` of a configuration) it ends. Rows at which a strength is still to
change do not count.

Everything is a function of weights, step and configuration, and lies in the population, so that a
resumed run ends where an unbroken one does.
"""

import torch
from torch import Tensor

from urn.data.dataset import Dataset
from urn.data.scores import task_losses
from urn.errors import InputError
from urn.population.population import Population
from urn.settings.config import TrainConfig

STATE = {"quiet_rows": torch.int64, "quiet_support": torch.int64, "quiet_objective": torch.float64}
"""What a population holds for it, one number a member: rows in a row, and how the first one was."""

SAMPLES = 2048
"""Training samples that the objective is measured on, the first ones. By judgement: all of a small
table, and of a large one enough for a fall in the third digit to be seen."""

ROWS_AT_ONCE = 256
"""Rows of W whose support is hashed together, so that no array is much larger than W. By
judgement."""

MIXED = 0x2545F4914F6CDD1D
"""An odd number that spreads the bits of another one (Vigna 2016, xorshift64*)."""


def check_fits(config: TrainConfig, data: Dataset) -> None:
    """Raise InputError where a training cannot be asked to end so."""
    if config.stationary and data.kind == "stream":
        raise InputError("stationary: a stream of symbols has no fixed objective; use 0")


@torch.no_grad()
def judge(population: Population, data: Dataset) -> None:
    """Count a row of history, for every member in training."""
    config = population.configs[0]
    support = supports(population)
    objective = objectives(population, data)
    rows = population.quiet_rows
    first_support = population.quiet_support
    first_objective = population.quiet_objective

    # Before the first row there is nothing to compare with: it begins the quiet rows.
    if rows is None or first_support is None or first_objective is None:
        quiet = torch.zeros_like(support, dtype=torch.bool)
        rows = torch.zeros_like(support)
        first_support = support
        first_objective = objective
    else:
        bound = config.stationary_tolerance * first_objective.abs()
        quiet = (support == first_support) & (first_objective - objective <= bound)
    quiet &= _settled(population)

    population.quiet_rows = torch.where(quiet, rows + 1, 0)
    population.quiet_support = torch.where(quiet, first_support, support)
    population.quiet_objective = torch.where(quiet, first_objective, objective)


def ended(population: Population) -> Tensor:
    """Which members in training have been quiet for long enough, `(K,)` boolean."""
    rows = population.quiet_rows
    needed = population.configs[0].stationary
    if not needed or rows is None:
        return torch.zeros(len(population.members), dtype=torch.bool)
    return rows >= needed


def objectives(population: Population, data: Dataset) -> Tensor:
    """Task loss and all terms at their strengths of now, on fixed training samples, `(K,)`."""
    net = population.net
    X, y = (part[:SAMPLES] for part in data.train)
    output, activity = net.unroll(X.to(net.bias))
    targets = y.to(net.bias) if y.is_floating_point() else y.to(net.bias.device)
    K = len(population.members)
    # In float64: a fall in the third digit is to be seen.
    total = task_losses(output, targets.expand(K, *targets.shape), data.kind).double()

    penalties = population.penalties
    for name, value in penalties.values(net, activity).items():
        strength = penalties.current[name]
        total += (strength.to(value) if isinstance(strength, Tensor) else strength) * value
    return total


def supports(population: Population) -> Tensor:
    """A number `(K,)` that tells which weights and biases of a member are non-zero.

    Neurons count by their names among all S, so that it does not change when dead ones without
    weights are dropped.
    """
    net = population.net
    ids = population.ids
    # A bias has its neuron's name, a weight the names of both: no two have the same number.
    total = _mixed(ids + 1).mul(net.bias != 0).sum(1)
    for start in range(0, ids.shape[1], ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        pairs = (ids[:, rows, None] + 1) * (net.n_neurons + 1) + ids[:, None, :]
        total += _mixed(pairs).mul(net.weight[:, rows] != 0).sum((1, 2))
    return total


def _mixed(numbers: Tensor) -> Tensor:
    """Other numbers, one for each; sums of them tell sets apart (they wrap around)."""
    spread = numbers * MIXED
    return (spread ^ (spread >> 29)) * MIXED


def _settled(population: Population) -> Tensor:
    """Whose strengths have reached the value that they have at the end, `(K,)` boolean."""
    step = population.step
    settled = []
    for k in population.members.tolist():
        config = population.configs[k]
        schedules = config.strengths.values()
        end = config.steps
        settled.append(all(s.at(step, end) == s.at(end, end) for s in schedules))
    return torch.tensor(settled, device=population.device)
