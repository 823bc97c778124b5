"""Maps of many networks, read back from what was drawn."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from analysis.plots import (
    colours,
    heat_map,
    measure_plane,
    pareto_front,
    phase_map,
    phases,
    trade_off,
)
from analysis.plots.kinds import KINDS
from analysis.plots.style import BLUE, GREY, ORANGE

# The strengths of most maps here.
NAMES = {"x_label": "c_depth", "y_label": "c_n"}


def grid(seeds: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """x, y of a 3 x 2 grid with seeds, in no order."""
    x, y, _ = (
        axis.ravel()
        for axis in np.meshgrid([1e-3, 1e-2, 1e-1], [0.0, 1.0], np.arange(seeds), indexing="ij")
    )
    order = np.random.default_rng(0).permutation(len(x))
    return x[order], y[order]


def test_the_dominating_kind_is_the_colour_and_its_share_the_saturation() -> None:
    x, y = grid()
    labels = np.where(x < 5e-2, "MLP", "recurrent").astype(object)
    point = np.flatnonzero((x == 1e-3) & (y == 1))
    labels[point[0]] = "recurrent"

    figure = phase_map(x, y, labels.tolist(), **NAMES)
    picture = np.asarray(figure.axes[0].images[0].get_array())
    mlp = np.array(to_rgb(BLUE))
    recurrent = np.array(to_rgb(ORANGE))
    np.testing.assert_allclose(picture[0, 0, :3], mlp)
    np.testing.assert_allclose(picture[1, 0, :3], 1 - 0.75 * (1 - mlp))
    np.testing.assert_allclose(picture[0, 2, :3], recurrent)

    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "MLP (4)",
        "recurrent (2)",
    ]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == [
        "0.001",
        "0.01",
        "0.1",
    ]


def test_points_not_done_stay_empty_and_samples_are_dots_on_logarithmic_axes() -> None:
    x, y = grid()
    left_out = ~((x == 1e-1) & (y == 0))
    figure = phase_map(x[left_out], y[left_out], ["MLP"] * left_out.sum(), **NAMES)
    assert figure.axes[0].images[0].get_array()[0, 2, 3] == 0

    rng = np.random.default_rng(0)
    x = 10 ** rng.uniform(-4, 0, 50)
    axes = phase_map(x, rng.uniform(1, 2, 50), ["MLP"] * 50, **NAMES).axes[0]
    assert not axes.images
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert len(axes.collections[0].get_offsets()) == 50


def test_points_with_a_marked_network_of_their_kind_are_hatched_or_ringed() -> None:
    x, y = grid()
    labels = np.full(len(x), "MLP", dtype=object)
    point = np.flatnonzero((x == 1e-3) & (y == 1))
    labels[point[0]] = "recurrent"
    marked = np.zeros(len(x), dtype=bool)
    marked[np.flatnonzero((x == 1e-1) & (y == 0))[:2]] = True
    marked[point[0]] = True  # of another kind than the point's

    _, _, points, _ = phases(x, y, labels.tolist(), marked=marked)
    assert [point.n_marked for point in points] == [0, 0, 2, 0, 0, 0]
    figure = phase_map(x, y, labels.tolist(), **NAMES, marked=marked, mark_label="unsure")
    (patch,) = figure.axes[0].patches
    assert patch.get_hatch()
    assert patch.get_xy() == (1.5, -0.5)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["MLP (6)", "unsure (1)"]

    rng = np.random.default_rng(0)
    x, y = rng.uniform(1, 2, size=(2, 50))
    axes = phase_map(x, y, ["MLP"] * 50, **NAMES, marked=x > 1.9).axes[0]
    rings = axes.collections[1].get_offsets()
    np.testing.assert_array_equal(np.sort(rings[:, 0]), np.sort(x[x > 1.9]))
    with pytest.raises(ValueError, match="one entry a network"):
        phases([1, 2], [1, 2], ["a", "b"], marked=[True])


def test_heat_maps_show_medians_and_ranges_of_what_was_measured() -> None:
    x, y = grid(3)
    values = x + np.where(y == 1, 10.0, 0.0)
    values[np.flatnonzero((x == 1e-3) & (y == 0))] = [1.0, 5.0, 2.0]
    values[np.flatnonzero((x == 1e-1) & (y == 0))] = np.nan
    median, spread = (
        np.asarray(axes.images[0].get_array())
        for axes in heat_map(x, y, values, name="v", **NAMES).axes[:2]
    )
    assert median[0, 2, 3] == 0
    assert spread[0, 0, :3].sum() < spread[1, 0, :3].sum()  # darker is more
    assert median[1, 1, :3].sum() < median[0, 1, :3].sum()
    with pytest.raises(ValueError, match="no network"):
        heat_map(x, y, np.full(len(x), np.nan), name="v", **NAMES)


def test_the_front_holds_what_nothing_beats() -> None:
    costs = np.array([10, 20, 20, 30, 40, 5, np.nan])
    scores = np.array([0.5, 0.9, 0.8, 0.9, 1.0, np.nan, 2.0])
    assert pareto_front(costs, scores).tolist() == [0, 1, 4]
    assert pareto_front([], []).tolist() == []
    figure = trade_off(costs, scores, ["MLP"] * 7, cost_label="connections", score_label="accuracy")
    assert figure.axes[0].lines[0].get_xdata().tolist() == [10, 20, 40]


def test_the_plane_draws_the_highest_on_top() -> None:
    figure = measure_plane(
        [1, 2, 3], [1, np.nan, 3], [0.9, 0.5, 0.1], x_label="x", y_label="y", name="accuracy"
    )
    assert figure.axes[0].collections[0].get_array().tolist() == [0.1, 0.9]


def test_kinds_keep_their_colours_and_the_rare_share_one() -> None:
    labels = [f"kind {k}" for k in range(9) for _ in range(10 - k)] + ["diverged"] * 50
    chosen = colours(labels)
    assert chosen["kind 0"] == BLUE
    assert chosen["kind 8"] == GREY
    assert len(set(chosen.values())) == 9
    with pytest.raises(ValueError, match="one entry a network"):
        phase_map([1, 2], [1], ["MLP"], **NAMES)


def test_networks_that_are_none_are_grey_and_on_no_front() -> None:
    labels = ["MLP", "nothing learned", "disconnected"]
    assert set(colours(labels)) == set(labels)
    assert colours(labels)["nothing learned"] not in KINDS
    figure = trade_off(
        [10, 1, 5],
        [0.9, 0.1, 0.8],
        ["MLP", "nothing learned", "MLP"],
        cost_label="c",
        score_label="s",
    )
    front = figure.axes[0].collections[-1].get_offsets()
    np.testing.assert_array_equal(front, [[5, 0.8], [10, 0.9]])


def test_ties_are_said() -> None:
    _, _, points, _ = phases([1, 1, 2, 2], [1, 1, 1, 1], ["a", "b", "b", "b"])
    assert [point.tied for point in points] == [True, False]


def test_a_heat_map_keeps_the_rows_of_points_that_have_no_measure_and_draws_no_range_of_one() -> (
    None
):
    x, y = np.meshgrid([1.0, 2.0], [1.0, 2.0, 3.0])
    values = np.array([1.0, 2, 3, 4, np.nan, np.nan])
    figure = heat_map(x.ravel(), y.ravel(), values, x_label="x", y_label="y", name="depth")
    maps = [axes for axes in figure.axes if axes.images]
    assert len(maps) == 1
    assert maps[0].images[0].get_array().shape[:2] == (3, 2)
    assert [text.get_text() for text in maps[0].get_yticklabels()] == ["1", "2", "3"]
