"""Simulate Unstructured Recursive Networks.

The network, its general loss, the optimiser, tasks and runs. Public names are imported when they
are first used: torch and scikit-learn take seconds to load.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urn.data.dataset import Dataset
    from urn.data.tasks import task
    from urn.errors import InputError
    from urn.estimators import URNClassifier, URNRegressor
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

_MODULES = {
    "URN": "urn.network.module",
    "Dataset": "urn.data.dataset",
    "InputError": "urn.errors",
    "Penalties": "urn.loss.penalties",
    "ProximalAdam": "urn.optimiser.adam",
    "Run": "urn.runs.run",
    "Schedule": "urn.settings.schedules",
    "Snapshot": "urn.population.snapshot",
    "TensorBoard": "urn.training.observers",
    "TrainConfig": "urn.settings.config",
    "URNClassifier": "urn.estimators",
    "URNRegressor": "urn.estimators",
    "load_run": "urn.runs.train",
    "register": "urn.loss.penalties",
    "resume": "urn.runs.train",
    "task": "urn.data.tasks",
    "train": "urn.runs.train",
    "train_population": "urn.runs.train",
}
"""Where each public name is defined."""


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for.

    Other distributions add names with an entry point `urn.names`, as they add commands: so
    `urn.discover` is there although nothing here imports `experiments`.
    """
    value = getattr(import_module(_MODULES[name]), name) if name in _MODULES else _added(name)
    globals()[name] = value
    return value


def _added(name: str) -> Any:
    """A name that another distribution adds."""
    from importlib.metadata import entry_points

    # Python itself asks for names such as __path__, and is not to wait for all distributions.
    entries = () if name.startswith("_") else entry_points(group="urn.names", name=name)
    for entry in entries:
        return entry.load()
    raise AttributeError(f"module 'urn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
