"""`Population.take` against plain indexing, for every tensor with an axis of members or neurons."""

import pytest
import torch

from tests.test_interruption import LATTICE, STREAM, sites
from urn import Dataset, TrainConfig
from urn.population import growth
from urn.population.minimal import minimal_network
from urn.population.population import AXES, Population, Slots, slots_of, taken
from urn.training.trainer import Trainer

DIGITS = TrainConfig(
    task="digits",
    n_neurons=64 + 20 + 10,
    n_iterations=3,
    steps=40,
    batch_size=16,
    hidden_positions="learned",
    strengths={"weight": 1e-3, "locality": 1e-3, "activity": 1e-3},
    dtype="float64",
)
"""Has positions that learn."""
TABLE = {"start": 6, "reserve": 2, "add_probability": 0.5, "inherit": True}
"""Has ages and wills."""
KINDS: dict[str, tuple[TrainConfig, Dataset | None]] = {
    "learned positions": (DIGITS, None),
    "streams": (STREAM, None),
    "grown": (DIGITS.replace(growth=TABLE), None),
    "lattice": (LATTICE.replace(remove_dead=False), sites()),
}
"""Between them they have every tensor of `AXES`, and every moment there is."""


def population_of(config: TrainConfig, data: Dataset | None) -> Population:
    """Three members after a few steps, so that there are moments and a carried state."""
    configs = [
        config.replace(seed=seed, strengths=config.strengths | {"bias": 1e-3 * (seed + 1)})
        for seed in range(3)
    ]
    trainer = Trainer(configs, data)
    trainer.run(until=7)
    return trainer.population


@pytest.fixture(params=KINDS)
def population(request: pytest.FixtureRequest) -> Population:
    return population_of(*KINDS[request.param])


def everything(population: Population) -> dict[str, tuple[str, torch.Tensor]]:
    """Axes and a copy of every tensor and moment; what orbits share is spread to neurons."""
    tensors = {name: (AXES[name], T.clone()) for name, T in population.tensors().items()}
    for name in ("weight", "bias", "positions"):
        if name not in tensors:
            continue
        for key, moment in population.moments(name).items():
            if key.startswith("shared"):
                moment = population.penalties.settings.group.spread(moment)
            if isinstance(moment, torch.Tensor):
                tensors[f"{name}.{key}"] = (AXES[name], moment.clone())
    return tensors


def picked(
    T: torch.Tensor, axes: str, members: list[int], slots: list[list[int]] | None
) -> torch.Tensor:
    """The same in plain words: element by element along each axis of neurons, zero where -1."""
    result = []

    for row, k in enumerate(members):
        t = T[k]
        for axis, letter in enumerate(axes.split()[1:]):
            if letter in ("i", "j") and slots is not None:
                parts = [
                    t.select(axis, s) if s >= 0 else torch.zeros_like(t.select(axis, 0))
                    for s in slots[row]
                ]
                t = torch.stack(parts, axis)
        result.append(t)
    return torch.stack(result)


