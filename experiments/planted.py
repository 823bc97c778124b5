"""Networks whose structure is known, for tests and `python -m experiments.benchmarks planted`.

Judges nothing. Every network hides its neurons among others that take no part: dead ones, dangling
ones (no path to an output), unreachable ones (some of them constant sources, biases being
positive), and late ones (wired to used neurons on both sides, too late to matter). The truth
follows from the construction and the definitions in docs/structure.md, never from what the analysis
says. Verdicts that are not listed as true are false. `depth` and `widths` are None where they are
left to chance (random wiring).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from experiments.planting import (
    Builder,
    Planted,
    grid,
    inner,
    line,
    random_bipartite,
    square,
    window,
)

Rng = np.random.Generator

VERDICTS = (
    "fully_connected",
    "locally_connected",
    "convolutional",
    "residual",
    "recurrent",
    "modular",
)
"""The kinds whose truth is planted."""
JITTER = 0.2
"""Largest deviation of a local neuron from its site, in lattice steps: too small to change its
window."""


def mlp(
    n_neurons: int,
    rng: Rng,
    *,
    n_hidden: int,
    density: float = 1.0,
    input_mode: str = "pulse",
) -> Planted:
    """A perceptron of `n_hidden` layers; blocks of the given density."""
    build = Builder(n_neurons, int(rng.integers(6, 13)), int(rng.integers(2, 5)), rng, dim=2)
    room = (len(build.free) - 6) // n_hidden
    layers = [build.inputs]
    for _ in range(n_hidden):
        layers.append(build.take(int(rng.integers(min(5, room), min(24, room) + 1))))
    layers.append(build.outputs)
    for sources, targets in pairwise(layers):
        build.join(sources, targets, random_bipartite(len(targets), len(sources), density, rng))

    return build.finish(
        "mlp",
        f"mlp {n_hidden} {input_mode} {density}",
        n_hidden + 1,
        ["fully_connected"],
        hidden=layers[1:-1],
        late_from=layers[-2] if input_mode == "pulse" else None,
        input_mode=input_mode,
    )


def local(
    n_neurons: int,
    rng: Rng,
    *,
    dim: int,
    n_hidden: int,
    channels: int = 1,
    shared: bool = False,
    dense: int = 0,
) -> Planted:
    """Windows on a line or a square, `channels` neurons a site.

    `shared` repeats the kernels; `dense` neurons follow fully connected.
    """
    reach = int(rng.integers(1, 4)) if dim == 1 and not shared else 2 if dim == 1 else 1
    side = int(rng.integers(24, 41)) if dim == 1 else int(rng.integers(7, 10))
    build = Builder(n_neurons, side**dim, int(rng.integers(2, 6)), rng, dim=dim)
    build.positions[build.inputs] = grid(side, dim)
    step = 1 / (side - 1)
    layers = [build.inputs]
    positions = grid(side, dim)
    for k in range(1, n_hidden + 1):
        before = layers[-1]
        sites = np.tile(inner(side, reach * k, dim), (channels, 1))
        off = 0.0 if shared else JITTER * step * rng.uniform(-1, 1, size=sites.shape)
        here = build.take(len(sites), sites + off)
        mask = window(positions, sites, reach * step)
        build.join(before, here, mask)
        if shared:
            _share(build, before, here, mask, channels)
        layers.append(here)
        positions = sites

    if dense:
        layers.append(build.take(dense))
        build.join(layers[-2], layers[-1])
    layers.append(build.outputs)
    build.join(layers[-2], layers[-1])
    family = "conv" if shared else "local"
    if dense:
        family += "_fc"
    true = ["locally_connected"] + ["convolutional"] * shared + ["fully_connected"] * bool(dense)
    return build.finish(
        family,
        f"{family} {dim}d {n_hidden} x{channels}",
        len(layers) - 1,
        true,
        hidden=layers[1:-1],
        late_from=layers[-2],
    )


def _share(
    build: Builder, before: np.ndarray, here: np.ndarray, mask: np.ndarray, channels: int
) -> None:
    """Give the neurons of a channel the same kernel and the same bias."""
    taps = int(mask[0].sum())
    kernel = build.rng.normal(size=(channels, taps)) * np.sqrt(2 / taps)
    kernel[:, 0] = np.abs(kernel[:, 0])
    n_sites = len(here) // channels
    # The sources of a window come in the same order (channel, site) at each site.
    for number, (i, row) in enumerate(zip(here, mask, strict=True)):
        build.weights[i, before[row]] = kernel[number // n_sites]
    build.biases[here] = np.repeat(0.1 * build.rng.normal(size=channels), n_sites)


def residual(
    n_neurons: int,
    rng: Rng,
    *,
    n_blocks: int,
    skip: str = "identity",
    branch: int = 1,
    density: float = 1.0,
) -> Planted:
    """Blocks s' = relu(P s + V f(s)) with P the identity or a dense projection.

    Relays hand s on past the branch f.
    """
    n_inputs = int(rng.integers(5, 11))
    width = int(rng.integers(5, 9))
    build = Builder(n_neurons, n_inputs, int(rng.integers(2, 5)), rng, dim=2)
    stream = build.take(width)
    build.join(build.inputs, stream)
    used = [stream]
    widths = [width]
    for _ in range(n_blocks):
        source = stream
        for _ in range(branch):
            hidden = build.take(int(rng.integers(6, 13)))
            build.join(source, hidden, random_bipartite(len(hidden), len(source), density, rng))
            used.append(hidden)
            widths.append(len(hidden))
            source = hidden

        relay = stream
        for _ in range(branch):
            handed = build.take(width, bias=0.0)
            build.copy(relay, handed)
            relay = handed
        stream = build.take(width)
        build.join(source, stream, random_bipartite(width, len(source), density, rng))
        if skip == "identity":
            build.copy(relay, stream)
        else:
            build.join(relay, stream)
        used.append(stream)
        widths.append(width)
    build.join(stream, build.outputs)
    return build.finish(
        "residual",
        f"residual {skip} {n_blocks} branch {branch} {density}",
        2 + n_blocks * (branch + 1),
        ["residual"],
        used=np.concatenate(used),
        late_from=stream,
        depth=len(widths),
        widths=tuple(widths),
    )


def carried(n_neurons: int, rng: Rng, *, n_blocks: int, branch: int = 1) -> Planted:
    """A self-carried stream s(l+1) = relu(s(l) + V_k f_k(l)), W_ss = 1.

    A chain of branches adds to one running sum.
    """
    n_inputs = int(rng.integers(5, 11))
    width = int(rng.integers(5, 9))
    build = Builder(n_neurons, n_inputs, int(rng.integers(2, 5)), rng, dim=2)
    stream = build.take(width, bias=0.0)
    build.join(build.inputs, stream)
    build.copy(stream, stream)
    source = build.inputs
    used = [stream]
    widths = []
    n_steps = n_blocks * branch
    # The branch layer f_l adds to the stream at l + 1.
    adds = {branch * (k + 1) for k in range(n_blocks)}

    for l in range(1, n_steps + 1):
        hidden = build.take(int(rng.integers(6, 13)))
        # The branch is silent while no signal passes, or the sum would bend.
        build.biases[hidden] *= -np.sign(build.biases[hidden])
        build.join(source, hidden)
        if l in adds:
            build.join(hidden, stream)
        used.append(hidden)
        widths.append(len(hidden) + (width if l == 1 or l - 1 in adds else 0))
        source = hidden

    widths.append(width)
    build.join(stream, build.outputs)
    return build.finish(
        "residual",
        f"residual carried {n_blocks} branch {branch}",
        n_steps + 2,
        ["residual"],
        used=np.concatenate(used),
        linear=np.concatenate(used),
        depth=n_steps + 1,
        widths=tuple(widths),
    )


def local_residual(n_neurons: int, rng: Rng, *, n_blocks: int) -> Planted:
    """Local windows on a line with identity skips around each pair of local layers."""
    side = int(rng.integers(16, 25))
    build = Builder(n_neurons, side, int(rng.integers(2, 5)), rng)
    sites = line(side)
    build.positions[build.inputs] = sites
    mask = window(sites, sites, 1 / (side - 1))
    stream = build.take(side, sites)
    build.join(build.inputs, stream, mask)
    used = [stream]

    for _ in range(n_blocks):
        hidden = build.take(side, sites)
        relay = build.take(side, sites, bias=0.0)
        after = build.take(side, sites)
        build.join(stream, hidden, mask)
        build.copy(stream, relay)
        build.join(hidden, after, mask)
        build.copy(relay, after)
        stream = after
        used += [hidden, after]

    build.join(stream, build.outputs)
    return build.finish(
        "local_residual",
        f"local_residual {n_blocks}",
        2 + 2 * n_blocks,
        ["locally_connected", "residual"],
        used=np.concatenate(used),
        late_from=stream,
        depth=len(used),
        widths=(side,) * len(used),
    )


def rnn(
    n_neurons: int,
    rng: Rng,
    *,
    density: float = 1.0,
    input_mode: str = "pulse",
    activation: str = "relu",
) -> Planted:
    """A vanilla recurrent network: one hidden block that feeds itself at every iteration."""
    n_iterations = int(rng.integers(3, 7))
    build = Builder(n_neurons, int(rng.integers(4, 9)), int(rng.integers(2, 5)), rng, dim=2)
    hidden = build.take(int(rng.integers(12, 25)))
    n = len(hidden)
    build.join(build.inputs, hidden, random_bipartite(n, build.n_inputs, density, rng, at_least=1))
    build.join(hidden, hidden, random_bipartite(n, n, density, rng, at_least=3))
    build.join(hidden, build.outputs)

    true = ["recurrent"] + ["fully_connected"] * (density == 1.0)
    exact: dict[str, Any] = {}
    if density == 1.0:
        exact = {"depth": n_iterations - 1, "widths": (n,) * (n_iterations - 1)}
    return build.finish(
        "rnn",
        f"rnn {input_mode} {activation} {density}",
        n_iterations,
        true,
        used=hidden,
        input_mode=input_mode,
        activation=activation,
        **exact,
    )


def random_levelled(n_neurons: int, rng: Rng) -> Planted:
    """Random sparse wiring between consecutive layers: no structure but the layers."""
    n_hidden = int(rng.integers(2, 5))
    build = Builder(n_neurons, int(rng.integers(12, 20)), int(rng.integers(3, 6)), rng, dim=2)
    room = min(40, (len(build.free) - 2) // n_hidden)
    layers = [
        build.inputs,
        *(build.take(int(rng.integers(room // 2, room + 1))) for _ in range(n_hidden)),
        build.outputs,
    ]
    for sources, targets in pairwise(layers):
        mask = rng.random((len(targets), len(sources))) < rng.uniform(1.5, 4) / len(sources)
        build.join(sources, targets, mask)

    return build.finish(
        "random",
        "random levelled",
        n_hidden + 1,
        used=np.concatenate(layers[1:-1]),
        late_from=layers[-2],
    )


def random_recurrent(n_neurons: int, rng: Rng) -> Planted:
    """Random sparse wiring of all neurons, inputs and outputs included: no structure at all."""
    build = Builder(n_neurons, int(rng.integers(8, 15)), int(rng.integers(3, 6)), rng, dim=2)
    hidden = build.take(min(len(build.free), int(rng.integers(40, 120))))
    everyone = np.concatenate([build.inputs, hidden, build.outputs])
    mask = rng.random((len(everyone), len(everyone))) < rng.uniform(4, 7) / len(everyone)
    build.join(everyone, everyone, mask)
    return build.finish("random", "random recurrent", int(rng.integers(4, 7)), used=hidden)


def disconnected(n_neurons: int, rng: Rng, *, how: str) -> Planted:
    """A perceptron without a path of the right length: a layer cut, or an iteration too few."""
    whole = mlp(n_neurons, rng, n_hidden=2)
    weights = whole.weights.copy()
    arguments = dict(whole.arguments)
    if how == "cut":
        weights[len(weights) - arguments["n_outputs"] :] = 0.0
    else:
        arguments["n_iterations"] -= 1

    return replace(
        whole,
        family="disconnected",
        name=f"disconnected {how}",
        weights=weights,
        arguments=arguments,
        true=frozenset(),
        depth=0,
        widths=(),
        status="disconnected",
    )


def small_world(n_neurons: int, rng: Rng, *, on_ring: bool) -> Planted:
    """Watts-Strogatz wiring of the hidden neurons (4 neighbours, 10 % rewired).

    Positions are on its ring or at random.
    """
    n_hidden = int(rng.integers(30, min(80, n_neurons - 15)))
    build = Builder(n_neurons, 8, 3, rng, dim=2)
    hidden = build.take(n_hidden)
    angle = 2 * np.pi * np.arange(n_hidden) / n_hidden
    if on_ring:
        build.positions[hidden] = np.column_stack([np.cos(angle), np.sin(angle)])
    mask = np.zeros((n_hidden, n_hidden), dtype=bool)
    for i in range(n_hidden):
        for offset in (-2, -1, 1, 2):
            j = (i + offset) % n_hidden
            mask[i, int(rng.integers(n_hidden)) if rng.random() < 0.1 else j] = True
    np.fill_diagonal(mask, False)

    build.join(build.inputs, hidden, random_bipartite(n_hidden, 8, 0.2, rng, at_least=1))
    build.join(hidden, hidden, mask)
    build.join(hidden, build.outputs)
    true = ["recurrent"] + ["locally_connected"] * on_ring
    return build.finish(
        "small_world",
        f"small world {'ring' if on_ring else 'scattered'}",
        int(rng.integers(4, 6)),
        true,
        used=hidden,
    )


def sparse_first(n_neurons: int, rng: Rng) -> Planted:
    """A perceptron whose first layer reads few inputs each, at random: sparse, but not local."""
    side = 8
    build = Builder(n_neurons, side**2, 4, rng, dim=2)
    build.positions[build.inputs] = square(side)
    first = build.take(int(rng.integers(30, 41)))
    second = build.take(int(rng.integers(20, 31)))
    build.join(build.inputs, first, random_bipartite(len(first), side**2, 6 / side**2, rng))
    build.join(first, second)
    build.join(second, build.outputs)

    return build.finish(
        "sparse_first",
        "sparse first",
        3,
        ["fully_connected"],
        hidden=[first, second],
        late_from=second,
    )


FAMILIES: dict[str, tuple[int, Callable[[int, Rng], Planted]]] = {
    **{f"mlp {n}": (60 + 30 * n, partial(mlp, n_hidden=n)) for n in range(1, 6)},
    "mlp pruned": (120, partial(mlp, n_hidden=3, density=0.75)),
    "mlp clamped": (100, partial(mlp, n_hidden=2, input_mode="clamped")),
    "sparse first": (180, sparse_first),
    "local 1d": (160, partial(local, dim=1, n_hidden=1, channels=2)),
    "local 1d deep": (200, partial(local, dim=1, n_hidden=2)),
    "local 2d": (250, partial(local, dim=2, n_hidden=1)),
    "local 2d deep": (250, partial(local, dim=2, n_hidden=2)),
    "conv 1d": (
        250,
        partial(local, dim=1, n_hidden=1, channels=4, shared=True),
    ),
    "conv 1d deep": (
        300,
        partial(local, dim=1, n_hidden=2, channels=3, shared=True),
    ),
    "conv 2d": (
        350,
        partial(local, dim=2, n_hidden=1, channels=3, shared=True),
    ),
    "conv then dense": (
        300,
        partial(local, dim=1, n_hidden=1, channels=3, shared=True, dense=24),
    ),
    **{f"residual {n}": (80 + 40 * n, partial(residual, n_blocks=n)) for n in range(1, 5)},
    "residual deep branch": (200, partial(residual, n_blocks=2, branch=2)),
    "residual projection": (200, partial(residual, n_blocks=2, skip="projection")),
    "residual sparse": (200, partial(residual, n_blocks=3, density=0.5)),
    **{f"carried {n}": (90 + 20 * n, partial(carried, n_blocks=n)) for n in range(1, 5)},
    "carried deep branch": (160, partial(carried, n_blocks=2, branch=2)),
    "local residual": (220, partial(local_residual, n_blocks=2)),
    "rnn pulse": (50, rnn),
    "rnn clamped": (50, partial(rnn, input_mode="clamped", activation="tanh")),
    "rnn sparse": (60, partial(rnn, density=0.2)),
    "random levelled": (140, random_levelled),
    "random recurrent": (100, random_recurrent),
    "small world ring": (100, partial(small_world, on_ring=True)),
    "small world scattered": (100, partial(small_world, on_ring=False)),
    "disconnected cut": (100, partial(disconnected, how="cut")),
    "disconnected short": (100, partial(disconnected, how="short")),
}
"""Every family by name: the least S, and the function that plants a network."""
