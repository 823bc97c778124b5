"""Births and deaths: what they leave untouched and what bounds them; interruptions do not show."""

import numpy as np
import pytest
import torch

from tests.conftest import after
from urn import URN, InputError, TrainConfig, load_run, resume, train, train_population
from urn.optimiser.rmsprop import ClippedRMSProp
from urn.population import growth
from urn.settings.config import GrowthRule
from urn.training.trainer import Trainer

LIVELY = {
    "cap": 12,
    "reserve": 2,
    "add_probability": 0.1,
    "delete_probability": 0.3,
    "spontaneous_probability": 0.1,
}
"""Many births and deaths in few updates."""


def symbols(**changes) -> TrainConfig:
    """The recurrent network of the paper, short."""
    fields = {
        "task": "miconi_easy",
        "task_options": {"n_streams": 4, "length": 400},
        "input_mode": "elman",
        "activation": "tanh",
        "n_neurons": 30,
        "n_iterations": 10,
        "batch_size": 1,
        "steps": 120,
        "learning_rate": 1e-2,
        "optimiser": "rmsprop",
        "betas": (0, 0.99),
        "strengths": {"outgoing": 1e-4},
        "growth": LIVELY,
        "dtype": "float64",
        "check_every": 10,
        "log_every": 20,
        "snapshots": 2,
    }
    return TrainConfig(**{**fields, **changes})


def shells(**changes) -> TrainConfig:
    """A feed-forward network of ReLU neurons with places, short."""
    fields = {
        "task": "digits",
        "n_neurons": 64 + 40 + 10,
        "n_iterations": 3,
        "batch_size": 16,
        "steps": 120,
        "hidden_positions": "learned",
        "strengths": {"weight": 1e-3, "activity": 1e-3, "locality": 1e-3},
        "growth": {
            **LIVELY,
            "newborn_scale": 0.3,
            "newborn_norm": 0.9,
            "inherit": True,
            "spare": "gradient",
            "youth": 5,
        },
        "dtype": "float64",
        "check_every": 10,
        "log_every": 20,
        "snapshots": 2,
    }
    return TrainConfig(**{**fields, **changes})


CONFIGS = {
    "streams": symbols(),
    "pulse": shells(),
    "young": symbols(growth={**LIVELY, "spare": "young"}),
}


@pytest.fixture(params=CONFIGS)
def config(request) -> TrainConfig:
    return CONFIGS[request.param]


def by_id(trainer: Trainer, k: int) -> dict[str, torch.Tensor]:
    """Everything known of the k-th network at full size, so that slots do not matter."""
    net, held = trainer.net, {}
    for name in ("weight", "bias"):
        parameter = getattr(net, name)
        for key, T in {"": parameter.data, **trainer.optimiser.state[parameter]}.items():
            if isinstance(T, torch.Tensor):
                whole = T.new_zeros(net.n_neurons, *([net.n_neurons] if name == "weight" else []))
                i = net.ids[k]
                whole[(i[:, None], i) if name == "weight" else i] = T[k]
                held[f"{name}.{key}"] = whole
    return held


def trained(config: TrainConfig, steps: int = 40) -> Trainer:
    trainer = Trainer([config.replace(seed=seed) for seed in (1, 2, 3)])
    trainer.run(until=steps)
    return trainer


def test_an_elman_network_equals_its_formula_and_its_gradients(generator):
    """Against plain loops and autograd, state carried in, gradients into everything there is."""
    K, S, d_in, d_out, I, B = 2, 9, 3, 2, 5, 4
    net = URN(
        S,
        d_in,
        d_out,
        I,
        population=K,
        activation="tanh",
        input_mode="elman",
        generator=generator,
        dtype=torch.float64,
    )
    x = torch.rand(K, B, I, d_in, generator=generator, dtype=torch.float64, requires_grad=True)
    state = torch.rand(K, B, S, generator=generator, dtype=torch.float64, requires_grad=True)
    weigh = torch.rand(K, B, I, d_out, generator=generator, dtype=torch.float64)

    y, activity = net.unroll(x, state)
    loss = (y * weigh).sum() + activity.n.square().sum() + (activity.N[:, -1] ** 3).sum()
    inputs = (net.weight, net.bias, x, state)
    ours = torch.autograd.grad(loss, inputs)

    hidden, h, outputs, spoken = net.hidden, state[..., net.hidden], [], []
    for t in range(I):
        heard = x[:, :, t] @ net.weight[:, hidden, :d_in].mT + h @ net.weight[:, hidden, hidden].mT
        h = torch.tanh(heard + net.bias[:, None, hidden])
        outputs.append(h @ net.weight[:, net.outputs, hidden].mT + net.bias[:, None, net.outputs])
        spoken.append(h)
    plain = (torch.stack(outputs, 2) * weigh).sum() + (h**3).sum()
    plain = plain + torch.stack([h.abs().mean(1) for h in spoken], 1).square().sum()
    torch.testing.assert_close(y, torch.stack(outputs, 2))
    for one, other in zip(ours, torch.autograd.grad(plain, inputs), strict=True):
        torch.testing.assert_close(one, other)
    assert not net.weight.detach()[:, :d_in].any()


