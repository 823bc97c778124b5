"""Which vectors of neurons are the same neurons at several iterations.

A loop in a module leaves vectors u, v, ..., each computed from the one before it by the same
weights. They become one group of neurons, and its weights are written once, if the flat matrix then
computes the same: a neuron hears all that its row of W joins it to, at every iteration, so what a
member of the group does not read has to be silent while that member is computed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import Ints, Matrix
from analysis.flatten.values import Units, same

Times = dict[Units, int]
"""The iteration at which each vector has its value."""


@dataclass(eq=False)
class Group:
    """A vector of neurons that is re-used.

    Attributes
    ----------
    members : list of Units
        Step after step.
    reads : str
        How it reads what is no loop: "first" (at its first step, or never), "always" (the same at
        every step) or "sequence" (other inputs at every step, by the same weights).
    columns : list of int array
        Of a sequence: the inputs of each step.
    """

    members: list[Units]
    reads: str = "first"
    columns: list[Ints] = field(default_factory=list)

    @property
    def first(self) -> Units:
        """The member of the first step."""
        return self.members[0]


@dataclass(frozen=True, eq=False)
class Sharing:
    """The groups, whether the input has to be clamped, and when each vector is computed."""

    groups: list[Group]
    clamped: bool
    times: Times

    @property
    def group_of(self) -> dict[Units, Group]:
        """The group of each vector that is in one."""
        return {u: group for group in self.groups for u in group.members}


def share(units: Sequence[Units], inputs: Units) -> Sharing:
    """Find the groups of neurons that are re-used.

    Parameters
    ----------
    units : sequence of Units
        Every vector but the inputs, each after those that it reads.
    inputs : Units

    Returns
    -------
    Sharing
        Of all groups that compute the same as their members would apart.
    """
    times = {inputs: 0}
    for u in units:
        times[u] = 1 + max(times[source] for source in _forms(u))

    # What holds for one group depends on the others: those that fail are taken apart one by one.
    groups = _candidates(units, inputs)
    for clamped in (True, False):
        kept = [g for g in groups if clamped or g.reads != "always"]
        while failing := _failing(kept, times, inputs, clamped):
            kept.remove(failing)
        if not clamped or any(group.reads == "always" for group in kept):
            return Sharing(kept, clamped, times)
    raise AssertionError("unreachable")


def ancestors(units: Sequence[Units]) -> set[Units]:
    """All vectors that some vectors depend on, themselves not counted."""
    result: set[Units] = set()
    waiting = list(units)
    while waiting:
        for source in _forms(waiting.pop()):
            if source not in result:
                result.add(source)
                waiting.append(source)
    return result


def _forms(u: Units) -> dict[Units, Matrix]:
    return {} if u.value is None else u.value.forms


def _candidates(units: Sequence[Units], inputs: Units) -> list[Group]:
    """Chains of vectors that compute by the same weights, the longest from each start."""
    readers: dict[Units, list[Units]] = {}
    for u in units:
        for source in _forms(u):
            readers.setdefault(source, []).append(u)

    taken: set[Units] = set()
    groups = []
    for u in units:
        if u in taken:
            continue
        chains = [
            _chain(u, second, readers) for second in readers.get(u, []) if second not in taken
        ]
        described = [group for chain in chains if (group := _described(chain, inputs)) is not None]
        if described:
            longest = max(described, key=lambda group: len(group.members))
            taken.update(longest.members)
            groups.append(longest)
    return groups


def _chain(first: Units, second: Units, readers: dict[Units, list[Units]]) -> list[Units]:
    """The vectors that follow each other by the weights from the first to the second."""
    chain = [first, second]
    if first.size != second.size:
        return chain
    weights = _forms(second)[first]

    def follows(u: Units) -> bool:
        return u.size == first.size and same(weights, _forms(u)[chain[-1]]) and _alike(u, second)

    while following := [u for u in readers.get(chain[-1], []) if follows(u)]:
        chain.append(following[0])
    return chain


def _alike(a: Units, b: Units) -> bool:
    """Whether two vectors have the same biases."""
    if a.value is None or b.value is None:
        return False
    return bool(np.allclose(a.value.constant, b.value.constant, rtol=1e-12, atol=1e-14))


def _described(chain: list[Units], inputs: Units) -> Group | None:
    """The group of a chain, by how it reads the inputs; None where it is none."""
    if chain[0].size != chain[1].size:
        return None
    read = [_forms(u).get(inputs) for u in chain]
    is_loop = len(chain) > 2 or _alike(chain[0], chain[1])
    if all(form is None for form in read[1:]):
        if read[0] is None and _reads_one_thing(chain):
            return Group(chain, "always") if is_loop else None
        # Two layers of equal width are no loop.
        return Group(chain) if len(chain) > 2 else None
    if any(form is None for form in read):
        return None

    if all(same(read[0], form) for form in read[1:]):
        return Group(chain, "always") if is_loop else None
    columns = [np.unique(form.indices) for form in read if form is not None]
    widths = {len(c) for c in columns}
    is_apart = len(np.unique(np.concatenate(columns))) == sum(map(len, columns))
    if len(widths) != 1 or not is_apart:
        return None
    blocks = [form[:, c] for form, c in zip(read, columns, strict=True) if form is not None]
    is_shared = _alike(chain[0], chain[1]) and all(same(blocks[0], block) for block in blocks[1:])
    return Group(chain, "sequence", columns) if is_shared else None


def _reads_one_thing(chain: list[Units]) -> bool:
    """Whether every step reads the same vector, by the same weights: it has to stay."""
    common = set(_forms(chain[0])).intersection(*(_forms(u) for u in chain[1:]))
    return any(all(same(_forms(chain[0])[s], _forms(u)[s]) for u in chain) for s in common)


# ---- whether the flat matrix would compute the same


def _failing(groups: list[Group], times: Times, inputs: Units, clamped: bool) -> Group | None:
    """The first group that would not compute what its members do."""
    group_of = {u: group for group in groups for u in group.members}
    dynamic = {u for u in times if u in group_of or ancestors([u]) & set(group_of)}

    for group in groups:
        start = times[group.first]
        steps = [times[u] for u in group.members]
        if steps != list(range(start, start + len(steps))):
            return group
        if not _reads_inputs(group, start, clamped, inputs):
            return group
        if not _reads_others(group, groups, times, (inputs, dynamic, clamped)):
            return group
    return None


def _reads_inputs(group: Group, start: int, clamped: bool, inputs: Units) -> bool:
    """Whether the inputs are there when a group reads them, and silent when it does not."""
    if group.reads == "always":
        return clamped
    if group.reads == "sequence":
        return not clamped and start == 1
    if inputs not in _forms(group.first):
        return True
    return not clamped and start == 1


def _reads_others(
    group: Group,
    groups: list[Group],
    times: Times,
    context: tuple[Units, set[Units], bool],
) -> bool:
    """Whether each other source of a group is right at every step: read as meant, or silent."""
    inputs, dynamic, clamped = context
    group_of = {u: g for g in groups for u in g.members}

    def owner(u: Units) -> Group | Units:
        return group_of.get(u, u)

    rows: dict[Group | Units, Matrix] = {}
    for u in group.members:
        for source, form in _forms(u).items():
            if source is not inputs and not same(rows.setdefault(owner(source), form), form):
                return False

    silent = _silence(times, dynamic, clamped)
    for u in group.members:
        heard = {owner(s): s for s in _forms(u) if s is not inputs}
        if len(heard) != len([s for s in _forms(u) if s is not inputs]):
            return False
        before = times[u] - 1
        for row in rows:
            if row not in heard:
                if not silent(row, before):
                    return False
                continue
            # In time, or settled for good under an input that stays.
            settled = clamped and heard[row] not in dynamic and times[heard[row]] <= before
            if times[heard[row]] != before and not settled:
                return False
    return True


def _silence(
    times: Times, dynamic: set[Units], clamped: bool
) -> Callable[[Group | Units, int], bool]:
    """Whether the neurons of a group or vector are all zero at an iteration.

    Their biases come when they are due (see layout.py): before, nothing reaches them. After, a
    vector that is not re-used, and hears nothing that is, falls silent again where the input is a
    pulse.
    """

    def silent(source: Group | Units, iteration: int) -> bool:
        if isinstance(source, Group):
            return iteration < times[source.first]
        if source in dynamic:
            return iteration == 0
        if clamped:
            return iteration < times[source]
        return iteration != times[source]

    return silent
