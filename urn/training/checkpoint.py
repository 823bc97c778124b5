"""All that decides the next step as named tensors, and back; anyone may have written them."""

import zlib

import numpy as np
import torch
from torch import Tensor

from urn.checks import check_ids, expect
from urn.data.tasks import Dataset
from urn.errors import InputError
from urn.network.module import PARAMETERS
from urn.population.population import AXES, Population
from urn.training.stationary import STATE

REPLACED = ("ids", "members")
"""Tensors that `Population.take` sets."""
ON_THE_CPU = ("born", "inheritance")
"""Tensors that growth reads one number at a time."""
NAMES_ON_DISK = {"inheritance": "will"}
"""Tensors that checkpoints call otherwise: their names there stay."""


def fingerprint(data: Dataset) -> Tensor:
    """A number that tells training data apart: to go on with others would be another run."""
    whole = 0
    # Shapes count as well: the same bytes may be other samples.
    for tensor in data.train:
        shape = str(tuple(tensor.shape)).encode()
        whole = zlib.crc32(np.ascontiguousarray(tensor.cpu()).data, zlib.crc32(shape, whole))
    return torch.tensor(whole)


def save(population: Population, data: Tensor) -> dict[str, Tensor]:
    """All that decides the next step, as named tensors.

    Parameters
    ----------
    population : Population
    data : tensor
        The `fingerprint` of what it learns.
    """
    tensors = {"step": torch.tensor(population.step), "data": data}
    tensors |= {NAMES_ON_DISK.get(name, name): T for name, T in population.tensors().items()}
    for name in PARAMETERS:
        for key, moment in population.moments(name).items():
            tensors[f"{name}.{key}"] = torch.as_tensor(moment)
    if population.remembered_at != population.step:  # interrupted between two checks
        tensors |= {f"good.{name}": T for name, T in population.last_good.items()}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


@torch.no_grad()
def restore(
    population: Population, tensors: dict[str, Tensor], data: Tensor, batch_size: int
) -> None:
    """Bring a new population to where `save` was called for one with the same configurations.

    Parameters
    ----------
    population : Population
        No update made, no member gone.
    tensors : dictionary
        What `save` returned.
    data : tensor
        The `fingerprint` of what it learns.
    batch_size : int
        Streams in a batch.

    Raises
    ------
    InputError
        Naming the first tensor that such a population cannot have had.
    """
    try:
        check(population, tensors, data, batch_size)
    except KeyError as missing:
        raise InputError(f"no tensor {missing}") from None

    # First the shape of everything, then its values.
    device = population.device
    population.step = int(tensors["step"])
    if len(tensors["members"]) < len(population.members):
        population.take(members=tensors["members"])
    population.set_strengths()
    population.hold_ids(tensors["ids"].to(device))

    for name in AXES:
        if name in PARAMETERS:
            _restore_parameter(population, name, tensors)
        elif name not in REPLACED:
            on = torch.device("cpu") if name in ON_THE_CPU else device
            value = tensors.get(NAMES_ON_DISK.get(name, name))
            setattr(population, name, None if value is None else value.to(on))
    population.remember()

    # Saved between two checks, when the last good weights were not those of that step.
    good = {name: tensors.get(f"good.{name}") for name in ("ids", *PARAMETERS)}
    if good["ids"] is not None:
        population.last_good = {name: T.to(device) for name, T in good.items() if T is not None}
        population.remembered_at = None


def _restore_parameter(population: Population, name: str, tensors: dict[str, Tensor]) -> None:
    """Values of a parameter, which has its shape already, and its moments."""
    value = getattr(population.net, name)
    if value is None:
        return
    value.data.copy_(tensors[name])
    # Moments are named after their parameter: weight.exp_avg, weight.step.
    prefix = f"{name}."
    state = {
        key.removeprefix(prefix): moment.to(value.device)
        for key, moment in tensors.items()
        if key.startswith(prefix)
    }
    if state:
        population.optimiser.state[value] = state | {"step": int(state["step"])}


