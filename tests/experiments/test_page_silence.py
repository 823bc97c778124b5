"""Neurons silenced on the report page: the score that the page computes is that of Python."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from analysis.page import Samples, samples, snapshots
from experiments.benchmarks import silence as benchmark
from experiments.commands.judging import task_data
from experiments.play.session import Session
from tests.analysis.test_page import layered, small_page, snapshot
from tests.experiments.test_report_page import (
    LAYERED,
    ON_SCREEN,
    TINY,
    mean_time,
    slide,
    yardstick,
)
from urn import Run, TrainConfig, load_run, train
from urn.cli import main
from urn.data.scores import evaluate
from urn.network.definition import unroll

if TYPE_CHECKING:  # a machine without playwright skips these tests
    from playwright.sync_api import Browser, Page

Opened = Callable[..., "Page"]
"""Opens a page file, see the fixture `opened`."""

CLOSE = 1e-4
"""Largest difference of a score from Python's."""

# A network that learns little, judged at its end only.
QUICK = TINY.replace(snapshots=0)
# Networks that differ in how they are applied and in what they are scored by.
CARRY = {"dimension": 4, "n_outputs": 3, "n_train": 100, "n_validation": 50, "n_test": 50}
STREAMS = {"n_streams": 10, "length": 200}
SORTS = {
    "pulse, relu": QUICK.replace(n_neurons=40, steps=200, n_iterations=4),
    "pulse, tanh": QUICK.replace(n_neurons=40, steps=200, activation="tanh"),
    "clamped, relu": QUICK.replace(n_neurons=40, steps=200, input_mode="clamped"),
    "float64": QUICK.replace(n_neurons=30, steps=100, dtype="float64"),
    "not sparse": QUICK.replace(n_neurons=30, steps=100, strengths={}),
    "digits": QUICK.replace(task="digits", task_options={}, n_neurons=110, steps=200),
    "regression": QUICK.replace(task="carry", task_options=CARRY, n_neurons=30, steps=300),
    "regression, clamped, tanh": QUICK.replace(
        task="carry",
        task_options=CARRY,
        n_neurons=30,
        steps=300,
        input_mode="clamped",
        activation="tanh",
    ),
    "sequence, relu": QUICK.replace(
        task="adding",
        task_options={"length": 6, "n_train": 500, "n_validation": 50, "n_test": 50},
        n_iterations=6,
        n_neurons=30,
        steps=300,
        strengths={"weight": 1e-5},
    ),
    "stream, tanh": QUICK.replace(
        task="miconi_easy", task_options=STREAMS, n_iterations=6, n_neurons=90, activation="tanh"
    ),
    "stream, relu": QUICK.replace(
        task="miconi_easy", task_options=STREAMS, n_iterations=7, n_neurons=90, steps=200
    ),
    "elman, tanh": QUICK.replace(
        task="miconi_easy",
        task_options=STREAMS,
        n_iterations=6,
        n_neurons=90,
        input_mode="elman",
        activation="tanh",
        steps=200,
    ),
}


