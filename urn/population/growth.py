"""Networks whose size follows the gradient: hidden neurons are born and die while training runs.

A neuron that dies by this rule need not be dead as `urn.population.dead` has it: it may still fire,
and is emptied all the same. The slots between birth and burial are called inhabited.

The rule of Miconi 2016. A price on outgoing weights makes neurons fade that no other uses. Those
below a threshold are the reserve: a few are kept, each further one dies with some probability;
when the reserve runs out, a neuron is born. In a flat matrix a birth is a row and a column in a
free slot, and a death is emptying them. Empty slots take part in every product and get no
gradient, so they stay empty, and members of different size share one tensor; slots are added and
taken away in blocks.

`decide` says who dies and where a neuron is born, `wire` which weights newborns get: functions of
weights, seed and step, so that nothing but the ages of neurons need be saved to resume. `start`,
`grow` and `trim` apply them to a population.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from urn.errors import InputError
from urn.network.module import URN
from urn.population.population import Population
from urn.settings.config import GrowthRule

SPARE_SLOTS = 8
"""Free slots made when none is left (by judgement), so that tensors seldom change their size."""
NUMBERS_AT_ONCE = 1 << 15
"""Random numbers drawn together (by judgement): a generator of its own for every step is slower."""


def decide(
    rule: GrowthRule,
    norms: Tensor,
    born: Tensor,
    ids: Tensor,
    uniform: np.ndarray,
    step: int,
    wanted: Tensor | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Who dies and which members get a neuron after `step` updates.

    Parameters
    ----------
    rule : GrowthRule
        Its `cap` must be a number.
    norms : (K, n) tensor
        Outgoing norm of every neuron held, see `outgoing_norms`.
    born : (K, n) tensor
        The update it was born after, -1 where the slot is not inhabited.
    ids : (K, n) tensor
        Which of the S neurons it is.
    uniform : (K, 2 + 2 S) array
        Numbers in [0, 1), see `chances`.
    step : int
        Updates made.
    wanted : (K, n) tensor, optional
        Outgoing norm of the mean gradient, for `rule.spare = "gradient"`.

    Returns
    -------
    dies : (K, n) boolean array
    births : (K,) boolean array
        Whether a neuron is to be born.
    """
    inhabited = born >= 0
    weak = (inhabited & (norms <= rule.threshold)).cpu().numpy()
    count = weak.sum(1)

    # A birth fills the reserve, or comes of itself.
    births = (count < rule.reserve) & (uniform[:, 0] < rule.add_probability)
    births |= uniform[:, 1] < rule.spontaneous_probability

    dies = np.zeros_like(weak)
    if (count > rule.reserve).any():
        dies = _dying(
            rule, weak, born.cpu().numpy(), ids.cpu().numpy(), uniform[:, 2:], step, wanted
        )
    if births.any():
        assert rule.cap is not None
        births &= inhabited.sum(1).cpu().numpy() - dies.sum(1) < rule.cap
    return dies, births


def _dying(
    rule: GrowthRule,
    weak: np.ndarray,
    born: np.ndarray,
    ids: np.ndarray,
    uniform: np.ndarray,
    step: int,
    wanted: Tensor | None,
) -> np.ndarray:
    """Who of the weak dies, `(K, n)`. Chance holds two numbers for each of the S neurons."""
    S = uniform.shape[1] // 2
    # Neurons with a small key are spared first. Chance decides among equals.
    key = np.take_along_axis(uniform[:, :S], ids, 1)
    if rule.spare == "young":
        key = key + (step - born)
    elif rule.spare == "old":
        key = key + born
    elif rule.spare == "gradient" and wanted is not None:
        key = -wanted.cpu().numpy()

    # The rank of every neuron by its key; those that are not weak come last.
    rank = np.argsort(np.argsort(np.where(weak, key, np.inf), 1), 1)
    drawn = np.take_along_axis(uniform[:, S:], ids, 1) < rule.delete_probability
    return weak & (rank >= rule.reserve) & drawn & (step - born >= rule.youth)


