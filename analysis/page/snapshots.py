"""A network at snapshots of its training, each cut down to its strongest weights step by step: what
the report page holds.

Judges nothing: the reports come from the caller. All snapshots share one list of neurons in one
order, so that the eye can follow a block as it forms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.arrays import Bools, Floats, Ints
from analysis.edges import relay_steps
from analysis.effective import EffectiveGraph
from analysis.ordering import layer_groups, order_groups
from analysis.page.packing import packed, plain
from analysis.page.samples import pack_rest
from analysis.report import StructureReport

# Edges of a picture; the strongest are drawn. Measured with Chromium on two busy cores: a page of
# this many is on the screen after 0.5 to 0.9 s.
MAX_EDGES = 20_000

# Neurons of a picture of a network that has no structure to choose by. By judgement: a matrix of
# more has cells under half a pixel.
MAX_NEURONS = 2_000

# The layer of a neuron that is unused at a snapshot.
UNUSED = -1

# The roles of neurons, as the scripts of the page know them.
INPUT = 0  # as in state.js
HIDDEN = 1  # as in state.js
OUTPUT = 2  # as in state.js


@dataclass(frozen=True)
class Level:
    """The network with its strongest weights only.

    Attributes
    ----------
    threshold : float
        Weights larger than this are kept.
    kept : int
        How many these are.
    report : StructureReport or None
        None where the network was not judged.
    score : float or None
        Accuracy or R^2 of the network with these weights, None where there is none.
    """

    threshold: float
    kept: int
    report: StructureReport | None = None
    score: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """A network after `step` steps of training.

    Attributes
    ----------
    step : int
    weights : (S, S) array
    biases : (S,) array
    positions : (S, dim) array or None
    activity : (I + 1, S) array or None
        Mean |N_i(l)| over data.
    levels : sequence of Level
        The first keeps all that counts as a weight.
    """

    step: int
    weights: Floats
    biases: Floats
    positions: Floats | None
    activity: Floats | None
    levels: Sequence[Level]

    @property
    def report(self) -> StructureReport | None:
        """Of the whole network."""
        return self.levels[0].report

    @property
    def structure(self) -> StructureReport | None:
        """The report, if the network was judged and some input reaches an output; else None."""
        return self.report if self.report is not None and self.report.status == "ok" else None


def pack_snapshots(
    snapshots: Sequence[Snapshot], n_inputs: int, n_outputs: int, *, runs: bool = False
) -> dict[str, Any]:
    """The neurons of all snapshots, in the order they are drawn in, and every snapshot.

    Layers are those of the last snapshot in which an input reaches an output; hidden neurons that
    are unused then have layer -1 there and come last, before the outputs.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        By step, at least one, all of S neurons.
    n_inputs, n_outputs : int
        Sizes of the two ends of the vector.
    runs : bool
        Whether the page is to run the networks, and so takes what is in no picture of them as well.

    Returns
    -------
    dict
        Plain JSON types.
    """
    last = next((snapshot for snapshot in reversed(snapshots) if snapshot.structure), None)
    shown = [_shown(snapshot, last) for snapshot in snapshots]
    n_neurons = len(snapshots[0].weights)
    ids = _order(last, np.unique(np.concatenate(shown)), n_inputs, n_outputs)

    layer_of = last.structure.layer_of if last is not None and last.structure else {}
    is_input = ids < n_inputs
    is_output = ids >= n_neurons - n_outputs
    role = np.where(is_input, INPUT, np.where(is_output, OUTPUT, HIDDEN))
    largest = max(float(np.abs(snapshot.weights).max(initial=0.0)) for snapshot in snapshots)
    return {
        "largest": max(1e-30, largest),
        "neurons": {
            "ids": packed(ids, "u4"),
            "role": packed(role, "u1"),
            "layer": packed([layer_of.get(int(i), UNUSED) for i in ids], "i2"),
        },
        "snapshots": [
            _pack(snapshot, ids, np.isin(ids, neurons), (n_inputs, n_outputs) if runs else None)
            for snapshot, neurons in zip(snapshots, shown, strict=True)
        ],
    }


def _shown(snapshot: Snapshot, last: Snapshot | None) -> Ints:
    """The neurons that a snapshot shows: those on paths.

    Where no path is known they are those of the end, or the strongest.
    """
    structure = snapshot.structure or (last and last.structure)
    if structure:
        return np.array(list(structure.layer_of), dtype=int)
    size = np.abs(snapshot.weights)
    strength = size.sum(axis=0) + size.sum(axis=1)
    strongest = np.argsort(-strength, kind="stable")[: min(MAX_NEURONS, np.count_nonzero(strength))]
    return np.sort(strongest)


def _order(last: Snapshot | None, ids: Ints, n_inputs: int, n_outputs: int) -> Ints:
    """The neurons `ids` by layer at the end; those without a layer there before the outputs."""
    if last is None or last.structure is None or not len(ids):
        return ids

    # Inputs and outputs keep their groups even where no path uses them.
    n_neurons = len(last.weights)
    layer_of = dict(last.structure.layer_of)
    for i in ids[(ids < n_inputs) | (ids >= n_neurons - n_outputs)].tolist():
        layer_of.setdefault(i, 0)

    groups = layer_groups(layer_of, n_neurons, n_inputs, n_outputs)
    module = _modules(last.structure, n_neurons)
    *others, outputs = [
        members[np.argsort(module[members], kind="stable")]
        for _, members in order_groups(last.weights, groups, last.positions)
    ]
    unused = ids[~np.isin(ids, list(layer_of))]
    return np.concatenate([*others, unused, outputs])


def _modules(report: StructureReport, n_neurons: int) -> Ints:
    """(S,) module of each neuron, all others behind them: modules are blocks within each layer."""
    module_of = np.full(n_neurons, n_neurons)
    for number, module in enumerate(report.verdicts["modular"].evidence.get("modules", [])):
        module_of[module["neurons"]] = number
    return module_of


def _pack(
    snapshot: Snapshot, ids: Ints, shown: Bools, ends: tuple[int, int] | None
) -> dict[str, Any]:
    """A snapshot, its arrays over the neurons `ids`; `shown` are those of them that it shows.

    With the sizes of its two ends comes what it takes to run it.
    """
    report = snapshot.structure
    layer_of = report.layer_of if report else {}
    layer = np.array([layer_of.get(int(i), 1) for i in ids], dtype=int)
    activity = snapshot.activity
    positions = snapshot.positions
    i, j, total = _drawn(snapshot, ids, shown)
    rest = None
    if ends is not None:
        drawn = (ids[i], ids[j])
        threshold = snapshot.levels[0].threshold
        rest = pack_rest(snapshot.weights, snapshot.biases, drawn, threshold, *ends)

    return {
        "step": snapshot.step,
        "judged": snapshot.report is not None,
        "layer": packed(np.where(shown, layer, UNUSED), "i2"),
        "bias": packed(snapshot.biases[ids], "f4"),
        "activity": None if activity is None else packed(activity[:, ids], "f4"),
        "positions": None if positions is None else packed(positions[ids], "f4"),
        "weights": _pack_weights(snapshot, ids, i, j) | {"total": total},
        "rest": rest,
        "graph": _pack_graph(snapshot, report, ids) if report else None,
        "levels": [_pack_level(level) for level in snapshot.levels],
    }


def _drawn(snapshot: Snapshot, ids: Ints, shown: Bools) -> tuple[Ints, Ints, int]:
    """Weights between the neurons shown, strongest first, and how many there are.

    Targets and sources are places in `ids`.
    """
    block = np.where(shown[:, None] & shown, snapshot.weights[np.ix_(ids, ids)], 0.0)
    i, j = np.nonzero(np.abs(block) > snapshot.levels[0].threshold)
    order = np.argsort(-np.abs(block[i, j]), kind="stable")[:MAX_EDGES]
    return i[order], j[order], len(i)


def _pack_weights(snapshot: Snapshot, ids: Ints, i: Ints, j: Ints) -> dict[str, Any]:
    """The weights that are drawn, and whether a path uses each."""
    # A weight is used if it carries an edge of the unrolled graph at any iteration.
    used = np.zeros(len(i), dtype=bool)
    if snapshot.structure:
        n = snapshot.structure.effective.n_neurons
        pairs = snapshot.structure.effective.unrolled.pair
        used = np.isin(ids[i] * n + ids[j], pairs)
    return {
        "to": packed(i, "u2"),
        "from": packed(j, "u2"),
        "value": packed(snapshot.weights[ids[i], ids[j]], "f4"),
        "used": packed(used, "u1"),
    }


def _pack_graph(snapshot: Snapshot, report: StructureReport, ids: Ints) -> dict[str, Any]:
    """The effective graph: nodes by iteration, and edges.

    Edges come in falling order of the weakest weight that carries each, so that a page can drop
    the last of them as it raises its threshold.
    """
    graph = report.effective
    edges = graph.edges
    weakest = _weakest(graph, np.abs(snapshot.weights))
    order = np.argsort(-weakest, kind="stable")[:MAX_EDGES]

    nodes = np.unique(np.concatenate([edges.source[order], edges.target[order]]))
    # The page knows neurons by their index in `ids`. Nodes on paths are all shown, so each has one.
    index = np.empty(graph.n_neurons, dtype=int)
    index[ids] = np.arange(len(ids))
    return {
        "neuron": packed(index[graph.neurons_of(nodes)], "u2"),
        "iteration": packed(graph.iterations_of(nodes), "u2"),
        "layer": packed(report.layering.layer.ravel()[nodes], "u2"),
        "source": packed(np.searchsorted(nodes, edges.source[order]), "u2"),
        "target": packed(np.searchsorted(nodes, edges.target[order]), "u2"),
        "weight": packed(edges.weight[order], "f4"),
        "weakest": packed(weakest[order], "f4"),
        "total": len(edges),
    }


def _weakest(graph: EffectiveGraph, size: Floats) -> Floats:
    """The smallest |W| on the chain of relays that each contracted edge stands for, (M,)."""
    # A relay's source comes an iteration earlier, so its chain is known by the relay's turn.
    chain = np.full(graph.relay.size, np.inf)
    for step in relay_steps(graph.unrolled, graph.relay):
        own = size[step.target_neuron, step.source_neuron]
        chain[step.target] = np.minimum(own, chain[step.source])
    last = size[graph.edges.target_neuron, graph.edges.via_neuron]
    return np.minimum(last, chain[graph.edges.via])


def _pack_level(level: Level) -> dict[str, Any]:
    """A level and, where it was judged, its verdicts with their evidence."""
    out: dict[str, Any] = {
        "threshold": level.threshold,
        "kept": level.kept,
        "score": level.score,
    }

    report = level.report
    if report is not None:
        out |= {
            "status": report.status,
            "summary": report.summary,
            "remarks": report.remarks,
            "depth": report.depth,
            "widths": report.widths,
            "used": report.n_used_weights,
            "path_depths": report.path_depths,
            "effective_depth": report.effective_depth,
        }

        out["verdicts"] = {
            name: {
                "present": verdict.present,
                "margin": verdict.margin,
                "effect": verdict.effect,
                "p": verdict.p_value,
                "evidence": verdict.evidence,
            }
            for name, verdict in report.verdicts.items()
        }
    return {key: plain(value) for key, value in out.items()}
