"""Tools to plant a network: hidden neurons at random places, blocks of weights between them, and neurons that take
no part.

What is planted, and its truth, is in planted.py.
"""

from dataclasses import dataclass, replace

import numpy as np

NOISE = 2e-3  # standard deviation of the weak noise, relative to the root mean square of the planted weights


@dataclass(frozen=True)
class Planted:
    """A network with its truth. `arguments` are the keyword arguments of `analyse` beside the weights and biases."""

    family: str
    name: str
    weights: np.ndarray
    biases: np.ndarray
    arguments: dict
    true: frozenset
    depth: int | None = None
    widths: tuple | None = None
    status: str = "ok"
    noisy: bool = False

    def noised(self, rng, heavy=False):
        """The same network with weak noise on every weight, Gaussian or (`heavy`) Laplacian of the same variance."""
        shape = self.weights.shape
        noise = rng.laplace(scale=np.sqrt(0.5), size=shape) if heavy else rng.normal(size=shape)
        scale = NOISE * np.sqrt(np.mean(self.weights[self.weights != 0] ** 2))
        return replace(
            self,
            name=f"{self.name}+noise",
            noisy=True,
            weights=self.weights + scale * noise,
        )


class Builder:
    """Hands out hidden neurons at random places and fills in the blocks between them."""

    def __init__(self, n_neurons, n_inputs, n_outputs, rng, dim=1):
        self.rng, self.n_inputs, self.n_outputs = rng, n_inputs, n_outputs
        self.weights = np.zeros((n_neurons, n_neurons))
        self.biases = np.zeros(n_neurons)
        self.positions = rng.uniform(size=(n_neurons, dim))
        self.inputs, self.outputs = np.arange(n_inputs), np.arange(n_neurons - n_outputs, n_neurons)
        self.free = list(rng.permutation(np.arange(n_inputs, n_neurons - n_outputs)))

    def take(self, n, positions=None, bias=0.1):
        """Ids of n fresh hidden neurons with small random biases (`bias` 0 for relays and sums)."""
        if n > len(self.free):
            raise ValueError(f"n_neurons leaves {len(self.free)} hidden neurons, {n} needed")
        ids = np.array([self.free.pop() for _ in range(n)])
        self.biases[ids] = bias * self.rng.normal(size=n)
        if positions is not None:
            self.positions[ids] = positions
        return ids

    def join(self, sources, targets, mask=None):
        """Random weights of He scale where `mask` (targets, sources) holds; at least one positive weight each, so
        no neuron is dead.
        """
        mask = np.ones((len(targets), len(sources)), dtype=bool) if mask is None else mask
        fan_in = np.maximum(mask.sum(axis=1, keepdims=True), 1)
        block = np.where(mask, self.rng.normal(size=mask.shape) * np.sqrt(2 / fan_in), 0.0)
        first = mask.argmax(axis=1)
        rows = np.flatnonzero((block <= 0).all(axis=1) & mask.any(axis=1))
        block[rows, first[rows]] *= -1
        self.weights[np.ix_(targets, sources)] = block
        return block

    def copy(self, sources, targets):
        """One weight of 1 from each source to its target."""
        self.weights[targets, sources] = 1.0

    def distract(self, alive, late_from=None, linear=()):
        """Use up to 60 % of the free neurons as dangling, unreachable and late ones; the rest stays dead.

        Unreachable neurons feed living ones with constants, but not the `linear` ones, which a negative bias would
        bend.
        """
        count = int(0.2 * len(self.free))
        if count < 2:
            return
        dangling, unreachable, late = self.take(count), self.take(count), self.take(count)
        density = min(0.3, 4 / count)

        def scatter(sources, targets):
            mask = self.rng.random((len(targets), len(sources))) < density
            self.weights[np.ix_(targets, sources)] = np.where(
                mask, self.rng.normal(size=mask.shape), 0.0
            )

        some = self.rng.permutation(np.concatenate([self.inputs, alive]))[:count]
        scatter(some, dangling)
        scatter(dangling, dangling)
        scatter(unreachable, unreachable)
        scatter(unreachable, dangling)
        scatter(unreachable, self.rng.permutation(np.setdiff1d(alive, linear))[:count])
        if late_from is not None:
            scatter(late_from, late)
            scatter(late, late)
            scatter(late, alive)

    def finish(
        self,
        family,
        name,
        n_iterations,
        true=(),
        *,
        alive,
        late_from=None,
        with_positions=True,
        **details,
    ):
        """The Planted network, distractors added."""
        self.distract(np.asarray(alive), late_from, details.pop("linear", ()))
        arguments = {
            "n_inputs": self.n_inputs,
            "n_outputs": self.n_outputs,
            "n_iterations": n_iterations,
            "input_mode": details.pop("input_mode", "pulse"),
            "activation": details.pop("activation", "relu"),
        }
        if with_positions:
            arguments["positions"] = self.positions
        return Planted(
            family, name, self.weights, self.biases, arguments, frozenset(true), **details
        )


def line(n):
    """Positions of n sites on a line of unit length, (n, 1)."""
    return np.linspace(0, 1, n)[:, None]


def square(side):
    """Positions of side x side sites in the unit square, (side^2, 2)."""
    x = np.linspace(0, 1, side)
    return np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)


def grid(side, dim):
    """`line` or `square`."""
    return line(side) if dim == 1 else square(side)


def window(sources, targets, radius):
    """(T, N) bool: sources within `radius` of the target in every coordinate."""
    return (np.abs(targets[:, None] - sources[None]) <= radius + 1e-9).all(axis=2)


def inner(side, reach, dim):
    """Sites of the grid whose window of `reach` sites each way lies inside it, as positions."""
    x = np.linspace(0, 1, side)[reach : side - reach]
    return (
        x[:, None]
        if dim == 1
        else np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    )


def random_bipartite(n_targets, n_sources, density, rng, at_least=2):
    """(T, N) bool at random, with at least `at_least` sources a target and one target a source."""
    mask = rng.random((n_targets, n_sources)) < density
    for row in mask:
        short = at_least - int(row.sum())
        if short > 0:
            row[rng.choice(np.flatnonzero(~row), min(short, int((~row).sum())), replace=False)] = (
                True
            )
    for j in np.flatnonzero(~mask.any(axis=0)):
        mask[rng.integers(n_targets), j] = True
    return mask
