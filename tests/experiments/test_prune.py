"""`urn prune`: the asked share is kept, retraining helps, the pruned run is a run.

Wrong words get one line.
"""

import argparse

import pytest

from experiments.commands.prune import add_prune, curves, prune
from tests.conftest import SMALL
from urn import InputError, load_run, train
from urn.data.tasks import task_options
from urn.pruning import CRITERIA


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = SMALL.replace(
        n_neurons=20,
        steps=300,
        task_options={"dimension": 2, "n_train": 256, "n_validation": 64, "n_test": 64},
    )
    return train(config, tmp_path_factory.mktemp("prune") / "run")


def command(*arguments) -> int:
    parser = argparse.ArgumentParser()
    add_prune(parser)
    given = parser.parse_args([str(a) for a in arguments])
    return given.run(given)


def test_every_criterion_at_equal_sparsity(run):
    data = task_options(run.config.task, run.config.task_options).load()
    rows = curves(run, data, (1.0, 0.3), retrain=30)
    assert [row["criterion"] for row in rows[::2]] == list(CRITERIA)
    whole = rows[0]
    unpruned = [row["validation, pruned"] for row in rows[::2] if row["criterion"] != "l1"]
    assert unpruned == [pytest.approx(whole["validation, pruned"])] * 4
    assert {row["weights"] for row in rows[1::2]} <= {
        round(0.3 * whole["of"]),
        *range(round(0.3 * whole["of"])),
    }
    ((one, *_),) = prune(run, data, "obs", [0.3], 30)
    assert one == next(row for row in rows if row["criterion"] == "obs" and row["keep"] == 0.3)


def test_the_command_writes_a_run(run, tmp_path, capsys):
    assert (
        command(
            run.folder,
            "--criterion",
            "obd",
            "--keep",
            0.4,
            "--retrain",
            20,
            "--out",
            tmp_path / "pruned",
        )
        == 0
    )
    before, after = int((run.weights != 0).sum()), load_run(tmp_path / "pruned")
    assert int((after.weights != 0).sum()) <= round(0.4 * before)
    assert "obd" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "culprit"),
    [
        (["--criterion", "obd"], "give both"),
        (["--criterion", "best", "--keep", "0.5"], "--criterion: must be one of"),
        (["--criterion", "obd", "--keep", "0"], "--keep"),
        (["--retrain", "-1"], "--retrain"),
        (["--out", "x"], "--out: needs"),
    ],
)
def test_wrong_words_get_one_line(run, flags, culprit):
    with pytest.raises(InputError, match=culprit):
        command(run.folder, *flags)
