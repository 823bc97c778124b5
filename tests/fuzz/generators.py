"""Seeded generators of cases: command lines, files, damaged stores and folders, outputs, names.

A generator takes a `random.Random` and returns a `Case`. None asks for work that would take long:
sizes are tiny or impossible, so whatever takes its time is a fault.
"""

import io
import os
import random
import sqlite3
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.damage import (
    NOT_NUMBERS,
    NOT_THERE,
    NUMBERS,
    TEXTS,
    damaged_tensors,
    foreign_zip,
    mutated_bytes,
    mutated_text,
    odd_arrays,
)
from tests.fuzz.networks import network
from tests.fuzz.sandbox import ERRORS, SMALL, SWEEP, TABLE, Case, Fault
from urn.settings.config import TrainConfig

Generator = Callable[[random.Random, Path], Case]

SMALL_FLAGS = [
    *("--task", "shells", "--n-neurons", "12", "--n-iterations", "3", "--steps", "2"),
    *("--task-options", "{dimension = 2, n_train = 64, n_validation = 16, n_test = 16}"),
    *("--batch-size", "16", "--log-every", "1", "--check-every", "1", "--snapshots", "1"),
    *("--out", "out", "--quiet"),
]

LITTLE = ["--steps", "1", "--n-neurons", "60"]

FIELDS = [name.replace("_", "-") for name in TrainConfig.model_fields]
UNBOUNDED = {"steps", "n-neurons", "task-options", "task", "device", "checkpoint-seconds"}
"""Fields where a valid value may mean long work, other data or another machine: they have
generators of their own."""
STEPS = ["-1", "1.5", "many", "", "nan", "9" * 400, "0", "1", "3", "[1]", "true"]
SIZES = ["0", "1", "3", "12", "13", "-5", "1e9", "100000", "99999999999", "9" * 400, "x", "12.5"]


def flags(rng: random.Random, template: Path) -> Case:
    """`urn train` with one to three fields of any value."""
    argv = ["train", *SMALL_FLAGS]
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(FIELDS)
        if name == "steps":
            argv += [f"--steps={rng.choice(STEPS)}"]
        elif name == "n-neurons":
            argv += [f"--n-neurons={rng.choice(SIZES)}"]
        elif name == "task":
            argv += [f"--task={rng.choice(TEXTS)}"]
        elif name == "strengths":
            term = rng.choice(
                ["weight", "bias", "depth", "self", "activity", "outgoing", "x", "a.b"]
            )
            argv += [f"--strengths.{term}={rng.choice(NUMBERS + TEXTS)}"]
        elif name == "growth":
            key = rng.choice(["start", "cap", "reserve", "threshold", "every", "spare", "x"])
            argv += [f"--growth.{key}={rng.choice(NUMBERS[:12] + TEXTS)}"]
        elif name == "task-options":
            key = rng.choice(["dimension", "radii", "n_train", "n_test", "label", "data_seed", "x"])
            argv += [f"--task-options.{key}={rng.choice([*NUMBERS, *TEXTS, '1e9', '1000000000'])}"]
        elif name not in UNBOUNDED:
            argv += [f"--{name}={rng.choice(NUMBERS + TEXTS)}"]

    return Case("flags", argv)


def words(rng: random.Random, template: Path) -> Case:
    """Command lines of any words."""
    pool = [
        *("train", "inspect", "export", "prune", "sweep", "reproduce", "play"),
        *("run", "half", "sweep.toml"),
        *("status", "plot", "table", "resume", "--json", "--to", "--status", "--resume", "--quiet"),
        *(
            "--seed",
            "--nulls",
            "--out",
            "--target",
            "--data",
            "config.toml",
            "table.csv",
            "--x",
            "--at",
        ),
        *(
            "--workers",
            "--scale",
            "quick",
            "--seeds",
            "--point",
            "--plane",
            "precious.txt",
            "precious",
        ),
    ]
    argv = [rng.choice(pool + NUMBERS + TEXTS) for _ in range(rng.randint(0, 6))]
    heavy = {"reproduce", "plot", "prune", "play", "--figures", "--html", "--reports"}
    long_work = (argv and argv[0] in ("reproduce", "train")) or heavy & set(argv)
    if long_work:  # without a wrong word each of these is minutes of honest work
        argv.append(rng.choice(["--no-such-flag", "--seed=x", "--=", "--out"]))
    return Case("words", argv, may_write=("out", "run/structure.json", "half/structure.json"))


