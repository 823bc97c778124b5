"""Recurrent: computing neurons work at several iterations, in a core of their own.

Says nothing about attractors or memory. A neuron is used once for each iteration at which it
computes on an input -> output path. Relays do not compute. A neuron that only accumulates, i.e.
carries its own value (positive self weight with a real share) and adds contributions that come over
*other* weights each time, is one running sum and counts once: that is a residual stream. If the
same incoming weights are used again, the step is the same computation again and counts anew, as in
a vanilla RNN, an identity-initialised one (Le, Jaitly & Hinton 2015) or a residual network with
tied weights, which is therefore both residual and recurrent. Where the own value is kept in part
only, the network is leaky.

Effect: share of the computing neurons that are used at two or more iterations, each counted with
the signal it carries.

Null model: the same weights shared out anew. A matrix that wires every neuron with every other
alike uses all of them again at every iteration, and that is no structure: its neurons have no
roles. Roles show in one of two ways, and the smaller p is doubled. *Ends*: inputs hear and outputs
send little (squared weights), under half of what as many wired neurons at random do. *Dispersion*:
some inputs, hidden neurons or outputs hear or send much more than others of their kind, by a
quarter more in variance than where each weight lies anywhere between the same two kinds. On data,
holding the re-used neurons at other samples' values must change the answer.
"""

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Bools, Floats, Ints
from analysis.effective import EffectiveGraph
from analysis.forward import forward
from analysis.layers import carries_whole, carry_and_add, fresh
from analysis.network import FlatNetwork
from analysis.nulls import empirical_p, permutations
from analysis.verdicts.verdict import FEW_DRAWS, Bar, Case, Verdict, decide, p_bar

MIN_SHARE = 0.2
"""Share of the computing neurons that compute more than once. By judgement, on planted networks."""
MAX_ENDS = 0.5
"""What inputs hear and outputs send, relative to as many neurons at random. By judgement: half."""
MIN_DISPERSION = 1.25
"""Variance of what neurons hear and send, relative to chance. By judgement: a quarter more."""
CLEAR = 10.0
"""Largest distance from a bar that is told. By judgement."""
AT_ONCE = 2**17
"""Ends of weights that are drawn together: 1 MB, which stays near the core."""
MIN_LESION = 0.05
"""Share of the outputs' variance that hangs on re-use. By judgement, as the other shares of
variance."""
MIN_LEAKY = 0.5
"""Share of the re-used neurons that keep a part of their value in a leaky network. By judgement:
most."""


def recurrent(case: Case) -> Verdict:
    """Judge re-use."""
    graph = case.graph
    count = services(graph)
    flow = np.where(graph.computing, case.layers.node_flow, 0.0).sum(axis=0)
    computes = count > 0
    again = count > 1
    effect = float(flow[again].sum() / flow[computes].sum()) if flow[computes].any() else 0.0
    # Where nothing is re-used no p is asked for: a few draws give what neurons do by chance.
    roles = _roles(case, case.n_draws if effect > 0 else FEW_DRAWS)
    leaky, kept = _leak(graph, again)

    evidence = {
        "effect_is": "share of computing neurons used at several iterations, by signal",
        "n_computing": int(computes.sum()),
        "n_reused": int(again.sum()),
        "services_histogram": np.bincount(count[computes]).tolist(),
        "n_self_connected": int(_self_connected(graph).sum()),
        "ends": roles.ends,
        "dispersion": roles.dispersion,
        "leaky": leaky,
        "kept": kept,
    }
    bars = [Bar("re-used", effect, MIN_SHARE)]
    if effect > 0:
        bars += [Bar("roles", roles.clear, 1.0), p_bar(roles.p_value)]
    if case.inputs is not None and effect > 0:
        evidence["lesion"] = _lesion(case, again)
        bars.append(Bar("variance that hangs on re-use", evidence["lesion"], MIN_LESION))
    return decide("recurrent", effect, roles.p_value if effect > 0 else None, evidence, bars)


@dataclass(frozen=True)
class Roles:
    """How far neurons have roles of their own.

    Attributes
    ----------
    ends : float
        What inputs hear and outputs send over what chance gives them.
    dispersion : float
        Variance of what neurons hear and send over that by chance.
    p_value : float
        The smaller of the two, doubled.
    """

    ends: float
    dispersion: float
    p_value: float

    @property
    def clear(self) -> float:
        """1 where either is at its bar, more where it is beyond."""
        by_ends = MAX_ENDS / max(self.ends, MAX_ENDS / CLEAR)
        return min(max(by_ends, self.dispersion / MIN_DISPERSION), CLEAR)


def _roles(case: Case, n_draws: int) -> Roles:
    """The roles of the neurons that have a weight, against at most so many draws."""
    power = np.asarray(case.net.weights) ** 2
    wired = np.flatnonzero(power.any(axis=0) | power.any(axis=1))
    power = power[np.ix_(wired, wired)]
    n_draws = min(n_draws, case.affordable(int(np.count_nonzero(power))))

    ends, p_ends = _ends(case.net, wired, power, n_draws, case.rng)
    # 0 for inputs, 1 for hidden neurons, 2 for outputs.
    last = case.net.n_neurons - case.net.n_outputs
    group = np.searchsorted([case.net.n_inputs, last], wired, side="right")
    dispersion, p_dispersion = _dispersion(power, group, n_draws, case.rng)
    return Roles(ends, dispersion, min(1.0, 2 * min(p_ends, p_dispersion)))


