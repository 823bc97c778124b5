import marimo

app = marimo.App(width="medium", app_title="Locality")

with app.setup:
    import marimo as mo
    import torch

    from analysis import analyse
    from analysis.plots import receptive_fields
    from urn import Dataset, TrainConfig, train
    from urn.loss.geometry import line


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Locality: what a wire costs

    Each output is the largest of five neighbours on a line of 20 sites, so the task is local. Input
    neurons have places on the line, hidden neurons learn theirs. The term `locality` prices the
    length of wires. A price on weights alone already makes receptive fields; a price on length
    makes them tighter.
    """)
    return


@app.function
def largest_of_five(seed=0):
    """Samples of the task, as data of one's own are given."""
    x = torch.randn(2400, 20, generator=torch.Generator().manual_seed(seed))
    y = x.unfold(1, 5, 2).amax(2)
    y = (y - y.mean(0)) / y.std(0)
    cuts = (2000, 200, 200)
    splits = zip(x.split(cuts), y.split(cuts), strict=True)
    return Dataset(*splits, 8, "regression", positions=line(20))


@app.cell(hide_code=True)
def _():
    price = mo.ui.slider(
        steps=[0, 1e-3, 1e-2, 3e-2], value=3e-2, label="price of length", show_value=True
    )
    price
    return (price,)


@app.cell
def _(price):
    data = largest_of_five()
    config = TrainConfig(
        n_neurons=80,
        n_iterations=2,
        steps=500,
        learning_rate=1e-2,
        hidden_positions="learned",
        strengths={"weight": 1e-3, "bias": 1e-3, "locality": price.value},
    )
    run = train(config, data=data)
    return data, run


@app.cell
def _(data, run):
    report = analyse(**run.flat(), inputs=data.validation[0].numpy())
    local = report.verdicts["locally_connected"]
    mo.md(
        f"**{report.summary}**. Receptive fields are {local.effect:.2f} as wide as by chance; "
        f"R2 on unseen samples {run.test_accuracy:.2f}."
    )
    return local, report


@app.cell(hide_code=True)
def _():
    mo.md("""
    What the hidden neurons of the first layer hear, one row each, along the line.
    """)
    return


@app.cell
def _(report, run):
    hidden = [i for i, layer in report.layer_of.items() if layer == 1]
    figure = receptive_fields(run.weights.numpy()[hidden][:, :20], line(20).numpy())
    figure
    return (figure,)


@app.cell
def _(data, run):
    run.show(data=data)
    return


if __name__ == "__main__":
    app.run()
