"""Simulate Unstructured Recursive Networks: the network, its general loss, the optimiser, tasks and runs."""

from urn.data.tasks import Dataset, task
from urn.errors import InputError
from urn.loss.penalties import Penalties, register
from urn.network.module import URN
from urn.optimiser.adam import ProximalAdam
from urn.population.snapshot import Snapshot
from urn.runs.run import Run
from urn.runs.train import load_run, resume, train, train_population
from urn.settings.config import TrainConfig
from urn.settings.schedules import Schedule
from urn.training.observers import TensorBoard

__all__ = [
    "URN",
    "Dataset",
    "InputError",
    "Penalties",
    "ProximalAdam",
    "Run",
    "Schedule",
    "Snapshot",
    "TensorBoard",
    "TrainConfig",
    "URNClassifier",
    "URNRegressor",
    "load_run",
    "register",
    "resume",
    "task",
    "train",
    "train_population",
]


def __getattr__(name: str):
    """The estimators, loaded when asked for: scikit-learn takes longer to import than all the rest."""
    if name in ("URNClassifier", "URNRegressor"):
        from urn import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module 'urn' has no attribute {name!r}")
