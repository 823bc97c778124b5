"""Values inside a module as linear forms of neurons: what is kept while a module is read.

Every value is A u + B v + ... + c, where u, v, ... are vectors of neurons: the inputs, and what was
rectified so far. Linear operations only change the matrices, so they are composed exactly and add
no neurons; a nonlinearity makes a new vector of neurons. Knows no torch and no iterations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from analysis.arrays import Floats, Ints, Matrix

MOST_NEURONS = 10_000
"""Neurons of a flat network at most, and elements of a tensor on the road there: the dense matrix
then takes 0.8 GB."""


@dataclass(eq=False)
class Units:
    """A vector of neurons.

    Attributes
    ----------
    label : str
        Name of the module or operation whose values these are.
    size : int
    value : Value or None
        What goes through the nonlinearity; None for the inputs.
    positions : (size, dim) array or None
    nonnegative : bool
        Whether no value can be below 0, so that a rectifier hands it on as it is.
    """

    label: str
    size: int
    value: Value | None
    positions: Floats | None
    nonnegative: bool


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor inside the module, as linear forms of neurons.

    Attributes
    ----------
    shape : tuple of int
        Of one sample.
    axis : int
        Where the batch stands in the tensor: 0 but for a sequence that comes first.
    forms : {Units: (N, size) SciPy CSR array}
        N is the product of the shape.
    constant : (N,) array
    positions : (N, dim) array or None
        NaN for elements without a position.
    label : str
        Name of the module or operation that computed it.
    """

    shape: tuple[int, ...]
    axis: int
    forms: dict[Units, Matrix]
    constant: Floats
    positions: Floats | None = None
    label: str = ""

    @property
    def size(self) -> int:
        """N, the number of elements of one sample."""
        return len(self.constant)

    @property
    def nonnegative(self) -> bool:
        """Whether it cannot be below 0: nothing negative of neurons that are never negative."""
        signs = all(u.nonnegative and (m.data >= 0).all() for u, m in self.forms.items())
        return signs and bool((self.constant >= 0).all())

    def rows(self, index: Ints, shape: tuple[int, ...], axis: int = 0) -> Value:
        """The elements of some numbers, in a new shape."""
        forms = _present({u: m[index] for u, m in self.forms.items()})
        positions = None if self.positions is None else self.positions[index]
        return Value(shape, axis, forms, self.constant[index], positions, self.label)

    def mapped(self, matrix: Matrix, offset: Floats, shape: tuple[int, ...]) -> Value:
        """`matrix` times the value plus `offset`, without positions."""
        forms = _present({u: without_zeros(matrix @ m) for u, m in self.forms.items()})
        return Value(shape, 0, forms, matrix @ self.constant + offset, None, self.label)

    def plus(self, other: Value) -> Value:
        """The sum with a value of the same shape."""
        forms = dict(self.forms)
        for u, m in other.forms.items():
            forms[u] = without_zeros(forms[u] + m) if u in forms else m
        positions = self.positions if self.positions is not None else other.positions
        summed = replace(self, forms=_present(forms), positions=positions)
        return replace(summed, constant=self.constant + other.constant)

    def times(self, factor: float) -> Value:
        """A multiple."""
        forms = {u: without_zeros(factor * m) for u, m in self.forms.items()}
        return replace(self, forms=_present(forms), constant=factor * self.constant)


def of_units(units: Units, shape: tuple[int, ...], axis: int = 0) -> Value:
    """The value that is the neurons themselves."""
    identity = sparse.eye_array(units.size, format="csr")
    none = np.zeros(units.size)
    return Value(shape, axis, {units: identity}, none, units.positions, units.label)


def constant(values: Floats, axis: int = 0) -> Value:
    """A value that depends on nothing, from its values in one sample."""
    return Value(values.shape, axis, {}, values.ravel().astype(float))


def stacked(values: Sequence[Value]) -> Value:
    """Values one after the other in one long vector; positions only where one of them has any."""
    sources = list(dict.fromkeys(u for value in values for u in value.forms))
    forms = {u: sparse.vstack([_form(v, u) for v in values], format="csr") for u in sources}
    joined = np.concatenate([value.constant for value in values])
    return Value((len(joined),), 0, forms, joined, _stacked_positions(values), values[0].label)


def without_zeros(matrix: Matrix) -> Matrix:
    """A CSR array without the zeros that cancellation left."""
    result = sparse.csr_array(matrix)
    result.eliminate_zeros()
    result.sort_indices()
    return result


def same(a: Matrix, b: Matrix, tolerance: float = 1e-12) -> bool:
    """Whether two forms are the same numbers up to rounding."""
    if a.shape != b.shape:
        return False
    difference = sparse.csr_array(a - b)
    largest = np.abs(difference.data).max(initial=0.0)
    return bool(largest <= tolerance * np.abs(a.data).max(initial=1.0))


def _present(forms: dict[Units, Matrix]) -> dict[Units, Matrix]:
    """The forms that are not zero."""
    return {u: m for u, m in forms.items() if m.nnz}


def _form(value: Value, units: Units) -> Matrix:
    if units in value.forms:
        return value.forms[units]
    return sparse.csr_array((value.size, units.size))


def _stacked_positions(values: Sequence[Value]) -> Floats | None:
    dims = {v.positions.shape[1] for v in values if v.positions is not None}
    if len(dims) != 1:
        return None
    unknown = (dims.pop(),)
    return np.concatenate(
        [
            np.full((v.size, *unknown), np.nan) if v.positions is None else v.positions
            for v in values
        ]
    )
