"""Is a network kept at prices at which none is born? And can the price at which it dies be
predicted?

For each task the price of a dial (c_w, the price of weights, or c_n, that of activity) is fixed
from the first step on, at a dozen values: the largest at which a network learns is where it is
*born*. Then one network is trained at a price that is next to nothing, and its price is raised by a
quarter every 300 steps: the last price at which it still answers better than chance is to where it
is *kept*. More training brings none to life that was not born: its outputs hardly depend on its
inputs (with seeds 0 to 2, digits and parity of 2, none of nineteen came back in eight times the
steps). Refuted when on any task and dial networks are not kept to prices half as large again as
those at which they are born, which is the width of a step of the first grid.

The notes hold two cheap networks against both. By the envelope theorem the least of L + c R grows
with c by R, so two networks at small prices, taken on as a power of c, say where it reaches the
loss of a dead network: the price at which being dead costs as much. That rule was made on digits,
shells and parity of 2; the other tasks were not looked at.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis.plots.style import BLUE, FONT, INK, new_figure, plain_axes
from experiments.claims import Check, Measured, Row, column
from experiments.commands.judging import learned
from experiments.twins import differs
from urn import Run, TrainConfig
from urn.data.tasks import Dataset, task_options

# The claim.
CLAIM = "A network is kept at prices of weights and of activity at which none is born"
SOURCE = "ours, after Golkar 2019 (arXiv 1911.11691)"  # Where it is from.
PAPER = "nothing is said of prices that rise"  # What the paper reports.

SEEDS = {"quick": 1, "paper": 10}  # Ten differences can have a p of 0.002.
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data; the handwritten digits are always the same.

# {name: (task, options)}.
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "parity of 2": ("parity", {"k": 2, "data_seed": DATA_SEED}),
    "digits": ("digits", {}),
    "shells": ("shells", {"n_train": 5000, "data_seed": DATA_SEED}),
    "parity of 3": ("parity", {"k": 3, "data_seed": DATA_SEED}),
    "halves": ("halves", {"data_seed": DATA_SEED}),
    "ring_field": ("ring_field", {"data_seed": DATA_SEED}),
}
USED = ("parity of 2", "digits", "shells")  # Tasks on which the rule of the notes was made.
HIDDEN = 60  # Neurons beside inputs and outputs.

STEP = 1.5  # Factor between two prices that are fixed: births are known to within it.
N_FIXED = 12  # Prices that are fixed: nearly two decades.
FIXED = {"weight": 5e-3, "activity": 2e-2}  # The first of them; on seeds 0-2 all were born there.
STEPS = 1200  # Of training at a fixed price. On seeds 0-2 networks had learned by then.

FIRST = 1e-3  # The price at which a network that is kept has begun.
RISE = 1.25  # Factor by which its price rises.
RUNG = 300  # Steps between two rises.
TOPS = {"weight": 0.3, "activity": 10.0}  # To which it rises. By judgement: far beyond births.

CHEAP = (1e-3, 2e-3)  # Prices of the two networks that a border is predicted from.
RESOLVED = 1e-3  # Of an exponent; two networks tell it to a few hundredths.
WITHIN = 1.5  # Factor within which a border counts as predicted. By judgement.
BASE = 1e-4  # The price of weights and biases where another dial is turned.


def arms(scale: str) -> dict[str, TrainConfig]:
    """For each task and dial: fixed prices, one that is raised, and two cheap ones."""
    listed = {}
    for task in tasks(scale):
        for dial in FIXED:
            for k, price in enumerate(fixed_prices(dial)):
                listed[f"{task}, {dial} {k + 1}"] = _config(task, dial, price, STEPS)
            listed[f"{task}, {dial} raised"] = _raised(task, dial)
            for k, price in enumerate(CHEAP):
                calm = _config(task, dial, price, 2 * STEPS)
                calm = calm.replace(
                    learning_rate={"value": 3e-3, "milestones": [0.7], "factor": 0.2}
                )
                listed[f"{task}, {dial} cheap {k + 1}"] = calm
    return listed


def tasks(scale: str) -> list[str]:
    """Those of a scale."""
    return list(TASKS) if scale == "paper" else list(TASKS)[:1]


def fixed_prices(dial: str) -> list[float]:
    """The prices at which a network may be born."""
    return [float(f"{FIXED[dial] * STEP**k:.3g}") for k in range(N_FIXED)]


def _config(task: str, dial: str, price: object, steps: int) -> TrainConfig:
    """A training with the price of one dial."""
    name, options = TASKS[task]
    return TrainConfig(
        task=name,
        task_options=options,
        n_neurons=_ends(task) + HIDDEN,
        n_iterations=3,
        steps=steps,
        learning_rate=3e-3,
        batch_size=128,
        strengths={"weight": BASE, "bias": BASE} | {dial: price},
        log_every=RUNG,
        snapshots=0,
    )


@cache
def _ends(task: str) -> int:
    """Inputs and outputs together."""
    data = task_options(*TASKS[task]).load()
    return data.n_inputs + data.n_outputs


def _raised(task: str, dial: str) -> TrainConfig:
    """A training whose price rises, from the moment at which others are judged."""
    n_rises = int(np.log(TOPS[dial] / FIRST) / np.log(RISE))
    moves = [(STEPS + RUNG * k, float(f"{FIRST * RISE ** (k + 1):.4g}")) for k in range(n_rises)]
    return _config(task, dial, {"value": FIRST, "moves": moves}, STEPS + RUNG * n_rises)


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """The last price at which it was better than chance, and what the rule of the notes needs."""
    dial = _dial(arm)
    schedule = run.config.strengths[dial]
    end = run.history[-1]
    alive = [row["step"] for row in run.history if learned(row["validation_accuracy"], data)]
    # A row is written after its step, and schedules count steps from 0.
    last = schedule.at(alive[-1] - 1, run.config.steps) if alive else None

    others = [name for name in run.config.strengths if name != dial]
    price = schedule.at(end["step"] - 1, run.config.steps)
    return {
        "learned": learned(end["validation_accuracy"], data),
        "last price": last,
        "price": price,
        "term": end[f"R_{dial}"],
        "objective": end["loss"]
        + price * end[f"R_{dial}"]
        + sum(run.config.strengths[name].value * end[f"R_{name}"] for name in others),
        "loss of the dead": _dead(data),
        "validation accuracy": end["validation_accuracy"],
    }


def _dial(arm: str) -> str:
    """The dial of an arm."""
    return arm.rpartition(", ")[2].partition(" ")[0]


def _dead(data: Dataset) -> float:
    """The loss of the best constant answer."""
    y = data.train[1].numpy()
    if data.kind == "regression":
        return float(y.reshape(len(y), -1).var(axis=0).mean())
    share = np.bincount(y) / len(y)
    return float(-(share[share > 0] * np.log(share[share > 0])).sum())


def checks(measured: Measured, scale: str) -> list[Check]:
    """For each task and dial the logarithm of both prices, seed by seed."""
    return [
        differs(
            f"{task}, {dial}: logarithm of the price that it is kept to, less that of its birth",
            np.log(kept_to(measured, task, dial)).tolist(),
            np.log(born_at(measured, task, dial)).tolist(),
            float(np.log(STEP)),
        )
        for task, dial in _pairs(measured)
    ]


def _pairs(measured: Measured) -> Iterator[tuple[str, str]]:
    """Tasks and dials that were measured."""
    for task in TASKS:
        for dial in FIXED:
            if f"{task}, {dial} raised" in measured:
                yield task, dial


def kept_to(measured: Measured, task: str, dial: str) -> list[float]:
    """The last price at which each seed's network was better than chance, at least the first."""
    last = column(measured[f"{task}, {dial} raised"], "last price")
    return [FIRST if price is None else price for price in last]


