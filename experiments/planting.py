"""Tools to plant a network: hidden neurons at random positions, blocks of weights between them.

Also neurons that take no part. The planted networks and their truth are in planted.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

LEAST = 0.2
"""Size of the smallest planted weight, in standard deviations. By judgement: a connection that is
meant carries some signal; 4 % of a typical weight's power, and where two such follow each other
still sixteen times what the analysis leaves out."""
NOISE = (1e-3, 2e-3, 4e-3)
"""Standard deviations of the weak noise, relative to the root mean square of the planted weights.
By judgement: weak beside the planted weights, yet more of it."""


@dataclass(frozen=True)
class Planted:
    """A network with its truth.

    Attributes
    ----------
    family, name : str
    weights : (S, S) array
    biases : (S,) array
    arguments : dict
        Keyword arguments of `analyse` beside the weights and biases.
    true : frozenset of str
        The verdicts that are to be found; all others are false.
    depth, widths
        Of the layers; None where they are left to chance.
    hidden : tuple of int arrays
        The neurons of each hidden layer, where all that take part lie in one each; else empty.
    status : str
        "ok" or "disconnected".
    noisy : bool
        Whether there is weak noise on every weight.
    free : frozenset of str
        Verdicts that may be either way.
    facts : dict
        What the evidence must say: "leaky", "kind", or the verdict that is "nearly" the other way.
    """

    family: str
    name: str
    weights: np.ndarray
    biases: np.ndarray
    arguments: dict[str, Any]
    true: frozenset[str]
    depth: int | None = None
    widths: tuple[int, ...] | None = None
    hidden: tuple[np.ndarray, ...] = ()
    status: str = "ok"
    noisy: bool = False
    free: frozenset[str] = frozenset()
    facts: dict[str, Any] = field(default_factory=dict)

    def noised(
        self, rng: np.random.Generator, heavy: bool = False, noise: float = NOISE[1]
    ) -> "Planted":
        """The same network with weak noise on every weight.

        Gaussian, or (`heavy`) Laplacian of the same variance.
        """
        shape = self.weights.shape
        draws = rng.laplace(scale=np.sqrt(0.5), size=shape) if heavy else rng.normal(size=shape)
        scale = noise * np.sqrt(np.mean(self.weights[self.weights != 0] ** 2))
        return replace(
            self,
            name=f"{self.name}+noise",
            noisy=True,
            weights=self.weights + scale * draws,
        )


class Builder:
    """Hands out hidden neurons at random positions and fills in the blocks between them."""

    def __init__(
        self,
        n_neurons: int,
        n_inputs: int,
        n_outputs: int,
        rng: np.random.Generator,
        dim: int = 1,
    ) -> None:
        self.rng = rng
        self.n_inputs = n_inputs
        self.n_outputs = n_outputs

        self.weights = np.zeros((n_neurons, n_neurons))
        self.biases = np.zeros(n_neurons)
        self.positions = rng.uniform(size=(n_neurons, dim))
        self.inputs = np.arange(n_inputs)
        self.outputs = np.arange(n_neurons - n_outputs, n_neurons)
        self.free = list(rng.permutation(np.arange(n_inputs, n_neurons - n_outputs)))

    def take(self, n: int, positions: np.ndarray | None = None, bias: float = 0.1) -> np.ndarray:
        """Ids of n fresh hidden neurons with small random biases (`bias` 0 for relays and sums)."""
        if n > len(self.free):
            raise ValueError(f"n_neurons leaves {len(self.free)} hidden neurons, {n} needed")
        ids = np.array([self.free.pop() for _ in range(n)])
        self.biases[ids] = bias * self.rng.normal(size=n)
        if positions is not None:
            self.positions[ids] = positions
        return ids

    def join(
        self, sources: np.ndarray, targets: np.ndarray, mask: np.ndarray | None = None
    ) -> np.ndarray:
        """Random weights of He scale where `mask` (targets, sources) holds.

        Every target gets at least one positive weight, so that no neuron is dead.
        """
        mask = np.ones((len(targets), len(sources)), dtype=bool) if mask is None else mask
        fan_in = np.maximum(mask.sum(axis=1, keepdims=True), 1)
        values = self.rng.normal(size=mask.shape)
        # No planted weight is faint by chance.
        values = np.copysign(np.maximum(np.abs(values), LEAST), values)
        block = np.where(mask, values * np.sqrt(2 / fan_in), 0.0)

        # A target without a positive weight has the sign of its first weight turned.
        first = mask.argmax(axis=1)
        rows = np.flatnonzero((block <= 0).all(axis=1) & mask.any(axis=1))
        block[rows, first[rows]] *= -1
        self.weights[np.ix_(targets, sources)] = block
        return block

    def copy(self, sources: np.ndarray, targets: np.ndarray) -> None:
        """A weight of 1 from each source to its target."""
        self.weights[targets, sources] = 1.0

    def distract(
        self,
        used: np.ndarray,
        late_from: np.ndarray | None = None,
        linear: np.ndarray | None = None,
    ) -> None:
        """Use up to 60 % of the free neurons as dangling, unreachable and late ones.

        The rest stays dead. Unreachable neurons feed used ones with constants, but not the `linear`
        ones, which a negative bias would bend.
        """
        count = int(0.2 * len(self.free))
        if count < 2:
            return
        dangling = self.take(count)
        unreachable = self.take(count)
        late = self.take(count)
        density = min(0.3, 4 / count)
        bent = np.unique(used) if linear is None else np.setdiff1d(used, linear)

        def scatter(sources: np.ndarray, targets: np.ndarray) -> None:
            mask = self.rng.random((len(targets), len(sources))) < density
            block = np.where(mask, self.rng.normal(size=mask.shape), 0.0)
            self.weights[np.ix_(targets, sources)] = block

        sources = self.rng.permutation(np.concatenate([self.inputs, used]))[:count]
        scatter(sources, dangling)
        scatter(dangling, dangling)
        scatter(unreachable, unreachable)
        scatter(unreachable, dangling)
        scatter(unreachable, self.rng.permutation(bent)[:count])
        if late_from is not None:
            scatter(late_from, late)
            scatter(late, late)
            scatter(late, used)

    def finish(
        self,
        family: str,
        name: str,
        n_iterations: int,
        true: Iterable[str] = (),
        *,
        hidden: Sequence[np.ndarray] = (),
        used: np.ndarray | None = None,
        late_from: np.ndarray | None = None,
        **details: Any,
    ) -> Planted:
        """The Planted network, distractors added.

        Parameters
        ----------
        family, name, true
            Of the network.
        n_iterations : int
        hidden : sequence of int arrays
            The neurons of each hidden layer, from which depth and widths follow.
        used : int array, optional
            The hidden neurons that take part; by default those of the layers.
        late_from : int array, optional
            Neurons that may feed distractors which come too late to matter.
        details
            "linear" of `distract`, "input_mode", "activation", and further fields of Planted.
        """
        if hidden:
            details |= {"hidden": tuple(hidden), "depth": len(hidden)}
            details["widths"] = tuple(map(len, hidden))
            used = np.concatenate(hidden)
        self.distract(np.asarray(used), late_from, details.pop("linear", None))
        arguments = {
            "n_inputs": self.n_inputs,
            "n_outputs": self.n_outputs,
            "n_iterations": n_iterations,
            "input_mode": details.pop("input_mode", "pulse"),
            "activation": details.pop("activation", "relu"),
            "positions": self.positions,
        }

        truth = frozenset(true)
        return Planted(family, name, self.weights, self.biases, arguments, truth, **details)


def line(n: int) -> np.ndarray:
    """Positions of n sites on a line of unit length, (n, 1)."""
    return np.linspace(0, 1, n)[:, None]


def square(side: int) -> np.ndarray:
    """Positions of side x side sites in the unit square, (side^2, 2)."""
    x = np.linspace(0, 1, side)
    return np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)


def grid(side: int, dim: int) -> np.ndarray:
    """`line` or `square`."""
    return line(side) if dim == 1 else square(side)


def window(sources: np.ndarray, targets: np.ndarray, radius: float) -> np.ndarray:
    """(T, N) bool: sources within `radius` of the target in every coordinate."""
    return (np.abs(targets[:, None] - sources[None]) <= radius + 1e-9).all(axis=2)


def inner(side: int, reach: int, dim: int) -> np.ndarray:
    """Sites of the grid whose window of `reach` sites each way lies inside it, as positions."""
    x = np.linspace(0, 1, side)[reach : side - reach]
    return (
        x[:, None]
        if dim == 1
        else np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    )


def random_bipartite(
    n_targets: int,
    n_sources: int,
    density: float,
    rng: np.random.Generator,
    at_least: int = 2,
) -> np.ndarray:
    """(T, N) bool at random, with at least `at_least` sources a target and one target a source."""
    mask = rng.random((n_targets, n_sources)) < density
    for row in mask:
        missing = at_least - int(row.sum())
        if missing > 0:
            absent = np.flatnonzero(~row)
            row[rng.choice(absent, min(missing, len(absent)), replace=False)] = True

    for j in np.flatnonzero(~mask.any(axis=0)):
        mask[rng.integers(n_targets), j] = True
    return mask
