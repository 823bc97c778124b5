"""Claim: `analyse` with 1,000 null draws takes under 5 s and 4 GiB at S = 5000 with 150 living
neurons, at S = 2000 with 200,000 used weights, and at S = 850 with two convolutions. Prints
seconds, alone and while every core is busy with something else as well, and peak memory; each case
runs in a process of its own so that the peaks are its own.

`python -m experiments.benchmarks analysis`
"""

import contextlib
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from analysis import analyse

Arguments = tuple[np.ndarray, dict[str, Any]]
"""W `(S, S)`, and the keyword arguments of `analyse` that go with it."""


def living_few(rng: np.random.Generator) -> Arguments:
    """S = 5000 of which 150 live: 20 inputs, hidden layers of 60, 40 and 20, 10 outputs, positions
    on a plane."""
    return layered(5000, (20, 60, 40, 20, 10), 1.0, rng)


def many_used(rng: np.random.Generator) -> Arguments:
    """S = 2000, over 200,000 weights in use: layers of 400 at density 0.34, some relays."""
    return layered(2000, (400, 400, 400, 400, 400), 0.34, rng)


def convolutions(rng: np.random.Generator) -> Arguments:
    """S = 850: 40 sites on a line, two hidden layers of 10 channels there with kernels of 5 sites,
    dense outputs."""
    sites = 40
    channels = 10
    n_outputs = 10
    site = np.arange(sites)
    offset = site[None, :] - site[:, None]  # of source from target
    near = abs(offset) <= 2
    hidden = sites * channels
    weights = np.zeros((sites + 2 * hidden + n_outputs,) * 2)
    first = slice(sites, sites + hidden)
    second = slice(sites + hidden, sites + 2 * hidden)

    for targets, sources, n_sources in ((first, slice(0, sites), 1), (second, first, channels)):
        kernels = rng.normal(size=(channels, n_sources, 5))
        shared = np.where(
            near, kernels[:, :, np.clip(offset + 2, 0, 4)], 0.0
        )  # (channels, n_sources, sites, sites)
        weights[targets, sources] = shared.transpose(0, 2, 1, 3).reshape(hidden, -1)

    weights[-n_outputs:, second] = rng.normal(size=(n_outputs, hidden))
    positions = np.full((len(weights), 1), np.nan)
    positions[:-n_outputs, 0] = np.tile(site, 1 + 2 * channels)

    return weights, {
        "n_inputs": sites,
        "n_outputs": n_outputs,
        "n_iterations": 3,
        "positions": positions,
    }


def layered(
    n_neurons: int, sizes: Sequence[int], density: float, rng: np.random.Generator
) -> Arguments:
    """Arguments of `analyse` for a layered network with random positions, one hidden neuron in ten
    a relay."""
    weights = np.zeros((n_neurons, n_neurons))
    hidden = rng.permutation(np.arange(sizes[0], n_neurons - sizes[-1]))
    ends = np.cumsum(sizes[1:-1])
    layers = [
        np.arange(sizes[0]),
        *np.split(hidden[: ends[-1]], ends[:-1]),
        np.arange(n_neurons - sizes[-1], n_neurons),
    ]

    for k, (sources, targets) in enumerate(pairwise(layers)):
        wired = rng.random((len(targets), len(sources))) < density
        block = wired * rng.normal(size=wired.shape) * np.sqrt(2 / (density * len(sources)))
        if 0 < k < len(layers) - 2:
            relays = np.arange(0, len(targets), 10)
            block[relays] = 0.0
            block[relays, relays % len(sources)] = 1.0
        weights[np.ix_(targets, sources)] = block

    positions = rng.uniform(size=(n_neurons, 2))
    return weights, {
        "n_inputs": sizes[0],
        "n_outputs": sizes[-1],
        "n_iterations": len(sizes) - 1,
        "positions": positions,
    }


# Networks, and the seconds that `analyse` may take for each: the claims of this module.
CASES = {
    "S = 5000, 150 living neurons": (living_few, 5.0),
    "S = 2000, 200,000 used weights": (many_used, 5.0),
    "S = 850, 2 convolutions, 10 channels": (convolutions, 5.0),
}
LIMIT_GIB = 4.0
"""Peak memory of a case: by judgement, what a laptop has to spare."""


def measure(name: str) -> dict[str, Any]:
    """Seconds, peak memory in GiB and the summary for one case."""
    weights, arguments = CASES[name][0](np.random.default_rng(0))
    start = time.perf_counter()
    report = analyse(weights, n_null=1000, **arguments)
    seconds = time.perf_counter() - start
    scale = 2**30 if sys.platform == "darwin" else 2**20
    return {
        "seconds": seconds,
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale,
        "summary": report.summary,
        "n_used": report.n_used_weights,
    }


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """While something else keeps every core busy."""
    others = [
        multiprocessing.get_context("spawn").Process(target=spin, daemon=True)
        for _ in range(os.cpu_count() or 1)
    ]
    for other in others:
        other.start()
    time.sleep(3)  # until they have imported what they need
    try:
        yield
    finally:
        for other in others:
            other.terminate()


def spin() -> None:
    """Never ends."""
    while True:
        pass


def run() -> dict[str, tuple[dict[str, Any], float]]:
    """{case: (measurement alone, seconds on busy cores)}, each in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        alone = {name: pool.apply(measure, (name,)) for name in CASES}
        with busy_cores():
            return {name: (alone[name], pool.apply(measure, (name,))["seconds"]) for name in CASES}


def main(arguments: Sequence[str] = ()) -> int:
    """Print the table; exit status 1 where a limit is missed. Takes no arguments."""
    if arguments:
        raise SystemExit(f"analysis_speed takes no arguments, got {' '.join(arguments)}")

    table = Table(title="analyse, 1,000 null draws")
    for column in ("case", "seconds", "busy cores", "limit", "peak GiB", "weights", "summary"):
        table.add_column(column)

    passed = True
    for name, (alone, busy) in run().items():
        limit = CASES[name][1]
        passed &= alone["seconds"] < limit and alone["gib"] < LIMIT_GIB
        table.add_row(
            name,
            f"{alone['seconds']:.2f}",
            f"{busy:.2f}",
            f"{limit:g}",
            f"{alone['gib']:.2f}",
            str(alone["n_used"]),
            alone["summary"],
        )

    Console().print(table)
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
