"""Small multiples: one panel a matrix, and curves whose line is the median over seeds."""

import numpy as np
import pytest

from analysis.plots import dial, sorted_matrices


def test_a_panel_for_every_matrix() -> None:
    W = np.zeros((6, 6))
    W[2:4, :2] = W[4:, 2:4] = 1.0
    layer_of = {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 2}
    figure = sorted_matrices(
        [(f"panel {k}", W, layer_of) for k in range(3)], n_inputs=2, n_outputs=2
    )

    assert [axes.get_title() for axes in figure.axes] == ["panel 0", "panel 1", "panel 2"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "inputs (2)",
        "hidden (2)",
        "outputs (2)",
    ]
    with pytest.raises(ValueError, match="panels"):
        sorted_matrices([], n_inputs=2, n_outputs=2)


def test_the_line_is_the_median_and_an_even_measure_looks_even() -> None:
    seeds = {
        "share": [[0.1, 0.2, 0.9], [0.3, 0.4, 0.5]],
        "accuracy": [[1.0, 1.0, 0.9999], [1.0, 1.0, 1.0]],
    }
    figure = dial([0, 1e-3], seeds, label="strength")
    above, below = figure.axes
    assert above.lines[0].get_ydata().tolist() == [0.2, 0.4]
    assert np.ptp(below.get_ylim()) > 0.03
    assert [label.get_text() for label in below.get_xticklabels()] == ["0", "0.001"]
