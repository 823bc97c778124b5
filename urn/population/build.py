"""From a configuration to a population of untrained networks, on a device that has room for them."""

import os
from collections.abc import Sequence

import torch

from urn.data.tasks import Dataset
from urn.errors import InputError
from urn.loss.geometry import attach_positions, lattice_positions, learned_positions
from urn.network.module import URN
from urn.settings.config import TrainConfig

COPIES = 5
"""Tensors as large as W while training: W, its gradient, two moments, the last good W."""


def device_of(name: str) -> torch.device:
    """The device of a name. Raises InputError for one that cannot be used."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"device: {name!r} cannot be used ({reason})") from None
    return device


def check_room(config: TrainConfig, population: int, device: torch.device) -> None:
    """Refuse what the machine cannot hold, before the system ends the process for trying."""
    S = config.n_neurons
    need = COPIES * population * S**2 * torch.finfo(getattr(torch, config.dtype)).bits // 8
    if device.type == "cuda":
        have = torch.cuda.get_device_properties(device).total_memory
    else:
        have = (
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            if hasattr(os, "sysconf")
            else need
        )
    if need > have:
        raise InputError(
            f"n_neurons: {S} take {need / 2**30:.3g} GiB to train; there are {have / 2**30:.3g} GiB of memory"
        )


def build(config: TrainConfig, seeds: Sequence[int], data: Dataset, device: torch.device) -> URN:
    """A population with a seed each, He weights and the positions that the configuration asks for.

    Raises:
        InputError: naming the field that does not fit the task.
    """
    stream = data.kind == "stream"
    if stream and (shortest := min(part[0].shape[1] for part in data.parts)) < config.n_iterations:
        raise InputError(
            f"n_iterations: {config.n_iterations} symbols an update from streams of {shortest}"
        )
    if config.input_mode == "elman" and not stream:
        raise InputError(
            f"input_mode: elman reads streams of symbols, and the task {config.task} has none"
        )
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    net = URN(
        config.n_neurons,
        data.n_inputs,
        data.n_outputs,
        config.n_iterations,
        population=len(generators),
        activation=config.activation,
        input_mode="stream" if stream and config.input_mode != "elman" else config.input_mode,
        generator=generators,
        device=device,
        dtype=getattr(torch, config.dtype),
    )
    if config.hidden_positions != "none":
        _place(net, config, data, generators)
    return net


def _place(
    net: URN, config: TrainConfig, data: Dataset, generators: Sequence[torch.Generator]
) -> None:
    """Give the neurons learned positions, or those of a lattice."""
    if data.positions is None:
        raise InputError(f"hidden_positions: the task {config.task} has no geometry")
    n_hidden = config.n_neurons - data.n_inputs - data.n_outputs
    if config.hidden_positions == "learned":
        places = [
            learned_positions(data.positions, n_hidden, data.n_outputs, generator)
            for generator in generators
        ]
        attach_positions(net, torch.stack(places), learned=True)
        return
    if data.sites is None:
        raise InputError(f"hidden_positions: the inputs of task {config.task} fill no lattice")
    n_sites = int(torch.tensor(data.sites).prod())
    if n_hidden != config.channels * n_sites:
        right = data.n_inputs + config.channels * n_sites + data.n_outputs
        raise InputError(
            f"n_neurons: must be {right} for {config.channels} channels of {n_sites} sites, not {config.n_neurons}"
        )
    attach_positions(
        net,
        lattice_positions(data.positions, config.channels, n_sites, data.n_outputs),
        learned=False,
    )
