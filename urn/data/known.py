"""Tasks made so that the structure they ask for is known: fields, depth, modules, carrying."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from urn.data.dataset import Dataset, Split
from urn.data.options import TaskOptions, task
from urn.errors import InputError
from urn.loss import geometry
from urn.memory import require_memory
from urn.settings.fields import Number, Size

FLOAT = 4
"""Bytes of a float32."""

LONGEST = 1000
"""Inputs of a sequence: as many as a network has iterations (`TrainConfig.n_iterations`)."""

Length = Annotated[Number, Field(gt=0, le=1e6)]
"""A correlation length, in sites."""


class _Sampled(TaskOptions):
    """A task whose samples are drawn, and so are as many as one likes."""

    n_train: Size = 20_000
    n_validation: Size = 2_000
    n_test: Size = 5_000

    @property
    def counts(self) -> tuple[int, int, int]:
        """Samples of the three parts."""
        return self.n_train, self.n_validation, self.n_test

    def _generator(self, numbers_per_sample: int) -> torch.Generator:
        """A seeded generator, once it is known that there is room for the samples."""
        n_bytes = FLOAT * sum(self.counts) * numbers_per_sample
        require_memory("task_options: n_train, n_validation and n_test", n_bytes)
        return torch.Generator().manual_seed(self.data_seed)


@task("ring_field")
class RingField(_Sampled):
    """Random fields on a ring; the label says which of two correlation lengths a field has.

    x = erf(gain z) / Z with z normal of covariance exp(-d^2 / xi^2) at distance d, and Z such that
    x has variance 1. With `gaussian` x is normal, with the covariance that erf would leave it.

    References
    ----------
    Ingrosso & Goldt 2022, Data-driven emergence of convolutional structure in neural networks.
    """

    n_sites: Annotated[Size, Field(ge=3)] = 40
    lengths: tuple[Length, Length] = Field(default=(2.0, 6.0), description="xi of the two classes")
    gain: Annotated[Number, Field(gt=0, le=1e6)] = 3.0
    gaussian: bool = Field(
        default=False, description="control: a normal field with the same covariance"
    )

    def load(self) -> Dataset:
        """Samples with positions on a ring."""
        generator = self._generator(4 * self.n_sites)
        train, validation, test = (self._sample(n, generator) for n in self.counts)
        positions = geometry.ring(self.n_sites)
        return Dataset(train, validation, test, 2, positions=positions, sites=(self.n_sites,))

    def _sample(self, n: int, generator: torch.Generator) -> Split:
        """x `(n, n_sites)` and which length each field has `(n,)`."""
        label = torch.randint(2, (n,), generator=generator)
        white = torch.randn(n, self.n_sites, generator=generator)
        roots = torch.stack([self._root(xi) for xi in self.lengths])  # (2, n_sites), real spectra
        z = torch.fft.irfft(torch.fft.rfft(white.double()) * roots[label], n=self.n_sites)
        # On a ring the variance is 1 up to what the clipping of the spectrum takes.
        x = z if self.gaussian else torch.erf(self.gain * z) / self._deviation()
        return x.float(), label

    def _root(self, xi: float) -> Tensor:
        """Square root of the spectrum of the covariance, as many as `rfft` has frequencies."""
        site = torch.arange(self.n_sites, dtype=torch.float64)
        distance = torch.minimum(site, self.n_sites - site)
        covariance = torch.exp(-((distance / xi) ** 2))
        if self.gaussian:
            covariance = self._after_erf(covariance)
        return torch.fft.rfft(covariance).real.clamp_min(0).sqrt()

    def _after_erf(self, covariance: Tensor) -> Tensor:
        """Covariance of erf(gain z) / Z where z has this one (Williams 1998, arcsine kernel)."""
        g = 2 * self.gain**2
        return torch.asin(g * covariance / (1 + g)) / torch.asin(torch.tensor(g / (1 + g)).double())

    def _deviation(self) -> Tensor:
        """Z, the standard deviation of erf(gain z)."""
        g = torch.tensor(2 * self.gain**2).double()
        return (2 / torch.pi * torch.asin(g / (1 + g))).sqrt()


@task("parity")
class Parity(_Sampled):
    """Signs; the label is the parity of the first `k` of them, the others mean nothing."""

    n_bits: Size = 8
    k: Size = 3

    def load(self) -> Dataset:
        """Samples of -1 and 1, uniform."""
        if self.k > self.n_bits:
            raise InputError(f"task_options: k: {self.k} of {self.n_bits} bits")
        generator = self._generator(2 * self.n_bits)
        train, validation, test = (self._sample(n, generator) for n in self.counts)
        return Dataset(train, validation, test, 2)

    def _sample(self, n: int, generator: torch.Generator) -> Split:
        bits = torch.randint(2, (n, self.n_bits), generator=generator)
        return 2.0 * bits - 1, bits[:, : self.k].sum(1) % 2


@task("halves")
class Halves(_Sampled):
    """Regression of two groups of outputs, each on one half of the inputs.

    Each output sums `width` rectified projections of its half. With `mixed` (the control) a
    projection takes as many inputs, drawn from all, and each output sums the projections of both
    halves.
    """

    dimension: Annotated[Size, Field(ge=2)] = 20
    n_outputs: Annotated[Size, Field(ge=2)] = 10
    width: Size = 10
    mixed: bool = Field(default=False, description="control: every output needs both halves")

    def load(self) -> Dataset:
        """Standard normal inputs; targets with mean 0 and variance 1."""
        if self.dimension % 2 or self.n_outputs % 2:
            raise InputError("task_options: dimension and n_outputs must be even")
        generator = self._generator(self.dimension + 3 * self.n_outputs + 4 * self.width)
        half = self.dimension // 2

        x = torch.randn(sum(self.counts), self.dimension, generator=generator)
        # What the outputs sum: rectified projections of the first half, then of the second.
        B = torch.zeros(2 * self.width, self.dimension)
        for i, row in enumerate(B):
            every = torch.randperm(self.dimension, generator=generator)
            first = half * (i >= self.width)
            heard = every[:half] if self.mixed else torch.arange(first, first + half)
            row[heard] = torch.randn(half, generator=generator)
        C = torch.randn(self.n_outputs, 2 * self.width, generator=generator)
        if not self.mixed:
            C[: self.n_outputs // 2, self.width :] = 0
            C[self.n_outputs // 2 :, : self.width] = 0

        y = (x @ B.T).relu() @ C.T
        y = (y - y.mean(0)) / y.std(0)
        train, validation, test = zip(x.split(self.counts), y.split(self.counts), strict=True)
        return Dataset(train, validation, test, self.n_outputs, "regression")


@task("adding")
class Adding(_Sampled):
    """Regression on sequences: the sum of the two values that are marked, said at the end.

    A step of a sequence is a value, uniform in [0, 1], and a mark, 1 at two steps and else 0: one
    in the first half, one in the second. The first value must be carried through all that follows.
    The last step is never marked (as in Hochreiter & Schmidhuber): a network is read out before
    phi, so that it hears its last input in linear form, and could not ask whether that is marked.
    The best constant answer, 1, has a mean squared error of 1/6.

    References
    ----------
    Hochreiter & Schmidhuber 1997, Long short-term memory.
    Le, Jaitly & Hinton 2015, A simple way to initialize recurrent networks of rectified linear
    units.
    """

    length: Annotated[Size, Field(ge=3, le=LONGEST)] = Field(
        default=10, description="T, inputs of a sequence; n_iterations must be the same"
    )

    def load(self) -> Dataset:
        """Samples X `(N, length, 2)` and y `(N, 1)`."""
        generator = self._generator(4 * self.length)
        train, validation, test = (self._sample(n, generator) for n in self.counts)
        return Dataset(train, validation, test, 1, "regression")

    def _sample(self, n: int, generator: torch.Generator) -> Split:
        value = torch.rand(n, self.length, generator=generator)
        half = self.length // 2
        first = torch.randint(half, (n, 1), generator=generator)
        second = torch.randint(half, self.length - 1, (n, 1), generator=generator)

        mark = torch.zeros_like(value).scatter_(1, torch.cat([first, second], 1), 1.0)
        return torch.stack([value, mark], 2), (value * mark).sum(1, keepdim=True)
