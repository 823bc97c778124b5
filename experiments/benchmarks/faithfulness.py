"""Claim: the used graph of a trained network is what computes its answers. With all else taken from
other samples it keeps 90 % of the accuracy beyond chance on held-out images, where as many edges at
random do not; the same search in networks trained on random labels, which learned those they saw,
explains no held-out accuracy.

`python -m experiments.benchmarks faithfulness [--seeds 5] [--steps 2000]`
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from analysis import faithfulness
from analysis.faithful import Faithfulness
from experiments.commands.judging import arrays, judge
from urn import Dataset, Run, TrainConfig, train_population
from urn.data.tasks import Digits
from urn.data.twins import twin
from urn.training.progress import progress

SETTINGS = {
    "task": "digits",
    "n_neurons": 200,
    "n_iterations": 4,
    "batch_size": 128,
    "snapshots": 0,
    "strengths": {"weight": 1e-4, "activity": 1e-3, "bias": 1e-3, "self": 1.0, "depth": 1e-2},
}
"""Of networks with real and with random labels. By judgement: small, in layers, and priced so
little that labels without a rule can be learned by heart in part."""

FIRST_SEED = 100
"""Of the networks that are reported on."""

KEPT = 0.9
"""Part of the held-out accuracy beyond chance that the used graph alone must keep (the claim)."""

CHANCE = 0.01
"""p below which an accuracy is not chance, over all networks of a kind (one-sided binomial)."""

MOST = 500
"""Samples of each part. By judgement: as many as verdicts are made on."""


@dataclass(frozen=True)
class Examined:
    """A network, and its graph on samples it was trained on and on held-out ones.

    Attributes
    ----------
    summary : str
    trained_on, held_out : Faithfulness
        On samples of training and of the test.
    n_trained_on, n_held_out : int
        How many of each.
    """

    summary: str
    trained_on: Faithfulness
    held_out: Faithfulness
    n_trained_on: int
    n_held_out: int


def trained(data: Dataset, n_seeds: int, steps: int, name: str) -> list[Run]:
    """Networks that differ in their seed."""
    # They are members of one population, which is faster than one after the other.
    configs = [TrainConfig(**SETTINGS, steps=steps, seed=FIRST_SEED + k) for k in range(n_seeds)]
    with progress(name) as observer:
        return train_population(configs, data=data, observer=observer)


def examined(run: Run, data: Dataset) -> Examined:
    """The graph, found on validation images, on images of training and of the test."""
    # The graph comes from samples that are neither trained on nor tested on.
    report = judge(run, data, 200, sweep=False)
    weights, biases, _ = arrays(run)
    results = []
    for x, y in (data.train, data.test):
        inputs = x[:MOST].numpy().astype(float)
        rng = np.random.default_rng(0)
        labels = y[:MOST].numpy()
        results.append(faithfulness(weights, biases, inputs, labels, report, rng=rng))
    sizes = [min(MOST, len(y)) for _, y in (data.train, data.test)]
    return Examined(report.summary, *results, *sizes)


def better_than_chance(score: float, n: int, n_networks: int) -> bool:
    """Whether an accuracy is better than that of other samples' answers to ten classes."""
    p = binomtest(round(score * n), n, 0.1, alternative="greater").pvalue
    return bool(p * n_networks < CHANCE)


def checks(real: Sequence[Examined], controls: Sequence[Examined]) -> dict[str, bool]:
    """What must hold, of networks trained on real and on random labels."""
    # Each network is a chance to be better than chance by luck.
    n = len(controls)
    return {
        # Of an accuracy at chance any part is noise, so it must be better than that as well.
        "real labels: the used graph keeps the held-out accuracy": all(
            (net.held_out.share or 0.0) >= KEPT
            and better_than_chance(net.held_out.score, net.n_held_out, n)
            for net in real
        ),
        "real labels: as many edges at random do not": all(
            net.held_out.random_scores.max() < net.held_out.score for net in real
        ),
        "random labels: learned those trained on": all(
            better_than_chance(net.trained_on.score, net.n_trained_on, n) for net in controls
        ),
        "random labels: nothing held out is explained": not any(
            better_than_chance(net.held_out.score, net.n_held_out, n) for net in controls
        ),
    }


def table(real: Sequence[Examined], controls: Sequence[Examined]) -> Table:
    """A row for each network and part."""
    shown = Table("labels", "what emerged", "samples", "whole", "used graph", "random", "none")
    for labels, networks in (("real", real), ("random", controls)):
        for net in networks:
            # The name of a network stands in the first of its two rows.
            for part, kept in (("trained on", net.trained_on), ("held out", net.held_out)):
                scores = [kept.whole, kept.score, np.median(kept.random_scores), kept.chance]
                words = (labels, net.summary) if part == "trained on" else ("", "")
                shown.add_row(*words, part, *(f"{score:.3f}" for score in scores))
    return shown


def compare(n_seeds: int, steps: int) -> tuple[list[Examined], list[Examined]]:
    """Networks trained on real labels and on random ones."""
    data = Digits().load()
    mixed = twin(data, "random_labels", FIRST_SEED)
    real = [examined(run, data) for run in trained(data, n_seeds, steps, "real labels")]
    controls = [examined(run, mixed) for run in trained(mixed, n_seeds, steps, "random labels")]
    return real, controls


def main(arguments: Sequence[str] = ()) -> int:
    """Print the table and the checks; exit status 1 where one does not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks faithfulness", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=5, help="networks of each kind")
    parser.add_argument("--steps", type=int, default=2000, help="of training")
    options = parser.parse_args(arguments)
    real, controls = compare(options.seeds, options.steps)

    console = Console()
    console.print(table(real, controls))
    # A check that does not hold is printed like the others; the status tells.
    results = checks(real, controls)
    for name, holds in results.items():
        console.print(f"{name}: {holds}")
    return 0 if all(results.values()) else 1