def toml(rng: random.Random, template: Path) -> Case:
    """`urn train CONFIG.toml` with a damaged configuration."""
    text = mutated_text(rng, SMALL.to_toml())
    return Case(
        "toml",
        ["train", "fuzzed.toml", "--steps", "2", "--n-neurons", "12", "--out", "out", "--quiet"],
        {"fuzzed.toml": text},
    )


def csv(rng: random.Random, template: Path) -> Case:
    """`urn train --data` with a damaged table."""
    text = TABLE
    for _ in range(rng.randint(1, 4)):
        rows = text.split("\n")
        row = rng.randrange(len(rows))
        cells = rows[row].split(",")
        cells[rng.randrange(len(cells))] = rng.choice(
            [
                *NUMBERS,
                *TEXTS,
                "NA",
                "NaN",
                "",
                " ",
                "n/a",
                "?",
                "#N/A",
                '"',
                '"a',
                "1,000",
                "1;2",
                "\ufeff",
            ]
        )
        rows[row] = ",".join(cells)
        text = "\n".join(rows)

    content = text.encode("utf-8", "surrogateescape")
    if is_damaged := rng.random() < 0.3:
        content = mutated_bytes(rng, content)
    target = rng.choice(["y", "y", "y", "a", "b", "z", "", "\x1b[0m", "[/red]", "y" * 2000])
    argv = [
        "train",
        "--data",
        "fuzzed.csv",
        "--target",
        target,
        "--steps",
        "2",
        "--n-neurons",
        "60",
    ]
    return Case(
        "csv",
        [*argv, "--out", "out", "--quiet"],
        {"fuzzed.csv": content},
        must_refuse=not is_damaged and not _is_sound(text, target),
    )


def _is_sound(text: str, target: str) -> bool:
    """Whether a table is without a cell that is known to be wrong, read without our reader."""
    header, *rows = (line.split(",") for line in text.strip("\n").split("\n"))
    if header != ["a", "b", "y"] or target not in header or any(len(row) != 3 for row in rows):
        return True  # or not; others judge that
    at = header.index(target)
    labels = {row.pop(at).strip() for row in rows}
    cells = {cell.strip() for row in rows for cell in row}
    return not labels & NOT_THERE and not cells & (NOT_THERE | NOT_NUMBERS)


def npz(rng: random.Random, template: Path) -> Case:
    """`urn train --data` with damaged arrays."""
    draws = np.random.default_rng(rng.randrange(2**32))
    arrays = {"X": draws.normal(size=(40, 3)), "y": np.arange(40) % 2}
    name = rng.choice(["X", "y", "positions"])
    arrays[name] = rng.choice(odd_arrays(draws))
    if rng.random() < 0.2:
        del arrays[rng.choice(["X", "y"])]

    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    if rng.random() < 0.2:
        content = mutated_bytes(rng, content)
    elif rng.random() < 0.2:
        content = foreign_zip(rng)

    argv = ["train", "--data", "fuzzed.npz", "--steps", "2", "--n-neurons", "60", "--quiet"]
    return Case("npz", [*argv, "--out", "out"], {"fuzzed.npz": content})


