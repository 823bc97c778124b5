"""Networks that plain PyTorch trained, flattened, with their truth: what the judge is held against.

Judges nothing. The truth follows from the architecture and the definitions in docs/structure.md,
never from what the analysis says. The kinds are split in two halves, fixed before anything was
judged: constants of the analysis may be chosen on DEVELOPMENT, and are reported on SET_ASIDE too.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from analysis import from_module
from analysis.flatten.module import FlatModule
from analysis.forward import forward
from experiments.reference_modules import (
    Concatenating,
    Experts,
    Masked,
    Recurrent,
    Residual,
    Rows,
    Towers,
    convolutional,
    local,
    perceptron,
)
from urn.data.tasks import Dataset, task_options
from urn.io import atomic_write

TASKS = ("digits", "mnist1d")
"""Tasks that every kind is trained on."""

VERSION = 6
"""Of the kept files; raised where a kind, its training or the flat form changes."""

N_INPUTS = 300
"""Validation samples that a network is judged on. By judgement: the few hundred that `analyse` asks
for."""

STEPS = 800
"""Steps of Adam. By judgement: a few seconds, and accuracies near those of longer training."""

RATE = 3e-3
"""Learning rate of Adam. By judgement."""

BATCH = 128
"""Samples in a batch. By judgement."""

KEPT = 0.2
"""Share of the weights of each layer that pruning keeps (issue: an MLP pruned to 20 %)."""

FAINT = 0.05
"""Standard deviation of a neuron, relative to the median of its iteration, below which it is no
part of its layer's width. By judgement: a twentieth, of which the square is next to nothing."""
LEAST_RANGE = 1e-9
"""Range of an activity over the samples up to which a neuron does not vary: rounding."""


@dataclass(frozen=True)
class Sizes:
    """What a module has to fit: inputs, outputs, and the lattice of the inputs."""

    n_inputs: int
    n_outputs: int
    side: int
    dim: int


Make = Callable[[Sizes], nn.Module]
"""Makes an untrained module of a kind."""


@dataclass(frozen=True)
class Kind:
    """An architecture and what is true of it.

    Attributes
    ----------
    make : callable
    true : frozenset of str
        The verdicts that are to be found.
    undefined : frozenset of str
        Those that the definitions leave open for it; all others are false.
    layered : bool
        Whether depth and widths are defined.
    words : tuple of str
        What a report should name beside the verdicts.
    tasks : tuple of str
    pruned, restores : bool
        Whether it is pruned and trained on; whether it is to give back its inputs.
    """

    make: Make
    true: frozenset[str]
    undefined: frozenset[str] = frozenset()
    layered: bool = True
    words: tuple[str, ...] = ()
    tasks: tuple[str, ...] = TASKS
    pruned: bool = False
    restores: bool = False


@dataclass(frozen=True, eq=False)
class Reference:
    """A trained network with its truth.

    Attributes
    ----------
    kind, task : str
    seed : int
    parts : dict
        Arguments of `analyse`, without the inputs.
    inputs : (B, n_inputs) array
        Validation samples.
    accuracy : float
        On the validation data; R^2 where inputs are given back.
    true, undefined, words
        Of its kind.
    depth, widths
        Of the layers; None where they are not defined. A neuron counts that varies over the inputs,
        leads to an output, and is no relay.
    """

    kind: str
    task: str
    seed: int
    parts: dict[str, Any]
    inputs: np.ndarray
    accuracy: float
    true: frozenset[str]
    undefined: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    depth: int | None = None
    widths: tuple[int, ...] | None = None
    labels: tuple[str, ...] = field(default=(), repr=False)


# ---- the kinds


def _perceptron(sizes: Sizes, widths: tuple[int, ...]) -> nn.Module:
    return perceptron([sizes.n_inputs, *widths, sizes.n_outputs])


def _autoencoder(sizes: Sizes, neck: int) -> nn.Module:
    return perceptron([sizes.n_inputs, 32, neck, 32, sizes.n_inputs])


