"""More networks of known structure: those that earlier versions of the judge got wrong.

Sub-networks side by side, fields that share a place or consist of patches, kernels with gaps,
wiring that fades with distance, leaks, concatenation, necks, blocks of middling density. As in
planted.py, the truth follows from the construction.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np

from experiments.planted import FAMILIES, mlp, residual
from experiments.planting import NOISE, Builder, Planted, inner, line, random_bipartite, window

Rng = np.random.Generator

DECAY = 0.08
"""Length over which wiring fades, relative to the line. By judgement: some three sites of forty."""
FADED = 0.05
"""Relative strength below which faded wiring is left out. By judgement."""


def faint_mlp(n_neurons: int, rng: Rng, *, share: float, size: float) -> Planted:
    """A perceptron with faint weights on a share of all entries, relative to the largest."""
    whole = mlp(n_neurons, rng, n_hidden=int(rng.integers(1, 4)))
    weights = whole.weights.copy()
    faint = (rng.random(weights.shape) < share) & (weights == 0)
    weights[faint] = size * np.abs(weights).max() * rng.choice([-1, 1], size=int(faint.sum()))
    return replace(whole, family="faint mlp", name=f"faint mlp {share} {size}", weights=weights)


def towers(n_neurons: int, rng: Rng, *, n_towers: int, depth: int) -> Planted:
    """Perceptrons side by side, with inputs and outputs of their own."""
    build = Builder(n_neurons, 6 * n_towers, 2 * n_towers, rng, dim=2)
    # Each tower takes its share of the inputs and of the outputs.
    layers = []
    for inputs, outputs in zip(
        np.split(build.inputs, n_towers), np.split(build.outputs, n_towers), strict=True
    ):
        layers.append(_tower(build, inputs, outputs, depth))
    return _side_by_side(build, "towers", f"{n_towers} towers {depth}", layers, depth)


def experts(n_neurons: int, rng: Rng, *, n_experts: int, depth: int = 2) -> Planted:
    """Perceptrons side by side that read the same inputs and add up in the outputs."""
    build = Builder(n_neurons, 10, 3, rng, dim=2)
    layers = [_tower(build, build.inputs, build.outputs, depth) for _ in range(n_experts)]
    return _side_by_side(build, "experts", f"{n_experts} experts {depth}", layers, depth)


def _tower(build: Builder, inputs: np.ndarray, outputs: np.ndarray, depth: int) -> list[np.ndarray]:
    """Hidden layers of 6 to 10 neurons between the given ends."""
    layers = [build.take(int(build.rng.integers(6, 11))) for _ in range(depth)]
    for sources, targets in pairwise([inputs, *layers]):
        build.join(sources, targets)
    build.join(layers[-1], outputs)
    return layers


def _side_by_side(
    build: Builder, family: str, name: str, modules: list[list[np.ndarray]], depth: int
) -> Planted:
    """Modules of equal depth as a network."""
    # Layers are those of the whole network: equal layers of all modules together.
    hidden = [np.concatenate([module[k] for module in modules]) for k in range(depth)]

    return build.finish(
        family,
        name,
        depth + 1,
        ["modular"],
        hidden=hidden,
        late_from=hidden[-1],
        free=frozenset({"fully_connected"}),
    )


def branches(n_neurons: int, rng: Rng) -> Planted:
    """A branch of three layers and one of a single layer between the same inputs and outputs."""
    build = Builder(n_neurons, 8, 3, rng, dim=2)
    deep = _tower(build, build.inputs, build.outputs, 3)
    first = build.take(int(rng.integers(6, 11)))
    build.join(build.inputs, first)
    # The short branch waits: relays hand its values on until the deep one is done.
    waiting = first
    for _ in range(2):
        relay = build.take(len(first), bias=0.0)
        build.copy(waiting, relay)
        waiting = relay
    build.join(waiting, build.outputs)

    return build.finish(
        "branches",
        "branches 1 and 3",
        4,
        ["modular"],
        hidden=[np.concatenate([deep[0], first]), *deep[1:]],
        late_from=deep[-1],
        free=frozenset({"fully_connected"}),
    )


def same_window(n_neurons: int, rng: Rng) -> Planted:
    """A dense perceptron all of whose neurons hear the middle of a line best."""
    side = 40
    build = Builder(n_neurons, side, 3, rng)
    build.positions[build.inputs] = line(side)
    first = build.take(int(rng.integers(16, 25)))
    second = build.take(int(rng.integers(8, 13)))
    build.join(build.inputs, first)
    # All neurons hear the same place best, but hear every place.
    loud = np.exp(-(((line(side)[:, 0] - 0.5) / 0.12) ** 2)) + 0.05
    build.weights[np.ix_(first, build.inputs)] *= 3 * loud
    build.join(first, second)
    build.join(second, build.outputs)

    return build.finish(
        "same window",
        "same window",
        3,
        ["fully_connected"],
        hidden=[first, second],
        late_from=second,
    )


def distance_decay(n_neurons: int, rng: Rng) -> Planted:
    """A layer whose weights fade with distance, with 10 % of independent noise."""
    side = 40
    build = Builder(n_neurons, side, 3, rng)
    build.positions[build.inputs] = line(side)
    hidden = build.take(side, line(side))
    # The noise is independent for each weight, so that no two kernels are the same.
    distance = np.abs(line(side) - line(side)[:, 0])
    size = np.exp(-distance / DECAY)
    weights = 0.5 * size * (1 + 0.1 * rng.normal(size=size.shape))
    build.weights[np.ix_(hidden, build.inputs)] = np.where(size > FADED, weights, 0.0)
    build.join(hidden, build.outputs)

    return build.finish(
        "decay",
        "distance decay",
        2,
        ["locally_connected"],
        hidden=[hidden],
        late_from=hidden,
    )


def dilated(n_neurons: int, rng: Rng, *, dilation: int) -> Planted:
    """A convolution with five taps that lie apart."""
    side = 5 * dilation + 20
    build = Builder(n_neurons, side, 3, rng)
    build.positions[build.inputs] = line(side)
    sites = inner(side, 2 * dilation, 1)
    offsets = dilation * np.arange(-2, 3)
    centres = np.arange(2 * dilation, side - 2 * dilation)

    # Three channels, each with a kernel of its own.
    used = []
    for _ in range(3):
        hidden = build.take(len(sites), sites)
        kernel = rng.normal(size=5)
        kernel[0] = abs(kernel[0])
        build.weights[hidden[:, None], centres[:, None] + offsets] = kernel
        build.biases[hidden] = 0.1 * rng.normal()
        used.append(hidden)
    build.join(np.concatenate(used), build.outputs)

    return build.finish(
        "dilated",
        f"dilation {dilation}",
        2,
        ["locally_connected", "convolutional"],
        hidden=[np.concatenate(used)],
        late_from=used[0],
    )


def patches(n_neurons: int, rng: Rng) -> Planted:
    """Fields of two compact patches, mirrored about the middle of a line."""
    side = 48
    build = Builder(n_neurons, side, 3, rng)
    places = line(side)
    build.positions[build.inputs] = places
    sites = places[2 : side // 2 - 2]
    hidden = build.take(2 * len(sites), np.tile(sites, (2, 1)))
    # A neuron hears the neighbours of its place, and those of the mirrored place.
    reach = 2 / (side - 1)
    mask = window(places, sites, reach) | window(places, 1 - sites, reach)
    build.join(build.inputs, hidden, np.tile(mask, (2, 1)))
    build.join(hidden, build.outputs)

    return build.finish(
        "patches",
        "mirrored patches",
        2,
        ["locally_connected"],
        hidden=[hidden],
        late_from=hidden,
    )


def leaky_rnn(n_neurons: int, rng: Rng, *, kept: float) -> Planted:
    """A recurrent network whose neurons keep a part of their value."""
    n_iterations = int(rng.integers(4, 7))
    build = Builder(n_neurons, int(rng.integers(4, 9)), int(rng.integers(2, 5)), rng, dim=2)
    hidden = build.take(int(rng.integers(12, 25)))
    build.join(build.inputs, hidden)
    build.join(hidden, hidden)
    # The rest is weaker, so that the part that is kept has a real share.
    build.weights[np.ix_(hidden, hidden)] *= 0.7
    build.weights[hidden, hidden] = kept
    build.join(hidden, build.outputs)

    return build.finish(
        "leaky rnn",
        f"leaky rnn {kept}",
        n_iterations,
        ["recurrent"],
        used=hidden,
        free=frozenset({"fully_connected"}),
        facts={"leaky": True},
    )


def concatenating(n_neurons: int, rng: Rng, *, n_layers: int) -> Planted:
    """Layers that each read the inputs and all layers before them, densely (a DenseNet)."""
    build = Builder(n_neurons, int(rng.integers(5, 9)), int(rng.integers(2, 5)), rng, dim=2)
    first = build.take(len(build.inputs))
    build.join(build.inputs, first)
    layers = [first]

    # Relays hold what came before beside each new layer.
    held = first
    for _ in range(n_layers):
        new = build.take(int(rng.integers(5, 9)))
        build.join(held, new)
        relay = build.take(len(held), bias=0.0)
        build.copy(held, relay)
        layers.append(new)
        held = np.concatenate([relay, new])
    build.join(held, build.outputs)

    return build.finish(
        "concatenating",
        f"concatenating {n_layers}",
        n_layers + 2,
        ["residual"],
        hidden=layers,
        facts={"kind": "concatenates"},
    )


def adding(n_neurons: int, rng: Rng) -> Planted:
    """A residual network of identities, whose kind is to add."""
    # The skips are one to one: each neuron of the stream hears itself.
    return replace(residual(n_neurons, rng, n_blocks=3), facts={"kind": "adds"})


def few_skips(n_neurons: int, rng: Rng) -> Planted:
    """A perceptron with 20 skips at random."""
    build = Builder(n_neurons, 10, 4, rng, dim=2)
    layers = [build.inputs, *(build.take(20) for _ in range(3)), build.outputs]
    for sources, targets in pairwise(layers):
        build.join(sources, targets)
    # A skip needs a relay, which hands on what is never negative: a hidden neuron's value.
    for source in layers[1]:
        relay = build.take(1, bias=0.0)
        build.copy(np.array([source]), relay)
        build.weights[rng.choice(layers[3]), relay[0]] = 0.3 * rng.normal()
    return build.finish(
        "few skips",
        "mlp with 20 skips",
        4,
        ["fully_connected"],
        hidden=layers[1:-1],
        late_from=layers[-2],
        free=frozenset({"residual"}),
    )


def autoencoder(n_neurons: int, rng: Rng, *, neck: int) -> Planted:
    """A perceptron that narrows to a neck and widens again."""
    build = Builder(n_neurons, 12, 12, rng, dim=2)
    layers = [build.inputs, build.take(9), build.take(neck), build.take(9), build.outputs]
    for sources, targets in pairwise(layers):
        build.join(sources, targets)
    return build.finish(
        "autoencoder",
        f"autoencoder {neck}",
        4,
        ["fully_connected"],
        hidden=layers[1:-1],
        late_from=layers[-2],
        free=frozenset({"fully_connected"}) if neck == 1 else frozenset(),
    )


def middling(n_neurons: int, rng: Rng, *, density: float) -> Planted:
    """A perceptron with blocks of a density near the bar: its name must come with its margin."""
    build = Builder(n_neurons, 16, 4, rng, dim=2)
    layers = [build.inputs, build.take(20), build.take(20), build.outputs]
    for sources, targets in pairwise(layers):
        build.join(sources, targets, random_bipartite(len(targets), len(sources), density, rng))
    return build.finish(
        "middling",
        f"density {density}",
        3,
        ["fully_connected"],
        hidden=layers[1:-1],
        late_from=layers[-2],
        free=frozenset({"fully_connected"}),
        facts={"nearly": "fully_connected"},
    )


def inputs_placed(n_neurons: int, rng: Rng) -> Planted:
    """Windows on a line, where only the inputs have positions."""
    side = 36
    build = Builder(n_neurons, side, 3, rng)
    # No hidden neuron has a position.
    build.positions[:] = np.nan
    places = line(side)
    build.positions[build.inputs] = places
    sites = inner(side, 2, 1)
    hidden = build.take(len(sites))
    build.join(build.inputs, hidden, window(places, sites, 2 / (side - 1)))
    build.join(hidden, build.outputs)

    return build.finish(
        "inputs placed",
        "local, inputs placed only",
        2,
        ["locally_connected"],
        hidden=[hidden],
        late_from=hidden,
    )


HARDER: dict[str, tuple[int, Callable[[int, Rng], Planted]]] = {
    "faint mlp": (140, partial(faint_mlp, share=0.3, size=1e-4)),
    "fainter mlp": (140, partial(faint_mlp, share=0.7, size=1e-5)),
    "two towers": (100, partial(towers, n_towers=2, depth=2)),
    "two flat towers": (80, partial(towers, n_towers=2, depth=1)),
    "three towers": (140, partial(towers, n_towers=3, depth=3)),
    "three experts": (120, partial(experts, n_experts=3)),
    "branches": (120, branches),
    "same window": (120, same_window),
    "distance decay": (120, distance_decay),
    "dilation 8": (240, partial(dilated, dilation=8)),
    "dilation 12": (300, partial(dilated, dilation=12)),
    "mirrored patches": (140, patches),
    "leaky rnn": (60, partial(leaky_rnn, kept=0.5)),
    "leakier rnn": (60, partial(leaky_rnn, kept=0.8)),
    "concatenating": (140, partial(concatenating, n_layers=3)),
    "adding": (200, adding),
    "few skips": (140, few_skips),
    "autoencoder": (80, partial(autoencoder, neck=3)),
    "autoencoder neck 1": (80, partial(autoencoder, neck=1)),
    "density 0.45": (110, partial(middling, density=0.45)),
    "density 0.55": (110, partial(middling, density=0.55)),
    "inputs placed": (110, inputs_placed),
}
"""Every family by name: the least S, and the function that plants a network."""
EVERY = FAMILIES | HARDER
"""All families."""
SIZES = (1.0, 1.5, 2.5, 5.0)
"""S relative to the least of the family, in turn: up to four useless neurons a used one."""
LARGEST = 2000
"""S of every fifth network: as large as is judged in seconds."""


def planted(n_each: int, seed: int = 0, families: Iterable[str] | None = None) -> Iterator[Planted]:
    """Yield n_each networks of every family without noise and as many with it.

    The noise is in turn Gaussian and heavy-tailed, and of three levels in turn; every fifth network
    is of the largest size.
    """
    for index, (name, (least, make)) in enumerate(EVERY.items()):
        if families is not None and name not in families:
            continue
        for k in range(n_each):
            rng = np.random.default_rng([seed, index, k])
            n_neurons = LARGEST if k % 5 == 4 else int(least * SIZES[k % len(SIZES)])
            network = make(n_neurons, rng)
            yield network
            yield network.noised(rng, heavy=k % 2 == 1, noise=NOISE[k % len(NOISE)])
