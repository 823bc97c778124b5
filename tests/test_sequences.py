"""Sequences: an input at every iteration, one answer after the last, and nothing carried over."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import analyse, flat_network
from analysis.causal import lesions
from analysis.export import exact_graph
from analysis.faithful import faithfulness
from analysis.forward import forward
from experiments.commands.export import read_module
from tests import oracles
from urn import Dataset, InputError, TrainConfig, load_run, resume, train
from urn.cli import main
from urn.data.scores import evaluate
from urn.data.tasks import task_options
from urn.data.twins import twin
from urn.network import definition
from urn.network.module import URN
from urn.network.wiring import Wiring
from urn.population import dead
from urn.population.build import build
from urn.population.minimal import minimal_network, network_of
from urn.training.trainer import Trainer

SMALL = {"n_train": 400, "n_validation": 60, "n_test": 60}

QUICK = TrainConfig(
    task="adding",
    task_options=SMALL | {"length": 3},
    n_neurons=20,
    n_iterations=3,
    steps=20,
    batch_size=32,
    log_every=10,
    check_every=5,
    snapshots=2,
)
"""A run of a few hundredths of a second."""


def adding(length: int, **options) -> Dataset:
    return task_options("adding", SMALL | {"length": length} | options).load()


def solution(length: int, spare: int = 0) -> tuple[torch.Tensor, torch.Tensor, Wiring]:
    """W and b that add exactly what is marked, at any length, and their wiring.

    The gate is relu(value + mark - 1), which is the value where it is marked. The sum keeps what it
    holds and adds the gate; the output hears both, for the gate has not reached the sum at the end.
    """
    S = 5 + spare
    gate, total, output = 2, 3, S - 1
    W = torch.zeros(S, S, dtype=torch.float64)
    b = torch.zeros(S, dtype=torch.float64)
    W[gate, 0] = W[gate, 1] = 1.0
    b[gate] = -1.0
    W[total, total] = W[total, gate] = 1.0
    W[output, total] = W[output, gate] = 1.0
    return W, b, Wiring(2, 1, length, "relu", "sequence")


def exact(part) -> tuple[torch.Tensor, torch.Tensor]:
    """A part in float64, with the sum taken again in it."""
    X = part[0].double()
    return X, (X[..., 0] * X[..., 1]).sum(1, keepdim=True)


# ---- the task


@pytest.mark.parametrize("length", [3, 4, 7, 10])
def test_adding_marks_one_step_in_each_half_and_asks_for_their_sum(length):
    data = adding(length)
    assert data.is_sequence
    assert (data.n_inputs, data.n_outputs, data.n_steps) == (2, 1, length)
    for X, y in data.parts:
        value, mark = X[..., 0], X[..., 1]
        assert X.shape == (len(y), length, 2)
        assert y.shape == (len(X), 1)
        assert set(mark.unique().tolist()) == {0.0, 1.0}
        assert (mark[:, : length // 2].sum(1) == 1).all()
        assert (mark[:, length // 2 : -1].sum(1) == 1).all()
        assert not mark[:, -1].any()
        torch.testing.assert_close(y, (value * mark).sum(1, keepdim=True))


def test_the_best_constant_answer_to_adding_leaves_a_sixth():
    y = adding(10, n_train=40_000).train[1].double()
    assert y.mean().item() == pytest.approx(1, abs=0.01)
    assert (y - 1).square().mean().item() == pytest.approx(1 / 6, rel=0.02)


def test_values_are_uniform_and_every_step_but_the_last_is_marked_as_often():
    X, _ = adding(6, n_train=20_000).train
    assert X[..., 0].mean().item() == pytest.approx(0.5, abs=0.01)
    assert X[..., 0].var().item() == pytest.approx(1 / 12, rel=0.03)
    often = [1 / 3] * 3 + [1 / 2] * 2 + [0]
    np.testing.assert_allclose(X[..., 1].mean(0), often, atol=0.02)


# ---- data


def part(*shape: int, real: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.zeros(shape[0], 1) if real else torch.zeros(shape[0], dtype=torch.int64)
    return torch.zeros(shape), y


@pytest.mark.parametrize("real", [True, False])
def test_sequences_are_data_of_both_kinds(real):
    parts = [part(n, 4, 3, real=real) for n in (5, 2, 2)]
    kind = "regression" if real else "classification"
    data = Dataset(*parts, n_outputs=1, kind=kind)
    assert (data.is_sequence, data.n_steps, data.n_inputs) == (True, 4, 3)
    table = Dataset(*[part(n, 3, real=real) for n in (5, 2, 2)], n_outputs=1, kind=kind)
    assert (table.is_sequence, table.n_steps) == (False, 1)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((5, 4, 3), (2, 5, 3), (2, 4, 3)), "validation: X must be (N, 4, 3) as in train"),
        (((5, 4, 3), (2, 4, 3), (2, 3)), "test: X must be (N, 4, 3) as in train"),
        (((5, 3), (2, 4, 3), (2, 3)), "validation: X must be (N, 3) as in train"),
        (((5, 4, 3), (2, 4, 2), (2, 4, 3)), "validation: X must be floating point"),
        (((5, 4, 3, 1), (2, 4, 3, 1), (2, 4, 3, 1)), "train: X must be floating point"),
    ],
)
def test_sequences_that_do_not_fit_are_named(shapes, message):
    with pytest.raises(InputError) as error:
        Dataset(*[part(*shape) for shape in shapes], n_outputs=1, kind="regression")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_answers_to_a_sequence_are_one_a_sample():
    X, _ = part(5, 4, 3)
    with pytest.raises(InputError, match=r"train: y must be floating point of shape \(5, 1\)"):
        Dataset((X, torch.zeros(5, 4)), part(2, 4, 3), part(2, 4, 3), 1, "regression")


def test_random_labels_deal_out_the_sums_and_independent_inputs_the_values():
    data = adding(5)
    X, y = data.train
    changed = twin(data, "random_labels", seed=1)
    assert torch.equal(changed.train[0], X)
    assert torch.equal(changed.train[1].sort(0).values, y.sort(0).values)
    assert not torch.equal(changed.train[1], y)

    apart = twin(data, "independent_inputs", seed=1).train[0]
    assert torch.equal(apart.sort(0).values, X.sort(0).values)
    assert apart[..., 1].sum(1).unique().numel() > 1  # no longer two marks in each
    with pytest.raises(InputError, match="shuffled_positions needs inputs that have places"):
        twin(data, "shuffled_positions")


def test_shuffled_positions_of_a_sequence_deal_out_its_inputs_not_its_steps():
    X = torch.arange(24.0).reshape(2, 3, 4).expand(2, 3, 4)
    parts = [(X.contiguous(), torch.zeros(2, 1))] * 3
    data = Dataset(*parts, n_outputs=1, kind="regression", positions=torch.arange(4.0)[:, None])
    changed = twin(data, "shuffled_positions", seed=3).train[0]
    assert torch.equal(changed.sort(2).values, X.sort(2).values)
    assert not torch.equal(changed, X)


# ---- the network


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_the_definition_equals_a_loop_over_neurons(length, activation, generator):
    wiring = Wiring(3, 2, length, activation, "sequence")
    W = torch.randn(1, 8, 8, generator=generator, dtype=torch.float64)
    b = torch.randn(1, 8, generator=generator, dtype=torch.float64)
    x = torch.randn(1, length, 4, 3, generator=generator, dtype=torch.float64)
    y, N = definition.unroll(W, b, x, wiring)
    assert y.shape == (1, 4, 2)
    assert N.shape == (1, length - 1, 4, 8)

    for sample in range(4):
        expected, states = oracles.sequence(
            W[0].numpy(), b[0].numpy(), x[0, :, sample].numpy(), 2, activation
        )
        np.testing.assert_allclose(y[0, sample], expected, rtol=1e-12, atol=1e-12)
        for l, state in enumerate(states):
            np.testing.assert_allclose(N[0, l, sample], state, rtol=1e-12, atol=1e-12)


def test_a_sequence_of_one_input_is_a_pulse_read_at_once(generator):
    nets = [
        URN(7, 3, 2, 1, input_mode=mode, generator=torch.Generator().manual_seed(2))
        for mode in ("pulse", "sequence")
    ]
    x = torch.randn(5, 3, generator=generator)
    torch.testing.assert_close(nets[0](x), nets[1](x[:, None]))


@pytest.mark.parametrize("length", [3, 4, 10, 60])
def test_two_hidden_neurons_add_at_any_length(length):
    net = network_of(*solution(length))
    X, y = exact(adding(length).test)
    torch.testing.assert_close(net(X), y, rtol=0, atol=1e-12)
    assert evaluate(net, (X, y), "regression").item() == pytest.approx(1, abs=1e-12)


def test_no_state_is_left_for_the_next_sample(generator):
    net = URN(9, 2, 1, 4, input_mode="sequence", generator=generator)
    X = torch.randn(6, 4, 2, generator=generator)
    alone = torch.cat([net(x[None]) for x in X])
    torch.testing.assert_close(net(X), alone)
    torch.testing.assert_close(net(X.flip(0)).flip(0), alone)
    with pytest.raises(InputError, match="state: only a network that reads symbols"):
        net.unroll(X, torch.zeros(1, 6, 9))


def test_a_sequence_of_another_length_is_refused():
    net = URN(9, 2, 1, 4, input_mode="sequence")
    with pytest.raises(InputError, match="x: 5 inputs in a row where n_iterations is 4"):
        net(torch.zeros(6, 5, 2))
    with pytest.raises(InputError, match="x: shape"):
        net(torch.zeros(6, 2))


def test_few_samples_at_a_time_score_as_all_at_once():
    data = adding(6)
    net = URN(20, 2, 1, 6, population=2, input_mode="sequence")
    at_once = evaluate(net, data.test, "regression", entries=1 << 30)
    torch.testing.assert_close(evaluate(net, data.test, "regression", entries=1), at_once)


# ---- first weights


def test_a_small_start_is_he_times_its_scale():
    he, small = (
        build([QUICK.replace(initial_scale=scale)], adding(3), torch.device("cpu")).net.weight
        for scale in (1.0, 0.01)
    )
    torch.testing.assert_close(small, 0.01 * he)
    with pytest.raises(InputError, match="initial_scale"):
        QUICK.replace(initial_scale=0)


def test_a_network_that_carries_explodes_over_many_iterations_unless_it_starts_small():
    """He's weights beside a diagonal of 1: every iteration adds to what is there."""
    config = QUICK.replace(
        task_options=SMALL | {"length": 100},
        n_iterations=100,
        n_neurons=103,
        strengths={"self": 1.0},
        self_target=1.0,
        steps=5,
    )
    assert train(config).status == "diverged"
    assert train(config.replace(initial_scale=0.01)).status == "ok"


