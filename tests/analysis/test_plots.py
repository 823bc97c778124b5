"""What the figures show, read back from the drawn objects."""

import itertools
from collections.abc import Callable
from io import BytesIO
from time import perf_counter
from typing import Any

import networkx as nx
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis.ordering import crossings, layer_groups, order_groups
from analysis.plots import (
    activity,
    block_density,
    kernels,
    layered_graph,
    null_distributions,
    path_depths,
    receptive_fields,
    sorted_matrix,
    structure_over_training,
)
from analysis.plots.matrix import PIXELS, cell_edges, group_edges, matrix_image
from analysis.plots.style import NEGATIVE, POSITIVE


def planted_mlp(
    seed: int = 0,
    n_neurons: int = 40,
    widths: tuple[int, ...] = (6, 3),
    n_inputs: int = 5,
    n_outputs: int = 2,
) -> tuple[np.ndarray, dict[int, int]]:
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
    return weights, {
        int(neuron): layer for layer, members in enumerate(layers) for neuron in members
    }


def drawn(figure: Figure, kind: type) -> list[Any]:
    """Everything of a kind in the first axes."""
    return [item for item in figure.axes[0].collections if isinstance(item, kind)]


def test_sorted_matrix_shows_an_mlp_as_blocks_under_the_diagonal() -> None:
    weights, layer_of = planted_mlp()
    figure = sorted_matrix(weights, layer_of, n_inputs=5, n_outputs=2, title="planted")
    picture = figure.axes[0].images[0].get_array()
    edges = group_edges([5, 6, 3, 2])
    pixel = np.searchsorted(edges, (np.arange(PIXELS) + 0.5) / PIXELS) - 1
    expected = pixel[:, None] == pixel[None, :] + 1
    # 16 used neurons: cells are wide, so nothing is widened and blocks are exact to the pixel.
    assert np.array_equal(~np.ma.getmaskarray(picture), expected)
    np.testing.assert_allclose(edges, [0, 5 / 16, 11 / 16, 14 / 16, 1])


def test_sorted_matrix_draws_borders_and_names_where_the_layers_are() -> None:
    weights, layer_of = planted_mlp()
    figure = sorted_matrix(weights, layer_of, n_inputs=5, n_outputs=2)
    borders = drawn(figure, LineCollection)[-1].get_segments()
    upright = sorted({segment[0, 0] for segment in borders if segment[0, 0] == segment[1, 0]})
    np.testing.assert_allclose(upright, group_edges([5, 6, 3, 2]))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["inputs (5)", "layer 1 (6)", "layer 2 (3)", "outputs (2)"]


def test_sorted_matrix_shows_a_lone_weight_among_150_neurons() -> None:
    weights = np.zeros((150, 150))
    weights[149, 75] = 1e-3
    figure = sorted_matrix(weights, dict.fromkeys(range(150), 1), n_inputs=10, n_outputs=1)
    picture = figure.axes[0].images[0].get_array()
    marked = np.argwhere(~np.ma.getmaskarray(picture))
    assert np.ptp(marked, axis=0).min() + 1 >= PIXELS / 120 - 1  # 3 points of print
    column = cell_edges([10, 139, 1])[75:77].mean() * PIXELS
    assert abs(marked[:, 1].mean() - column) < 1


def test_widened_cells_stay_within_their_block() -> None:
    """A full corner cell of a block of 300 x 300 must not leak into the blocks around it."""
    sizes = [300, 300, 20]
    magnitudes = np.zeros((620, 620))
    magnitudes[300, 299] = magnitudes[599, 0] = 1.0
    picture = matrix_image(magnitudes, sizes)
    border = np.searchsorted(group_edges(sizes), (np.arange(PIXELS) + 0.5) / PIXELS) - 1
    rows, columns = np.nonzero(picture)
    assert (border[rows] == 1).all()
    assert (border[columns] == 0).all()
    assert len(rows) == pytest.approx(2 * (PIXELS / 120) ** 2, rel=0.3)


