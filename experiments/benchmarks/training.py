"""How fast training is, against the yardstick in the same process: a dense step, a whole training,
the paper's experiment, peak memory. Claims (ratios on two cores): dense step >= 1.8, and at most
1.3 of six matrix products timed beside it; whole training, S = 2000 >= 15 at an objective no more
than 1 % worse and equal test accuracy; the paper's experiment, S = 5000 >= 40; at most 5.5 copies
of W in memory at S = 5000."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from experiments.benchmarks.products import OnePass, SixProducts
from experiments.benchmarks.yardstick import PlainURN, objective
from urn import TrainConfig
from urn.data.batches import Batches
from urn.data.tasks import Dataset, task_options
from urn.training.trainer import Trainer

STRENGTHS = {"weight": 3e-4, "activity": 3e-3, "bias": 3e-3, "self": 1.0}
"""Found by trial runs of the paper's experiment (docs/experiments.md); the depth term comes on top,
warmed up."""
PARTS = ("dense", "whole", "paper", "memory")
"""What can be asked for by name."""
console = Console()


def shells(n_neurons: int, steps: int) -> TrainConfig:
    """The paper's experiment at any S: 10-dimensional shells, I = 4, batch 128."""
    return TrainConfig(
        task="shells",
        n_neurons=n_neurons,
        n_iterations=4,
        steps=steps,
        learning_rate={"value": 1e-3, "milestones": [0.7], "factor": 0.2},
        strengths={**STRENGTHS, "depth": {"value": 1e-2, "warmup": 1500}},
        log_every=250,
        snapshots=0,
    )


class Plain:
    """The yardstick on a `TrainConfig`: same first weights, data order, schedules and loss."""

    def __init__(self, config: TrainConfig, data: Dataset):
        generator = torch.Generator().manual_seed(config.seed)
        self.net = PlainURN(
            config.n_neurons, data.n_inputs, data.n_outputs, config.n_iterations, generator
        )
        self.net.to(config.device)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=config.learning_rate.value)
        self.batches = Batches(
            data.train, config, [config.seed], torch.device(config.device), torch.float32
        )
        self.config = config
        self.done = 0

    def strengths(self, step: int) -> dict[str, float]:
        """Every strength at a step."""
        return {
            name: schedule.at(step, self.config.steps)
            for name, schedule in self.config.strengths.items()
        }

    def run(self, n: int) -> None:
        """`n` updates."""
        for _ in range(n):
            self._step()

    def _step(self) -> None:
        self.optimiser.param_groups[0]["lr"] = self.config.learning_rate.at(
            self.done, self.config.steps
        )
        x, y, _ = self.batches.at(self.done)
        self.optimiser.zero_grad()
        loss, _ = objective(self.net, x[0], y[0], self.strengths(self.done))
        loss.backward()
        self.optimiser.step()
        self.done += 1


def seconds_per_step(
    steppers: list[Callable[[int], None]], n: int = 5, seconds: float = 20.0, least: int = 5
) -> list[float]:
    """Median seconds per step of each, taken `n` steps in turn so that a noisy machine disturbs all
    alike."""
    for step in steppers:
        step(n)

    times: list[list[float]] = [[] for _ in steppers]
    end = time.perf_counter() + seconds

    while time.perf_counter() < end or len(times[0]) < least:
        for step, taken in zip(steppers, times, strict=True):
            start = time.perf_counter()
            step(n)
            taken.append((time.perf_counter() - start) / n)

    return [statistics.median(taken) for taken in times]


def dense_step() -> dict[int, float]:
    """A step of the dense network, nothing removed. Returns the yardstick's seconds per step for
    every S."""
    console.print(
        "Dense step: batch 128, I = 4; ms, medians, taken in turn. "
        "Claims: yardstick / urn >= 1.8, urn / six products <= 1.3"
    )
    columns = ("S", "yardstick", "urn", "ratio", "6 products", "a pass", "/ products", "/ both")
    table = Table(*columns)
    plain_seconds = {}

    for n_neurons in (500, 2000, 5000):
        config = shells(n_neurons, 10**6).replace(remove_dead=False)
        data = task_options("shells", {}).load()
        plain = Plain(config, data)
        ours = Trainer([config], data)
        floor = [kind(n_neurons, config.batch_size).run for kind in (SixProducts, OnePass)]
        a, b, products, one_pass = seconds_per_step(
            [plain.run, lambda n, ours=ours: ours.run(until=ours.step + n), *floor]
        )
        plain_seconds[n_neurons] = a
        cells = _cells(a * 1e3, b * 1e3, a / b, products * 1e3, one_pass * 1e3)
        cells += _cells(b / products, b / (products + one_pass))
        table.add_row(str(n_neurons), *cells)

    console.print(table)
    return plain_seconds


