"""What each task holds, against facts from outside.

Geometry, published data, grammars, entropies, planted features.
"""

import gzip
import itertools
import math
import struct

import numpy as np
import pytest
import torch
from mnist1d.data import get_dataset_args, make_dataset
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression

from urn import Dataset, InputError, TrainConfig, task, train
from urn.data.tasks import ALPHABET, TASKS, TaskOptions, task_options

NEEDS_FILES = ("file", "idx")
SMALL_WORLDS = ("parity",)  # fewer different samples than are drawn
OWN_DATA = [name for name in TASKS if name not in NEEDS_FILES]


def load(name: str, **options) -> Dataset:
    if name == "twin":
        options = {"of": "digits", "kind": "shuffled_positions"} | options
    return task_options(name, options).load()


def rows(X) -> set[bytes]:
    """The samples of a part, as a set."""
    return {np.ascontiguousarray(row).tobytes() for row in np.asarray(X)}


# ---- every task


@pytest.mark.parametrize("name", OWN_DATA)
class TestEveryTask:
    def test_parts_share_no_sample(self, name):
        data = load(name)
        train, validation, test = (rows(X) for X, _ in data.parts)
        if name in SMALL_WORLDS:
            assert train == validation | test == {*train, *validation}
            return
        assert not train & validation
        assert not train & test
        assert not validation & test

    def test_seeded(self, name):
        once, again, other = load(name), load(name), load(name, data_seed=1)
        for one, two in zip(once.parts, again.parts, strict=True):
            assert torch.equal(one[0], two[0])
            assert torch.equal(one[1], two[1])
        assert not torch.equal(once.train[0], other.train[0])

    def test_global_generators_are_left_alone(self, name):
        np.random.seed(3)  # noqa: NPY002
        torch.manual_seed(3)
        expected = np.random.rand(), float(torch.rand(()))  # noqa: NPY002
        np.random.seed(3)  # noqa: NPY002
        torch.manual_seed(3)
        load(name)
        assert (np.random.rand(), float(torch.rand(()))) == expected  # noqa: NPY002


SHAPES = {
    "shells": ((50_000, 10), (5_000, 10), (10_000, 10), 2),
    "digits": ((1257, 64), (270, 64), (270, 64), 10),
    "mnist1d": ((3600, 40), (400, 40), (1000, 40), 10),
    "carry": ((20_000, 10), (2_000, 10), (5_000, 10), 10),
    "adding": ((20_000, 10, 2), (2_000, 10, 2), (5_000, 10, 2), 1),
    "miconi_easy": ((100, 4000, 4), (10, 4000, 4), (25, 4000, 4), 4),
    "miconi_hard": ((100, 4000, 4), (10, 4000, 4), (25, 4000, 4), 4),
}


@pytest.mark.parametrize(("name", "shapes"), SHAPES.items(), ids=SHAPES)
def test_shapes(name, shapes):
    data = load(name)
    assert tuple(tuple(X.shape) for X, _ in data.parts) == shapes[:3]
    assert data.n_outputs == shapes[3]
    assert data.n_inputs == shapes[0][-1]
    assert all(X.dtype == torch.float32 for X, _ in data.parts)


# ---- shells


def test_shells_lie_on_their_radii():
    radii = (0.5, 1.0, 3.0)
    data = load("shells", radii=radii, dimension=4, n_train=3000, n_validation=30, n_test=30)
    for X, y in data.parts:
        torch.testing.assert_close(
            X.double().norm(dim=1), torch.tensor(radii).double()[y], rtol=1e-6, atol=0
        )
    assert stats.chisquare(np.bincount(data.train[1])).pvalue > 1e-3


def test_shells_parity_is_the_parity_of_the_shell():
    options = {"radii": (1.0, 2.0, 3.0, 4.0), "n_train": 2000}
    shell, parity = load("shells", **options), load("shells", label="parity", **options)
    assert torch.equal(shell.train[0], parity.train[0])
    assert torch.equal(shell.train[1] % 2, parity.train[1])
    assert torch.equal(parity.train[0].norm(dim=1).round().long() % 2, 1 - parity.train[1])
    assert (shell.n_outputs, parity.n_outputs) == (4, 2)


def test_shells_have_no_direction():
    """Uniform on the sphere: mean 0 and covariance 1/d, which no linear map tells apart."""
    X = torch.nn.functional.normalize(load("shells").train[0].double())
    assert X.mean(0).abs().max() < 4 * (1 / 10 / len(X)) ** 0.5
    torch.testing.assert_close(X.T @ X / len(X), torch.eye(10).double() / 10, atol=2e-3, rtol=0)


# ---- digits and MNIST-1D