# ---- exact reductions


def test_the_minimal_network_of_the_solution_is_the_solution():
    W, b, wiring = solution(10, spare=4)
    W[5, 2] = 1.0  # fires and is not heard
    W[3, 6] = 1.0  # is heard and cannot fire
    b[6] = -1.0
    part = minimal_network(W, b, wiring)
    assert part.ids.tolist() == [0, 1, 2, 3, 8]
    X, y = exact(adding(10).test)
    torch.testing.assert_close(part.network()(X), y, rtol=0, atol=1e-12)


def test_neurons_that_are_heard_too_late_are_left_out():
    """A chain of as many neurons as there are iterations: no input gets through it in time."""
    W = torch.zeros(6, 6, dtype=torch.float64)
    W[1, 0] = W[2, 1] = W[3, 2] = W[4, 3] = W[5, 4] = 1.0
    b = torch.zeros(6, dtype=torch.float64)
    for length, kept in ((4, [0, 5]), (5, [0, 1, 2, 3, 4, 5]), (7, [0, 1, 2, 3, 4, 5])):
        assert minimal_network(W, b, Wiring(1, 1, length, "relu", "sequence")).ids.tolist() == kept


def test_the_minimal_network_answers_as_the_whole(generator):
    W = torch.randn(30, 30, generator=generator, dtype=torch.float64)
    W *= torch.rand(30, 30, generator=generator) < 0.06
    b = torch.randn(30, generator=generator, dtype=torch.float64).clamp_max(0)
    wiring = Wiring(2, 1, 5, "relu", "sequence")
    part = minimal_network(W, b, wiring)
    X = torch.randn(40, 5, 2, generator=generator, dtype=torch.float64)
    assert len(part.ids) < 30
    torch.testing.assert_close(part.network()(X), network_of(W, b, wiring)(X))


