"""Progress while training: a bar with the figures that matter, or plain lines where there is no terminal."""

import sys
import time
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

from urn.training.trainer import Trainer

SECONDS_BETWEEN_LINES = 5.0


def describe(trainer: Trainer) -> str:
    """Loss, accuracy, living neurons (per iteration) and connections of the latest row; medians over a population."""
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
    """Bars of what is under way: its name, how much is done, the time, and the figures that matter (the field `now`)."""
    name, now = (
        TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[now]}")
    )
    columns = (
        name,
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        time_column or TimeElapsedColumn(),
        now,
    )
    return Progress(*columns, console=console, disable=disable)


@contextmanager
def progress(title: str, quiet: bool = False):
    """Yield a function to give to `train` as `report`. Without a terminal: a plain line every few seconds; quiet: nothing."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        last = time.monotonic()

        def line(trainer: Trainer) -> None:
            nonlocal last
            done = trainer.step >= trainer.config.steps
            if not quiet and (done or time.monotonic() - last >= SECONDS_BETWEEN_LINES):
                last = time.monotonic()
                print(
                    f"{title}  step {trainer.step}/{trainer.config.steps}  {describe(trainer)}",
                    file=sys.stderr,
                    flush=True,
                )

        yield line
        return
    with bars(console, TimeRemainingColumn()) as bar:
        task = bar.add_task(title, total=None, now="")
        yield lambda trainer: bar.update(
            task, completed=trainer.step, total=trainer.config.steps, now=describe(trainer)
        )
