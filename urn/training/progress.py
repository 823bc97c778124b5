"""Progress while training: a bar with the figures that matter, or lines without a terminal."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from urn.training.observers import Observer
from urn.training.trainer import Trainer

SECONDS_BETWEEN_LINES = 5.0
"""By judgement: a log of an hour of training stays under a thousand lines."""


def describe(trainer: Trainer) -> str:
    """Loss, accuracy, neurons (alive, and firing at each iteration) and connections, of the
    latest row.

    Medians over a population.
    """
    # Members that diverged are shown with their last row.
    rows = [member.history[-1] for member in trainer.members if member.history]
    if not rows:
        return "..."

    def median(name: str) -> float:
        values = sorted(row[name] for row in rows)
        return values[len(values) // 2]

    firing = "-".join(
        str(round(median(name)))
        for name in rows[0]
        if name.startswith("living_") and name != "living_neurons"
    )
    score = "R2" if trainer.data.kind == "regression" else "acc"
    return (
        f"loss {median('loss'):.4f}  {score} {median('validation_accuracy'):.3f}  "
        f"neurons {round(median('living_neurons'))}{f' ({firing})' if firing else ''}  "
        f"connections {round(median('connections')):,}"
    )


def bars(
    console: Console, time_column: ProgressColumn | None = None, disable: bool = False
) -> Progress:
    """Bars of what is under way: name, how much is done, time, and figures (the field `now`)."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        time_column or TimeElapsedColumn(),
        TextColumn("{task.fields[now]}", markup=False),
        console=console,
        disable=disable,
    )


@contextmanager
def progress(title: str, quiet: bool = False) -> Iterator[Observer]:
    """Yield an observer for `train`: a bar, lines without a terminal, nothing if quiet."""
    console = Console(stderr=True)
    if quiet:
        yield lambda trainer: None
    elif not console.is_terminal:
        yield _lines(title)
    else:
        with bars(console, TimeRemainingColumn()) as bar:
            task = bar.add_task(title, total=None, now="")
            yield lambda trainer: bar.update(
                task, completed=trainer.step, total=trainer.steps, now=describe(trainer)
            )


def _lines(title: str) -> Observer:
    """An observer that prints a line every few seconds, and at the end."""
    last = time.monotonic()

    def print_line(trainer: Trainer) -> None:
        nonlocal last
        done = trainer.step >= trainer.steps
        if done or time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            steps = f"{trainer.step}/{trainer.steps}"
            print(f"{title}  step {steps}  {describe(trainer)}", file=sys.stderr, flush=True)

    return print_line
