"""What carries signal in an unrolled network, and the network without what carries next to none.

Signal is measured by power, as a share of all that passes an iteration, so that it does not matter
whether signals grow or fade from one iteration to the next.
"""

import numpy as np

from analysis.arrays import Bools, Floats
from analysis.edges import Edges
from analysis.paths import accumulate

ECHO = 0.05
"""With data, a node with less of its neuron's signal is left out. By judgement, as the other shares
of variance: a twentieth is next to nothing."""
FAINT = 1e-4
"""An edge with less of the signal than this part of a typical edge of its iteration is left out. By
judgement: a hundredth of a typical weight."""


def _signal(unrolled: Edges, written: Bools, spread: Floats | None) -> tuple[Floats, Floats]:
    """Signal that each node holds, and what of a signal at each node reaches the outputs.

    The first is the variance over the data where it is known (`spread`), else what independent
    inputs of variance 1 bring; the second the squared weights on the paths to the outputs. Both
    (I + 1, S), and each iteration on a scale of its own.
    """
    behind, _ = accumulate(
        unrolled, unrolled.weight**2, _last_nodes(unrolled, written), backwards=True
    )
    if spread is not None:
        return spread**2, behind
    return accumulate(unrolled, unrolled.weight**2, written)[0], behind


def _node_shares(unrolled: Edges, written: Bools, spread: Floats) -> Floats:
    """(I + 1, S) share of the signal that passes an iteration through each of its nodes."""
    held, behind = _signal(unrolled, written, spread)
    power = held * behind
    total = power.sum(axis=1, keepdims=True)
    return np.divide(power, total, out=np.zeros(power.shape), where=total > 0)


def _edge_shares(unrolled: Edges, written: Bools, spread: Floats | None) -> Floats:
    """(M,) share of the signal that arrives at an iteration over each of its edges."""
    held, behind = _signal(unrolled, written, spread)
    power = held.ravel()[unrolled.source] * unrolled.weight**2 * behind.ravel()[unrolled.target]
    iteration = unrolled.target_iteration
    total = np.bincount(iteration, power, minlength=len(written))[iteration]
    return np.divide(power, total, out=np.zeros(len(power)), where=total > 0)


def without_echoes(unrolled: Edges, written: Bools, spread: Floats) -> Edges:
    """The unrolled edges without hidden nodes that are faint echoes of their neuron.

    They carry under ECHO of what their neuron carries over all iterations. A trained layered
    network fires faintly at iterations other than its own; counted as nodes, these echoes would
    make every neuron re-used.
    """
    share = _node_shares(unrolled, written, spread)
    share[-1] = 0.0
    share[written] = 0.0

    # The shares of an iteration add up to 1, so with under 1 / (2 I) not all of them are echoes.
    least = min(ECHO, 0.5 / len(written))
    echo = share < least * share.sum(axis=0)
    # Inputs and outputs are no echoes, however faint.
    echo[written] = False
    echo[-1] = False
    is_echo = echo.ravel()
    kept = unrolled.where(~is_echo[unrolled.source] & ~is_echo[unrolled.target])
    return kept.where(on_paths(kept, written))


def without_faint(unrolled: Edges, written: Bools, spread: Floats | None, faint: float) -> Edges:
    """The unrolled edges without those that carry next to no signal, nor what hangs on them alone.

    A typical edge is that over which the typical signal arrives: of M equal edges and any number of
    faint ones it has the share 1 / M, which is the sum of squared shares.
    """
    share = _edge_shares(unrolled, written, spread)
    iteration = unrolled.target_iteration
    typical = np.bincount(iteration, share**2, minlength=len(written))
    kept = unrolled.where(share >= faint * typical[iteration])
    return kept.where(on_paths(kept, written))


def _last_nodes(unrolled: Edges, written: Bools) -> Bools:
    """(I + 1, S) bool: nodes of the last iteration that an edge reaches."""
    last = np.zeros(written.shape, dtype=bool)
    is_last = unrolled.target_iteration == len(written) - 1
    last[-1, unrolled.target_neuron[is_last]] = True
    return last


def on_paths(unrolled: Edges, written: Bools) -> Bools:
    """(M,) bool: edges on a path from an input to the last iteration, within the given edges."""
    # Forwards from the inputs, then backwards from the last iteration.
    steps = unrolled.steps(len(written) - 1)
    fed = written.ravel().copy()
    kept = np.zeros(len(unrolled), dtype=bool)
    for step in steps:
        kept[step] = fed[unrolled.source[step]]
        fed[unrolled.target[step[kept[step]]]] = True

    useful = np.zeros(written.size, dtype=bool)
    useful[-written.shape[1] :] = True
    for step in reversed(steps):
        kept[step] &= useful[unrolled.target[step]]
        useful[unrolled.source[step[kept[step]]]] = True
    return kept
