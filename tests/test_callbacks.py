"""Callbacks get every row of history once, of populations and resumed runs too.

TensorBoard can read what it is given.
"""

import pytest

from tests.conftest import SMALL
from urn import InputError, TensorBoard, load_run, resume, train, train_population


def test_every_row_once_and_in_order():
    heard = []
    run = train(SMALL, callbacks=[lambda step, row, member: heard.append((step, row, member))])
    assert [(step, member) for step, _, member in heard] == [
        (row["step"], 0) for row in run.history
    ]
    assert [row for _, row, _ in heard] == run.history


def test_members_of_a_population_are_told_apart():
    heard = []
    runs = train_population(
        [SMALL, SMALL.replace(seed=1)],
        callbacks=[lambda step, row, member: heard.append((member, row["loss"]))],
    )
    for k, run in enumerate(runs):
        assert [loss for member, loss in heard if member == k] == [
            row["loss"] for row in run.history
        ]


def test_a_resumed_run_tells_of_new_rows_only(interrupted_run):
    steps = []
    before = [row["step"] for row in load_run(interrupted_run).history]
    run = resume(interrupted_run, callbacks=[lambda step, row, member: steps.append(step)])
    assert before + steps == [row["step"] for row in run.history]


def test_what_is_no_callable_is_refused():
    with pytest.raises(InputError, match="callbacks"):
        train(SMALL, callbacks=["print"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TensorBoard's own
def test_tensorboard_reads_the_history(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(SMALL, callbacks=[TensorBoard(tmp_path / "logs")])
    events = EventAccumulator(str(tmp_path / "logs")).Reload()
    for name in ("loss", "connections", "R_weight"):
        heard = events.Scalars(name)
        assert [event.step for event in heard] == [row["step"] for row in run.history]
        assert [event.value for event in heard] == pytest.approx([row[name] for row in run.history])
