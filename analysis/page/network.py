"""The page of a network that was not trained here: one snapshot, and its verdicts."""

import numpy as np

from analysis.arrays import Floats
from analysis.forward import forward
from analysis.network import FlatNetwork
from analysis.page.report import report_page
from analysis.page.snapshots import Level, Snapshot
from analysis.report import StructureReport
from analysis.threshold import cut

NO_PATH = "no path of weights leads from an input to an output in the iterations there are"
"""What is said of a network without paths."""


def network_page(
    net: FlatNetwork, report: StructureReport, *, name: str, inputs: Floats | None = None
) -> str:
    """The report page of a network, as the text of one HTML file.

    Parameters
    ----------
    net : FlatNetwork
    report : StructureReport
        Of `analyse`, on this network.
    name : str
        Shown above the summary.
    inputs : (B, n_inputs) array, optional
        Samples on which the page shows what each neuron does.
    """
    activity = None
    if inputs is not None:
        activity = np.abs(forward(net, inputs).activity).mean(axis=1)
    threshold = report.threshold.value
    level = Level(threshold, int(np.count_nonzero(cut(net.weights, threshold))), report)
    positions = net.positions
    snapshot = Snapshot(0, net.weights, net.biases, positions, activity, [level])

    facts = {
        "neurons": f"{net.n_neurons:,}",
        "iterations": str(net.n_iterations),
        "depth": str(report.depth),
        "used weights": f"{report.n_used_weights:,}",
    }
    return report_page(
        name=name,
        headline=report.summary,
        lead=f"One flat matrix of {net.n_neurons:,} neurons, applied {net.n_iterations} times.",
        facts=facts,
        warning=None if report.status == "ok" else f"{NO_PATH[0].upper()}{NO_PATH[1:]}.",
        snapshots=[snapshot],
        n_inputs=net.n_inputs,
        n_outputs=net.n_outputs,
        trained=False,
        score_name="score",
        input_positions=None if positions is None else positions[: net.n_inputs],
    )
