import marimo

app = marimo.App(width="medium", app_title="A first network")

with app.setup:
    import marimo as mo

    from analysis import analyse
    from analysis.plots import sorted_matrix
    from urn import TrainConfig, train
    from urn.data.tasks import Shells


@app.cell(hide_code=True)
def _():
    mo.md("""
    # A first network

    Which of two shells does a point lie on? The network is one flat matrix of 60 neurons, applied
    three times. Nothing in it says what a layer is. The price of speaking at more than one
    iteration (`depth`) sorts the neurons into layers: set it to 0 and look again.
    """)
    return


@app.cell(hide_code=True)
def _():
    depth = mo.ui.slider(
        steps=[0, 1e-3, 1e-2, 5e-2], value=5e-2, label="price of depth", show_value=True
    )
    depth
    return (depth,)


@app.cell
def _(depth):
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
            "depth": {"value": depth.value, "warmup": 200},
        },
    )
    run = train(config)
    mo.md(f"Accuracy on unseen points: **{run.test_accuracy:.1%}**")
    return (run,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    `analyse` says what structure the matrix has, with an effect size and a p-value for each
    verdict.
    """)
    return


@app.cell
def _(run):
    inputs = Shells(dimension=4).load().validation[0][:500].numpy()
    report = analyse(**run.flat(), inputs=inputs)
    report
    return (report,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    The weights with their neurons sorted by layer: the blocks are the layers. Below, the page that
    `urn inspect` writes, with the same network at every moment of its training.
    """)
    return


@app.cell
def _(report, run):
    ends = {"n_inputs": run.n_inputs, "n_outputs": run.n_outputs}
    figure = sorted_matrix(run.weights.numpy(), report.layer_of, **ends)
    figure
    return (figure,)


@app.cell
def _(run):
    run.show()
    return


if __name__ == "__main__":
    app.run()
