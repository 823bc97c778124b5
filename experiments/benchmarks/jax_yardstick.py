"""The yardstick in JAX: networks that `jax.vmap` trains together, `jax.jit` compiles, and optax
moves. Not used by the package, only raced against. It needs the extra `bench`.

Whole matrices at every step, nothing ever removed. Unlike the plain loop it takes the price of
weights in a proximal step, as urn does: the zeros are exact."""

import os
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
import optax
import torch
from jax import numpy as jnp

from experiments.benchmarks.yardstick import PlainURN
from urn import InputError, TrainConfig
from urn.data.batches import Batches
from urn.data.tasks import Dataset

STRENGTHS = {"weight", "activity"}
"""Terms that it knows, those of the sweep benchmark."""


class Network(NamedTuple):
    """Parameters of one network; vmapped, of all."""

    weight: jax.Array
    bias: jax.Array


class Inputs(NamedTuple):
    """What a step takes beside the network: of n steps, `(n, K, B)` and `(n, K)`."""

    rows: jax.Array
    rate: jax.Array
    weight: jax.Array
    activity: jax.Array


def loss(
    network: Network, x: jax.Array, labels: jax.Array, strength: jax.Array, shape: tuple[int, int]
) -> jax.Array:
    """Cross-entropy and the price of activity; `shape` holds iterations and outputs."""
    n_iterations, n_outputs = shape
    W, b = network
    N = jnp.pad(x, ((0, 0), (0, len(b) - x.shape[1])))
    total = 0.0

    # N(0) is as wide as all others: the whole matrix is applied at every iteration.
    for l in range(n_iterations):
        P = N @ W.T + b
        N = jax.nn.relu(P)
        if l < n_iterations - 1:
            total += strength * N.sum() / len(x)

    # y is what is before phi at the outputs.
    scores = P[:, -n_outputs:]
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean() + total


def update(
    network: Network,
    state: optax.OptState,
    inputs: Inputs,
    data: tuple[jax.Array, jax.Array],
    shape: tuple[int, int],
    adam: optax.GradientTransformation,
    settings: tuple[float, float],
) -> tuple[Network, optax.OptState]:
    """One step of one network: Adam, then weights are shrunk in Adam's own metric.

    `settings` holds beta2 and epsilon, which the metric needs.
    """
    X, y = data
    beta2, epsilon = settings
    gradient = jax.grad(loss)(network, X[inputs.rows], y[inputs.rows], inputs.activity, shape)
    moved, state = adam.update(gradient, state)
    z = jax.tree.map(lambda w, step: w - inputs.rate * step, network, moved)

    # The metric of entry w is d = sqrt(v_hat) + epsilon: its price is lr c / d.
    v = state.nu.weight / (1 - beta2**state.count)
    price = inputs.rate * inputs.weight / (jnp.sqrt(v) + epsilon)
    shrunk = jnp.sign(z.weight) * jnp.maximum(jnp.abs(z.weight) - price, 0)
    return Network(shrunk, z.bias), state


