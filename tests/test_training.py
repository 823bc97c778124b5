"""Populations equal their members, removal changes nothing, divergence harms nobody else."""

import pytest
import torch

from tests.test_population import KINDS
from urn import InputError, TrainConfig, train_population
from urn.data.scores import evaluate
from urn.data.tasks import Digits
from urn.training.trainer import Trainer

STRENGTHS = {"weight": 1e-3, "activity": 3e-3, "bias": 1e-3, "self": 0.1}


def config(**changes):
    fields = {
        "n_neurons": 120,
        "steps": 200,
        "strengths": STRENGTHS,
        "snapshots": 0,
        "dtype": "float64",
        "log_every": 50,
    }
    return TrainConfig(**{**fields, **changes})


@pytest.fixture(scope="module")
def digits():
    return Digits().load()


def eight(**changes):
    """Eight members with seeds, strengths and hence data orders of their own."""
    return [
        config(
            seed=seed,
            strengths={
                "weight": 5e-4 * 2 ** (seed / 2),
                "activity": 1e-3 * (seed + 1),
                "bias": 1e-3,
                "self": [0.1, 1.0][seed % 2],
                "depth": {"value": 1e-2, "warmup": 50 * (seed + 1)},
            },
            **changes,
        )
        for seed in range(8)
    ]


def test_population_of_8_equals_8_single_runs(digits):
    configs = eight(check_every=20)
    together = train_population(configs, data=digits)
    for one_config, member in zip(configs, together, strict=True):
        alone = train_population([one_config], data=digits)[0]
        torch.testing.assert_close(member.weights, alone.weights, rtol=0, atol=1e-5)
        torch.testing.assert_close(member.biases, alone.biases, rtol=0, atol=1e-5)
        assert torch.equal(member.weights != 0, alone.weights != 0)
        assert member.test_accuracy == alone.test_accuracy
        assert [row["living_neurons"] for row in member.history] == [
            row["living_neurons"] for row in alone.history
        ]
    sizes = [member.history[-1]["living_neurons"] for member in together]
    assert min(sizes) < max(sizes) <= 46  # removal was at work, and members differ in size


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"strengths": {**STRENGTHS, "depth": {"value": 1e-2, "warmup": 50}}},
        {"input_mode": "clamped"},
        {"activation": "tanh", "strengths": {"weight": 3e-3, "bias": 1e-3, "activity": 1e-2}},
        {
            "hidden_positions": "learned",
            "strengths": {**STRENGTHS, "locality": 3e-3},
            "locality_floor": 0.1,
        },
        {"strengths": {**STRENGTHS, "self": 1e-3}, "self_target": 1.0},
    ],
    ids=["plain", "depth", "clamped", "tanh", "locality", "carrying"],
)
def test_removing_dead_neurons_changes_no_living_weight(digits, changes):
    with_removal, without = (
        train_population(
            [config(steps=500, check_every=25, remove_dead=remove, **changes)], data=digits
        )[0]
        for remove in (True, False)
    )
    kept = with_removal.kept
    assert kept.sum() < 120
    block = without.weights[kept][:, kept]
    # Products of other sizes are rounded in another order, which 500 steps carry on: by 1.4e-5 at
    # most on the processors that were tried.
    torch.testing.assert_close(with_removal.weights[kept][:, kept], block, rtol=0, atol=5e-5)
    torch.testing.assert_close(with_removal.biases[kept], without.biases[kept], rtol=0, atol=5e-5)
    assert with_removal.test_accuracy == without.test_accuracy
    for row, other in zip(with_removal.history, without.history, strict=True):
        seen = [
            name for name in row if name.startswith("living_") or name in ("R_activity", "R_depth")
        ]
        assert [row[name] for name in seen] == pytest.approx(
            [other[name] for name in seen], rel=1e-5
        )
    assert not with_removal.weights[~kept].any()
    assert not with_removal.weights[:, ~kept].any()
    # Without removal the dead stay dead: nothing that can fire feeds them.
    assert not without.weights[~kept][:, kept].any()


@pytest.mark.parametrize("shared_step", [True, False])
def test_whole_channels_die_together_and_removal_is_exact_on_a_lattice(digits, shared_step):
    small = {
        "n_neurons": 64 + 3 * 64 + 10,
        "channels": 3,
        "hidden_positions": "lattice",
        "steps": 150,
        "n_iterations": 3,
        "check_every": 10,
        "strengths": {"weight": 3e-3, "activity": 3e-2, "bias": 1e-2, "symmetry": 1e-1},
        "shared_step": shared_step,
    }
    with_removal, without = (
        train_population([config(remove_dead=remove, **small)], data=digits)[0]
        for remove in (True, False)
    )
    kept = with_removal.kept
    channels = kept[64:-10].view(3, 64)
    assert torch.equal(channels.any(1), channels.all(1))
    torch.testing.assert_close(
        with_removal.weights[kept][:, kept], without.weights[kept][:, kept], rtol=0, atol=1e-5
    )


