"""`urn play` as a process, for tests: started, spoken to over its socket, ended."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0
"""Seconds to wait for an answer: the machine may be busy with other things."""


class Program:
    """A running `urn play`.

    Parameters
    ----------
    folder : path
        Where run folders go.
    *arguments : str
        More words of the command line.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        began = time.monotonic()
        self.folder = folder
        words = ["play", "--no-browser", "--out", str(folder / "runs"), *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{environment.get('PYTHONPATH', '')}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "urn", *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            said = self.process.communicate()[1]
            raise AssertionError(said)
        self.began = began
        self.host = self.address.split("/")[2]
        self.token = self.address.split("token=")[1]

    @property
    def socket(self) -> str:
        """The address of the socket."""
        return f"ws://{self.host}/socket?token={self.token}"

    def children(self) -> list[int]:
        """Processes that it has started and that are still there."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in path.read_text().split()]

    def stop(self) -> int:
        """End it as Ctrl-C does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            for stream in (self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()


@contextlib.contextmanager
def playing(folder: Path, *arguments: str) -> Iterator[Program]:
    """A program for as long as it is needed."""
    program = Program(folder, *arguments)
    try:
        yield program
    finally:
        program.stop()


class Client:
    """A page without a browser: it sends messages and reads what comes."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    def send(self, **fields: Any) -> None:
        """Ask for something."""
        self.socket.send(json.dumps(fields))

    def read(self) -> dict[str, Any]:
        """The next message; of a frame its head, with its bytes under "bytes"."""
        message = self.socket.recv(timeout=PATIENCE)
        if isinstance(message, str):
            return json.loads(message)
        (length,) = struct.unpack("<I", message[1:5])
        head = json.loads(message[5 : 5 + length])
        # "B" begins the last frame of the network before.
        kind = "frame" if message[:1] == b"F" else "frame before"
        return {**head, "kind": kind, "bytes": message}

    def until(self, fits: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The next message that fits."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            message = self.read()
            if fits(message):
                return message
        raise AssertionError("no such message")

    def kind(self, kind: str) -> dict[str, Any]:
        """The next message of a kind."""
        return self.until(lambda message: message["kind"] == kind)


@contextlib.contextmanager
def opened(program: Program) -> Iterator[Client]:
    """A client for as long as it is needed."""
    client = pytest.importorskip("websockets.sync.client")
    origin = f"http://{program.host}"
    with client.connect(program.socket, origin=origin, max_size=None) as socket:
        yield Client(socket)
