"""Cases of `urn judge`: files of networks, damaged, and how they are applied beside them."""

import io
import random
from pathlib import Path

import numpy as np
from safetensors.numpy import save

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
from tests.fuzz.sandbox import Case

S = 9
"""Neurons of a sound network: two inputs, six hidden neurons, an output."""

MODES = "n_inputs = 2\nn_outputs = 1\nn_iterations = 3\n"
"""How it is applied, as it stands in a TOML."""

NAMED = 'input_nodes = ["n0", "n1"]\noutput_nodes = ["n8"]\nn_iterations = 3\n'
"""The same where nodes have names."""

SIZES = [
    "0",
    "1",
    "2",
    "8",
    "9",
    "10",
    "-1",
    "1.5",
    "5000",
    "5001",
    "9" * 31,
    "nan",
    "x",
    "",
    "１２",
]
"""Of n_inputs, n_outputs and n_iterations."""

KEYS = {
    "n_inputs": SIZES,
    "n_outputs": SIZES,
    "n_iterations": SIZES,
    "threshold": NUMBERS,
    "activation": ["relu", "tanh", "sine", *TEXTS],
    "input_mode": ["pulse", "clamped", *TEXTS],
    "positions": ["places.npy", "places.csv", "none.npy", ".", "/dev/zero", "net.npz", *TEXTS],
    "inputs": ["places.npy", "places.csv", "none.csv", "..", "/proc/self/mem", *TEXTS],
    "input_nodes": ["n0,n1", "n0,n0", "n8", "x", ",", *TEXTS],
    "output_nodes": ["n8", "n0", "", *TEXTS],
    "weight": ["weight", "source", "x", *TEXTS],
    "rows": ["sources", "targets", *TEXTS],
}
"""Values of every field, sound ones among them."""

HUGE = [1e308, -1e308, 1e200, 1e-308, 5e-324, np.nan, np.inf, -np.inf, 1e160]
"""Weights at the ends of float64 and beyond."""

ENTITIES = [
    '<!DOCTYPE g [<!ENTITY a "xxxxxxxxxx">'
    + "".join(f'<!ENTITY a{k} "{f"&a{k - 1 if k else str()};" * 10}">' for k in range(12))
    + "]>",
    '<!DOCTYPE g [<!ENTITY a SYSTEM "file:///proc/self/mem">]>',
    '<!DOCTYPE g [<!ENTITY % a SYSTEM "http://127.0.0.1:9/a"> %a;]>',
    f'<!DOCTYPE g [<!ENTITY a "{"x" * 20_000}">]>',
]
"""Entities that blow up, and ones that lie elsewhere."""


def network(rng: random.Random, template: Path) -> Case:
    """`urn judge` on a file of any form, sound or not."""
    form = rng.choice([_table, _table, _edges, _graphml, _graphml, _npz, _npz, _safetensors])
    name, content, is_wrong = form(rng)
    modes = NAMED if name in ("edges.csv", "net.graphml") else MODES
    files: dict[str, bytes | None] = {name: content, "places.npy": _places(rng)}
    files["places.csv"] = _csv_places(rng)
    if rng.random() < 0.25:
        modes = _with_field(rng, modes)
    beside = Path(name).with_suffix(".toml").name
    files[beside] = mutated_text(rng, modes) if rng.random() < 0.15 else _encoded(modes)

    argv = ["judge", name, "--nulls", "200"]
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        key = rng.choice(list(KEYS))
        argv.append(f"--{key.replace('_', '-')}={rng.choice(KEYS[key])}")
        is_wrong = False  # a flag may put right what the table gets wrong: others judge that
    argv += rng.choice([[], ["--json"], ["--html", "out.html"], ["--html", "precious.txt"]])
    if rng.random() < 0.05:
        argv[1] = rng.choice(["none.csv", "precious", ".", "", "net", "precious.txt", *TEXTS])
    return Case("network", argv, files, may_write=("out.html",), must_refuse=is_wrong)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _with_field(rng: random.Random, modes: str) -> str:
    """A TOML with one more field, or another value of one that is there."""
    key = rng.choice(list(KEYS))
    value = rng.choice(KEYS[key])
    quoted = "'" + value.replace("'", "").replace("\n", " ") + "'"
    rest = [line for line in modes.splitlines() if not line.startswith(f"{key} ")]
    text = rng.choice([quoted, quoted, value, f"[{quoted}]"])
    return "\n".join([*rest, f"{key} = {text}"]) + "\n"


