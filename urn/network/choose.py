"""Which form computes, and with how many threads: the one place where that is decided.

| input mode | when | form |
|---|---|---|
| elman, stream, sequence, clamped | always | the general one of that mode |
| pulse | ReLU, I > 1, on a CPU, x without gradient: float32 and one thread | `compiled` |
| | the same with more threads or float64, and large products | `firing` |
| | otherwise | `unroll` |

Training takes one thread, whatever torch's default, until products are so large that a second one
pays (`threads_for`); so the compiled form is the usual one. All forms of a mode agree up to
rounding (tested against `urn.network.definition`).
"""

import sys
from typing import Any

import torch
from torch import Tensor

from urn.network.compiled import CompiledUnroll
from urn.network.elman import ElmanUnroll
from urn.network.firing import FiringUnroll
from urn.network.stream import SequenceUnroll, StreamUnroll
from urn.network.unroll import ClampedUnroll, PulseUnroll
from urn.network.wiring import Wiring

WORK = 1 << 20
"""B S^2 from which a product takes long enough for members to be computed each by itself.

By judgement: no measurement of this value is recorded.
"""


PARALLEL = 1 << 28
"""B S^2 from which a second thread pays: S = 1448 at a batch of 128.

Measured on two cores of an AMD EPYC (Zen 3) with other work beside, I = 4: with two threads a dense
step took 1.08, 1.02, 0.91 and 0.90 times the compiled one at S = 700, 1000, 1400 and 2000; at 200
to 500, where threads wait for each other, 37 to 68 times.
"""


def threads_for(n_neurons: int, batch_size: int) -> int:
    """With how many threads to train: one, or as many as there may be (a large number).

    It depends on the neurons held and on nothing else that changes, so that a resumed run computes
    as an unbroken one, and not on the number of members, so that each computes as it would alone.

    Parameters
    ----------
    n_neurons : int
        S, or as many as are held.
    batch_size : int
        B.
    """
    return 1 if batch_size * n_neurons**2 < PARALLEL else sys.maxsize


def are_for_compiled(*tensors: Tensor) -> bool:
    """Whether compiled code takes such tensors: float32, contiguous, on a CPU."""
    return all(
        T.dtype == torch.float32 and T.device.type == "cpu" and T.is_contiguous() for T in tensors
    )


def can_be_compiled(*tensors: Tensor) -> bool:
    """Whether the compiled network takes these tensors: it has one thread."""
    return torch.get_num_threads() == 1 and are_for_compiled(*tensors)


def form(W: Tensor, x: Tensor, wiring: Wiring) -> Any:
    """What applies W `(K, S, S)` to x `(K, B, ...)` fastest: its `apply` can be differentiated.

    Where symbols are read it takes `(W, b, x, state, wiring)`, otherwise `(W, b, x, wiring)`; it
    returns `(N, n, y)`.
    """
    if wiring.input_mode == "elman":
        return ElmanUnroll
    if wiring.input_mode == "stream":
        return StreamUnroll
    if wiring.input_mode == "sequence":
        return SequenceUnroll
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