def some_slots(population: Population, n_members: int, empty: bool) -> torch.Tensor:
    """All inputs and outputs, and other hidden neurons for each member; empty slots among them.

    On a lattice whole channels, as a symmetry has it.
    """
    net = population.net
    n_hidden = net.hidden.stop - net.hidden.start
    width = net.n_inputs if population.penalties.settings.group is not None else 1
    n_groups = n_hidden // width
    rows = []

    for k in range(n_members):
        groups = torch.arange(n_groups)
        first = groups[groups % 3 != k % 3][: n_groups // 2]
        hidden = (first[:, None] * width + torch.arange(width)).flatten() + net.hidden.start
        if empty and k != 1:
            hidden[-width * (k + 1) :] = -1  # the last ones, so that names still ascend
        ends = torch.arange(net.weight.shape[1])
        rows.append(torch.cat([ends[: net.hidden.start], hidden, ends[net.hidden.stop :]]))
    return torch.stack(rows)


def names_of(population: Population, members: list[int], slots: torch.Tensor) -> torch.Tensor:
    """Names for what is held: those of now, and free ones, ascending, for empty slots."""
    names = []
    for k, row in zip(members, slots, strict=True):
        held = population.ids[k][row.clamp_min(0)].clone()
        empty = (row < 0).nonzero().flatten().tolist()
        last = int(held[empty[0] - 1]) if empty else 0
        for n, slot in enumerate(empty):
            held[slot] = last + 1 + n
        names.append(held)
    return torch.stack(names)


CASES = {
    "members": ([0, 2], False, False),
    "one member": ([1], False, False),
    "neurons": ([0, 1, 2], True, False),
    "both": ([0, 2], True, False),
    "empty slots": ([0, 1, 2], True, True),
    "both, empty slots": ([1, 2], True, True),
}
"""Members that stay, whether neurons are taken too, and whether some slots are empty."""


@pytest.mark.parametrize(("members", "neurons", "empty"), CASES.values(), ids=CASES)
def test_take_is_plain_indexing_of_every_tensor(
    population: Population, members: list[int], neurons: bool, empty: bool
) -> None:
    before = everything(population)
    n_whole = population.idle_checks.shape[1]
    slots = some_slots(population, len(members), empty) if neurons else None
    ids = names_of(population, members, slots) if empty else None
    births = population.birthplaces

    population.take(
        members=torch.tensor(members) if len(members) < 3 else None, neurons=slots, ids=ids
    )
    after = everything(population)

    assert after.keys() == before.keys()
    wanted = None if slots is None else slots.tolist()
    for name, (axes, T) in before.items():
        expected = picked(T, axes, members, wanted)
        if name == "ids" and empty:
            expected = ids
        if name == "positions" and births is not None and slots is not None:
            for row, k in enumerate(members):
                gone = slots[row] < 0
                expected[row, gone] = births[k, ids[row, gone]] if gone.any() else 0
        exact = not name.startswith("weight.shared")  # averaged anew, equal to rounding
        torch.testing.assert_close(
            after[name][1],
            expected,
            rtol=0 if exact else 1e-6,
            atol=0 if exact else 1e-12,
            equal_nan=True,
        )
    assert population.idle_checks.shape == (len(members), n_whole)
    assert population.members.tolist() == members
    assert population.seeds == members  # member k was given seed k


@pytest.mark.parametrize("kind", KINDS)
def test_what_depends_on_members_and_neurons_follows(kind: str) -> None:
    """Group and optimiser are those of what is held, and training goes on."""
    config, data = KINDS[kind]
    trainer = Trainer([config.replace(seed=seed) for seed in range(3)], data)
    trainer.run(until=7)
    population = trainer.population
    population.take(torch.tensor([2]), some_slots(population, 1, False))
    trainer.batches.seeds = population.seeds

    assert population.net.population == 1
    assert [len(of_members) for of_members in population.last_good.values()] == [1] * len(
        population.last_good
    )
    group = population.penalties.settings.group
    if group is not None:
        assert group.n == population.ids.shape[1]
        assert torch.equal(
            group.elements, population._whole_group.restrict(population.ids[0]).elements
        )
    trainer.run(until=10)
    assert trainer.step == 10
    assert population.net.weight.isfinite().all()
    optimised = {id(p) for g in trainer.optimiser.param_groups for p in g["params"]}
    assert {id(p) for p in population.net.parameters()} == optimised


def test_strengths_are_those_of_who_is_left() -> None:
    population = population_of(*KINDS["learned positions"])
    assert torch.equal(
        population.penalties.current["bias"], torch.tensor([1e-3, 2e-3, 3e-3], dtype=torch.float64)
    )
    population.take(members=torch.tensor([0, 2]))
    assert population.penalties.current["bias"].tolist() == [1e-3, 3e-3]
    population.take(members=torch.tensor([1]))
    assert population.penalties.current["bias"] == 3e-3


def test_to_take_everything_changes_nothing(population: Population) -> None:
    before = everything(population)
    n = population.ids.shape[1]
    population.take(torch.arange(3), torch.arange(n).repeat(3, 1))
    for name, (_, T) in everything(population).items():
        if not name.startswith("weight.shared"):
            torch.testing.assert_close(T, before[name][1], rtol=0, atol=0, equal_nan=True)


def test_neurons_that_are_emptied_in_place_leave_no_copy() -> None:
    """Where nothing moves, W stays where it is in memory: it is only written to."""
    population = population_of(*KINDS["learned positions"])
    n = population.ids.shape[1]
    slots = torch.arange(n).repeat(3, 1)
    slots[0, 70] = -1
    address = population.net.weight.data_ptr()
    ids = population.ids
    population.take(neurons=slots, ids=ids)
    assert population.net.weight.data_ptr() == address
    assert not population.net.weight[0, 70].any()
    assert not population.net.weight[0, :, 70].any()
    assert population.net.weight[1, 70].any()
    assert torch.equal(ids, torch.arange(n).repeat(3, 1))


def test_a_population_shrinks_to_its_largest_member() -> None:
    """Smaller members keep dead neurons as filling, in their order, and inputs and outputs stay."""
    population = population_of(*KINDS["learned positions"])
    before = everything(population)
    hold = torch.zeros_like(population.ids, dtype=torch.bool)
    for k, n in enumerate((3, 5, 1)):
        hold[k, 66 : 66 + n] = True

    population.compact(hold)

    assert population.ids[1].tolist() == [*range(64), *range(66, 71), *range(84, 94)]
    assert population.ids[0].tolist() == [*range(64), 64, 65, 66, 67, 68, *range(84, 94)]
    assert population.ids[2].tolist() == [*range(64), 64, 65, 66, 67, 68, *range(84, 94)]
    assert not population.net.weight[0, 64:66].any()
    assert population.net.weight[0, 66:69].any()
    i = population.ids[0, 66:69]
    assert torch.equal(population.net.weight[0, 66:69, 66:69], before["weight"][1][0, i][:, i])
    assert not population.last_good


def test_a_newborn_comes_into_its_slot_and_nothing_else_changes() -> None:
    population = population_of(*KINDS["grown"])
    free = ~growth.inhabited(population)
    free[:, : population.net.n_inputs] = False
    free[:, population.net.outputs] = False
    newborn = free & (free.cumsum(1) == 1)
    before = population.net.weight.detach().clone()
    n = population.ids.shape[1]
    rows, columns = torch.rand(2, 3, n, dtype=torch.float64)

    population.insert(newborn, rows, columns, second_moment=0.25)

    W = population.net.weight.detach()
    for k in range(3):
        j = int(newborn[k].nonzero())
        assert torch.equal(W[k, :, j], columns[k])
        others = torch.arange(n) != j
        assert torch.equal(W[k, j, others], rows[k, others])
        assert torch.equal(W[k][others][:, others], before[k][others][:, others])
        born_at = population.birthplaces[k, population.ids[k, j]]
        assert torch.equal(population.net.positions[k, j], born_at)
        assert population.moments("weight")["exp_avg_sq"][k, j].eq(0.25).all()
        assert population.moments("bias")["exp_avg_sq"][k, j] == 0.25


def test_a_matrix_larger_than_a_chunk_of_rows() -> None:
    """It is gathered a few rows at a time."""
    n = 700
    m = 600
    T = torch.arange(2 * n * n).view(2, n, n)
    index = torch.stack(
        [torch.randperm(n, generator=torch.Generator().manual_seed(k))[:m] for k in (0, 1)]
    )
    index[1, 17] = -1
    result = taken(T, "k i j", None, Slots(index, n))
    for k in (0, 1):
        expected = T[k][index[k].clamp_min(0)][:, index[k].clamp_min(0)]
        expected[index[k] < 0] = 0
        expected[:, index[k] < 0] = 0
        assert torch.equal(result[k], expected)


def test_slots_of_neurons_by_their_names() -> None:
    held = torch.tensor([[0, 2, 3, 7], [1, 2, 5, 9]])
    ids = torch.tensor([[0, 3, 4, 8], [0, 2, 9, 10]])
    assert slots_of(held, ids).tolist() == [[0, 2, -1, -1], [-1, 1, 3, -1]]


def test_what_was_measured_before_a_check_follows_too() -> None:
    """Of members and neurons that are gone nothing is left, of those that are new it is zero."""
    population = population_of(*KINDS["learned positions"])
    members = population.members
    ids = population.ids
    n = torch.rand(3, 2, ids.shape[1])
    population.take(torch.tensor([0, 2]), some_slots(population, 2, False))
    now = population.follow(n, "k l i", members, ids)
    for row, k in enumerate((0, 2)):
        assert torch.equal(now[row], n[k][:, population.ids[row]])


def test_a_snapshot_of_a_network_that_grows_holds_no_empty_slot() -> None:
    population = population_of(*KINDS["grown"])
    snapshot = population.snapshot(1)
    assert len(snapshot.ids) < population.ids.shape[1]
    W, b = population.net.full()
    assert torch.equal(snapshot.weights, W[1])
    assert torch.equal(snapshot.biases, b[1])


def test_a_minimal_network_is_plain_indexing_too() -> None:
    from urn import train

    run = train(DIGITS.replace(strengths={"weight": 3e-2}, steps=200))
    small = minimal_network(run.weights, run.biases, run.wiring)
    assert len(small.ids) < len(run.biases)
    assert torch.equal(small.weights, run.weights[small.ids][:, small.ids])
    assert torch.equal(small.biases, run.biases[small.ids])
