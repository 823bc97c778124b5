"""The strengths set the width: the prices of connections and of activity, turned over a 1000-fold
range together; and turned up and down again while one network lives.

A training may end when it is at rest, and has three times the steps that accuracy needs; the notes
say how many came to rest. Refuted when the hidden neurons that are held span less than a 5-fold
range among the settings whose accuracy is within 0.5 points of the best, or when their median over
seeds rises anywhere along the dial. A network that is trained with random labels at the middle of
the dial must not hold as many neurons as on the data: nothing is left of it, for no neuron pays.

Of history: prices that are raised while a network lives must lead to the width of a network that
had them from the start, within a factor of 1.5 (two one-sided tests). Lowered again they do not
lead back: neurons that were dropped are not born again here (`lifetime` has births), so that the
width stays where the dearest prices left it. That is hysteresis, and it is claimed: refuted when
the network that went up and down holds more than half of the neurons of the one that never did.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import dial as dial_plot
from experiments.claims import Check, Measured, Row, column, spread
from experiments.commands.judging import judge
from experiments.twins import differs, equivalent, twin_of
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

# The claim.
CLAIM = (
    "The prices of connections and activity set the width: a dearer network is narrower, as "
    "accurate, and never wider; raised later they lead to the same width, lowered again not back"
)
SOURCE = "Golkar 2019 (arXiv 1911.11691): networks of different widths"  # Where it is from.
PAPER = "widths follow the strengths; numbers not at hand"  # What the paper reports.

# Networks of each kind: ten differences can have a p of 0.002.
SEEDS = {"quick": 1, "paper": 10}
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data.

# Prices at the end of the dial, as first written down (docs/experiments.md).
STRONGEST = {"weight": 1e-3, "activity": 1e-2}
SAME_ACCURACY = 0.005  # Test accuracy below the best up to which a setting counts. By judgement.
LEAST_RANGE = 5.0  # Of widths, largest over least. By judgement.
SAME_WIDTH = 1.5  # Factor up to which two widths are the same. By judgement.
LEAST_HYSTERESIS = 2.0  # Factor by which a width must differ from one that never was dearer.

CHEAP = "prices x 0.01"  # Where the life begins, an arm of the dial.
MIDDLE = "prices x 0.1"  # Its turning point on the way, an arm of the dial.
DEAR = "prices x 1"  # Its turning point at the end, an arm of the dial.
RANDOM = f"{MIDDLE}, random labels"  # The twin.
UP_MIDDLE = "raised to x 0.1"  # The first phase after it began.
UP_DEAR = "raised to x 1"  # Its second one.
DOWN_MIDDLE = "lowered to x 0.1"  # Its third one.
DOWN_CHEAP = "lowered to x 0.01"  # Its last one.
# The life: the arm that each goes on from.
AFTER = {
    UP_MIDDLE: CHEAP,
    UP_DEAR: UP_MIDDLE,
    DOWN_MIDDLE: UP_DEAR,
    DOWN_CHEAP: DOWN_MIDDLE,
}
PRICES = {UP_MIDDLE: MIDDLE, UP_DEAR: DEAR, DOWN_MIDDLE: MIDDLE, DOWN_CHEAP: CHEAP}  # Of the life.
QUIET_ROWS = 10  # Of history, after which a training ends. By judgement: a thousand steps.
N_DRAWS = 200  # Of a null model, for a summary.


def dial(scale: str) -> np.ndarray:
    """Factors by which the strongest prices are multiplied."""
    return np.logspace(-3, 0, 7) if scale == "paper" else np.logspace(-2, 0, 3)


def arms(scale: str) -> dict[str, TrainConfig]:
    """One arm a setting of the dial, the twin, and the phases of the life."""
    S, steps = (400, 12_000) if scale == "paper" else (150, 4000)
    rest = {"bias": 3e-3, "self": 1.0, "depth": {"value": 1e-2, "warmup": steps // 12}}

    configs = {}
    for factor in dial(scale):
        # Four digits, so that the configuration in a run folder can be read.
        prices = {name: float(f"{price * factor:.4g}") for name, price in STRONGEST.items()}
        configs[f"prices x {factor:.3g}"] = TrainConfig(
            task="shells",
            task_options={"data_seed": DATA_SEED},
            n_neurons=S,
            steps=steps,
            stationary=QUIET_ROWS,
            snapshots=0,
            strengths=rest | prices,
        )
    configs[RANDOM] = twin_of(configs[MIDDLE], "random_labels")
    return configs | {arm: configs[prices] for arm, prices in PRICES.items()}


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Hidden neurons (used, and held), accuracy, widths, and whether it came to rest."""
    report = judge(run, data, n_null=N_DRAWS)
    return {
        "c_w": run.config.strengths["weight"].value,
        "hidden neurons used": int(np.sum(report.widths)),
        "living hidden neurons": run.history[-1]["living_neurons"],
        "weights used": report.n_used_weights,
        "test accuracy": run.test_accuracy,
        "at rest": run.steps_done < run.config.steps,
        "steps": run.steps_done,
        "widths": list(report.widths),
        "summary": report.summary,
    }


