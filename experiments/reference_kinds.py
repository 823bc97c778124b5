"""Kinds of networks that plain PyTorch trains, with what is true of each. Trains none.

The truth follows from the architecture and the definitions in docs/structure.md, never from what
the analysis says. The kinds are split in two halves, fixed before anything was judged: constants of
the analysis may be chosen on DEVELOPMENT, and are reported on SET_ASIDE too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from experiments.reference_modules import (
    Concatenating,
    Experts,
    Recurrent,
    Residual,
    Rows,
    Towers,
    convolutional,
    local,
    perceptron,
)

TASKS = ("digits", "mnist1d")
"""Tasks that every kind is trained on."""


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


def _perceptron(sizes: Sizes, widths: tuple[int, ...]) -> nn.Module:
    return perceptron([sizes.n_inputs, *widths, sizes.n_outputs])


def _autoencoder(sizes: Sizes, neck: int) -> nn.Module:
    module = perceptron([sizes.n_inputs, 32, neck, 32, sizes.n_inputs])
    # A narrow neck that is silent at the start stays so.
    module[2].bias.data.fill_(1.0)
    return module


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
    "conv pooled": Kind(partial(_convolutional, pool=2), SHARED),
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
