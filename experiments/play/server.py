"""The server of the page: three files and a socket, on this machine alone.

It relays messages between pages and the process that trains, and holds no network. Whoever asks
must know the token, name this server as Host and come from its page (Origin): another page that is
open in the same browser can do neither.
"""

import asyncio
import contextlib
import hmac
import json
import queue
import secrets
import socket
import threading
from collections.abc import AsyncIterator
from importlib import resources
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from experiments.play import judge, worker

HOST = "127.0.0.1"
"""The one address that is served: no other machine reaches it."""
LONGEST_MESSAGE = 1 << 14
"""Bytes of a message from a page. By judgement: the longest that a page sends has some hundreds."""
MOST_WAITING = 200
"""Messages that wait for the process that trains; more are refused."""
MOST_PAGES = 16
"""Pages that may be open at once. By judgement."""
CLOSED_SECONDS = 5.0
"""Time that processes have to end before they are ended."""

FILES = {
    "/": ("play.html", "text/html; charset=utf-8"),
    "/play.css": ("play.css", "text/css; charset=utf-8"),
    "/play.js": ("play.js", "text/javascript; charset=utf-8"),
}
"""What is served, by address."""


class Page:
    """A page that is open: texts in order, and of frames only the newest."""

    def __init__(self) -> None:
        self.texts: asyncio.Queue[str] = asyncio.Queue()
        self.frame: bytes | None = None
        self.before: bytes | None = None
        self.there = asyncio.Event()

    def take(self, message: bytes) -> None:
        """Put a message of the training process where it will be sent from."""
        kind = message[:1]
        body = message[1:]
        if kind == b"F":
            self.frame = body
        elif kind == b"B":
            self.before = body
        else:
            self.texts.put_nowait(body.decode())
        self.there.set()

    async def send_all(self, socket: WebSocket) -> None:
        """Send whatever is there, for as long as the page is open."""
        while True:
            await self.there.wait()
            self.there.clear()
            while not self.texts.empty():
                await socket.send_text(self.texts.get_nowait())

            # A page that is slow is sent fewer frames, and never an old one.
            frame = self.frame
            before = self.before
            self.frame = self.before = None
            for kind, body in ((b"B", before), (b"F", frame)):
                if body is not None:
                    await socket.send_bytes(kind + body)


