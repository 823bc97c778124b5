"""`urn play`: a page on which dials are turned while a network trains.

Nothing heavy is imported here: the page is there before torch is loaded, in another process.
"""

import argparse
import webbrowser
from importlib.util import find_spec
from pathlib import Path

from urn.errors import InputError
from urn.outputs import check_folder

NEEDED = ("starlette", "uvicorn", "websockets")
"""What the extra `play` brings."""

GRACE = 60.0
"""Seconds that everything goes on after the last page was closed."""

PORTS = 2**16
"""One more than the largest port."""


def add_play(parser: argparse.ArgumentParser) -> None:
    """Open a page on which a network trains and you turn the dials. It is served to this machine
    alone, and ends with Ctrl-C or a minute after its last page is closed."""
    parser.set_defaults(run=_play)
    add = parser.add_argument
    add("--port", type=int, default=0, help="port of the page (default: any that is free)")
    add("--no-browser", action="store_true", help="print the address, open nothing")
    add("--out", default="runs", metavar="DIR", help="where sessions are saved (default: runs)")
    add(
        "--grace",
        type=float,
        default=GRACE,
        metavar="SECONDS",
        help="how long all goes on after the last page was closed (default: 60)",
    )


def _play(arguments: argparse.Namespace) -> int:
    if not 0 <= arguments.port < PORTS:
        raise InputError(f"--port: must be from 0 to {PORTS - 1}")
    if not 0 <= arguments.grace <= 86_400:
        raise InputError("--grace: must be from 0 to 86,400 seconds")
    # Sessions are saved much later: that they could not be is said now.
    check_folder(Path(arguments.out), new=False)
    if any(find_spec(name) is None for name in NEEDED):
        raise InputError("play: needs an extra: pip install urn-networks[play]")
    from experiments.play.server import HOST, listen, new_token, run_server

    try:
        listening = listen(arguments.port)
    except OSError as error:
        raise InputError(f"--port: {arguments.port} cannot be used ({error.strerror})") from None

    # The address is printed before anything heavy is started: who has it may open it at once.
    token = new_token()
    address = f"http://{HOST}:{listening.getsockname()[1]}/?token={token}"
    print(address, flush=True)
    print("Ctrl-C ends it.", flush=True)
    if not arguments.no_browser:
        webbrowser.open(address)
    run_server(listening, token, arguments.out, arguments.grace)
    return 0
