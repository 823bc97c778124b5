"""Symbol streams (Miconi 2016): groups of letters between parentheses, and a language that changes.

Every symbol is drawn by `numpy.random.Generator` of the task's `data_seed`.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from urn.data.dataset import Dataset, Split
from urn.data.options import TaskOptions, task
from urn.memory import require_memory
from urn.settings.fields import Number, Size

ALPHABET = "ab()"
"""Miconi 2016."""

N_VALIDATION = 10
"""Streams to validate on. By judgement: of 4,000 symbols each, they fix an accuracy to a quarter of
a percent."""

N_TEST = 25
"""Streams to test on. By judgement, as above."""

SWITCH_SYMBOLS = 8_000
"""Symbols of the stream that a network of `miconi_switch` is validated on. By judgement."""

BYTES_HELD = 24
"""Of a symbol in a data set: four float32 of X and an int64 of y."""

BYTES_MAKING = 48
"""More, of a symbol that is being made: a reference in a list, an int64, and X in int64."""

GROUP_LETTERS = 6
"""Letters of a group of the hard language (Miconi 2016)."""


class SymbolStream(TaskOptions):
    """Streams over the alphabet `a b ( )`, one-hot; the target is the symbol that follows.

    References
    ----------
    Miconi 2016, Neural networks with differentiable structure.
    """

    n_streams: Size = 100
    length: Size = Field(default=4_000, description="symbols in a stream")

    def groups(self, rng: np.random.Generator) -> Iterator[str]:
        """Endless groups of letters, without their parentheses."""
        raise NotImplementedError

    def load(self) -> Dataset:
        """Streams for training, validation and test, drawn in this order."""
        n_streams = self.n_streams + N_VALIDATION + N_TEST
        # Parts are made in turn: all of them are held, only the largest has to be made at once.
        largest = max(self.n_streams, N_TEST)
        n_bytes = self.length * (BYTES_HELD * n_streams + BYTES_MAKING * largest)
        require_memory("task_options: n_streams and length", n_bytes)

        rng = np.random.default_rng(self.data_seed)
        train = self._streams(rng, self.n_streams)
        validation = self._streams(rng, N_VALIDATION)
        test = self._streams(rng, N_TEST)
        return Dataset(train, validation, test, len(ALPHABET), "stream")

    def _streams(self, rng: np.random.Generator, n: int) -> Split:
        """X `(n, length, 4)` one-hot, y `(n, length)`."""
        # A stream and the symbols that follow its own: y is x shifted by one.
        code = {symbol: i for i, symbol in enumerate(ALPHABET)}
        rows = [[code[symbol] for symbol in self._text(rng)] for _ in range(n)]
        symbols = torch.tensor(rows)
        X = torch.nn.functional.one_hot(symbols[:, :-1], len(ALPHABET)).float()
        return X, symbols[:, 1:].contiguous()

    def _text(self, rng: np.random.Generator) -> str:
        """One stream, and the symbol that follows its last one."""
        parts: list[str] = []
        n_symbols = 0

        for group in self.groups(rng):
            parts.append(f"({group})")
            n_symbols += len(parts[-1])
            if n_symbols > self.length:
                break

        return "".join(parts)[: self.length + 1]


@task("miconi_easy")
class MiconiEasy(SymbolStream):
    """Groups (ab), (abab), ...: after each `ab` another one with probability p.

    p is 0.6 in the paper's code, 0.75 in its text.
    """

    p: Annotated[Number, Field(ge=0, lt=1)] = 0.6

    def groups(self, rng: np.random.Generator) -> Iterator[str]:
        """Endless groups, without their parentheses."""
        while True:
            yield "ab" * rng.geometric(1 - self.p)


@task("miconi_hard")
class MiconiHard(SymbolStream):
    """Groups of six letters, each the reverse of the last one with one letter flipped."""

    def groups(self, rng: np.random.Generator) -> Iterator[str]:
        """Endless groups, without their parentheses."""
        letters = list(rng.choice(["a", "b"], GROUP_LETTERS))
        while True:
            yield "".join(letters)
            letters.reverse()
            flipped = rng.integers(GROUP_LETTERS)
            letters[flipped] = "b" if letters[flipped] == "a" else "a"


@task("miconi_switch")
class MiconiSwitch(TaskOptions):
    """One stream whose grammar changes: equal parts of the easy and the hard language, by turns.

    With `length` = symbols per update x updates, training passes through it once. Validation and
    test hold the last grammar (Miconi 2016).
    """

    parts: Annotated[tuple[Literal["easy", "hard"], ...], Field(min_length=1)] = (
        "easy",
        "hard",
        "easy",
    )
    length: Size = Field(default=400_000, description="symbols in the stream")
    p: Annotated[Number, Field(ge=0, lt=1)] = 0.6

    def load(self) -> Dataset:
        """One stream for training; shorter ones of the last grammar for validation and test."""
        part_length = -(-self.length // len(self.parts))
        n_symbols = self.length + 2 * part_length * (1 + N_VALIDATION + N_TEST)
        require_memory("task_options: length", BYTES_HELD * n_symbols)

        size = {"data_seed": self.data_seed, "n_streams": 1, "length": part_length}
        grammars = {
            "easy": MiconiEasy(p=self.p, **size).load(),
            "hard": MiconiHard(**size).load(),
        }

        # A grammar that comes back brings the same symbols again.
        streams = [grammars[part].train for part in self.parts]
        X = torch.cat([X for X, _ in streams], 1)[:, : self.length].contiguous()
        y = torch.cat([y for _, y in streams], 1)[:, : self.length].contiguous()

        last = grammars[self.parts[-1]]
        short = slice(min(SWITCH_SYMBOLS, part_length))
        validation, test = ((X[:, short], y[:, short]) for X, y in (last.validation, last.test))
        return Dataset((X, y), validation, test, len(ALPHABET), "stream")