def _weights(rng: random.Random) -> np.ndarray:
    """A sound network, or one with a weight that is too large for sums of squares."""
    draws = np.random.default_rng(rng.randrange(2**32))
    weights = draws.normal(size=(S, S)) * (draws.random((S, S)) < 0.5)
    if rng.random() < 0.3:
        weights[rng.randrange(S), rng.randrange(S)] = rng.choice(HUGE)
    if rng.random() < 0.1:
        with np.errstate(all="ignore"):
            weights *= rng.choice([0.0, 1e-200, 1e160, 1e300])
    return weights


def _places(rng: random.Random) -> bytes:
    """A .npy file of numbers, or of anything."""
    draws = np.random.default_rng(rng.randrange(2**32))
    array = draws.normal(size=(S, 2))
    if rng.random() < 0.5:
        array = rng.choice([*odd_arrays(draws), np.array([{}], dtype=object)])
    buffer = io.BytesIO()
    np.save(buffer, array)
    content = buffer.getvalue()
    if rng.random() < 0.2:
        # A header that promises more than there is memory.
        content = content.replace(b"(9, 2)", b"(9" + b"0" * 12 + b", 2)")
    return mutated_bytes(rng, content) if rng.random() < 0.2 else content


def _csv_places(rng: random.Random) -> bytes:
    rows = [[f"{rng.random():.3f}", f"{rng.random():.3f}"] for _ in range(S)]
    if rng.random() < 0.5:
        rng.choice(rows)[rng.randrange(2)] = rng.choice(NUMBERS + TEXTS)
    return _encoded("\n".join(",".join(row) for row in rows))


# ---- forms of files


def _table(rng: random.Random) -> tuple[str, bytes, bool]:
    """A square table of weights."""
    cells = [[f"{value!r}" for value in row] for row in _weights(rng).tolist()]
    for _ in range(rng.choice([0, 1, 1, 2])):
        rng.choice(cells)[rng.randrange(S)] = rng.choice(
            [*NUMBERS, *TEXTS, *NOT_THERE, *NOT_NUMBERS]
        )
    tab = rng.random() < 0.3
    if rng.random() < 0.2:
        rng.choice(cells).pop()
    wrong = NOT_THERE | NOT_NUMBERS
    is_wrong = any(cell.strip() in wrong for row in cells for cell in row)
    is_wrong |= any(len(row) != S for row in cells) and not any("," in c for r in cells for c in r)

    text = "\n".join(("\t" if tab else ",").join(row) for row in cells)
    content = _encoded(rng.choice(["", "", "\ufeff", "\n"]) + text)
    if is_damaged := rng.random() < 0.2:
        content = mutated_bytes(rng, content)
    return "net.tsv" if tab else "net.csv", content, is_wrong and not is_damaged


def _edges(rng: random.Random) -> tuple[str, bytes, bool]:
    """An edge list with names."""
    weights = _weights(rng)
    rows = [[f"n{j}", f"n{i}", f"{weights[i, j]!r}"] for i, j in np.argwhere(weights).tolist()]
    rows = [[cell.removeprefix("np.float64(").rstrip(")") for cell in row] for row in rows]
    for _ in range(rng.choice([0, 1, 1, 3])):
        if not rows:
            break
        column = rng.randrange(3)
        value = rng.choice([*NUMBERS, *TEXTS, *NOT_NUMBERS])
        rng.choice(rows)[column] = value
    wrong = any(row[2].strip() in NOT_NUMBERS | NOT_THERE for row in rows)
    rows += rng.choice([[], rows[:2], [["n0"]], [["", "n1", "1"]], [["n0", "n0", "1"]]])
    head = rng.choice(
        [*["source,target,weight"] * 5, "source,target", "target,source,weight", "source,source"]
    )
    text = "\n".join([head, *(",".join(row) for row in rows)])
    content = _encoded(text)
    if rng.random() < 0.2:
        return "edges.csv", mutated_bytes(rng, content), False
    return "edges.csv", content, wrong and head == "source,target,weight"


