"""Thumbnails of the networks of a sweep, as many as a page may hold. Reads run folders."""

import contextlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from analysis.arrays import Ints
from analysis.page.thumbnails import thumbnail
from experiments.sweeps.store import Store
from urn import InputError, load_run

MOST = 1000
"""Thumbnails on a page. By judgement: 1.7 MB of it, and ten seconds of reading."""


def thumbnails(store: Store, numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
    """{number: thumbnail} of the first MOST networks that have a structure.

    A run that cannot be read has none here; whoever writes its report says what is wrong with it.
    """
    out: dict[int, dict[str, Any]] = {}
    for number in numbers:
        if len(out) == MOST:
            break
        layers = store.layers(number)
        if not layers:
            continue

        with contextlib.suppress(InputError, ValueError):
            run = load_run(store.run_folder(number))
            positions = None if run.positions is None else run.positions.numpy()
            sizes = {"n_inputs": run.n_inputs, "n_outputs": run.n_outputs}
            out[number] = thumbnail(run.weights.numpy(), layers, positions=positions, **sizes)
    return out


def in_turn(points: Ints, first: Ints) -> Ints:
    """Indices of networks, those that are to have a thumbnail before others first.

    Parameters
    ----------
    points : (n,) int array
        The point of each network.
    first : int array
        Networks that come before all others; then one of each point, then the next of each.
    """
    order = np.argsort(points, kind="stable")
    starts = np.searchsorted(points[order], points[order], side="left")
    rank = np.empty(len(points), dtype=int)
    rank[order] = np.arange(len(points)) - starts
    rank[first] = -1
    return np.argsort(rank, kind="stable")
