"""From configurations to a population of untrained networks, on a device that has room for them."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from urn.checks import expect
from urn.data.tasks import Dataset
from urn.errors import InputError, memory_for
from urn.loss.geometry import attach_positions, lattice_positions, learned_positions
from urn.loss.penalties import Penalties, Settings
from urn.loss.symmetry import translations
from urn.memory import require_memory
from urn.network.module import PARAMETERS, URN
from urn.optimiser.adam import ProximalAdam
from urn.optimiser.rmsprop import ClippedRMSProp
from urn.population.population import Population
from urn.settings.config import TrainConfig
from urn.settings.schedules import Schedule, value_at

COPIES = 5
"""Arrays as large as W while training: W, its gradient, two moments, the last good W."""

COPIES_READ = 3
"""And beside the snapshots at the end: the result, and twice more the bytes of a file that is read
back."""

BYTES_BESIDE = 3 << 26
"""What training takes beside arrays as large as W: libraries, compiled kernels, batches. Measured
with 2,000 neurons on the shells: 100 to 150 MiB."""

NAMES_IN_A_RUN = {"weight": "weights", "bias": "biases", "positions": "positions"}
"""What a `Run` and a `Snapshot` call the parameters of a URN."""


class Trained(Protocol):
    """A network to start from: a `Run` or a `Snapshot`."""

    @property
    def weights(self) -> Tensor: ...

    @property
    def biases(self) -> Tensor: ...

    @property
    def positions(self) -> Tensor | None: ...

    @property
    def kept(self) -> Tensor: ...


def device_of(name: str) -> torch.device:
    """The device of a name. Raises InputError for one that cannot be used."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"device: {name!r} cannot be used ({reason})") from None
    return device


def bytes_to_train(config: TrainConfig, n_members: int = 1) -> int:
    """How much memory it takes to train networks together, to save them and to read them back.

    Parameters
    ----------
    config : TrainConfig
        That of any of them.
    n_members : int
        How many; a population is one tensor, so they add up.
    """
    return BYTES_BESIDE + _bytes_of(config, n_members, COPIES + COPIES_READ + config.snapshots)


def check_room(config: TrainConfig, n_members: int, device: torch.device) -> None:
    """Refuse what the machine cannot hold, before the system ends the process for trying.

    Raises
    ------
    InputError
        With the number of bytes needed and available.
    """
    on_host = bytes_to_train(config, n_members)
    if device.type == "cuda":
        on_device = _bytes_of(config, n_members, COPIES)
        require_memory("n_neurons", on_device, torch.cuda.mem_get_info(device)[0])
        on_host -= on_device
    require_memory("n_neurons and snapshots", on_host)


def _bytes_of(config: TrainConfig, n_members: int, copies: int) -> int:
    """Of so many arrays as large as W, for each member."""
    return copies * n_members * config.n_neurons**2 * getattr(torch, config.dtype).itemsize


def build(configs: Sequence[TrainConfig], data: Dataset, device: torch.device) -> Population:
    """A population of untrained networks.

    Parameters
    ----------
    configs : sequence of TrainConfig
        One for each member; they differ in seed, strengths, learning rate and steps at most.
    data : Dataset
        What they are to learn.
    device : torch.device

    Raises
    ------
    InputError
        Naming the field that does not fit the task, or the machine.
    """
    config = configs[0]
    with memory_for("n_neurons"):
        net = build_networks(config, [config.seed for config in configs], data, device)
    penalties = _penalties(configs, data, device)
    return Population(net, _optimiser(config, penalties, net), penalties, configs)


def build_networks(
    config: TrainConfig, seeds: Sequence[int], data: Dataset, device: torch.device
) -> URN:
    """Networks with a seed each, first weights and positions as the configuration asks for."""
    _check_steps(config, data)
    # Each member draws from a generator of its own, so that it is what it would be alone.
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    net = URN(
        config.n_neurons,
        data.n_inputs,
        data.n_outputs,
        config.n_iterations,
        population=len(generators),
        activation=config.activation,
        input_mode=input_mode_of(config, data),
        generator=generators,
        device=device,
        dtype=getattr(torch, config.dtype),
    )

    # At 1 nothing is multiplied: the weights of other trainings stay what they were, bit by bit.
    if config.initial_scale != 1:
        net.weight.data.mul_(config.initial_scale)

    if config.hidden_positions == "learned":
        _learned_places(net, config, data, generators)
    elif config.hidden_positions == "lattice":
        _lattice_places(net, config, data)
    return net


def input_mode_of(config: TrainConfig, data: Dataset) -> str:
    """When the input neurons are written: the data say whether they are sequences or streams."""
    if data.is_sequence:
        return "sequence"
    return "stream" if data.kind == "stream" and config.input_mode != "elman" else config.input_mode


def _check_steps(config: TrainConfig, data: Dataset) -> None:
    """Refuse iterations or an input mode that do not fit streams, sequences or single inputs."""
    if data.is_sequence:
        if config.input_mode != "pulse":
            raise InputError(
                f"input_mode: {config.input_mode} reads no sequences; leave it at pulse, and every"
                " iteration reads its own input"
            )
        if config.n_iterations != data.n_steps:
            raise InputError(
                f"n_iterations: must be {data.n_steps}, one for each input of a sequence of the"
                f" task {config.task}, not {config.n_iterations}"
            )
    elif data.kind == "stream":
        shortest = min(part[0].shape[1] for part in data.parts)
        if shortest < config.n_iterations:
            raise InputError(
                f"n_iterations: {config.n_iterations} symbols an update from streams of {shortest}"
            )
    elif config.input_mode == "elman":
        raise InputError(
            f"input_mode: elman reads streams of symbols, and the task {config.task} has none"
        )


