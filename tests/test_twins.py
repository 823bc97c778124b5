"""Twins of data destroy one thing and keep the rest; tasks of known structure are what they say."""

import tomllib

import numpy as np
import pytest
import torch
from scipy import special, stats

from urn import InputError, TrainConfig, train
from urn.data.tasks import task_options
from urn.data.twins import twin

SMALL = {"n_train": 4_000, "n_validation": 100, "n_test": 100}


def load(name: str, **options):
    return task_options(name, options).load()


class TestTwins:
    def test_random_labels_keep_inputs_and_how_often_each_label_is_there(self):
        data = load("digits")
        changed = twin(data, "random_labels", seed=1)
        for (X, y), (X_twin, y_twin) in zip(data.parts, changed.parts, strict=True):
            assert torch.equal(X, X_twin)
            assert torch.equal(y.bincount(), y_twin.bincount())
        assert (data.train[1] == changed.train[1]).double().mean() < 0.15

    def test_shuffled_positions_are_one_order_for_all_parts(self):
        data = load("digits")
        changed = twin(data, "shuffled_positions", seed=1)
        order = [
            int((data.train[0] == changed.train[0][:, [j]]).all(0).nonzero()[0])
            for j in range(10, 14)  # pixels at the rim are all 0, these differ
        ]
        for (X, _), (X_twin, _) in zip(data.parts, changed.parts, strict=True):
            assert torch.equal(X[:, order], X_twin[:, 10:14])
            assert torch.equal(X.sort(1).values, X_twin.sort(1).values)
        assert torch.equal(data.positions, changed.positions)

    def test_independent_inputs_keep_their_values_and_lose_their_correlations(self):
        data = load("ring_field", **SMALL)
        changed = twin(data, "independent_inputs", seed=1)
        X, X_twin = data.train[0], changed.train[0]
        assert torch.equal(X.sort(0).values, X_twin.sort(0).values)
        assert np.corrcoef(X[:, 0], X[:, 1])[0, 1] > 0.5
        assert abs(np.corrcoef(X_twin[:, 0], X_twin[:, 1])[0, 1]) < 0.06

    def test_task_of_a_run_is_the_same_twin(self):
        config = TrainConfig(
            task="twin",
            task_options={"of": "digits", "kind": "random_labels", "data_seed": 4},
            n_neurons=80,
            steps=2,
        )
        again = TrainConfig(**tomllib.loads(config.to_toml()))
        data = load("twin", **again.task_options)
        assert torch.equal(data.train[1], twin(load("digits"), "random_labels", 4).train[1])
        assert train(config).status == "ok"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"of": "nothing"}, "of: no task 'nothing'"),
            ({"of": "twin"}, "of: no task 'twin'"),
            ({}, "of: Field required"),
            ({"of": "digits", "options": {"x": 1}}, "task_options of digits: x: unknown key"),
            ({"of": "digits", "options": "{"}, "options: must be a table"),
            ({"of": "digits", "options": 3}, "options: must be a table"),
            ({"of": "digits", "kind": "evil"}, "kind: "),
        ],
    )
    def test_bad_options_are_one_line(self, options, message):
        with pytest.raises(InputError, match=r"^task_options of ") as error:
            task_options("twin", options)
        assert message in str(error.value)
        assert "\n" not in str(error.value)

    def test_what_has_no_twin_is_refused(self):
        with pytest.raises(InputError, match="streams of symbols have none"):
            load("twin", of="miconi_easy", options={"n_streams": 2, "length": 50})
        with pytest.raises(InputError, match="needs inputs that have places"):
            load("twin", of="parity", kind="shuffled_positions")


class TestRingField:
    @pytest.mark.parametrize("gaussian", [False, True])
    def test_covariance_is_that_of_the_formula(self, gaussian):
        data = load("ring_field", gaussian=gaussian, n_train=30_000)
        X, y = data.train
        for label, xi in ((0, 2.0), (1, 6.0)):
            part = X[y == label].double().numpy()
            # Of erf(g z) / Z: the arcsine law, for a pair of neighbours and for one of four sites.
            for d in (1, 4):
                rho, g = np.exp(-(d**2) / xi**2), 2 * 3.0**2
                expected = np.arcsin(g * rho / (1 + g)) / np.arcsin(g / (1 + g))
                measured = (part * np.roll(part, d, axis=1)).mean()
                assert measured == pytest.approx(expected, abs=0.02)

    def test_values_are_those_of_erf_and_the_control_is_normal(self):
        # Gain 1: at larger ones erf is 1 in float32.
        X = load("ring_field", gain=1).train[0][:, 0].double().numpy()
        z = special.erfinv(X * np.sqrt(2 / np.pi * np.arcsin(2 / 3)))
        assert stats.kstest(z, "norm").pvalue > 1e-3
        normal = load("ring_field", gaussian=True).train[0][:, 0].double().numpy()
        assert stats.kstest(normal, "norm").pvalue > 1e-3
        assert stats.kurtosis(X) < -0.5 < stats.kurtosis(normal)


class TestParity:
    def test_label_is_the_parity_of_the_first_k(self):
        X, y = load("parity", n_bits=6, k=3).train
        assert set(X.unique().tolist()) == {-1.0, 1.0}
        assert torch.equal(X[:, :3].prod(1), 1.0 - 2 * ((y + 1) % 2) if False else -((-1.0) ** y))

    def test_more_than_there_are_is_refused(self):
        with pytest.raises(InputError, match="k: 9 of 8 bits"):
            load("parity", k=9)


class TestHalves:
    def test_each_output_hears_its_half_and_mixed_ones_hear_both(self):
        for mixed in (False, True):
            X, y = load("halves", mixed=mixed).train
            # A quadratic fit of the first output on each half of the inputs.
            explained = []
            for half in (slice(0, 10), slice(10, 20)):
                part = X[:, half].double()
                features = torch.cat([torch.ones(len(part), 1), part, part**2], 1)
                fit = torch.linalg.lstsq(features, y[:, :1].double()).solution
                explained.append(1 - float((features @ fit - y[:, :1]).var() / y[:, 0].var()))
            assert explained[0] > 0.2
            assert (explained[1] > 0.1) == mixed

    def test_halves_must_be_whole(self):
        with pytest.raises(InputError, match="must be even"):
            load("halves", dimension=5)
