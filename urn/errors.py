"""The one exception for what a user can put right, and how its message is kept to one short line.

The message names the culprit and what would do. Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

LONGEST_MESSAGE = 480
"""Characters. By judgement: six lines of a terminal; `urn: ` and a line end keep it below 500."""

LONGEST_VALUE = 60
"""Characters of a value that a message quotes. By judgement: enough to recognise it by."""

GAP = " ... "
"""What stands for the middle of a text that was too long."""


UNLOADED = ("failed to map segment", "cannot allocate memory")
"""What the system's loader says where a library does not fit into memory."""


class InputError(ValueError):
    """Bad input. The command line prints the message alone and ends with status 2.

    Parameters
    ----------
    message : str
        Kept as one line of at most `LONGEST_MESSAGE` printable characters, see `bounded`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(bounded(message))


def bounded(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """A text as one line of printable characters, without its middle where it is longer.

    Control characters, surrogates and marks that turn the writing direction become escapes such
    as `\\x1b`, so that nothing a file or a flag holds can command a terminal.
    """
    if len(text) > 4 * longest:  # before the work, not only after it
        text = text[: 2 * longest] + GAP + text[-2 * longest :]

    line = " ".join(text.split())
    printable = "".join(c if c.isprintable() else _escaped(c) for c in line)
    if len(printable) <= longest:
        return printable

    n_tail = longest // 3
    n_head = longest - n_tail - len(GAP)
    return printable[:n_head] + GAP + printable[-n_tail:]


def shown(value: object, longest: int = LONGEST_VALUE) -> str:
    """A value as a message quotes it: its `repr` on one line, cut where it is longer."""
    try:
        text = repr(value[: 2 * longest] if isinstance(value, str | bytes) else value)
    except (RecursionError, ValueError):  # ValueError: an int of more digits than Python writes
        text = f"a {type(value).__name__} that is too large to show"

    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else line[: longest - 3] + "..."


def one_line(error: ValidationError, source: str = "") -> InputError:
    """Turn pydantic's report into one line.

    Parameters
    ----------
    error : pydantic.ValidationError
        What pydantic raised.
    source : str
        What was validated; put before the names of fields.

    Returns
    -------
    InputError
        Naming each field, what it held and what would be right.
    """
    parts = []
    for item in error.errors():
        field = ".".join(bounded(str(part), LONGEST_VALUE) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            parts.append(f"{field}: unknown key")
        elif isinstance(item.get("ctx", {}).get("error"), InputError):
            # A model within the model: its message begins with the name of its own field.
            parts.append(f"{field}.{message}" if field else message)
        elif item["type"] in ("missing", "value_error"):
            parts.append(f"{field}: {message}" if field else message)
        else:
            parts.append(f"{field}: {message}, not {shown(item['input'])}")

    return InputError((f"{source}: " if source else "") + "; ".join(parts))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed; torch and the loader of libraries have no class for that."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    if isinstance(error, ImportError):
        return any(words in text for words in UNLOADED)
    return isinstance(error, RuntimeError) and ("memory" in text or "start new thread" in text)


@contextmanager
def memory_for(culprit: str) -> Iterator[None]:
    """Turn an allocation of NumPy or torch that failed into an InputError.

    Parameters
    ----------
    culprit : str
        What was too large: the name of a setting.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(f"{culprit}: does not fit into memory") from None


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
