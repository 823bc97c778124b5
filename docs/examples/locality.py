"""Short wires where the data has a geometry: each output is the largest of five neighbours on a
line of 20 sites.

The task is local, so a price on weights alone already finds receptive fields; a price on length
makes them tighter."""

import torch

from analysis import analyse
from urn import Dataset, TrainConfig, train
from urn.loss.geometry import line

x = torch.randn(2400, 20, generator=torch.Generator().manual_seed(0))
y = x.unfold(1, 5, 2).amax(2)
y = (y - y.mean(0)) / y.std(0)
cuts = (2000, 200, 200)
data = Dataset(*zip(x.split(cuts), y.split(cuts), strict=True), 8, "regression", positions=line(20))

for price in (0.0, 3e-2):
    config = TrainConfig(
        n_neurons=80,
        n_iterations=2,
        steps=500,
        learning_rate=1e-2,
        hidden_positions="learned",
        strengths={"weight": 1e-3, "bias": 1e-3, "locality": price},
    )
    run = train(config, data=data)
    report = analyse(**run.flat(), inputs=data.validation[0].numpy())
    local = report.verdicts["locally_connected"]
    answer = "local" if local.present else "not local"
    print(
        f"price of length {price}: {answer}, receptive fields {local.effect:.2f} of chance, "
        f"R2 {run.test_accuracy:.2f}"
    )
