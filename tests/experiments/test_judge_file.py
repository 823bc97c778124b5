"""`urn judge`: one network from files of every kind gives one report; bad input is one line."""

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from safetensors.numpy import save_file

from analysis import analyse
from urn.cli import main

SIZES = {"n_inputs": 4, "n_outputs": 2, "n_iterations": 3}

MODES = "\n".join(f"{name} = {value}" for name, value in SIZES.items())
"""The TOML that stands beside a file."""


@pytest.fixture
def weights() -> np.ndarray:
    """A perceptron 4-6-5-2."""
    rng = np.random.default_rng(0)
    weights = np.zeros((17, 17))
    for first, middle, last in ((0, 4, 10), (4, 10, 15), (10, 15, 17)):
        weights[middle:last, first:middle] = rng.normal(size=(last - middle, middle - first))
    return weights


def write_npz(path: Path, weights: np.ndarray) -> None:
    np.savez(path, weights=weights)


def write_safetensors(path: Path, weights: np.ndarray) -> None:
    save_file({"weights": weights}, path)


def write_table(path: Path, weights: np.ndarray) -> None:
    np.savetxt(path, weights, delimiter="\t" if path.suffix == ".tsv" else ",")


def write_edges(path: Path, weights: np.ndarray) -> None:
    """Named nodes, in an order in which hidden ones come first."""
    with path.open("w") as file:
        file.write("target,weight,source\n")
        for i, j in np.argwhere(weights)[::-1]:
            file.write(f"n{i},{weights[i, j]!r},n{j}\n".replace("np.float64(", "").replace(")", ""))


def write_graphml(path: Path, weights: np.ndarray) -> None:
    graph = nx.DiGraph()
    graph.add_nodes_from(f"n{k}" for k in range(len(weights)))
    edges = ((f"n{j}", f"n{i}", float(weights[i, j])) for i, j in np.argwhere(weights))
    graph.add_weighted_edges_from(edges)
    nx.write_graphml(graph, path)


