"""Modular: parallel sub-networks that hand each other next to no signal.

A module is a set of hidden neurons; inputs and outputs may be shared. Neurons that compute between
two hidden layers belong together where signal passes between them. Hidden neurons that only read
inputs and only feed outputs are a branch of depth 1 beside deeper ones; among them, modules show in
the inputs that they hear and the outputs that they feed.

Modules are sought as parts that hang together by signal, and where all does as groups that
exchange less signal than by chance (analysis/modules.py). A lattice, a ring or a chain can be cut
at any place with few edges lost, without being modules: so groups must hold together inside, which
shows as a gap after the eigenvalues that tell groups apart.

Effect: coherence, the share of the signal between modules' layers that stays in its module, less
chance, over 1 less chance. Null model: the targets of all connections exchanged within each pair of
layers, which keeps the layers and what every neuron sends and receives. Its statistic is the
leading eigenvalue. Every module has a share of the signal of at least MIN_SHARE.
"""

from typing import Any

import numpy as np

from analysis.arrays import Bools, Ints
from analysis.modules import Signal, groups, leading, parts, signal_between
from analysis.nulls import empirical_p
from analysis.verdicts.verdict import FEW_DRAWS, QUARTER, Bar, Case, Verdict, decide, p_bar

MIN_COHERENCE = 0.7
"""Share of the signal that stays in its module, beyond chance. By judgement, on planted
networks."""
MIN_SHARE = 0.1
"""Share of the signal through a module. By judgement: less is a detail of another."""
MIN_NEURONS = 2
"""Hidden neurons of a module: a single one is no network. By judgement."""
MIN_GAP = 0.25
"""Eigenvalue of the weakest split between groups less that of the strongest within: 1 for separate
random modules, near 0 for lattices. By judgement, on planted networks."""
MODULES_BAR = 1.5
"""Modules: more than one. Half-way between one and two, so that no verdict hangs on this bar."""
SAME = 1e-9
"""Shares that differ by less are equal: rounding."""


def modular(case: Case) -> Verdict:
    """Judge whether the hidden neurons fall into modules."""
    signal = signal_between(case.graph, case.layers)
    evidence: dict[str, Any] = {
        "effect_is": "share of the signal that stays in its module, beyond chance",
        "n_modules": 0,
        "modules": [],
    }
    if signal.hidden.sum() < 2 * MIN_NEURONS:
        evidence["note"] = "too few hidden neurons"
        return Verdict("modular", False, 0.0, None, evidence)

    # What hangs together comes first; only where all of it does, groups are looked for.
    label = _real(signal, parts(signal))
    gap = 1.0
    by = "parts"
    if label.max() < 1:
        of_groups, gap = groups(signal)
        label = _real(signal, of_groups)
        by = "groups"
    n_modules = int(label.max()) + 1
    coherence, tested = _coherence(signal, label)

    bars = [
        Bar("modules", float(n_modules), MODULES_BAR),
        Bar("coherence", coherence, MIN_COHERENCE),
        Bar("gap", gap, MIN_GAP),
    ]
    # Where a bar is missed anyway, a few draws are enough: p cannot be small.
    n_draws = case.affordable(len(signal.power))
    if not all(bar.holds(1 - QUARTER) for bar in bars):
        n_draws = FEW_DRAWS
    p_value = empirical_p(*leading(signal, n_draws, case.rng))

    # Branches of other depths differ by their layers, which the null model keeps.
    if tested:
        bars.append(p_bar(p_value))

    evidence |= {
        "by": by,
        "gap": gap,
        "n_modules": n_modules,
        "modules": _described(signal, label) if n_modules > 1 else [],
    }
    return decide("modular", coherence if n_modules > 1 else 0.0, p_value, evidence, bars)


