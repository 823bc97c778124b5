"""`urn play` in headless Chromium: how soon it is there, how fast it draws, what training loses.

Parts: `start` (page and first W after the command), `speed` (frames beside training, and training
beside frames), `dial` (how soon a dial acts), `presets` (how soon each has its verdict). It takes
playwright and Chromium, as the tests do.
"""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from experiments.play.presets import PRESETS
from experiments.play.session import Session, preset_config

PARTS = ("start", "speed", "dial", "presets")
"""In the order they are run."""
SEEDS = range(5)
"""Of every preset."""
MOST_SECONDS = 90
"""Within which a preset has to reach its verdict."""
FIRST = 100  # Step from which speed is taken: the network is still large.
LAST = 700  # Step until which it is taken.
REPEATS = 5  # Times that the command is started, and a dial is turned.
LAYERED = 4  # Dashes in the summary of three hidden layers: a few neurons are dense in one as well.
S = 300  # Neurons of the network whose speed is taken, on digits.
TICK = 0.02  # Seconds between looks at what has come.


class Inbox:
    """What the socket of a page brought, with the time at which it came."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, dict[str, Any]]] = []
        self.texts: list[tuple[float, dict[str, Any]]] = []

    def take(self, payload: str | bytes) -> None:
        """Note a message."""
        now = time.monotonic()
        if isinstance(payload, str):
            self.texts.append((now, json.loads(payload)))
        elif payload[:1] == b"F":
            (length,) = struct.unpack("<I", payload[1:5])
            self.frames.append((now, json.loads(payload[5 : 5 + length])))

    def session(self) -> dict[str, Any]:
        """The network of now."""
        return next(text for _, text in reversed(self.texts) if text["kind"] == "session")


@contextmanager
def opened(browser: Any) -> Iterator[tuple[Any, Inbox, float]]:
    """A page of a program that was just started, what it hears, and when that was."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        words = [sys.executable, "-m", "urn", "play", "--no-browser", "--out", folder]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            inbox = Inbox()
            page = browser.new_page(viewport={"width": 1300, "height": 1000})
            page.on("websocket", lambda ws: ws.on("framereceived", inbox.take))
            page.goto(address)
            yield page, inbox, began
            page.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def until(page: Any, fits: Callable[[], Any], seconds: float = 120.0) -> bool:
    """Wait until something holds; whether it did in time."""
    end = time.monotonic() + seconds
    while not fits():
        if time.monotonic() > end:
            return False
        page.wait_for_timeout(1000 * TICK)
    return True


def start(browser: Any) -> None:
    """Seconds from the command to the page and to the first W."""
    for k in range(REPEATS):
        with opened(browser) as (page, inbox, began):
            there = time.monotonic() - began
            until(page, lambda inbox=inbox: inbox.frames)
            first = inbox.frames[0][0] - began
            print(f"start {k}: page after {there:.2f} s, first W after {first:.2f} s", flush=True)


def speed(browser: Any) -> None:
    """Frames a second while S neurons learn digits, and training with and without the page."""
    alone, alone_processor = _alone()

    # The same steps beside the page, by the clock and by what the process had of processors.
    with opened(browser) as (page, inbox, _):
        until(page, lambda: inbox.frames)
        _digits(page)
        until(page, lambda: inbox.session()["task"] == "digits")
        until(page, lambda: inbox.frames[-1][1]["step"] > FIRST)
        began = processor_seconds(inbox.frames[-1][1]["pid"])
        from_step = inbox.frames[-1][1]["step"]
        until(page, lambda: inbox.frames[-1][1]["step"] > LAST)
        used = processor_seconds(inbox.frames[-1][1]["pid"]) - began
        by_processor = (inbox.frames[-1][1]["step"] - from_step) / used
        shown = [(t, f["step"]) for t, f in inbox.frames if FIRST <= f["step"] <= LAST]

    # Frames and steps of the same stretch.
    seconds = shown[-1][0] - shown[0][0]
    rate = (len(shown) - 1) / seconds
    beside = (shown[-1][1] - shown[0][1]) / seconds
    print(f"speed: {rate:.1f} frames a second; {beside:.0f} steps a second beside the page,")
    print(f"speed: {alone:.0f} without it: {beside / alone:.2f} of it", flush=True)
    share = by_processor / alone_processor
    print(f"speed: a second of its processor: {by_processor:.0f} of {alone_processor:.0f} steps,")
    print(f"speed: {share:.2f}: what is left of it to training, whatever else runs", flush=True)


