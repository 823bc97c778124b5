"""The one exception for what a user can put right: its message is one line that names the culprit and what would do."""

from contextlib import contextmanager

from pydantic import ValidationError


class InputError(ValueError):
    """Bad input. The command line prints the message alone and ends with status 2."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


def one_line(error: ValidationError, where: str = "") -> InputError:
    """Turn pydantic's report into one line naming each field, what it held and what would be right."""
    parts = []
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            parts.append(f"{field}: unknown key")
        elif isinstance(
            item.get("ctx", {}).get("error"), InputError
        ):  # a model within: it named its own field
            parts.append(f"{field}.{message}" if field else message)
        elif item["type"] in ("missing", "value_error"):
            parts.append(f"{field}: {message}" if field else message)
        else:
            parts.append(f"{field}: {message}, not {_short(item['input'])}")
    return InputError((f"{where}: " if where else "") + "; ".join(parts))


@contextmanager
def memory_for(what: str):
    """Turn an allocation that failed, of NumPy or of torch, into an InputError that names what was too large."""
    try:
        yield
    except (
        MemoryError,
        RuntimeError,
    ) as error:  # torch has no class of its own for a failed allocation on a CPU
        if not isinstance(error, MemoryError) and "memory" not in str(error).lower():
            raise
        raise InputError(f"{what}: does not fit into memory") from None


def _short(value: object, width: int = 60) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= width else text[: width - 3] + "..."
