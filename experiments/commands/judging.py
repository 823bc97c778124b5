"""From a run to a verdict.

How every experiment here analyses a trained network, on its task's validation data.
"""

import numpy as np
import torch
from rich.table import Table
from scipy.special import bdtrc, stdtr

from analysis import StructureReport, Verdict, analyse, flat_network
from analysis.forward import forward
from analysis.report import shown_margin
from urn import InputError, Run
from urn.data.tasks import Dataset, task_options
from urn.network.wiring import SYMBOL_MODES
from urn.training.checkpoint import fingerprint

MAX_SAMPLES = 500
"""Validation samples that are enough to see what varies. By judgement: analysis holds neurons x
iterations x samples."""

CHANCE = 0.01
"""p below which an accuracy is not chance. By judgement: stricter than the usual 0.05, for a sweep
asks it of hundreds of networks."""

FAINT = 1e-6
"""Range of an activity up to which it does not vary: above rounding in float64, far below a
signal."""


def task_data(run: Run) -> Dataset:
    """Load the data of a run's task.

    Raises
    ------
    InputError
        Where they are gone, or are no longer those that the network was trained on.
    """
    config = run.config
    return of_the_run(task_options(config.task, config.task_options).load(), run)


def of_the_run(data: Dataset, run: Run) -> Dataset:
    """The data, once it is clear that the run was trained on them.

    Raises
    ------
    InputError
        Where it was not.
    """
    name = run.config.task_options.get("path", run.config.task)
    if (data.n_inputs, data.n_outputs) != (run.n_inputs, run.n_outputs):
        raise InputError(
            f"{name}: {data.n_inputs} inputs and "
            f"{data.n_outputs} outputs, where the network has {run.n_inputs} and {run.n_outputs}"
        )
    if run.fingerprint is not None and run.fingerprint != int(fingerprint(data)):
        raise InputError(
            f"{name}: not the data that {run.folder or 'the run'} was trained on; "
            "on others nothing is judged"
        )
    return data


def learned(accuracy: float | None, data: Dataset) -> bool:
    """Whether a validation accuracy is better than chance: than the best constant answer.

    Parameters
    ----------
    accuracy : float or None
        Share of right answers on validation data; R^2 for regression.
    data : Dataset
        With the validation targets that were to be met.

    Notes
    -----
    A one-sided binomial test at CHANCE on classes and symbols. For regression, whether a
    correlation of sqrt(R^2) would be chance (Student's t); that of the answers is no smaller, for
    R^2 counts their mean and scale against them.
    """
    if accuracy is None or not np.isfinite(accuracy):
        return False

    n = len(data.validation[1])
    if data.kind == "regression":
        rest = max(1 - accuracy, 1e-12)  # of the variance
        if accuracy <= 0 or n <= 2:
            return False
        return bool(stdtr(n - 2, -np.sqrt(accuracy * (n - 2) / rest)) < CHANCE)

    # The best constant answer names the most frequent class.
    y = data.validation[1].flatten()
    most = int(torch.bincount(y).max())
    hits = round(accuracy * len(y))
    # As many hits or more by chance; `scipy.stats` takes half a second to load.
    return bool(bdtrc(hits - 1, len(y), most / len(y)) < CHANCE)


def judged(verdict: Verdict) -> bool:
    """Whether there was anything to judge.

    Local layers take positions, and shared kernels take sources on a lattice.
    """
    return verdict.p_value is not None or verdict.name not in ("locally_connected", "convolutional")


def verdict_table(report: StructureReport) -> Table:
    """A row for each verdict."""
    table = Table("verdict", "present", "margin", "effect", "p", "effect is")
    for name, verdict in report.verdicts.items():
        present = "yes" if verdict.present else "no"
        effect = f"{verdict.effect:.3f}" if judged(verdict) else "not judged"
        p = "" if verdict.p_value is None else f"{verdict.p_value:.3g}"
        about = verdict.evidence["effect_is"]
        table.add_row(name, present, shown_margin(verdict), effect, p, about)
    return table


def arrays(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """W `(S, S)`, b `(S,)` and positions `(S, dim)` or None of a run, float64."""
    flat = run.flat()
    positions = flat["positions"]
    if positions is not None:
        positions = positions.astype(float)
    return flat["weights"].astype(float), flat["biases"].astype(float), positions


def samples(data: Dataset) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Validation inputs `(B, d_in)` and targets to judge a network on; None for symbol streams.

    Inputs of sequences are `(B, T, d_in)`.
    """
    if data.kind == "stream":
        return None, None
    x, y = data.validation
    return x[:MAX_SAMPLES].numpy().astype(float), y[:MAX_SAMPLES].numpy()


def judge(
    run: Run,
    data: Dataset,
    n_null: int = 1000,
    seed: int = 0,
    *,
    threshold: float | None = None,
    sweep: bool = True,
    places: bool = False,
) -> StructureReport:
    """`analyse` a run on the validation samples of its task.

    Parameters
    ----------
    run : Run
        The network.
    data : Dataset
        The data of its task.
    n_null : int
        Draws from each null model.
    seed : int
        Of these draws.
    threshold : float, optional
        Weights up to it count as zero; in place of the rule.
    sweep : bool
        Whether to report how the structure depends on the threshold.
    places : bool
        Whether inputs lie where the data put them though the network has no positions of its own:
        fields are judged then, too.
    """
    flat = run.flat()
    if places and flat["positions"] is None and data.positions is not None:
        # Hidden neurons lie nowhere.
        flat["positions"] = np.full((len(flat["weights"]), data.positions.shape[1]), np.nan)
        flat["positions"][: data.n_inputs] = data.positions.numpy()
    if flat["input_mode"] in SYMBOL_MODES:
        flat["input_mode"] = "clamped"  # a symbol stays on the inputs while the network computes
    if threshold is not None:
        flat["threshold"] = threshold
    return analyse(
        **flat,
        inputs=samples(data)[0],
        n_null=n_null,
        seed=seed,
        sweep=sweep,
    )


def activity(run: Run, data: Dataset) -> np.ndarray:
    """N of a run on its validation samples, `(I + 1, B, S)`."""
    return forward(flat_network(**run.flat()), samples(data)[0]).activity


def shared_neurons(W: np.ndarray, N: np.ndarray, n_outputs: int) -> int:
    """Count neurons that work at several iterations.

    Those that vary over the data at several iterations and are each time on a path from inputs to
    outputs. Stricter than the verdict `recurrent`, which leaves out faint echoes: here any firing
    counts.

    Parameters
    ----------
    W : (S, S) array
        Weights.
    N : (I + 1, B, S) array
        Activity.
    n_outputs : int
        How many neurons at the end of S are outputs.
    """
    varies = np.ptp(N, axis=1) > FAINT  # (I + 1, S)
    varies[-1] = np.arange(len(W)) >= len(W) - n_outputs

    # Forwards from the inputs, then backwards from the outputs.
    linked = W != 0
    used = [varies[0]]
    for now in varies[1:]:
        used.append(linked[:, used[-1]].any(1) & now)
    for l in range(len(N) - 2, -1, -1):
        used[l] &= linked[used[l + 1]].any(0)
    return int((np.sum(used[1:-1], axis=0) > 1).sum())