def test_clipped_rmsprop_step_by_hand():
    w = torch.nn.Parameter(torch.tensor([1.0, 0.5, -0.5, 0.001]))
    optimiser = ClippedRMSProp(
        [{"params": [w], "price": 1e-2}], lr=0.1, decay=0.9, eps=1e-2, clip=0.05
    )
    w.grad = torch.tensor([1.0, 0.1, -0.1, 0.0])
    optimiser.step()
    # v = 0.1, 0.001, 0.001, 0; steps 0.1 / sqrt(0.11) = 0.30 -> 0.05 and
    # 0.01 / sqrt(0.011) = 0.0953 -> 0.05; then 0.01 off.
    torch.testing.assert_close(w.detach(), torch.tensor([0.94, 0.44, -0.44, 0.0]))
    w.grad = torch.tensor([0.0, 0.001, 0.0, 0.0])
    optimiser.step()
    step = 0.1 * 0.001 / (0.9 * 0.001 + 0.1 * 1e-6 + 1e-2) ** 0.5
    torch.testing.assert_close(w.detach(), torch.tensor([0.93, 0.43 - step, -0.43, 0.0]))


def test_it_starts_with_one_neuron_grows_and_members_differ_in_size(config):
    trainer = Trainer([config.replace(seed=seed) for seed in range(4)])
    assert trainer.count_alive().tolist() == [1] * 4
    sizes, differed = set(), False
    while trainer.step < config.steps:
        trainer.run(until=trainer.step + 1)
        now = trainer.count_alive()
        sizes |= set(now.tolist())
        differed |= len(set(now.tolist())) > 1
        assert int(now.max()) <= config.growth.cap
    assert len(sizes) > 3
    assert differed
    grown = trainer.members[0].history
    assert grown[-1]["living_neurons"] > 1


def test_the_cap_holds_and_is_reached():
    greedy = symbols(
        growth={
            "cap": 5,
            "add_probability": 1.0,
            "spontaneous_probability": 1.0,
            "delete_probability": 0.0,
        }
    )
    trainer = trained(greedy)
    assert trainer.count_alive().tolist() == [5, 5, 5]
    full = symbols(
        n_neurons=8 + 3, growth={"spontaneous_probability": 1.0, "delete_probability": 0.0}
    )
    assert trained(full).count_alive().tolist() == [3, 3, 3]


@pytest.mark.parametrize("norm", [0.0, 1e-3, 1.0])
def test_a_newborn_leaves_the_function_unchanged_up_to_its_threshold_weight(config, norm):
    table = {
        **config.to_dict()["growth"],
        "newborn_norm": norm,
        "add_probability": 0.0,
        "spontaneous_probability": 0.0,
    }
    trainer = trained(config.replace(growth=table))
    net, population = trainer.net, trainer.population
    x, _, _ = trainer.batches.at(trainer.step)
    before = net.unroll(x)[0].detach()
    rule = trainer.rule.model_copy(
        update={"spontaneous_probability": 1.0, "delete_probability": 0.0}
    )
    sizes = trainer.count_alive()
    growth.grow(population, rule)
    assert torch.equal(trainer.count_alive(), sizes + 1)
    change = (net.unroll(x)[0].detach() - before).abs().max()
    assert change <= 50 * norm * rule.threshold
    assert change > 0 or norm == 0
    # As loud as asked: the outgoing norm of a newborn is newborn_norm thresholds.
    newborn = population.born.gather(1, net.ids) == trainer.step
    loud = growth.outgoing_norms(net, net.weight.data, growth.inhabited(population))[newborn]
    torch.testing.assert_close(loud, torch.full_like(loud, norm * rule.threshold))


