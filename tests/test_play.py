"""What is played with is a configuration: going back, turning and saving change no bit.

Oracle: training by the configuration from the start.
"""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import digits
from experiments.claims import (
    convolutional,
    fully_connected,
    grow_urn,
    locally_connected,
    recurrent,
    residual,
)
from experiments.commands.judging import judge
from experiments.play.frames import frame
from experiments.play.messages import read
from experiments.play.plan import ALWAYS, Turn, session_config, with_turns
from experiments.play.presets import PRESETS
from experiments.play.session import Session, preset_config
from urn import InputError, Schedule, TrainConfig, load_run, train
from urn.training.trainer import Trainer

SHELLS = {"dimension": 4, "n_train": 512, "n_validation": 128, "n_test": 64}
CONFIG = TrainConfig(
    task="shells",
    task_options=SHELLS,
    n_neurons=40,
    steps=400,
    batch_size=32,
    learning_rate={"value": 3e-3, "milestones": [0.3, 0.6], "factor": 0.3},
    strengths={"weight": 1e-3, "depth": {"value": 0.05, "warmup": 100, "milestones": [0.5]}},
)
LOCAL = TrainConfig(
    n_neurons=100,
    steps=200,
    n_iterations=3,
    hidden_positions="learned",
    locality_power=2.0,
    strengths={"locality": 2e-2},
)


