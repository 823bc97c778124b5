"""The command line: `urn COMMAND ...`, and `--help` and `--debug` for every command.

Flags and TOML files say the same things: a flag is a key of `TrainConfig`, its value a TOML value.
How a command may end is said in `urn.border`. Whatever takes its time to load is imported inside.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

from urn.border import Interrupt, commands_interrupt, guarded, set_up_process
from urn.memory import require_libraries

if TYPE_CHECKING:
    import argparse
    from importlib.metadata import EntryPoint

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
    parser. Only the command asked for is imported, for torch and analysis take their time to load.
    Of the others `--help` shows a line, which is read from their source.
    """
    import argparse
    from importlib.metadata import EntryPoint, entry_points

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
    train = EntryPoint("train", "urn.commands:add_train", "urn.commands")
    entries = {entry.name: entry for entry in (train, *entry_points(group="urn.commands"))}

    # For help, or a command that does not exist: names and a line each, nothing is imported.
    if command not in entries:
        for name, entry in entries.items():
            text = _described(entry)
            if text is not None:  # None: a broken extension, which takes no other command along
                commands.add_parser(name, help=_summary(_on_one_line(text or name)))
        return parser

    try:
        add = entries[command].load()
    except ImportError as error:
        raise InputError(f"{command}: cannot be loaded ({error})") from error
    text = _on_one_line(add.__doc__ or command)
    added = commands.add_parser(command, help=_summary(text), description=text, allow_abbrev=False)
    _add_debug(added)
    add(added)
    return parser


def _on_one_line(docstring: str) -> str:
    """A docstring as argparse takes it."""
    return " ".join(docstring.split()).replace("%", "%%")


def _summary(text: str) -> str:
    """The first sentence."""
    return text.split(".")[0].lower()


def _described(entry: EntryPoint) -> str | None:
    """The docstring of a command's function, without importing its module; None if it is broken.

    A function that is not written out in that module is imported after all.
    """
    import ast
    from importlib.util import find_spec

    try:
        spec = find_spec(entry.module)
        loader: Any = spec.loader if spec else None
        source = loader.get_source(entry.module)
        for node in ast.parse(source or "").body:
            if isinstance(node, ast.FunctionDef) and node.name == entry.attr:
                return ast.get_docstring(node) or ""
        return entry.load().__doc__ or ""
    except (ImportError, AttributeError, SyntaxError):
        return None


def _add_debug(parser: argparse.ArgumentParser) -> None:
    import argparse

    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show where in the program an error came up",
    )