def test_births_and_deaths_keep_every_survivor_and_its_optimiser_state(config):
    trainer = trained(config)
    for _ in range(20):
        trainer.run(until=trainer.step + 1)  # so that something changes before the next decision
        before = [by_id(trainer, k) for k in range(3)]
        lived = trainer.population.born >= 0
        growth.grow(trainer.population, trainer.rule)
        trainer.grown_at = trainer.step
        lives = trainer.population.born >= 0
        for k in range(3):
            now, ends = by_id(trainer, k), torch.ones(trainer.net.n_neurons, dtype=torch.bool)
            ends[trainer.net.n_inputs : -trainer.net.n_outputs] = False
            stayed, gone = ends | (lived[k] & lives[k]), lived[k] & ~lives[k]
            for name, T in now.items():
                both = stayed[:, None] & stayed if T.dim() == 2 else stayed
                assert torch.equal(T[both], before[k][name][both])
                assert not T[gone].any()
                if name != "weight.":
                    newborn = lives[k] & ~lived[k]
                    assert not T[newborn].any()


def test_empty_slots_stay_empty(config):
    trainer = trained(config, 60)
    free = ~growth.inhabited(trainer.population)
    free[:, : trainer.net.n_inputs] = free[:, trainer.net.outputs] = False
    assert free.any()
    for k in range(3):
        assert not trainer.net.weight[k, free[k]].any()
        assert not trainer.net.weight[k][:, free[k]].any()
        assert not trainer.net.bias[k, free[k]].any()


def test_a_member_grows_as_it_would_alone(config):
    together = train_population([config.replace(seed=seed) for seed in (1, 2, 3)])
    for member in together:
        alone = train_population([member.config])[0]
        assert torch.equal(member.kept, alone.kept)
        torch.testing.assert_close(member.weights, alone.weights, rtol=0, atol=1e-8)
        assert [row["living_neurons"] for row in member.history] == [
            row["living_neurons"] for row in alone.history
        ]


def test_resuming_in_the_midst_of_growth_is_bit_identical(tmp_path, config):
    whole = train(config, tmp_path / "whole")
    train(config, tmp_path / "broken", stop=after(37))
    assert load_run(tmp_path / "broken").status == "interrupted"
    train_again = resume(tmp_path / "broken", stop=after(25))
    assert train_again.steps_done == 62
    broken = resume(tmp_path / "broken")
    for name in ("weights", "biases", "kept"):
        assert torch.equal(getattr(whole, name), getattr(broken, name))
    assert (tmp_path / "whole" / "history.csv").read_bytes() == (
        tmp_path / "broken" / "history.csv"
    ).read_bytes()
    assert whole.kept.sum() == whole.config.n_neurons - (~whole.kept).sum()
    assert whole.kept.sum() < config.n_neurons  # empty slots are not part of the result


def test_growth_goes_on_from_a_trained_network_and_can_be_interrupted_there_too(tmp_path, config):
    """From task to task: the neurons it kept live on, and a resumed run ends with the same bits."""
    first = train_population([config])[0]
    trainer = Trainer([config], start=[first])
    assert (
        int(trainer.count_alive())
        == int(first.kept.sum()) - trainer.net.n_inputs - trainer.net.n_outputs
    )
    W, b = trainer.net.full()
    assert torch.equal(W[0], first.weights)
    assert torch.equal(b[0], first.biases)
    whole = train(config, tmp_path / "whole", start=first)
    train(config, tmp_path / "broken", start=first, stop=after(33))
    broken = resume(tmp_path / "broken")
    assert torch.equal(whole.weights, broken.weights)
    assert torch.equal(whole.kept, broken.kept)


def test_fixed_size_is_growth_without_births_and_deaths():
    none = {"start": 7, "add_probability": 0, "delete_probability": 0, "spontaneous_probability": 0}
    assert trained(symbols(growth=none)).count_alive().tolist() == [7, 7, 7]


def test_newborns_hear_what_the_last_dead_heard():
    rule = {**LIVELY, "inherit": True, "newborn_scale": 0.0}
    trainer = trained(symbols(growth=rule), 30)
    net, population = trainer.net, trainer.population
    assert "will" in trainer.state_dict()  # what checkpoints call the inheritance
    alive = growth.inhabited(population)
    dead = alive & (torch.cumsum(alive, 1) == 1)
    heard = [net.weight.data[k][dead[k]][0, : net.n_inputs].clone() for k in range(3)]
    growth.bury(population, dead)
    rule = trainer.rule.model_copy(
        update={"spontaneous_probability": 1.0, "delete_probability": 0.0}
    )
    growth.grow(population, rule)
    newborn = population.born.gather(1, net.ids) == trainer.step
    for k in range(3):
        assert torch.equal(net.weight.data[k][newborn[k]][0, : net.n_inputs], heard[k])