class JaxPopulation:
    """Networks that train together, with the first weights and the data order that urn gives them.

    Parameters
    ----------
    configs : sequence of TrainConfig
        One for each, which differ in seed, strengths and learning rate.
    data : Dataset
        Of classes.

    Attributes
    ----------
    done : int
        Updates made.
    """

    def __init__(self, configs: Sequence[TrainConfig], data: Dataset) -> None:
        config = configs[0]
        if any(set(each.strengths) - STRENGTHS for each in configs):
            raise InputError(f"strengths: only {', '.join(sorted(STRENGTHS))} are known here")
        self.configs = list(configs)
        X, y = (part.numpy() for part in data.train)
        self.data = (jnp.asarray(X, jnp.float32), jnp.asarray(y, jnp.int32))

        # Batches of row numbers: those that urn would take.
        numbers = torch.arange(len(X))
        cpu = torch.device("cpu")
        seeds = [each.seed for each in configs]
        self.batches = Batches((numbers[:, None], numbers), config, seeds, cpu, torch.int64)

        # vmap gives every network its own state of Adam; the data are the same for all.
        beta1, beta2 = config.betas
        adam = optax.scale_by_adam(beta1, beta2, config.epsilon)
        step = partial(
            update,
            shape=(config.n_iterations, data.n_outputs),
            adam=adam,
            settings=(beta2, config.epsilon),
        )
        self._start = jax.vmap(adam.init)
        self._all = jax.jit(partial(_steps, jax.vmap(step, (0, 0, 0, None))), donate_argnums=(0, 1))
        self._compiled: dict[int, jax.stages.Compiled] = {}
        self.sizes = (config.n_neurons, data.n_inputs, data.n_outputs, config.n_iterations)
        self.begin()

    def begin(self) -> None:
        """Take first weights, as if no step had been made."""
        # Drawn by the plain yardstick, which draws as urn does.
        generators = [torch.Generator().manual_seed(each.seed) for each in self.configs]
        nets = [PlainURN(*self.sizes, generator) for generator in generators]
        weight, bias = (
            jnp.stack([getattr(net, name).detach().numpy() for net in nets])
            for name in ("weight", "bias")
        )
        self.network = Network(weight, bias)
        self.state = self._start(self.network)
        self.done = 0

    def compile(self, n: int) -> float:
        """Compile `n` steps. Returns the seconds that it took."""
        begun = time.perf_counter()
        lowered = self._all.lower(self.network, self.state, self._inputs(n), self.data)
        self._compiled[n] = lowered.compile()
        return time.perf_counter() - begun

    def run(self, n: int) -> None:
        """`n` updates."""
        if n not in self._compiled:
            self.compile(n)
        work = self._compiled[n](self.network, self.state, self._inputs(n), self.data)
        self.network, self.state = jax.block_until_ready(work)
        self.done += n

    def _inputs(self, n: int) -> Inputs:
        """Those of the next n steps."""
        steps = range(self.done, self.done + n)
        rows = np.stack([self.batches.at(step)[1].numpy() for step in steps])
        rates = [
            [each.learning_rate.at(step, each.steps) for each in self.configs] for step in steps
        ]
        strengths = [
            [[_strength(each, name, step) for each in self.configs] for step in steps]
            for name in ("weight", "activity")
        ]
        numbers = (jnp.asarray(values, jnp.float32) for values in (rates, *strengths))
        return Inputs(jnp.asarray(rows, jnp.int32), *numbers)

    def accuracies(self, data: Dataset) -> list[float]:
        """On the validation set."""
        X, y = (part.numpy() for part in data.validation)
        W, b = self.network
        N = jnp.pad(X, ((0, 0), (0, self.sizes[0] - X.shape[1])))[None]
        for _ in range(self.sizes[3]):
            P = N @ W.mT + b[:, None]
            N = jax.nn.relu(P)
        return (P[..., -self.sizes[2] :].argmax(-1) == y).mean(1).tolist()


def _strength(config: TrainConfig, name: str, step: int) -> float:
    """Of a term at a step; of one that is not asked for, zero."""
    schedule = config.strengths.get(name)
    return schedule.at(step, config.steps) if schedule else 0.0


def _steps(
    step: partial,
    network: Network,
    state: optax.OptState,
    inputs: Inputs,
    data: tuple[jax.Array, jax.Array],
) -> tuple[Network, optax.OptState]:
    """The updates of all networks that `inputs` are of."""

    # The loop over steps is compiled as well: nothing comes back to Python between two.
    def step_on(carry: tuple, now: Inputs) -> tuple[tuple, None]:
        return step(*carry, now, data), None

    return jax.lax.scan(step_on, (network, state), inputs)[0]


# ---- in a process of its own: JAX takes its threads once, and keeps them


_HERE: dict[str, JaxPopulation] = {}
"""The networks of this process."""


def trained(configs: Sequence[TrainConfig], data: Dataset, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases after n steps."""
    population = JaxPopulation(configs, data)
    population.run(n)
    return np.asarray(population.network.weight), np.asarray(population.network.bias)


def prepare(
    cores: set[int], configs: Sequence[TrainConfig], data: Dataset, sizes: Sequence[int]
) -> float:
    """Have networks in this process, which keeps to these cores. Returns seconds of compiling.

    `sizes`: of the runs that will be asked for, in steps.
    """
    os.sched_setaffinity(0, cores)
    population = _HERE["networks"] = JaxPopulation(configs, data)
    return sum(population.compile(n) for n in set(sizes))


def train(data: Dataset, sizes: Sequence[int]) -> tuple[float, float, list[float]]:
    """Train from the first weights on: seconds, those of the processor, validation accuracies."""
    population = _HERE["networks"]
    population.begin()
    begun = time.perf_counter()
    begun_here = time.process_time()
    for n in sizes:
        population.run(n)
    seconds = time.perf_counter() - begun
    return seconds, time.process_time() - begun_here, population.accuracies(data)
