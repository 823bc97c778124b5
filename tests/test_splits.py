"""Cuts of samples are scikit-learn's, index for index, without loading it."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tests.test_start_time import modules_after
from urn.data.splits import cut
from urn.data.tasks import _digits, task_options


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.15, 0.15 / 0.85, 0.5])
@pytest.mark.parametrize("n", [60, 178, 569, 1797])
@pytest.mark.parametrize("n_classes", [0, 2, 3, 7])
def test_a_cut_is_that_of_scikit_learn(n, n_classes, share, seed):
    rng = np.random.default_rng([n, n_classes])
    y = rng.permutation(np.arange(n) % n_classes) * 3 if n_classes else None  # classes with gaps
    if n_classes == 3:
        y = np.sort(y)
    rest, taken = train_test_split(np.arange(n), test_size=share, random_state=seed, stratify=y)
    ours = cut(n, share, seed, y)
    np.testing.assert_array_equal(ours[0], rest)
    np.testing.assert_array_equal(ours[1], taken)


def test_the_digits_are_those_of_scikit_learn():
    for ours, theirs in zip(_digits(), load_digits(return_X_y=True), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(task_options("digits", {}).load().train[0]) == 1257


def test_a_table_is_read_and_cut_without_scikit_learn(tmp_path):
    rows = "\n".join(f"{i},{i % 2}" for i in range(40))
    path = tmp_path / "a.csv"
    path.write_text(f"x,y\n{rows}\n")
    load = f"task_options('file', {{'path': {str(path)!r}}}).load()"
    loaded = modules_after(f"from urn.data.tasks import task_options; {load}")
    assert "sklearn" not in loaded
    assert "pandas" not in loaded