WRITERS = {
    "net.npz": write_npz,
    "net.safetensors": write_safetensors,
    "net.csv": write_table,
    "net.tsv": write_table,
    "edges.csv": write_edges,
    "net.graphml": write_graphml,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_file_of_a_network_has_one_report(
    name: str, weights: np.ndarray, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cwd / name
    WRITERS[name](path, weights)
    modes = MODES
    if name == "edges.csv":
        ends = {"input_nodes": range(4), "output_nodes": (15, 16)}
        lines = [f"{end} = {[f'n{k}' for k in nodes]}" for end, nodes in ends.items()]
        modes = "\n".join(["n_iterations = 3", *lines])
    path.with_suffix(".toml").write_text(modes)

    assert main(["judge", str(path), "--json", "--nulls", "200"]) == 0
    printed = json.loads(capsys.readouterr().out)
    report = analyse(weights, **SIZES, n_null=200)
    assert printed["widths"] == [6, 5] == list(report.widths)
    assert printed["summary"] == report.summary
    for verdict, judged in report.verdicts.items():
        assert printed["verdicts"][verdict]["present"] == judged.present
        assert printed["verdicts"][verdict]["effect"] == pytest.approx(judged.effect)


def test_an_archive_may_say_it_all(
    weights: np.ndarray, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    arrays = {"biases": np.zeros(17), "positions": rng.normal(size=(17, 2))}
    np.savez("net.npz", weights=weights, inputs=rng.normal(size=(50, 4)), **arrays, **SIZES)
    assert main(["judge", "net.npz", "--nulls", "200"]) == 0
    shown = capsys.readouterr().out
    assert "fully_connected" in shown
    assert "wiring alone" not in shown


def test_flags_go_before_the_table_beside_a_file(
    weights: np.ndarray, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("net.npz", weights=weights)
    (cwd / "net.toml").write_text(MODES)
    words = ["judge", "net.npz", "--n-iterations", "2", "--json", "--nulls", "200"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "disconnected"


def test_rows_may_be_sources(
    weights: np.ndarray, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savetxt("net.csv", weights.T, delimiter=",")
    (cwd / "net.toml").write_text(f'{MODES}\nrows = "sources"')
    assert main(["judge", "net.csv", "--json", "--nulls", "200"]) == 0
    assert json.loads(capsys.readouterr().out)["widths"] == [6, 5]


def test_files_that_a_table_names_lie_beside_it(
    weights: np.ndarray, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cwd / "folder"
    folder.mkdir()
    np.savez(folder / "net.npz", weights=weights)
    rng = np.random.default_rng(0)
    np.save(folder / "samples.npy", rng.normal(size=(30, 4)))
    np.savetxt(folder / "places.csv", rng.normal(size=(17, 2)), delimiter=",")
    more = '\ninputs = "samples.npy"\npositions = "places.csv"'
    (folder / "net.toml").write_text(MODES + more)
    assert main(["judge", "folder/net.npz", "--nulls", "200"]) == 0
    assert "wiring alone" not in capsys.readouterr().out


def test_a_page_is_written_but_not_written_over(
    weights: np.ndarray, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("net.npz", weights=weights, **SIZES)
    words = ["judge", "net.npz", "--html", "page.html", "--nulls", "200"]
    assert main(words) == 0
    first = (cwd / "page.html").read_text()
    assert "MLP 4-6-5-2" in first
    assert main(words) == 2
    assert "--html" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    assert (cwd / "page.html").read_text() == first


def test_modules_have_a_line_each_and_a_report(
    weights: np.ndarray, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two perceptrons 4-6-5-2 that share nothing, one after the other in every layer."""
    both = np.zeros((34, 34))
    order = np.concatenate([np.arange(4), np.arange(8, 19), np.arange(30, 32)])
    both[np.ix_(order, order)] = weights
    order = np.concatenate([np.arange(4, 8), np.arange(19, 30), np.arange(32, 34)])
    both[np.ix_(order, order)] = weights
    np.savez("net.npz", weights=both, n_inputs=8, n_outputs=4, n_iterations=3)
    words = ["judge", "net.npz", "--nulls", "200"]

    assert main([*words, "--html", "page.html"]) == 0
    shown = capsys.readouterr().out
    assert "module 1: MLP 4-6-5-2" in shown
    assert "module 2: MLP 4-6-5-2" in shown
    assert "module 2: MLP 4-6-5-2" in (cwd / "page.html").read_text()
    assert main([*words, "--json"]) == 0
    modules = json.loads(capsys.readouterr().out)["modules"]
    assert [module["widths"] for module in modules] == [[6, 5], [6, 5]]
    neurons = [set(module["layer_of"]) for module in modules]
    assert len(neurons[0] | neurons[1]) == 34


def test_a_graph_without_directions_and_with_places(
    cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = nx.path_graph(6)
    for node in graph:
        graph.nodes[node].update(x=float(node), y=0.0)
    nx.write_graphml(graph, "net.graphml")
    words = ["judge", "net.graphml", "--n-inputs", "1", "--n-outputs", "1", "--n-iterations", "7"]
    assert main([*words, "--json", "--nulls", "200"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["status"] == "ok"
    # Six neurons in a row are used again and again; their roles are too few to test.
    assert printed["verdicts"]["recurrent"]["effect"] >= 0.2


BAD = {
    "no such file": ("none.csv", None, MODES),
    "must end in": ("net.txt", "", MODES),
    "n_inputs: missing": ("net.csv", "0,1,0\n0,0,1\n0,0,0\n", ""),
    "n_iterations: missing": ("net.csv", "0,1\n1,0\n", "n_inputs = 1\nn_outputs = 1"),
    "more than the 2 neurons": ("net.csv", "0,1\n1,0\n", MODES),
    "line 2: 1 numbers": ("net.csv", "0,1\n1\n", MODES),
    "line 1: 'a' is no number": ("net.csv", "a,1\n1,0\n", MODES),
    "line 1: 'nan' is no number": ("net.csv", "nan,1\n1,0\n", MODES),
    "line 2: '1_0' is no number": ("net.csv", "0,1\n1_0,0\n", MODES),
    "NaN or infinite": ("net.csv", "1e400,1\n1,0\n", MODES),
    "neurons, not 0": ("net.csv", "source,target\n", MODES),
    "line 2: 'x' is no number": ("net.csv", "source,target,weight\na,b,x\n", MODES),
    "line 3: 1 cells": ("net.csv", "source,target\na,b\nc\n", MODES),
    "a node without a name": ("net.csv", "source,target\na,\n", MODES),
    "no column 'strength'": ("net.csv", "source,target\na,b\n", f'{MODES}\nweight = "strength"'),
    "'z' is no node": ("net.csv", "source,target\na,b\n", 'n_outputs = 1\ninput_nodes = ["z"]'),
    "is an input as well": (
        "net.csv",
        "source,target\na,b\n",
        'n_iterations = 1\ninput_nodes = ["a"]\noutput_nodes = ["a"]',
    ),
    "no GraphML": ("net.graphml", "<graphml", MODES),
    "no .npz": ("net.npz", "no archive", MODES),
    "no .safetensors": ("net.safetensors", "nothing", MODES),
    "net.toml: depth: unknown key": ("net.csv", "0,1\n1,0\n", "depth = 3"),
    "net.toml: activation": ("net.csv", "0,1\n1,0\n", 'activation = "sine"'),
    "net.toml: not TOML": ("net.csv", "0,1\n1,0\n", "n_inputs ="),
    "positions: no such file": ("net.csv", "0,1\n1,0\n", f'{MODES}\npositions = "places.csv"'),
    "inputs: must end in": ("net.csv", "0,1\n1,0\n", f'{MODES}\ninputs = "samples.txt"'),
}
"""Part of the message, the file with its text, and the TOML beside it."""


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_one_line_that_names_the_file(
    message: str, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, text, modes = BAD[message]
    if text is not None:
        (cwd / name).write_text(text)
    (cwd / name).with_suffix(".toml").write_text(modes)
    assert main(["judge", name]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "net." in error or "none." in error or "places." in error or "samples." in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"biases": np.zeros(3)}, "weights: missing"),
        ({"weights": np.zeros((2, 3))}, "weights: must be square"),
        ({"weights": np.array([["a", "b"], ["c", "d"]])}, "weights: must hold numbers"),
        ({"weights": np.zeros((9, 9)), "masks": np.zeros(9)}, "'masks': unknown name"),
        ({"weights": np.zeros((9, 9)), "inputs": np.zeros((5, 3))}, "inputs: must have 4 columns"),
        ({"weights": np.zeros((9, 9)), "inputs": np.zeros((1, 4))}, "inputs: must be 2 to"),
        ({"weights": np.zeros((9, 9)), "biases": np.zeros(3)}, "net.npz: "),
        ({"weights": np.zeros((9, 9)), "positions": np.zeros((3, 2))}, "positions: 3 rows"),
        ({"weights": np.zeros((9, 9)), "n_inputs": 2.5}, "n_inputs"),
    ],
)
def test_arrays_that_do_not_fit_are_named(
    arrays: dict, message: str, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("net.npz", **arrays)
    (cwd / "net.toml").write_text("" if "n_inputs" in arrays else MODES)
    assert main(["judge", "net.npz", "--n-outputs", "2", "--n-iterations", "3"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "net.npz" in error


def test_nothing_is_unpickled(cwd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("net.npz", weights=np.array([{"a": 1}], dtype=object))
    assert main(["judge", "net.npz"]) == 2
    assert "net.npz" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--nulls", "10000000"], ["--nulls", "5"], ["--seed", "-1"], ["--n-inputs", "0"]]
)
def test_bad_flags_are_named(
    words: list[str], weights: np.ndarray, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("net.npz", weights=weights, **SIZES)
    assert main(["judge", "net.npz", *words]) == 2
    error = capsys.readouterr().err
    assert words[0] in error or words[0][2:].replace("-", "_") in error


def test_an_archive_of_a_version_that_is_not_known_is_one_line(refused, cwd):
    write_npz(cwd / "net.npz", np.eye(6))
    content = bytearray((cwd / "net.npz").read_bytes())
    # The version that is needed to unpack the first member, in the directory of the archive.
    content[content.index(b"PK\x01\x02") + 6] = 217
    (cwd / "net.npz").write_bytes(content)
    refused(["judge", "net.npz"], "net.npz", "no .npz file of plain arrays")
