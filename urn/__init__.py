"""Simulate Unstructured Recursive Networks: the network, its general loss, the optimiser, tasks and runs."""

from urn.callbacks import TensorBoard
from urn.config import TrainConfig
from urn.errors import InputError
from urn.members import Snapshot
from urn.network import URN
from urn.optimiser import ProximalAdam
from urn.penalties import Penalties, register
from urn.runs import Run, load_run, resume, train, train_population
from urn.schedules import Schedule
from urn.tasks import Dataset, task

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
