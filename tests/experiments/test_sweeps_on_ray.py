"""The Ray engine on a local cluster of two: the same results, also when workers are killed."""

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch

from experiments.sweeps.engine import Engine
from experiments.sweeps.plan import make_plan
from experiments.sweeps.store import Store
from tests.experiments.test_sweeps import sweep
from urn import InputError, load_run

# Ray opens sockets and files that it leaves to the end of the process
pytestmark = [
    pytest.mark.alone,  # Ray gives its node 30 seconds to start, whatever else is running
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

KILLS = 5
LOOKED_AT = ["number", "status", "summary", "depth", "test_accuracy", "used_connections"]


def test_ray_trains_the_same_networks_though_workers_are_killed(cwd):
    """Five workers are killed as they begin; where that ends a run, the next finds every point."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install -e .[ray]")
    from experiments.sweeps.on_ray import RayEngine

    plan = make_plan(
        sweep(4, {"steps": 800, "log_every": 200, "n_neurons": 20, "dtype": "float64"})
    )
    killed, over = [], threading.Event()

    def kill():
        while not over.is_set() and len(killed) < KILLS:
            for pid in descendants(os.getpid()):
                if (
                    name(pid).startswith("ray::_train")
                    and pid not in killed
                    and len(killed) < KILLS
                ):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
            time.sleep(0.05)

    thread = threading.Thread(target=kill)
    with Store.create(cwd / "ray", plan) as far, Store.create(cwd / "here", plan) as here:
        thread.start()
        try:
            for _ in range(KILLS):
                with suppress_killed():
                    RayEngine(far, plan, 2, lambda *said: None, lambda: False).run()
                    break
        finally:
            over.set()
            thread.join()
        assert len(killed) == KILLS
        Engine(here, plan, 1, lambda *said: None, lambda: False).run()
        assert far.count() == here.count()
        assert far.rows(LOOKED_AT) == here.rows(LOOKED_AT)
        for number in range(8):
            torch.testing.assert_close(
                load_run(far.run_folder(number)).weights, load_run(here.run_folder(number)).weights
            )


@contextmanager
def suppress_killed():
    """What Ray says of a worker that was killed too often, or of a machine too busy for it."""
    try:
        yield
    except InputError as error:
        if "timed out during startup" in str(error):
            pytest.skip(
                "Ray gives its node 30 seconds to start, and this machine is too busy for that"
            )
        if "was killed" not in str(error):
            raise


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    with suppress(OSError):
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
        return children + [below for child in children for below in descendants(child)]
    return []


def name(pid: int) -> str:
    """What a process calls itself."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ").strip()
    return ""
