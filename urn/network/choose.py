"""Which form computes: the one place where that is decided.

| input mode | when | form |
|---|---|---|
| elman, stream, clamped | always | the general one of that mode |
| pulse | ReLU, I > 1, on a CPU, x without gradient: float32 and one thread | `compiled` |
| | the same with more threads or float64, and large products | `firing` |
| | otherwise | `unroll` |

All forms of a mode agree up to rounding (tested against `urn.network.definition`).
"""

from typing import Any

import torch
from torch import Tensor

from urn.network.compiled import CompiledUnroll
from urn.network.elman import ElmanUnroll
from urn.network.firing import FiringUnroll
from urn.network.stream import StreamUnroll
from urn.network.unroll import ClampedUnroll, PulseUnroll
from urn.network.wiring import Wiring

WORK = 1 << 20
"""B S^2 from which a product takes long enough for members to be computed each by itself.

By judgement: no measurement of this value is recorded.
"""


def can_be_compiled(*tensors: Tensor) -> bool:
    """Whether compiled code can take these tensors: float32, contiguous, on a CPU, one thread."""
    return torch.get_num_threads() == 1 and all(
        T.dtype == torch.float32 and T.device.type == "cpu" and T.is_contiguous() for T in tensors
    )


def form(W: Tensor, x: Tensor, wiring: Wiring) -> Any:
    """The autograd function that applies W `(K, S, S)` to x `(K, B, ...)` fastest.

    Where symbols are read it takes `(W, b, x, state, wiring)`, otherwise `(W, b, x, wiring)`; it
    returns `(N, n, y)`.
    """
    if wiring.input_mode == "elman":
        return ElmanUnroll
    if wiring.input_mode == "stream":
        return StreamUnroll
    if wiring.input_mode == "clamped":
        return ClampedUnroll

    is_simple = wiring.activation == "relu" and wiring.n_iterations > 1
    if not is_simple or x.requires_grad or W.device.type != "cpu":
        return PulseUnroll
    if can_be_compiled(W):
        return CompiledUnroll
    if x.shape[1] * W.shape[1] ** 2 >= WORK:
        return FiringUnroll
    return PulseUnroll
