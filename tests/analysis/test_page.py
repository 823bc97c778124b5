"""The report page as a file.

It holds what it was given, loads nothing, and reads no text of a user's as HTML.
"""

import base64
import hashlib
import json
import re
from html import unescape
from typing import Any

import numpy as np
import pytest

from analysis import analyse
from analysis.page import Level, Samples, Snapshot, report_page, samples
from analysis.page.packing import packed, plain
from analysis.page.samples import MAX_NUMBERS, MAX_SYMBOLS, pack_rest, pack_samples
from analysis.page.snapshots import MAX_EDGES, pack_snapshots
from experiments.planted_harder import EVERY

# A text that would run if it were read as HTML.
NASTY = "</script><script>alert(1)</script>\"'&"


def unpack(array: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(array["data"]), dtype=f"<{array['type']}")


def layered(
    sizes: list[int], rng: np.random.Generator, density: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A feed-forward matrix with the given layer sizes, positive biases, (W, b)."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    n = starts[-1]
    W = np.zeros((n, n))
    for k in range(len(sizes) - 1):
        shape = (sizes[k + 1], sizes[k])
        block = rng.normal(size=shape) * (rng.random(shape) < density)
        rows = slice(starts[k + 1], starts[k + 2])
        W[rows, starts[k] : starts[k + 1]] = block / np.sqrt(sizes[k] * density)
    return W, np.full(n, 0.1)


def snapshot(
    W: np.ndarray,
    b: np.ndarray,
    step: int,
    shape: dict[str, int],
    thresholds: tuple[float, ...] = (0.0,),
    **more: np.ndarray,
) -> Snapshot:
    """A network of a shape {n_inputs, n_outputs, n_iterations}, judged at some thresholds."""
    levels = []
    for threshold in thresholds:
        report = analyse(W, b, **shape, n_null=200, threshold=threshold, sweep=False)
        levels.append(Level(threshold, int((np.abs(W) > threshold).sum()), report, 0.5))
    return Snapshot(step, W, b, more.get("positions"), more.get("activity"), levels)


def small_page(**changes: Any) -> str:
    """The page of a small network, with some arguments of `report_page` changed."""
    W, b = layered([5, 7, 6, 3], np.random.default_rng(0))
    shape = {"n_inputs": 5, "n_outputs": 3, "n_iterations": 3}
    texts = {
        "name": "runs/a",
        "headline": "MLP",
        "lead": "lead",
        "facts": {"task": "none"},
        "warning": None,
    }

    snapshots = [snapshot(W, b, 10, shape)]
    ends = {"n_inputs": 5, "n_outputs": 3}
    return report_page(
        **texts | {"snapshots": snapshots, "score_name": "accuracy", **ends} | changes
    )


def data_of(text: str) -> dict:
    return json.loads(
        re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)[1]
    )


def test_what_is_packed_comes_back() -> None:
    values = np.array([[0.5, -2.0], [1e-8, 3e7]])
    assert np.array_equal(unpack(packed(values, "f4")), values.astype("f4").ravel())
    assert np.array_equal(unpack(packed([0, 65535], "u2")), [0, 65535])
    for wrong, dtype in (([-1], "u2"), ([65536], "u2"), ([40000], "i2")):
        with pytest.raises(ValueError, match="do not fit"):
            packed(wrong, dtype)
    assert plain({"a": np.float64("nan"), 1: (np.int64(3), np.bool_(True))}) == {
        "a": None,
        "1": [3, True],
    }


def test_the_weights_shown_are_those_of_the_matrix_strongest_first() -> None:
    W, b = layered([5, 7, 6, 3], np.random.default_rng(1), density=0.6)
    shape = {"n_inputs": 5, "n_outputs": 3, "n_iterations": 3}
    data = pack_snapshots([snapshot(W, b, 10, shape)], 5, 3)
    ids = unpack(data["neurons"]["ids"])
    weights = data["snapshots"][0]["weights"]
    values = unpack(weights["value"])
    assert (np.diff(np.abs(values)) <= 0).all()

    rebuilt = np.zeros_like(W)
    rebuilt[ids[unpack(weights["to"])], ids[unpack(weights["from"])]] = values
    shown = np.isin(np.arange(len(W)), ids)
    assert np.allclose(rebuilt, np.where(shown[:, None] & shown, W, 0.0), atol=1e-6)


