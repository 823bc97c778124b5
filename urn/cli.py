"""The command line: `urn COMMAND ...`, and `--help` and `--debug` for every command.

Flags and TOML files say the same things: a flag is a key of `TrainConfig`, its value a TOML value.
How a command may end is said in `urn.border`. Whatever takes its time to load is imported inside.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from urn.border import Interrupt, commands_interrupt, guarded, set_up_process
from urn.memory import require_libraries

if TYPE_CHECKING:
    import argparse

__all__ = ["Interrupt", "main"]


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    argv : list of str, optional
        The words after `urn`. Without them they are the process's own, whose signals and streams
        are then set up for a command line tool.
    """
    if argv is not None:
        return guarded(lambda: _run(argv), argv)
    set_up_process()
    words = sys.argv[1:]
    return guarded(lambda: _run(words), words)


def _run(words: list[str]) -> int:
    """Parse a command line and run its command."""
    if "torch" not in sys.modules:
        require_libraries()
    command = next((word for word in words if word != "--debug"), "")
    arguments = _parser(command).parse_args(words)
    with commands_interrupt():
        return arguments.run(arguments)


def _parser(command: str) -> argparse.ArgumentParser:
    """The parser of all commands.

    Other packages add commands under the entry point group `urn.commands`: a function that fills a
    parser. Only the command asked for is imported, for analysis takes its time to load; for --help
    all are.
    """
    import argparse
    from importlib.metadata import entry_points

    from urn.errors import InputError

    class Parser(argparse.ArgumentParser):
        """argparse, but a wrong flag is one line and no usage."""

        def error(self, message: str) -> NoReturn:
            raise InputError(message)

    parser = Parser(
        prog="urn",
        description="Unstructured Recursive Networks: "
        "watch architecture emerge in one flat weight matrix.",
        allow_abbrev=False,
    )
    _add_debug(parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    loaders: dict[str, Callable[[], Any]] = {"train": _load_train}
    loaders |= {entry.name: entry.load for entry in entry_points(group="urn.commands")}

    for name in [command] if command in loaders else loaders:
        try:
            add = loaders[name]()
        except ImportError as error:  # a broken extension must not take the other commands along
            if name == command:
                raise InputError(f"{name}: cannot be loaded ({error})") from error
            continue
        text = " ".join((add.__doc__ or name).split()).replace("%", "%%")
        summary = text.split(".")[0].lower()
        added = commands.add_parser(name, help=summary, description=text, allow_abbrev=False)
        _add_debug(added)
        add(added)
    return parser


def _load_train() -> Callable[[argparse.ArgumentParser], None]:
    """`urn train`, which brings torch along: seconds that other commands do not always need."""
    from urn.commands import add_train

    return add_train


def _add_debug(parser: argparse.ArgumentParser) -> None:
    import argparse

    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show where in the program an error came up",
    )
