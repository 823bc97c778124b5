"""From vectors of neurons to one flat matrix: numbers of neurons, relays, and biases in time.

Every vector has its value at one iteration, one later than the last that it reads. What is read
later than at the next iteration is handed on by relays: a rectified value by one neuron a step, a
value that may be negative by two, relu(x) and relu(-x), whose difference is read. Where the input
is clamped, what does not hang on a loop is settled and needs none. Neurons of tanh hand a value on
where tanh is linear, near zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from analysis.arrays import Bools, Floats, Ints, Matrix
from analysis.flatten.sharing import Group, Sharing, ancestors
from analysis.flatten.values import MOST_NEURONS, Units, Value

SMALL = 2.0**-16
"""Scale of a value that neurons of tanh hand on: tanh(SMALL x) is SMALL x up to 8e-11 of x^3. Small
enough for 1e-5 over a thousand steps, and a power of two, so that scaling rounds nothing."""

ALARM = {"relu": 1.0, "tanh": 20.0}
"""Bias of a clock neuron: it then holds 1, exactly in float64, from the first iteration on."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The parts of a flat network, with the inputs first and the outputs last."""

    weights: Floats
    biases: Floats
    positions: Floats | None
    labels: tuple[str, ...]
    n_iterations: int


@dataclass(eq=False)
class _Copy:
    """Neurons that hold some elements of a vector at a later iteration.

    `holders` are pairs of the neurons' numbers and the factor by which they are to be read.
    """

    elements: Ints
    holders: list[tuple[Ints, float]]