def whole_training(n_neurons: int = 2000, steps: int = 5000) -> None:
    """Both train to the end; the yardstick's own function measures the objective of both, on the
    same 10,000 samples."""
    config = shells(n_neurons, steps)
    data = task_options("shells", {}).load()
    ours = Trainer([config], data)
    start = time.perf_counter()
    ours.run()
    ours_seconds = time.perf_counter() - start
    plain = Plain(config, data)
    start = time.perf_counter()
    while plain.done < steps:
        plain.run(500)
        console.print(
            f"yardstick step {plain.done} after {time.perf_counter() - start:.0f} s", style="dim"
        )
    plain_seconds = time.perf_counter() - start

    learned = PlainURN(n_neurons, data.n_inputs, data.n_outputs, config.n_iterations)
    learned.weight.data = ours.members[0].final.weights
    learned.bias.data = ours.members[0].final.biases
    title = f"Whole training: S = {n_neurons}, {steps} steps"
    table = Table("", "seconds", "objective", "test accuracy", "non-zero weights", title=title)
    results = {}
    for name, net, seconds in (
        ("yardstick", plain.net, plain_seconds),
        ("urn", learned, ours_seconds),
    ):
        with torch.no_grad():
            value = float(
                objective(
                    net, data.train[0][:10_000], data.train[1][:10_000], plain.strengths(steps)
                )[0]
            )
            accuracy = float((net(data.test[0])[0].argmax(1) == data.test[1]).double().mean())
        results[name] = value
        table.add_row(
            name,
            f"{seconds:.1f}",
            f"{value:.5f}",
            f"{accuracy:.4f}",
            f"{int((net.weight != 0).sum()):,}",
        )
    console.print(table)
    worse = results["urn"] / results["yardstick"]
    console.print(
        f"ratio {plain_seconds / ours_seconds:.1f} (claim: >= 15), "
        f"objective ratio {worse:.4f} (claim: <= 1.01)\n"
    )


def paper(plain_seconds: float, n_neurons: int = 5000, steps: int = 6000) -> None:
    """The paper's experiment, with the time per step as the network shrinks."""
    config = shells(n_neurons, steps)
    ours = Trainer([config])
    table = Table(
        "to step",
        "neurons held",
        "ms per step",
        title=f"The paper's experiment: S = {n_neurons}, {steps} steps",
    )
    start = time.perf_counter()

    for until in (50, 250, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000, 6000):
        before = ours.step
        begun = time.perf_counter()
        ours.run(until=until)
        milliseconds = (time.perf_counter() - begun) / (until - before) * 1e3
        table.add_row(str(until), f"{ours.net.weight.shape[1]:,}", f"{milliseconds:.1f}")

    seconds = time.perf_counter() - start
    console.print(table)
    member = ours.members[0]
    console.print(
        f"test accuracy {member.test_accuracy:.4f}, "
        f"hidden neurons alive {member.history[-1]['living_neurons']}, "
        f"connections {member.history[-1]['connections']:,}; "
        f"{seconds:.0f} s against {plain_seconds * steps:.0f} s: "
        f"ratio {plain_seconds * steps / seconds:.1f} (claim: >= 40)\n"
    )


def memory(n_neurons: int = 5000) -> None:
    """Peak resident memory of a training process beyond what imports and data take, in copies of W
    (claim: <= 5.5)."""
    copy = n_neurons**2 * 4 / 1024  # KiB, as Linux counts
    peaks = {}

    for steps in (0, 250):  # with checks for dead neurons and a row of history
        code = f"from experiments.benchmarks.training import _peak; _peak({n_neurons}, {steps})"
        peaks[steps] = int(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            ).stdout
        )

    console.print(
        f"Peak memory at S = {n_neurons}: {peaks[250] / 1024:.0f} MiB, "
        f"without the network {peaks[0] / 1024:.0f} MiB: "
        f"{(peaks[250] - peaks[0]) / copy:.2f} copies of W (claim: <= 5.5)\n"
    )


def _peak(n_neurons: int, steps: int) -> None:
    """Print the peak resident memory of this process in KiB, after training some steps at this or
    (for none) a tiny size."""
    trainer = Trainer([shells(n_neurons if steps else 20, 6000)])
    trainer.run(until=steps or 250)
    status = Path(
        "/proc/self/status"
    ).read_text()  # its mark is of this program alone; getrusage's outlives an exec
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _cells(*values: float) -> list[str]:
    return [f"{value:.2f}" for value in values]


def main(parts: list[str]) -> None:
    """Run the parts named, or all."""
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    wanted = parts or PARTS
    console.print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    plain_seconds = dense_step() if {"dense", "paper"} & set(wanted) else {}
    if "memory" in wanted:
        memory()
    if "paper" in wanted:
        paper(plain_seconds[5000])
    if "whole" in wanted:
        whole_training()
