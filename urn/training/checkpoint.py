"""Whether tensors, read from a file that anyone may have written, are the state of a trainer."""

import zlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from urn.checks import check_ids, expect
from urn.data.tasks import Dataset
from urn.errors import InputError
from urn.network.module import PARAMETERS

if TYPE_CHECKING:
    from urn.training.trainer import Trainer


def fingerprint(data: Dataset) -> Tensor:
    """A number that tells training data apart: to go on with others would be another run."""
    whole = 0
    # Shapes count as well: the same bytes may be other samples.
    for tensor in data.train:
        shape = str(tuple(tensor.shape)).encode()
        whole = zlib.crc32(np.ascontiguousarray(tensor.cpu()).data, zlib.crc32(shape, whole))
    return torch.tensor(whole)


def check_state(trainer: "Trainer", tensors: dict[str, Tensor]) -> None:
    """Hold a `state_dict` against the trainer that is to take it over.

    Raises:
        InputError: naming the first tensor that such a trainer cannot have written.
        KeyError: for a tensor that is missing.
    """
    net, config, K = trainer.net, trainer.config, tensors["members"].numel()
    expect("step", tensors["step"], (), torch.int64)
    expect("members", tensors["members"], (K,), torch.int64)
    if not torch.equal(tensors["data"], trainer.fingerprint):
        raise InputError("data: the training data are not those it was made with")
    step, members, ids = tensors["step"], tensors["members"].tolist(), tensors["ids"]
    if not 0 <= step <= config.steps:
        raise InputError(f"step: must be from 0 to {config.steps}")
    if not members or members != sorted(set(members) & set(range(len(trainer.members)))):
        raise InputError("members: must be those of the population, each once")
    expect("ids", ids, (K, ids.numel() // K), torch.int64)
    for row in ids:
        check_ids(row, config.n_neurons, net.n_inputs, net.n_outputs)
    expect("idle_checks", tensors["idle_checks"], (K, config.n_neurons), torch.int32)
    if trainer.stream and step > 0:
        expect(
            "carried", tensors["carried"], (K, trainer.batches.size, ids.shape[1]), trainer.dtype
        )
        expect("loss_mean", tensors["loss_mean"], (K,), trainer.dtype)
    if trainer.growing:
        _check_growth(trainer, tensors)
    _check_parameters(trainer, tensors)
    if step > 0 and "symmetry" in trainer.penalties.schedules:
        for moment in ("weight.shared_avg", "weight.shared_avg_sq"):
            expect(
                moment,
                tensors[moment],
                (K, *tensors[moment].shape[1:]),
                trainer.dtype,
                finite=False,
            )


def _check_growth(trainer: "Trainer", tensors: dict[str, Tensor]) -> None:
    """Ages of neurons, against the neurons that are held, and what newborns are given."""
    net, born, shape = trainer.net, tensors["born"], (len(tensors["ids"]), trainer.config.n_neurons)
    expect("born", born, shape, torch.int64)
    lives = born >= 0
    held = torch.zeros_like(lives).scatter_(1, tensors["ids"].cpu(), True)
    first, end = net.n_inputs, trainer.config.n_neurons - net.n_outputs
    if (lives & ~held).any() or lives[:, :first].any() or lives[:, end:].any():
        raise InputError("born: a neuron lives that is not held, or is no hidden one")
    if trainer.growing.will is not None:
        expect("will", tensors["will"], shape, trainer.dtype)
    if net.positions is not None:
        expect(
            "birthplaces",
            tensors["birthplaces"],
            (*shape, net.positions.shape[2]),
            trainer.dtype,
            finite=False,
        )


def _check_parameters(trainer: "Trainer", tensors: dict[str, Tensor]) -> None:
    """Weights, biases and positions with what the optimiser remembers of them, and the last good ones."""
    K, n = tensors["ids"].shape
    good = tensors.get("good.ids", tensors["ids"]).shape[
        -1
    ]  # growth may have changed the size since
    for name in PARAMETERS:
        value = getattr(trainer.net, name)
        if value is None:
            continue
        shape, good_shape = (
            (K, m, *((m,) if name == "weight" else value.shape[2:])) for m in (n, good)
        )
        expect(name, tensors[name], shape, trainer.dtype, finite=name != "positions")
        if "good.ids" in tensors:
            expect(
                f"good.{name}",
                tensors[f"good.{name}"],
                good_shape,
                trainer.dtype,
                finite=name != "positions",
            )
        if tensors["step"] > 0 and isinstance(value, torch.nn.Parameter):
            expect(f"{name}.step", tensors[f"{name}.step"], (), torch.int64)
            for moment in ("exp_avg", "exp_avg_sq"):
                expect(
                    f"{name}.{moment}",
                    tensors[f"{name}.{moment}"],
                    shape,
                    trainer.dtype,
                    finite=False,
                )