def test_dangling_neurons_are_dropped_only_when_asked(digits):
    plain, pruned = (train_population([config(remove_dangling=n)], data=digits)[0] for n in (0, 2))
    assert pruned.kept.sum() <= plain.kept.sum()
    assert abs(pruned.test_accuracy - plain.test_accuracy) < 0.02


def test_a_diverging_member_keeps_its_last_good_weights_and_harms_nobody(digits):
    calm = config(seed=1, dtype="float32")
    wild = calm.replace(
        seed=2, strengths={**STRENGTHS, "activity": 1e30}
    )  # its square is no float32
    alone = train_population([calm], data=digits)[0]
    first, second = train_population([wild, calm], data=digits)
    assert first.status == "diverged"
    assert torch.isfinite(first.weights).all()
    assert first.weights.any()
    assert first.steps_done < 200
    assert second.status == "ok"
    torch.testing.assert_close(second.weights, alone.weights, rtol=0, atol=1e-5)


def test_snapshots_change_no_number(digits):
    """Looking whether weights are finite, for a snapshot, touches nothing of the training."""
    plain, watched = (train_population([config(snapshots=n)], data=digits)[0] for n in (0, 200))
    assert len(watched.snapshots) == 200
    assert torch.equal(watched.weights, plain.weights)
    assert torch.equal(watched.biases, plain.biases)
    assert watched.history == plain.history


def test_a_member_that_diverges_between_two_checks_leaves_at_its_snapshot(digits, monkeypatch):
    """Nobody has a snapshot that is not finite, and the other member has all of its own."""
    taken = {0: [], 1: []}
    configs = [config(seed=seed, steps=8, snapshots=8, check_every=100) for seed in (0, 1)]
    trainer = Trainer(
        configs, digits, lambda member, snapshot: taken[member.index].append(snapshot)
    )
    step = trainer.optimiser.step

    def diverging_step():
        step()
        if trainer.step == 4:  # the fifth update
            trainer.net.weight.data[1, 70, 70] = torch.inf

    monkeypatch.setattr(trainer.optimiser, "step", diverging_step)
    trainer.run()
    first, second = trainer.members
    assert [snapshot.step for snapshot in taken[0]] == list(range(1, 9))
    assert [snapshot.step for snapshot in taken[1]] == list(range(1, 5))
    assert first.status == "ok"
    assert second.status == "diverged"
    assert second.final.step == 5
    assert second.final.weights.isfinite().all()


def test_too_strong_a_price_disconnects(digits):
    run = train_population([config(strengths={"weight": 10.0}, steps=400)], data=digits)[0]
    assert run.status == "disconnected"


def test_symbol_streams_carry_their_state_and_learn_the_grammar():
    stream = config(
        task="miconi_easy",
        task_options={"n_streams": 20, "length": 400},
        n_neurons=28,
        n_iterations=20,
        activation="tanh",
        batch_size=20,
        steps=300,
        learning_rate=1e-2,
        strengths={"weight": 1e-4},
        dtype="float32",
    )
    run = train_population([stream])[0]
    # After `a` comes `b`, after `(` comes `a`, after `)` comes `(`: only `b` leaves a choice,
    # guessed right 6 times in 10.
    assert run.test_accuracy > 0.8
    assert run.history[-1]["loss"] < 0.5 < run.history[0]["loss"] * 2


def test_regression_is_scored_by_r2():
    from sklearn.metrics import r2_score

    task = {
        "task": "carry",
        "task_options": {"n_train": 2000, "n_validation": 200, "n_test": 500},
        "n_neurons": 60,
    }
    trainer = Trainer([config(**task, strengths={"weight": 1e-4}, steps=300)])
    trainer.run()
    X, y = trainer.data.test
    theirs = r2_score(y.numpy(), trainer.net(X.double()).detach().numpy())
    assert evaluate(trainer.net, trainer.data.test, "regression").item() == pytest.approx(
        theirs, abs=1e-6
    )
    assert theirs > 0.5


def test_the_loss_goes_down_and_digits_are_learned(digits):
    run = train_population([config(dtype="float32", steps=300)], data=digits)[0]
    assert run.test_accuracy > 0.9
    assert run.history[-1]["connections"] < run.history[0]["connections"]


def test_members_differ_in_seed_strengths_learning_rate_and_steps_only():
    with pytest.raises(InputError, match="n_neurons"):
        Trainer([config(), config(n_neurons=121)])
    with pytest.raises(InputError, match="batch_size"):
        Trainer([config(), config(batch_size=3)])

    # A setting that all share, and that falls after a part of the steps.
    falling = {"value": 1.0, "milestones": [0.5]}
    members = [config(self_target=falling, steps=steps) for steps in (10, 20)]
    with pytest.raises(InputError, match="steps"):
        Trainer(members)


RATES = (
    {"value": 5e-4},
    {"value": 2e-3, "warmup": 20},
    {"value": 4e-3, "milestones": [0.5], "factor": 0.1},
)
"""Schedules of three members: low, rising, and falling."""


SHARING = [kind for kind, (base, _) in KINDS.items() if "symmetry" in base.strengths]


