"""Twins of an arm of a claim: what they show as well, the data did not make.

A twin is the same network with the same strengths, trained on data with one thing destroyed
(`urn.data.twins`), or for a single step. A check is on the difference between the two, seed by
seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.claims import Check, spread
from urn import TrainConfig
from urn.data.twins import Kind

ONE_STEP = "one step"  # The twin that is hardly trained; the others are named after their data.

LEVEL = 0.95  # Of an interval.

ALPHA = 0.05  # p of a rank test up to which a difference counts. By judgement: the usual one.


@dataclass(frozen=True)
class Difference:
    """A number on data less the same on a twin, paired over seeds.

    Attributes
    ----------
    mean : float
        Over the seeds.
    low, high : float
        The interval of Student's t at LEVEL; both are the mean where there is one seed.
    p_value : float
        Of Wilcoxon's signed ranks, two-sided; NaN where there is one seed.
    n : int
        Seeds.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n: int

    def __str__(self) -> str:
        if self.n == 1:
            return f"{self.mean:+.3g}"
        return f"{self.mean:+.3g} ({self.low:+.3g} to {self.high:+.3g}), p {self.p_value:.2g}"


def twins_of(config: TrainConfig, kinds: Sequence[Kind]) -> dict[str, TrainConfig]:
    """The twins of a configuration by name, and last the one that is trained for one step."""
    twins = {kind.replace("_", " "): twin_of(config, kind) for kind in kinds}
    return twins | {ONE_STEP: config.replace(steps=1)}


def twin_of(config: TrainConfig, kind: Kind) -> TrainConfig:
    """The same configuration on a twin of its data."""
    options = config.to_dict()["task_options"]
    seed = options.get("data_seed", 0)
    twin = {"of": config.task, "options": options, "kind": kind, "data_seed": seed}
    return config.replace(task="twin", task_options=twin)


def difference(on_data: Sequence[float], on_twin: Sequence[float]) -> Difference:
    """The paired difference of a number that was measured with the same seeds on both."""
    d = np.asarray(on_data, dtype=float) - np.asarray(on_twin, dtype=float)
    mean = float(d.mean())
    if len(d) == 1:
        return Difference(mean, mean, mean, float("nan"), 1)

    half = stats.t.ppf((1 + LEVEL) / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    # Where nothing differs there are no ranks to test.
    p_value = float(stats.wilcoxon(d).pvalue) if d.any() else 1.0
    return Difference(mean, float(mean - half), float(mean + half), p_value, len(d))


def equivalent(title: str, first: Sequence[float], second: Sequence[float], margin: float) -> Check:
    """A number must be the same in two arms up to a margin: two one-sided tests (Schuirmann 1987).

    Both that the mean difference is at most -margin, and that it is at least margin, must be
    rejected at ALPHA by Student's t on the differences, seed by seed. Noise does not pass. With one
    seed there is no test: the difference alone must be within the margin.
    """
    d = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    mean = float(d.mean())
    measured = f"{spread(list(first))} against {spread(list(second))}: {mean:+.3g}"
    # Without spread, or a test, the mean decides alone.
    p_value = 0.0 if abs(mean) < margin else 1.0
    if len(d) > 1 and np.ptp(d) > 0:
        error = d.std(ddof=1) / len(d) ** 0.5
        p_value = float(stats.t.sf((margin - abs(mean)) / error, len(d) - 1))
        measured += f", p {p_value:.2g}"
    return Check(title, measured, f"the same within {margin:g}", p_value < ALPHA)


def differs(
    title: str,
    on_data: Sequence[float],
    on_twin: Sequence[float],
    least: float,
    *,
    ranks: bool = True,
) -> Check:
    """A number must be larger on data than on its twin by more than `least` (smaller, where that
    is negative): the interval lies beyond it, and the ranks say so too.

    With one seed there is no interval: the difference alone must be as large.
    """
    d = difference(on_data, on_twin)
    beyond = d.low > least if least >= 0 else d.high < least
    is_clear = d.n == 1 or not ranks or d.p_value < ALPHA
    side = "above" if least >= 0 else "below"
    measured = f"{spread(list(on_data))} against {spread(list(on_twin))}: {d}"
    return Check(title, measured, f"difference {side} {least:+g}", bool(beyond and is_clear))
