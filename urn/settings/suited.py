"""Defaults for a user's table, by its size: of `urn train --data` and of the estimators alike.

Measured on wine, breast cancer and digits (docs/how-to/own-data.md, which states them).
"""

from typing import Any

FEWEST_HIDDEN = 40
"""By judgement: wine and breast cancer end with 8 to 11 used."""

MOST_HIDDEN = 200
"""By judgement: digits, with 74 of them, end with 37 to 41 used."""

BATCH = 128
"""As everywhere here; all samples where there are fewer."""

LARGE_BATCH = 256
"""Of a large table. By judgement: fewer steps then make a pass."""

LARGE = 10_000
"""Samples of a large table. By judgement: 40 of its batches make a pass."""

FEWEST_STEPS = 700
"""Measured: from 700 to 1000 and 1500 steps the accuracy on the three tables did not rise."""

MOST_STEPS = 20_000
"""By judgement: minutes."""

PASSES = 20
"""Through the data, at least. By judgement: published digit networks take 10 to 50."""

WEIGHT_PRICE = 1e-3
"""Of a table of `REFERENCE` samples. Measured beside its half: equal accuracy, fewer neurons."""

REFERENCE = 500
"""Samples for which `WEIGHT_PRICE` was set, about those of breast cancer."""

DEARER = 5
"""How many times that for a regression. Measured: R2 on diabetes -0.37 and -0.10 at once the price
(two splits), 0.13 and 0.39 at 5 times, 0.23 and 0.37 at 20 times (scikit-learn's MLPRegressor 0.10
and 0.32); on a smooth function of 8 inputs 0.97 at once and at 5 times, with a fifth of the
weights."""


def suited(
    n_samples: int, n_inputs: int, n_outputs: int, kind: str = "classification"
) -> dict[str, Any]:
    """Fields of a `TrainConfig` that suit a table.

    The price of weights falls with the root of the number of samples, as the noise of a mean
    gradient does. Biases are priced, so that a neuron nobody hears stops to fire and is removed,
    and going back and being deep are, so that the network comes out in few layers.

    Parameters
    ----------
    n_samples : int
        To train on.
    n_inputs, n_outputs : int
        d_in and d_out.
    kind : {"classification", "regression"}
        What the targets are; those of a regression of a size about 1.
    """
    # As many hidden neurons as inputs and outputs: a table of few columns needs few.
    n_hidden = min(MOST_HIDDEN, max(FEWEST_HIDDEN, n_inputs + n_outputs))
    batch = LARGE_BATCH if n_samples >= LARGE else BATCH
    steps = min(MOST_STEPS, max(FEWEST_STEPS, PASSES * n_samples // batch))

    # Beyond these two bounds nothing was measured.
    price = min(2e-3, max(1e-4, WEIGHT_PRICE * (REFERENCE / n_samples) ** 0.5))
    if kind == "regression":
        price *= DEARER

    return {
        "n_neurons": n_inputs + n_hidden + n_outputs,
        "n_iterations": 3,
        "steps": steps,
        "batch_size": batch,
        "learning_rate": {"value": 1e-2, "milestones": [0.6, 0.85], "factor": 0.2},
        "strengths": {
            "weight": price,
            "bias": 1e-3,
            "activity": 1e-3,
            "self": 1.0,
            "depth": {"value": 1e-2, "warmup": steps // 4},
        },
        "check_every": 25,
        "log_every": 50,
        "remove_dangling": 3,
    }


def completed(fields: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The fields that were given, and for the others `defaults` as far as they go together."""
    rest = dict(defaults)
    if fields.get("optimiser") == "rmsprop":  # it knows no self term
        strengths = rest["strengths"]
        rest["strengths"] = {name: c for name, c in strengths.items() if name != "self"}
    if fields.get("growth") is not None:  # a newborn is idle at first
        rest.pop("remove_dangling")
    return rest | fields
