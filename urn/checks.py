"""Tensors read from files, held against what they must be. Every fault is one line that names the tensor."""

import torch
from torch import Tensor

from urn.errors import InputError


def expect(
    name: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype, finite: bool = True
) -> None:
    """Raise InputError if a tensor that was read is not of this shape and dtype, or holds NaN or Inf."""
    if tuple(tensor.shape) != tuple(shape) or tensor.dtype != dtype:
        raise InputError(
            f"{name}: must be {dtype} {tuple(shape)}, not {tensor.dtype} {tuple(tensor.shape)}"
        )
    if finite and not tensor.isfinite().all():
        raise InputError(f"{name}: must be finite")


def check_ids(ids: Tensor, n_neurons: int, n_inputs: int = 0, n_outputs: int = 0) -> None:
    """Raise InputError if these cannot be the neurons left of `n_neurons`, ascending, with all inputs and outputs."""
    expect("ids", ids, (ids.numel(),), torch.int64)
    places = ids.tolist()
    if places != sorted(set(places) & set(range(n_neurons))):
        raise InputError(f"ids: must ascend from 0 to at most {n_neurons - 1}")
    ends = [*range(n_inputs), *range(n_neurons - n_outputs, n_neurons)]
    if not set(ends) <= set(places):
        raise InputError("ids: inputs or outputs are missing")