def test_digits_are_those_of_scikit_learn():
    X, y = load_digits(return_X_y=True)
    data = load("digits")
    ours = np.concatenate([np.c_[16 * part[0].numpy(), part[1].numpy()] for part in data.parts])
    theirs = np.c_[X, y]
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])
    for _, labels in data.parts:  # stratified: every class as frequent as in the whole
        np.testing.assert_allclose(
            np.bincount(labels) / len(labels), np.bincount(y) / len(y), atol=0.005
        )


def test_digits_positions_are_those_of_the_pixels():
    data = load("digits")
    assert data.sites == (8, 8)
    for row in range(8):
        for column in range(8):
            torch.testing.assert_close(
                data.positions[8 * row + column], torch.tensor([column / 7, row / 7])
            )


def test_mnist1d_is_what_its_package_publishes():
    state = np.random.get_state()  # noqa: NPY002
    published = make_dataset(get_dataset_args())
    np.random.set_state(state)  # noqa: NPY002
    data = load("mnist1d")
    assert np.array_equal(data.test[0], published["x_test"].astype(np.float32))
    assert np.array_equal(data.test[1], published["y_test"])
    ours = np.concatenate([np.c_[X, y] for X, y in (data.train, data.validation)])
    theirs = np.c_[published["x"].astype(np.float32), published["y"]].astype(ours.dtype)
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])
    assert torch.all(data.positions.diff(dim=0) > 0)


@pytest.mark.parametrize("name", ["digits", "mnist1d"])
def test_the_shuffled_control_has_the_same_columns_in_another_order(name):
    data, control = load(name), load(name, shuffled=True)
    columns = {column.numpy().tobytes(): j for j, column in enumerate(data.train[0].T.contiguous())}
    order = [
        columns[column.numpy().tobytes()]
        for column in control.train[0].T.contiguous()
        if column.any()
    ]
    empty = int((~data.train[0].any(0)).sum())  # pixels that are 0 in every image
    assert len(set(order)) == len(order) == data.n_inputs - empty
    assert order != sorted(order)
    varied = control.test[0][:, control.train[0].any(0)]
    assert torch.equal(varied, data.test[0][:, order])  # one permutation for all parts
    assert torch.equal(control.train[1], data.train[1])
    assert torch.equal(control.positions, data.positions)


def test_a_ring_is_the_same_data_with_cyclic_distances():
    line, ring = load("mnist1d"), load("mnist1d", ring=True)
    assert torch.equal(ring.train[0], line.train[0])
    distance = torch.cdist(ring.positions, ring.positions)
    torch.testing.assert_close(distance, distance.roll((1, 1), (0, 1)))  # a shift is a rigid motion
    assert distance.max() == pytest.approx(1, abs=1e-6)


def test_flipped_signals_run_backwards():
    """In all parts alike; mirrored as well as shuffled, they are the mirrored columns, shuffled."""
    data, flipped = load("mnist1d"), load("mnist1d", flipped=True)
    for (X, y), (X_flipped, y_flipped) in zip(data.parts, flipped.parts, strict=True):
        assert torch.equal(X_flipped, X.flip(1))
        assert torch.equal(y_flipped, y)
    assert torch.equal(flipped.positions, data.positions)

    both, shuffled = (load("mnist1d", shuffled=True, flipped=f).test[0] for f in (True, False))
    order = [int((column == data.test[0].T).all(1).nonzero()) for column in shuffled.T]
    assert torch.equal(both, flipped.test[0][:, order])


def test_an_option_that_came_later_leaves_configurations_as_they_were():
    """Options are kept as they were given, so old stores and run folders keep their hashes."""
    config = TrainConfig(task="mnist1d", task_options={"shuffled": True}, n_neurons=60, steps=1)
    assert config.to_dict()["task_options"] == {"shuffled": True}


# ---- carry


def test_carry_is_linear_but_for_its_planted_bends():
    """A linear model leaves the bends' share; with the planted ReLU features it leaves nothing."""
    data = load("carry")
    random = torch.Generator().manual_seed(0)
    torch.randn(10, 10, generator=random)  # A
    B = torch.randn(20, 10, generator=random) / 10**0.5
    X = torch.cat([X for X, _ in data.parts])
    threshold = (X @ B.T).mean(0)

    def features(X):
        return torch.cat([X, (X @ B.T - threshold).relu()], 1)

    (X, y), (X_test, y_test) = data.train, data.test
    assert (X >= 0).all()
    linear = LinearRegression().fit(X, y).score(X_test, y_test)
    planted = LinearRegression().fit(features(X), y).score(features(X_test), y_test)
    print(f"carry: R2 of a linear model {linear:.4f}, with the planted features {planted:.6f}")
    assert 0.5 < linear < 0.97
    assert planted > 0.99999
    assert (1 - linear) > 1000 * (1 - planted)


