"""How fast growing networks train, and whether they grow as the yardstick's do (`growing_rnn.py`).

Claims: 20 seeds trained together on two cores at least 4 times faster than 20 sequential runs of
the yardstick, all started with the 40 neurons they have for most of training on the hard grammar;
sizes and losses of the same distribution as the yardstick's (no Kolmogorov-Smirnov test rejects at
1 %), both reading the same text: what its coins happen to be is common to all. `reference` holds
the yardstick itself, every seed on a text of its own, against the reference program of the paper.

`python -m experiments.benchmarks growth [speed] [match] [reference] [--updates N] [--seeds N]
[--grammars NAME ...]`; reference always makes 100,000 updates."""

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import fisher_exact, ks_2samp

from experiments import symbols
from experiments.benchmarks.growing_rnn import GrowingRNN
from urn.data.tasks import Dataset
from urn.data.tasks import task_options as options
from urn.training.trainer import Trainer

PARTS = ("speed", "match", "reference")
"""What can be asked for by name."""
GRAMMARS = ("easy", "hard")
"""The two of the paper."""
FIRST_SEED = 100
"""Settings were found on smaller ones."""
LEVEL = 0.01
"""Of the tests: by judgement, for a dozen of them are printed."""
START = 40
"""Neurons that a network has for most of training on the hard grammar (docs/benchmarks.md)."""
MOMENTS = (33_000, 66_000, 100_000)
"""Updates: thirds of the paper's training."""
REFERENCE = {
    "easy": {"seeds": 3, "neurons": (11, 12, 12), "loss": (9.70, 9.68, 9.62)},
    "hard": {"seeds": 5, "neurons": (38, 44, 44), "loss": (13.7, 13.1, 13.5)},
}
"""Medians of the paper's own program after MOMENTS (Miconi's DiffRNN, run again), and of how many
seeds; all read one text."""
MASTERED = 11.0
"""The loss on hard below which a network knows whether a flip was used."""
REFERENCE_MASTERED = 2
"""How many of the reference's five got there."""
console = Console()


def text_of(grammar: str, updates: int, seed: int = 0) -> Dataset:
    """One stream of symbols, read once or, beyond 10,000 updates, again."""
    return options(f"miconi_{grammar}", text_options(updates) | {"data_seed": seed}).load()


def text_options(updates: int) -> dict:
    """How long a stream is."""
    return {"n_streams": 1, "length": symbols.STRETCH * min(updates + 2, 10_000)}


def yardstick(data: Dataset, seed: int, **settings: int) -> GrowingRNN:
    """The yardstick on a stream."""
    X, y = data.train
    return GrowingRNN(np.append(X[0].argmax(1).numpy(), y[0, -1]), seed, **settings)


def population(grammar: str, data: Dataset, updates: int, seeds: int, start: int = 1) -> Trainer:
    """All seeds together on the same stream, without evaluation but at the end."""
    growth = symbols.PAPERS_RULE | {"start": start}
    config = symbols.papers(
        grammar, updates, log_every=updates, growth=growth, task_options=text_options(updates)
    )
    return Trainer([config.replace(seed=FIRST_SEED + k) for k in range(seeds)], data)


def speed(updates: int, seeds: int) -> None:
    """Seconds for the same updates of the same number of networks, one process after the other, in
    one run."""
    data = text_of("hard", updates)
    clock = lambda: np.array([time.perf_counter(), time.process_time()])  # noqa: E731
    begin = clock()
    alone = [yardstick(data, FIRST_SEED + k, size=START) for k in range(seeds)]

    for net in alone:
        for _ in range(updates):
            net.update()

    sequential = clock() - begin
    trainer = population("hard", data, updates, seeds, START)
    begin = clock()
    trainer.run(
        until=updates - 1
    )  # the last update is followed by evaluation, which the yardstick has not
    together = clock() - begin
    table = Table(
        "",
        "seconds",
        "of the processor",
        "ms an update of one network",
        "median neurons",
        title=f"{seeds} networks, {updates:,} updates, hard",
    )

    sizes = (
        np.median([net.size for net in alone]),
        float(trainer.count_alive().double().median()),
    )
    for name, (seconds, processor), size in zip(
        ("NumPy, one by one", "together"), (sequential, together), sizes, strict=True
    ):
        table.add_row(
            name,
            f"{seconds:.1f}",
            f"{processor:.1f}",
            f"{1e3 * seconds / updates / seeds:.3f}",
            f"{size:g}",
        )

    console.print(table)
    faster, spared = sequential / together
    console.print(
        f"{faster:.2f} times faster on {torch.get_num_threads()} threads (claim: >= 4), "
        f"{spared:.2f} times less processor time\n"
    )


