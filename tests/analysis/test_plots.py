"""What the figures show, read back from the drawn objects."""

import itertools

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from analysis.plots import sorted_matrix
from analysis.plots.matrix import PIXELS, cell_edges, group_edges
from analysis.plots.ordering import crossings, layer_groups, order_groups


def planted_mlp(seed=0, n_neurons=40, widths=(6, 3), n_inputs=5, n_outputs=2):
    """Weights and layers of a dense MLP whose hidden neurons are scattered among dead ones."""
    rng = np.random.default_rng(seed)
    hidden = rng.permutation(np.arange(n_inputs, n_neurons - n_outputs))
    layers = [np.arange(n_inputs)]
    for width in widths:
        layers.append(hidden[:width])
        hidden = hidden[width:]
    layers.append(np.arange(n_neurons - n_outputs, n_neurons))
    weights = np.zeros((n_neurons, n_neurons))
    for lower, upper in itertools.pairwise(layers):
        weights[np.ix_(upper, lower)] = rng.uniform(0.1, 1, (len(upper), len(lower)))
    return weights, {int(neuron): layer for layer, members in enumerate(layers) for neuron in members}


def drawn(figure, kind):
    return [item for item in figure.axes[0].collections if isinstance(item, kind)]


def test_sorted_matrix_shows_an_mlp_as_blocks_under_the_diagonal():
    weights, layer_of = planted_mlp()
    figure = sorted_matrix(weights, layer_of, n_inputs=5, n_outputs=2, title="planted")
    picture = figure.axes[0].images[0].get_array()
    edges = group_edges([5, 6, 3, 2])
    pixel = np.searchsorted(edges, (np.arange(PIXELS) + 0.5) / PIXELS) - 1
    expected = pixel[:, None] == pixel[None, :] + 1
    # 16 living neurons: cells are wide, so nothing is widened and the blocks are exact to the pixel.
    assert np.array_equal(~np.ma.getmaskarray(picture), expected)
    np.testing.assert_allclose(edges, [0, 5 / 16, 11 / 16, 14 / 16, 1])


def test_sorted_matrix_draws_borders_and_names_where_the_layers_are():
    weights, layer_of = planted_mlp()
    figure = sorted_matrix(weights, layer_of, n_inputs=5, n_outputs=2)
    borders = drawn(figure, LineCollection)[0].get_segments()
    upright = sorted({segment[0, 0] for segment in borders if segment[0, 0] == segment[1, 0]})
    np.testing.assert_allclose(upright, group_edges([5, 6, 3, 2]))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["inputs (5)", "layer 1 (6)", "layer 2 (3)", "outputs (2)"]
    assert len(drawn(figure, LineCollection)) == 1


def test_sorted_matrix_shows_a_lone_weight_among_150_neurons():
    weights = np.zeros((150, 150))
    weights[149, 75] = 1e-3
    figure = sorted_matrix(weights, dict.fromkeys(range(150), 1), n_inputs=10, n_outputs=1)
    picture = figure.axes[0].images[0].get_array()
    marked = np.argwhere(~np.ma.getmaskarray(picture))
    assert np.ptp(marked, axis=0).min() + 1 >= PIXELS / 120 - 1  # 3 points of print
    column = cell_edges([10, 139, 1])[75:77].mean() * PIXELS
    assert abs(marked[:, 1].mean() - column) < 1


def test_sorted_matrix_of_a_recurrent_network_has_one_hidden_group_and_leaves_the_dead_out():
    rng = np.random.default_rng(1)
    weights = np.zeros((30, 30))
    weights[5:15, :15] = rng.normal(size=(10, 15))
    weights[28:, 5:15] = 1.0
    layer_of = {**dict.fromkeys(range(5), 0), **dict.fromkeys(range(5, 15), 1), 28: 2, 29: 2}
    figure = sorted_matrix(weights, layer_of, n_inputs=5, n_outputs=2)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["inputs (5)", "hidden (10)", "outputs (2)"]


def test_sorted_matrix_survives_a_network_without_weights():
    figure = sorted_matrix(np.zeros((4, 4)), {0: 0, 3: 1}, n_inputs=1, n_outputs=1)
    assert np.ma.getmaskarray(figure.axes[0].images[0].get_array()).all()


@pytest.mark.parametrize(
    ("weights", "layer_of", "extra", "named"),
    [
        (np.zeros((3, 4)), {0: 0}, {}, "weights"),
        (np.full((3, 3), np.nan), {0: 0}, {}, "weights"),
        (np.zeros((3, 3)), {7: 0}, {}, "layer_of"),
        (np.zeros((3, 3)), {}, {}, "layer_of"),
        (np.zeros((3, 3)), {0: 0}, {"positions": np.zeros((2, 1))}, "positions"),
        (np.zeros((3, 3)), {0: 0}, {"n_inputs": 4}, "n_inputs"),
    ],
)
def test_sorted_matrix_refuses_what_does_not_fit(weights, layer_of, extra, named):
    with pytest.raises(ValueError, match=named):
        sorted_matrix(weights, layer_of, **{"n_inputs": 1, "n_outputs": 1, **extra})


def test_identity_wiring_becomes_a_diagonal_without_crossings():
    rng = np.random.default_rng(2)
    hidden = 20 + rng.permutation(20)
    weights = np.zeros((60, 60))
    weights[hidden, np.arange(20)] = 1.0
    layer_of = {neuron: neuron // 20 for neuron in range(60)}
    groups = order_groups(weights, layer_groups(layer_of, 60, 20, 20))
    assert groups[1][1].tolist() == hidden.tolist()
    assert crossings(weights, groups[0][1], groups[1][1]) == 0


def test_crossings_are_those_counted_pair_by_pair():
    rng = np.random.default_rng(3)
    weights = (rng.random((12, 12)) < 0.3) * 1.0
    lower, upper = rng.permutation(12)[:5], rng.permutation(12)[:7]
    edges = [(a, b) for a in range(5) for b in range(7) if weights[upper[b], lower[a]]]
    pairs = sum((a - c) * (b - d) < 0 for k, (a, b) in enumerate(edges) for c, d in edges[k + 1 :])
    assert crossings(weights, lower, upper) == pairs


def test_positions_order_a_line_and_a_lattice():
    line = np.array([[0.3], [0.1], [0.2], [np.nan]])
    groups = order_groups(np.zeros((4, 4)), [("layer 1", np.arange(3)), ("outputs", np.array([3]))], line)
    assert groups[0][1].tolist() == [1, 2, 0]
    lattice = np.array([[x, y] for y in range(3) for x in range(3)], dtype=float)
    shuffled = np.random.default_rng(4).permutation(9)
    ((_, members),) = order_groups(np.zeros((9, 9)), [("layer 1", np.arange(9))], lattice[shuffled])
    assert shuffled[members].tolist() == list(range(9))


def test_small_groups_keep_room_for_their_name():
    edges = group_edges([784, 300, 2])
    np.testing.assert_allclose(edges[[0, -1]], [0, 1])
    np.testing.assert_allclose(np.diff(edges)[2], 0.05)
    np.testing.assert_allclose(np.diff(edges)[0] / np.diff(edges)[1], 784 / 300)
    assert len(cell_edges([784, 300, 2])) == 1087
