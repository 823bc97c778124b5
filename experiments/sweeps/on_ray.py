"""The other engine: populations as Ray tasks, on a cluster that is there or on a local one.

The store stays with this process. Needs the extra `ray`. Ray runs a task whose worker or machine
died again elsewhere.
"""

import os
import sys
from types import ModuleType
from typing import Any

from experiments.sweeps.engine import MOST_ATTEMPTS, Batch, Engine, Result, results
from urn import InputError, TrainConfig

SECONDS_TO_WAIT = 0.5
"""For tasks that end. By judgement: an interrupt is heard within it."""


def _train(configs: tuple[TrainConfig, ...]) -> list[Result]:
    return list(results(configs))


class RayEngine(Engine):
    """As `Engine`, on Ray.

    Parameters
    ----------
    *arguments
        Those of `Engine`; `workers` is how many processes a local cluster has.
    address : str, optional
        Of a cluster that runs, all of whose processors are taken.
    """

    def __init__(self, *arguments: Any, address: str | None = None) -> None:
        super().__init__(*arguments)
        self.address = address

    def _train(self) -> None:
        try:
            import ray
        except ImportError:
            raise InputError("--engine ray: needs Ray; install urn-networks[ray]") from None

        try:
            ray.init(
                **self._cluster(),
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
            )
        except Exception as error:  # Ray has no class of its own for a cluster that cannot be had
            cluster = f"--address {self.address}" if self.address else "--engine ray"
            raise InputError(f"{cluster}: Ray did not start ({error})") from None

        try:
            self._run_on(ray)
        finally:
            ray.shutdown()

    def _cluster(self) -> dict[str, Any]:
        """Which cluster to use, and what its workers can import."""
        if self.address:
            return {"address": self.address, "runtime_env": {}}
        # Workers are as nice as this process. Ray would start them at niceness 15: beside two busy
        # processes on two cores they then got 2 s of processor time in 80 s, and the sweep of the
        # tests had not ended after 400 s. As it is it ends in 182 s, and alone in 42 s.
        folders = ":".join(path for path in sys.path if path)
        return {
            "address": "local",
            "num_cpus": self.workers,
            "_system_config": {"worker_niceness": os.nice(0)},
            "runtime_env": {"env_vars": {"PYTHONPATH": folders}},
        }

    def _run_on(self, ray: ModuleType) -> None:
        """Keep every processor busy until nothing is left."""
        train = ray.remote(num_cpus=1, max_retries=MOST_ATTEMPTS - 1)(_train)
        self.workers = int(ray.cluster_resources().get("CPU", 1))
        running: dict[Any, Batch] = {}
        more = True

        while not self.stop() and (more or running):
            while more and len(running) < self.workers:
                batch = self._next()
                if batch is None:
                    more = self._is_searching()
                    break
                running[train.remote(batch.configs)] = batch

            ended: list = []
            if running:
                ended, _ = ray.wait(list(running), timeout=SECONDS_TO_WAIT)
            elif more:
                self._look_again()
            self._beat()

            for task in ended:
                batch = running.pop(task)
                self._keep(ray, task, batch)
                steps = max(config.steps for config in batch.configs)
                self.observer(self.n_batches, steps, steps, f"{len(running)} more in training")
                self.n_batches += 1

    def _keep(self, ray: ModuleType, task: object, batch: Batch) -> None:
        """Put the networks of a task that ended into the store."""
        try:
            networks = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
            raise InputError(
                f"point {batch.numbers[0]}: the process that trains it was killed "
                f"{MOST_ATTEMPTS} times"
            ) from None
        for number, result in zip(batch.numbers, networks, strict=True):
            self.store.finish(number, *result)
