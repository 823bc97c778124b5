"""Leaky states: neurons that remember the fading sum of what others said.

A state h' = q h + u, with u rectified, is no neuron: it is a sum over all u so far, and whoever
reads h reads them all. The sum up to the step before is a neuron, though: with traces
g(t) = q g(t - 1) + u(t - 1), all of them at least 0, h(t) = q g(t) + u(t). So u and g are re-used,
step by step, and a read of h is a read of both.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from analysis.arrays import Matrix
from analysis.flatten.values import Units, Value, same

SHORTEST = 4
"""Steps from which on traces are made: fewer leave no loop to recognise."""

RATIO = 1e-9
"""Relative error up to which weights fade by one factor: rounding, over some hundred steps."""


def with_traces(units: Sequence[Units], output: Value) -> Value:
    """Let everything that reads a fading sum read traces.

    Parameters
    ----------
    units : sequence of Units
        Every vector but the inputs, each after those that it reads. Their values are replaced.
    output : Value

    Returns
    -------
    Value
        The output in terms of the traces.
    """
    taken: set[Units] = set()
    for u in units:
        if u in taken or not u.nonnegative:
            continue
        steps, fading = _fading(u, units)
        if len(steps) < SHORTEST:
            continue
        taken.update(steps)
        traces = _traces(steps, fading)
        for reader in units:
            if reader.value is not None:
                reader.value = _rewritten(reader.value, steps, traces, fading)
        output = _rewritten(output, steps, traces, fading)
    return output


def _fading(first: Units, units: Sequence[Units]) -> tuple[list[Units], float]:
    """The vectors that each read all before them, older ones less by a factor, and that factor."""
    steps = [first]
    fading = 0.0
    for u in units:
        forms = {} if u.value is None else u.value.forms
        if u.size != first.size or not u.nonnegative or any(s not in forms for s in steps):
            continue
        if len(steps) == 1:
            steps.append(u)
            continue
        factor = _factor(forms[steps[-1]], forms[steps[-2]])
        fading = fading or factor
        if 0 < fading < 1 and _is_fading([forms[s] for s in steps], fading):
            steps.append(u)
    return steps, fading


def _factor(late: Matrix, early: Matrix) -> float:
    """The factor between two forms; 0 where there is none."""
    largest = np.abs(late.data).max(initial=0.0)
    if largest == 0 or late.nnz != early.nnz:
        return 0.0
    return float(np.abs(early.data).max() / largest)


def _is_fading(forms: Sequence[Matrix], fading: float) -> bool:
    """Whether each form is the one after it times the factor."""
    return all(
        same(fading * late, early, RATIO * max(1.0, np.abs(early.data).max(initial=1.0)))
        for early, late in pairwise(forms)
    )


def _traces(steps: Sequence[Units], fading: float) -> dict[Units, Units]:
    """For each step but the first, the sum of those before it, the last one in full."""
    traces: dict[Units, Units] = {}
    identity = sparse.eye_array(steps[0].size, format="csr")
    for before, now in pairwise(steps):
        forms = {before: identity}
        if before in traces:
            forms[traces[before]] = fading * identity
        nothing = np.zeros(now.size)
        value = Value((now.size,), 0, forms, nothing, now.positions, f"trace of {now.label}")
        traces[now] = Units(value.label, now.size, value, now.positions, True)
    return traces


def _rewritten(
    value: Value, steps: Sequence[Units], traces: dict[Units, Units], fading: float
) -> Value:
    """A value that reads a step and its trace in the place of all steps so far."""
    n_read = sum(u in value.forms for u in steps)
    read = list(steps[:n_read])
    if (
        n_read < 2
        or any(u not in value.forms for u in read)
        or set(traces.values()) & set(value.forms)
    ):
        return value
    if not _is_fading([value.forms[u] for u in read], fading):
        return value

    last = read[-1]
    forms = {u: form for u, form in value.forms.items() if u not in read}
    forms[last] = value.forms[last]
    forms[traces[last]] = sparse.csr_array(fading * value.forms[last])
    return replace(value, forms=forms)