def lesioned(
    run: Run, silenced: Iterable[int], threshold: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and biases without small weights and without some neurons, for one member."""
    W = torch.where(run.weights.abs() > threshold, run.weights, 0.0).to(dtype)
    b = run.biases.to(dtype, copy=True)
    rows = sorted(silenced)
    W[rows] = 0
    W[:, rows] = 0
    b[rows] = 0
    return W[None], b[None]


def expected(
    run: Run,
    silenced: Iterable[int],
    *,
    threshold: float = 0.0,
    dtype: torch.dtype = torch.float64,
    n_symbols: int | None = None,
) -> float:
    """The score of the formula on validation data, some neurons at zero."""
    W, b = lesioned(run, silenced, threshold, dtype)
    X, y = task_data(run).validation
    if n_symbols is not None:
        return foretold(run, W, b, X[:, :n_symbols], y[:, :n_symbols])

    inputs = X[:500].transpose(0, 1) if run.wiring.reads_one_each else X[:500]
    output, _ = unroll(W, b, inputs[None].to(dtype), run.wiring)
    if not y.is_floating_point():
        return float((output[0].argmax(-1) == y[:500]).double().mean())
    y = y[:500].to(dtype)
    return float(1 - (output[0] - y).square().sum() / (y - y.mean(0)).square().sum())


def foretold(run: Run, W: torch.Tensor, b: torch.Tensor, X: torch.Tensor, y: torch.Tensor) -> float:
    """The share of symbols that are foretold, the state carried from window to window."""
    hits = 0
    state = None
    length = run.wiring.n_iterations
    for start in range(0, X.shape[1], length):
        symbols = X[:, start : start + length].transpose(0, 1)[None].to(W)
        output, N = unroll(W, b, symbols, run.wiring, state)
        state = N[:, -1]
        hits += int((output[0].argmax(-1) == y[:, start : start + length].T).sum())
    return hits / y.numel()


def scores(page: "Page") -> tuple[float, float]:
    """With all neurons, and without some."""
    shown = page.locator("#silence-score b")
    return tuple(float(shown.nth(k).get_attribute("data-value")) for k in range(2))


def go_to(page: "Page", words: str) -> None:
    """Change the part of the address behind the #, and wait until the page shows what it says."""
    page.evaluate(
        """(words) => new Promise((done) => {
            addEventListener("hashchange", () => requestAnimationFrame(done), { once: true });
            location.hash = words;
        })""",
        words,
    )


def silence(page: "Page", ids: Iterable[int]) -> tuple[float, float]:
    """Silence some neurons and no others, by the address."""
    go_to(page, f"silenced={','.join(str(i) for i in ids)}")
    return scores(page)


def counted(page: "Page") -> int | None:
    """Symbols of a stream that the page holds; None where it holds samples."""
    note = page.locator("#silence-note").inner_text()
    match = re.search(r"on ([\d,]+) symbols of (\d+) streams", note)
    return match and int(match[1].replace(",", "")) // int(match[2])


def some_of(run: Run) -> list[list[int]]:
    """Single neurons of every kind, and groups."""
    S, d_in, d_out = len(run.biases), run.n_inputs, run.n_outputs
    strength = run.weights.abs().sum(0)
    strong = strength[d_in : S - d_out].topk(4).indices + d_in
    hidden = range(d_in, S - d_out)
    return [
        *([int(i)] for i in strong),
        [int(strength[:d_in].argmax())],
        *([i] for i in dict.fromkeys((S - 1, S - d_out))),  # one where there is one output
        list(hidden)[::2],
        list(hidden),
        list(range(d_in)),
        list(range(S)),
    ]


@pytest.mark.parametrize("config", SORTS.values(), ids=SORTS.keys())
def test_the_score_without_some_neurons_is_that_of_python(
    config: TrainConfig, tmp_path: Path, opened: Opened
) -> None:
    run = train(config, tmp_path / "run")
    assert main(["inspect", str(run.folder), "--html", "--nulls", "200"]) == 0
    page = opened(run.folder / "report.html")
    n_symbols = counted(page)
    threshold = 0.0
    if not run.has_exact_zeros:  # some weights count as noise
        threshold = page.evaluate(
            "JSON.parse(document.getElementById('data').textContent)"
            ".snapshots.at(-1).levels[0].threshold"
        )

    changed = set()
    for ids in some_of(run):
        whole, left = silence(page, ids)
        for dtype in (torch.float64, torch.float32):
            options = {"threshold": threshold, "dtype": dtype, "n_symbols": n_symbols}
            assert whole == pytest.approx(expected(run, [], **options), abs=CLOSE)
            assert left == pytest.approx(expected(run, ids, **options), abs=CLOSE, rel=CLOSE)
        changed.add(left)
    assert len(changed) > 2  # silencing did something


def test_the_score_is_that_of_the_step_and_of_the_weights_that_are_kept(
    tmp_path: Path, opened: Opened
) -> None:
    run = train(SORTS["digits"].replace(strengths=LAYERED, snapshots=3), tmp_path / "run")
    assert main(["inspect", str(run.folder), "--html", "--nulls", "200"]) == 0
    page = opened(run.folder / "report.html")
    ids = [70, 75, 80, 81]
    silence(page, ids)
    slide(page, "level", ["ArrowLeft", "ArrowLeft"])
    size = np.sort(run.weights.abs()[run.weights != 0].numpy())[::-1]
    threshold = float(size[int(np.ceil(0.6 * len(size)))])
    whole, left = scores(page)
    assert whole == pytest.approx(expected(run, [], threshold=threshold), abs=CLOSE)
    assert left == pytest.approx(expected(run, ids, threshold=threshold), abs=CLOSE)
    assert f"{whole:.3f}"[:4] in page.locator("#verdict-note").inner_text()

    slide(page, "level", ["End"])
    slide(page, "snapshot", ["Home"])
    first = run.snapshots[0]
    earlier = Run(**vars(run) | {"weights": first.weights, "biases": first.biases})
    whole, left = scores(page)
    assert whole == pytest.approx(expected(earlier, []), abs=CLOSE)
    assert left == pytest.approx(expected(earlier, ids), abs=CLOSE)
    assert whole != scores_at_end(page)


def scores_at_end(page: "Page") -> float:
    slide(page, "snapshot", ["End"])
    return scores(page)[0]


def test_the_lesion_is_that_of_play(tmp_path: Path, opened: Opened) -> None:
    """The accuracy that `urn play` shows of the same network without the same neurons."""
    session = Session(SORTS["digits"].replace(steps=400))
    session.advance(until=300)
    run = session.save(tmp_path / "played")
    session.back(300)
    assert main(["inspect", str(run.folder), "--html", "--nulls", "200"]) == 0
    page = opened(run.folder / "report.html")
    for ids in ((70,), (64, 71, 80, 90), tuple(range(64, 100, 3))):
        whole, left = silence(page, ids)
        assert whole == pytest.approx(session.accuracy(), abs=CLOSE)
        assert left == pytest.approx(session.accuracy(ids), abs=CLOSE)


def test_streams_are_scored_as_training_scores_them(tmp_path: Path, opened: Opened) -> None:
    """All validation symbols fit into the page, so that its score is that of `evaluate`."""
    run = train(SORTS["stream, tanh"], tmp_path / "run")
    assert main(["inspect", str(run.folder), "--html", "--nulls", "200"]) == 0
    page = opened(run.folder / "report.html")
    whole, _ = silence(page, [40])
    assert whole == pytest.approx(
        float(evaluate(run.network(), task_data(run).validation, "stream")[0]), abs=CLOSE
    )


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network that learns digits, with its page."""
    config = SORTS["digits"].replace(strengths=LAYERED, steps=400)
    run = train(config, tmp_path_factory.mktemp("runs") / "digits")
    assert main(["inspect", str(run.folder), "--html", "--nulls", "200"]) == 0
    return load_run(run.folder)


def test_mouse_and_keyboard_silence_and_undo(digits: Run, opened: Opened) -> None:
    page = opened(digits.folder / "report.html")
    assert page.locator("#silence-none").is_disabled()

    # A key on the neuron that the arrows lead to, and on the one that is selected.
    page.focus("#graph")
    for key in ("ArrowDown", "ArrowRight", "s"):
        page.keyboard.press(key)
    tags = page.locator("#silenced li")
    assert tags.count() == 1
    neuron = int(tags.inner_text().split()[0])
    assert scores(page)[1] == pytest.approx(expected(digits, [neuron]), abs=CLOSE)
    page.keyboard.press("Enter")
    button = page.locator("#neuron .silence")
    assert button.inner_text() == "let it speak again"
    button.focus()
    page.keyboard.press("Enter")
    assert tags.count() == 0
    assert button.inner_text() == "silence it"
    assert page.evaluate("document.activeElement.className") == "quiet silence"

    # A layer whole, a neuron of it back, and all of them.
    page.locator("#silence-group").select_option("layer 1")
    page.locator("#silence-add").click()
    layer = page.locator("#silence-score").inner_text()
    n_layer = int(re.search(r"without (\d+) neurons", layer)[1])
    ids = [int(text.split()[0]) for text in tags.all_inner_texts()]
    assert len(ids) == min(n_layer, 40)
    assert scores(page)[1] == pytest.approx(expected(digits, ids), abs=CLOSE)
    tags.first.locator("button").click()
    assert tags.count() == n_layer - 1
    assert scores(page)[1] == pytest.approx(expected(digits, ids[1:]), abs=CLOSE)
    page.locator("#silence-none").click()
    assert tags.count() == 0
    assert page.locator("#silence-score b").count() == 0

    # A click, and a row of the matrix.
    page.locator("#click").select_option("silences")
    box = page.locator("#graph").bounding_box()
    page.locator("#graph").scroll_into_view_if_needed()
    for y in np.arange(10, box["height"] - 50, 6.0):
        page.locator("#graph").click(position={"x": 26, "y": y})
        if tags.count():
            break
    assert int(tags.first.inner_text().split()[0]) < digits.n_inputs
    page.focus("#matrix")
    page.keyboard.press("ArrowRight")
    row = int(re.search(r"to (\d+) ", page.locator("#tip").inner_text())[1])
    page.keyboard.press("s")
    assert f"{row} ×" in tags.all_inner_texts()
    page.keyboard.press("Control+s")
    assert f"{row} ×" in tags.all_inner_texts()


def test_a_page_without_samples_says_so(tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "page.html"
    path.write_text(small_page(), encoding="utf-8")
    page = opened(path)
    assert "holds no samples" in page.locator(".graph ~ *, .card").nth(2).inner_text()
    assert page.locator("#silence-group").count() == 0
    page.focus("#graph")
    for key in ("ArrowDown", "Enter", "s"):
        page.keyboard.press(key)
    assert page.locator("#neuron h3").first.inner_text().startswith("Neuron")
    assert page.locator(".silence").count() == 0


def test_a_network_too_large_to_be_run_is_so_until_enough_is_cut(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    W, b = layered([5, 7, 6, 3], rng)
    size = np.sort(np.abs(W[W != 0]))[::-1]
    shape = {"n_inputs": 5, "n_outputs": 3, "n_iterations": 3}
    shown = [snapshot(W, b, 10, shape, thresholds=(0.0, size[30]))]
    monkeypatch.setattr(snapshots, "MAX_EDGES", 20)
    monkeypatch.setattr(samples, "MAX_RUN", 60)
    path = tmp_path / "page.html"
    known = Samples(rng.normal(size=(40, 5)), rng.integers(0, 3, 40), 3)
    path.write_text(small_page(snapshots=shown, samples=known), encoding="utf-8")

    page = opened(path)
    go_to(page, "silenced=6")
    assert "Too many weights" in page.locator("#silence-score").inner_text()
    slide(page, "level", ["ArrowLeft"])
    assert 0 <= scores(page)[1] <= 1


def test_a_neuron_of_500_is_silenced_at_once(
    tmp_path: Path, browser: "Browser", opened: Opened
) -> None:
    """In units of a loop that takes some 0.6 s where no other work slows the processor.

    The score is that of NumPy, exactly.
    """
    known = benchmark.network(recurrent=True)
    path = tmp_path / "large.html"
    path.write_text(benchmark.page_of(*known), encoding="utf-8")
    page = opened(path)
    unit = min(mean_time(browser, page, yardstick, 1) for _ in range(2))

    neurons = [150, 250, 350, 450]
    for neuron in neurons:
        score, *_ = benchmark.silenced(page, neuron)
        assert score == pytest.approx(benchmark.lesion(*known, neuron), abs=1e-12)
        page.locator("#silence-none").click()

    def press(page: "Page", k: int) -> None:
        page.locator("#neuron .silence").evaluate(
            f"(button) => {{ button.click(); return {ON_SCREEN}; }}"
        )

    used = mean_time(browser, page, press, 8) / unit
    print(f"a neuron silenced: {used:.2f} times the loop")
    assert used < 0.33