def _local(sizes: Sizes) -> nn.Module:
    reach = 2 if sizes.dim == 1 else 1
    return local(sizes.side, sizes.dim, reach, 3, sizes.n_outputs)


def _convolutional(sizes: Sizes, kernel: int | None = None, **options: int) -> nn.Module:
    kernel = kernel or (5 if sizes.dim == 1 else 3)
    return convolutional(sizes.side, sizes.dim, kernel, sizes.n_outputs, **options)


def _residual(sizes: Sizes, n_blocks: int) -> nn.Module:
    return Residual(sizes.n_inputs, 16, n_blocks, sizes.n_outputs)


def _concatenating(sizes: Sizes) -> nn.Module:
    return Concatenating(sizes.n_inputs, 16, 4, sizes.n_outputs)


def _recurrent(sizes: Sizes, keep: float) -> nn.Module:
    return Recurrent(sizes.n_inputs, 24, sizes.n_outputs, 5, keep)


def _rows(sizes: Sizes) -> nn.Module:
    return Rows(sizes.n_inputs, 8, 24, sizes.n_outputs)


def _towers(sizes: Sizes, *, summed: bool) -> nn.Module:
    return Towers(sizes.n_inputs, (20, 16), sizes.n_outputs, summed=summed)


def _experts(sizes: Sizes) -> nn.Module:
    return Experts(sizes.n_inputs, (16, 12), sizes.n_outputs)


DENSE = frozenset({"fully_connected"})
"""True of a perceptron."""
SHARED = frozenset({"locally_connected", "convolutional"})
"""True of a convolutional network, whose read-out alone is dense."""
LOOP = frozenset({"fully_connected", "recurrent"})
"""True of a dense loop: its one block is dense and re-used."""
PARALLEL = frozenset({"modular"})
"""True of sub-networks side by side: a fact of how they are built."""
PLACED = frozenset({"locally_connected"})
"""Left open where each sub-network reads its own part of the places."""
"""True of disjoint sub-networks. Whether the dense blocks of two halves are one dense block is left
open by the definition."""

KINDS: dict[str, Kind] = {
    **{
        f"mlp {n}": Kind(partial(_perceptron, widths=(40, 32, 24, 20)[:n]), DENSE)
        for n in range(1, 5)
    },
    # A fifth of a block is less than the half that the definition asks for.
    "mlp pruned": Kind(partial(_perceptron, widths=(40, 32)), frozenset(), pruned=True),
    "local": Kind(_local, frozenset({"locally_connected"})),
    "conv": Kind(_convolutional, SHARED),
    "conv stride 2": Kind(partial(_convolutional, stride=2), SHARED, words=("stride 2",)),
    "conv dilation 4": Kind(
        partial(_convolutional, dilation=4), SHARED, words=("dilation 4",), tasks=("mnist1d",)
    ),
    "conv dilation 8": Kind(
        partial(_convolutional, kernel=3, dilation=8),
        SHARED,
        words=("dilation 8",),
        tasks=("mnist1d",),
    ),
    "conv pooled": Kind(partial(_convolutional, pool=2), SHARED, words=("pool",)),
    **{
        f"resnet {n}": Kind(
            partial(_residual, n_blocks=n), frozenset({"residual"}), words=("adds",)
        )
        for n in range(1, 5)
    },
    "densenet": Kind(_concatenating, frozenset({"residual"}), words=("concatenates",)),
    # How many of a re-used neuron's iterations count is a question of its echoes: no widths.
    "rnn": Kind(partial(_recurrent, keep=0.0), LOOP, layered=False),
    "leaky rnn": Kind(partial(_recurrent, keep=0.5), LOOP, layered=False, words=("leaky",)),
    # Each step reads inputs of its own, which wait: that may be read as skips, and the input block
    # is no part of the loop.
    "rnn rows": Kind(
        _rows,
        frozenset({"recurrent"}),
        undefined=frozenset({"residual", "fully_connected", "locally_connected", "convolutional"}),
        layered=False,
    ),
    # Each tower reads one half of the places, so its fields are narrow and lie apart.
    "towers": Kind(partial(_towers, summed=False), PARALLEL, undefined=DENSE | PLACED),
    "towers summed": Kind(partial(_towers, summed=True), PARALLEL, undefined=DENSE | PLACED),
    "experts": Kind(_experts, PARALLEL, undefined=DENSE),
    "autoencoder": Kind(partial(_autoencoder, neck=8), DENSE, restores=True),
    "autoencoder neck 1": Kind(partial(_autoencoder, neck=1), DENSE, restores=True),
}
"""Every kind by name."""

