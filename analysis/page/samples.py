"""What a page needs to run its network itself: samples, and the weights that can matter for them.

The scripts of the page apply the weights to these samples with some neurons held at zero. Runs
nothing itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.arrays import Bools, Floats, Ints
from analysis.page.packing import packed

MAX_NUMBERS = 400_000
"""Inputs of all samples together, as numbers: 0.5 MB of a page where they take few values, 2 MB
where each is one of its own. By judgement."""

MAX_SYMBOLS = 4_000
"""Symbols of all streams together. By judgement: each takes an application of W, so that they take
about as long as 500 samples of other tasks."""

MAX_RUN = 30_000
"""Weights that a page runs its samples through: as many as a run is judged with while it trains.
Measured on two busy cores: 500 samples and 4 iterations take 0.1 s."""

FEW_VALUES = {"u1": 2**8, "u2": 2**16}
"""How many values an integer of each type tells apart."""

READ_SYMBOLS = ("stream", "elman")
"""Modes in which samples are streams: a new symbol at every iteration."""


@dataclass(frozen=True)
class Samples:
    """Samples that training did not see, and how the network is applied to them.

    Attributes
    ----------
    inputs : (B, n_inputs) array
        Of sequences and streams (B, T, n_inputs).
    targets : array
        Classes (B,), numbers (B, n_outputs), or of streams the symbols that follow, (B, T).
    n_iterations : int
        I; streams are read in windows of I symbols, what is left over is not read.
    activation : str
        "relu" or "tanh".
    input_mode : str
        "pulse", "clamped", "sequence", "stream" or "elman".
    """

    inputs: Floats
    targets: NDArray[Any]
    n_iterations: int
    activation: str = "relu"
    input_mode: str = "pulse"

    @property
    def reads_symbols(self) -> bool:
        """Whether these are streams."""
        return self.input_mode in READ_SYMBOLS

    def stored(self) -> "Samples":
        """As many of the first samples (or of the first symbols of each stream) as a page holds."""
        if not self.reads_symbols:
            numbers = self.inputs.size // max(1, len(self.inputs))
            return self._first(slice(None, max(1, MAX_NUMBERS // max(1, numbers))))

        n_inputs = self.inputs.shape[-1]
        most = MAX_NUMBERS // max(1, n_inputs)
        n_streams = len(self.inputs)
        length = min(self.inputs.shape[1], min(most, MAX_SYMBOLS) // n_streams)
        n_windows = max(1, length // self.n_iterations)
        return self._first((slice(None), slice(None, n_windows * self.n_iterations)))

    def _first(self, part: slice | tuple[slice, slice]) -> "Samples":
        """A part of the samples."""
        return Samples(
            self.inputs[part],
            self.targets[part],
            self.n_iterations,
            self.activation,
            self.input_mode,
        )


def pack_samples(samples: Samples) -> dict[str, Any]:
    """Samples for the scripts of a page, inputs as (symbol or iteration, input, sample).

    Parameters
    ----------
    samples : Samples
        As many as are to be stored.

    Returns
    -------
    dict
        Plain JSON types; "score" says what is measured.
    """
    # The values of an input over all samples lie side by side, as the page runs them together.
    columns = np.moveaxis(samples.inputs, 0, -1)
    classes = np.issubdtype(samples.targets.dtype, np.integer)
    return {
        "score": "accuracy" if classes else "R2",
        "n_samples": len(samples.inputs),
        "n_symbols": samples.inputs.shape[1] if samples.reads_symbols else 1,
        "n_iterations": samples.n_iterations,
        "activation": samples.activation,
        "input_mode": samples.input_mode,
        "targets": packed(samples.targets, "u2" if classes else "f4"),
        **_pack_inputs(columns),
    }


def _pack_inputs(values: Floats) -> dict[str, Any]:
    """Numbers as "codes" into "values" where that is smaller, else as "values" alone."""
    distinct, codes = np.unique(values, return_inverse=True)
    for dtype, most in FEW_VALUES.items():
        n_bytes = codes.size * np.dtype(dtype).itemsize + 4 * len(distinct)
        if len(distinct) <= most and n_bytes < 4 * codes.size:
            return {"codes": packed(codes, dtype), "values": packed(distinct, "f4")}
    return {"codes": None, "values": packed(values, "f4")}


def pack_rest(
    weights: ArrayLike,
    biases: ArrayLike,
    drawn: tuple[Ints, Ints],
    threshold: float,
    n_inputs: int,
    n_outputs: int,
) -> dict[str, Any]:
    """Weights and biases that can matter for an output and that no picture of the page holds.

    Parameters
    ----------
    weights : (S, S) array
    biases : (S,) array
    drawn : pair of arrays
        Targets and sources of the weights that the page holds anyway.
    threshold : float
        Weights larger than this count.
    n_inputs, n_outputs : int
        Sizes of the two ends.

    Returns
    -------
    dict
        "to", "from", "value", strongest first; "bias" of all neurons; "complete_above": with
        weights larger than this only, none is missing.
    """
    W = np.asarray(weights, dtype=float)
    b = np.asarray(biases, dtype=float)
    matters = _mattering(np.abs(W) > threshold, b != 0, n_inputs, n_outputs)
    room = MAX_RUN - int(matters[drawn].sum())
    matters[drawn] = False

    # The strongest, so that the network can be run once enough of the weak ones are cut.
    i, j = np.nonzero(matters)
    order = np.argsort(-np.abs(W[i, j]), kind="stable")
    left_out = order[max(0, room) :]
    order = order[: max(0, room)]
    beyond = np.abs(W[i[left_out], j[left_out]])
    i = i[order]
    j = j[order]
    biased = np.flatnonzero(b)
    return {
        "to": packed(i, "u2"),
        "from": packed(j, "u2"),
        "value": packed(W[i, j], "f4"),
        "biased": packed(biased, "u2"),
        "bias": packed(b[biased], "f4"),
        "complete_above": float(beyond.max(initial=0.0)),
    }


def _mattering(wired: Bools, biased: Bools, n_inputs: int, n_outputs: int) -> Bools:
    """(S, S) bool: weights from neurons that can be other than zero to those an output hears."""
    carries = biased.copy()
    carries[:n_inputs] = True
    heard = np.zeros_like(biased)
    heard[len(heard) - n_outputs :] = True

    carries = _spread(wired, carries)
    heard = _spread(wired.T, heard)
    return wired & heard[:, None] & carries


def _spread(wired: Bools, first: Bools) -> Bools:
    """(S,) bool: the neurons that are reached from the first ones, and these."""
    reached = first
    news = first
    while news.any():
        news = wired[:, news].any(axis=1) & ~reached
        reached = reached | news
    return reached
