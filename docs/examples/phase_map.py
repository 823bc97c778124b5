"""A small phase map: what the prices of weights and of speaking at more than one iteration make of
the same network.

All nine are trained together, as one population.
"""

from analysis import analyse
from urn import TrainConfig, train_population
from urn.data.tasks import Shells

WEIGHTS, DEPTHS = (5e-4, 2e-3, 2e-1), (0.0, 1e-2, 1e-1)
base = TrainConfig(
    task="shells",
    task_options={"dimension": 4},
    n_neurons=40,
    n_iterations=3,
    steps=400,
    learning_rate=5e-3,
)
grid = [{"weight": w, "bias": 1e-3, "self": 1.0, "depth": d} for w in WEIGHTS for d in DEPTHS]
runs = train_population([base.replace(strengths=strengths) for strengths in grid])
inputs = Shells(dimension=4).load().validation[0][:500].numpy()

for strengths, run in zip(grid, runs, strict=True):
    summary = "diverged"
    if run.status != "diverged":
        summary = analyse(**run.flat(), inputs=inputs, n_null=200).summary
    print(
        f"weight {strengths['weight']:<7g} depth {strengths['depth']:<5g} "
        f"accuracy {run.test_accuracy:.2f}  {summary}"
    )
