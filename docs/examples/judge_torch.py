import marimo

app = marimo.App(width="medium", app_title="Judge your own torch model")

with app.setup:
    import marimo as mo
    import torch
    from torch import nn

    from analysis import analyse, from_module
    from analysis.plots import sorted_matrix
    from urn.data.tasks import task_options


@app.cell(hide_code=True)
def _():
    mo.md("""
    # Judge your own torch model

    `from_module` writes a torch module as one flat matrix that is applied a few times and says the
    same, to 1e-5. `analyse` then judges it like any other network. Here it is a small convolutional
    network, trained on handwritten digits for a few seconds; nothing tells the judge that it was
    one.
    """)
    return


@app.cell
def _():
    digits = task_options("digits", {}).load()
    images, labels = digits.train

    class Small(nn.Module):
        """A convolution, a dense layer, a read-out."""

        def __init__(self):
            super().__init__()
            self.kernels = nn.Conv2d(1, 4, 3)
            self.dense = nn.Linear(4 * 36, 20)
            self.out = nn.Linear(20, 10)

        def forward(self, x):
            x = torch.relu(self.kernels(x.reshape(-1, 1, 8, 8)))
            return self.out(torch.relu(self.dense(x.flatten(1))))

    torch.manual_seed(0)
    net = Small()
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _step in range(300):
        batch = torch.randint(len(images), (100,))
        loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return digits, net


@app.cell
def _(digits, net):
    samples = digits.validation[0][:200]
    flat = from_module(net, samples, positions=digits.positions.numpy())
    with torch.no_grad():
        right = (net(digits.test[0]).argmax(1) == digits.test[1]).float().mean().item()
    mo.md(
        f"{right:.1%} of unseen digits. As one matrix: **{flat.n_neurons} neurons, applied "
        f"{flat.n_iterations} times**; neuron 70 is {flat.labels[70]}."
    )
    return flat, samples


@app.cell
def _(flat, samples):
    report = analyse(**flat.parts, inputs=samples.numpy())
    report
    return (report,)


@app.cell
def _(flat, report):
    ends = {key: flat.parts[key] for key in ("n_inputs", "n_outputs")}
    figure = sorted_matrix(flat.parts["weights"], report.layer_of, **ends)
    figure
    return (figure,)


@app.cell
def _(report):
    report.show()
    return


if __name__ == "__main__":
    app.run()
