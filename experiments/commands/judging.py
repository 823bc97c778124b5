"""From a run to a verdict: how every experiment here analyses a trained network, on its task's validation data."""

import numpy as np
import torch
from scipy.stats import binomtest, t

from analysis import StructureReport, Verdict, analyse, flat_network
from analysis.forward import forward
from urn import InputError, Run
from urn.data.tasks import Dataset, task_options

MAX_SAMPLES = 500
"""Validation samples that are enough to see what varies: analysis holds neurons x iterations x samples."""
CHANCE = 0.01
"""p below which an accuracy is not chance."""


def task_data(run: Run) -> Dataset:
    """The data of a run's task.

    Raises:
        InputError: where they are gone, or no longer have the size that the network was trained on.
    """
    config = run.config
    data = task_options(config.task, config.task_options).load()
    if (data.n_inputs, data.n_outputs) != (run.n_inputs, run.n_outputs):
        raise InputError(
            f"{config.task_options.get('path', config.task)}: {data.n_inputs} inputs and {data.n_outputs} outputs, "
            f"where the network has {run.n_inputs} and {run.n_outputs}"
        )
    return data


def learned(accuracy: float | None, data: Dataset) -> bool:
    """Whether a validation accuracy is better than chance: than one answer always, the best one.

    A one-sided binomial test at CHANCE on classes and symbols. For regression, whether a correlation of sqrt(R^2) would be
    chance (Student's t; that of the answers is no smaller, for R^2 counts their mean and scale against them).
    """
    if accuracy is None or not np.isfinite(accuracy):
        return False
    n = len(data.validation[1])
    if data.kind == "regression":
        left = max(1 - accuracy, 1e-12)  # of the variance
        return bool(
            accuracy > 0 and n > 2 and t.sf(np.sqrt(accuracy * (n - 2) / left), n - 2) < CHANCE
        )
    y = data.validation[1].flatten()
    most = int(torch.bincount(y).max())
    return bool(
        binomtest(round(accuracy * len(y)), len(y), most / len(y), alternative="greater").pvalue
        < CHANCE
    )


def judged(verdict: Verdict) -> bool:
    """Whether there was anything to judge: local layers take positions, and shared kernels take local layers."""
    return verdict.p_value is not None or verdict.name not in ("locally_connected", "convolutional")


def arrays(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """W `(S, S)`, b `(S,)` and positions `(S, dim)` or None of a run, float64."""
    positions = None if run.positions is None else run.positions.numpy().astype(float)
    return run.weights.numpy().astype(float), run.biases.numpy().astype(float), positions


def samples(data: Dataset) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Validation inputs `(B, d_in)` and targets that a network is judged on; None for symbol streams."""
    if data.kind == "stream":
        return None, None
    return data.validation[0][:MAX_SAMPLES].numpy().astype(float), data.validation[1][
        :MAX_SAMPLES
    ].numpy()


def judge(
    run: Run,
    data: Dataset,
    n_null: int = 1000,
    seed: int = 0,
    *,
    threshold: float | None = None,
    sweep: bool = True,
) -> StructureReport:
    """`analyse` on the weights of a run and the validation samples of its task. A `threshold` takes the place of the rule."""
    W, b, positions = arrays(run)
    return analyse(
        W,
        b,
        n_inputs=data.n_inputs,
        n_outputs=data.n_outputs,
        n_iterations=run.config.n_iterations,
        positions=positions,
        inputs=samples(data)[0],
        input_mode="clamped" if data.kind == "stream" else run.config.input_mode,
        activation=run.config.activation,
        n_null=n_null,
        seed=seed,
        threshold=run.flat()["threshold"] if threshold is None else threshold,
        sweep=sweep,
    )


def activity(run: Run, data: Dataset) -> np.ndarray:
    """N of a run on its validation samples, `(I + 1, B, S)`."""
    return forward(flat_network(**run.flat()), samples(data)[0]).activity


def shared_neurons(W: np.ndarray, N: np.ndarray, n_outputs: int) -> int:
    """Neurons that vary over the data at several iterations and are each time on a path from inputs to outputs.

    Stricter than the verdict `recurrent`, which leaves out faint echoes: here any firing counts. N is `(I + 1, B, S)`.
    """
    varies = np.ptp(N, axis=1) > 1e-6  # (I+1, S)
    varies[-1] = np.arange(len(W)) >= len(W) - n_outputs
    linked = W != 0
    used = [varies[0]]
    for now in varies[1:]:
        used.append(linked[:, used[-1]].any(1) & now)
    for l in range(len(N) - 2, -1, -1):
        used[l] &= linked[used[l + 1]].any(0)
    return int((np.sum(used[1:-1], axis=0) > 1).sum())