@pytest.fixture(autouse=True)
def one_thread():
    """As the process that trains has it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def same(a: Session, weights: torch.Tensor, biases: torch.Tensor) -> bool:
    """Whether a session has these weights and biases, bit for bit."""
    W, b = a.trainer.net.full()
    return torch.equal(W[0], weights) and torch.equal(b[0], biases)


# ---- schedules with moves


def test_a_move_holds_from_its_step_on() -> None:
    schedule = Schedule(value=2.0, warmup=4, moves=[[10, 0.5], [20, 0]])
    at = [schedule.at(step, 100) for step in (0, 3, 9, 10, 19, 20, 99)]
    assert at == [0.5, 2, 2, 0.5, 0.5, 0, 0]
    assert not schedule.constant


def test_files_without_moves_are_what_they_were() -> None:
    text = TrainConfig().to_toml()
    assert "moves" not in text
    assert "self_target = 0.0" in text
    moved = CONFIG.replace(self_target={"value": 0, "moves": [[3, 1]]})
    assert TrainConfig(**json.loads(json.dumps(moved.to_dict()))) == moved


@pytest.mark.parametrize(
    ("fields", "culprit"),
    [
        ({"strengths": {"weight": {"value": 1, "moves": [[3, 1], [3, 2]]}}}, "moves"),
        ({"strengths": {"weight": {"value": 1, "moves": [[-1, 1]]}}}, "moves"),
        ({"strengths": {"weight": {"value": 1, "moves": [[1, -1]]}}}, "moves"),
        ({"locality_power": {"value": 1, "moves": [[3, 200]]}}, "locality_power"),
        ({"locality_power": 0}, "locality_power"),
        ({"self_target": {"value": "x"}}, "self_target.value"),
        ({"self_target": [1]}, "self_target"),
    ],
)
def test_moves_that_cannot_be_are_refused(fields: dict, culprit: str) -> None:
    with pytest.raises(InputError, match=culprit):
        TrainConfig(**fields)


def test_a_setting_that_moves_is_trained_by() -> None:
    """w0 turned at a step: the same as two configurations, before and after it."""
    moved = CONFIG.replace(
        strengths={"weight": 1e-3, "self": 0.1},
        self_target={"value": 0, "moves": [[100, 1.0]]},
        learning_rate=3e-3,
    )
    trainer = Trainer([moved])
    trainer.run(until=100)
    assert trainer.population.penalties.settings.self_target == 0
    trainer.run(until=150)
    assert trainer.population.penalties.settings.self_target == 1

    plain = Trainer([moved.replace(self_target=0.0)])
    plain.run(until=100)
    other = Trainer([moved.replace(self_target=1.0)])
    other.load_state_dict(plain.state_dict())
    other.run(until=150)
    assert torch.equal(other.net.full()[0], trainer.net.full()[0])


# ---- sessions


def test_a_session_trains_as_its_preset_is_planned() -> None:
    """Milestones become moves; until the planned end nothing else is trained."""
    session = Session(CONFIG)
    session.advance(until=CONFIG.steps)
    # Terms that a dial may bring in are there at strength 0.
    zeros = dict.fromkeys(ALWAYS, 0.0)
    run = train(CONFIG.replace(snapshots=0, strengths=zeros | CONFIG.strengths))
    assert same(session, run.weights, run.biases)


def turned(session: Session) -> None:
    """Turn dials at several steps, some of them at one."""
    session.advance(until=130)
    session.turn("weight", 3e-3)
    session.turn("weight", 4e-3)
    session.advance(until=205)
    session.turn("w0", 1.0)
    session.turn("self", 0.05)
    session.turn("depth", 0.0)
    session.advance(until=333)


@pytest.mark.parametrize("step", [0, 1, 130, 250, 333])
def test_a_saved_session_is_repeated_bit_for_bit(step: int, tmp_path: Path) -> None:
    session = Session(CONFIG)
    turned(session)
    session.back(step)
    run = session.save(tmp_path / "run")
    assert run.steps_done == step
    again = train(load_run(tmp_path / "run").config)
    assert torch.equal(again.weights, run.weights)
    assert torch.equal(again.biases, run.biases)
    assert again.history == run.history
    assert again.status == run.status


@pytest.mark.parametrize("preset", ["local", "convolutional", "grown"])
def test_so_is_one_with_places_a_lattice_or_growth(preset: str, tmp_path: Path) -> None:
    session = Session(preset_config(preset, 1), preset)
    session.advance(until=20)
    session.turn("weight", 1e-4)
    if preset != "grown":
        session.turn("q", 3.0)
    session.advance(until=51)
    session.turn("activity", 1e-3)
    session.advance(until=60)
    run = session.save(tmp_path / "run")
    again = train(run.config)
    for name in ("weights", "biases", "positions"):
        saved, repeated = getattr(run, name), getattr(again, name)
        assert (saved is None) == (repeated is None)
        assert saved is None or torch.equal(saved.nan_to_num(), repeated.nan_to_num())


def test_any_moment_can_be_come_back_to() -> None:
    session = Session(CONFIG)
    seen = {}
    for step in (1, 77, 130, 204, 205, 333):
        session.advance(until=step)
        if step == 130:
            session.turn("weight", 3e-3)
        seen[step] = [T[0].clone() for T in session.trainer.net.full()]
    for step in (204, 1, 333, 77, 205, 130):
        session.back(step)
        assert same(session, *seen[step])

    # From an earlier moment the same future comes again, until a dial is turned.
    session.advance(until=333)
    assert same(session, *seen[333])
    session.back(100)
    session.turn("bias", 0.1)
    assert session.latest == 100
    assert [turn.name for turn in session.turns] == ["bias"]
    with pytest.raises(InputError, match="step"):
        session.back(101)


def test_few_states_are_kept_of_a_long_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.play.session.MOST_KEPT", 4)
    session = Session(CONFIG)
    session.advance(until=950)
    assert len(session.kept) <= 5
    W = session.trainer.net.full()[0].clone()
    session.back(3)
    session.back(950)
    assert torch.equal(W, session.trainer.net.full()[0])


def test_what_was_planned_later_is_forgotten_for_a_dial_that_is_turned() -> None:
    config = session_config(CONFIG)
    assert [step for step, _ in config.strengths["depth"].moves] == [200]
    one = with_turns(config, [Turn(150, "depth", 0.2)])
    assert one.strengths["depth"].moves == ((150, 0.2),)
    assert with_turns(config, [Turn(250, "depth", 0.2)]).strengths["depth"].moves[0][0] == 200


def test_one_dial_makes_layers_of_a_recurrent_network_and_there_is_no_way_back() -> None:
    """What the tour of the page says of its first two turns."""
    session = Session(preset_config("recurrent", 0))

    def verdicts(step: int) -> set[str]:
        session.advance(step)
        report = judge(session.run(), session.data, n_null=200)
        return {name for name, verdict in report.verdicts.items() if verdict.present}

    assert "recurrent" in verdicts(300)
    session.turn("depth", 0.1)
    assert verdicts(900) == {"fully_connected"}
    session.turn("depth", 0.0)
    assert verdicts(1500) == {"fully_connected"}


def test_a_dial_that_is_not_there_is_refused() -> None:
    session = Session(CONFIG)
    for name in ("locality", "symmetry", "outgoing"):
        with pytest.raises(InputError, match=name):
            session.turn(name, 1.0)
    with pytest.raises(InputError):
        session.turn("q", 0.0)
    assert not session.turns


def test_silenced_neurons_are_held_at_zero_and_training_does_not_know() -> None:
    """Oracle: the network without their rows and columns, written out."""
    session = Session(CONFIG)
    session.advance(until=150)
    net = session.trainer.net
    W, b = (T[0].double().numpy() for T in net.full())
    lost = (5, 9, 20)
    W[list(lost)] = 0
    W[:, list(lost)] = 0
    b[list(lost)] = 0
    X, y = session.data.validation
    N = np.zeros((len(X), 40))
    N[:, :4] = X
    for _ in range(net.n_iterations - 1):
        N = np.maximum(N @ W.T + b, 0)
    answers = (N @ W.T + b)[:, -2:].argmax(1)
    expected = float(np.mean(answers == y.numpy()))

    before = [T.clone() for T in net.full()]
    assert session.accuracy(lost) == pytest.approx(expected, abs=1 / 128 + 1e-6)
    assert all(torch.equal(a, c) for a, c in zip(before, net.full(), strict=True))


def test_a_frame_holds_w_in_the_order_it_names() -> None:
    session = Session(LOCAL)
    session.advance(until=50)
    for by in ("layers", "place"):
        message = frame(session, by)
        (length,) = struct.unpack("<I", message[:4])
        head = json.loads(message[4 : 4 + length])
        n = head["size"]
        picture = np.frombuffer(message[4 + length : 4 + length + n * n], np.uint8).reshape(n, n)
        W = session.trainer.net.full()[0][0].numpy()[np.ix_(head["ids"], head["ids"])]
        assert (np.sign(picture.astype(int) - 128) == np.sign(W)).all()
        assert sum(size for _, size in head["groups"]) == n == head["held"]
        assert sorted(head["ids"]) == session.trainer.net.ids[0].tolist()
        assert len(message) == 4 + length + n * n + 5 * head["edges"]


# ---- presets


def test_presets_are_what_the_claims_train() -> None:
    """But for what only a run folder has, snapshots and rows, and for the seed of the data."""
    expected = {
        "layered": fully_connected.arms("quick")["layered"],
        "local": locally_connected.arms("quick")[locally_connected.DIGITS],
        "convolutional": convolutional.arms("quick")[convolutional.BOTH],
        "residual": residual.arms("quick")["digits, change 1"],
        "recurrent": recurrent.arms("quick")["depth 0"],
        "grown": grow_urn.arms("quick")["shells, grown"],
    }
    assert set(expected) == set(PRESETS)
    for name, config in expected.items():
        fields = {"snapshots": 0, "log_every": 100}
        strengths = {k: s for k, s in config.strengths.items() if s.value > 0}
        options = {k: v for k, v in config.task_options.items() if k != "data_seed"}
        config = config.replace(**fields, strengths=strengths, task_options=options)
        assert preset_config(name, 0).replace(**fields) == config, name
    assert digits.COMMON["task"] == "digits"


def test_messages_are_bounded() -> None:
    assert read({"do": "dial", "name": "q", "value": 2}).value == 2
    for fields in (
        {"do": "start", "n_neurons": 5000},
        {"do": "start", "n_iterations": 100},
        {"do": "start", "task": "file"},
        {"do": "save", "name": "../x"},
        {"do": "dial", "name": "weight", "value": -1},
        {"do": "dial", "name": "weight", "value": float("nan")},
        {"do": "nothing"},
        {"do": "run", "x": 1},
        {},
    ):
        with pytest.raises(InputError):
            read(fields)