def _digits(page: Any) -> None:
    """Start the network whose speed is taken."""
    page.fill("#n_neurons", str(S))
    page.select_option("#task", "digits")
    page.click("#start button")


def processor_seconds(pid: int) -> float:
    """What a process has had of processors (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _alone() -> tuple[float, float]:
    """Steps a second of the same network without a page, and a second of its processor."""
    session = Session(preset_config("layered", 0).replace(task="digits", n_neurons=S))
    session.advance(until=FIRST)
    began = time.monotonic()
    used = time.process_time()
    session.advance(until=LAST)
    used = time.process_time() - used
    return (LAST - FIRST) / (time.monotonic() - began), (LAST - FIRST) / used


def dial(browser: Any) -> None:
    """Seconds from a key on a dial to the first picture of a network that was trained by it."""
    with opened(browser) as (page, inbox, _):
        until(page, lambda: inbox.frames)
        _digits(page)
        until(page, lambda: inbox.frames[-1][1]["step"] > FIRST)
        for k in range(REPEATS):
            print(f"dial {k}: drawn after {_turned(page, inbox):.2f} s", flush=True)


def _turned(page: Any, inbox: Inbox) -> float:
    """Seconds from a key on a dial to a picture of what was trained by it."""
    # A key moves the dial by one position.
    n_before = len(inbox.session()["turns"])
    page.focus("#dial-activity")
    began = time.monotonic()
    page.keyboard.press("ArrowRight")
    until(page, lambda: len(inbox.session()["turns"]) > n_before)
    step, _, value = inbox.session()["turns"][-1]

    def acts() -> bool:
        frame = inbox.frames[-1][1]
        return frame["step"] > step and frame["dials"]["activity"] == value

    until(page, acts)
    return inbox.frames[-1][0] - began


def presets(browser: Any, names: Sequence[str] = tuple(PRESETS)) -> None:
    """Seconds from a press on a preset to its verdict, and whether it has it after its steps."""
    with opened(browser) as (page, inbox, _):
        until(page, lambda: inbox.frames)
        for name in names:
            wanted = PRESETS[name].verdict
            pairs = [_verdict(page, inbox, name, wanted, seed) for seed in SEEDS]
            times = [t for t, _ in pairs if t is not None]
            shown = ", ".join("-" if t is None else f"{t:.1f}" for t, _ in pairs)
            held = sum(held for _, held in pairs)
            print(
                f"presets: {name}: {len(times)} of {len(pairs)}: {shown} s; "
                f"{held} of {len(pairs)} have it after {PRESETS[name].fields['steps']:,} steps",
                flush=True,
            )


def _verdict(
    page: Any, inbox: Inbox, name: str, wanted: str, seed: int
) -> tuple[float | None, bool]:
    """Seconds from a press to the verdict that is wanted, None where it did not come in time; and
    whether the network has it after the steps of its preset."""
    # The message that the button of a preset sends, with a seed.
    before = inbox.session()["serial"]
    began = time.monotonic()
    page.evaluate("fields => send(fields)", {"do": "preset", "name": name, "seed": seed})
    until(page, lambda: inbox.session()["serial"] > before)
    serial = inbox.session()["serial"]

    def said() -> list[tuple[float, dict[str, Any]]]:
        return [(t, m) for t, m in inbox.texts if m["kind"] == "verdict" and m["serial"] == serial]

    def has(m: dict[str, Any]) -> bool:
        present = any(v["name"] == wanted and v["present"] for v in m["verdicts"])
        return present and (wanted != "fully_connected" or m["summary"].count("-") >= LAYERED)

    def come() -> list[float]:
        return [t for t, m in said() if has(m)]

    def ended() -> bool:
        return bool(said()) and said()[-1][1]["step"] >= PRESETS[name].fields["steps"]

    first = come()[0] - began if until(page, come, MOST_SECONDS) else None
    until(page, ended)
    return first, bool(said()) and has(said()[-1][1])


def main(arguments: list[str]) -> int:
    """Print the parts that are named, or all; the name of a preset is a part as well."""
    unknown = set(arguments) - {*PARTS, *PRESETS}
    if unknown:
        known = ", ".join((*PARTS, *PRESETS))
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {known}")
    from playwright.sync_api import sync_playwright

    torch.set_num_threads(1)
    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    parts = {"start": start, "speed": speed, "dial": dial, "presets": presets}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name in arguments or PARTS:
            if name in PRESETS:
                presets(browser, [name])
            else:
                parts[name](browser)
        browser.close()
    return 0