def wire(
    rule: GrowthRule,
    net: URN,
    newborn: Tensor,
    inhabited: Tensor,
    inheritance: Tensor | None,
    seeds: Sequence[int],
    step: int,
) -> tuple[Tensor, Tensor]:
    """Weights of newborns.

    Parameters
    ----------
    rule : GrowthRule
    net : URN
        The population; its sizes, ids and input mode are read.
    newborn, inhabited : (K, n) boolean tensors
        The m slots of newborns; all slots of hidden neurons, those of newborns included.
    inheritance : (K, S) tensor or None
        Incoming weights of the last neuron that died, which newborns inherit.
    seeds : sequence of int
        Of the members.
    step : int
        Updates made.

    Returns
    -------
    incoming, outgoing : (m, n) tensors
        Rows and columns of W, in the order of `newborn.nonzero()`. The outgoing norm of a newborn
        is `rule.newborn_norm` thresholds.
    """
    W = net.weight.detach()
    first = min(net.acting.start, net.n_inputs)  # neurons before it take nothing from a newborn
    others = inhabited.clone()
    others[:, : net.n_inputs] = True
    n_others = others.sum(1).tolist()
    norm = rule.newborn_norm * rule.threshold

    incoming = []
    outgoing = []
    for k, j in newborn.nonzero().tolist():
        ids = net.ids[k].cpu()
        normal = _normal_numbers(seeds[k], step, ids, int(ids[j]), net.n_neurons).to(W)
        received, sent = normal.unbind()  # (n,) each

        # Its row of W: small weights from all that there are, on top of what it inherits.
        row = rule.newborn_scale * received * others[k]
        if inheritance is not None:
            row += inheritance[k, ids].to(W) * others[k]

        # Weights to outputs and to other neurons have the same share in the outgoing norm.
        column = sent * others[k]
        column[:first] = 0
        column *= norm * (n_others[k] - first) / net.n_outputs / column.abs().sum()
        to_outputs = sent[net.outputs]
        column[net.outputs] = to_outputs * (norm / to_outputs.abs().sum())

        incoming.append(row)
        outgoing.append(column)
    return torch.stack(incoming), torch.stack(outgoing)


def _normal_numbers(seed: int, step: int, ids: Tensor, neuron: int, S: int) -> Tensor:
    """What a newborn draws for weights from and to the neurons held, `(2, n)`."""
    numbers = np.random.default_rng([seed, step, 1 + neuron]).standard_normal((2, S))
    return torch.from_numpy(numbers)[:, ids]


def outgoing_norms(net: URN, T: Tensor, inhabited: Tensor) -> Tensor:
    """Outgoing norm of every neuron held, of weights or of anything of their shape, `(K, n)`.

    That of neuron j is (sum_i |W_ij| over outputs + d_out mean_i |W_ij| over the others) / 2.
    """
    T = T.abs()
    others = slice(min(net.acting.start, net.n_inputs), net.hidden.stop)
    # Where inputs take weights from hidden neurons, they count among the others.
    n = inhabited.sum(1, keepdim=True) + net.n_inputs - others.start
    return (T[:, net.outputs].sum(1) + net.n_outputs * T[:, others].sum(1) / n) / 2


