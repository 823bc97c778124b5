"""Every figure that `urn inspect --figures` draws of a run. Writes none."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis import StructureReport
from analysis.measures import density_by_block
from analysis.plots import (
    activity,
    block_density,
    layered_graph,
    path_depths,
    receptive_fields,
    sorted_matrix,
    structure_over_training,
)
from experiments.commands import judging
from experiments.commands.inspection import Inspection


def figures(inspection: Inspection) -> Iterator[tuple[str, Figure]]:
    """(name, Figure) of everything that can be drawn of an inspected run."""
    run = inspection.run
    report = inspection.report
    layer_of = report.layer_of
    sizes = inspection.sizes
    title = report.summary
    matrix: dict[str, Any] = {**sizes, "positions": inspection.positions}

    yield "W", sorted_matrix(inspection.W, layer_of, **matrix, title=title)
    yield "graph", _graph(report)
    yield "path_depths", path_depths(report.path_depths, title=title)
    yield "blocks", _blocks(inspection)

    if inspection.inputs is not None:
        loudness = np.abs(judging.activity(run, inspection.data)).mean(1)
        yield "activity", activity(loudness, layer_of, **sizes, title=title)
    first = [i for i, layer in layer_of.items() if layer == 1]
    if inspection.data.positions is not None and first:
        yield "receptive_fields", _fields(inspection, first)
    if len(run.snapshots) > 1:
        steps = [(snapshot.step, snapshot.weights.numpy()) for snapshot in run.snapshots]
        yield "over_training", structure_over_training(steps, layer_of, **matrix)


def _graph(report: StructureReport) -> Figure:
    graph = report.graph
    edges = graph.edges(data="weight")
    return layered_graph(edges, dict(graph.nodes(data="layer")), title=report.summary)


def _blocks(inspection: Inspection) -> Figure:
    report = inspection.report
    depth = report.depth
    layer_of = report.layer_of
    groups = [[i for i, layer in layer_of.items() if layer == k] for k in range(depth + 2)]
    names = ["inputs", *(f"layer {k}" for k in range(1, depth + 1)), "outputs"]

    blocks = density_by_block(inspection.W, groups)
    return block_density(
        blocks["density"], names, mass_share=blocks["mass_share"], title=report.summary
    )


def _fields(inspection: Inspection, neurons: list[int]) -> Figure:
    fields = inspection.W[neurons, : inspection.data.n_inputs]
    places = inspection.data.positions.numpy()
    return receptive_fields(fields, places, labels=[str(i) for i in neurons])
