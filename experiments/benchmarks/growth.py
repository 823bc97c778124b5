"""How fast growing networks train, and whether they grow as the yardstick's do (`growing_rnn.py`).

Claims: 20 seeds trained together on two cores at least 4 times faster than 20 sequential runs of
the yardstick, all started with the 40 neurons they have for most of training on the hard grammar;
sizes and losses of the same distribution as the yardstick's (no Kolmogorov-Smirnov test rejects at
1 %), both reading the same text: what its coins happen to be is common to all. `reference` holds
the yardstick itself, every seed on a text of its own, against the reference program of the paper.

`python -m experiments.benchmarks growth [speed] [match] [reference] [--updates N] [--seeds N]
[--grammars NAME ...]`; reference always makes 100,000 updates.
"""

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

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

PARTS = ("speed", "match", "reference")  # The parts of the benchmark.

GRAMMARS = ("easy", "hard")  # Those of the paper.

FIRST_SEED = 100  # As in the claims.

# p below which a test rejects: stricter than the usual 0.05, for there are several tests.
LEVEL = 0.01

START = 40  # Neurons that a network has for most of training on the hard grammar.

# Updates after which a stream is read again. By judgement: a text of 400,000 symbols.
TEXT_UPDATES = 10_000

MOMENTS = (33_000, 66_000, 100_000)  # Updates after which the reference program was read off.

# Medians of the paper's own program after MOMENTS (Miconi's DiffRNN, run again), and of how many
# seeds; all read the same text.
REFERENCE: dict[str, dict[str, Any]] = {
    "easy": {"seeds": 3, "neurons": (11, 12, 12), "loss": (9.70, 9.68, 9.62)},
    "hard": {"seeds": 5, "neurons": (38, 44, 44), "loss": (13.7, 13.1, 13.5)},
}

MASTERED = 11.0  # The loss on hard below which a network knows whether a flip was used.

REFERENCE_MASTERED = 2  # How many of the reference's five got there.

console = Console()


def text_of(grammar: str, updates: int, seed: int = 0) -> Dataset:
    """One stream of symbols, read once or, beyond TEXT_UPDATES updates, again."""
    return options(f"miconi_{grammar}", text_options(updates) | {"data_seed": seed}).load()


def text_options(updates: int) -> dict[str, int]:
    """How long a stream is."""
    return {"n_streams": 1, "length": symbols.STRETCH * min(updates + 2, TEXT_UPDATES)}


def yardstick(data: Dataset, seed: int, size: int = 1) -> GrowingRNN:
    """The yardstick on a stream."""
    X, y = data.train
    return GrowingRNN(np.append(X[0].argmax(1).numpy(), y[0, -1]), seed, size)


def population(grammar: str, data: Dataset, updates: int, seeds: int, start: int = 1) -> Trainer:
    """All seeds together on the same stream, without evaluation but at the end."""
    growth = symbols.PAPERS_RULE | {"start": start}
    config = symbols.papers(
        grammar, updates, log_every=updates, growth=growth, task_options=text_options(updates)
    )
    return Trainer([config.replace(seed=FIRST_SEED + k) for k in range(seeds)], data)


