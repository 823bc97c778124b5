"""What generators of cases damage things with: odd numbers, texts, arrays and bytes."""

import io
import json
import random
import struct
import zipfile

import numpy as np

NUMBERS = [
    *("0", "1", "2", "3", "-1", "0.5", "1e-30", "1e-200", "1e30", "1e300", "-1e308", "1e400"),
    *(
        "9" * 31,
        "9" * 400,
        "-" + "9" * 400,
        "nan",
        "inf",
        "-inf",
        "1_000",
        "１２",
        "0x10",
        "1e",
        "",
    ),
]
TEXTS = [
    *("true", "false", "[]", "{}", "[1, 2]", "{value = 1}", "{value = -1}", "[[]]", "''", '""'),
    *(
        "x",
        "a b",
        "[/red]",
        "[bold]x",
        "%s%n",
        "{0}",
        "\x1b[31mred",
        "\x00",
        "\n\n",
        "\udcff",
        "é" * 9,
    ),
    *(
        "=1+1",
        "x" * 5000,
        "[" * 3000,
        "{a" + ".a" * 3000 + " = 1}",
        "{a = " * 500,
        "../..",
        "~",
        "-",
    ),
    *("1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "None", "null", "NaT", "\u202egnp.exe"),
]
NOT_THERE = {"", "NA", "NaN", "nan", "n/a", "#N/A", "NaT", "None", "null", "?"}
NOT_NUMBERS = {
    *("1_000", "１２", "0x10", "1e", "inf", "-inf", "1e400", "true", "false", "[]", "x", "a b"),
    *("1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "1;2", "=1+1", "-", "~"),
}
"""Cells that no reader of ours may take for a number of an input."""


def mutated_text(rng: random.Random, text: str) -> bytes:
    """TOML text with a few things in it that do not belong there."""
    for _ in range(rng.randint(1, 3)):
        lines = text.split("\n")
        k = rng.randrange(len(lines))
        action = rng.randrange(5)
        if action == 0 and " = " in lines[k]:
            lines[k] = f"{lines[k].split(' = ')[0]} = {rng.choice(NUMBERS + TEXTS)}"
        elif action == 1:
            lines.insert(
                k,
                rng.choice(
                    [
                        "[x]",
                        "[[x]]",
                        "a.b.c = 1",
                        "a" + ".a" * 3000 + " = 1",
                        "= 1",
                        "\x00",
                        "seed = 1",
                    ]
                ),
            )
        elif action == 2:
            lines.insert(k, lines[rng.randrange(len(lines))])
        elif action == 3:
            del lines[k]
        else:
            lines[k] = lines[k][: rng.randrange(len(lines[k]) + 1)]
        text = "\n".join(lines)

    content = text.encode("utf-8", "surrogateescape")
    return mutated_bytes(rng, content) if rng.random() < 0.1 else content


def mutated_bytes(rng: random.Random, content: bytes) -> bytes:
    """Bytes flipped, dropped, doubled or cut off."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 5)):
        if not data:
            break
        at = rng.randrange(len(data))
        action = rng.randrange(4)
        if action == 0:
            data[at] = rng.randrange(256)
        elif action == 1:
            del data[at : at + rng.randint(1, 50)]
        elif action == 2:
            data[at:at] = data[at : at + 20]
        else:
            data = data[:at] if rng.random() < 0.3 else data
            data[at:at] = rng.choice([b"\x00", b"\xff\xfe", b"\n", b",", b'"', "é".encode()])
    return bytes(data)


def odd_arrays(draws: np.random.Generator) -> list[np.ndarray]:
    """Arrays of types, shapes and values that tables should not have."""
    days = np.arange(40).astype("datetime64[D]")
    with_nat = np.where(
        np.arange(40) == 3, np.timedelta64("NaT"), np.arange(40).astype("timedelta64[s]")
    )
    return [
        draws.normal(size=40),
        draws.normal(size=(39, 3)),
        draws.normal(size=(40, 0)),
        draws.normal(size=(0, 3)),
        draws.normal(size=(3, 2)),
        np.full((40, 3), np.nan),
        np.full((40, 3), 1e-200),
        np.full((40, 3), 1e200),
        np.full((40, 3), 3e25),
        np.full((40, 3), 1 + 1j),
        np.zeros((40, 3), bool),
        np.zeros((40, 3), "datetime64[s]"),
        np.array(["a", "b"] * 20),
        np.array([b"a", b"\xff"] * 20),
        np.array([1.5, np.nan] * 20),
        np.array([np.inf, 1.0] * 20),
        days,
        with_nat,
        np.arange(40),
        np.full(40, 2**63, dtype=np.uint64),
        np.arange(40) % 2 == 0,
        np.zeros((40, 3, 3)),
        np.array(3.0),
        np.arange(120).reshape(40, 3) * 1e-310,
        np.zeros(40, [("a", float), ("b", int)]),
    ]


def foreign_zip(rng: random.Random) -> bytes:
    """A zip file whose members are not arrays, or not where they should be."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        names = ["X", "y", "X.npy", "y.npy", "../X.npy", "a/b", "é.npy", "x" * 300]
        for name in rng.sample(names, rng.randint(0, 3)):
            archive.writestr(name, rng.choice([b"", b"\x93NUMPY", b"text", bytes(200)]))
    return buffer.getvalue()


def damaged_tensors(rng: random.Random, content: bytes) -> bytes:
    """A safetensors file whose header or numbers are not as they were written."""
    size = struct.unpack("<Q", content[:8])[0]
    header, body = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    name = rng.choice([key for key in header if key != "__metadata__"])
    about = header.setdefault("__metadata__", {})
    action = rng.randrange(6)
    if action == 0:
        del header[name]
    elif action == 1:
        header[name]["shape"] = rng.choice([[], [1], [2, 2], [0], [10**12], [-1]])
    elif action == 2:
        header[name]["dtype"] = rng.choice(["F32", "F64", "I64", "BOOL", "BF16", "X"])
    elif action == 3 and about:
        about[rng.choice(list(about))] = rng.choice(
            ["", "x", "-1", "nan", "1e400", "[/red]", "\x1b[31m"]
        )
    elif action == 4:
        start, end = header[name]["data_offsets"]
        body[start:end] = bytes(rng.choice([0, 0xFF, 0x7F]) for _ in range(end - start))
    else:
        header["stranger"] = {"dtype": "F32", "shape": [0], "data_offsets": [len(body), len(body)]}

    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(body)
