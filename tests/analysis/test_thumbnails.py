"""Thumbnails of W: every weight shows, nothing else does, and layers end where they end."""

import base64

import numpy as np
import pytest

from analysis.page.thumbnails import SHADES, SIDE, thumbnail

SHAPE = {"n_inputs": 3, "n_outputs": 2}
"""Of the small networks below."""


def pixels(picture: dict) -> np.ndarray:
    """The shades of a picture, as the page reads them."""
    both = np.frombuffer(base64.b64decode(picture["pixels"]), dtype=np.uint8)
    return np.column_stack([both >> 4, both & 15]).reshape(SIDE, SIDE)


def test_each_weight_fills_its_cell_and_nothing_else_is_filled() -> None:
    W = np.zeros((8, 8))
    W[4, 1] = 1.0
    W[6, 4] = -1e-2
    W[7, 5] = 1e-9
    picture = thumbnail(W, dict.fromkeys(range(8), 0), **SHAPE)
    shades = pixels(picture)
    names = [(name, size) for name, size, _ in picture["groups"]]
    assert names == [("inputs", 3), ("hidden", 3), ("outputs", 2)]

    # Eight neurons of six pixels each; the hidden ones may stand in another order.
    cells = shades.reshape(8, SIDE // 8, 8, SIDE // 8)
    assert (cells.max(axis=(1, 3)) == cells.min(axis=(1, 3))).all()
    found = cells[:, 0, :, 0]
    assert sorted(found[found > 0]) == [1, 1 + round((SHADES - 1) / 3), SHADES]
    assert (found[3:6, 1] == SHADES).sum() == 1
    assert np.count_nonzero(found[6, 3:6]) == np.count_nonzero(found[7, 3:6]) == 1


def test_no_weight_of_a_large_network_is_lost() -> None:
    """A pixel of 10 x 10 entries has the shade of the largest of them."""
    rng = np.random.default_rng(0)
    n = 10 * SIDE
    W = np.where(rng.random((n, n)) < 0.002, rng.random((n, n)), 0)
    shades = pixels(thumbnail(W, dict.fromkeys(range(n), 0), n_inputs=0, n_outputs=0))
    largest = W.reshape(SIDE, 10, SIDE, 10).max(axis=(1, 3))
    assert ((shades > 0) == (largest > 0)).all()
    order = np.argsort(largest[largest > 0])
    assert (np.diff(shades[largest > 0][order].astype(int)) >= 0).all()


def test_layers_end_where_they_end() -> None:
    W = np.zeros((40, 40))
    picture = thumbnail(W, {k: k // 10 for k in range(40)}, n_inputs=10, n_outputs=10)
    assert [end for *_, end in picture["groups"]] == [0.25, 0.5, 0.75, 1]
    assert not pixels(picture).any()


def test_a_network_without_a_used_neuron_has_no_picture() -> None:
    with pytest.raises(ValueError, match="at least one"):
        thumbnail(np.zeros((8, 8)), {}, **SHAPE)
    with pytest.raises(ValueError, match="neurons"):
        thumbnail(np.zeros((8, 8)), {9: 0}, **SHAPE)