def test_an_edge_over_relays_is_as_weak_as_its_weakest_weight() -> None:
    shape = {"n_inputs": 2, "n_outputs": 1, "n_iterations": 3}
    W = np.zeros((6, 6))
    W[2, :2] = [2.0, -1.0]
    W[3, 2] = 0.25  # neuron 3 only hands on what 2 computes
    W[5, 3] = 3.0
    data = pack_snapshots([snapshot(W, np.zeros(6), 0, shape)], 2, 1)
    graph = data["snapshots"][0]["graph"]
    ids = unpack(data["neurons"]["ids"])[unpack(graph["neuron"])]

    columns = (unpack(graph[key]) for key in ("source", "target", "weight", "weakest"))
    edges = {
        (int(ids[s]), int(ids[t])): (weight, weakest)
        for s, t, weight, weakest in zip(*columns, strict=True)
    }
    # The product of the chain, and its weakest link.
    assert edges[2, 5] == pytest.approx((0.75, 0.25))
    assert edges[0, 2] == pytest.approx((2.0, 2.0))


def test_neurons_that_go_are_shown_while_they_are_there_and_come_before_the_outputs() -> None:
    W, b = layered([4, 6, 2], np.random.default_rng(2))
    later = W.copy()
    later[4:7] = 0.0
    later[:, 4:7] = 0.0
    shape = {"n_inputs": 4, "n_outputs": 2, "n_iterations": 2}
    data = pack_snapshots([snapshot(W, b, 1, shape), snapshot(later, b, 2, shape)], 4, 2)

    ids = unpack(data["neurons"]["ids"])
    end = unpack(data["neurons"]["layer"])
    assert set(ids[end == -1]) == {4, 5, 6}
    assert ids[-2:].tolist() == [10, 11]
    first, last = (unpack(entry["layer"]) for entry in data["snapshots"])
    assert (first >= 0).all()
    assert set(ids[last < 0]) == {4, 5, 6}


def test_a_dense_network_keeps_its_strongest_edges_and_says_how_many_there_are() -> None:
    W, b = layered([100, 160, 60, 10], np.random.default_rng(3))
    shape = {"n_inputs": 100, "n_outputs": 10, "n_iterations": 3}
    weights = pack_snapshots([snapshot(W, b, 1, shape)], 100, 10)["snapshots"][0]["weights"]
    values = unpack(weights["value"])
    assert len(values) == MAX_EDGES
    assert weights["total"] == np.count_nonzero(W)
    weakest = np.sort(np.abs(W[W != 0]))[-MAX_EDGES]
    assert np.abs(values).min() == pytest.approx(weakest, rel=1e-6)


@pytest.mark.parametrize("connected_before", [True, False])
def test_a_network_without_paths_can_be_shown(connected_before: bool) -> None:
    W, b = layered([4, 6, 2], np.random.default_rng(4))
    shape = {"n_inputs": 4, "n_outputs": 2, "n_iterations": 2}
    cut = W.copy()
    cut[10:] = 0.0
    snapshots = [snapshot(W if connected_before else cut, b, 1, shape), snapshot(cut, b, 2, shape)]
    data = data_of(small_page(snapshots=snapshots, n_inputs=4, n_outputs=2))
    assert data["snapshots"][1]["levels"][0]["status"] == "disconnected"
    assert data["snapshots"][1]["graph"] is None
    assert len(unpack(data["snapshots"][1]["weights"]["value"])) == np.count_nonzero(cut)

    empty = [snapshot(np.zeros_like(W), b, 1, shape)]
    data = data_of(small_page(snapshots=empty, n_inputs=4, n_outputs=2))
    assert data["snapshots"][0]["weights"]["total"] == 0


def test_no_text_is_read_as_html() -> None:
    text = small_page(
        name=NASTY,
        headline=NASTY,
        lead=NASTY,
        facts={NASTY: NASTY},
        warning=NASTY,
        score_name=NASTY,
        measures={NASTY: NASTY},
        tables=[{"title": NASTY, "note": NASTY, "columns": [NASTY], "rows": [[NASTY]]}],
        configuration=[(NASTY, NASTY)],
        strengths=[{"name": NASTY, "text": NASTY, "values": []}],
    )

    assert "<script>alert" not in text
    assert text.count("<script") == 3  # the data, the pinned groups and our own
    assert data_of(text)["score_name"] == NASTY
    assert unescape(re.search(r"<h1>(.*?)</h1>", text)[1]) == NASTY