@dataclass(eq=False)
class Builder:
    """Hands out neurons and collects weights.

    Attributes
    ----------
    sharing : Sharing
    inputs : Units
    activation : str
    """

    sharing: Sharing
    inputs: Units
    activation: str
    labels: list[str] = field(default_factory=list)
    entries: list[tuple[Ints, Ints, Floats]] = field(default_factory=list)
    biases: list[tuple[Ints, Floats]] = field(default_factory=list)
    places: list[tuple[Ints, Floats]] = field(default_factory=list)
    numbers: dict[Group | Units, Ints] = field(default_factory=dict)
    copies: dict[tuple[Units, int], _Copy] = field(default_factory=dict)
    needs: dict[tuple[Units, int], Bools] = field(default_factory=dict)
    clocks: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.group_of = self.sharing.group_of
        self.times = self.sharing.times
        shared = list(self.group_of)
        self.upstream = ancestors(shared) - set(shared)
        self.dynamic = {u for u in self.times if ancestors([u]) & set(shared)} | set(shared)

    # ---- neurons

    def take(self, labels: Iterable[str], positions: Floats | None = None) -> Ints:
        """Numbers of new neurons.

        Raises
        ------
        ValueError
            Where they are too many for a dense matrix.
        """
        first = len(self.labels)
        self.labels += labels
        if len(self.labels) > MOST_NEURONS:
            raise ValueError(f"module needs more than {MOST_NEURONS:,} neurons; give a smaller one")
        numbers = np.arange(first, len(self.labels))
        if positions is not None:
            self.places.append((numbers, positions))
        return numbers

    def owner(self, u: Units) -> Group | Units:
        """What the neurons of a vector belong to: a group that is re-used, or the vector alone."""
        return self.group_of.get(u, u)

    def seat(self, u: Units) -> None:
        """Give a vector its neurons, unless its group has them."""
        owner = self.owner(u)
        if owner not in self.numbers:
            labels = [f"{u.label}[{k}]" for k in range(u.size)]
            self.numbers[owner] = self.take(labels, u.positions)

    def join(self, targets: Ints, sources: Ints, form: Matrix, factor: float = 1.0) -> None:
        """Weights by a sparse form."""
        form = sparse.coo_array(form)
        row, column = form.coords
        self.entries.append((targets[row], sources[column], factor * form.data))

    def copy(self, targets: Ints, sources: Ints, weight: float = 1.0) -> None:
        """One weight from each source to its target."""
        self.entries.append((targets, sources, np.full(len(targets), weight)))

    def clock(self, iteration: int) -> int:
        """The neuron that holds 1 from an iteration on, which is at least 1."""
        while len(self.clocks) < iteration:
            number = self.take([f"clock {len(self.clocks) + 1}"])
            if self.clocks:
                self.copy(number, np.array(self.clocks[-1:]), ALARM[self.activation])
            else:
                self.biases.append((number, np.array([ALARM[self.activation]])))
            self.clocks.append(int(number[0]))
        return self.clocks[iteration - 1]

    # ---- values that wait

    def settled(self, u: Units) -> bool:
        """Whether a vector keeps its value for good once it has it."""
        return self.sharing.clamped and u not in self.dynamic

    def held(self, u: Units, iteration: int) -> _Copy:
        """The neurons that hold what is read of a vector at an iteration, relays if need be."""
        delay = iteration - self.times[u]
        if delay == 0 or self.settled(u):
            return _Copy(np.arange(u.size), [(self.numbers[self.owner(u)], 1.0)])
        if (u, delay) not in self.copies:
            before = self.held(u, iteration - 1)
            self.copies[u, delay] = self._relayed(u, before, delay)
        return self.copies[u, delay]

    def _relayed(self, u: Units, before: _Copy, delay: int) -> _Copy:
        """New relays for what an earlier copy holds, as far as it is read now or later."""
        masks = [mask for (owner, d), mask in self.needs.items() if owner is u and d >= delay]
        wanted = np.flatnonzero(np.any(masks, axis=0))
        places = None if u.positions is None else u.positions[wanted]
        rows = np.searchsorted(before.elements, wanted)

        def relays(sign: str, weight: float, sources: Ints) -> Ints:
            labels = [f"relay {delay} of {sign}{u.label}[{k}]" for k in wanted]
            targets = self.take(labels, places)
            self.copy(targets, sources[rows], weight)
            return targets

        if delay > 1:
            names = ("", "-")
            handed = [
                (relays(names[k], 1.0, numbers), factor)
                for k, (numbers, factor) in enumerate(before.holders)
            ]
            return _Copy(wanted, handed)
        source = before.holders[0][0]
        if self.activation == "tanh":
            return _Copy(wanted, [(relays("", SMALL, source), 1 / SMALL)])
        if u.nonnegative:
            return _Copy(wanted, [(relays("", 1.0, source), 1.0)])
        pair = [(relays("", 1.0, source), 1.0), (relays("-", -1.0, source), -1.0)]
        return _Copy(wanted, pair)

    def read(self, targets: Ints, value: Value, iteration: int) -> None:
        """Weights by which neurons read a value at an iteration."""
        for u, form in value.forms.items():
            held = self.held(u, iteration)
            part = form if len(held.elements) == u.size else form[:, held.elements]
            for numbers, factor in held.holders:
                self.join(targets, numbers, part, factor)

    def note(self, value: Value, iteration: int) -> None:
        """Note which elements of each vector a value reads, and how late: only those wait."""
        for u, form in value.forms.items():
            delay = iteration - self.times[u]
            self.needs.setdefault((u, delay), np.zeros(u.size, dtype=bool))[form.indices] = True

    # ---- rows

    def fill(self, u: Units) -> None:
        """The weights and biases of a vector that is computed once."""
        assert u.value is not None
        numbers = self.numbers[u]
        start = self.times[u]
        self.read(numbers, u.value, start - 1)
        if u not in self.upstream:
            self.biases.append((numbers, u.value.constant))
            return

        # Loops listen all the time, so what they hear is silent when it is not due.
        self.bias_from(numbers, u.value.constant, start)
        if not self.sharing.clamped:
            self.bias_from(numbers, -u.value.constant, start + 1)

    def bias_from(self, numbers: Ints, bias: Floats, iteration: int) -> None:
        """A bias that acts from an iteration on."""
        if not bias.any():
            return
        if iteration == 1:
            self.biases.append((numbers, bias))
        else:
            clock = np.full(len(numbers), self.clock(iteration - 1))
            self.entries.append((numbers, clock, bias))

    def fill_group(self, group: Group) -> None:
        """The weights and biases of a group, each written once."""
        numbers = self.numbers[group]
        written = set()
        for u in group.members:
            assert u.value is not None
            for source, form in u.value.forms.items():
                owner = self.owner(source)
                if owner in written:
                    continue
                written.add(owner)
                if source is self.inputs and group.reads == "sequence":
                    self.fill_sequence(group, form)
                else:
                    self.join(numbers, self.numbers[owner], form)

        # The first step may have another bias: it stands for a first state that is not zero.
        first, second = (u.value.constant for u in group.members[:2] if u.value is not None)
        start = self.times[group.first]
        self.bias_from(numbers, first, start)
        self.bias_from(numbers, second - first, start + 1)

    def fill_sequence(self, group: Group, form: Matrix) -> None:
        """The inputs of later steps, moved up by one step an iteration until they are read.

        At l = 0 the group reads the inputs of the first step, from then on those in the register.
        """
        numbers = self.numbers[group]
        block = form[:, group.columns[0]]
        sources = self.numbers[self.inputs]
        self.join(numbers, sources[group.columns[0]], block)
        signs = [(1.0, 1.0)] if self.inputs.nonnegative else [(1.0, 1.0), (-1.0, -1.0)]
        if self.activation == "tanh":
            signs = [(SMALL, 1 / SMALL)]

        for weight, factor in signs:
            ahead: Ints | None = None
            for step in reversed(range(1, len(group.columns))):
                columns = group.columns[step]
                places = None if self.inputs.positions is None else self.inputs.positions[columns]
                name = "register" if weight > 0 else "register -"
                register = self.take([f"{name}[{k}]" for k in columns], places)
                self.copy(register, sources[columns], weight)
                if ahead is not None:
                    self.copy(register, ahead)
                ahead = register
            assert ahead is not None
            self.join(numbers, ahead, block, factor)


