"""A first network: which of two shells does a point lie on? A flat matrix of 60 neurons sorts
itself into layers."""

from analysis import analyse
from urn import TrainConfig, train
from urn.data.tasks import Shells

config = TrainConfig(
    task="shells",
    task_options={"dimension": 4},
    n_neurons=60,
    n_iterations=3,
    steps=500,
    learning_rate=5e-3,
    strengths={
        "weight": 2e-3,
        "activity": 2e-3,
        "bias": 1e-3,
        "self": 1,
        "depth": {"value": 5e-2, "warmup": 200},
    },
)
run = train(config)
print(f"test accuracy {run.test_accuracy:.3f}")

inputs = Shells(dimension=4).load().validation[0][:500].numpy()
report = analyse(**run.flat(), inputs=inputs)
print(report.summary)
for name, verdict in report.verdicts.items():
    print(f"{name:18} {'yes' if verdict.present else 'no'}")