@pytest.mark.parametrize(
    ("changes", "culprit"),
    [
        ({"growth": {"reserv": 1}}, r"growth\.reserv: unknown key"),
        ({"growth": {"add_probability": 1.5}}, r"growth\.add_probability"),
        ({"growth": {"start": 0}}, r"growth\.start"),
        ({"growth": {"spare": "best"}}, r"growth\.spare"),
        ({"growth": 3}, "growth"),
        ({"clip": 0}, "clip"),
        ({"strengths": {"self": 1.0}}, "optimiser: rmsprop"),
    ],
)
def test_a_wrong_table_is_refused(changes, culprit):
    with pytest.raises(InputError, match=culprit):
        symbols(**changes)


@pytest.mark.parametrize(
    ("config", "culprit"),
    [
        (symbols(growth={"cap": 23}), r"growth\.cap: 23 hidden neurons where n_neurons leaves 22"),
        (symbols(growth={"start": 9, "cap": 8}), r"growth\.start: 9"),
        (shells(input_mode="elman"), "input_mode: elman reads streams"),
    ],
)
def test_what_does_not_fit_the_task_is_refused(config, culprit):
    with pytest.raises(InputError, match=culprit):
        Trainer([config])


def test_a_checkpoint_with_foreign_ages_is_refused():
    trainer = trained(symbols(), 20)
    state = trainer.state_dict()
    born = state["born"].clone()
    born[:, 0] = 3
    fresh = Trainer([symbols(seed=seed) for seed in (1, 2, 3)])
    with pytest.raises(InputError, match="born"):
        fresh.load_state_dict(state | {"born": born})
    fresh.load_state_dict(state)


def decided(norms: list[float], rule: dict, chance: float = 0.5, born: list[int] | None = None):
    """Of one member with one input, one output and four hidden neurons, at step 10."""
    ids = torch.arange(6)[None]
    born = torch.tensor([[-1, *(born or [0, 0, 0, 0]), -1]])
    uniform = np.full((1, 2 + 2 * 6), chance)
    norms = torch.tensor([[0.0, *norms, 0.0]])
    rule = GrowthRule(**{"cap": 4, "threshold": 0.5, **rule})
    dies, births = growth.decide(rule, norms, born, ids, uniform, 10)
    return dies[0, 1:5].tolist(), bool(births[0])


def test_who_dies_and_who_is_born_by_hand():
    certain = {"delete_probability": 1.0, "add_probability": 1.0, "spontaneous_probability": 0.0}
    no, yes = False, True
    # Three are weak, two are spared: by age, the youngest, or the oldest. The strong one stays.
    young = certain | {"reserve": 2, "spare": "young"}
    assert decided([0.1, 0.9, 0.2, 0.3], young, born=[3, 1, 7, 9]) == ([yes, no, no, no], no)
    old = certain | {"reserve": 2, "spare": "old"}
    assert decided([0.1, 0.9, 0.2, 0.3], old, born=[3, 1, 7, 9]) == ([no, no, no, yes], no)
    # A newborn cannot die, nor can one without the chance.
    assert decided([0.1, 0.9, 0.2, 0.3], old | {"youth": 2}, born=[3, 1, 7, 9]) == ([no] * 4, no)
    assert decided([0.1] * 4, old | {"delete_probability": 0.5}) == ([no] * 4, no)
    # The reserve is too small: one is born, if the cap and the chance allow.
    assert decided([0.9] * 4, certain, born=[0, 0, 0, -1]) == ([no] * 4, yes)
    assert decided([0.9] * 4, certain) == ([no] * 4, no)
    assert decided([0.9] * 4, certain | {"add_probability": 0.5}, born=[0, 0, 0, -1])[1] is False
    # A death makes room for a birth of its own accord.
    crowded = certain | {"reserve": 3, "spontaneous_probability": 1.0}
    dies, birth = decided([0.1] * 4, crowded)
    assert (sum(dies), birth) == (1, yes)


def test_what_chance_says_depends_on_seed_and_step_alone():
    together, alone = growth.chances([3, 4], 1234, 50), growth.chances([4], 1234, 50)
    assert together.shape == (2, 102)
    assert np.array_equal(together[1], alone[0])
    assert not np.array_equal(together[0], growth.chances([3, 4], 1235, 50)[0])