def _learned_places(
    net: URN, config: TrainConfig, data: Dataset, generators: Sequence[torch.Generator]
) -> None:
    """Give hidden neurons random positions, which learn."""
    if data.positions is None:
        raise InputError(f"hidden_positions: the task {config.task} has no geometry")
    n_hidden = config.n_neurons - data.n_inputs - data.n_outputs
    positions = [
        learned_positions(data.positions, n_hidden, data.n_outputs, generator)
        for generator in generators
    ]
    attach_positions(net, torch.stack(positions), learned=True)


def _lattice_places(net: URN, config: TrainConfig, data: Dataset) -> None:
    """Give hidden neurons the positions of a lattice, which stay."""
    if data.positions is None:
        raise InputError(f"hidden_positions: the task {config.task} has no geometry")
    if data.sites is None:
        raise InputError(f"hidden_positions: the inputs of task {config.task} fill no lattice")
    n_sites = int(torch.tensor(data.sites).prod())
    right = data.n_inputs + config.channels * n_sites + data.n_outputs
    if config.n_neurons != right:
        raise InputError(
            f"n_neurons: must be {right} for {config.channels} channels of {n_sites} sites, "
            f"not {config.n_neurons}"
        )
    positions = lattice_positions(data.positions, config.channels, n_sites, data.n_outputs)
    attach_positions(net, positions, learned=False)


def _penalties(configs: Sequence[TrainConfig], data: Dataset, device: torch.device) -> Penalties:
    """The terms of all members, at strength 0 until the population sets them."""
    config = configs[0]
    names = dict.fromkeys(name for config in configs for name in config.strengths)
    group = None
    if "symmetry" in names:
        assert data.sites is not None  # a lattice: checked when the network was built
        group = translations(data.sites, data.n_inputs, config.channels, data.n_outputs, device)
    power = value_at(config.locality_power, 0, config.steps)
    target = value_at(config.self_target, 0, config.steps)
    return Penalties(
        dict.fromkeys(names, 0.0),
        n_steps=config.steps,
        settings=Settings(power, config.locality_floor, target, group, config.shared_step),
        moving=moving_settings(config),
    )


def moving_settings(config: TrainConfig) -> dict[str, Schedule]:
    """The schedules of settings of terms that change over training."""
    settings = {"locality_power": config.locality_power, "self_target": config.self_target}
    return {name: value for name, value in settings.items() if isinstance(value, Schedule)}


def _optimiser(config: TrainConfig, penalties: Penalties, net: URN) -> ProximalAdam:
    """The optimiser of a configuration; it looks prices up at every step."""
    groups = penalties.parameter_groups(net)
    lr = config.learning_rate.value  # its schedule is followed step by step
    if config.optimiser == "rmsprop":
        return ClippedRMSProp(groups, lr, config.betas[1], config.epsilon, config.clip)
    return ProximalAdam(groups, lr=lr, betas=config.betas, eps=config.epsilon)


@torch.no_grad()
def start_from(population: Population, networks: Sequence[Trained]) -> Tensor:
    """Take over trained networks, one for each member. Inputs stay where the data put them.

    Parameters
    ----------
    population : Population
        At full size, no update made.
    networks : sequence of Run or Snapshot

    Returns
    -------
    (K, S) boolean tensor
        Which of their neurons they held at the end.

    Raises
    ------
    InputError
        Naming what does not fit.
    """
    net = population.net
    if len(networks) != len(population.configs):
        raise InputError(
            f"start: {len(networks)} networks for a population of {len(population.configs)}"
        )
    held = torch.stack([network.kept.to(population.device) for network in networks])
    expect("start.kept", held, tuple(population.ids.shape), torch.bool)

    for k, network in enumerate(networks):
        _check_start(network, net)
        net.weight[k] = network.weights.to(net.weight.device)
        net.bias[k] = network.biases.to(net.bias.device)
        if network.positions is not None:  # a neuron not held needs a place if ever it is born
            hidden = held[k].clone()
            hidden[: net.n_inputs] = False
            hidden[net.outputs] = False
            assert net.positions is not None
            net.positions[k, hidden] = network.positions.to(net.positions.device)[hidden]

    config = population.configs[0]
    if config.remove_dead and config.growth is None:
        population.compact(held)
    return held


def _check_start(network: Trained, net: URN) -> None:
    """Raise InputError unless a trained network has the tensors of a member, finite ones."""
    for name in PARAMETERS:
        name_there = NAMES_IN_A_RUN[name]
        value = getattr(network, name_there)
        here: Tensor | None = getattr(net, name)
        if (value is None) != (here is None):
            raise InputError(
                f"start.{name_there}: must be there if, and only if, hidden_positions are"
            )
        if value is not None and here is not None:
            # Outputs have no positions: they are NaN.
            shape = tuple(here.shape[1:])
            finite = name != "positions"
            expect(f"start.{name_there}", value, shape, net.bias.dtype, finite=finite)
