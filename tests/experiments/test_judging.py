"""What counts as having learned."""

import pytest
import torch

from experiments.commands.judging import learned
from urn.data.tasks import Dataset


@pytest.mark.parametrize(
    ("hits", "expected"),
    [(None, False), (float("nan"), False), (10, False), (17, False), (18, True), (40, True)],
)
def test_a_network_has_learned_once_chance_is_unlikely(hits, expected):
    """40 samples, 10 of the most frequent class: p = 0.012 of 17 right or more, 0.005 of 18."""
    y = torch.tensor([0] * 10 + [1, 2, 3, 4, 5, 6] * 5)
    split = torch.zeros(40, 2), y
    data = Dataset(split, split, split, 7)
    assert learned(hits if hits is None else hits / 40, data) is expected


@pytest.mark.parametrize(
    ("r2", "expected"), [(-0.5, False), (0.047, False), (0.3, True), (1.0, True)]
)
def test_a_regression_has_learned_once_its_correlation_is_no_chance(r2, expected):
    """30 samples: r = 0.217 comes out by chance in one of eight, r = 0.548 in one of a thousand."""
    split = torch.zeros(30, 2), torch.randn(30, 1)
    assert learned(r2, Dataset(split, split, split, 1, "regression")) is expected