def _real(signal: Signal, label: Ints) -> Ints:
    """The labels with real modules as 0, 1, ..., most signal first, and -1 for all else.

    Real ones have MIN_SHARE of the signal and MIN_NEURONS neurons.
    """
    shares = {}
    for name in np.unique(label[label >= 0]).tolist():
        inside = label == name
        share = _share(signal, inside)
        if share >= MIN_SHARE and len(np.unique(signal.neuron[inside])) >= MIN_NEURONS:
            shares[name] = share

    out = np.full(len(label), -1)
    for number, name in enumerate(sorted(shares, key=lambda name: -shares[name])):
        out[label == name] = number
    return out


def _share(signal: Signal, inside: Bools) -> float:
    """Share of the signal through a module: the largest that it has of any layer's."""
    by_layer = np.bincount(signal.layer[inside], signal.through[inside])
    everything = signal.through[signal.layer == 0].sum()
    return float(by_layer.max() / everything) if everything > 0 else 0.0


def _coherence(signal: Signal, label: Ints) -> tuple[float, bool]:
    """Share of the signal between hidden nodes that stays in its module, beyond chance.

    Where no signal passes between hidden nodes, that from and to the ends counts, each of which
    belongs to the module that it has most signal with.

    Returns
    -------
    coherence : float
        1 where the modules have no pair of layers in common: then no signal could cross.
    tested : bool
        Whether they have.
    """
    is_flat = not signal.inside.any()
    if is_flat:
        label = _with_ends(signal, label)
    signal = signal.between_hidden
    power = signal.power
    _, pair = np.unique(signal.pair, return_inverse=True)
    total = np.bincount(pair, power)

    # Column 0 of these tables is for nodes of no module.
    a = label[signal.source]
    b = label[signal.target]
    sent = np.zeros((len(total), int(label.max()) + 2))
    heard = np.zeros_like(sent)
    np.add.at(sent, (pair, a + 1), power)
    np.add.at(heard, (pair, b + 1), power)
    within = (a == b) & (a >= 0)
    stays = np.bincount(pair[within], power[within], minlength=len(total)) / total
    by_chance = (sent * heard)[:, 1:].sum(axis=1) / total**2

    # A pair of layers that one module has alone says nothing of the others.
    shared = by_chance < 1 - SAME
    if not shared.any():
        return 1.0, False
    coherence = (stays[shared] - by_chance[shared]) / (1 - by_chance[shared])
    if is_flat:
        return float(coherence.max()), True
    return float(np.average(coherence, weights=total[shared])), True


def _with_ends(signal: Signal, label: Ints) -> Ints:
    """The labels with inputs and outputs in the module that they have most signal with."""
    n_modules = int(label.max()) + 1
    if n_modules < 1:
        return label
    n = len(label)
    votes = np.zeros((n, n_modules))
    for end, other in ((signal.source, signal.target), (signal.target, signal.source)):
        named = label[other] >= 0
        np.add.at(votes, (end[named], label[other[named]]), signal.power[named])
    ends = (label < 0) & ~signal.hidden & (votes.sum(axis=1) > 0)
    out = label.copy()
    out[ends] = votes[ends].argmax(axis=1)
    return out


def _described(signal: Signal, label: Ints) -> list[dict[str, Any]]:
    """Each module: its neurons, its layers' widths, its share of the signal, the ends it uses."""
    modules = []
    is_input = signal.layer == 0
    for number in range(int(label.max()) + 1):
        inside = label == number
        widths = np.bincount(signal.layer[inside])
        # Connections from an input into the module, and from the module to an output.
        heard = inside[signal.target] & is_input[signal.source]
        fed = inside[signal.source] & ~signal.hidden[signal.target]

        modules.append(
            {
                "neurons": np.unique(signal.neuron[inside]).tolist(),
                "widths": widths[widths > 0].tolist(),
                "share": _share(signal, inside),
                "n_inputs": len(np.unique(signal.source[heard])),
                "n_outputs": len(np.unique(signal.target[fed])),
            }
        )
    return modules
