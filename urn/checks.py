"""Tensors read from files, held against what they must be.

Every fault is one line that names the tensor.
"""

import torch
from torch import Tensor

from urn.errors import InputError


def expect(
    name: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype, finite: bool = True
) -> None:
    """Refuse a tensor that is not what it must be.

    Parameters
    ----------
    name : str
        What the message calls it.
    tensor : Tensor
        As it was read.
    shape, dtype
        What it must have.
    finite : bool
        Whether it may hold neither NaN nor Inf.

    Raises
    ------
    InputError
        Naming the tensor and what it must be.
    """
    if tuple(tensor.shape) != tuple(shape) or tensor.dtype != dtype:
        raise InputError(
            f"{name}: must be {dtype} {tuple(shape)}, not {tensor.dtype} {tuple(tensor.shape)}"
        )
    if finite and not tensor.isfinite().all():
        raise InputError(f"{name}: must be finite")


def check_ids(ids: Tensor, n_neurons: int, n_inputs: int = 0, n_outputs: int = 0) -> None:
    """Refuse numbers that cannot be those of the neurons held, of S.

    Parameters
    ----------
    ids : Tensor
        `(n,)` int64; must ascend, and hold all inputs (the first) and outputs (the last).
    n_neurons : int
        S.
    n_inputs, n_outputs : int
        d_in and d_out.

    Raises
    ------
    InputError
        Where they cannot be.
    """
    expect("ids", ids, (ids.numel(),), torch.int64)
    numbers = ids.tolist()
    if numbers != sorted(set(numbers) & set(range(n_neurons))):
        raise InputError(f"ids: must ascend from 0 to at most {n_neurons - 1}")

    ends = [*range(n_inputs), *range(n_neurons - n_outputs, n_neurons)]
    if not set(ends) <= set(numbers):
        raise InputError("ids: inputs or outputs are missing")
