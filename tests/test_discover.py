"""`urn discover`: statistics against scipy and by hand, a planted answer, resumption, messages."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from experiments.commands.discover import add_discover
from experiments.discover import discover
from experiments.discover.batches import fresh_seeds
from experiments.discover.confirm import Outcome
from experiments.discover.dials import Dial, arms_and_dials
from experiments.discover.differences import Difference, difference, holm
from experiments.discover.discovery import go_on
from experiments.discover.finish import pick
from experiments.discover.jobs import Interrupted, constant_scores, sample_scores, scores_on_test
from experiments.discover.request import (
    Request,
    begin,
    own_request,
    read_request,
    request_of,
    table_of,
)
from experiments.discover.search import Point, front
from experiments.discover.sizes import Sizes
from experiments.discover.words import paragraph, sentence
from urn import Dataset, InputError, TrainConfig, load_run, train
from urn.data.tasks import Digits, task_options
from urn.data.twins import twin
from urn.settings.config import read_toml

TINY = Sizes(hidden=6, channels=1, rungs=(10, 20), steps=40, seeds=3, last=60)
"""Of networks that are only to run through."""


FEW = {"n_train": 200, "n_validation": 60, "n_test": 60}
"""Samples of a task that is only to run through."""


def linear_data(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A linear regression: nothing beyond one iteration can pay."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, X @ rng.normal(size=(4, 2)) + 0.05 * rng.normal(size=(n, 2))


# ---- statistics


def test_holm_is_that_of_its_definition() -> None:
    """The example of Holm's step-down procedure, computed by hand."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_one_source_of_noise_gives_a_t_test() -> None:
    """Where only seeds, or only samples, differ, the test is scipy's of one sample."""
    effects = np.array([0.3, 0.1, 0.25, 0.2, 0.05])
    by_seed = difference(np.repeat(effects[:, None], 40, axis=1))
    by_sample = difference(np.repeat(effects[None], 7, axis=0))

    expected = stats.ttest_1samp(effects, 0)
    interval = expected.confidence_interval(0.95)
    for result in (by_seed, by_sample):
        assert result.p == pytest.approx(expected.pvalue)
        assert (result.low, result.high) == pytest.approx(tuple(interval))


def test_no_difference_is_rejected_no_more_often_than_p_says() -> None:
    """Seeds and samples that both move the answers: 5 % of tests reject at 0.05, or fewer."""
    rng = np.random.default_rng(0)
    p = []
    for _ in range(400):
        seeds = 0.1 * rng.normal(size=(5, 1))
        samples = 0.5 * rng.normal(size=(1, 60))
        p.append(difference(seeds + samples + rng.normal(size=(5, 60))).p)
    assert np.mean(np.array(p) < 0.05) <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5


def test_equal_scores_are_no_difference() -> None:
    """Two arms that answer alike."""
    assert difference(np.zeros((3, 5))) == Difference(0.0, 0.0, 0.0, 1.0)


def test_parts_of_r2_have_r2_as_their_mean() -> None:
    """Against scikit-learn, several outputs."""
    import torch
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    y = rng.normal(size=(50, 3))
    output = y + rng.normal(size=(50, 3))
    scores = sample_scores(torch.from_numpy(output), torch.from_numpy(y), "regression")
    assert scores.mean() == pytest.approx(r2_score(y, output))


def test_the_front_is_what_no_other_beats() -> None:
    """By brute force on random points."""
    rng = np.random.default_rng(0)
    points = [Point("", "search", float(a), float(w)) for a, w in rng.integers(0, 9, (60, 2))]
    best = {
        (p.accuracy, p.weights)
        for p in points
        if not any(
            (q.accuracy >= p.accuracy and q.weights < p.weights)
            or (q.accuracy > p.accuracy and q.weights <= p.weights)
            for q in points
        )
    }
    assert {(p.accuracy, p.weights) for p in front(points)} == best


def test_what_diverged_counts_as_the_best_constant_answer() -> None:
    """A network whose weights are too large to answer with numbers; no warning, no NaN."""
    import torch

    data = Digits().load()
    run = train(TrainConfig(task="digits", n_neurons=90, steps=1, snapshots=0), data=data)
    broken = dataclasses.replace(run, weights=torch.full_like(run.weights, 1e30))
    assert np.array_equal(scores_on_test(broken, data), constant_scores(data))
    assert scores_on_test(run, data).mean() == pytest.approx(run.test_accuracy)


# ---- what can be asked