def discover(rng: random.Random, template: Path) -> Case:
    """`urn discover` with data or flags that cannot be: what can be is minutes of work."""
    data = rng.choice(["fuzzed.csv", "fuzzed.npz", "miconi_easy", "digits", "file", *TEXTS])
    argv = ["discover", data, "--out", "out", "--quiet"]
    impossible = [
        ["--minutes", rng.choice(["0", "-1", "nan", "inf", "many", "", "9" * 400])],
        ["--seed", rng.choice(["-1", "1.5", "x", "", "9" * 400])],
        ["--task-options", rng.choice(["x", "1", "[1]", "{x = 1}", "{" * 3000, "", "{path = 3}"])],
        ["--resume", rng.choice(["run", "sweep", "nowhere", "precious.txt", ""])],
    ]
    for flag in rng.sample(impossible, rng.randint(1, 2)):
        argv += flag
    files = {
        "fuzzed.csv": mutated_text(rng, TABLE),
        "fuzzed.npz": mutated_bytes(rng, b"PK\3\4" * 9),
    }
    return Case("discover", argv, files, must_refuse=True)


def idx(rng: random.Random, template: Path) -> Case:
    """`urn train --task idx` with damaged files of images and labels."""
    files: dict[str, bytes | None] = {}
    for part, n in (("train", 60), ("t10k", 20)):
        images = struct.pack(">I3I", 0x803, n, 4, 4) + bytes(
            rng.randrange(256) for _ in range(16 * n)
        )
        labels = struct.pack(">II", 0x801, n) + bytes(k % 3 for k in range(n))
        files[f"images/{part}-images-idx3-ubyte"] = images
        files[f"images/{part}-labels-idx1-ubyte"] = labels

    name = rng.choice(list(files))
    content = files[name]
    assert content is not None
    files[name] = rng.choice(
        [None, b"", content[:7], content[:-1], content + b"x", mutated_bytes(rng, content)]
    )
    if rng.random() < 0.2:
        files[f"{name}.gz"], files[name] = content[:40], None

    argv = ["train", "--task", "idx", "--task-options.folder", "images", "--steps", "2", "--quiet"]
    return Case("idx", [*argv, *LITTLE, "--out", "out"], files)


def sweep_file(rng: random.Random, template: Path) -> Case:
    """`urn sweep run` with a damaged sweep file; the training of a plan that holds is left out."""
    whole = [
        "[random]\nn = 3\nseed = 0\n[random.over]\nstrengths.weight = {log = [1e-4, 1e-2]}\n",
        "[sobol]\nn = 4\n[sobol.over]\nstrengths.weight = {linear = [0, 1e-2]}\n",
        "[sobol]\nn = 4\n[sobol.over]\nstrengths.weight = {linear = [-1e308, 1.7e308]}\n",
        "[[points]]\nstrengths.weight = 1e-3\n[[points]]\nstrengths.weight = 1e-2\n",
    ]
    head, grid = SWEEP.split("[grid]")
    borders = rng.choice([
        "", "", "[borders]\n", "[borders]\nlevels = {loss = 1}\n",
        "[borders]\nfollow = [\"learned\"]\nhalvings = 1\nalong = [\"strengths.weight\"]\n",
    ])  # fmt: skip
    text = head + rng.choice([*whole, "[grid]" + grid]) + borders
    if rng.random() < 0.3:
        key, value = (
            rng.choice(["seeds", "steps", "n_neurons", "task"]),
            rng.choice(NUMBERS + TEXTS),
        )
        text = text.replace(f"\n{key} = ", f"\n{key} = {value} #", 1)
    content = mutated_text(rng, text)
    if b"\nsteps = 4\n" not in content:
        content += b"\n= 1\n"  # by default there are thousands of steps: honest, but long work
    return Case(
        "sweep_file",
        ["sweep", "run", "fuzzed.toml", "--out", "out", "--quiet", "--workers", "1"],
        {"fuzzed.toml": content},
    )


def store(rng: random.Random, template: Path) -> Case:
    """Commands that read a damaged store."""
    content = (template / "sweep" / "sweep.sqlite").read_bytes()
    damaged = mutated_bytes(rng, content) if rng.random() < 0.3 else damaged_database(rng, content)
    argv = rng.choice([
        ["sweep", "status", "sweep"],
        ["sweep", "table", "sweep", "--to", "csv", "--out", "out.csv"],
        ["sweep", "resume", "sweep", "--quiet", "--workers", "1"],
    ])  # fmt: skip
    return Case("store", argv, {"sweep/sweep.sqlite": damaged}, may_write=("out.csv", "sweep"))


