"""Pictures of a network in training: W as bytes, sorted; its layers; its strongest edges.

A frame is one message: the length of a JSON head (4 bytes, little-endian), the head, W as
`n x n` bytes row by row, then the edges as targets, sources (2 bytes each) and weights (1 byte).
A byte is 128 plus the sign of the weight times 127 sqrt(|w| / largest), so that 128 is no weight.
"""

import json
import os
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.play.plan import SETTINGS
from experiments.play.session import Session

N_PROBES = 100
"""Validation samples that say which neuron fires when. By judgement: enough for a picture."""
MOST_PIXELS = 400
"""Cells along a side of the picture; larger matrices are pooled. By judgement: as many pixels."""
MOST_EDGES = 700
"""Edges of the graph, the strongest. By judgement: more are a grey cloud."""
FIRES = 0.25
"""Share of its largest spread from which a neuron fires at an iteration. By judgement."""
QUIET = 1e-6
"""Spread over samples below which a neuron says nothing: above rounding in float32."""
ZERO = 128
"""The byte of no weight."""
STEPS_OF_BYTE = 127
"""Bytes on either side of it."""

Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Group:
    """Neurons that are drawn together, by their rows in the tensors."""

    name: str
    rows: Ints


def frame(session: Session, by: str) -> bytes:
    """The picture of a session.

    Parameters
    ----------
    session : Session
        Whose network did not diverge.
    by : str
        "layers" or "place".
    """
    net = session.trainer.net
    W = net.weight.detach()[0].numpy()
    positions = None if net.positions is None else net.positions.detach()[0].numpy()
    spread, fires = _activity(session)
    groups = _groups(spread, net.n_inputs, net.n_outputs)
    if by == "place":
        groups = _by_place(groups, positions)
    elif session.config.hidden_positions != "lattice":  # whose rows go channel by channel
        groups = _ordered(W, groups, positions)

    # Everything below is in the order in which it is drawn.
    order = np.concatenate([group.rows for group in groups])
    picture, largest = _picture(W[np.ix_(order, order)])
    edges = _edges(W[np.ix_(order, order)], largest)
    row = session.trainer.members[0].history[-1:] or [{}]
    head = {
        "kind": "frame",
        "step": session.step,
        "latest": session.latest,
        "pid": os.getpid(),
        "by": by,
        "ids": net.ids[0].numpy()[order].tolist(),
        "groups": [[group.name, len(group.rows)] for group in groups],
        "size": len(picture),
        "edges": len(edges[0]),
        "largest": largest,
        "fires": fires,
        "dials": {name: session.value(name) for name in (*session.config.strengths, *SETTINGS)},
        "connections": int(np.count_nonzero(W)),
        "held": len(W),
        "accuracy": session.accuracy(),
        "without": session.accuracy(session.silenced) if session.silenced else None,
        "loss": row[0].get("loss"),
    }

    text = json.dumps(head, separators=(",", ":")).encode()
    parts = [struct.pack("<I", len(text)), text, picture.tobytes()]
    return b"".join([*parts, *(array.tobytes() for array in edges)])


@torch.no_grad()
def _activity(session: Session) -> tuple[Floats, list[int]]:
    """How far each neuron varies at each iteration `(L, n)`, and how many hidden ones fire."""
    net = session.trainer.net
    x = session.data.validation[0][:N_PROBES].to(net.bias.dtype)
    _, activity = net.unroll(x)
    N = activity.N[0]  # (L, B, n)

    # A neuron that is the same for every sample says nothing, however large it is.
    spread = N.amax(1) - N.amin(1)
    fires = (activity.N[0, :, :, net.hidden] != 0).any(1).sum(1)
    return spread.numpy(), fires.tolist()


