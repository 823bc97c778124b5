"""The report page as a file: what it holds is what it was given, it loads nothing, and no text of a user's is read as HTML."""

import base64
import hashlib
import json
import re
from html import unescape

import numpy as np
import pytest

from analysis import analyse
from analysis.page import Level, Snapshot, report_page
from analysis.page.packing import packed, plain
from analysis.page.snapshots import MAX_EDGES, pack_snapshots

NASTY = "</script><script>alert(1)</script>\"'&"


def unpack(array: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(array["data"]), dtype=f"<{array['type']}")


def layered(sizes, generator, density=1.0):
    """A feed-forward matrix with the given layer sizes, positive biases, (W, b)."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    n = starts[-1]
    # neuron order: inputs, hidden, outputs, as everywhere
    W = np.zeros((n, n))
    for k in range(len(sizes) - 1):
        block = generator.normal(size=(sizes[k + 1], sizes[k])) * (
            generator.random((sizes[k + 1], sizes[k])) < density
        )
        W[starts[k + 1] : starts[k + 2], starts[k] : starts[k + 1]] = block / np.sqrt(
            sizes[k] * density
        )
    return W, np.full(n, 0.1)


def snapshot(W, b, step, shape, thresholds=(0.0,), **more):
    levels = []
    for threshold in thresholds:
        report = analyse(W, b, **shape, n_null=200, threshold=threshold, sweep=False)
        levels.append(Level(threshold, int((np.abs(W) > threshold).sum()), report, 0.5))
    return Snapshot(step, W, b, more.get("positions"), more.get("activity"), levels)


def small_page(**changes) -> str:
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


def test_what_is_packed_comes_back():
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


def test_the_weights_shown_are_those_of_the_matrix_strongest_first():
    generator = np.random.default_rng(1)
    W, b = layered([5, 7, 6, 3], generator, density=0.6)
    shape = {"n_inputs": 5, "n_outputs": 3, "n_iterations": 3}
    data = pack_snapshots([snapshot(W, b, 10, shape)], 5, 3)
    ids, weights = unpack(data["neurons"]["ids"]), data["snapshots"][0]["weights"]
    values = unpack(weights["value"])
    assert (np.diff(np.abs(values)) <= 0).all()
    rebuilt = np.zeros_like(W)
    rebuilt[ids[unpack(weights["to"])], ids[unpack(weights["from"])]] = values
    shown = np.isin(np.arange(len(W)), ids)
    assert np.allclose(rebuilt, np.where(shown[:, None] & shown, W, 0.0), atol=1e-6)


def test_an_edge_over_relays_is_as_weak_as_its_weakest_weight():
    W, shape = np.zeros((6, 6)), {"n_inputs": 2, "n_outputs": 1, "n_iterations": 3}
    W[2, 0], W[2, 1], W[3, 2], W[5, 3] = 2.0, -1.0, 0.25, 3.0  # 3 only hands on what 2 computes
    data = pack_snapshots([snapshot(W, np.zeros(6), 0, shape)], 2, 1)
    graph = data["snapshots"][0]["graph"]
    ids = unpack(data["neurons"]["ids"])[unpack(graph["neuron"])]
    found = {
        (int(ids[s]), int(ids[t])): (weight, weakest)
        for s, t, weight, weakest in zip(
            *(unpack(graph[key]) for key in ("source", "target", "weight", "weakest")), strict=True
        )
    }
    assert found[2, 5] == pytest.approx(
        (0.75, 0.25)
    )  # the product of the chain, and its weakest link
    assert found[0, 2] == pytest.approx((2.0, 2.0))


def test_neurons_that_go_are_shown_while_they_are_there_and_come_before_the_outputs():
    generator = np.random.default_rng(2)
    W, b = layered([4, 6, 2], generator)
    later = W.copy()
    later[4:7], later[:, 4:7] = 0.0, 0.0
    shape = {"n_inputs": 4, "n_outputs": 2, "n_iterations": 2}
    data = pack_snapshots([snapshot(W, b, 1, shape), snapshot(later, b, 2, shape)], 4, 2)
    ids, end = unpack(data["neurons"]["ids"]), unpack(data["neurons"]["layer"])
    assert set(ids[end == -1]) == {4, 5, 6}
    assert ids[-2:].tolist() == [10, 11]
    first, last = (unpack(m["layer"]) for m in data["snapshots"])
    assert (first >= 0).all()
    assert set(ids[last < 0]) == {4, 5, 6}


def test_a_dense_network_keeps_its_strongest_edges_and_says_how_many_there_are():
    W, b = layered([100, 160, 60, 10], np.random.default_rng(3))
    shape = {"n_inputs": 100, "n_outputs": 10, "n_iterations": 3}
    packed_snapshot = pack_snapshots([snapshot(W, b, 1, shape)], 100, 10)["snapshots"][0]
    assert len(unpack(packed_snapshot["weights"]["value"])) == MAX_EDGES
    assert packed_snapshot["weights"]["total"] == np.count_nonzero(W)
    kept = np.sort(np.abs(W[W != 0]))[-MAX_EDGES:]
    assert np.abs(unpack(packed_snapshot["weights"]["value"])).min() == pytest.approx(
        kept[0], rel=1e-6
    )


@pytest.mark.parametrize("connected_before", [True, False])
def test_a_network_without_paths_can_be_shown(connected_before):
    W, b = layered([4, 6, 2], np.random.default_rng(4))
    shape = {"n_inputs": 4, "n_outputs": 2, "n_iterations": 2}
    cut = W.copy()
    cut[10:] = 0.0
    snapshots = [snapshot(W if connected_before else cut, b, 1, shape), snapshot(cut, b, 2, shape)]
    data = data_of(small_page(snapshots=snapshots, n_inputs=4, n_outputs=2))
    assert data["snapshots"][1]["levels"][0]["status"] == "disconnected"
    assert data["snapshots"][1]["graph"] is None
    assert len(unpack(data["snapshots"][1]["weights"]["value"])) == np.count_nonzero(cut)
    nothing = [snapshot(np.zeros_like(W), b, 1, shape)]
    assert (
        data_of(small_page(snapshots=nothing, n_inputs=4, n_outputs=2))["snapshots"][0]["weights"][
            "total"
        ]
        == 0
    )


def test_no_text_is_read_as_html():
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
    assert text.count("<script") == 2  # the data and our own
    assert data_of(text)["score_name"] == NASTY
    assert unescape(re.search(r"<h1>(.*?)</h1>", text)[1]) == NASTY


def test_the_page_loads_nothing_and_runs_only_its_own_script():
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
