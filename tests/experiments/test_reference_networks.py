"""The trained reference networks: their truth is that of their modules, and they are kept whole.

Nothing is judged here but by the benchmark's own function, on made-up networks.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis import from_module
from analysis.forward import forward
from experiments import reference_networks
from experiments.benchmarks.reference import judge
from experiments.reference_kinds import DEVELOPMENT, KINDS, SET_ASIDE, Sizes
from experiments.reference_modules import Masked, windows
from experiments.reference_networks import layer_widths, reference

SIZES = {"digits": Sizes(64, 10, 8, 2), "mnist1d": Sizes(40, 10, 40, 1)}


def test_the_halves_are_all_kinds_and_have_none_in_common() -> None:
    assert set(DEVELOPMENT) | set(SET_ASIDE) == set(KINDS)
    assert not set(DEVELOPMENT) & set(SET_ASIDE)
    assert abs(len(DEVELOPMENT) - len(SET_ASIDE)) <= 1


def test_each_half_has_every_sort_of_network() -> None:
    for half in (DEVELOPMENT, SET_ASIDE):
        true = set().union(*(KINDS[name].true for name in half))
        assert true == {
            *("fully_connected", "locally_connected", "convolutional"),
            *("residual", "recurrent", "modular"),
        }


@pytest.mark.parametrize(
    ("kind", "task"), [(kind, task) for kind in KINDS for task in KINDS[kind].tasks]
)
def test_an_untrained_module_of_each_kind_is_flattened(kind: str, task: str) -> None:
    torch.manual_seed(0)
    module = KINDS[kind].make(SIZES[task])
    example = torch.rand(30, SIZES[task].n_inputs)
    flat = from_module(module, example, nonnegative=True)
    outputs = forward(flat, example.double().numpy()).outputs
    wanted = module(example).detach().numpy()
    assert np.abs(outputs - wanted).max() < 1e-5
    assert flat.n_neurons < 1500
    assert bool(flat.shared) == ("recurrent" in KINDS[kind].true)


def test_widths_are_those_of_neurons_that_vary_and_lead_on() -> None:
    module = KINDS["mlp 2"].make(SIZES["digits"])
    with torch.no_grad():
        # Every neuron fires, and none is faint beside the others, but for these four.
        for layer in module[::2]:
            size = torch.empty_like(layer.weight).uniform_(0.1, 0.2)
            layer.weight.copy_(torch.where(torch.rand_like(size) < 0.5, size, -size))
        module[0].bias.fill_(2.0)
        module[2].bias.fill_(20.0)
        module[0].bias[:3] = -100.0  # never fire
        module[2].weight[:, 3] = 0.0  # feeds nothing
    x = torch.rand(50, 64)
    flat = from_module(module, x)
    assert layer_widths(flat, x.double().numpy()) == ((40 - 4, 32), (40 - 4, 32))


def test_windows_are_those_of_a_convolution() -> None:
    mask = windows(5, 2, 1)
    assert mask.shape == (9, 25)
    assert (mask.sum(1) == 9).all()
    assert mask[0].reshape(5, 5)[:3, :3].all()
    weights = Masked(mask)
    assert ((weights.weight * weights.mask) != 0).sum() == 81


def test_a_network_is_trained_once_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_networks, "STEPS", 30)
    made = reference("mlp 1", "digits", 3, tmp_path)
    assert made.accuracy > 0.2
    assert made.widths is not None
    assert made.least_widths is not None
    assert 20 < made.least_widths[0] <= made.widths[0] <= 40
    monkeypatch.setattr(reference_networks, "_made", None)
    again = reference("mlp 1", "digits", 3, tmp_path)
    assert again.true == made.true
    assert again.labels == made.labels
    for name in ("least_widths", "widths", "accuracy"):
        assert getattr(again, name) == getattr(made, name)
    np.testing.assert_array_equal(again.inputs, made.inputs)
    np.testing.assert_array_equal(again.parts["weights"], made.parts["weights"])
    assert again.parts["input_mode"] == "pulse"


def test_pruning_keeps_a_fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_networks, "STEPS", 20)
    made = reference("mlp pruned", "digits", 0)
    n_weights = 64 * 40 + 40 * 32 + 32 * 10
    assert np.count_nonzero(made.parts["weights"]) == pytest.approx(0.2 * n_weights, rel=0.02)


def test_what_is_wrong_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A perceptron that claims to be recurrent, with a layer too many."""
    monkeypatch.setattr(reference_networks, "STEPS", 20)
    made = reference("mlp 1", "digits", 0)
    made.parts["positions"] = None
    wrong = replace(made, true=frozenset({"recurrent"}), widths=(40, 1))
    judged = judge(wrong, 200)
    assert judged.inexact
    assert any(miss.startswith("recurrent: is True") for miss in judged.misses)
    assert judged.wrong >= 1