DEVELOPMENT = (
    *("mlp 1", "mlp 3", "mlp pruned", "conv", "conv dilation 8", "resnet 1", "resnet 3"),
    *("densenet", "rnn", "rnn rows", "towers", "autoencoder neck 1"),
)
"""Kinds on which constants may be chosen."""

SET_ASIDE = (
    *("mlp 2", "mlp 4", "local", "conv stride 2", "conv dilation 4", "conv pooled", "resnet 2"),
    *("resnet 4", "leaky rnn", "towers summed", "experts", "autoencoder"),
)
"""Kinds that are judged only when all constants are fixed."""

HALVES = {"development": DEVELOPMENT, "set-aside": SET_ASIDE}
"""The two halves by name."""


# ---- training


@cache
def dataset(task: str) -> Dataset:
    """The data of a task, loaded once."""
    return task_options(task, {}).load()


def train(kind: Kind, data: Dataset, seed: int) -> nn.Module:
    """A trained module of a kind, on one thread.

    Parameters
    ----------
    kind : Kind
    data : Dataset
        Of a task with a lattice of inputs.
    seed : int
        Of the first weights and of the batches.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = kind.make(_sizes(data))
        if kind.pruned:
            _train(module, kind, data, seed, STEPS // 2)
            module = _pruned(module)
        _train(module, kind, data, seed + 1, STEPS)
    return module.eval()


def _sizes(data: Dataset) -> Sizes:
    assert data.positions is not None
    dim = data.positions.shape[1]
    return Sizes(data.n_inputs, data.n_outputs, round(data.n_inputs ** (1 / dim)), dim)


def _train(module: nn.Module, kind: Kind, data: Dataset, seed: int, steps: int) -> None:
    """Adam, its rate falling to zero along a cosine."""
    x, y = data.train
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(module.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)

    for _ in range(steps):
        batch = torch.randint(len(x), (BATCH,), generator=generator)
        target = x[batch] if kind.restores else y[batch]
        loss = _loss(module(x[batch]), target, data.n_outputs)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def _loss(output: Tensor, target: Tensor, n_classes: int) -> Tensor:
    """Squared error where inputs are to come back; else cross-entropy, of each tower's answer."""
    if target.is_floating_point():
        return F.mse_loss(output, target)
    losses = [F.cross_entropy(part, target) for part in output.split(n_classes, dim=1)]
    return torch.stack(losses).sum()


def _pruned(module: nn.Module) -> nn.Module:
    """The module with Masked layers in the place of its Linear ones: the largest weights stay."""
    layers: list[nn.Module] = []
    for layer in module.children():
        if not isinstance(layer, nn.Linear):
            layers.append(layer)
            continue
        size = layer.weight.detach().abs()
        masked = Masked(size >= size.flatten().quantile(1 - KEPT))
        masked.weight.data = layer.weight.data
        masked.bias.data = layer.bias.data
        layers.append(masked)
    return nn.Sequential(*layers)


def score(module: nn.Module, kind: Kind, data: Dataset) -> float:
    """Accuracy on the validation data, of the mean answer of two towers; R^2 for inputs."""
    x, y = data.validation
    with torch.no_grad():
        output = module(x)
    if kind.restores:
        return float(1 - (output - x).var() / x.var())
    answer = torch.stack(output.split(data.n_outputs, dim=1)).sum(dim=0)
    return float((answer.argmax(1) == y).float().mean())


# ---- the networks