def test_carry_without_correction_is_linear():
    data = load("carry", correction=0.0, n_train=500, n_validation=10, n_test=100)
    assert LinearRegression().fit(*data.train).score(*data.test) > 0.999999


# ---- symbol streams


def texts(data: Dataset) -> list[str]:
    """The streams as text: the first symbol, then every target."""
    X, y = data.train
    assert torch.equal(X.sum(-1), torch.ones(X.shape[:2]))
    assert torch.equal(X[:, 1:].argmax(-1), y[:, :-1])  # the target is the symbol that follows
    return [
        "".join(ALPHABET[i] for i in [int(x[0].argmax()), *targets.tolist()])
        for x, targets in zip(X, y, strict=True)
    ]


def groups(text: str) -> list[str]:
    """What stands between the parentheses, the unfinished last group left out."""
    assert text.startswith("(")
    whole = text[1 : text.rindex(")")].split(")(")
    assert all(group and set(group) <= {"a", "b"} for group in whole)
    return whole


@pytest.mark.parametrize("p", [0.6, 0.75])
def test_easy_groups_have_geometric_length(p):
    repeats = []
    for text in texts(load("miconi_easy", p=p)):
        for group in groups(text):
            assert group == "ab" * (len(group) // 2)
            repeats.append(len(group) // 2)
    observed = np.bincount(np.minimum(repeats, 10), minlength=11)[1:]
    expected = len(repeats) * np.array([p ** (n - 1) * (1 - p) for n in range(1, 10)] + [p**9])
    # The end of a stream cuts off one group in a thousand: below what the test can see.
    assert stats.chisquare(observed, expected).pvalue > 1e-3


@pytest.mark.parametrize(("p", "floor"), [(0.6, 9.6145), (0.75, 8.9974)])
def test_easy_floor(p, floor):
    """The planted model reaches the published entropy floor: nats over 40 symbols."""
    follows = {"(": {"a": 1.0}, "a": {"b": 1.0}, "b": {"a": p, ")": 1 - p}, ")": {"(": 1.0}}
    losses = []
    for text in texts(load("miconi_easy", p=p)):
        losses.append(
            -np.mean([math.log(follows[one][two]) for one, two in itertools.pairwise(text)])
        )
    error = np.std(losses) / len(losses) ** 0.5
    print(
        f"easy, p = {p}: {40 * np.mean(losses):.4f} +- {40 * error:.4f} nats"
        f" over 40 symbols, floor {floor}"
    )
    assert abs(np.mean(losses) - floor / 40) < 4 * error
    assert 40 * error < 0.1


def test_hard_groups_reverse_with_one_letter_flipped():
    flips = np.zeros(6, int)
    for text in texts(load("miconi_hard")):
        whole = groups(text)
        assert {len(group) for group in whole} == {6}
        for before, now in itertools.pairwise(whole):
            changed = [
                i for i, (one, two) in enumerate(zip(before[::-1], now, strict=True)) if one != two
            ]
            assert len(changed) == 1
            flips[changed[0]] += 1
    # any letter alike: ln 6 nats a group, 5 ln 6 = 8.9588 over 40 symbols
    assert stats.chisquare(flips).pvalue > 1e-3


# ---- a user's own arrays

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(loc=5, scale=3, size=(60, 3))


def assert_same(one: Dataset, two: Dataset) -> None:
    for (X, y), (X_, y_) in zip(one.parts, two.parts, strict=True):
        assert torch.equal(X, X_)
        assert torch.equal(y, y_)


def gathered(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """All samples, in the order of the first input."""
    X, y = (np.concatenate([part[i].numpy() for part in data.parts]) for i in (0, 1))
    order = np.argsort(X[:, 0])
    return X[order], y[order]


TARGETS = {
    "regression": (RANDOM.normal(size=60), "regression", 1),
    "two_targets": (RANDOM.normal(size=(60, 2)), "regression", 2),
    "whole_numbers": (np.arange(60) % 3 + 7, "classification", 3),
    "fractions_that_are_whole": (np.arange(60) % 3 - 1.0, "classification", 3),
    "text": (np.array(["cat", "dog", "eel"])[np.arange(60) % 3], "classification", 3),
    "yes_or_no": (np.arange(60) % 2 == 0, "classification", 2),
}


@pytest.mark.parametrize(("y", "kind", "n_outputs"), TARGETS.values(), ids=TARGETS)
def test_npz_round_trip(tmp_path, y, kind, n_outputs):
    positions = RANDOM.random((3, 2))
    np.savez(tmp_path / "a.npz", X=X, y=y, positions=positions)
    data = load("file", path=tmp_path / "a.npz", standardise=False)
    assert (data.kind, data.n_outputs) == (kind, n_outputs)
    np.testing.assert_allclose(data.positions, positions, rtol=1e-6)
    ours, targets = gathered(data)
    order = np.argsort(X[:, 0])
    np.testing.assert_allclose(ours, X[order], rtol=1e-6)
    expected = (
        np.unique(y, return_inverse=True)[1] if kind == "classification" else y.reshape(60, -1)
    )
    np.testing.assert_allclose(targets, expected[order], rtol=1e-6)
    assert [len(X) for X, _ in data.parts] == [42, 9, 9]


@pytest.mark.parametrize("name", ["regression", "whole_numbers", "text"])
def test_csv_says_the_same_as_npz(tmp_path, name):
    y = TARGETS[name][0]
    np.savez(tmp_path / "a.npz", X=X, y=y)
    lines = [
        "b,price,c,d",
        *(
            f"{row[0]!r},{target},{row[1]!r},{row[2]!r}"
            for row, target in zip(X.tolist(), y, strict=True)
        ),
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    assert_same(
        load("file", path=tmp_path / "a.csv", target="price"), load("file", path=tmp_path / "a.npz")
    )


def test_standardised_on_the_training_part_alone(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=np.arange(60) % 2)
    data, raw = (
        load("file", path=tmp_path / "a.npz"),
        load("file", path=tmp_path / "a.npz", standardise=False),
    )
    mean, scale = raw.train[0].double().mean(0), raw.train[0].double().std(0)
    torch.testing.assert_close(
        data.train[0].double(), (raw.train[0] - mean) / scale, atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(
        data.test[0].double(), (raw.test[0] - mean) / scale, atol=1e-5, rtol=1e-5
    )


def test_inputs_far_from_zero_keep_their_differences(tmp_path):
    """Timestamps, say: equal as float32, apart once standardised; a constant stays finite."""
    y = np.arange(60) % 2
    np.savez(tmp_path / "a.npz", X=np.c_[1.7e9 + y, np.full(60, 0.1), X], y=y)
    data = load("file", path=tmp_path / "a.npz")
    assert torch.equal(data.train[0][:, 0] > 0, data.train[1] == 1)
    assert data.train[0][:, 1].abs().max() < 1e-6


def test_a_table_can_be_trained_on(tmp_path):
    y = np.where(X[:, 0] > 5, "high", "low")
    np.savez(tmp_path / "a.npz", X=X, y=y)
    options = {"path": str(tmp_path / "a.npz")}
    run = train(
        TrainConfig(task="file", task_options=options, n_neurons=20, steps=300, strengths={})
    )
    assert run.test_accuracy >= 8 / 9


# ---- IDX images


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_idx_round_trip(tmp_path, zipped):
    images, labels = (
        RANDOM.integers(0, 256, (50, 5, 3), dtype=np.uint8),
        np.arange(50, dtype=np.uint8) % 4,
    )
    for part, chosen in (("train", slice(0, 40)), ("t10k", slice(40, 50))):
        for name, array in (
            (f"{part}-images-idx3-ubyte", images[chosen]),
            (f"{part}-labels-idx1-ubyte", labels[chosen]),
        ):
            content = (
                bytes([0, 0, 8, array.ndim])
                + struct.pack(f">{array.ndim}I", *array.shape)
                + array.tobytes()
            )
            (tmp_path / (name + ".gz" * zipped)).write_bytes(
                gzip.compress(content) if zipped else content
            )
    data = load("idx", folder=tmp_path)
    assert [len(X) for X, _ in data.parts] == [36, 4, 10]
    assert (data.n_inputs, data.n_outputs, data.sites) == (15, 4, (5, 3))
    assert np.array_equal((data.test[0] * 255).round().numpy().reshape(10, 5, 3), images[40:])
    assert np.array_equal(data.test[1], labels[40:])
    ours = np.concatenate([np.c_[(255 * X).round(), y] for X, y in (data.train, data.validation)])
    theirs = np.c_[images[:40].reshape(40, -1), labels[:40]].astype(float)
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])
    torch.testing.assert_close(
        data.positions[1 * 3 + 2], torch.tensor([2 / 4, 1 / 4])
    )  # row 1, column 2; longer side 1


# ---- a task of the user's own


def test_a_task_of_the_users_own():
    @task("xor")
    class Xor(TaskOptions):
        n: int = 200

        def load(self) -> Dataset:
            X = torch.randint(
                2, (self.n, 2), generator=torch.Generator().manual_seed(self.data_seed)
            ).float()
            part = X, (X[:, 0] != X[:, 1]).long()
            return Dataset(part, part, part, 2)

    try:
        run = train(
            TrainConfig(task="xor", task_options={"n": 100}, n_neurons=30, steps=300, strengths={})
        )
        assert run.test_accuracy == 1
        with pytest.raises(InputError, match="task_options of xor: m: unknown key"):
            TrainConfig(task="xor", task_options={"m": 3})
    finally:
        TASKS.pop("xor")