def born_at(measured: Measured, task: str, dial: str) -> list[float]:
    """Where births end for each seed: between the last price that learned and the next.

    Where all or none learned it is the end of the grid.
    """
    prices = fixed_prices(dial)
    rows = [measured[f"{task}, {dial} {k + 1}"] for k in range(len(prices))]
    borders = []
    for of_seed in zip(*rows, strict=True):
        alive = [k for k, row in enumerate(of_seed) if row["learned"]]
        last = alive[-1] if alive else 0
        following = min(last + 1, len(prices) - 1) if alive else 0
        borders.append(float(np.sqrt(prices[last] * prices[following])))
    return borders


def predicted(measured: Measured, task: str, dial: str) -> list[float]:
    """The price at which being dead costs as much, from two cheap networks, for each seed.

    With R = R_2 (c / c_2)^-a the least of L + c R is J_2 + R_2 c_2^a (c^(1 - a) - c_2^(1 - a)) /
    (1 - a), and a follows from both networks. Infinite where it never reaches the loss of the dead.
    """
    pairs = [measured[f"{task}, {dial} cheap {k + 1}"] for k in range(len(CHEAP))]
    first, second = CHEAP
    prices = []
    for cheaper, dearer in zip(*pairs, strict=True):
        a = -np.log(dearer["term"] / cheaper["term"]) / np.log(second / first)
        missing = dearer["loss of the dead"] - dearer["objective"]
        # c^(1 - a) at the border, with 1 - a kept away from 0, where the power is a logarithm.
        rest = 1 - a if abs(1 - a) > RESOLVED else RESOLVED
        power = second**rest + missing * rest / (dearer["term"] * second**a)
        prices.append(float(power ** (1 / rest)) if power > 0 else float("inf"))
    return prices