def test_the_solution_is_connected_and_its_neurons_are_alive():
    config = QUICK.replace(n_neurons=9, n_iterations=10, task_options=SMALL | {"length": 10})
    population = build([config], adding(10), torch.device("cpu"))
    W, b, _ = solution(10, spare=4)
    population.net.weight.data[0] = W
    population.net.bias.data[0] = b
    alive = dead.alive(population.net, population.optimiser, population.penalties)
    assert alive[0].nonzero().flatten().tolist() == [0, 1, 2, 3, 8]
    assert dead.connected(population.net).item()


def test_training_without_dead_neurons_goes_on_as_it_would_have_with_them():
    config = QUICK.replace(
        steps=60, strengths={"weight": {"value": 0.05, "milestones": [0.5], "factor": 0.1}}
    )
    whole, part = (train(config.replace(remove_dead=remove)) for remove in (False, True))
    assert not part.kept.all()
    torch.testing.assert_close(part.weights, whole.weights * part.kept[:, None] * part.kept)
    torch.testing.assert_close(part.test_accuracy, whole.test_accuracy)


# ---- training


@pytest.mark.parametrize("length", [3, 4, 5])
def test_training_on_short_sequences_beats_the_constant_answer(length):
    config = QUICK.replace(
        task_options=SMALL | {"length": length, "n_train": 2000},
        n_iterations=length,
        n_neurons=33,
        steps=300,
        strengths={"weight": 1e-5},
        learning_rate=5e-3,
    )
    run = train(config)
    assert run.status == "ok"
    assert run.input_mode == "sequence"
    assert run.test_accuracy > 0.5  # the constant answer has 0


