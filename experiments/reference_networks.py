"""Networks that plain PyTorch trained, flattened, with their truth: what the judge is held against.

Judges nothing. What is true of each is said in reference_kinds.py; widths are counted here.
"""

import json
from collections.abc import Iterable, Iterator
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
from analysis.forward import Trace, forward
from experiments.reference_kinds import KINDS, Kind, Sizes
from experiments.reference_modules import Masked
from urn.data.tasks import Dataset, task_options
from urn.io import atomic_write

VERSION = 7
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

ATTEMPTS = 5
"""Seeds that a network is trained from until it answers anything at all. By judgement: one in ten
narrow necks dies."""
FURTHER = 1000
"""Between the seeds of two attempts: no seed of another network."""
CLEAR = 1e-3
"""Share of the outputs' variance that changes where a neuron is held at its mean, from which on it
is a part of its layer's width for certain. By judgement: next to nothing."""
LEAST_RANGE = 1e-9
"""Range of an activity over the samples up to which a neuron does not vary: rounding."""


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
    least_widths, widths
        Of the layers: neurons that matter for certain, and neurons that may; None where they are
        not defined. See `layer_widths`.
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
    least_widths: tuple[int, ...] | None = None
    widths: tuple[int, ...] | None = None
    labels: tuple[str, ...] = field(default=(), repr=False)


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
    inputs = data.validation[0][:N_INPUTS]
    # One whose neck has died gives the same answer to everything, and is trained anew.
    for attempt in range(ATTEMPTS):
        module = train(kind, data, seed + FURTHER * attempt)
        with torch.no_grad():
            answers = module(inputs)
        if (answers != answers[0]).any():
            break
    flat = from_module(
        module,
        inputs,
        positions=data.positions.numpy(),
        nonnegative=bool((inputs >= 0).all()),
    )

    samples = inputs.double().numpy()
    least, most = layer_widths(flat, samples) if kind.layered else (None, None)
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
        least,
        most,
        flat.labels,
    )


def layer_widths(flat: FlatModule, inputs: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Neurons of each iteration that vary on the data and lead to an output; no relays.

    Returns
    -------
    least : tuple of int
        Those of them that matter for certain: held at their mean, at this iteration alone, they
        change the outputs by at least CLEAR of their variance.
    most : tuple of int
        All of them. One that hardly matters, as where it fires on a single sample, may count.
    """
    trace = forward(flat, inputs)
    varies = np.ptp(trace.activity, axis=1) > LEAST_RANGE
    handing = ("relay", "register", "clock", "input")
    computing = np.array([not label.startswith(handing) for label in flat.labels])

    # From the outputs back: what is read one iteration later by something that leads there.
    useful = np.zeros(flat.n_neurons, dtype=bool)
    useful[flat.n_neurons - flat.n_outputs :] = True
    linked = flat.weights != 0
    least, most = [], []
    for l in reversed(range(1, flat.n_iterations)):
        useful = linked[useful].any(axis=0) & varies[l]
        nodes = np.flatnonzero(useful & computing)
        least.append(sum(_lost(flat, inputs, trace, l, node) >= CLEAR for node in nodes))
        most.append(len(nodes))
    return tuple(least[::-1]), tuple(most[::-1])


def _lost(net: FlatModule, inputs: np.ndarray, trace: Trace, iteration: int, neuron: int) -> float:
    """Share of the outputs' variance that changes where one node is held at its mean."""
    keep = np.ones((net.n_iterations + 1, net.n_neurons), dtype=bool)
    keep[iteration, neuron] = False
    cut = forward(net, inputs, keep=keep, fill=trace.activity.mean(axis=1)).outputs
    return float(((cut - trace.outputs) ** 2).sum() / (trace.outputs.var(axis=0).sum() * len(cut)))


# ---- files


def _save(made: Reference, path: Path) -> None:
    """Write a network as npz, what is no array as JSON in it."""
    arrays: dict[str, Any] = {k: v for k, v in made.parts.items() if isinstance(v, np.ndarray)}
    rest = {k: v for k, v in made.parts.items() if not isinstance(v, np.ndarray)}
    facts = {
        **{key: getattr(made, key) for key in ("kind", "task", "seed", "accuracy")},
        **{key: sorted(getattr(made, key)) for key in ("true", "undefined")},
        **{key: getattr(made, key) for key in ("words", "least_widths", "widths", "labels")},
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
    for key in ("words", "least_widths", "widths", "labels"):
        facts[key] = None if facts[key] is None else tuple(facts[key])
    return Reference(parts=parts, inputs=inputs, **facts)
