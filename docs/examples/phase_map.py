import marimo

app = marimo.App(width="medium", app_title="A phase map")

with app.setup:
    import marimo as mo

    from analysis import analyse
    from analysis.plots import phase_map
    from urn import TrainConfig, train_population
    from urn.data.tasks import Shells


@app.cell(hide_code=True)
def _():
    mo.md("""
    # A phase map

    What do the prices of weights and of speaking at more than one iteration make of the same
    network? All are trained together, as one population, which takes little longer than one of
    them. For large maps write a sweep file and use `urn sweep`.
    """)
    return


@app.cell
def _():
    weights = (5e-4, 2e-3, 1e-2, 2e-1)
    depths = (0.0, 1e-3, 1e-2, 1e-1)
    base = TrainConfig(
        task="shells",
        task_options={"dimension": 4},
        n_neurons=40,
        n_iterations=3,
        steps=400,
        learning_rate=5e-3,
    )
    grid = [{"weight": w, "bias": 1e-3, "self": 1.0, "depth": d} for w in weights for d in depths]
    runs = train_population([base.replace(strengths=strengths) for strengths in grid])
    return grid, runs


@app.cell
def _(grid, runs):
    inputs = Shells(dimension=4).load().validation[0][:500].numpy()
    rows = []
    for strengths, run in zip(grid, runs, strict=True):
        report = analyse(**run.flat(), inputs=inputs, n_null=200)
        rows.append(
            {
                "weight": strengths["weight"],
                "depth": strengths["depth"],
                "accuracy": run.test_accuracy,
                "structure": report.summary.split(" (")[0].rstrip("-0123456789"),
                "network": report.summary,
            }
        )
    mo.ui.table(rows, selection=None)
    return (rows,)


@app.cell
def _(rows):
    figure = phase_map(
        [row["weight"] for row in rows],
        [row["depth"] for row in rows],
        [row["structure"].strip() for row in rows],
        x_label="price of weights",
        y_label="price of depth",
    )
    figure
    return (figure,)


if __name__ == "__main__":
    app.run()