def test_the_page_loads_nothing_and_runs_only_its_own_script() -> None:
    text = small_page()
    policy = re.search(r'Content-Security-Policy"\s+content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy
    code = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(code) == 1
    assert (
        f"sha256-{base64.b64encode(hashlib.sha256(code[0].encode()).digest()).decode()}" in policy
    )
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {
        "http://www.w3.org/2000/svg"
    }  # a name, not an address
    assert not re.search(r"<(link|img|iframe)\b|\bsrc=|@import|url\(", text)


def test_modules_are_blocks_within_each_layer() -> None:
    network = EVERY["three experts"][1](120, np.random.default_rng(0))
    facts = {k: v for k, v in network.arguments.items() if k != "positions"}
    report = analyse(network.weights, network.biases, n_null=200, **facts)
    level = Level(0.0, int(np.count_nonzero(network.weights)), report)
    shown = Snapshot(0, network.weights, network.biases, None, None, [level])
    neurons = pack_snapshots([shown], facts["n_inputs"], facts["n_outputs"])["neurons"]
    ids = unpack(neurons["ids"])
    layer = unpack(neurons["layer"])

    modules = report.verdicts["modular"].evidence["modules"]
    module_of = {i: k for k, module in enumerate(modules) for i in module["neurons"]}
    for number in (1, 2):
        order = [module_of[i] for i in ids[layer == number].tolist()]
        assert order == sorted(order)
        assert set(order) == {0, 1, 2}


# ---- what a page runs itself


def unpacked_inputs(packed_samples: dict) -> np.ndarray:
    values = unpack(packed_samples["values"])
    codes = packed_samples["codes"]
    return values if codes is None else values[unpack(codes)]


@pytest.mark.parametrize("n_values", [2, 300, 10**6])
def test_samples_come_back_exactly_and_few_values_take_little(n_values: int) -> None:
    rng = np.random.default_rng(0)
    levels = rng.normal(size=n_values).astype("f4").astype(float)
    inputs = rng.choice(levels, (200, 30))
    targets = rng.integers(0, 5, 200)
    out = pack_samples(Samples(inputs, targets, 3))
    assert np.array_equal(unpacked_inputs(out).reshape(30, 200).T, inputs)
    assert np.array_equal(unpack(out["targets"]), targets)

    n_bytes = {2: 1, 300: 2}.get(n_values, 4) * inputs.size
    assert len(json.dumps(out)) < 4 / 3 * n_bytes + 6_000


def test_a_page_holds_as_many_samples_as_fit() -> None:
    inputs = np.zeros((600, 1_000))
    kept = Samples(inputs, np.zeros(600, dtype=int), 4).stored()
    assert kept.inputs.shape == (MAX_NUMBERS // 1_000, 1_000)
    assert len(kept.targets) == len(kept.inputs)

    # Streams are cut to whole windows.
    streams = Samples(
        np.zeros((10, 1_003, 26)), np.zeros((10, 1_003), dtype=int), 7, "tanh", "stream"
    )
    kept = streams.stored()
    assert kept.inputs.shape[1] % 7 == 0
    assert MAX_SYMBOLS - 70 < 10 * kept.inputs.shape[1] <= MAX_SYMBOLS
    assert kept.targets.shape == kept.inputs.shape[:2]


def test_weights_that_no_picture_holds_are_those_that_can_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Inputs 0 and 1, outputs 6 and 7. Nothing enters neuron 3, which has a bias; nothing leaves 4.
    W = np.zeros((8, 8))
    W[2, 0], W[6, 2], W[6, 3], W[4, 1], W[7, 5] = 5.0, 4.0, 3.0, 2.0, 1.0
    b = np.zeros(8)
    b[3] = 0.5
    drawn = np.array([2]), np.array([0])

    rest = pack_rest(W, b, drawn, 0.0, 2, 2)
    pairs = list(zip(unpack(rest["to"]), unpack(rest["from"]), strict=True))
    assert pairs == [(6, 2), (6, 3)]
    assert rest["complete_above"] == 0.0
    assert unpack(rest["biased"]).tolist() == [3]

    monkeypatch.setattr(samples, "MAX_RUN", 2)
    rest = pack_rest(W, b, drawn, 0.0, 2, 2)
    assert unpack(rest["value"]).tolist() == [4.0]
    assert rest["complete_above"] == 3.0