def check(
    population: Population, tensors: dict[str, Tensor], data: Tensor, batch_size: int
) -> None:
    """Hold saved tensors against the population that is to take them over.

    Raises
    ------
    InputError
        Naming the first tensor that such a population cannot have had.
    KeyError
        For a tensor that is missing.
    """
    config = population.configs[0]
    net = population.net
    dtype = population.dtype
    step = tensors["step"]
    members = tensors["members"]
    ids = tensors["ids"]
    K = members.numel()

    expect("step", step, (), torch.int64)
    expect("members", members, (K,), torch.int64)
    # Which data and which members: the likeliest mistakes come first.
    if not torch.equal(tensors["data"], data):
        raise InputError("data: the training data are not those it was made with")
    last = max(config.steps for config in population.configs)
    if not 0 <= step <= last:
        raise InputError(f"step: must be from 0 to {last}")
    places = members.tolist()
    if not places or places != sorted(set(places) & set(range(len(population.configs)))):
        raise InputError("members: must be those of the population, each once")

    expect("ids", ids, (K, ids.numel() // K), torch.int64)
    for row in ids:
        check_ids(row, config.n_neurons, net.n_inputs, net.n_outputs)
    expect("idle_checks", tensors["idle_checks"], (K, config.n_neurons), torch.int32)
    if population.reads_symbols and step > 0:
        # A state may have overflowed that no loss has come of yet: the next update finds that out.
        carried = (K, batch_size, ids.shape[1])
        expect("carried", tensors["carried"], carried, dtype, finite=False)
        expect("loss_mean", tensors["loss_mean"], (K,), dtype)
    if config.stationary and step >= config.log_every:
        for name, number in STATE.items():
            expect(name, tensors[name], (K,), number)
    if population.grows:
        _check_growth(population, tensors)
    _check_parameters(population, tensors)


def _check_growth(population: Population, tensors: dict[str, Tensor]) -> None:
    """Ages of neurons, against the neurons that are held, and what newborns are given."""
    net = population.net
    born = tensors["born"]
    shape = (len(tensors["ids"]), net.n_neurons)
    expect("born", born, shape, torch.int64)

    # Inputs and outputs are not born, and what is inhabited is held.
    inhabited = born >= 0
    held = torch.zeros_like(inhabited).scatter_(1, tensors["ids"].cpu(), True)
    end = net.n_neurons - net.n_outputs
    if (inhabited & ~held).any() or inhabited[:, : net.n_inputs].any() or inhabited[:, end:].any():
        raise InputError("born: a neuron lives that is not held, or is no hidden one")

    dtype = population.dtype
    if population.inheritance is not None:
        expect("will", tensors["will"], shape, dtype)
    if net.positions is not None:
        full = (*shape, net.positions.shape[2])
        expect("birthplaces", tensors["birthplaces"], full, dtype, finite=False)


def _check_parameters(population: Population, tensors: dict[str, Tensor]) -> None:
    """Parameters with what the optimiser remembers of them, and the last good ones."""
    K, n = tensors["ids"].shape
    dtype = population.dtype
    n_good = tensors.get("good.ids", tensors["ids"]).shape[-1]  # growth may have changed it since

    for name in PARAMETERS:
        value: Tensor | None = getattr(population.net, name)
        if value is None:
            continue
        finite = name != "positions"
        shape, good_shape = (
            (K, m, *((m,) if name == "weight" else value.shape[2:])) for m in (n, n_good)
        )
        expect(name, tensors[name], shape, dtype, finite=finite)
        if "good.ids" in tensors:
            expect(f"good.{name}", tensors[f"good.{name}"], good_shape, dtype, finite=finite)
        # The optimiser remembers nothing before its first step, and nothing of positions that stay.
        if tensors["step"] > 0 and isinstance(value, torch.nn.Parameter):
            expect(f"{name}.step", tensors[f"{name}.step"], (), torch.int64)
            for moment in (f"{name}.exp_avg", f"{name}.exp_avg_sq"):
                expect(moment, tensors[moment], shape, dtype, finite=False)

    shares = "symmetry" in population.penalties.schedules and population.configs[0].shared_step
    if tensors["step"] > 0 and shares:
        for moment in ("weight.shared_avg", "weight.shared_avg_sq"):
            orbits = (K, *tensors[moment].shape[1:])
            expect(moment, tensors[moment], orbits, dtype, finite=False)
