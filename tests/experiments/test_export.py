"""`urn export`: what is read back from every format gives the run's outputs.

The code says what was found; bad input gets one line.
"""

import argparse
import importlib
import io

import networkx as nx
import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from analysis.export import FORMATS
from experiments.commands import export as exports
from experiments.commands import judging
from experiments.commands.export import LAYERED, add_export, export
from tests.exported import KINDS, SEEDS, trained
from urn import InputError, load_run


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_outputs_of_the_run(kind, seed):
    runs, data = trained(kind)
    run = runs[seed]
    assert judging.judge(run, data, 200).verdicts[KINDS[kind][0]].present
    for to in (*LAYERED, *FORMATS):
        files, differs = export(run, data, to)
        assert differs["validation"] <= 1e-5
        assert all(files.values())


@pytest.mark.parametrize("kind", KINDS)
def test_code_is_right_for_any_input_and_imports_nothing_of_ours(kind, tmp_path, generator):
    runs, data = trained(kind)
    run = runs[0]
    files, _ = export(run, data, "torch", name="mine")
    code = files["mine.py"].decode()
    assert not any(
        f"import {name}" in code or f"from {name}" in code
        for name in ("urn", "analysis", "experiments")
    )
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    shape = (50, 10, run.n_inputs) if run.input_mode in ("stream", "elman") else (50, run.n_inputs)
    x = 20 * torch.randn(shape, generator=generator)
    with torch.no_grad():
        y, true = exports.read_module(tmp_path / "mine.py")(x), run.network()(x)
    torch.testing.assert_close(
        y[0] if isinstance(y, tuple) else y, true, rtol=1e-5, atol=1e-5 * float(true.abs().max())
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "layered",
            [
                "self.layer1 = nn.Linear(4, ",
                "self.layer2 = ",
                "self.readout = ",
                "h2 = F.relu(self.layer2(h1)",
            ],
        ),
        ("locally connected", ["self.layer1 = LocallyConnected("]),
        ("convolutional", ["self.layer1 = nn.Conv1d(1, ", 'mode="circular"']),
        ("residual", ["h3 = F.relu(self.layer2(h2))"]),
        (
            "recurrent",
            [
                "h2 = F.relu(self.layer2(h1) + self.layer1(x))",
                "h3 = F.relu(self.layer2(h2) + self.layer1(x))",
            ],
        ),
        ("recurrent over symbols", ["nn.RNN(4, "]),
    ],
)
def test_code_says_what_was_found(kind, words):
    runs, data = trained(kind)
    code = exports.module_source(runs[0], data, judging.judge(runs[0], data, 200)).source
    for word in words:
        assert word in code, code


def test_a_wrong_weight_is_noticed(monkeypatch):
    runs, data = trained("layered")

    def spoiled(*arguments, **options):
        code = exports_source(*arguments, **options)
        code.tensors["readout.bias"][0] += 1e-2
        return code

    exports_source = exports.module_source
    monkeypatch.setattr(exports, "module_source", spoiled)
    with pytest.raises(InputError, match="outputs on validation data differ by"):
        export(runs[0], data, "torch")


def test_on_data_is_smaller_and_right_on_training_data():
    runs, data = trained("layered")
    sizes = []
    for on_data in (False, True):
        files, differs = export(runs[0], data, "torch", on_data=on_data)
        sizes.append(sum(T.size for T in load(files["network.safetensors"]).values()))
    assert differs["training"] <= 1e-5
    assert "validation" in differs
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("to", ["graphml", "gexf"])
def test_graphs_open_in_networkx_with_all_attributes(to):
    runs, data = trained("locally connected")
    run = runs[0]
    content = next(iter(export(run, data, to)[0].values()))
    graph = (nx.read_graphml if to == "graphml" else nx.read_gexf)(io.BytesIO(content))
    living = run.compact()
    assert graph.number_of_nodes() == len(living.ids)
    assert graph.number_of_edges() == living.connections
    about = graph.nodes[str(int(living.ids[25]))]
    assert {"role", "bias", "layer", "activity", "position_0"} <= set(about)
    assert isinstance(about["layer"], int)
    assert isinstance(about["activity"], float)
    j, i = 0, int(living.ids[25])
    weight = graph.edges[str(j), str(i)]["weight"] if graph.has_edge(str(j), str(i)) else 0.0
    assert weight == pytest.approx(float(run.weights[i, j]))


def test_compact_has_the_same_outputs_and_counts_what_it_saves(generator):
    runs, _ = trained("residual")
    smaller = []
    for run in runs:
        living = run.compact()
        x = torch.randn(40, run.n_inputs, generator=generator)
        torch.testing.assert_close(living.network()(x), run.network()(x), rtol=1e-5, atol=1e-5)
        (S, n), S0 = living.neurons, run.config.n_neurons
        assert S == S0
        assert living.parameters == (S * S + S, n * n + n)
        assert living.multiply_adds == (S * (5 + 2 * S + 5), n * (5 + 2 * n + 5))
        assert f"{S} -> {n}" in str(living)
        smaller.append(n < S)
    assert any(smaller)