def notes(measured: Measured, scale: str) -> list[str]:
    """What each border is, and how near the rule comes."""
    said = []
    near: dict[str, list[bool]] = {"born": [], "kept": []}
    for task, dial in _pairs(measured):
        born = float(np.median(born_at(measured, task, dial)))
        kept = float(np.median(kept_to(measured, task, dial)))
        rule = float(np.median(predicted(measured, task, dial)))
        top = " (the end of the scale)" if kept >= TOPS[dial] / RISE else ""
        said.append(
            f"{task}, {dial}: born to {born:.2g}, kept to {kept:.2g}{top}, predicted {rule:.2g}"
        )
        if task not in USED:
            near["born"].append(1 / WITHIN <= rule / born <= WITHIN)
            near["kept"].append(1 / WITHIN <= rule / kept <= WITHIN)

    text = "Medians of prices: " + "; ".join(said) + "."
    if near["born"]:
        shares = " and ".join(f"{sum(v)} of {len(v)} borders of {name}" for name, v in near.items())
        text += f" Within a factor of {WITHIN:g}, on tasks that the rule was not made on: {shares}."
    return [text]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Accuracy along the price, fixed and raised."""
    pairs = list(_pairs(measured))
    n_rows = len(pairs) // len(FIXED)
    figure = new_figure(8.0, 0.6 + 2.0 * n_rows)
    panels = figure.subplots(n_rows, len(FIXED), squeeze=False, sharey="row").ravel()
    for axes, (task, dial) in zip(panels, pairs, strict=True):
        for run in runs[f"{task}, {dial} raised"]:
            schedule = run.config.strengths[dial]
            rows = [row for row in run.history if row["step"] >= STEPS]
            prices = [schedule.at(row["step"] - 1, run.config.steps) for row in rows]
            axes.plot(prices, [row["validation_accuracy"] for row in rows], color=BLUE, lw=0.8)
        _draw_fixed(axes, measured, task, dial)
        axes.set_title(f"{task}, {dial}", fontsize=FONT + 1, color=INK)
        axes.set_xscale("log")
        plain_axes(axes)
    panels[0].legend(*_legend(panels[0]), fontsize=FONT, frameon=False)
    figure.supxlabel("price", fontsize=FONT + 1)
    figure.supylabel("validation accuracy (R2 for regression)", fontsize=FONT + 1)
    return {"borders": figure}


def _draw_fixed(axes: Any, measured: Measured, task: str, dial: str) -> None:
    """A point for each network whose price was fixed, and the border that was predicted."""
    for k, price in enumerate(fixed_prices(dial)):
        values = column(measured[f"{task}, {dial} {k + 1}"], "validation accuracy")
        axes.plot([price] * len(values), values, "o", color=INK, ms=2.5)
    rule = float(np.median(predicted(measured, task, dial)))
    if np.isfinite(rule) and rule < TOPS[dial]:
        axes.axvline(rule, color=INK, lw=0.7, ls=":")


def _legend(axes: Any) -> tuple[list[Any], list[str]]:
    """One line of each sort."""
    lines = {}
    names = {"-": "price raised", "None": "price fixed", ":": "predicted from two cheap ones"}
    for line in axes.get_lines():
        lines.setdefault(names[line.get_linestyle()], line)
    return list(lines.values()), list(lines)