READ_LATER = ["validation_accuracy", "used_connections", "status", "turn", "seed", "architecture"]
READ_LATER += ["recurrent", "recurrent_p"]
"""Columns whose cells commands compute with."""


def damaged_database(rng: random.Random, content: bytes) -> bytes:
    """A store with a table, column, row or cell that is not as it was written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweep.sqlite"
        path.write_bytes(content)
        database = sqlite3.connect(path, isolation_level=None)
        tables = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        table = rng.choice([*tables, "points", "points"])
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        column = rng.choice(columns)
        if table == "points" and rng.random() < 0.5:
            column = rng.choice(READ_LATER)
        value = rng.choice(
            [
                None,
                0,
                -1,
                1e308,
                "",
                "[/red]",
                "=1+1",
                "{",
                "x" * 3000,
                b"\xff\x00",
                "\x1b[31m",
                "[]",
            ]
        )
        action = rng.randrange(6)
        try:
            if action == 0:
                database.execute(f"DROP TABLE {table}")
            elif action == 1:
                database.execute(f'ALTER TABLE {table} DROP COLUMN "{column}"')
            elif action == 2:
                database.execute(f"DELETE FROM {table}")
            elif action == 3:
                database.execute(f"PRAGMA user_version = {rng.choice([0, 2, 7, 99])}")
            else:
                database.execute(f'UPDATE {table} SET "{column}" = ?', (value,))
        except sqlite3.Error:
            pass  # this table does not let itself be damaged so; the case is a sound store then
        database.close()
        return path.read_bytes()


def run_folder(rng: random.Random, template: Path) -> Case:
    """Commands that read a damaged run folder."""
    run = rng.choice(["run", "half"])
    names = [str(p.relative_to(template)) for p in (template / run).rglob("*") if p.is_file()]
    files: dict[str, bytes | None] = {}
    for _ in range(rng.randint(1, 2)):
        name = rng.choice(names)
        content = (template / name).read_bytes()
        if name.endswith(".safetensors") and rng.random() < 0.6:
            files[name] = damaged_tensors(rng, content)
        else:
            files[name] = rng.choice(
                [None, b"", content[: len(content) // 2], mutated_bytes(rng, content)]
            )

    argv = rng.choice([
        ["train", "--resume", run, "--quiet"],
        ["inspect", run, "--json", "--nulls", "200"],
        ["export", run, "--to", "json", "--out", "out.json"],
        ["export", run, "--to", "npz", "--out", "out.npz"],
        ["export", run, "--to", "torch", "--out", "out.py"],
        ["train", "--start", run, *SMALL_FLAGS],
    ])  # fmt: skip
    may_write = ("out", "out.json", "out.npz", "out.py", "out.safetensors", run)
    return Case("run_folder", argv, files, may_write=may_write)


OWNED = [
    *(
        "run/weights.safetensors",
        "run/weights.py",
        "run/config.toml",
        "run/structure.json",
        "run/history.csv",
    ),
    *(
        "run/checkpoint.py",
        "run/checkpoint.safetensors",
        "half/checkpoint.safetensors",
        "run",
        "half",
        "run/x.json",
    ),
    *(
        "sweep/sweep.sqlite",
        "sweep",
        "sweep/runs",
        "precious.txt",
        "precious",
        "precious/weights.py",
    ),
    *(
        "precious/weights.safetensors",
        "table.csv",
        ".",
        "..",
        "",
        "/",
        "/proc/x",
        "/proc/self/mem",
        "/dev/full",
    ),
    *(
        "config.toml",
        "config.toml/x",
        "x" * 300,
        "/".join(["a" * 200] * 20),
        "\udcff",
        "a\nb",
        "link",
        "dangling",
    ),
    *(
        "run/snapshots",
        "run/snapshots/x.npz",
        "sweep/runs/x",
        "run/../precious.txt",
        "table.npz",
        "run/report.html",
        "run/provenance.json",
        "half/structure.json",
        "./table.csv",
        "sweep/x.csv",
    ),
]


OF_A_RUN = [
    *("config.toml", "weights.safetensors", "checkpoint.safetensors", "history.csv"),
    *("structure.json", "provenance.json", "report.html", "snapshots", "figures"),
]
PROTECTED = (
    *(f"{run}/{name}" for run in ("run", "half") for name in OF_A_RUN),
    *(f"sweep/{name}" for name in ("sweep.sqlite", "sweep.sqlite-wal", "index.html", "runs")),
)
"""What runs and sweeps own, written down here once more: no command may write it as an output."""


def outputs(rng: random.Random, template: Path) -> Case:
    """Every command that writes, aimed at what is not its own."""
    out = rng.choice(OWNED)
    forms = {".json": "json", ".npz": "npz", ".py": "torch"}
    form = forms.get(Path(out).suffix, rng.choice(["json", "npz", "torch", "graphml", "gexf"]))
    # Not so at an absolute path: what may be overwritten there is this machine's own.
    force = ["--force"] if rng.random() < 0.4 and not out.startswith("/") else []
    argv = rng.choice([
        ["export", "run", "--to", form, "--out", out, *force],
        ["export", "run", "--to", form, "--out", out, *force],
        ["sweep", "table", "sweep", "--to", "csv", "--out", out, *force],
        ["sweep", "run", "sweep.toml", "--quiet", "--workers", "1", "--out", out],
        ["train", *SMALL_FLAGS, "--out", out],
        ["train", *SMALL_FLAGS, "--tensorboard", out if out.strip("./") else "out"],
        ["reproduce", "no_such_claim", "--out", out],
    ])  # fmt: skip
    links = {"link": "precious.txt", "dangling": "nowhere/at/all"}
    may_write = ("out", os.path.normpath(out), *_beside(out))
    return Case(
        "outputs",
        argv,
        links=links,
        may_write=may_write,
        protected=PROTECTED,
        forced="--force" in argv,
    )


def _beside(out: str) -> tuple[str, ...]:
    """What `urn export --to torch` writes beside its source code, and the folders above it."""
    path = Path(out)
    return (
        str(path.with_suffix(".safetensors")) if path.name else "out",
        *map(str, path.parents[:-1]),
    )


def diverging(rng: random.Random, template: Path) -> Case:
    """`urn train` where numbers overflow between two checks, with a snapshot at every step."""
    argv = ["train", *SMALL_FLAGS, "--steps", "6", "--snapshots", "6", "--check-every", "4"]
    argv += ["--n-iterations", rng.choice(["2", "40", "1000"])]
    argv += ["--learning-rate", rng.choice(["1e-3", "1", "1e4", "1e20", "1e30"])]
    argv += ["--activation", rng.choice(["relu", "tanh"]), "--seed", str(rng.randrange(100))]
    if rng.random() < 0.5:
        argv += ["--strengths.activity", rng.choice(["1e20", "1e30"])]
    return Case("diverging", argv)


def faults(rng: random.Random, template: Path) -> Case:
    """A command in whose middle the system, or the user, says no; and the one that goes on."""
    sweep_flags = ["--workers", "1", "--quiet"]
    prune = ["prune", "run", "--criterion", "magnitude", "--keep", "0.5", "--retrain", "2"]
    argv, again, begun, equals = rng.choice([
        (["train", "config.toml", "--out", "out", "--quiet"],
         ["train", "--resume", "out", "--quiet"], "out", "run"),
        (["train", "--resume", "half", "--quiet"],
         ["train", "--resume", "half", "--quiet"], "half", "run"),
        (["sweep", "run", "sweep.toml", "--out", "out", *sweep_flags],
         ["sweep", "resume", "out", *sweep_flags], "out", ""),
        (["export", "run", "--to", "torch", "--out", "out.py"],
         ["export", "run", "--to", "torch", "--out", "out.py", "--force"], "run", ""),
        (["sweep", "table", "sweep", "--out", "out.csv"],
         ["sweep", "table", "sweep", "--out", "out.csv", "--force"], "sweep", ""),
        (["inspect", "run", "--nulls", "200"], ["inspect", "run", "--nulls", "200"], "run", ""),
        ([*prune, "--out", "out"], [*prune, "--out", "out"], "out", ""),
    ])  # fmt: skip
    call = rng.choice(["open", "fsync", "replace", "rename", "mkdir"])
    fault = Fault(call, rng.randint(1, 8), rng.choice(list(ERRORS)), again, begun, equals)
    may_write = ("out", "out.py", "out.safetensors", "out.csv", "half", "run/structure.json")
    return Case("faults", argv, may_write=may_write, fault=fault)


def names(rng: random.Random, template: Path) -> Case:
    """Files and fields with names that terminals, mark-up and file systems do not like."""
    name = rng.choice(
        [*TEXTS, "a\rb", "tab\there", "\x7f", "\x9b31m", "ü", "名", "[link=x]y", "x" * 250]
    )
    if (
        not name
        or "\x00" in name
        or "/" in name
        or len(name.encode("utf-8", "surrogateescape")) > 250
    ):
        name = "[/red]\x1b[31m"
    argv = rng.choice([
        ["train", "--data", f"{name}.csv", "--target", "y", *LITTLE, "--quiet", "--out", "out"],
        ["train", "--data", f"{name}.csv", "--target", name, *LITTLE, "--out", "out"],
        ["train", *SMALL_FLAGS, "--out", f"out/{name}"],
        ["train", f"{name}.toml"],
        ["inspect", name],
        ["sweep", "status", name],
        ["export", name, "--to", "json"],
        ["train", *SMALL_FLAGS, "--task", name * rng.choice([1, 1000])],
    ])  # fmt: skip
    content = (
        TABLE.encode()
        if rng.random() < 0.5
        else TABLE.replace("y", name, 1).encode("utf-8", "surrogateescape")
    )
    return Case("names", argv, {f"{name}.csv": content})


def processes(rng: random.Random, template: Path) -> Case:
    """Whole processes: other locales, a closed or full output, files from a pipe."""
    environment = rng.choice(
        [
            {"LC_ALL": "C", "PYTHONUTF8": "0"},
            {"PYTHONIOENCODING": "ascii"},
            {"NO_COLOR": "1"},
            {"COLUMNS": "1"},
        ]
    )
    inner = rng.choice([flags, toml, names, words, run_folder, outputs])(rng, template)
    argv = [word.replace("\x00", "?") for word in inner.argv]  # no process can be given a null
    return Case("processes", argv, inner.files, inner.links, inner.may_write, environment)


GENERATORS: dict[str, tuple[Generator, int]] = {
    "flags": (flags, 6),
    "words": (words, 4),
    "toml": (toml, 5),
    "csv": (csv, 5),
    "npz": (npz, 4),
    "discover": (discover, 2),
    "idx": (idx, 2),
    "sweep_file": (sweep_file, 5),
    "store": (store, 5),
    "run_folder": (run_folder, 6),
    "outputs": (outputs, 6),
    "names": (names, 4),
    "diverging": (diverging, 2),
    "faults": (faults, 4),
    "network": (network, 6),
}
"""Of cases that run in this process, and how often each is drawn."""


def case_of(seed: int, number: int, template: Path, kind: str | None = None) -> Case:
    """The case `number` of a seed; the same one whenever it is asked for."""
    rng = random.Random(f"{seed}-{number}")
    if kind is None:
        kinds = list(GENERATORS)
        kind = rng.choices(kinds, [GENERATORS[name][1] for name in kinds])[0]
    generator = processes if kind == "processes" else GENERATORS[kind][0]
    return generator(rng, template)