def command(*words):
    parser = argparse.ArgumentParser()
    add_export(parser)
    arguments = parser.parse_args([str(word) for word in words])
    return arguments.run(arguments)


def test_command_writes_what_it_says(finished_run, capsys):
    for to in ("torch", *FORMATS):
        assert command(finished_run, "--to", to) == 0
        shown = capsys.readouterr().out
        assert "read back" in shown
        assert "multiply-adds" in shown
    names = {path.name for path in (finished_run / "export").iterdir()}
    assert names == {"network.py", "network.safetensors", *(f"network.{to}" for to in FORMATS)}
    assert (
        command(finished_run, "--to", "json", "--out", finished_run.parent / "deep" / "mine.json")
        == 0
    )
    assert (finished_run.parent / "deep" / "mine.json").is_file()


def test_bad_input_is_one_line(finished_run):
    for words, culprit in (
        ([finished_run, "--to", "torch", "--out", "x.pt"], "--out: x.pt must end in .py"),
        ([finished_run, "--to", "torch", "--out", "my-net.py"], "Python module"),
        ([finished_run, "--to", "torch", "--out", "class.py"], "Python module"),
        ([finished_run, "--to", "torch", "--out", "torch.py"], "other than torch and safetensors"),
        ([finished_run, "--to", "json", "--on-data"], "--on-data"),
        ([finished_run.parent / "none", "--to", "json"], "none"),
    ):
        with pytest.raises(InputError, match=culprit):
            command(*words)


def test_no_half_of_it_is_written_where_the_other_half_cannot_be(finished_run, refused, cwd):
    (cwd / "net.safetensors").mkdir()
    refused(
        ["export", "run", "--to", "torch", "--out", "net.py"], "--out: net.safetensors is a folder"
    )


def test_a_run_without_a_path_is_refused(finished_run):
    run = load_run(finished_run)
    run.status = "disconnected"
    with pytest.raises(InputError, match="no network to export"):
        export(run, None, "json")


def test_a_run_whose_path_no_signal_takes_is_refused(finished_run):
    run = load_run(finished_run)
    data = judging.task_data(run)
    run.weights[:] = 0
    run.weights[5, :2], run.weights[6, 5], run.weights[-2:, 6] = (
        1,
        -1,
        1,
    )  # 6 hears a rectified neuron, negatively
    run.biases[:] = 0
    with pytest.raises(InputError, match="no input can reach an output"):
        export(run, data, "torch")


def test_sizes_of_a_run_that_was_written_before_they_were_kept(finished_run):
    path = finished_run / "weights.safetensors"
    before = load_run(finished_run)
    tensors = {name: np.asarray(T) for name, T in load(path.read_bytes()).items()}
    about = {"status": before.status, "test_accuracy": "1.0", "steps_done": str(before.steps_done)}
    path.write_bytes(save(tensors, about))
    assert load_run(finished_run).wiring == before.wiring


EDGE_LIST = """
import numpy as np

from analysis import FlatNetwork
from analysis.export import Portable, register_format


def write(portable):
    network = portable.network
    i, j = np.nonzero(network.weights)
    lines = [f"{n} {bias!r}" for n, bias in zip(portable.ids.tolist(), network.biases.tolist())]
    edges = zip(j.tolist(), i.tolist(), network.weights[i, j].tolist())
    lines += [f"{source} {target} {weight!r}" for source, target, weight in edges]
    return chr(10).join([f"{network.n_inputs} {network.n_outputs} {len(lines)}", *lines]).encode()


def read(content, **settings):
    (n_inputs, n_outputs, _), *rows = [line.split() for line in content.decode().splitlines()]
    neurons = [row for row in rows if len(row) == 2]
    weights = np.zeros((len(neurons), len(neurons)))
    for source, target, weight in (row for row in rows if len(row) == 3):
        weights[int(target), int(source)] = float(weight)
    biases = np.array([float(bias) for _, bias in neurons])
    network = FlatNetwork(weights, biases, int(n_inputs), int(n_outputs), **settings)
    ids = np.array([int(n) for n, _ in neurons])
    return Portable(network, ids, np.zeros(len(ids), dtype=int))


register_format("edges", write, read, keeps_settings=False)
"""


def test_a_format_from_outside_is_offered_and_checked_by_reading_it_back(
    finished_run, tmp_path, monkeypatch, capsys
):
    (tmp_path / "edge_list.py").write_text(EDGE_LIST)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit):
        command(finished_run, "--to", "edges")
    importlib.import_module("edge_list")
    try:
        assert command(finished_run, "--to", "edges") == 0
        assert "read back" in capsys.readouterr().out
        assert (finished_run / "export" / "network.edges").is_file()
    finally:
        del FORMATS["edges"]