def test_a_batch_is_whole_sequences():
    trainer = Trainer([QUICK, QUICK.replace(seed=1)])
    X, _ = trainer.data.train
    x, y, begins = trainer.batches.at(0)
    assert x.shape == (2, 32, 3, 2)
    assert y.shape == (2, 32, 1)
    assert begins
    assert all(any(torch.equal(one, other) for other in X) for one in x[0, :4])
    trainer.run(until=2)
    assert trainer.population.carried is None


def test_a_run_folder_gives_its_network_back(tmp_path):
    run = train(QUICK, tmp_path / "run")
    again = load_run(tmp_path / "run")
    X = adding(3).test[0]
    assert again.input_mode == "sequence"
    assert torch.equal(again.network()(X), run.network()(X))
    assert [name for name in run.history[0] if name.startswith("living_")] == [
        "living_neurons",
        "living_1",
        "living_2",
    ]


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(tmp_path):
    whole = train(QUICK)
    calls = iter(range(1000))
    half = train(QUICK, tmp_path / "run", stop=lambda: next(calls) >= 7)
    assert half.status == "interrupted"
    assert torch.equal(resume(tmp_path / "run").weights, whole.weights)


def test_classes_of_sequences_can_be_learned(generator):
    """Whether the first input or the second is the larger, of three."""
    X = torch.rand(900, 3, 1, generator=generator)
    y = (X[:, 0, 0] > X[:, 1, 0]).long()
    parts = zip(X.split((700, 100, 100)), y.split((700, 100, 100)), strict=True)
    data = Dataset(*parts, n_outputs=2)
    run = train(QUICK.replace(steps=200, strengths={}, learning_rate=5e-3), data=data)
    assert run.test_accuracy > 0.85


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_iterations": 4}, "n_iterations: must be 3, one for each input of a sequence"),
        ({"input_mode": "clamped"}, "input_mode: clamped reads no sequences"),
        ({"input_mode": "elman"}, "input_mode: elman reads no sequences"),
        ({"hidden_positions": "learned"}, "hidden_positions: the task adding has no geometry"),
        ({"task_options": {"length": 2}}, "task_options of adding: length:"),
        ({"task_options": {"length": 1001}}, "task_options of adding: length:"),
    ],
)
def test_what_does_not_fit_sequences_is_one_line(changes, message):
    with pytest.raises(InputError) as error:
        train(QUICK.replace(**changes))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_the_symbols_of_a_stream_are_no_sequences():
    data = task_options("miconi_easy", {"n_streams": 3, "length": 20}).load()
    assert not data.is_sequence
    with pytest.raises(InputError, match="y must be"):
        replace(data, kind="classification")


# ---- the judge


def crew(length: int, n: int, spare: int = 0) -> tuple[torch.Tensor, torch.Tensor, Wiring]:
    """The solution n times over, each gate adding an n-th to a sum of its own."""
    S = 3 + 2 * n + spare
    W = torch.zeros(S, S, dtype=torch.float64)
    b = torch.zeros(S, dtype=torch.float64)
    for gate in range(2, 2 + n):
        total = gate + n
        W[gate, 0] = W[gate, 1] = 1.0
        b[gate] = -1.0
        W[total, total] = 1.0
        W[total, gate] = W[S - 1, gate] = 1 / n
        W[S - 1, total] = 1.0
    return W, b, Wiring(2, 1, length, "relu", "sequence")


