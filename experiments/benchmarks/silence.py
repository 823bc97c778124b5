"""A neuron silenced on a report page: how soon its score is on the screen, and whether it is right.

The page holds a network of 500 used neurons and 500 samples; every time is that from a click in
headless Chromium until what it changed is drawn, the graph included. It takes playwright and
Chromium, as the tests do.
"""

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis import analyse
from analysis.causal import run, score
from analysis.network import FlatNetwork, flat_network
from analysis.page import Content, Level, Samples, Snapshot, report_page
from analysis.page.samples import pack_samples

SIZES = (110, 180, 140, 60, 10)
"""Neurons of the layers: 500."""
N_WEIGHTS = 20_000
"""As many as a page draws."""
N_SAMPLES = 500
"""As many as a page holds."""
N_DRAWS = 200
"""From each null model; no verdict is looked at."""
REPEATS = 9
"""Neurons that are silenced. By judgement."""

ON_SCREEN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Resolves when what was asked for is on the screen."""

CLICK = f"""async (id) => {{
    const began = performance.now();
    document.getElementById(id).click();
    const computed = performance.now();
    await {ON_SCREEN};
    return [computed - began, performance.now() - began];
}}"""
"""Milliseconds from a click until its score is there, and until all is drawn."""


def network(recurrent: bool = False) -> tuple[FlatNetwork, np.ndarray, np.ndarray]:
    """A network in layers, with inputs and with what it answers most of the time.

    Parameters
    ----------
    recurrent : bool
        Whether as many weights lie anywhere among hidden neurons and outputs, so that all are
        used at several iterations.
    """
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum(SIZES)])
    W = np.zeros((starts[-1], starts[-1]))
    for low, middle, high in zip(starts, starts[1:], starts[2:], strict=False):
        W[middle:high, low:middle] = rng.normal(size=(high - middle, middle - low))
    if recurrent:
        W[SIZES[0] :] = rng.normal(size=W[SIZES[0] :].shape)

    # Float32, as weights and data of a run are.
    there = np.flatnonzero(W)
    W.ravel()[rng.choice(there, len(there) - N_WEIGHTS, replace=False)] = 0.0
    W = (W / 8).astype("f4").astype(float)
    net = flat_network(
        W,
        np.full(len(W), 0.125),
        n_inputs=SIZES[0],
        n_outputs=SIZES[-1],
        n_iterations=len(SIZES) - 1,
    )
    inputs = rng.normal(size=(N_SAMPLES, SIZES[0])).astype("f4").astype(float)
    answers = run(net, inputs).outputs.argmax(axis=1)
    wrong = rng.random(N_SAMPLES) < 0.1  # so that neurons can help as well as harm
    return net, inputs, np.where(wrong, rng.integers(0, SIZES[-1], N_SAMPLES), answers)


def page_of(net: FlatNetwork, inputs: np.ndarray, targets: np.ndarray) -> str:
    """The report page of the network, with these samples."""
    ends = {"n_inputs": net.n_inputs, "n_outputs": net.n_outputs}
    report = analyse(
        net.weights,
        net.biases,
        **ends,
        n_iterations=net.n_iterations,
        n_null=N_DRAWS,
        threshold=0.0,
        sweep=False,
    )
    level = Level(0.0, int(np.count_nonzero(net.weights)), report)
    content = Content(
        name="silence",
        headline=report.summary,
        lead="",
        facts={},
        warning=None,
        snapshots=[Snapshot(0, net.weights, net.biases, None, None, [level])],
        samples=Samples(inputs, targets, net.n_iterations),
        trained=False,
        score_name="accuracy",
        **ends,
    )
    return report_page(**vars(content))


def lesion(net: FlatNetwork, inputs: np.ndarray, targets: np.ndarray, neuron: int) -> float:
    """The score with a neuron at zero, in NumPy."""
    W = net.weights.copy()
    b = net.biases.copy()
    W[neuron] = 0.0
    W[:, neuron] = 0.0
    b[neuron] = 0.0
    return score(run(replace(net, weights=W, biases=b), inputs).outputs, targets)


def silenced(page: Any, neuron: int) -> tuple[float, float, float]:
    """Silence a neuron by its button: its score, and milliseconds to it and until it is drawn."""
    page.evaluate("(id) => { location.hash = `neuron=${id}`; }", neuron)
    page.locator(".neuron h3", has_text=f"Neuron {neuron}").wait_for()
    page.evaluate("document.querySelector('.silence').id = 'act'")
    computed, drawn = page.evaluate(CLICK, "act")
    shown = page.locator("#silence-score b").nth(1).get_attribute("data-value")
    return float(shown), computed, drawn


def _print(browser: Any, name: str, recurrent: bool) -> None:
    """Times of a network, and the largest difference from NumPy's scores."""
    known = network(recurrent)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(page_of(*known), encoding="utf-8")
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.goto(path.as_uri())
        neurons = np.linspace(SIZES[0], sum(SIZES) - 1, REPEATS).astype(int).tolist()
        rows = [silenced(page, neuron) for neuron in neurons]
        page.close()

    wrong = max(abs(row[0] - lesion(*known, i)) for row, i in zip(rows, neurons, strict=True))
    first = rows[0]
    later = np.median([row[1:] for row in rows[1:]], axis=0)
    samples = Samples(*known[1:], known[0].n_iterations).stored()
    size = len(json.dumps(pack_samples(samples))) / 1e6
    print(f"{name}: {len(rows)} neurons, largest difference from NumPy {wrong:.1e}")
    print(f"{name}: samples take {size:.2f} MB of the page")
    print(f"{name}: first score after {first[1]:.0f} ms, drawn after {first[2]:.0f} ms")
    print(f"{name}: median {later[0]:.0f} ms, drawn after {later[1]:.0f} ms", flush=True)


def main(arguments: list[str]) -> int:
    """Print times for a network in layers, and for one that uses its weights at all iterations."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name in arguments or ("layered", "recurrent"):
            _print(browser, name, recurrent=name == "recurrent")
        browser.close()
    return 0