def clock() -> np.ndarray:
    """Seconds on the wall and of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def speed(updates: int, seeds: int) -> None:
    """Race the same updates of the same number of networks, one program after the other."""
    data = text_of("hard", updates)
    begin = clock()
    alone = [yardstick(data, FIRST_SEED + k, START) for k in range(seeds)]
    for net in alone:
        for _ in range(updates):
            net.update()
    sequential = clock() - begin

    trainer = population("hard", data, updates, seeds, START)
    begin = clock()
    # The last update is followed by evaluation, which the yardstick has not.
    trainer.run(until=updates - 1)
    together = clock() - begin

    head = ("", "seconds", "of the processor", "ms an update of one network", "median neurons")
    table = Table(*head, title=f"{seeds} networks, {updates:,} updates, hard")
    theirs = float(np.median([net.size for net in alone]))
    ours = float(trainer.living_neurons().double().median())
    for name, (seconds, processor), size in (
        ("NumPy, one by one", sequential, theirs),
        ("together", together, ours),
    ):
        each = 1e3 * seconds / updates / seeds
        table.add_row(name, f"{seconds:.1f}", f"{processor:.1f}", f"{each:.3f}", f"{size:g}")
    console.print(table)

    faster, spared = sequential / together
    console.print(
        f"{faster:.2f} times faster on {torch.get_num_threads()} threads (claim: >= 4), "
        f"{spared:.2f} times less processor time\n"
    )


def match(updates: int, seeds: int, grammars: Sequence[str]) -> None:
    """Compare sizes and losses of both programs after so many updates."""
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

        head = ("", "yardstick, median (range)", "urn, median (range)", "p (Kolmogorov-Smirnov)")
        table = Table(*head, title=f"{grammar}, {updates:,} updates")
        for column, name in enumerate(("neurons", "loss")):
            a, b = ([row[column] for row in rows] for rows in (theirs, ours))
            cells = [f"{np.median(v):.4g} ({min(v):.4g} to {max(v):.4g})" for v in (a, b)]
            table.add_row(name, *cells, p_cell(ks_2samp(a, b).pvalue))
        console.print(table)


def p_cell(p: float) -> str:
    """A p-value as a table shows it."""
    return f"{p:.3f}{' REJECTED' if p < LEVEL else ''}"


def course(grammar: str, seed: int) -> list[tuple[int, float]]:
    """Neurons and loss of one yardstick on a text of its own, at MOMENTS."""
    net = yardstick(text_of(grammar, MOMENTS[-1], seed), seed)
    numbers = []
    for update in range(1, MOMENTS[-1] + 1):
        net.update()
        if update in MOMENTS:
            numbers.append((net.size, net.loss_mean))
    return numbers


def reference(seeds: int, grammars: Sequence[str]) -> None:
    """Hold the yardstick against the reference program, of which medians over few seeds are known.

    Every seed reads a text of its own.
    """
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        for grammar in grammars:
            numbered = range(FIRST_SEED, FIRST_SEED + seeds)
            courses = list(processes.map(course, [grammar] * seeds, numbered))
            numbers = np.array(courses)  # (seeds, moments, neurons and loss)

            console.print(against_reference(grammar, numbers))
            for moment, updates in enumerate(MOMENTS):
                losses = " ".join(f"{loss:.2f}" for loss in sorted(numbers[:, moment, 1]))
                console.print(f"losses at {updates:,}: {losses}")
            if grammar == "hard":
                console.print(mastery(numbers[:, -1, 1]))


def against_reference(grammar: str, numbers: np.ndarray) -> Table:
    """Sizes and losses `(seeds, moments, 2)` beside the medians of the reference program."""
    known = REFERENCE[grammar]
    title = (
        f"{grammar}: the yardstick, {len(numbers)} seeds, and the reference program, "
        f"{known['seeds']} seeds"
    )
    head = ("", "updates", "yardstick, median (range)", "reference, median", "p")
    table = Table(*head, title=title)

    for column, name in enumerate(("neurons", "loss")):
        for moment, (updates, median) in enumerate(zip(MOMENTS, known[name], strict=True)):
            values = numbers[:, moment, column]
            cell = f"{np.median(values):.4g} ({values.min():.4g} to {values.max():.4g})"
            p = p_of_median(values, median, known["seeds"])
            table.add_row(name, f"{updates:,}", cell, f"{median:g}", p_cell(p))
    return table


def mastery(losses: np.ndarray) -> str:
    """How many seeds know whether a flip was used, against how many of the reference program."""
    seeds = len(losses)
    known = REFERENCE["hard"]["seeds"]
    mastered = int((losses < MASTERED).sum())
    counts = [[mastered, seeds - mastered], [REFERENCE_MASTERED, known - REFERENCE_MASTERED]]
    p = fisher_exact(counts).pvalue
    return (
        f"under {MASTERED:g} at the end: {mastered} of {seeds}, the reference {REFERENCE_MASTERED} "
        f"of {known}; p = {p:.2f} (Fisher's exact test){' REJECTED' if p < LEVEL else ''}"
    )


def p_of_median(values: np.ndarray, median: float, n: int, n_draws: int = 100_000) -> float:
    """How often the median of n of these values is as far out as `median`, on its side, doubled."""
    medians = np.median(np.random.default_rng(0).choice(values, (n_draws, n)), 1)
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
