"""The one exception for what a user can put right: its message is one line that names the culprit and what would do."""

from pydantic import ValidationError


class InputError(ValueError):
    """Bad input. The command line prints the message alone and ends with status 2."""


def one_line(error: ValidationError, where: str = "") -> InputError:
    """Turn pydantic's report into one line naming each field, what it held and what would be right."""
    parts = []
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            parts.append(f"{field}: unknown key")
        elif item["type"] in ("missing", "value_error"):
            parts.append(f"{field}: {message}" if field else message)
        else:
            parts.append(f"{field}: {message}, not {_short(item['input'])}")
    return InputError((f"{where}: " if where else "") + "; ".join(parts))


def _short(value: object, width: int = 60) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= width else text[: width - 3] + "..."