def reference(name: str, task: str, seed: int, folder: Path | None = None) -> Reference:
    """A trained network of a kind, from the folder where it lies there already.

    Parameters
    ----------
    name, task : str
    seed : int
    folder : path, optional
        Where networks are kept.
    """
    path = (
        None
        if folder is None
        else folder / f"{name} {task} {seed} v{VERSION}.npz".replace(" ", "-")
    )
    if path is not None and path.is_file():
        return _loaded(path)
    made = _made(name, task, seed)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, partial(_save, made))
    return made


def references(
    kinds: Iterable[str], seeds: Iterable[int], folder: Path | None = None
) -> Iterator[Reference]:
    """Networks of some kinds, on all of their tasks."""
    every = list(seeds)
    for name in kinds:
        for task in KINDS[name].tasks:
            for seed in every:
                yield reference(name, task, seed, folder)


def _made(name: str, task: str, seed: int) -> Reference:
    """Train and flatten one."""
    kind = KINDS[name]
    data = dataset(task)
    assert data.positions is not None
    module = train(kind, data, seed)
    inputs = data.validation[0][:N_INPUTS]
    flat = from_module(
        module,
        inputs,
        positions=data.positions.numpy(),
        nonnegative=bool((inputs >= 0).all()),
    )

    samples = inputs.double().numpy()
    widths = layer_widths(flat, samples) if kind.layered else None
    return Reference(
        name,
        task,
        seed,
        flat.parts,
        samples,
        score(module, kind, data),
        kind.true,
        kind.undefined,
        kind.words,
        None if widths is None else len(widths),
        widths,
        flat.labels,
    )


def layer_widths(flat: FlatModule, inputs: np.ndarray) -> tuple[int, ...]:
    """Neurons of each iteration that carry a real signal and lead to an output; no relays.

    A neuron that hardly varies beside the others of its iteration (FAINT), as where it fires on a
    single sample, is not counted.
    """
    trace = forward(flat, inputs)
    varies = np.ptp(trace.activity, axis=1) > LEAST_RANGE
    handing = ("relay", "register", "clock", "input")
    computing = np.array([not label.startswith(handing) for label in flat.labels])
    spread = trace.activity.std(axis=1)
    typical = [np.median(row[(row > 0) & computing]) for row in spread[1:-1]]
    varies[1:-1] &= spread[1:-1] >= FAINT * np.array(typical)[:, None]

    # From the outputs back: what is read one iteration later by something that leads there.
    useful = np.zeros(flat.n_neurons, dtype=bool)
    useful[flat.n_neurons - flat.n_outputs :] = True
    linked = flat.weights != 0
    widths = []
    for l in reversed(range(1, flat.n_iterations)):
        useful = linked[useful].any(axis=0) & varies[l]
        widths.append(int((useful & computing).sum()))
    return tuple(widths[::-1])


# ---- files


def _save(made: Reference, path: Path) -> None:
    """Write a network as npz, what is no array as JSON in it."""
    arrays: dict[str, Any] = {k: v for k, v in made.parts.items() if isinstance(v, np.ndarray)}
    rest = {k: v for k, v in made.parts.items() if not isinstance(v, np.ndarray)}
    facts = {
        **{key: getattr(made, key) for key in ("kind", "task", "seed", "accuracy", "depth")},
        **{key: sorted(getattr(made, key)) for key in ("true", "undefined")},
        **{key: getattr(made, key) for key in ("words", "widths", "labels")},
        "parts": rest,
    }
    with path.open("wb") as file:
        np.savez_compressed(file, facts=json.dumps(facts), inputs=made.inputs, **arrays)


def _loaded(path: Path) -> Reference:
    """Read a network that `_save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        facts = json.loads(str(file["facts"]))
        arrays = {name: file[name] for name in file.files if name != "facts"}
    inputs = arrays.pop("inputs")
    parts = {**arrays, **facts.pop("parts")}
    for key in ("true", "undefined"):
        facts[key] = frozenset(facts[key])
    for key in ("words", "widths", "labels"):
        facts[key] = None if facts[key] is None else tuple(facts[key])
    return Reference(parts=parts, inputs=inputs, **facts)
