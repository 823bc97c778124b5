import marimo

app = marimo.App(width="medium", app_title="Take the network away")

with app.setup:
    import tempfile
    from pathlib import Path

    import marimo as mo
    import torch

    from analysis import analyse
    from analysis.plots import layered_graph
    from experiments.commands.export import export, read_module
    from urn import TrainConfig, train
    from urn.data.tasks import Shells


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Take the network away

    What emerged is a small network in a large matrix. `export` writes it as a torch module of its
    own: code and weights that need nothing of this project. `urn export` does the same on the
    command line, and to ONNX, to NumPy and to GraphML.
    """)
    return


@app.cell
def _():
    config = TrainConfig(
        task="shells",
        task_options={"dimension": 4},
        n_neurons=40,
        n_iterations=3,
        steps=300,
        strengths={"weight": 2e-3},
    )
    run = train(config)
    data = Shells(dimension=4).load()
    mo.md(f"`{run.compact()}`")
    return data, run


@app.cell
def _(data, run):
    files, _ = export(run, data, "torch")
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        net = read_module(Path(folder) / "network.py")

    x = torch.randn(1000, 4)
    with torch.no_grad():
        same = torch.allclose(net(x), run.network()(x), atol=1e-4)
    mo.md(f"Same outputs on 1,000 random points: **{same}**")
    return files, same


@app.cell
def _(files):
    mo.md(f"```python\n{files['network.py'].decode()}\n```")
    return


@app.cell
def _(data, run):
    report = analyse(**run.flat(), inputs=data.validation[0][:500].numpy())
    graph = report.graph
    figure = layered_graph(graph.edges(data="weight"), dict(graph.nodes(data="layer")))
    figure
    return (figure,)


if __name__ == "__main__":
    app.run()