@pytest.mark.parametrize(
    ("kind", "options"),
    [*((kind, {}) for kind in KINDS), *((kind, {"shared_step": False}) for kind in SHARING)],
)
def test_members_of_different_learning_rates_equal_single_runs(kind, options):
    """Of learned positions, streams, growth, and a lattice that shares by step or price alone."""
    base, data = KINDS[kind]
    base = base.replace(**options)
    configs = [
        base.replace(seed=seed, steps=60, learning_rate=rate, check_every=20)
        for seed, rate in enumerate(RATES)
    ]
    together = train_population(configs, data=data)
    for of_member, member in zip(configs, together, strict=True):
        alone = train_population([of_member], data=data)[0]
        torch.testing.assert_close(member.weights, alone.weights, rtol=0, atol=1e-5)
        torch.testing.assert_close(member.biases, alone.biases, rtol=0, atol=1e-5)
        assert member.config.learning_rate == of_member.learning_rate

    slowest = train_population([configs[2].replace(learning_rate=RATES[0])], data=data)[0]
    assert (slowest.weights - together[2].weights).abs().max() > 1e-3


LENGTHS = (25, 0, 60, 40, 25)
"""Steps of five members; checks come every 20."""


@pytest.mark.parametrize("kind", KINDS)
def test_members_of_different_steps_equal_single_runs(kind):
    """Weights, rows, snapshots and status: those that leave change nothing for the others."""
    base, data = KINDS[kind]
    falling = {"value": 1e-3, "milestones": [0.5], "factor": 0.1}
    base = base.replace(
        learning_rate={"value": 2e-3, "milestones": [0.7], "factor": 0.2},
        strengths={**base.strengths, "weight": falling},
        **{"check_every": 20, "log_every": 15, "snapshots": 3, "remove_dangling": 2},
    )
    configs = [base.replace(seed=seed, steps=steps) for seed, steps in enumerate(LENGTHS)]
    together = train_population(configs, data=data)

    for of_member, member in zip(configs, together, strict=True):
        alone = train_population([of_member], data=data)[0]
        assert (member.status, member.steps_done) == (alone.status, of_member.steps)
        assert member.config == of_member
        torch.testing.assert_close(member.weights, alone.weights, rtol=0, atol=1e-5)
        torch.testing.assert_close(member.biases, alone.biases, rtol=0, atol=1e-5)
        assert member.test_accuracy == alone.test_accuracy
        for name in ("step", "living_neurons", "connections"):
            assert [row[name] for row in member.history] == [row[name] for row in alone.history]
        assert [moment.step for moment in member.snapshots] == [
            moment.step for moment in alone.snapshots
        ]


def test_a_member_of_fewer_steps_ends_with_the_bits_of_a_single_run(digits):
    """Nothing is dropped here: a population is as large as its largest member, and other sizes
    round otherwise."""
    base = config(dtype="float32", check_every=20, remove_dead=False)
    configs = [base.replace(seed=k, steps=30 + 25 * k) for k in range(3)]
    for of_member, member in zip(configs, train_population(configs, data=digits), strict=True):
        alone = train_population([of_member], data=digits)[0]
        assert torch.equal(member.weights, alone.weights)
        assert torch.equal(member.biases, alone.biases)
        assert member.history == alone.history


@pytest.mark.parametrize("stop", [20, 25, 33])
def test_members_of_different_steps_can_be_resumed(digits, stop):
    """Also from the very step after which one leaves."""
    configs = [config(seed=k, steps=steps) for k, steps in enumerate((25, 60, 40))]
    whole = Trainer(configs, digits)
    whole.run()
    part = Trainer(configs, digits)
    part.run(until=stop)
    resumed = Trainer(configs, digits)
    resumed.load_state_dict(part.state_dict())
    resumed.run()

    assert resumed.step == 60
    for k in (1, 2):
        assert torch.equal(resumed.members[k].final.weights, whole.members[k].final.weights)


def test_who_is_left_goes_on_at_its_own_learning_rate(digits):
    """A member that diverges takes its rate along."""
    calm = config(seed=2, steps=60, learning_rate=1e-3, dtype="float32")
    wild = calm.replace(seed=1, learning_rate=2e-3, strengths={**STRENGTHS, "activity": 1e30})
    together = train_population([wild, calm], data=digits)
    assert together[0].status == "diverged"
    alone = train_population([calm], data=digits)[0]
    torch.testing.assert_close(together[1].weights, alone.weights, rtol=0, atol=1e-5)


def test_snapshots_are_evenly_spread_and_end_at_the_result(digits):
    run = train_population([config(snapshots=4, steps=100)], data=digits)[0]
    assert [moment.step for moment in run.snapshots] == [25, 50, 75, 100]
    assert torch.equal(run.snapshots[-1].weights, run.weights)
    assert run.snapshots[0].weights.shape == (120, 120)
    odd = train_population([config(snapshots=3, steps=100)], data=digits)[0]
    assert [moment.step for moment in odd.snapshots] == [34, 67, 100]
