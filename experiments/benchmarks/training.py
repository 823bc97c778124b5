"""How fast training is, against the yardstick in the same process: a dense step, a whole training,
the paper's experiment, peak memory.

Claims (ratios on two cores): dense step >= 1.8; whole training, S = 2000 >= 10 at an objective no
more than 1 % worse and equal test accuracy; the paper's experiment, S = 5000 >= 15; at most 6
copies of W in memory at S = 5000.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from experiments.benchmarks.yardstick import PlainURN, objective
from urn import TrainConfig
from urn.data.batches import Batches
from urn.data.tasks import Dataset, task_options
from urn.training.trainer import Trainer

# The first trial of the paper's experiment (docs/experiments.md); the depth term comes on top,
# warmed up.
STRENGTHS = {"weight": 3e-4, "activity": 3e-3, "bias": 3e-3, "self": 1.0}

PARTS = ("dense", "whole", "paper", "memory")  # The parts of the benchmark.

SIZES = (500, 2000, 5000)  # S of the dense step.

N_OBJECTIVE = 10_000  # Samples on which the objective of both is measured.

# Steps after which the paper's experiment is timed: closer together while neurons go.
UNTIL = (50, 250, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000, 6000)

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
    """The yardstick on a `TrainConfig`: same first weights, data order, schedules and loss.

    Parameters
    ----------
    config : TrainConfig
    data : Dataset
    """

    def __init__(self, config: TrainConfig, data: Dataset) -> None:
        generator = torch.Generator().manual_seed(config.seed)
        self.net = PlainURN(
            config.n_neurons, data.n_inputs, data.n_outputs, config.n_iterations, generator
        )
        self.net.to(config.device)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=config.learning_rate.value)

        device = torch.device(config.device)
        self.batches = Batches(data.train, config, [config.seed], device, torch.float32)
        self.config = config
        self.done = 0

    def strengths(self, step: int) -> dict[str, float]:
        """Every strength at a step."""
        return {
            name: schedule.at(step, self.config.steps)
            for name, schedule in self.config.strengths.items()
        }

    def run(self, n: int) -> None:
        """Make `n` steps."""
        for _ in range(n):
            self._step()

    def _step(self) -> None:
        rate = self.config.learning_rate.at(self.done, self.config.steps)
        self.optimiser.param_groups[0]["lr"] = rate
        x, y, _ = self.batches.at(self.done)
        self.optimiser.zero_grad()
        loss, _ = objective(self.net, x[0], y[0], self.strengths(self.done))
        loss.backward()
        self.optimiser.step()
        self.done += 1


def seconds_per_step(
    steppers: list[Callable[[int], None]], n: int = 5, seconds: float = 20.0, least: int = 5
) -> list[float]:
    """Median seconds per step of each, taken in turn so that a noisy machine disturbs all alike.

    Parameters
    ----------
    steppers : list of callable
        Each makes as many steps as it is given.
    n : int
        Steps in a turn.
    seconds : float
        How long to go on.
    least : int
        Turns at least.
    """
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
    """A step of the dense network, nothing removed.

    Returns
    -------
    dict
        The yardstick's seconds per step for every S.
    """
    head = ("S", "yardstick, ms", "urn, ms", "ratio", "claim")
    table = Table(*head, title="Dense step: batch 128, I = 4")
    plain_seconds = {}
    for n_neurons in SIZES:
        config = shells(n_neurons, 10**6).replace(remove_dead=False)
        data = task_options("shells", {}).load()
        plain = Plain(config, data)
        ours = Trainer([config], data)
        a, b = seconds_per_step([plain.run, lambda n, ours=ours: ours.run(until=ours.step + n)])

        plain_seconds[n_neurons] = a
        cells = [f"{value:.2f}" for value in (a * 1e3, b * 1e3, a / b)]
        table.add_row(str(n_neurons), *cells, ">= 1.8")
    console.print(table)
    return plain_seconds


def whole_training(n_neurons: int = 2000, steps: int = 5000) -> None:
    """Train both to the end.

    The yardstick's own function measures the objective of both, on the same samples.
    """
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
        seconds = time.perf_counter() - start
        console.print(f"yardstick step {plain.done} after {seconds:.0f} s", style="dim")
    plain_seconds = time.perf_counter() - start

    learned = PlainURN(n_neurons, data.n_inputs, data.n_outputs, config.n_iterations)
    learned.weight.data = ours.members[0].final.weights
    learned.bias.data = ours.members[0].final.biases
    title = f"Whole training: S = {n_neurons}, {steps} steps"
    table = Table("", "seconds", "objective", "test accuracy", "non-zero weights", title=title)
    objectives = []
    for name, net, seconds in (
        ("yardstick", plain.net, plain_seconds),
        ("urn", learned, ours_seconds),
    ):
        value, accuracy = quality(net, data, plain.strengths(steps))
        objectives.append(value)
        n_weights = int((net.weight != 0).sum())
        table.add_row(name, f"{seconds:.1f}", f"{value:.5f}", f"{accuracy:.4f}", f"{n_weights:,}")
    console.print(table)

    worse = objectives[1] / objectives[0]
    console.print(
        f"ratio {plain_seconds / ours_seconds:.1f} (claim: >= 10), "
        f"objective ratio {worse:.4f} (claim: <= 1.01)\n"
    )


@torch.no_grad()
def quality(net: PlainURN, data: Dataset, strengths: dict[str, float]) -> tuple[float, float]:
    """The objective on training samples and the accuracy on test samples."""
    X, y = data.train
    value = float(objective(net, X[:N_OBJECTIVE], y[:N_OBJECTIVE], strengths)[0])
    X, y = data.test
    return value, float((net(X)[0].argmax(1) == y).double().mean())


def paper(plain_seconds: float, n_neurons: int = 5000, steps: int = 6000) -> None:
    """The paper's experiment, with the time per step as the network shrinks.

    Parameters
    ----------
    plain_seconds : float
        The yardstick's seconds per step, which stay what they are at the start.
    n_neurons, steps : int
        S, and the steps of training.
    """
    ours = Trainer([shells(n_neurons, steps)])
    title = f"The paper's experiment: S = {n_neurons}, {steps} steps"
    table = Table("to step", "neurons held", "ms per step", title=title)
    start = time.perf_counter()
    for until in UNTIL:
        before = ours.step
        begun = time.perf_counter()
        ours.run(until=until)
        milliseconds = (time.perf_counter() - begun) / (until - before) * 1e3
        table.add_row(str(until), f"{ours.net.weight.shape[1]:,}", f"{milliseconds:.1f}")
    seconds = time.perf_counter() - start
    console.print(table)

    member = ours.members[0]
    last = member.history[-1]
    console.print(
        f"test accuracy {member.test_accuracy:.4f}, "
        f"living hidden neurons {last['living_neurons']}, "
        f"connections {last['connections']:,}; {seconds:.0f} s against "
        f"{plain_seconds * steps:.0f} s: ratio {plain_seconds * steps / seconds:.1f} "
        "(claim: >= 15)\n"
    )


def memory(n_neurons: int = 5000) -> None:
    """Peak resident memory of training, in copies of W (claim: <= 6).

    That of a process beyond what imports and data take.
    """
    copy = n_neurons**2 * 4 / 1024  # KiB, as Linux counts
    peaks = {}
    for steps in (0, 250):  # with checks for dead neurons and a row of history
        code = f"from experiments.benchmarks.training import _peak; _peak({n_neurons}, {steps})"
        process = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        peaks[steps] = int(process.stdout)

    console.print(
        f"Peak memory at S = {n_neurons}: {peaks[250] / 1024:.0f} MiB, "
        f"without the network {peaks[0] / 1024:.0f} MiB: "
        f"{(peaks[250] - peaks[0]) / copy:.2f} copies of W (claim: <= 6)\n"
    )


def _peak(n_neurons: int, steps: int) -> None:
    """Print the peak resident memory of this process in KiB, after some steps of training.

    Without steps the network is tiny.
    """
    trainer = Trainer([shells(n_neurons if steps else 20, 6000)])
    trainer.run(until=steps or 250)
    # VmHWM is the mark of this program alone; that of getrusage outlives an exec.
    status = Path("/proc/self/status").read_text()
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def main(parts: list[str]) -> None:
    """Run the parts named, or all."""
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    chosen = parts or PARTS
    console.print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")

    plain_seconds = dense_step() if {"dense", "paper"} & set(chosen) else {}
    if "memory" in chosen:
        memory()
    if "paper" in chosen:
        paper(plain_seconds[5000])
    if "whole" in chosen:
        whole_training()
