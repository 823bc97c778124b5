"""`urn prune`: take weights away from a trained network by one criterion, or hold all criteria against each other.

Accuracy against sparsity, with and without retraining; curvature is taken on training data, scores on validation data.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from experiments.commands.judging import task_data
from urn import InputError, ProximalAdam, Run, load_run
from urn.data.tasks import Dataset, Split
from urn.pruning import CRITERIA, Network, pruned
from urn.runs.train import save_run

KEEPS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1)
PARTS = ("validation", "test")
CURVATURE_SAMPLES, BATCH, RATE = 500, 128, 1e-3
PRICE_ROUNDS = 10
"""How often the price of `l1` is doubled, at most, until so few weights are left as are asked for."""


def add_prune(parser: argparse.ArgumentParser) -> None:
    """Prune a trained network. Without --criterion, compares all criteria at several sparsities, with and without
    retraining."""
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
        help="updates after pruning (default: 300; 0: none)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of chance and of the data order (default: 0)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="run folder to write the pruned network to"
    )


def _prune(arguments: argparse.Namespace) -> int:
    if (arguments.criterion is None) != (arguments.keep is None):
        raise InputError("--criterion and --keep: give both, or neither to compare all criteria")
    if arguments.criterion is not None and arguments.criterion not in CRITERIA:
        raise InputError(
            f"--criterion: must be one of {', '.join(CRITERIA)}, not {arguments.criterion!r}"
        )
    if arguments.keep is not None and not 0 < arguments.keep <= 1:
        raise InputError(f"--keep: must be above 0 and at most 1, not {arguments.keep!r}")
    if arguments.retrain < 0:
        raise InputError(f"--retrain: must be at least 0, not {arguments.retrain}")
    if arguments.out and (arguments.criterion is None or arguments.out.exists()):
        raise InputError(
            f"--out: {arguments.out} exists already"
            if arguments.criterion
            else "--out: needs --criterion and --keep"
        )
    run = load_run(arguments.folder)
    data = task_data(run)
    if arguments.criterion is None:
        rows = curves(run, data, KEEPS, arguments.retrain, arguments.seed)
    else:
        ((row, theta, bias, net),) = prune(
            run, data, arguments.criterion, [arguments.keep], arguments.retrain, arguments.seed
        )
        rows = [row]
        if arguments.out:
            W, b = (T.to(run.weights.dtype) for T in net.full(theta, bias))
            save_run(
                replace(run, weights=W, biases=b, test_accuracy=row["test, retrained"]),
                arguments.out,
            )
    table = Table("criterion", "kept", "weights", "validation", "retrained")
    for row in rows:
        table.add_row(
            row["criterion"],
            f"{row['keep']:.2f}",
            f"{row['weights']:,}",
            f"{row['validation, pruned']:.4f}",
            f"{row['validation, retrained']:.4f}",
        )
    Console().print(table)
    return 0


def network(run: Run) -> Network:
    """The living weights of a run in float64."""
    return Network(
        run.weights.double(),
        run.biases.double(),
        n_inputs=run.n_inputs,
        n_outputs=run.n_outputs,
        n_iterations=run.config.n_iterations,
        activation=run.config.activation,
        input_mode=run.input_mode,
    )


def prune(
    run: Run, data: Dataset, criterion: str, keeps: Sequence[float], retrain: int, seed: int = 0
) -> list[tuple]:
    """Prune one run to each share in `keeps`. Returns of each (row for the table, weights `(n,)`, biases, network)."""
    found, n, price = [], len(network(run).theta), run.config.strengths.get("weight")
    stages = None
    if criterion != "l1":
        x, generator = (
            data.train[0][:CURVATURE_SAMPLES].double(),
            torch.Generator().manual_seed(seed),
        )
        stages = pruned(network(run), criterion, keeps, x, data.kind, generator)
    for k, keep in enumerate(keeps):
        net = network(run)
        if stages is None:
            net.theta = dearer(net, data, keep, price, max(retrain, 100), seed)
            (theta,) = pruned(net, criterion, [keep], data.train[0], data.kind)
        else:
            theta = stages[k]
        row, bias = (
            {"criterion": criterion, "keep": keep, "weights": int((theta != 0).sum()), "of": n},
            net.bias,
        )
        for state in ("pruned", "retrained"):
            if state == "retrained":
                theta, bias = train(net, theta, bias, data, retrain, seed)
            row |= {
                f"{part}, {state}": score(net, theta, bias, getattr(data, part), data.kind)
                for part in PARTS
            }
        found.append((row, theta, bias, net))
    return found


def curves(
    run: Run, data: Dataset, keeps: Sequence[float], retrain: int, seed: int = 0
) -> list[dict]:
    """Accuracy against sparsity by every criterion, with and without retraining."""
    return [
        row
        for criterion in CRITERIA
        for row, *_ in prune(run, data, criterion, keeps, retrain, seed)
    ]


@torch.no_grad()
def score(net: Network, theta: Tensor, bias: Tensor, split: Split, kind: str) -> float:
    """Accuracy, or R^2 for regression."""
    X, y = split
    output = net(theta, bias, X.to(theta.dtype))
    if kind == "classification":
        return float((output.argmax(-1) == y).double().mean())
    y = y.to(theta.dtype)
    return float((1 - (output - y).square().sum(0) / (y - y.mean(0)).square().sum(0)).mean())


def train(
    net: Network,
    theta: Tensor,
    bias: Tensor,
    data: Dataset,
    steps: int,
    seed: int,
    l1=0.0,
    rate: float = RATE,
):
    """Train the non-zero weights and the biases of living neurons; zeros stay. `l1` is a price of the weights."""
    alive = (theta != 0).to(theta.dtype)
    theta, bias = theta.clone().requires_grad_(), bias.clone().requires_grad_()
    optimiser = ProximalAdam([{"params": [theta], "l1": l1}, {"params": [bias]}], lr=rate)
    (X, y), generator = data.train, torch.Generator().manual_seed(seed)
    loss_of = (
        torch.nn.functional.mse_loss
        if data.kind == "regression"
        else torch.nn.functional.cross_entropy
    )
    for _ in range(steps):
        rows = torch.randint(len(X), (min(BATCH, len(X)),), generator=generator)
        optimiser.zero_grad()
        target = y[rows].to(theta.dtype) if data.kind == "regression" else y[rows]
        loss_of(net(theta * alive, bias, X[rows].to(theta.dtype)), target).backward()
        optimiser.step()
    return (theta * alive).detach(), bias.detach()


def dearer(net: Network, data: Dataset, keep: float, price, steps: int, seed: int) -> Tensor:
    """Weights after training under a price that doubles until at most a share `keep` of them is not zero."""
    c, theta = price.value if price is not None and price.value else 1e-4, net.theta
    for turn in range(PRICE_ROUNDS):
        if int((theta != 0).sum()) <= keep * len(theta):
            break
        theta, net.bias = train(net, theta, net.bias, data, steps, seed + turn, l1=c)
        c *= 2
    return theta