class Relay:
    """The training process, and the pages that it is shown on.

    Parameters
    ----------
    out : str
        Folder for run folders.
    grace : float
        Seconds after the last page was closed until all ends.
    """

    def __init__(self, out: str, grace: float) -> None:
        self.grace = grace
        self.pages: dict[int, Page] = {}
        self.numbers = 0
        self.waiting: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self.ended = threading.Event()
        self._leaving: asyncio.TimerHandle | None = None
        self.server: uvicorn.Server | None = None

        # Spawned, not forked: they begin with nothing of this process but the ends of two pipes.
        context = get_context("spawn")
        self.pipe, its_end = context.Pipe()
        ask, answer = context.Pipe()
        self.processes: list[BaseProcess] = [
            context.Process(target=worker.main, args=(its_end, ask, out), name="urn-play-train"),
            context.Process(target=judge.main, args=(answer,), name="urn-play-judge"),
        ]
        for process in self.processes:
            process.start()
        for end in (its_end, ask, answer):
            end.close()

    # ---- to and from the training process

    async def watch(self) -> None:
        """Start the threads that read and write the pipe: neither may hold the server up."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), daemon=True).start()
        threading.Thread(target=self._write, daemon=True).start()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            while True:
                try:
                    message = self.pipe.recv_bytes()
                except (EOFError, OSError):
                    loop.call_soon_threadsafe(self._gone)
                    return
                loop.call_soon_threadsafe(self._spread, message)

    def _write(self) -> None:
        while (message := self.waiting.get()) is not None:
            try:
                self.pipe.send_bytes(message)
            except (OSError, ValueError):
                return

    def _spread(self, message: bytes) -> None:
        for page in self.pages.values():
            page.take(message)

    def _gone(self) -> None:
        """The training process has ended: nothing is left to serve."""
        if self.server is not None and not self.server.should_exit:
            print("urn: the process that trains has ended", flush=True)
            self.server.should_exit = True

    def ask(self, fields: dict[str, Any]) -> bool:
        """Pass a message on; False where too many wait already."""
        try:
            self.waiting.put_nowait(json.dumps(fields).encode())
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """End both processes: they leave when their pipes are closed."""
        with contextlib.suppress(queue.Full):
            self.waiting.put_nowait(None)
        self.pipe.close()
        for process in self.processes:
            process.terminate()
            process.join(CLOSED_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()

    # ---- pages

    async def serve(self, socket: WebSocket) -> None:
        """One page, from its opening to its closing."""
        await socket.accept()
        if len(self.pages) >= MOST_PAGES:
            await socket.close(1013)
            return
        self.numbers += 1
        number = self.numbers
        page = self.pages[number] = Page()
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        self.ask({"do": "hello", "client": number})
        page.take(b"J" + json.dumps({"kind": "you", "client": number}).encode())

        # Two tasks a page: this one listens, the other sends.
        sending = asyncio.create_task(page.send_all(socket))
        try:
            await self._receive(socket, page, number)
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            sending.cancel()
            del self.pages[number]
            if not self.pages:
                self._leave_soon()

    async def _receive(self, socket: WebSocket, page: Page, number: int) -> None:
        while True:
            received = await socket.receive()
            if received["type"] == "websocket.disconnect":
                return
            fields = _object(received.get("text"))
            if fields is None:
                refusal = "A message must be a JSON object of few bytes."
            elif self.ask({**fields, "client": number}):
                continue
            else:
                refusal = "Too many messages wait; try again."
            error = {"kind": "error", "client": number, "text": refusal}
            page.take(b"J" + json.dumps(error).encode())

    def _leave_soon(self) -> None:
        """End after the grace, unless a page opens before."""
        loop = asyncio.get_running_loop()
        self._leaving = loop.call_later(self.grace, self._leave)

    def _leave(self) -> None:
        if self.server is not None:
            self.server.should_exit = True


def _object(text: str | None) -> dict[str, Any] | None:
    """The object in a text; None where there is none, or a long one."""
    if text is None or len(text) > LONGEST_MESSAGE:
        return None
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


class Guard:
    """Refuses whoever does not know the token, or comes from elsewhere.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    port : int
    token : str
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self.app = app
        self.token = token.encode()
        self.hosts = {f"{HOST}:{port}".encode(), f"localhost:{port}".encode()}
        self.origins = {b"http://" + host for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] not in ("http", "websocket") or self._allowed(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse("refused", 403)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    def _allowed(self, scope: Scope) -> bool:
        # A header that comes twice is refused: who reads the first may not be who reads the last.
        given: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name, []).append(value)
        hosts = given.get(b"host", [])
        origins = given.get(b"origin", [])
        if len(hosts) != 1 or hosts[0] not in self.hosts or len(origins) > 1:
            return False
        # Browsers name the origin of every socket; of a page that is typed in there is none.
        if origins and origins[0] not in self.origins:
            return False
        if scope["type"] == "websocket" and not origins:
            return False
        return hmac.compare_digest(_token(scope["query_string"]), self.token)


def _token(query: bytes) -> bytes:
    """The token in a query string."""
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == b"token":
            return value
    return b""


def application(relay: Relay, port: int, token: str) -> ASGIApp:
    """The page, its files and its socket, guarded."""
    policy = "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"connect-src 'self' ws://{HOST}:{port} ws://localhost:{port}",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }

    async def file(request: Request) -> Response:
        name, kind = FILES[request.url.path]
        text = resources.files("experiments.play").joinpath("page", name).read_text("utf-8")
        text = text.replace("{{token}}", token)
        return Response(text, headers=headers | {"Content-Type": kind})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await relay.watch()
        yield

    routes: list[Route | WebSocketRoute] = [Route(path, file) for path in FILES]
    routes.append(WebSocketRoute("/socket", relay.serve))
    return Guard(Starlette(routes=routes, lifespan=lifespan), port, token)


def run_server(listening: socket.socket, token: str, out: str, grace: float) -> None:
    """Serve until the last page was closed for a while, or until an interrupt.

    Parameters
    ----------
    listening : socket
        Bound to HOST.
    token : str
        What an address must hold.
    out : str
        Folder for run folders.
    grace : float
        Seconds after the last page was closed.
    """
    relay = Relay(out, grace)
    try:
        port = listening.getsockname()[1]

        # Not much is waited for at the end: pages are told by their closed sockets.
        config = uvicorn.Config(
            application(relay, port, token),
            log_level="critical",
            access_log=False,
            ws="websockets-sansio",
            ws_max_size=4 * LONGEST_MESSAGE,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        relay.server = uvicorn.Server(config)
        relay.server.run(sockets=[listening])
    finally:
        relay.close()


def listen(port: int) -> socket.socket:
    """A socket on this machine alone; port 0 means any that is free."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()  # a page that comes early waits
    except OSError:
        listening.close()
        raise
    return listening


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


__all__ = ["Guard", "Relay", "application", "listen", "new_token", "run_server"]
