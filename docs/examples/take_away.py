"""Taking a network away: code and weights that need nothing of ours, and the same outputs."""

import tempfile
from pathlib import Path

import torch

from experiments.commands.export import export, read_module
from urn import TrainConfig, train
from urn.data.tasks import Shells

config = TrainConfig(
    task="shells",
    task_options={"dimension": 4},
    n_neurons=40,
    n_iterations=3,
    steps=300,
    strengths={"weight": 2e-3},
)
run, data = train(config), Shells(dimension=4).load()
print(run.compact())

files, _ = export(run, data, "torch")
with tempfile.TemporaryDirectory() as folder:
    for name, content in files.items():
        (Path(folder) / name).write_bytes(content)
    net = read_module(Path(folder) / "network.py")
print(net)

x = torch.randn(1000, 4)
with torch.no_grad():
    print("same outputs:", torch.allclose(net(x), run.network()(x), atol=1e-4))
