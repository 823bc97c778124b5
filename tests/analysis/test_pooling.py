"""Average pooling is named, with its window and stride: on lattices made by hand and in torch."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from analysis import StructureReport, analyse, from_module
from experiments.planting import grid

SIDE = 8
"""Sites along an axis of the planted lattice."""


def lattice(
    window: int, stride: int, *, channels: int = 2, weight: float = 0.25, odd: float = 0.0
) -> StructureReport:
    """Channels of kernels 3 x 3 on a square, pooled, and read by a dense layer of 7.

    `odd` is a deviation of every weight of the pooling, in its own size.
    """
    rng = np.random.default_rng(0)
    inner = [(r, c) for r in range(1, SIDE - 1) for c in range(1, SIDE - 1)]
    starts = range(1, SIDE - 1 - window + 1, stride)
    corners = [(r, c) for r in starts for c in starts]
    sizes = [SIDE**2, channels * len(inner), channels * len(corners), 7, 2]
    first = np.concatenate([[0], np.cumsum(sizes)])
    weights = np.zeros((first[-1], first[-1]))
    positions = np.full((first[-1], 2), np.nan)
    positions[: SIDE**2] = grid(SIDE, 2) * (SIDE - 1)

    for channel in range(channels):
        kernel = rng.normal(size=(3, 3))
        for k, (r, c) in enumerate(inner):
            at = first[1] + channel * len(inner) + k
            positions[at] = (r, c)
            for dr, dc in np.ndindex(3, 3):
                source = np.flatnonzero((positions[: SIDE**2] == (r + dr - 1, c + dc - 1)).all(1))
                weights[at, source] = kernel[dr, dc]
        for k, (r, c) in enumerate(corners):
            at = first[2] + channel * len(corners) + k
            positions[at] = (r + (window - 1) / 2, c + (window - 1) / 2)
            for dr, dc in np.ndindex(window, window):
                source = first[1] + channel * len(inner) + inner.index((r + dr, c + dc))
                weights[at, source] = weight * (1 + odd * rng.normal())
    weights[first[3] : first[4], first[2] : first[3]] = rng.normal(size=(7, sizes[2]))
    weights[first[4] :, first[3] : first[4]] = rng.normal(size=(2, 7))
    facts = {"n_inputs": SIDE**2, "n_outputs": 2, "n_iterations": 4, "positions": positions}
    return analyse(weights, **facts, n_null=200, inputs=rng.normal(size=(200, SIDE**2)))


def pooling(report: StructureReport) -> list[dict[str, Any]]:
    """What the evidence says of pooling."""
    return report.verdicts["convolutional"].evidence["pooling"]


@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 3), (3, 1), (2, 1)])
def test_a_planted_pooling_is_named(window: int, stride: int) -> None:
    report = lattice(window, stride)
    found = {
        "kind": "mean",
        "layer": 2,
        "folded": False,
        "window": [window] * 2,
        "stride": [stride] * 2,
    }
    assert pooling(report) == [found]
    words = f"average pooling, layer 2: window {window} x {window}, stride {stride} x {stride}"
    assert report.remarks == [words]


def test_a_negative_or_uneven_sum_is_no_pooling() -> None:
    assert pooling(lattice(2, 2, weight=-0.25)) == []
    assert pooling(lattice(2, 2, odd=0.5)) == []


def report_of(*modules: nn.Module, shape: tuple[int, ...] = (1, 10, 10)) -> StructureReport:
    """The report of layers of torch, on data."""
    torch.manual_seed(0)
    network = nn.Sequential(*modules).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4)
    samples = torch.randn(200, *shape)
    flat = from_module(network, samples[:4])
    return analyse(**flat.parts, inputs=samples.flatten(1).numpy(), n_null=200)


def test_a_pooling_of_torch_is_named() -> None:
    """Of values of both signs, behind which a rectifier stands, it is a layer of its own."""
    report = report_of(
        *(nn.AvgPool2d(2), nn.ReLU(), nn.Conv2d(1, 3, 2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(48, 3)),
    )
    found = {"kind": "mean", "layer": 1, "folded": False, "window": [2, 2], "stride": [2, 2]}
    assert pooling(report) == [found]


def test_a_pooling_that_is_folded_into_the_next_layer_is_named() -> None:
    """A rectifier bends no mean of rectified values: pooling and what reads it are one block."""
    report = report_of(
        *(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AvgPool2d(2), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(36, 3)),
    )
    found = {"kind": "mean", "layer": 2, "folded": True, "window": [2, 2], "stride": [2, 2]}
    assert pooling(report) == [found]
    assert report.remarks[0].startswith("average pooling, folded into layer 2: window 2 x 2")


def test_a_pooling_in_front_of_the_read_out_is_named() -> None:
    report = report_of(
        nn.Conv1d(1, 4, 3),
        nn.ReLU(),
        nn.AvgPool1d(4),
        nn.Flatten(),
        nn.Linear(20, 3),
        shape=(1, 22),
    )
    assert pooling(report) == [
        {"kind": "mean", "layer": 2, "folded": True, "window": [4], "stride": [4]}
    ]


def test_a_network_without_pooling_has_none() -> None:
    """Strides and dense layers are none."""
    strided = report_of(
        *(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 2, stride=2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(64, 3)),
    )
    assert pooling(strided) == []


@pytest.mark.parametrize("dim", [1, 2])
def test_a_maximum_behind_a_rectifier_is_named(dim: int) -> None:
    """Layer 2 holds relu(a - b) of the pairs, which layer 3 (or 4) reads with the b."""
    conv, pool = (nn.Conv1d, nn.MaxPool1d) if dim == 1 else (nn.Conv2d, nn.MaxPool2d)
    shape = (1, 20) if dim == 1 else (1, 8, 8)
    n_last = 32 if dim == 1 else 16
    report = report_of(
        *(conv(1, 3, 3), nn.ReLU(), pool(2), conv(3, 4, 2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(n_last, 3)),
        shape=shape,
    )
    assert pooling(report) == [{"kind": "max", "layer": 2}]
    assert report.remarks == ["max pooling, from layer 2"]