def test_sorted_matrix_of_a_recurrent_network_has_one_hidden_group_and_leaves_the_dead_out() -> (
    None
):
    rng = np.random.default_rng(1)
    weights = np.zeros((30, 30))
    weights[5:15, :15] = rng.normal(size=(10, 15))
    weights[28:, 5:15] = 1.0
    layer_of = {**dict.fromkeys(range(5), 0), **dict.fromkeys(range(5, 15), 1), 28: 2, 29: 2}
    figure = sorted_matrix(weights, layer_of, n_inputs=5, n_outputs=2)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["inputs (5)", "hidden (10)", "outputs (2)"]


def test_sorted_matrix_survives_a_network_without_weights() -> None:
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
def test_sorted_matrix_refuses_what_does_not_fit(
    weights: np.ndarray, layer_of: dict[int, int], extra: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        sorted_matrix(weights, layer_of, **{"n_inputs": 1, "n_outputs": 1, **extra})


def test_identity_wiring_becomes_a_diagonal_without_crossings() -> None:
    rng = np.random.default_rng(2)
    hidden = 20 + rng.permutation(20)
    weights = np.zeros((60, 60))
    weights[hidden, np.arange(20)] = 1.0
    layer_of = {neuron: neuron // 20 for neuron in range(60)}
    groups = order_groups(weights, layer_groups(layer_of, 60, 20, 20))
    assert groups[1][1].tolist() == hidden.tolist()
    assert crossings(weights, groups[0][1], groups[1][1]) == 0


def test_crossings_are_those_counted_pair_by_pair() -> None:
    rng = np.random.default_rng(3)
    weights = (rng.random((12, 12)) < 0.3) * 1.0
    lower = rng.permutation(12)[:5]
    upper = rng.permutation(12)[:7]
    edges = [(a, b) for a in range(5) for b in range(7) if weights[upper[b], lower[a]]]
    pairs = sum((a - c) * (b - d) < 0 for k, (a, b) in enumerate(edges) for c, d in edges[k + 1 :])
    assert crossings(weights, lower, upper) == pairs


def test_positions_order_a_line_and_a_lattice() -> None:
    line = np.array([[0.3], [0.1], [0.2], [np.nan]])
    groups = order_groups(
        np.zeros((4, 4)), [("layer 1", np.arange(3)), ("outputs", np.array([3]))], line
    )
    assert groups[0][1].tolist() == [1, 2, 0]
    lattice = np.array([[x, y] for y in range(3) for x in range(3)], dtype=float)
    shuffled = np.random.default_rng(4).permutation(9)
    ((_, members),) = order_groups(np.zeros((9, 9)), [("layer 1", np.arange(9))], lattice[shuffled])
    assert shuffled[members].tolist() == list(range(9))


def test_small_groups_keep_room_for_their_name() -> None:
    edges = group_edges([784, 300, 2])
    np.testing.assert_allclose(edges[[0, -1]], [0, 1])
    np.testing.assert_allclose(np.diff(edges)[2], 0.05)
    np.testing.assert_allclose(np.diff(edges)[0] / np.diff(edges)[1], 784 / 300)
    assert len(cell_edges([784, 300, 2])) == 1087


# The layered graph


# A chain with a skip, an edge back and a loop.
CHAIN = [(0, 1, 1.0), (1, 2, -1.0), (2, 3, 1.0), (0, 2, 1.0), (3, 1, 0.1), (2, 2, 1.0)]
# The layer of each of its nodes.
CHAIN_LAYERS = {0: 0, 1: 1, 2: 2, 3: 3}


def test_layered_graph_draws_every_edge_once_in_one_collection() -> None:
    figure = layered_graph(CHAIN, CHAIN_LAYERS)
    (lines,) = drawn(figure, LineCollection)
    segments = lines.get_segments()
    assert len(segments) == len(CHAIN)
    straight = [segment for segment in segments if len(segment) == 2]
    assert len(straight) == 3  # the chain; the skip, the edge back and the loop are curved
    assert len(drawn(figure, PathCollection)[0].get_offsets()) == 4


def test_layered_graph_shows_sign_by_colour_and_weight_by_opacity_that_saturates() -> None:
    weights = [0.01, 0.5, -1.0, 50.0, 60.0]
    edges = [(0, 10 + k, weight) for k, weight in enumerate(weights)]
    figure = layered_graph(edges, {0: 0, **{10 + k: 1 for k in range(5)}})
    colours = drawn(figure, LineCollection)[0].get_colors()  # weak ones first
    assert (np.diff(colours[:, 3]) > 0).all()
    assert colours[4, 3] - colours[3, 3] < 0.1
    expected = [to_rgb(POSITIVE if weight > 0 else NEGATIVE) for weight in weights]
    np.testing.assert_allclose(colours[:, :3], expected)


def test_layered_graph_arches_skips_outside_the_columns_between() -> None:
    figure = layered_graph(CHAIN, CHAIN_LAYERS)
    arcs = [
        segment for segment in drawn(figure, LineCollection)[0].get_segments() if len(segment) > 2
    ]
    skip = next(arc for arc in arcs if arc[0, 0] == 0 and arc[-1, 0] == 2)
    height = max(abs(point[1]) for point in drawn(figure, PathCollection)[0].get_offsets())
    assert abs(skip[len(skip) // 2, 1]) > height + 0.2


def test_layered_graph_names_columns_and_takes_networkx_triples_over_unrolled_nodes() -> None:
    graph = nx.DiGraph()
    graph.add_weighted_edges_from(
        [((0, 0), (5, 1), 1.0), ((5, 1), (5, 2), 1.0), ((5, 2), (9, 3), 1.0)]
    )
    figure = layered_graph(
        graph.edges(data="weight"), {node: node[1] for node in graph}, names={1: "step 1"}
    )
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names == ["inputs\n1", "step 1\n1", "layer 2\n1", "outputs\n1"]


def test_layered_graph_says_when_it_draws_the_strongest_edges_only() -> None:
    edges = [(0, k, float(k)) for k in range(1, 11)]
    figure = layered_graph(edges, {0: 0, **dict.fromkeys(range(1, 11), 1)}, max_edges=4)
    assert len(drawn(figure, LineCollection)[0].get_segments()) == 4
    assert "strongest 4 of 10" in figure.legends[0].get_title().get_text()


def test_layered_graph_orders_by_position_where_given() -> None:
    edges = [(0, k, 1.0) for k in (1, 2, 3)]
    figure = layered_graph(edges, {0: 0, 1: 1, 2: 1, 3: 1}, positions={1: 0.5, 2: 0.9, 3: 0.1})
    height = drawn(figure, PathCollection)[0].get_offsets()[1:, 1]
    assert height[2] > height[0] > height[1]  # 0.1 on top


def test_a_thousand_neurons_are_drawn_in_seconds() -> None:
    rng = np.random.default_rng(5)
    layer_of = {node: node // 250 for node in range(1000)}
    edges = [
        (j, 250 + i + j // 250 * 250, 1.0)
        for j in range(750)
        for i in rng.choice(250, 25, replace=False)
    ]
    start = perf_counter()
    layered_graph(edges, layer_of).savefig(BytesIO(), format="png")
    assert perf_counter() - start < 10


@pytest.mark.parametrize(
    ("edges", "layer_of", "named"),
    [
        ([], {}, "layer_of"),
        ([(0, 1, 1.0)], {0: 0}, "layer_of"),
        ([(0, 0, np.nan)], {0: 0}, "edges"),
    ],
)
def test_layered_graph_refuses_what_does_not_fit(
    edges: list[tuple[int, int, float]], layer_of: dict[int, int], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        layered_graph(edges, layer_of)


# Receptive fields and kernels


def test_fields_on_a_line_become_a_sorted_band() -> None:
    order = np.random.default_rng(6).permutation(12)
    weights = (np.eye(12) + 0.5 * np.eye(12, k=1))[order]
    figure = receptive_fields(weights * 7, np.linspace(0, 1, 12)[:, None])
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, np.eye(12) + 0.5 * np.eye(12, k=1))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [str(row) for row in np.argsort(order)]


def test_fields_in_a_plane_become_images_with_x_to_the_right_and_y_down() -> None:
    places = np.array([[x, y] for y in range(3) for x in range(4)], dtype=float)
    weights = np.zeros((2, 12))
    weights[0, 1] = 2.0  # x = 1, y = 0
    weights[1, 11] = -3.0  # x = 3, y = 2
    figure = receptive_fields(weights, places, labels=["a", "b"])
    canvas = np.asarray(figure.axes[0].images[0].get_array())
    places = np.argwhere(canvas)
    assert canvas[tuple(places.T)].tolist() == [1.0, -1.0]
    first, second = panel_boxes(figure)
    assert (places[0, ::-1] - first[0] - 0.5).tolist() == [1, 0]
    assert (places[1, ::-1] - second[0] - 0.5).tolist() == [3, 2]
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "b"]


def panel_boxes(figure: Figure) -> list[np.ndarray]:
    return [segment[[0, 2]] for segment in drawn(figure, LineCollection)[0].get_segments()]


def test_fields_leave_unjoined_neurons_out_and_say_when_some_are_not_shown() -> None:
    weights = np.diag([1.0, 0.0, 3.0, 2.0])
    figure = receptive_fields(weights, np.arange(4.0)[:, None], max_neurons=2)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["2", "3"]
    assert "2 of 3" in figure.axes[0].get_ylabel()


@pytest.mark.parametrize("shape", [(3, 2, 5), (3, 2, 4, 5)])
def test_kernels_keep_one_scale_and_their_order(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(7).normal(size=shape)
    figure = kernels(values)
    canvas = np.asarray(figure.axes[0].images[0].get_array())
    frames = panel_boxes(figure)
    assert len(frames) == 6
    (left, top), (right, bottom) = (
        np.sort(frames[5], axis=0) + 0.5
    )  # last output channel, last input channel
    shown = canvas[int(top) : int(bottom), int(left) : int(right)]
    np.testing.assert_allclose(
        shown * np.abs(values).max(), np.broadcast_to(values[2, 1], shown.shape)
    )


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: receptive_fields(np.zeros((2, 3)), np.zeros((3, 1))), "weights"),
        (lambda: receptive_fields(np.ones((2, 3)), np.zeros((2, 1))), "positions"),
        (lambda: receptive_fields(np.ones((2, 3)), np.zeros((3, 3))), "positions"),
        (lambda: receptive_fields(np.ones((2, 3)), np.zeros((3, 1)), labels=["a"]), "labels"),
        (lambda: kernels(np.zeros((2, 3))), "kernels"),
        (lambda: path_depths([0.0, 0.0]), "shares"),
        (lambda: path_depths([-1.0, 2.0]), "shares"),
        (lambda: activity(np.full((2, 3), -1.0), {0: 0}, n_inputs=1, n_outputs=1), "activity"),
        (lambda: activity(np.zeros((2, 3)), {}, n_inputs=1, n_outputs=1), "layer_of"),
        (lambda: block_density(np.zeros((2, 2)), ["a"]), "density"),
        (lambda: block_density([[2.0]], ["a"]), "density"),
        (lambda: block_density([[1.0]], ["a"], mass_share=[1.0]), "mass_share"),
        (lambda: null_distributions({"a": 1.0}, {"b": [1.0]}), "draws"),
        (lambda: null_distributions({"a": 1.0}, {"a": []}), "draws"),
        (lambda: structure_over_training([], {0: 0}, n_inputs=1, n_outputs=1), "snapshots"),
        (
            lambda: structure_over_training(
                [(2, np.eye(2)), (1, np.eye(2))], {0: 0}, n_inputs=1, n_outputs=1
            ),
            "snapshots",
        ),
    ],
)
def test_charts_refuse_what_does_not_fit(call: Callable[[], Figure], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        call()


# Charts


def test_path_depth_bars_have_the_heights_of_the_shares_and_mark_the_mean() -> None:
    figure = path_depths([0, 1, 2, 1])
    axes = figure.axes[0]
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches], [0, 0.25, 0.5, 0.25])
    assert axes.lines[0].get_xdata()[0] == 2
    assert "2.00" in axes.get_title()


def test_activity_is_a_staircase_for_a_layered_network() -> None:
    _, layer_of = planted_mlp()
    firing = np.zeros((4, 40))
    for neuron, layer in layer_of.items():
        firing[layer, neuron] = 0.5
    figure = activity(firing, layer_of, n_inputs=5, n_outputs=2)
    for layer, image in enumerate(figure.axes[0].images):
        shown = ~np.ma.getmaskarray(image.get_array())
        assert shown[:, layer].all()
        assert shown.sum() == len(shown)
    assert [image.get_array().shape[0] for image in figure.axes[0].images] == [5, 6, 3, 2]


def test_block_density_prints_what_it_is_given() -> None:
    density = [[np.nan, 0.0], [0.75, 0.001]]
    figure = block_density(density, ["inputs", "hidden"], mass_share=[[0, 0], [0.9, 0.1]])
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "·",
        "·",
        "0.75\n90%",
        "<.01\n10%",
    ]


def test_null_distributions_hold_all_draws_and_the_observed_value() -> None:
    draws = {"spread": np.random.default_rng(8).normal(size=500), "constant": np.ones(7)}
    figure = null_distributions({"spread": 4.0, "constant": 1.0}, draws, p_values={"spread": 0.002})
    for axes, (name, sample) in zip(figure.axes, draws.items(), strict=True):
        assert sum(bar.get_height() for bar in axes.patches) == len(sample)
        assert name in axes.get_title()
    assert figure.axes[0].lines[0].get_xdata()[0] == 4.0
    assert "p = 0.002" in figure.axes[0].get_title()


def test_structure_over_training_counts_joined_neurons_and_keeps_one_order() -> None:
    weights, layer_of = planted_mlp()
    rng = np.random.default_rng(9)
    snapshots = [(0, rng.normal(size=weights.shape)), (50, weights), (100, 2 * weights)]
    figure = structure_over_training(snapshots, layer_of, n_inputs=5, n_outputs=2, title="forming")
    neurons, connections, *matrices = figure.axes
    assert neurons.lines[0].get_ydata().tolist() == [33, 9, 9]
    assert connections.lines[0].get_ydata().tolist() == [1600, 54, 54]
    assert len(matrices) == 3
    late = [axes.images[0].get_array() for axes in matrices[1:]]
    np.testing.assert_allclose(late[0] * 2, late[1])
    assert not np.ma.getmaskarray(matrices[0].images[0].get_array()).any()


def test_every_figure_can_be_written_without_a_display() -> None:
    weights, layer_of = planted_mlp()
    sizes = {"n_inputs": 5, "n_outputs": 2}
    figures = [
        sorted_matrix(weights, layer_of, **sizes, title="t"),
        layered_graph(CHAIN, CHAIN_LAYERS, title="t"),
        receptive_fields(np.eye(3), np.arange(3.0)[:, None], title="t"),
        receptive_fields(np.eye(4), np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), title="t"),
        kernels(np.ones((2, 1, 3)), title="t"),
        kernels(np.ones((1, 1, 3, 3)), title="t"),
        path_depths([1.0], title="t"),
        activity(np.abs(weights[:4]), layer_of, **sizes, title="t"),
        activity(np.zeros((2, 40)), layer_of, **sizes),
        block_density([[0.5]], ["a"], title="t"),
        null_distributions({"a": 1.0}, {"a": [1.0, 2.0]}, title="t"),
        structure_over_training([(0, weights)], layer_of, **sizes),
    ]

    for figure in figures:
        assert isinstance(figure, Figure)
        for kind in ("png", "pdf"):
            page = BytesIO()
            figure.savefig(page, format=kind)
            assert page.tell() > 1000