def match(updates: int, seeds: int, grammars: list[str]) -> None:
    """Sizes and losses of both programs after so many updates."""
    for grammar in grammars:
        data = text_of(grammar, updates)
        theirs = []

        for k in range(seeds):
            net = yardstick(data, FIRST_SEED + k)
            for _ in range(updates):
                net.update()

            theirs.append((net.size, net.loss_mean))

        trainer = population(grammar, data, updates, seeds)
        trainer.run()
        last = [member.history[-1] for member in trainer.members]
        ours = [(row["living_neurons"], symbols.STRETCH * row["loss_mean"]) for row in last]
        table = Table(
            "",
            "yardstick, median (range)",
            "urn, median (range)",
            "p (Kolmogorov-Smirnov)",
            title=f"{grammar}, {updates:,} updates",
        )

        for column, name in enumerate(("neurons", "loss")):
            a, b = ([row[column] for row in rows] for rows in (theirs, ours))
            cells = [f"{np.median(v):.4g} ({min(v):.4g} to {max(v):.4g})" for v in (a, b)]
            p = ks_2samp(a, b).pvalue
            table.add_row(name, *cells, f"{p:.3f}{_mark(p)}")

        console.print(table)


def course(grammar: str, seed: int) -> list[tuple[int, float]]:
    """Neurons and loss of one yardstick on a text of its own, at MOMENTS."""
    net = yardstick(text_of(grammar, MOMENTS[-1], seed), seed)
    states = []
    for update in range(1, MOMENTS[-1] + 1):
        net.update()
        if update in MOMENTS:
            states.append((net.size, net.loss_mean))
    return states


def reference(seeds: int, grammars: list[str]) -> None:
    """The yardstick against the reference program, of which medians over few seeds are known."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        for grammar in grammars:
            numbers = range(FIRST_SEED, FIRST_SEED + seeds)
            courses = processes.map(course, [grammar] * seeds, numbers)
            measured = np.array(list(courses))  # (seeds, moments, neurons and loss)

            console.print(_reference_table(grammar, measured))
            for moment, updates in enumerate(MOMENTS):
                losses = " ".join(f"{loss:.2f}" for loss in sorted(measured[:, moment, 1]))
                console.print(f"losses at {updates:,}: {losses}")

            if grammar == "hard":
                console.print(_mastery(measured[:, -1, 1]))


def _reference_table(grammar: str, measured: np.ndarray) -> Table:
    """Medians and ranges of both programs at MOMENTS. `measured` is (seeds, moments, 2)."""
    known = REFERENCE[grammar]
    title = (
        f"{grammar}: the yardstick, {len(measured)} seeds, "
        f"and the reference program, {known['seeds']} seeds"
    )
    table = Table("", "updates", "yardstick, median (range)", "reference, median", "p", title=title)

    for column, name in enumerate(("neurons", "loss")):
        for moment, (updates, median) in enumerate(zip(MOMENTS, known[name], strict=True)):
            values = measured[:, moment, column]
            p = p_of_median(values, median, known["seeds"])
            cell = f"{np.median(values):.4g} ({values.min():.4g} to {values.max():.4g})"
            table.add_row(name, f"{updates:,}", cell, f"{median:g}", f"{p:.3f}{_mark(p)}")

    return table


def _mastery(losses: np.ndarray) -> str:
    """How many of both programs mastered the hard grammar. `losses` `(seeds,)`, at the end."""
    seeds = len(losses)
    n_reference = REFERENCE["hard"]["seeds"]
    mastered = int((losses < MASTERED).sum())
    counts = [
        [mastered, seeds - mastered],
        [REFERENCE_MASTERED, n_reference - REFERENCE_MASTERED],
    ]

    p = fisher_exact(counts).pvalue
    return (
        f"under {MASTERED:g} at the end: {mastered} of {seeds}, the reference "
        f"{REFERENCE_MASTERED} of {n_reference}; p = {p:.2f} (Fisher's exact test){_mark(p)}"
    )


def _mark(p: float) -> str:
    return " REJECTED" if p < LEVEL else ""


def p_of_median(values: np.ndarray, median: float, n: int, draws: int = 100_000) -> float:
    """How often the median of n of these values is as far out as `median`, on its side, doubled."""
    medians = np.median(np.random.default_rng(0).choice(values, (draws, n)), 1)
    return min(1.0, 2 * min(np.mean(medians <= median), np.mean(medians >= median)))


def main(arguments: list[str]) -> None:
    """Run the parts named, or the race alone."""
    parser = argparse.ArgumentParser(prog="growth")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], help="default: speed")
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument(
        "--grammars", nargs="+", choices=GRAMMARS, default=GRAMMARS, help="that match compares on"
    )
    given = parser.parse_args(arguments)

    if "speed" in given.parts or not given.parts:
        speed(given.updates, given.seeds)
    if "match" in given.parts:
        match(given.updates, given.seeds, given.grammars)
    if "reference" in given.parts:
        reference(given.seeds, given.grammars)