@pytest.mark.parametrize("length", [3, 5])
def test_the_judge_computes_what_the_definition_does(length, generator):
    wiring = Wiring(2, 1, length, "relu", "sequence")
    W = torch.randn(9, 9, generator=generator, dtype=torch.float64)
    b = torch.randn(9, generator=generator, dtype=torch.float64)
    X = torch.randn(6, length, 2, generator=generator, dtype=torch.float64)
    trace = forward(flat_network(W.numpy(), b.numpy(), **wiring.to_dict()), X.numpy())
    y, N = definition.unroll(W[None], b[None], X.transpose(0, 1)[None], wiring)
    np.testing.assert_allclose(trace.outputs, y[0], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(trace.activity[1:-1], N[0], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("length", [4, 10])
@pytest.mark.parametrize("on_data", [True, False])
def test_a_network_that_carries_is_recurrent(length, on_data):
    W, b, wiring = crew(length, 8, spare=3)
    inputs = exact(adding(length).validation)[0].numpy() if on_data else None
    report = analyse(
        W.numpy(), b.numpy(), **wiring.to_dict(), inputs=inputs, threshold=0.0, n_null=200
    )
    assert report.verdicts["recurrent"].present
    assert set(report.layer_of) == {*range(18), 21}  # all but the three spare neurons


def test_of_the_smallest_solution_all_hidden_signal_is_used_again():
    """Two neurons are too few for a verdict, whose null model has next to nothing to share out."""
    W, b, wiring = solution(10)
    X, y = exact(adding(10).validation)
    report = analyse(
        W.numpy(), b.numpy(), **wiring.to_dict(), inputs=X.numpy(), threshold=0.0, n_null=200
    )
    assert report.verdicts["recurrent"].effect == pytest.approx(1)
    assert report.layer_of.keys() == {0, 1, 2, 3, 4}

    arrays = (W.numpy(), b.numpy(), X.numpy(), y.numpy(), report)
    whole, cuts = lesions(*arrays, n_random=2, rng=np.random.default_rng(0))
    assert whole == pytest.approx(1)
    assert {cut.name for cut in cuts} >= {"skips", "re-use"}
    assert all(cut.lost > 0.3 for cut in cuts)
    left = faithfulness(*arrays, n_random=2, rng=np.random.default_rng(0))
    assert (left.whole, left.score) == (pytest.approx(1), pytest.approx(1))


@pytest.mark.parametrize("shape", [(5, 2), (5, 4, 2), (5, 3, 1)])
def test_samples_that_are_no_such_sequences_are_named(shape):
    W, b, wiring = solution(3)
    with pytest.raises(ValueError, match=r"inputs must have shape \(any, 3, 2\)"):
        analyse(W.numpy(), b.numpy(), **wiring.to_dict(), inputs=np.zeros(shape))


def test_a_run_is_inspected_page_and_all(tmp_path, capsys):
    train(QUICK.replace(steps=100, strengths={}, learning_rate=5e-3), tmp_path / "run")
    page = tmp_path / "page.html"
    assert main(["inspect", str(tmp_path / "run"), "--html", str(page)]) == 0
    assert "R2" in page.read_text(encoding="utf-8")
    capsys.readouterr()


# ---- what takes networks away


def test_a_sequence_has_no_exact_graph_of_one_input():
    W, b, wiring = solution(4)
    with pytest.raises(ValueError, match="network must have an input that stays the same"):
        exact_graph(flat_network(W.numpy(), b.numpy(), **wiring.to_dict()))


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences") / "run"
    return train(QUICK.replace(steps=100, strengths={"weight": 1e-4}, learning_rate=5e-3), folder)


@pytest.mark.parametrize("to", ["torch", "onnx", "graphml", "gexf"])
def test_an_export_read_back_answers_the_same(to, a_run, tmp_path, capsys):
    if to == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    suffix = "py" if to == "torch" else to
    out = tmp_path / f"adder.{suffix}"
    assert main(["export", str(a_run.folder), "--to", to, "--out", str(out)]) == 0
    assert "read back: outputs differ by at most" in capsys.readouterr().out
    if to == "torch":
        X = adding(3).test[0]
        y = read_module(out)(X)
        torch.testing.assert_close(y, a_run.network()(X))


def test_pruning_refuses_sequences_in_a_line(a_run, tmp_path, capsys):
    out = tmp_path / "pruned"
    asked = ["prune", str(a_run.folder), "--criterion", "magnitude", "--keep", "0.5"]
    assert main([*asked, "--out", str(out)]) != 0
    assert "pruning takes networks with pulse or clamped input" in capsys.readouterr().err
    assert not out.exists()