def checks(measured: Measured, scale: str) -> list[Check]:
    """The range of widths at unchanged accuracy, that it falls all the way, twin and history."""
    # Accuracy must be alike where widths are compared: a network that fails may be narrow for that.
    along = _along(measured)
    held = [float(np.median(column(rows, "living hidden neurons"))) for rows in along]
    accuracy = [float(np.median(column(rows, "test accuracy"))) for rows in along]
    good = max(accuracy) - SAME_ACCURACY
    alike = [n for n, score in zip(held, accuracy, strict=True) if score >= good]
    ratio = max(alike) / max(min(alike), 1)

    settings = f"{len(alike)} of {len(held)} settings"
    return [
        Check(
            "range of living neurons at accuracy within 0.5 points",
            f"{ratio:.1f}-fold ({max(alike):g} to {min(alike):g}, {settings})",
            ">= 5-fold",
            ratio >= LEAST_RANGE,
        ),
        Check(
            "median of living neurons along the dial",
            ", ".join(f"{n:g}" for n in held),
            "never rises",
            all(np.diff(held) <= 0),
        ),
        differs(
            f"{MIDDLE}: living neurons, data less random labels",
            column(measured[MIDDLE], "living hidden neurons"),
            column(measured[RANDOM], "living hidden neurons"),
            0.0,
        ),
        *_of_history(measured),
    ]


def _along(measured: Measured) -> list[list[Row]]:
    """The rows of the dial, from cheap to dear."""
    return [rows for arm, rows in measured.items() if arm.startswith("prices") and arm != RANDOM]


def _of_history(measured: Measured) -> list[Check]:
    """Raised prices lead to the same width, lowered ones not back; in logarithms, seed by seed."""
    wide = {arm: _logarithms(rows) for arm, rows in measured.items()}
    same = np.log(SAME_WIDTH)
    return [
        *(
            equivalent(
                f"logarithm of living neurons, {arm} against {prices} from the start",
                wide[arm],
                wide[prices],
                same,
            )
            for arm, prices in ((UP_MIDDLE, MIDDLE), (UP_DEAR, DEAR))
        ),
        differs(
            f"logarithm of living neurons, {CHEAP} from the start less {DOWN_CHEAP}",
            wide[CHEAP],
            wide[DOWN_CHEAP],
            float(np.log(LEAST_HYSTERESIS)),
        ),
    ]


def _logarithms(rows: list[Row]) -> list[float]:
    """Logarithms of the hidden neurons held; of none as of one."""
    return np.log(np.maximum(column(rows, "living hidden neurons"), 1)).tolist()


def notes(measured: Measured, scale: str) -> list[str]:
    """The life in numbers, and which trainings came to rest."""
    life = [CHEAP, *AFTER]
    sizes = [
        f"{arm} {spread(column(measured[arm], 'living hidden neurons'))}, accuracy "
        f"{spread(column(measured[arm], 'test accuracy'))}"
        for arm in life
    ]
    at_rest = [f"{arm} {spread(column(rows, 'at rest'))}" for arm, rows in measured.items()]
    return [
        "Living neurons over the life: " + "; ".join(sizes) + ".",
        "Came to rest before their last step: " + "; ".join(at_rest) + ".",
    ]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Hidden neurons and accuracy along the dial."""
    names = ("living hidden neurons", "weights used", "test accuracy")
    along = _along(measured)
    values = {name: [column(rows, name) for rows in along] for name in names}
    prices = [rows[0]["c_w"] for rows in along]
    return {
        "dial": dial_plot(prices, values, label="c_w, with c_n = 10 c_w", logarithmic=names[:2])
    }
