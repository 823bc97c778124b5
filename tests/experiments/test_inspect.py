"""`urn inspect` on a real run: the same verdicts in the terminal, in the JSON and in the report.

Figures; bad input.
"""

import json

import networkx as nx
import numpy as np
import pytest

from analysis import analyse
from experiments.commands.inspection import Inspection
from urn import TrainConfig, load_run, train
from urn.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small layered network on digits; learned positions give every figure something to show."""
    config = TrainConfig(
        n_neurons=130,
        steps=600,
        snapshots=3,
        hidden_positions="learned",
        strengths={
            "weight": 5e-4,
            "activity": 1e-3,
            "bias": 1e-3,
            "self": 1.0,
            "locality": 1e-4,
            "depth": {"value": 2e-2, "warmup": 300},
        },
    )
    return train(config, tmp_path_factory.mktemp("runs") / "digits")


def test_json_is_the_report(run, capsys):
    assert main(["inspect", str(run.folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((run.folder / "structure.json").read_text())
    again = Inspection(load_run(run.folder)).report
    assert printed["summary"] == again.summary
    assert {name: verdict["present"] for name, verdict in printed["verdicts"].items()} == {
        name: verdict.present for name, verdict in again.verdicts.items()
    }
    direct = analyse(
        run.weights.numpy(),
        run.biases.numpy(),
        n_inputs=64,
        n_outputs=10,
        n_iterations=4,
        positions=run.positions.numpy(),
        inputs=Inspection(run).inputs,
        threshold=0.0,
    )
    assert direct.to_dict()["verdicts"].keys() == printed["verdicts"].keys()
    assert direct.widths == tuple(printed["widths"])


def test_terminal_names_every_verdict_and_what_cutting_costs(run, capsys):
    assert main(["inspect", str(run.folder)]) == 0
    shown = capsys.readouterr().out
    for word in (*Inspection(run).report.verdicts, "score lost", "trophic_incoherence"):
        assert word in shown


def test_figures_are_written_where_the_design_says(run):
    assert main(["inspect", str(run.folder), "--figures"]) == 0
    names = {path.stem for path in (run.folder / "figures").glob("*.png")}
    assert names == {
        "W",
        "graph",
        "path_depths",
        "blocks",
        "activity",
        "receptive_fields",
        "over_training",
    }


def test_score_before_any_cut_is_the_networks_own(run):
    score, _ = Inspection(run).lesions()
    assert score == pytest.approx(run.history[-1]["validation_accuracy"], abs=1e-9)


def test_the_used_graph_alone_keeps_what_random_ones_lose(run, capsys):
    """On digits, with the scores of the whole network and of other samples at the two ends."""
    assert main(["inspect", str(run.folder), "--nulls", "200", "--html"]) == 0
    shown = capsys.readouterr().out
    found = json.loads((run.folder / "structure.json").read_text())["lesions"]["faithfulness"]
    assert found["whole"] == pytest.approx(run.history[-1]["validation_accuracy"], abs=1e-9)
    assert found["share"] > 0.9
    assert found["chance"] < 0.2
    assert max(found["random_scores"]) < found["score"]
    assert found["n_outside"] > found["n_edges"] > 0
    page = (run.folder / "report.html").read_text()
    for text in (shown, page):
        assert "the used graph alone" in text
        assert f"{found['score']:.3f}" in text


def test_bad_input_is_one_line(run, tmp_path, capsys):
    for arguments, culprit in (
        (["inspect", str(tmp_path / "none")], "none"),
        (["inspect", str(run.folder), "--nulls", "3"], "--nulls"),
        (["inspect", str(run.folder), "--nulls", "many"], "--nulls"),
        (["inspect"], "RUN"),
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err.strip()
        assert culprit in error
        assert len(error.splitlines()) == 1


def test_a_symbol_stream_is_judged_on_its_graph(tmp_path):
    config = TrainConfig(
        task="miconi_easy",
        task_options={"n_streams": 10, "length": 200},
        n_neurons=20,
        n_iterations=10,
        activation="tanh",
        steps=60,
        snapshots=0,
        strengths={"weight": 1e-4},
    )
    stream = train(config, tmp_path / "stream")
    assert main(["inspect", str(stream.folder), "--json"]) == 0
    inspection = Inspection(stream)
    assert inspection.report.verdicts["recurrent"].present
    assert inspection.faithfulness() is None


def test_random_mask_has_the_density_of_the_run_and_is_never_left(run):
    from experiments.baselines import train_masked

    short = train(run.config.replace(steps=60, snapshots=0), run.folder.parent / "short")
    data = Inspection(short).data
    weights, accuracy = train_masked(short, data, seed=1)
    learned = short.weights
    assert int((weights != 0).sum()) == pytest.approx(
        int((learned != 0).sum()), rel=0.01
    )  # a weight may touch zero
    assert not weights[~short.kept].any()
    assert 0.05 < accuracy <= 1
    other, _ = train_masked(short, data, seed=2)
    assert not np.array_equal(other != 0, weights != 0)


def test_triads_are_printed_beside_their_null_models(run, capsys):
    """Counts are networkx's; a null model that keeps the layers has no more than they allow."""
    assert main(["inspect", str(run.folder), "--triads", "--nulls", "200"]) == 0
    shown = capsys.readouterr().out
    assert "layer preserving" in shown
    assert "030T" in shown or "021D" in shown

    structure = json.loads((run.folder / "structure.json").read_text())
    triads = structure["triads"]
    used = [int(i) for i in structure["layer_of"]]
    weights = run.weights.numpy()[np.ix_(used, used)]
    graph = nx.from_numpy_array(weights.T != 0, create_using=nx.DiGraph)
    counted = nx.triadic_census(graph)
    assert dict(zip(triads["triads"], triads["counts"], strict=True)) == counted
    assert triads["draws"] == 200
    assert set(triads["nulls"]) == {"degree_preserving", "layer_preserving", "weight_shuffle"}
    for null in triads["nulls"].values():
        assert sum(null["mean"]) == pytest.approx(sum(triads["counts"]))
        assert all(0 < p <= 1 for p in null["p"])


def test_without_the_flag_there_are_no_triads(run, capsys):
    assert main(["inspect", str(run.folder), "--json", "--nulls", "200"]) == 0
    assert "triads" not in json.loads(capsys.readouterr().out)
