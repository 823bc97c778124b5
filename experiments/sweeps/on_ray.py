"""The other engine: populations as Ray tasks, on a cluster that is there or on a local one. The store stays with this process.

Needs the extra `ray`. Ray runs a task whose worker or machine died again elsewhere.
"""

import os
import sys

from experiments.sweeps.engine import MOST_ATTEMPTS, Batch, Engine, results
from urn import InputError, Run, TrainConfig

SECONDS_TO_WAIT = 0.5


def _train(configs: tuple[TrainConfig, ...]) -> list[tuple[Run, dict, dict | None]]:
    return list(results(configs))


class RayEngine(Engine):
    """As `Engine`, with `workers` processes of a local cluster, or all processors of the cluster at `address`."""

    def __init__(self, *arguments, address: str | None = None):
        super().__init__(*arguments)
        self.address = address

    def _train(self) -> None:
        try:
            import ray
        except ImportError:
            raise InputError("--engine ray: needs Ray; install urn-networks[ray]") from None
        # Workers are as nice as this process. Ray would start them at niceness 15: beside two busy
        # processes on two cores they then got 2 s of processor time in 80 s, and the sweep
        # of the tests had not ended after 400 s. As it is it ends in 182 s, and alone in 42 s.
        where = (
            {"address": self.address}
            if self.address
            else {
                "address": "local",
                "num_cpus": self.workers,
                "_system_config": {"worker_niceness": os.nice(0)},
            }
        )
        environment = (
            {"env_vars": {"PYTHONPATH": ":".join(path for path in sys.path if path)}}
            if not self.address
            else {}
        )
        try:
            ray.init(
                **where,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
                runtime_env=environment,
            )
        except Exception as error:  # Ray has no class of its own for a cluster that cannot be had
            cluster = f"--address {self.address}" if self.address else "--engine ray"
            raise InputError(f"{cluster}: Ray did not start ({error})") from None
        try:
            self._run_on(ray)
        finally:
            ray.shutdown()

    def _run_on(self, ray) -> None:
        train = ray.remote(num_cpus=1, max_retries=MOST_ATTEMPTS - 1)(_train)
        self.workers = int(ray.cluster_resources().get("CPU", 1))
        running: dict[object, Batch] = {}
        left = True
        while not self.stop() and (left or running):
            while left and len(running) < self.workers:
                batch = self._next()
                left = batch is not None
                if batch:
                    running[train.remote(batch.configs)] = batch
            ended, _ = ray.wait(list(running), timeout=SECONDS_TO_WAIT) if running else ([], None)
            self._beat()
            for task in ended:
                batch = running.pop(task)
                try:
                    found = ray.get(task)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                    raise InputError(
                        f"point {batch.numbers[0]}: the process that trains it was killed {MOST_ATTEMPTS} times"
                    ) from None
                for number, result in zip(batch.numbers, found, strict=True):
                    self.store.finish(number, *result)
                self.tell(
                    self.n,
                    batch.configs[0].steps,
                    batch.configs[0].steps,
                    f"{len(running)} more in training",
                )
                self.n += 1