def lay_out(
    units: list[Units], inputs: Units, output: Value, sharing: Sharing, activation: str
) -> Layout:
    """Put all vectors of neurons into one matrix.

    Parameters
    ----------
    units : list of Units
        Every vector but the inputs, each after those that it reads.
    inputs : Units
    output : Value
        The linear read-out.
    sharing : Sharing
        Which of them are the same neurons, and when each is computed.
    activation : str
        "relu" or "tanh".

    Raises
    ------
    ValueError
        Where the output does not depend on the input, or there would be too many neurons.
    """
    if not output.forms:
        raise ValueError("module's output does not depend on its input")
    builder = Builder(sharing, inputs, activation)
    for u in (inputs, *units):
        builder.seat(u)

    n_iterations = 1 + max(sharing.times[u] for u in output.forms)
    builder.note(output, n_iterations - 1)
    for u in units:
        if u.value is not None:
            builder.note(u.value, sharing.times[u] - 1)
    for u in units:
        if u not in builder.group_of:
            builder.fill(u)
    for group in sharing.groups:
        builder.fill_group(group)

    # The read-out comes last, with the highest numbers.
    row = np.arange(output.size)
    placeholder = -1 - row
    builder.read(placeholder, output, n_iterations - 1)
    outputs = builder.take(f"output[{k}]" for k in row)
    return _assembled(builder, outputs, output.constant, n_iterations)


def _assembled(builder: Builder, outputs: Ints, offset: Floats, n_iterations: int) -> Layout:
    """The arrays of a network from what was collected."""
    n_neurons = len(builder.labels)
    weights = np.zeros((n_neurons, n_neurons))
    for targets, sources, values in builder.entries:
        # Outputs were counted from the end, before their numbers were known.
        rows = targets.copy()
        rows[targets < 0] = outputs[-1 - targets[targets < 0]]
        np.add.at(weights, (rows, sources), values)

    biases = np.zeros(n_neurons)
    for numbers, values in builder.biases:
        biases[numbers] += values
    biases[outputs] = offset

    dims = {places.shape[1] for _, places in builder.places}
    positions = np.full((n_neurons, dims.pop()), np.nan) if len(dims) == 1 else None
    for numbers, places in builder.places:
        if positions is not None:
            positions[numbers] = places
    return Layout(weights, biases, positions, tuple(builder.labels), n_iterations)
