"""A network at moments of its training, each cut down to its strongest weights step by step: what the report page holds.

Judges nothing: the reports come from the caller. All moments share one list of neurons in one order, so that the eye can
follow a block as it forms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.judge import StructureReport
from analysis.page.packing import packed, plain
from analysis.plots.ordering import layer_groups, order_groups

MAX_EDGES = 20_000  # of a picture; the strongest are drawn
MAX_NEURONS = 2_000  # of a picture of a network that has no structure to choose by


@dataclass(frozen=True)
class Level:
    """The network with only its `kept` strongest weights, those larger than `threshold`.

    `report` is None where it was not judged, `score` (accuracy or R^2 of the cut network) None where there is none.
    """

    threshold: float
    kept: int
    report: StructureReport | None = None
    score: float | None = None


@dataclass(frozen=True)
class Moment:
    """A network after `step` updates.

    weights (S, S), biases (S,), positions (S, dim) or None, activity (I + 1, S) mean |N_i(l)| over data or None; levels,
    the first of which keeps all that counts as a weight.
    """

    step: int
    weights: np.ndarray
    biases: np.ndarray
    positions: np.ndarray | None
    activity: np.ndarray | None
    levels: Sequence[Level]

    @property
    def report(self) -> StructureReport | None:
        """Of the whole network."""
        return self.levels[0].report

    @property
    def connected(self) -> bool:
        """Whether it was judged, and some input reaches an output."""
        return self.report is not None and self.report.status == "ok"


def pack_moments(moments: Sequence[Moment], n_inputs: int, n_outputs: int) -> dict:
    """The neurons of all moments, in the order they are drawn in, and every moment, as plain JSON types.

    Layers are those of the last moment that is connected; hidden neurons which are not in use then have layer -1 there and
    come last, before the outputs.
    """
    last = next((moment for moment in reversed(moments) if moment.connected), None)
    held = [_held(moment, last) for moment in moments]
    n_neurons = len(moments[0].weights)
    ids = _order(last, np.unique(np.concatenate(held)), n_inputs, n_outputs)
    end = last.report.layer_of if last else {}
    role = np.where(ids < n_inputs, 0, np.where(ids >= n_neurons - n_outputs, 2, 1))
    return {
        "largest": max(
            [1e-30, *(float(np.abs(moment.weights).max(initial=0.0)) for moment in moments)]
        ),
        "neurons": {
            "ids": packed(ids, "u4"),
            "role": packed(role, "u1"),
            "layer": packed([end.get(int(i), -1) for i in ids], "i2"),
        },
        "moments": [
            _pack(moment, ids, np.isin(ids, shown))
            for moment, shown in zip(moments, held, strict=True)
        ],
    }


def _held(moment: Moment, last: Moment | None) -> np.ndarray:
    """The neurons that a moment shows: those on paths; where no path is known those of the end, or the strongest."""
    if moment.connected:
        return np.array(list(moment.report.layer_of), dtype=int)
    if last is not None:
        return np.array(list(last.report.layer_of), dtype=int)
    size = np.abs(moment.weights)
    strength = size.sum(axis=0) + size.sum(axis=1)
    strongest = np.argsort(-strength, kind="stable")[: min(MAX_NEURONS, np.count_nonzero(strength))]
    return np.sort(strongest)


def _order(last: Moment | None, ids: np.ndarray, n_inputs: int, n_outputs: int) -> np.ndarray:
    if last is None or not len(ids):
        return ids
    n_neurons = len(last.weights)
    layer_of = dict(last.report.layer_of)
    ends = ids[(ids < n_inputs) | (ids >= n_neurons - n_outputs)]
    layer_of.update(
        (int(i), 0) for i in ends if int(i) not in layer_of
    )  # ends are told by their place
    groups = order_groups(
        last.weights, layer_groups(layer_of, n_neurons, n_inputs, n_outputs), last.positions
    )
    dropped = ids[~np.isin(ids, list(layer_of))]
    ordered = [members for _, members in groups]
    return np.concatenate([*ordered[:-1], dropped, ordered[-1]])


def _pack(moment: Moment, ids: np.ndarray, shown: np.ndarray) -> dict:
    report = moment.report if moment.connected else None
    layer_of = report.layer_of if report else {}
    own = np.array([layer_of.get(int(i), 1) for i in ids], dtype=int)
    return {
        "step": moment.step,
        "judged": moment.report is not None,
        "layer": packed(np.where(shown, own, -1), "i2"),
        "bias": packed(moment.biases[ids], "f4"),
        "activity": None if moment.activity is None else packed(moment.activity[:, ids], "f4"),
        "positions": None if moment.positions is None else packed(moment.positions[ids], "f4"),
        "weights": _pack_weights(moment, report, ids, shown),
        "graph": _pack_graph(moment, report, ids) if report else None,
        "levels": [_pack_level(level) for level in moment.levels],
    }


def _pack_weights(
    moment: Moment, report: StructureReport | None, ids: np.ndarray, shown: np.ndarray
) -> dict:
    """Weights between the neurons shown, strongest first, as row, column, value, and whether a path uses it."""
    block = np.where(shown[:, None] & shown, moment.weights[np.ix_(ids, ids)], 0.0)
    i, j = np.nonzero(np.abs(block) > moment.levels[0].threshold)
    order = np.argsort(-np.abs(block[i, j]), kind="stable")
    i, j = i[order[:MAX_EDGES]], j[order[:MAX_EDGES]]
    used = np.zeros(len(i), dtype=bool)
    if report:
        edges, n = report.effective.unrolled, report.effective.n_neurons
        used = np.isin(ids[i] * n + ids[j], edges.target % n * n + edges.source % n)
    return {
        "to": packed(i, "u2"),
        "from": packed(j, "u2"),
        "value": packed(block[i, j], "f4"),
        "used": packed(used, "u1"),
        "total": len(order),
    }


def _pack_graph(moment: Moment, report: StructureReport, ids: np.ndarray) -> dict:
    """The effective graph: nodes by iteration, and edges in falling order of the weakest weight that carries each."""
    graph, n = report.effective, report.effective.n_neurons
    edges, weakest = graph.edges, _weakest(graph, np.abs(moment.weights))
    order = np.argsort(-weakest, kind="stable")[:MAX_EDGES]
    nodes = np.unique(np.concatenate([edges.source[order], edges.target[order]]))
    index = np.empty(n, dtype=int)
    index[ids] = np.arange(len(ids))
    return {
        "neuron": packed(index[nodes % n], "u2"),
        "iteration": packed(nodes // n, "u2"),
        "layer": packed(report.layering.layer.ravel()[nodes], "u2"),
        "source": packed(np.searchsorted(nodes, edges.source[order]), "u2"),
        "target": packed(np.searchsorted(nodes, edges.target[order]), "u2"),
        "weight": packed(edges.weight[order], "f4"),
        "weakest": packed(weakest[order], "f4"),
        "total": len(edges),
    }


def _weakest(graph, size: np.ndarray) -> np.ndarray:
    """The smallest |W| on the chain of relays that each contracted edge stands for, (M,)."""
    n, unrolled = graph.n_neurons, graph.unrolled
    into = unrolled.where(graph.relay.ravel()[unrolled.target])
    chain = np.full(graph.relay.size, np.inf)
    for l in np.unique(into.target // n):
        step = into.where(into.target // n == l)
        chain[step.target] = np.minimum(size[step.target % n, step.source % n], chain[step.source])
    return np.minimum(size[graph.edges.target % n, graph.edges.via % n], chain[graph.edges.via])


def _pack_level(level: Level) -> dict:
    packed_level = {"threshold": level.threshold, "kept": level.kept, "score": level.score}
    if level.report is not None:
        report = level.report
        packed_level |= {
            "status": report.status,
            "summary": report.summary,
            "depth": report.depth,
            "widths": report.widths,
            "used": report.n_used_weights,
            "path_depths": report.path_depths,
            "effective_depth": report.effective_depth,
            "verdicts": {
                name: {
                    "present": verdict.present,
                    "effect": verdict.effect,
                    "p": verdict.p_value,
                    "evidence": verdict.evidence,
                }
                for name, verdict in report.verdicts.items()
            },
        }
    return plain(packed_level)
