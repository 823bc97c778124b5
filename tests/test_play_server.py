"""`urn play` as others meet it: who may ask, what is refused, what all pages see, how it ends."""

import http.client
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.playing import PATIENCE, Client, Program, opened, playing
from urn import load_run, train

pytest.importorskip("starlette", reason="starlette is not installed: pip install -e .[play]")
sync = pytest.importorskip("websockets.sync.client")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One program for all tests of this module."""
    with playing(tmp_path_factory.mktemp("play")) as program:
        yield program


@pytest.fixture
def client(program: Program) -> Iterator[Client]:
    """A page without a browser, which has been told everything."""
    with opened(program) as client:
        client.kind("frame")
        yield client


def status(program: Program, path: str, **headers: str) -> int:
    """What a request is answered with."""
    connection = http.client.HTTPConnection(program.host, timeout=PATIENCE)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in {"Host": program.host, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


# ---- who may ask


def test_only_who_knows_the_token_is_served(program: Program) -> None:
    good = f"?token={program.token}"
    for path in ("/", "/play.css", "/play.js"):
        assert status(program, path + good) == 200
        for query in ("", "?token=", "?token=x", f"{good}x", "?Token=" + program.token):
            assert status(program, path + query) == 403
    assert status(program, "/../setup.cfg" + good) == 404


def test_another_host_or_origin_is_refused(program: Program) -> None:
    """As a page of somebody else, or a name that was made to point here, would ask."""
    path = f"/?token={program.token}"
    port = program.host.split(":")[1]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""):
        assert status(program, path, Host=host) == 403
    for origin in ("http://evil.example", "null", f"https://{program.host}", "http://127.0.0.1:1"):
        assert status(program, path, Origin=origin) == 403
    assert status(program, path, Host=f"localhost:{port}") == 200
    assert status(program, path, Origin=f"http://{program.host}") == 200


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_a_socket_of_another_origin_is_refused(program: Program, origin: str | None) -> None:
    with pytest.raises(Exception, match="403"), sync.connect(program.socket, origin=origin):
        pass


def test_a_socket_without_the_token_is_refused(program: Program) -> None:
    for address in (f"ws://{program.host}/socket", f"ws://{program.host}/socket?token=x"):
        origin = f"http://{program.host}"
        with pytest.raises(Exception, match="403"), sync.connect(address, origin=origin):
            pass


def test_the_page_may_run_nothing_but_its_own_files(program: Program) -> None:
    connection = http.client.HTTPConnection(program.host, timeout=PATIENCE)
    connection.request("GET", f"/?token={program.token}")
    answer = connection.getresponse()
    policy = answer.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert answer.getheader("Referrer-Policy") == "no-referrer"
    text = answer.read().decode()
    assert "<style" not in text
    assert " style=" not in text
    assert "onclick" not in text
    connection.close()


# ---- messages


def bad_messages() -> Iterator[str | bytes]:
    """200 that no page sends."""
    rng = random.Random(7)
    known = ["run", "step", "back", "dial", "preset", "start", "whatif", "silence", "order", "save"]
    values: list[Any] = [
        None,
        -1,
        1e400,
        "x" * 3000,
        [],
        {},
        [[1]],
        True,
        "../..",
        10**30,
        "\u0000",
    ]
    yield from ("", "{", "[]", "null", "1", '"run"', "[" * 5000, "{}", '{"do": []}', '{"do": "x"}')
    yield from ('{"do": "__init__"}', '{"do": "run", "x": 1}', "x" * 20_000, b"\x00\xff", b"{}")
    yield from ('{"do":"save","name":"../x"}', '{"do":"save","name":"/etc/x"}')
    yield from ('{"do":"start","n_neurons":100000}', '{"do":"start","task":"file"}')
    yield '{"do":"start","dials":{"nothing":1}}'
    for _ in range(180):
        keys = [
            "n",
            "step",
            "name",
            "value",
            "kind",
            "neurons",
            "by",
            "n_neurons",
            "seed",
            "task",
        ]
        bad = {key: rng.choice(values) for key in rng.sample(keys, rng.randint(1, 3))}
        yield json.dumps({"do": rng.choice(known), "no such key": 1, **bad})


def test_200_bad_messages_are_refused_and_nothing_dies(program: Program, client: Client) -> None:
    before = client_step(client)
    messages = list(bad_messages())
    assert len(messages) == 200
    for message in messages:
        client.socket.send(message)
        refusal = client.kind("error")
        assert refusal["text"]
        assert "\n" not in refusal["text"]
        assert len(refusal["text"]) < 500

    assert program.process.poll() is None
    assert len(program.children()) >= 2
    client.send(do="step", n=1)
    client.until(lambda message: message["kind"] == "frame" and message["step"] == before + 1)


def client_step(client: Client) -> int:
    """The step of the network, when it rests."""
    client.send(do="pause")
    return client.until(lambda m: m["kind"] == "session" and not m["running"])["step"]


def test_a_message_that_is_far_too_long_ends_its_own_page_only(program: Program) -> None:
    with opened(program) as other, opened(program) as client:
        other.kind("frame")
        client.socket.send("x" * 1_000_000)
        with pytest.raises(Exception, match="1009"):
            client.until(lambda _: False)
        other.send(do="hello")
        other.kind("session")


# ---- all pages see the same


def test_a_second_page_sees_the_same(program: Program, client: Client) -> None:
    client.send(do="preset", name="recurrent", seed=3)
    client.until(lambda m: m["kind"] == "frame" and m["step"] >= 20)
    client_step(client)
    client.send(do="dial", name="weight", value=2e-4)
    with opened(program) as other:
        state = other.until(lambda m: m["kind"] == "session" and m["turns"])
        frame = other.kind("frame")
        client.send(do="hello")
        first = client.until(lambda m: m["kind"] == "session" and m["turns"])
        same = client.kind("frame")
        assert state == first
        assert frame["bytes"] == same["bytes"]

        # What one does, the other is shown.
        other.send(do="silence", neurons=[70, 71])
        told = client.until(lambda m: m["kind"] == "frame" and m["without"] is not None)
        assert told["step"] == frame["step"]
        other.send(do="silence", neurons=[])


def test_a_dial_acts_within_some_steps_and_is_part_of_what_is_saved(
    program: Program, client: Client, tmp_path: Path
) -> None:
    """Turned, saved, and repeated by `urn train` with the saved configuration: the same bits."""
    client.send(do="preset", name="recurrent", seed=1)
    client.until(lambda m: m["kind"] == "frame" and m["step"] >= 30)
    for name, value in (("depth", 0.05), ("weight", 1e-3), ("w0", 0.5), ("self", 0.01)):
        client.send(do="dial", name=name, value=value)
        turned = client.until(lambda m, n=name: m["kind"] == "session" and n in dict(_by_name(m)))
        assert dict(_by_name(turned))[name] == value
        client.until(lambda m, s=turned["step"]: m["kind"] == "frame" and m["step"] > s)
    step = client_step(client)
    client.send(do="save", name="again")
    saved = client.kind("saved")
    assert saved["step"] == step

    folder = Path(program.folder, "runs", "again")
    run = load_run(folder)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = train(run.config)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(again.weights, run.weights)
    assert torch.equal(again.biases, run.biases)

    # A name that is taken is refused.
    client.send(do="save", name="again")
    assert "again" in client.kind("error")["text"]


def _by_name(message: dict[str, Any]) -> list[tuple[str, float]]:
    return [(name, value) for _, name, value in message["turns"]]


# ---- its end


def _ended(pids: list[int]) -> bool:
    end = time.monotonic() + 15
    while any(Path(f"/proc/{pid}/stat").exists() and not _zombie(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_nothing_is_left_after_an_interrupt(tmp_path: Path) -> None:
    with playing(tmp_path) as program:
        with opened(program) as client:
            client.kind("you")
            children = program.children()
            assert len(children) >= 2
            assert program.stop() == 130
        assert _ended(children)


def test_nothing_is_left_after_the_last_page_was_closed(tmp_path: Path) -> None:
    with playing(tmp_path, "--grace", "1") as program:
        with opened(program) as client:
            client.kind("you")
        children = program.children()
        # A page that opens within the grace keeps it going.
        with opened(program) as client:
            time.sleep(1.5)
            client.kind("you")
            assert program.process.poll() is None
        assert program.process.wait(20) == 0
        assert _ended(children)


def test_nothing_is_left_when_the_server_is_killed(tmp_path: Path) -> None:
    with playing(tmp_path) as program:
        with opened(program) as client:
            client.kind("frame")
        children = program.children()
        program.process.kill()
        program.process.wait(20)
        assert _ended(children)


def test_a_port_that_is_taken_is_refused_in_a_line(program: Program, tmp_path: Path) -> None:
    port = program.host.split(":")[1]
    with pytest.raises(AssertionError, match=rf"^urn: --port: {port} cannot be used"):
        Program(tmp_path, "--port", port)


def test_sessions_that_could_not_be_saved_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(AssertionError, match=r"^urn: --out: .*taken is not a folder"):
        Program(tmp_path, "--out", str(tmp_path / "taken"))
