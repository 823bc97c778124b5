"""The main job on a small scale: two kinds of network out of one, told apart by the verdicts."""

import numpy as np

from analysis.forward import forward
from experiments import digits
from experiments.commands.judging import shared_neurons


def test_main_job_prints_both_tables_and_draws(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(digits.COMMON, "steps", 400)
    monkeypatch.setitem(digits.COMMON, "n_neurons", 120)
    digits.main(["--seeds", "2", "--out", str(tmp_path)])
    shown = capsys.readouterr().out
    assert "layered:" in shown
    assert "recurrent:" in shown
    assert {path.name for path in tmp_path.iterdir()} == {
        "layered_W.png",
        "layered_graph.png",
        "recurrent_W.png",
        "recurrent_graph.png",
    }


def test_shared_neurons_are_counted_as_defined():
    """Input 0 feeds neuron 1, that itself and the output: at I = 3 on a path at l = 1 and l = 2."""
    W = np.zeros((3, 3))
    W[1, 0] = W[1, 1] = W[2, 1] = 1.0
    X = np.array([[1.0], [2.0]])
    assert shared_neurons(W, forward(W, np.zeros(3), X, 3, n_outputs=1)[0], 1) == 1
    W[1, 1] = 0.0
    assert shared_neurons(W, forward(W, np.zeros(3), X, 2, n_outputs=1)[0], 1) == 0
