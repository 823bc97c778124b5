import marimo

app = marimo.App(width="medium", app_title="Growth")

with app.setup:
    import marimo as mo

    from analysis import analyse
    from analysis.plots import growth_curves
    from urn import TrainConfig, train
    from urn.data.tasks import Shells


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Growth: how many neurons does the gradient ask for?

    The network begins with one hidden neuron. A neuron whose outgoing weights are small is in
    reserve. Where there are too few in reserve new ones are born, where there are too many some
    die; so the number of neurons follows the gradient (Miconi 2016). The task is to tell four
    shells apart. Turn the price of weights and see how many neurons it leaves.
    """)
    return


@app.cell(hide_code=True)
def _():
    price = mo.ui.slider(
        steps=[3e-5, 1e-4, 3e-4, 1e-3], value=1e-4, label="price of weights", show_value=True
    )
    price
    return (price,)


@app.cell
def _(price):
    config = TrainConfig(
        task="shells",
        task_options={"dimension": 4, "radii": (1, 2, 3, 4)},
        n_neurons=108,
        n_iterations=2,
        steps=800,
        check_every=25,
        log_every=25,
        learning_rate=5e-3,
        strengths={"weight": price.value, "bias": 1e-3, "self": 1},
        growth={"start": 1, "cap": 100, "reserve": 8, "add_probability": 0.5, "spare": "gradient"},
    )
    run = train(config)
    hidden = int(run.kept.sum()) - run.n_inputs - run.n_outputs
    mo.md(f"**{hidden}** hidden neurons at the end, accuracy {run.test_accuracy:.1%}.")
    return hidden, run


@app.cell
def _(run):
    kind = "grown from one"
    steps = [row["step"] for row in run.history]
    neurons = [[row["living_neurons"] for row in run.history]]
    accuracy = [[row["validation_accuracy"] for row in run.history]]
    measures = {"hidden neurons": {kind: neurons}, "validation accuracy": {kind: accuracy}}
    figure = growth_curves({kind: steps}, measures)
    figure
    return (figure,)


@app.cell
def _(run):
    inputs = Shells(dimension=4, radii=(1, 2, 3, 4)).load().validation[0][:500].numpy()
    report = analyse(**run.flat(), inputs=inputs)
    report
    return (report,)


if __name__ == "__main__":
    app.run()
