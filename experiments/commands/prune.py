"""`urn prune`: take weights away from a trained network by a criterion, or compare all criteria.

Accuracy against sparsity, with and without retraining; curvature is taken on training data, scores
on validation data.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from experiments.commands.judging import task_data
from urn import InputError, ProximalAdam, Run, load_run
from urn.data.tasks import Dataset, Split
from urn.outputs import check_folder
from urn.pruning import CRITERIA, Network, pruned
from urn.runs.train import save_run
from urn.settings.schedules import Schedule

KEEPS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1)
"""Shares of the weights that criteria are compared at: about equal steps of a logarithm."""

PARTS = ("validation", "test")
"""Parts of the data that scores are taken on."""

CURVATURE_SAMPLES = 500
"""Training samples for the curvature. By judgement: it takes a Jacobian of each."""

BATCH = 128
"""Samples of a step of retraining, as `TrainConfig` has them by default."""

RATE = 1e-3
"""Learning rate of retraining: the optimiser's default, for the network is trained already."""

PRICE_ROUNDS = 10
"""How often the price of `l1` is doubled, at most, until so few weights are left as are asked for:
a thousandfold."""

LEAST_PRICE_STEPS = 100
"""Steps at each price of `l1`. By judgement: fewer move no weight to zero."""

FIRST_PRICE = 1e-4
"""Price of `l1` to begin with, where the run had none. By judgement: a third of digits'."""


SEEDS = 2**63
"""One more than the largest seed of torch's generators that is a whole number for all."""


class Pruned(NamedTuple):
    """A pruned network and how it scores.

    Attributes
    ----------
    row : dict
        Criterion, share kept, weights, and the scores before and after retraining.
    theta, bias : tensors of shape (n,) and (m,)
        Its weights and biases after retraining.
    net : Network
        What they are put into.
    """

    row: dict
    theta: Tensor
    bias: Tensor
    net: Network


# ---- the command


def add_prune(parser: argparse.ArgumentParser) -> None:
    """Prune a trained network. Without --criterion, compares all criteria at several sparsities,
    with and without retraining."""
    parser.set_defaults(run=_prune)
    parser.add_argument("folder", type=Path, metavar="RUN", help="a finished run")
    parser.add_argument("--criterion", metavar="NAME", help=f"one of {', '.join(CRITERIA)}")
    parser.add_argument(
        "--keep",
        type=float,
        metavar="SHARE",
        help="share of the non-zero weights to keep, above 0, at most 1",
    )
    parser.add_argument(
        "--retrain",
        type=int,
        default=300,
        metavar="N",
        help="steps after pruning (default: 300; 0: none)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the random criterion and of the data order (default: 0)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="run folder to write the pruned network to"
    )