def chances(seeds: Sequence[int], step: int, S: int) -> np.ndarray:
    """Numbers in [0, 1) of every member at a step, `(K, 2 + 2 S)`."""
    n_steps = max(1, NUMBERS_AT_ONCE // (2 + 2 * S))
    block, row = divmod(step, n_steps)
    return _block_of_chances(tuple(seeds), block, n_steps, S)[row]


@lru_cache(maxsize=4)
def _block_of_chances(seeds: tuple[int, ...], block: int, n_steps: int, S: int) -> np.ndarray:
    """The numbers of `n_steps` steps in a row, `(n_steps, K, 2 + 2 S)`."""
    numbers = [
        np.random.default_rng([seed, block, 0]).random((n_steps, 2 + 2 * S)) for seed in seeds
    ]
    return np.stack(numbers, 1)


# ---- the same, of a population


def inhabited(population: Population) -> Tensor:
    """Which slots hold a hidden neuron that was born and is not buried, `(K, n)` boolean."""
    return _births_of_held(population) >= 0


def _births(population: Population) -> Tensor:
    """The update that each of the S neurons was born after, `(K, S)`; -1 where not inhabited."""
    assert population.born is not None, "a population that does not grow"
    return population.born


def _births_of_held(population: Population) -> Tensor:
    """The same of every slot, `(K, n)`."""
    return _births(population).to(population.device).gather(1, population.ids)


def start(population: Population, rule: GrowthRule, held: Tensor | None = None) -> GrowthRule:
    """Cut a population at full size down to those hidden neurons that are to live from the start.

    Parameters
    ----------
    population : Population
        No update must have been made.
    rule : GrowthRule
    held : (K, S) boolean tensor, optional
        The neurons to start with where networks are trained ones; else the first `rule.start`.

    Returns
    -------
    GrowthRule
        The rule with a number for its cap.

    Raises
    ------
    InputError
        When more are to live than S, or the cap, allows.
    """
    net = population.net
    K, S = population.ids.shape
    rule, cap = _with_cap(rule, S - net.n_inputs - net.n_outputs)
    hidden = torch.zeros(S, dtype=torch.bool)
    hidden[net.hidden] = True
    if held is None:
        first = torch.arange(S) < net.n_inputs + rule.start
        lives = (first & hidden).expand(K, S)
    else:
        lives = held.cpu() & hidden
    most = int(lives.sum(1).max())
    if most > cap:
        raise InputError(
            f"growth.cap: {cap} hidden neurons where the network to start from has {most}"
        )

    # Neurons that are not born yet will need a position when they are.
    for positions in population.tensors(["positions"]).values():
        population.birthplaces = positions.clone()
    population.born = torch.where(lives, 0, -1)
    if rule.inherit:
        population.inheritance = torch.zeros(K, S, dtype=net.weight.dtype)
    # The first neurons of a new network are wired as newborns are, so their slots are emptied too.
    vacant = hidden.expand(K, S) if held is None else hidden & ~lives
    population.empty(vacant.to(population.device))
    _hold_slots(population, most + 1)
    if held is None:
        _bear(population, rule, inhabited(population))
    return rule


def _with_cap(rule: GrowthRule, room: int) -> tuple[GrowthRule, int]:
    """The rule with a number for its cap, and the cap, where S leaves room for hidden neurons."""
    cap = room if rule.cap is None else rule.cap
    for name, value in (("cap", cap), ("start", rule.start)):
        if value > min(room, cap):
            raise InputError(
                f"growth.{name}: {value} hidden neurons where n_neurons leaves {min(room, cap)}"
            )
    return rule.model_copy(update={"cap": cap}), cap


@torch.no_grad()
def grow(population: Population, rule: GrowthRule) -> None:
    """Deaths and births after the updates made so far."""
    step = population.step
    if step % rule.every:
        return
    net = population.net
    born = _births_of_held(population)
    norms = outgoing_norms(net, net.weight.data, born >= 0)
    wanted = None
    if rule.spare == "gradient" and population.optimiser.state:
        wanted = outgoing_norms(net, population.moments("weight")["exp_avg"], born >= 0)
    uniform = chances(population.seeds, step, net.n_neurons)

    # Deaths first: their slots, and their places under the cap, are free for those who are born.
    dies, births = decide(rule, norms, born, population.ids, uniform, step, wanted)
    if dies.any():
        bury(population, torch.from_numpy(dies).to(population.device))
    if births.any():
        _bear(population, rule, _free_slots(population, births))


def _free_slots(population: Population, births: np.ndarray) -> Tensor:
    """A slot for a newborn in the members where there are `births` `(K,)`, `(K, n)` boolean.

    It is that of the first of the S neurons that is not inhabited. Slots are added where none is
    free.
    """
    net = population.net
    device = population.device
    hidden = _births(population)[:, net.n_inputs : net.n_neurons - net.n_outputs] >= 0
    first_free = (~hidden).int().argmax(1) + net.n_inputs

    held = torch.eq(population.ids.cpu(), first_free[:, None]).any(1).numpy()
    if (~held & births).any():
        _hold_slots(population, int(hidden.sum(1).max()) + 1)
    here = torch.eq(population.ids, first_free.to(device)[:, None])
    return here & torch.from_numpy(births).to(device)[:, None]


def _bear(population: Population, rule: GrowthRule, newborn: Tensor) -> None:
    """Let neurons live in the empty slots `newborn` `(K, n)`."""
    step = population.step
    k, j = newborn.cpu().nonzero(as_tuple=True)
    _births(population)[k, population.ids.cpu()[k, j]] = step

    # They are inhabited from here on, so that newborns are wired to each other and to themselves.
    lives = inhabited(population)
    incoming, outgoing = wire(
        rule, population.net, newborn, lives, population.inheritance, population.seeds, step
    )
    population.insert(newborn, incoming, outgoing, rule.newborn_second_moment)


@torch.no_grad()
def bury(population: Population, neurons: Tensor) -> None:
    """Empty the slots of `neurons` `(K, n)` boolean; the last leaves its incoming weights.

    They need not be dead as `urn.population.dead` has it.
    """
    ids = population.ids.cpu()
    # In the order of slots: what the last of them took in is what is left.
    if population.inheritance is not None:
        for k, j in neurons.nonzero().tolist():
            population.inheritance[k] = 0
            population.inheritance[k, ids[k]] = population.net.weight.data[k, j].cpu()
    population.empty(neurons)
    k, j = neurons.cpu().nonzero(as_tuple=True)
    _births(population)[k, ids[k, j]] = -1


def trim(population: Population) -> None:
    """Take slots away when many are free."""
    hidden = population.net.hidden
    most = int(torch.ge(_births(population), 0).sum(1).max())
    if hidden.stop - hidden.start > most + 1 + 3 * SPARE_SLOTS:
        _hold_slots(population, most + 1)


def _hold_slots(population: Population, least: int) -> None:
    """Hold at least so many hidden slots: all inhabited ones, and the first free ones."""
    S = population.net.n_neurons
    first = population.net.n_inputs
    end = S - population.net.n_outputs
    size = min(least + SPARE_SLOTS, end - first)

    # A stable sort: inhabited slots in their order, then free ones in theirs.
    free = (_births(population)[:, first:end] < 0).to(torch.int8)
    hidden = torch.argsort(free, dim=1, stable=True)[:, :size].sort(1).values + first
    every = torch.arange(S).expand(len(free), S)
    ids = torch.cat([every[:, :first], hidden, every[:, end:]], 1)
    population.hold_ids(ids.to(population.device))