def _groups(spread: Floats, n_inputs: int, n_outputs: int) -> list[Group]:
    """Inputs, hidden neurons by the iteration at which they first fire, quiet ones, outputs."""
    n = spread.shape[1]
    hidden = np.arange(n_inputs, n - n_outputs)
    most = spread.max(0, initial=0.0)
    first = (spread >= FIRES * most).argmax(0) if len(spread) else np.zeros(n, int)
    is_quiet = most[hidden] <= QUIET

    # `first` is the iteration at which a neuron fires first.
    groups = [Group("inputs", np.arange(n_inputs))]
    for l in range(len(spread)):
        rows = hidden[(first[hidden] == l) & ~is_quiet]
        groups.append(Group(f"layer {l + 1}", rows))
    groups.append(Group("quiet", hidden[is_quiet]))
    groups.append(Group("outputs", np.arange(n - n_outputs, n)))
    return [group for group in groups if len(group.rows)]


def _ordered(W: Floats, groups: list[Group], positions: Floats | None) -> list[Group]:
    """Each hidden group by place, or where there is none by the mean place of what it hears."""
    height = np.zeros(len(W))
    earlier: list[Ints] = []
    ordered = []

    for group in groups:
        rows = group.rows
        if group.name not in ("inputs", "outputs"):
            if positions is not None:
                rows = rows[_raster(positions[rows])]
            else:
                sources = np.concatenate(earlier)
                size = np.abs(W[np.ix_(rows, sources)])
                mean = size @ height[sources] / np.maximum(size.sum(1), 1e-30)
                rows = rows[np.argsort(mean, kind="stable")]
        height[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        earlier.append(rows)
        ordered.append(Group(group.name, rows))
    return ordered


def _by_place(groups: list[Group], positions: Floats | None) -> list[Group]:
    """Inputs, all hidden neurons by place (by number where they have none), outputs."""
    ends = [group for group in groups if group.name in ("inputs", "outputs")]
    hidden = [group.rows for group in groups if group.name not in ("inputs", "outputs")]
    if not hidden:
        return ends
    rows = np.sort(np.concatenate(hidden))
    if positions is not None:
        rows = rows[_raster(positions[rows])]
    return [ends[0], Group("hidden", rows), ends[-1]]


def _raster(places: Floats) -> Ints:
    """Order of points row by row; those at the same place keep their order."""
    n_rows = max(round(len(places) ** (1 / places.shape[1])), 2)
    keys = [places[:, 0]]
    for coordinate in places.T[1:]:
        span = np.ptp(coordinate)
        level = (coordinate - coordinate.min()) / span if span > 0 else np.zeros(len(places))
        keys.append(np.round(level * (n_rows - 1)))
    return np.lexsort(keys)


def _picture(W: Floats) -> tuple[NDArray[np.uint8], float]:
    """W `(n, n)` as bytes, pooled where it is large, and the largest weight."""
    size = np.abs(W)
    largest = float(size.max(initial=0.0)) or 1.0
    # Roots, so that weak weights are seen beside strong ones; none gets the byte of no weight.
    code = np.sqrt(size / largest) * STEPS_OF_BYTE
    code = np.where(W != 0, np.maximum(code, 1), 0) * np.sign(W)
    n = len(W)
    if n > MOST_PIXELS:
        # The strongest weight of each cell, with its sign.
        starts = np.linspace(0, n, MOST_PIXELS, endpoint=False).astype(int)
        high = np.maximum.reduceat(np.maximum.reduceat(code, starts, 0), starts, 1)
        low = np.minimum.reduceat(np.minimum.reduceat(code, starts, 0), starts, 1)
        code = np.where(high >= -low, high, low)
    return (ZERO + np.round(code)).astype(np.uint8), largest


def _edges(W: Floats, largest: float) -> tuple[NDArray[Any], ...]:
    """Targets, sources and weights of the strongest edges, the weakest of them first."""
    # Partition before sorting: a large matrix has hundreds of thousands of entries.
    size = np.abs(W).ravel()
    n = min(MOST_EDGES, int(np.count_nonzero(size)))
    if not n:
        return np.zeros(0, "<u2"), np.zeros(0, "<u2"), np.zeros(0, "i1")
    top = np.argpartition(size, len(size) - n)[len(size) - n :]
    top = top[np.argsort(size[top])]
    target, source = np.divmod(top, len(W))
    weight = np.round(W.ravel()[top] / largest * STEPS_OF_BYTE)
    return target.astype("<u2"), source.astype("<u2"), weight.astype("i1")