def _ends(
    net: FlatNetwork, wired: Ints, power: Floats, n_draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """What inputs hear and outputs send, over chance, and its p: the same of any wired neurons."""
    # A row of W is what a neuron hears, a column what it sends to others.
    heard = power.sum(axis=1)
    sent = power.sum(axis=0)
    is_input = wired < net.n_inputs
    is_output = wired >= net.n_neurons - net.n_outputs
    observed = float(heard[is_input].sum() + sent[is_output].sum())
    by_chance = float(heard.mean() * is_input.sum() + sent.mean() * is_output.sum())

    # The first of a random order play inputs, the next outputs.
    order = permutations(len(wired), rng=rng, n_draws=n_draws)
    n_inputs = int(is_input.sum())
    n_ends = n_inputs + int(is_output.sum())
    draws = heard[order[:, :n_inputs]].sum(axis=1) + sent[order[:, n_inputs:n_ends]].sum(axis=1)
    ratio = observed / by_chance if by_chance > 0 else 0.0
    return ratio, empirical_p(observed, draws, tail="lower")


def _dispersion(
    power: Floats, group: Ints, n_draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Variance of what neurons of a group hear and send, over chance, and its p.

    `group` (n,) tells inputs, hidden neurons and outputs apart, whose weights may begin with other
    sizes. By chance a weight lies anywhere between the same two groups.
    """
    n = len(power)
    ends = np.array(np.nonzero(power))
    values = power[ends[0], ends[1]]
    # Neurons lie in the order of their groups.
    first = np.searchsorted(group, np.arange(3))
    size = np.bincount(group, minlength=3)
    own = group[ends]

    def spread(ends: Ints) -> Floats:
        """(k,) of (k, 2, M) ends of the weights."""
        # What each neuron hears, and what it sends.
        total = np.array([[np.bincount(end, values, n) for end in both] for both in ends])
        return sum(
            total[:, :, at : at + n_own].var(axis=2).sum(axis=1) * n_own
            for at, n_own in zip(first, size, strict=True)
            if n_own
        )

    draws = []
    at_once = max(1, AT_ONCE // ends.size)
    for begin in range(0, n_draws, at_once):
        chance = rng.random((min(at_once, n_draws - begin), *ends.shape))
        # Another neuron of the same group, at random.
        chance *= size[own]
        draws.append(spread(first[own] + chance.astype(int)))
    drawn = np.concatenate(draws)
    observed = float(spread(ends[None])[0])
    by_chance = float(drawn.mean())
    return observed / by_chance if by_chance > 0 else 0.0, empirical_p(observed, drawn)


def _self_connected(graph: EffectiveGraph) -> Bools:
    """(S,) bool: neurons with a used weight to themselves."""
    edges = graph.unrolled
    own = np.zeros(graph.n_neurons, dtype=bool)
    own[edges.target_neuron[edges.joins_itself]] = True
    return own


def _leak(graph: EffectiveGraph, again: Bools) -> tuple[bool, float | None]:
    """Whether most of the re-used neurons keep a part of their value, and the median part."""
    partly = (carry_and_add(graph) & ~carries_whole(graph)).any(axis=0) & again
    if not again.any() or partly.sum() < MIN_LEAKY * again.sum():
        return False, None
    edges = graph.unrolled
    own = edges.where(edges.joins_itself & partly[edges.target_neuron])
    return True, float(np.median(own.weight))


def _lesion(case: Case, again: Bools) -> float:
    """Share of the outputs' variance that is lost without re-use.

    Re-used neurons are held at the values of other samples at all iterations but the one with most
    signal. Outputs that are then those of another sample have lost all of their variance.
    """
    assert case.inputs is not None
    graph = case.graph
    nodes = graph.computing & again
    # The iteration with most signal stays.
    main = np.where(nodes, case.layers.node_flow, -1.0).argmax(axis=0)
    nodes[main[again], np.flatnonzero(again)] = False

    # Values of other samples are values that the neurons have; a mean may be none.
    whole = forward(case.net, case.inputs)
    other = whole.activity[:, case.rng.permutation(len(case.inputs))]
    cut = forward(case.net, case.inputs, keep=~nodes, fill=other).outputs
    variance = whole.outputs.var(axis=0).sum()
    change = ((cut - whole.outputs) ** 2).mean(axis=0).sum()
    return float(min(change / (2 * variance), 1.0)) if variance > 0 else 0.0


def services(graph: EffectiveGraph) -> Ints:
    """(S,) int: how often each neuron is used to compute, accumulation counted once."""
    computing = graph.computing
    carries = carry_and_add(graph) & fresh(graph)
    carries[1:] &= computing[:-1] | graph.relay[:-1] | graph.is_source[:-1]

    # Relays between two steps of a sum are part of the sum; its first computing node counts.
    running = np.zeros(graph.n_neurons, dtype=bool)
    count = np.zeros(graph.n_neurons, dtype=int)
    for l in range(len(computing)):
        count += computing[l] & ~(carries[l] & running)
        running = computing[l] | (graph.relay[l] & running)
    return count