def _prune(arguments: argparse.Namespace) -> int:
    _check(arguments)
    run = load_run(arguments.folder)
    if run.status == "disconnected" or not run.weights.any():
        raise InputError(f"{arguments.folder}: no path of weights is left to prune")
    data = task_data(run)

    if arguments.criterion is None:
        rows = curves(run, data, KEEPS, arguments.retrain, arguments.seed)
    else:
        keeps = [arguments.keep]
        (result,) = prune(run, data, arguments.criterion, keeps, arguments.retrain, arguments.seed)
        rows = [result.row]
        if arguments.out:
            save_run(_as_run(run, result), arguments.out)

    Console().print(_table(rows))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Raise InputError for flags that cannot be, or do not go together."""
    criterion = arguments.criterion
    if (criterion is None) != (arguments.keep is None):
        raise InputError("--criterion and --keep: give both, or neither to compare all criteria")
    if criterion is not None and criterion not in CRITERIA:
        raise InputError(f"--criterion: must be one of {', '.join(CRITERIA)}, not {criterion!r}")
    if arguments.keep is not None and not 0 < arguments.keep <= 1:
        raise InputError(f"--keep: must be above 0 and at most 1, not {arguments.keep!r}")
    if arguments.retrain < 0:
        raise InputError(f"--retrain: must be at least 0, not {arguments.retrain}")
    if not 0 <= arguments.seed < SEEDS:
        raise InputError(f"--seed: must be from 0 to {SEEDS - 1}")

    if arguments.out and criterion is None:
        raise InputError("--out: needs --criterion and --keep")
    if arguments.out:
        check_folder(arguments.out)


def _as_run(run: Run, result: Pruned) -> Run:
    """A pruned network as a run, with all else that its origin has."""
    W, b = result.net.full(result.theta, result.bias)
    return replace(
        run,
        weights=W.to(run.weights.dtype),
        biases=b.to(run.weights.dtype),
        test_accuracy=result.row["test, retrained"],
    )


def _table(rows: list[dict]) -> Table:
    table = Table("criterion", "kept", "weights", "validation", "retrained")
    for row in rows:
        table.add_row(
            row["criterion"],
            f"{row['keep']:.2f}",
            f"{row['weights']:,}",
            f"{row['validation, pruned']:.4f}",
            f"{row['validation, retrained']:.4f}",
        )
    return table


# ---- pruning


def network(run: Run) -> Network:
    """The non-zero weights of a run in float64."""
    flat = run.flat()
    facts = ("n_inputs", "n_outputs", "n_iterations", "activation", "input_mode")
    return Network(
        run.weights.double(), run.biases.double(), **{name: flat[name] for name in facts}
    )


def prune(
    run: Run, data: Dataset, criterion: str, keeps: Sequence[float], retrain: int, seed: int = 0
) -> list[Pruned]:
    """Prune one run to each of several shares.

    Parameters
    ----------
    run : Run
        A trained network with pulse or clamped input.
    data : Dataset
        The data of its task.
    criterion : str
        One of `urn.pruning.CRITERIA`.
    keeps : sequence of float
        Shares of the non-zero weights to keep.
    retrain : int
        Steps of training after pruning.
    seed : int
        Of the random criterion and of the data order.

    Returns
    -------
    list of Pruned
        One for each share.
    """
    n = len(network(run).theta)
    stages = None
    if criterion != "l1":
        x = data.train[0][:CURVATURE_SAMPLES].double()
        generator = torch.Generator().manual_seed(seed)
        stages = pruned(network(run), criterion, keeps, x, data.kind, generator)

    results = []
    for k, keep in enumerate(keeps):
        net = network(run)
        if stages is None:
            price = _first_price(run.config.strengths.get("weight"))
            steps = max(retrain, LEAST_PRICE_STEPS)
            net.theta = dearer(net, data, keep, price, steps, seed)
            (theta,) = pruned(net, criterion, [keep], data.train[0], data.kind)
        else:
            theta = stages[k]

        row = {"criterion": criterion, "keep": keep, "weights": int((theta != 0).sum()), "of": n}
        row |= _scores("pruned", net, theta, net.bias, data)
        theta, bias = train(net, theta, net.bias, data, retrain, seed)
        row |= _scores("retrained", net, theta, bias, data)
        results.append(Pruned(row, theta, bias, net))
    return results


def curves(
    run: Run, data: Dataset, keeps: Sequence[float], retrain: int, seed: int = 0
) -> list[dict]:
    """Accuracy against sparsity by every criterion, with and without retraining."""
    return [
        result.row
        for criterion in CRITERIA
        for result in prune(run, data, criterion, keeps, retrain, seed)
    ]


def _scores(
    state: str, net: Network, theta: Tensor, bias: Tensor, data: Dataset
) -> dict[str, float]:
    """The scores of a network on all PARTS of the data, named by its state."""
    return {
        f"{part}, {state}": score(net, theta, bias, getattr(data, part), data.kind)
        for part in PARTS
    }


@torch.no_grad()
def score(net: Network, theta: Tensor, bias: Tensor, split: Split, kind: str) -> float:
    """Accuracy, or R^2 for regression, of weights `(n,)` and biases `(m,)`."""
    X, y = split
    output = net(theta, bias, X.to(theta.dtype))
    if kind == "classification":
        return float((output.argmax(-1) == y).double().mean())

    y = y.to(theta.dtype)
    residual = (output - y).square().sum(0)
    return float((1 - residual / (y - y.mean(0)).square().sum(0)).mean())


def train(
    net: Network,
    theta: Tensor,
    bias: Tensor,
    data: Dataset,
    steps: int,
    seed: int,
    price: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Train the non-zero weights and the biases; zeros stay.

    Parameters
    ----------
    net : Network
        What the weights are put into.
    theta, bias : tensors of shape (n,) and (m,)
        Where to start.
    data : Dataset
        Of which the training part is used.
    steps : int
        How many; 0 leaves all as it is.
    seed : int
        Of the order of the data.
    price : float
        Of the weights, for the proximal step.

    Returns
    -------
    theta, bias : tensors of shape (n,) and (m,)
        What training made of them.
    """
    mask = (theta != 0).to(theta.dtype)
    theta = theta.clone().requires_grad_()
    bias = bias.clone().requires_grad_()
    optimiser = ProximalAdam([{"params": [theta], "price": price}, {"params": [bias]}], lr=RATE)

    X, y = data.train
    generator = torch.Generator().manual_seed(seed)
    regression = data.kind == "regression"
    functional = torch.nn.functional
    loss_of = functional.mse_loss if regression else functional.cross_entropy

    for _ in range(steps):
        rows = torch.randint(len(X), (min(BATCH, len(X)),), generator=generator)
        target = y[rows].to(theta.dtype) if regression else y[rows]
        optimiser.zero_grad()
        loss_of(net(theta * mask, bias, X[rows].to(theta.dtype)), target).backward()
        optimiser.step()
    return (theta * mask).detach(), bias.detach()


def _first_price(schedule: Schedule | None) -> float:
    """The price that a run was trained under, or FIRST_PRICE."""
    return schedule.value if schedule is not None and schedule.value else FIRST_PRICE


def dearer(net: Network, data: Dataset, keep: float, price: float, steps: int, seed: int) -> Tensor:
    """Weights `(n,)` after training under a price that doubles.

    It ends when at most a share `keep` of them is not zero, or after PRICE_ROUNDS. The biases of
    `net` are trained too.
    """
    theta = net.theta
    for doubling in range(PRICE_ROUNDS):
        if int((theta != 0).sum()) <= keep * len(theta):
            break
        theta, net.bias = train(net, theta, net.bias, data, steps, seed + doubling, price)
        price *= 2
    return theta