def _graphml(rng: random.Random) -> tuple[str, bytes, bool]:
    """GraphML written by hand, so that anything can stand anywhere."""
    kind = rng.choice(["double", "double", "double", "int", "string", "boolean", "float", "x"])
    nodes = [f"n{k}" for k in range(S)]
    if rng.random() < 0.2:
        nodes[rng.randrange(S)] = rng.choice(
            ["n0", "", "&a11;", "&#0;", "[/red]", "=1+1", "é" * 99]
        )
    weights = _weights(rng)
    edges = [(f"n{j}", f"n{i}", repr(weights[i, j].item())) for i, j in np.argwhere(weights)]
    if edges and rng.random() < 0.4:
        at = rng.randrange(len(edges))
        source, target, _ = edges[at]
        texts = [text.replace("<", "").replace("\x00", "") for text in [*NUMBERS, *TEXTS]]
        edges[at] = (source, target, rng.choice([*texts, "&a11;", "&a;", "nan", "9" * 400]))

    head = '<?xml version="1.0" encoding="utf-8"?>'
    bomb = rng.choice(ENTITIES) if rng.random() < 0.2 else ""
    space = ' xmlns="http://graphml.graphdrawing.org/xmlns"' if rng.random() < 0.9 else ""
    axis = rng.choice(["x", "y", "weight", ""])
    text = "".join(
        [
            f"{head}{bomb}<graphml{space}>",
            f'<key id="w" for="edge" attr.name="weight" attr.type="{kind}"/>',
            f'<key id="x" for="node" attr.name="{axis}" attr.type="{kind}"/>',
            f'<graph edgedefault="{rng.choice(["directed", "directed", "undirected", "x"])}">',
            *(
                f'<node id="{name}"><data key="x">{rng.choice(NUMBERS)}</data></node>'
                for name in nodes
            ),
            *(
                f'<edge source="{a}" target="{b}"><data key="w">{w}</data></edge>'
                for a, b, w in edges
            ),
            "&a;" if bomb and rng.random() < 0.5 else "",
            rng.choice(["", "", "<hyperedge/>", "<graph/>", "<port/>", '<edge source="n0"/>']),
            "</graph></graphml>",
        ]
    )
    content = _encoded(text)
    return "net.graphml", mutated_bytes(rng, content) if rng.random() < 0.2 else content, False


def _arrays(rng: random.Random) -> tuple[dict[str, np.ndarray], bool]:
    """Named arrays, of which one may be odd; whether they are known to be wrong."""
    draws = np.random.default_rng(rng.randrange(2**32))
    arrays: dict[str, np.ndarray] = {"weights": _weights(rng)}
    for name, shape in (("biases", S), ("positions", (S, 2)), ("inputs", (20, 2))):
        if rng.random() < 0.4:
            arrays[name] = draws.normal(size=shape)
    if rng.random() < 0.3:
        name = rng.choice([*arrays, "biases", "inputs", "x", "n_inputs", "activation"])
        arrays[name] = rng.choice(odd_arrays(draws))
    if rng.random() < 0.2:
        name = rng.choice(list(arrays))
        if arrays[name].dtype.kind == "f" and arrays[name].size:
            arrays[name].ravel()[rng.randrange(arrays[name].size)] = rng.choice(HUGE)
    numbers = [arrays[name] for name in ("weights", "biases", "inputs") if name in arrays]
    is_wrong = any(a.dtype.kind == "f" and not np.isfinite(a).all() for a in numbers)
    return arrays, is_wrong


def _npz(rng: random.Random) -> tuple[str, bytes, bool]:
    """An archive of arrays, or of anything."""
    arrays, is_wrong = _arrays(rng)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    damage = rng.random()
    if damage < 0.15:
        return "net.npz", mutated_bytes(rng, content), False
    if damage < 0.25:
        return "net.npz", foreign_zip(rng), True
    if damage < 0.3:
        return "net.npz", content.replace(b"(9, 9)", b"(9,10**9)"), False
    return "net.npz", content, is_wrong


def _safetensors(rng: random.Random) -> tuple[str, bytes, bool]:
    """Tensors, with a header that may be damaged."""
    arrays, is_wrong = _arrays(rng)
    plain = {
        name: np.ascontiguousarray(array)
        for name, array in arrays.items()
        if array.dtype.kind in "biuf"
    }
    if "weights" not in plain:
        is_wrong = True
    keys = ["n_inputs", "n_outputs", "n_iterations", "n_x", "activation", "x"]
    metadata = {rng.choice(keys): rng.choice([*SIZES, *NUMBERS, "relu"]) for _ in range(2)}
    content = save(plain, metadata=metadata if rng.random() < 0.3 else None)
    if plain and rng.random() < 0.4:
        return "net.safetensors", damaged_tensors(rng, content), False
    if rng.random() < 0.1:
        return "net.safetensors", mutated_bytes(rng, content), False
    return "net.safetensors", content, is_wrong