def test_dials_follow_from_what_the_data_have() -> None:
    """Places for locality, a lattice for sharing."""
    data = Digits().load()
    plain = dataclasses.replace(data, positions=None, sites=None)
    placed = dataclasses.replace(data, sites=None)

    def names(data: Dataset) -> set[str]:
        arms, dials = arms_and_dials(data)
        pairs = [name for dial in dials for pair in dial.pairs for name in pair]
        assert set(pairs) == set(arms)
        return {dial.name for dial in dials}

    always = {"depth 2", "depth 3", "depth 4", "carrying"}
    assert names(plain) == always
    assert names(placed) == always | {"locality"}
    assert names(data) == always | {"locality", "sharing"}


def test_fresh_seeds_are_not_those_of_any_search() -> None:
    """Of no discovery's search, whatever its seed, for seeds below a million."""
    assert min(fresh_seeds(0, 10)) > 1_000_000
    assert not set(fresh_seeds(0, 10)) & set(fresh_seeds(1, 10))


def test_urn_has_names_that_distributions_add(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry point of the group is a name of the package, and `discover` is in ours."""
    import configparser

    import urn

    info = tmp_path / "planted-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[urn.names]\nplanted_name = json:dumps\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert urn.planted_name is json.dumps
    monkeypatch.delattr(urn, "planted_name")
    with pytest.raises(AttributeError, match="nowhere_added"):
        _ = urn.nowhere_added

    ours = configparser.ConfigParser()
    ours.read(Path(__file__).resolve().parents[1] / "setup.cfg")
    entries = ours["options.entry_points"]
    assert "discover = experiments.discover:discover" in entries["urn.names"]
    assert "discover = experiments.commands.discover:add_discover" in entries["urn.commands"]


# ---- words


def outcome(mean: float, twin_mean: float, p: float = 1e-6) -> Outcome:
    """An outcome with a narrow interval."""

    def about(value: float) -> Difference:
        return Difference(value, value - 0.01, value + 0.01, p if value else 1.0)

    dial = Dial("sharing", "Sharing over positions", (), "shuffled_positions", "shuffled")
    beyond = about(mean - twin_mean)
    return Outcome(
        dial, "a", "b", 0.9, 0.8, about(mean), about(0.5), about(twin_mean), beyond, p, p
    )


def test_sentences_say_what_the_numbers_say() -> None:
    """What pays, what its twin explains, what costs, what brings nothing."""
    says = sentence(outcome(0.142, 0.0))
    assert says == (
        "Sharing over positions brings 14.2 points (13.2 to 15.2); shuffled it brings none."
    )
    assert not outcome(0.142, 0.1).pays
    assert "shuffled it brings 10.0 too" in sentence(outcome(0.142, 0.1))
    assert "costs 5.0 points (4.0 to 6.0)" in sentence(outcome(-0.05, 0.0))
    assert "brings nothing" in sentence(outcome(0.001, 0.0, p=0.5))
    assert paragraph([outcome(0.001, 0.0, p=0.5)], True).startswith("Nothing pays")
    assert paragraph([outcome(0.142, 0.0)], False).startswith("Nothing pays")


@pytest.mark.parametrize("length", [7, 40])
def test_of_sequences_only_carrying_is_asked_at_their_own_length(length: int) -> None:
    """What carries starts small; what does not, where that is no handicap."""
    data = task_options("adding", {"length": length, **FEW}).load()
    arms, (dial,) = arms_and_dials(data)
    assert (dial.name, dial.twin) == ("carrying", "random_labels")
    ((carries, plain),) = dial.pairs
    assert set(arms) == {carries, plain}
    assert {arm.n_iterations for arm in arms.values()} == {length}
    assert [arms[name].fields["self_target"] for name in (carries, plain)] == [1.0, 0.0]
    assert arms[carries].fields["initial_scale"] < 1
    assert ("initial_scale" in arms[plain].fields) == (length == 7)


def test_a_sequence_network_that_diverged_scores_as_the_constant_answer() -> None:
    """Weights that overflow have no answer at all."""
    options = {"length": 100, **FEW}
    data = task_options("adding", options).load()
    fields = {"task": "adding", "task_options": options, "n_iterations": 100, "n_neurons": 103}
    run = train(TrainConfig(**fields, strengths={"self": 1.0}, self_target=1.0, steps=3), data=data)
    assert run.status == "diverged"
    assert np.array_equal(scores_on_test(run, data), constant_scores(data))


# ---- from data to an answer


def test_nothing_pays_on_a_linear_task(tmp_path: Path) -> None:
    """The planted answer; and what is written is whole, and can be trained."""
    X, y = linear_data()
    sizes = Sizes(hidden=8, channels=1, rungs=(60, 120), steps=250, seeds=3, last=300)
    result_of = discover(X, y, out=tmp_path / "out", sizes=sizes)

    assert result_of.pays == []
    assert result_of.text.startswith("Nothing pays")
    assert result_of.scores["I = 1"] > 0.95
    result = json.loads((tmp_path / "out" / "discover.json").read_text())
    assert result["text"] == result_of.text
    assert TrainConfig(**read_toml(tmp_path / "out" / "chosen.toml")) == result_of.config
    assert (tmp_path / "out" / "network" / "structure.json").is_file()


def test_a_discovery_of_sequences_is_written_whole(tmp_path: Path) -> None:
    """Timed, searched, confirmed; and the configuration trains the network that is kept."""
    request, _ = request_of("adding", tmp_path / "out", options={"length": 4, **FEW}, minutes=0.01)
    begin(request, tmp_path / "out")
    sizes = Sizes(hidden=8, channels=1, rungs=(0, 20), steps=40, seeds=3, last=60)
    answer = go_on(request, tmp_path / "out", sizes=sizes)

    assert [outcome.to_dict()["dial"] for outcome in answer.outcomes] == ["carrying"]
    assert set(answer.scores) == {"carries", "does not carry"}
    config = TrainConfig(**read_toml(tmp_path / "out" / "chosen.toml"))
    assert config.n_iterations == 4
    assert load_run(tmp_path / "out" / "network").input_mode == "sequence"
    assert (tmp_path / "out" / "index.html").is_file()


def test_a_resumed_discovery_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    """Interrupted in the search and in the confirmation."""
    X, y = linear_data(60)
    rows = np.column_stack([X, y[:, 0] > 0])
    table = tmp_path / "mine.csv"
    np.savetxt(table, rows, delimiter=",", header="a,b,c,d,y", comments="")

    def start(name: str) -> tuple[Request, Path]:
        folder = tmp_path / name
        request, _ = request_of(str(table), folder, seed=3)
        begin(request, folder)
        return request, folder

    request, folder = start("whole")
    whole = go_on(request, folder, sizes=TINY)

    request, folder = start("broken")
    for steps in (100, 200):
        asked = iter(range(steps))
        with pytest.raises(Interrupted):
            go_on(request, folder, sizes=TINY, stop=lambda a=asked: next(a, None) is None)
    again = go_on(request, folder, sizes=TINY)

    assert [o.to_dict() for o in again.outcomes] == [o.to_dict() for o in whole.outcomes]
    assert again.points == whole.points
    assert again.run.weights.equal(whole.run.weights)


def test_the_page_escapes_what_a_user_named(tmp_path: Path) -> None:
    """A name of a file is text on the page, whatever it holds."""
    X, y = linear_data(40)
    name = tmp_path / "<img src=x onerror=alert(1)>.npz"
    np.savez(name, X=X, y=y)
    request, own = request_of(str(name), tmp_path / "out")
    begin(request, tmp_path / "out", own)
    go_on(request, tmp_path / "out", sizes=TINY)

    page = (tmp_path / "out" / "index.html").read_text()
    assert "<img" not in page
    assert "&lt;img src=x onerror" in page
    assert re.search(r"Nothing pays|brings", page)


def test_the_search_is_not_given_the_test_data(tmp_path: Path) -> None:
    """Test targets that differ change nothing that the search says."""
    from experiments.discover.batches import Batches

    data = Digits().load()
    arms, _ = arms_and_dials(data)
    arm = arms["I = 2"]
    other = dataclasses.replace(data, test=twin(data, "random_labels").test)
    fields = {"task": "digits", "task_options": {}}
    (tmp_path / "a" / "batches").mkdir(parents=True)
    (tmp_path / "b" / "batches").mkdir(parents=True)

    results = []
    for name, part in (("a", data), ("b", other)):
        batches = Batches(tmp_path / name, fields, part, 0, lambda: False)
        job = batches.search(arm, arm.strengths[:2], TINY, 0)
        results.append(batches.train({"": job})[""])
    assert np.array_equal(results[0].validation, results[1].validation)
    assert np.array_equal(results[0].scores, results[1].scores)
    assert results[0].scores.mean(1) == pytest.approx(results[0].validation)


def test_of_networks_alike_the_one_with_fewest_weights_is_kept() -> None:
    """Alike: behind by no more than a standard error of the difference, which pairs make small."""
    right = np.tile([1.0, 0.0], 50)
    as_good, worse = right.copy(), right.copy()
    as_good[:3] = [0.0, 1.0, 0.0]  # one answer less: 1 % behind, error 1.7 %
    worse[:40] = 0.0  # 20 % behind
    scores = np.array([right, as_good, worse])
    all_whole = np.ones(3, dtype=bool)
    assert pick(scores, np.array([30.0, 20.0, 10.0]), all_whole) == 1
    assert pick(scores, np.array([20.0, 30.0, 10.0]), all_whole) == 0

    # The same for every sample: behind by little, but surely.
    nearly = np.array([np.full(9, 0.9), np.full(9, 0.899)])
    assert pick(nearly, np.array([2.0, 1.0]), all_whole[:2]) == 0
    # What diverged is not kept, whatever its size, though others are no better than a constant.
    alike = np.zeros((2, 9))
    assert pick(alike, np.array([1.0, 2.0]), np.array([False, True])) == 1
    assert pick(alike, np.array([1.0, 2.0]), np.array([False, False])) == 0


def test_the_last_stage_keeps_what_validation_says(tmp_path: Path) -> None:
    """Longer than the confirmation, with strengths of the kind that was chosen."""
    X, y = linear_data(60)
    sizes = dataclasses.replace(TINY, last=120)
    answer = discover(X, y, out=tmp_path / "out", sizes=sizes)
    arm = arms_and_dials(read_request(tmp_path / "out").load(tmp_path / "out"))[0][answer.arm]
    last = [point for point in answer.points if point.stage == "last stage"]
    assert len(last) == len(arm.strengths) + 1
    assert answer.config.steps in (120 * arm.patience, 40 * arm.patience)

    kept = json.loads((tmp_path / "out" / "discover.json").read_text())["network"]
    assert kept["test_score"] == answer.score == pytest.approx(answer.run.test_accuracy)
    assert kept["steps"] == answer.config.steps


def test_processes_give_what_one_gives(tmp_path: Path) -> None:
    """The same networks, answers and order, whichever ended first."""
    X, y = linear_data(60)
    alone, crew = (discover(X, y, out=tmp_path / str(n), sizes=TINY, workers=n) for n in (1, 2))
    assert [o.to_dict() for o in crew.outcomes] == [o.to_dict() for o in alone.outcomes]
    assert crew.points == alone.points
    assert crew.run.weights.equal(alone.run.weights)


def test_processes_stop_when_asked(tmp_path: Path) -> None:
    """And go on from there."""
    X, y = linear_data(60)
    folder = tmp_path / "out"
    table = table_of(X, y, None)
    request = own_request("arrays", folder, table.kind)
    begin(request, folder, table)
    asked = iter(range(3))
    with pytest.raises(Interrupted):
        go_on(request, folder, workers=2, sizes=TINY, stop=lambda: next(asked, None) is None)
    assert not (folder / "discover.json").exists()
    assert go_on(request, folder, workers=2, sizes=TINY).score > 0


# ---- what a user gets wrong


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        ([], "DATA"),
        (["nothing"], "no task"),
        (["miconi_easy"], "stream of symbols"),
        (["miconi_switch"], "stream of symbols"),
        (["missing.csv"], "no such file"),
        (["digits", "--target", "x"], "--target"),
        (["digits", "--minutes", "0"], "--minutes"),
        (["digits", "--minutes", "nan"], "--minutes"),
        (["digits", "--seed", "-1"], "--seed"),
        (["digits", "--workers", "0"], "--workers"),
        (["digits", "--task-options", "x"], "--task-options"),
        (["digits", "--task-options", "{x = 1}"], "x"),
        (["--resume", "nowhere"], "discover.toml"),
        (["digits", "--resume", "nowhere"], "--resume"),
    ],
)
def test_bad_input_is_one_clear_line(
    words: list[str], culprit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is left behind but, for a stream, the folder of the request."""
    import argparse

    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    add_discover(parser)
    arguments = parser.parse_args(words)
    with pytest.raises(InputError, match=re.escape(culprit)) as error:
        arguments.run(arguments)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    """Another discovery's, or anybody's."""
    import argparse

    parser = argparse.ArgumentParser()
    add_discover(parser)
    folder = tmp_path / "out"
    begin(Request("shells", "shells"), folder)
    for words in (
        ["digits", "--out", str(folder)],
        ["shells", "--seed", "1", "--out", str(folder)],
    ):
        arguments = parser.parse_args(words)
        with pytest.raises(InputError, match="another discovery"):
            arguments.run(arguments)
    with pytest.raises(InputError, match="already exists"):
        discover(*linear_data(40), out=folder)


def test_a_damaged_batch_is_named(tmp_path: Path) -> None:
    """A file cut short ends with a line that names it."""
    X, y = linear_data(40)
    folder = tmp_path / "out"
    discover(X, y, out=folder, sizes=TINY)
    (path, *_) = sorted((folder / "batches").iterdir())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=path.name):
        go_on(read_request(folder), folder)
