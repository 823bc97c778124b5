"""Sudden ends: a run that was killed, stopped or interrupted at any moment ends as an unbroken one.

Bit for bit, once it is resumed.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from experiments.commands.workers import Workers
from tests.conftest import ROOT, SMALL, after, listing
from urn import Dataset, InputError, TrainConfig, load_run, resume, train, train_population
from urn.cli import main
from urn.loss.geometry import line
from urn.network.module import PARAMETERS
from urn.training.trainer import Trainer

KILLS = 20
CONFIG = TrainConfig(
    task="digits",
    n_neurons=130,
    n_iterations=4,
    steps=700,
    batch_size=32,
    hidden_positions="learned",
    locality_floor=0.05,
    strengths={
        "weight": 3e-3,
        "activity": 1e-2,
        "bias": 1e-3,
        "locality": {"value": 3e-3, "warmup": 50},
        "depth": {"value": 1e-2, "warmup": 100},
    },
    check_every=10,
    log_every=30,
    snapshots=5,
    checkpoint_seconds=1e-6,
)
"""Neurons are removed all through the run, and a checkpoint is written at every check."""


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "urn", "train", "--quiet", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> tuple[int, str]:
    """Exit status and what it had to say on stderr."""
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def contents(run: Path) -> dict[str, object]:
    """Everything a run folder holds, floating point numbers as bytes, metadata in no order."""
    held = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if name == "provenance.json":
            continue  # which says when and by how many processes
        if path.suffix == ".safetensors":
            with safe_open(path, framework="np") as file:
                arrays = {key: file.get_tensor(key) for key in list(file.keys())}
                held[name] = {
                    key: array.tobytes() + str(array.shape).encode()
                    for key, array in arrays.items()
                }
                held[name]["about"] = file.metadata()
        else:
            held[name] = path.read_bytes() if path.is_file() else "folder"
    return held


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A folder with config.toml and the run `whole`, and the seconds that took."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "config.toml").write_text(CONFIG.to_toml())
    begin = time.monotonic()
    status, errors = finish(start(folder, "config.toml", "--out", "whole"))
    assert (status, errors) == (0, "")
    return folder, time.monotonic() - begin


def test_the_run_that_is_killed_is_worth_killing(unbroken):
    """It shrinks while it runs, so that what is restored is a smaller network, and it learns."""
    run = load_run(unbroken[0] / "whole")
    living = [row["living_neurons"] for row in run.history]
    assert living[0] > living[len(living) // 2] > living[-1] > 0
    assert len(run.snapshots[0].ids) > len(run.snapshots[-1].ids)
    assert run.test_accuracy > 0.7
    assert {"R_locality", "R_depth", "living_3"} <= run.history[0].keys()


def test_kill_at_random_moments(unbroken):
    """SIGKILL at 20 random moments, in start-up and while it trains and saves.

    Each run is killed again until it is done.
    """
    folder, seconds = unbroken
    expected = contents(folder / "whole")
    chance = random.Random(20)
    moments = ["start-up"] * 6 + ["training"] * (KILLS - 6)
    chance.shuffle(moments)
    kills, runs, resumed_from = 0, 0, []
    while kills < KILLS or (folder / f"run{runs}").exists():
        out = folder / f"run{runs}"
        checkpoint = out / "checkpoint.safetensors"
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        process = start(
            folder,
            *(("--resume", out.name) if out.exists() else ("config.toml", "--out", out.name)),
        )
        if kills < KILLS:
            if moments[kills] == "training":
                while process.poll() is None and (
                    not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before
                ):
                    time.sleep(0.001)
            time.sleep(
                chance.uniform(0, 0.15 * seconds if moments[kills] == "training" else 0.6 * seconds)
            )
            process.kill()
        status, errors = finish(process)
        if status == -signal.SIGKILL:
            kills += 1
            if checkpoint.exists():
                with safe_open(checkpoint, framework="np") as file:
                    resumed_from.append(
                        (int(file.get_tensor("step")), file.get_tensor("ids").shape[1])
                    )
            continue
        assert (status, errors) in ((0, ""), (0, f"{out.name}: already complete\n"))
        assert contents(out) == expected
        runs += 1
    print(f"{kills} kills of {runs} runs; resumed from (step, neurons): {resumed_from}")
    assert len({step for step, _ in resumed_from}) >= 5
    assert len({neurons for _, neurons in resumed_from}) >= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_signals(unbroken, number):
    """Stops between two steps with everything saved, status 130; goes on to the same end."""
    folder, _ = unbroken
    out = folder / number.name
    process = start(folder, "config.toml", "--out", out.name)
    while not (out / "history.csv").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    status, errors = finish(process)
    assert (status, errors) == (130, "")
    run = load_run(out)
    assert run.status == "interrupted"
    assert 0 < run.steps_done < CONFIG.steps
    assert {path.name for path in out.iterdir()} == {
        "config.toml",
        "weights.safetensors",
        "history.csv",
        "provenance.json",
        "snapshots",
        "checkpoint.safetensors",
    }
    assert finish(start(folder, "--resume", out.name)) == (0, "")
    assert contents(out) == contents(folder / "whole")


def test_death_before_the_folder_exists(cwd):
    """Then there is nothing to resume, and one line says so."""
    (cwd / "config.toml").write_text(CONFIG.to_toml())
    process = start(cwd, "config.toml", "--out", "run")
    time.sleep(0.3)
    process.kill()
    finish(process)
    assert list(listing(cwd)) == ["config.toml"]
    assert finish(start(cwd, "--resume", "run")) == (2, "urn: run: no such run folder\n")


def test_two_processes_cannot_train_in_one_folder(unbroken):
    folder, _ = unbroken
    first = start(folder, "config.toml", "--out", "both")
    while not (folder / "both" / "history.csv").exists():
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    assert finish(start(folder, "--resume", "both")) == (
        2,
        "urn: both: another process is training there\n",
    )
    first.send_signal(signal.SIGCONT)
    assert finish(first) == (0, "")
    assert contents(folder / "both") == contents(folder / "whole")


def test_two_resumptions_of_one_run(interrupted_run, capsys):
    """The second is refused with a line, and the first goes on as if it had not been."""
    outcomes = []

    def second(*_):
        outcomes.append(main(["train", "--resume", "run", "--quiet"]))

    run = resume("run", callbacks=[second])
    assert set(outcomes) == {2}
    lines = capsys.readouterr().err.splitlines()
    assert set(lines) == {"urn: run: another process is training there"}
    assert run.status in ("ok", "disconnected")


@pytest.mark.parametrize("put_there", [None, "other"])
def test_a_folder_that_is_moved_away_while_it_is_trained(cwd, capsys, put_there):
    """It does not come back without its configuration, and where it is now it can be resumed."""

    def move(step, row, member):
        if step == 10:
            (cwd / "run").rename(cwd / "moved")
            if put_there:
                shutil.copytree(cwd / "moved", cwd / "run")

    config = SMALL.replace(checkpoint_seconds=1e-6)
    with pytest.raises(InputError, match="run: was moved or removed while it was trained"):
        train(config, "run", callbacks=[move])
    assert (cwd / "run").exists() == bool(put_there)
    if put_there:
        assert listing(cwd / "run") == listing(cwd / "moved")
    resume("moved")
    train(config, "whole")
    assert contents(cwd / "moved") == contents(cwd / "whole")


def test_a_clock_that_goes_back(cwd, monkeypatch):
    """The time of day decides nothing; that of the next checkpoint is the time since the start."""
    backwards = iter(range(10**9, 0, -1000))
    monkeypatch.setattr(time, "time", lambda: float(next(backwards)))
    train(SMALL.replace(checkpoint_seconds=1e-6), "run", stop=after(12))
    resume("run")
    train(SMALL.replace(checkpoint_seconds=1e-6), "whole")
    assert contents(cwd / "run") == contents(cwd / "whole")


def test_where_compiled_code_cannot_be_kept(cwd):
    """Numba finds no folder for its cache: every process compiles for itself, and trains."""
    shutil.copytree(ROOT / "urn", cwd / "urn", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("no_home", "urn/network/__pycache__"):
        (cwd / file).write_text("not a folder")
    nowhere = dict.fromkeys(
        ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "IPYTHONDIR"), str(cwd / "no_home")
    )
    environment = os.environ | nowhere | {"PYTHONPATH": str(cwd), "OMP_NUM_THREADS": "1"}
    (cwd / "small.toml").write_text(SMALL.replace(steps=2).to_toml())

    process = subprocess.run(
        [sys.executable, "-B", "-m", "urn", "train", "small.toml", "--out", "run", "--quiet"],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert not list(cwd.rglob("*.nb[ci]"))


def test_drafts_of_a_killed_process_are_swept_away(interrupted_run):
    """A kill inside a write leaves a draft, never a damaged file."""
    for draft in (
        interrupted_run / ".weights.safetensors.draft",
        interrupted_run / "snapshots" / ".step_00000020.safetensors.draft",
    ):
        draft.write_bytes(b"half of")
    resume(interrupted_run)
    assert not list(interrupted_run.rglob(".*"))


def test_data_that_changed_meanwhile_is_another_run(tmp_path):
    """One value of one sample is enough."""
    data = sites()
    train(LATTICE, tmp_path / "run", data=data, stop=after(20))
    data.train[0][7, 3] += 1e-6
    with pytest.raises(InputError, match=r"checkpoint.*data: the training data are not those"):
        resume(tmp_path / "run", data=data)


def test_a_second_signal_does_not_wait(cwd, capsys, monkeypatch):
    """Nor does it print a traceback."""

    def hang(*_, **__):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)

    monkeypatch.setattr("urn.commands.train", hang)
    assert main(["train"]) == 130
    assert capsys.readouterr().err == "urn: interrupted\n"


def no_work(job, report, stop):
    """What a worker does in the test below; it is imported there."""


def test_a_worker_is_deaf_to_interrupts_from_its_first_moment():
    """One from a keyboard goes to all processes; a worker that loads its libraries is one too."""
    with Workers(1, no_work, lambda *_: None) as crew:
        crew.submit(0, SimpleNamespace(configs=(SMALL,)))
        (pid,) = crew.pool._processes
        status = Path(f"/proc/{pid}/status").read_text()
        blocked = int(re.search(r"SigBlk:\s*(\w+)", status).group(1), 16)
        assert blocked & 1 << (signal.SIGINT - 1)
        while crew.running:
            crew.ended()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


# ---- other state to restore: streams carry theirs, a lattice its group


def sites(n: int = 6) -> Dataset:
    """Two classes on a ring of sites: is the largest value left or right of the second largest?"""
    random = torch.Generator().manual_seed(0)
    X = torch.rand(300, n, generator=random)
    first, second = X.topk(2).indices.T
    y = ((first - second) % n < n // 2).long()
    return Dataset(
        (X[:200], y[:200]),
        (X[200:250], y[200:250]),
        (X[250:], y[250:]),
        2,
        positions=line(n),
        sites=(n,),
    )


STREAM = TrainConfig(
    task="miconi_easy",
    task_options={"n_streams": 8, "length": 200},
    n_neurons=30,
    n_iterations=10,
    activation="tanh",
    steps=160,
    batch_size=8,
    learning_rate=1e-2,
    strengths={"weight": 1e-2, "self": 1e-2, "bias": 1e-2},
    check_every=10,
    log_every=7,
    snapshots=4,
    checkpoint_seconds=1e-6,
)
LATTICE = TrainConfig(
    task="mnist1d",
    n_neurons=6 + 8 * 6 + 2,
    channels=8,
    hidden_positions="lattice",
    n_iterations=3,
    steps=160,
    batch_size=20,
    learning_rate=1e-2,
    strengths={"weight": 3e-3, "activity": 3e-2, "bias": 3e-3, "symmetry": 1e-2, "locality": 3e-3},
    check_every=10,
    log_every=7,
    snapshots=4,
    checkpoint_seconds=1e-6,
)
OTHERS = {"stream": (STREAM, None), "lattice": (LATTICE, sites())}


@pytest.mark.parametrize("stops", [(1,), (80,), (123,), (3, 40, 7, 61)], ids=str)
@pytest.mark.parametrize(("config", "data"), OTHERS.values(), ids=OTHERS)
def test_stopped_and_resumed(tmp_path, config, data, stops):
    """At a check, between two checks, at once, and many times over."""
    whole = train(config, tmp_path / "whole", data=data)
    assert len(whole.snapshots[0].ids) >= len(whole.snapshots[-1].ids)
    assert int(whole.kept.sum()) < config.n_neurons
    train(config, tmp_path / "run", data=data, stop=after(stops[0]))
    for n in stops[1:]:
        assert resume(tmp_path / "run", data=data, stop=after(n)).status == "interrupted"
    resume(tmp_path / "run", data=data)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_stopped_and_resumed_where_the_price_alone_shares(tmp_path):
    """Without a step of its own the shared part has no moments, and none are asked for."""
    config = LATTICE.replace(shared_step=False)
    train(config, tmp_path / "whole", data=sites())
    train(config, tmp_path / "run", data=sites(), stop=after(80))
    resume(tmp_path / "run", data=sites())
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


@pytest.mark.parametrize(("config", "data"), OTHERS.values(), ids=OTHERS)
def test_a_restored_trainer_is_the_same_in_every_tensor(config, data):
    first, second = (
        Trainer([config, config.replace(seed=1)], data),
        Trainer([config, config.replace(seed=1)], data),
    )
    first.run(until=95)
    second.load_state_dict({name: tensor.clone() for name, tensor in first.state_dict().items()})
    for trainer in (first, second):
        trainer.run(until=140)
    ours, theirs = first.state_dict(), second.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if "positions" not in name)
    assert ours["ids"].shape[1] < config.n_neurons


# ---- runs that diverge

HOT = SMALL.replace(learning_rate=1e30, steps=60)


def test_absurd_learning_rate(cwd, capsys):
    """Status 1, one clear line, and the last good weights, which are finite, on disk."""
    (cwd / "hot.toml").write_text(HOT.to_toml())
    assert main(["train", "hot.toml", "--out", "run", "--quiet"]) == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.count("diverged (NaN or Inf)") == 1
    run = load_run("run")
    assert run.status == "diverged"
    assert np.isnan(run.test_accuracy)
    assert run.weights.isfinite().all()
    assert run.biases.isfinite().all()
    assert main(["train", "--resume", "run", "--quiet"]) == 1


@pytest.mark.parametrize("check_every", [1, 2, 7])
@pytest.mark.parametrize("learning_rate", [1e10, 1e20, 1e30])
@pytest.mark.parametrize(
    "strengths",
    [{}, {"weight": 1e30}, {"activity": 1e30}, {"depth": 1e30}, {"self": 1e30, "bias": 1e30}],
)
def test_last_good_weights_are_finite_whenever_they_are_looked_at(
    check_every, learning_rate, strengths
):
    run = train(
        SMALL.replace(learning_rate=learning_rate, check_every=check_every, strengths=strengths)
    )
    assert run.weights.isfinite().all()
    assert run.biases.isfinite().all()
    assert run.status in ("diverged", "disconnected", "ok")


RUNAWAYS = {
    f"{name}-{learning_rate:g}-{n_iterations}": base.replace(
        learning_rate=learning_rate, n_iterations=n_iterations, steps=6, snapshots=6, check_every=4
    )
    for name, base in {
        "float32": SMALL.replace(strengths={}),
        "float64": SMALL.replace(strengths={}, dtype="float64"),
        "clamped": SMALL.replace(strengths={}, input_mode="clamped"),
        "growing": SMALL.replace(strengths={}, n_neurons=40, growth={}),
        "stream": STREAM.replace(strengths={}),
    }.items()
    for learning_rate in (1, 10, 100, 1e4)
    for n_iterations in (2, 20, 150)
}


@pytest.mark.parametrize("config", RUNAWAYS.values(), ids=RUNAWAYS)
def test_whatever_diverges_can_be_loaded_and_resumed(tmp_path, config):
    """Stopped halfway or not: what is saved is finite, though a snapshot is due at every step."""
    for stop in (None, after(3)):
        folder = tmp_path / ("whole" if stop is None else "stopped")
        train(config, folder, stop=stop)
        run = load_run(folder)
        assert run.weights.isfinite().all()
        assert all(snapshot.weights.isfinite().all() for snapshot in run.snapshots)
        checkpoint = folder / "checkpoint.safetensors"
        if checkpoint.exists():
            tensors = load_file(checkpoint)
            saved = [name for name in tensors if name.removeprefix("good.") in PARAMETERS]
            assert {"weight", "bias"} <= set(saved)
            assert all(tensors[name].isfinite().all() for name in saved)
        resume(folder)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_a_snapshot_between_two_checks_is_finite(cwd, capsys):
    """A thousand iterations overflow at the second step, where the last snapshot is due."""
    flags = ["--task", "shells", "--n-neurons", "12", "--steps", "2", "--n-iterations", "1000"]
    assert main(["train", *flags, "--out", "run", "--quiet"]) == 1
    assert capsys.readouterr().err == ""
    run = load_run("run")
    assert run.status == "diverged"
    assert run.weights.isfinite().all()
    assert main(["train", "--resume", "run", "--quiet"]) == 1


def test_positions_that_diverge():
    """Positions run off to infinity while weights and loss still look fine."""
    config = LATTICE.replace(
        n_neurons=30,
        hidden_positions="learned",
        channels=0,
        strengths={"locality": 1e-3},
        learning_rate=1e25,
        check_every=1,
    )
    run = train(config, data=sites())
    assert run.status == "diverged"
    assert run.weights.isfinite().all()
    assert run.positions[:28].isfinite().all()


def test_inputs_that_overflow():
    data = sites()
    loud = Dataset((data.train[0] * 1e38, data.train[1]), data.validation, data.test, 2)
    run = train(SMALL, data=loud)
    assert run.status == "diverged"
    assert run.steps_done == 0
    assert run.weights.isfinite().all()


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5, 6])
def test_a_run_that_will_diverge_can_be_interrupted_too(tmp_path, stop):
    """The last good weights are part of what is saved, also between two checks."""
    config = HOT.replace(
        learning_rate={"value": 1e-3, "milestones": [0.05], "factor": 1e27}, check_every=5
    )
    whole = train(config, tmp_path / "whole")
    assert whole.status == "diverged"
    assert 3 <= whole.steps_done <= 6
    train(config, tmp_path / "run", stop=after(stop))
    resume(tmp_path / "run")
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


POPULATIONS = {
    "relu": (SMALL.replace(steps=60), None, {"activity": 1e30}),
    "learned": (
        LATTICE.replace(
            n_neurons=30,
            hidden_positions="learned",
            channels=0,
            strengths={"locality": 1e-3, "weight": 1e-3},
        ),
        sites(),
        {"depth": 1e30, "activity": 1e30},
    ),
    "lattice": (LATTICE, sites(), LATTICE.strengths | {"activity": 1e30}),
    "stream": (STREAM, None, {"activity": 1e30, "weight": 0.0}),
}


@pytest.mark.parametrize(("config", "data", "absurd"), POPULATIONS.values(), ids=POPULATIONS)
def test_members_beside_one_that_diverges_do_not_notice(config, data, absurd):
    """Equal, to rounding, to a population without it."""
    calm = [config.replace(seed=seed) for seed in (0, 1, 2)]
    wild = config.replace(seed=5, strengths={**config.strengths, **absurd})
    alone = train_population(calm, data=data)
    beside = train_population([calm[0], wild, *calm[1:]], data=data)
    assert beside[1].status == "diverged"
    assert beside[1].weights.isfinite().all()
    for one, other in zip(alone, [beside[0], *beside[2:]], strict=True):
        assert one.status == other.status
        assert [row["step"] for row in one.history] == [row["step"] for row in other.history]
        torch.testing.assert_close(other.weights, one.weights, atol=1e-4, rtol=1e-3)
        assert other.test_accuracy == pytest.approx(one.test_accuracy, abs=0.03)
