"""The numbers of README are those of docs/claims.json."""

import json
import math
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


@pytest.fixture(scope="module")
def checks():
    """{claim: {check: what was measured}}."""
    entries = json.loads((ROOT / "docs" / "claims.json").read_text(encoding="utf-8"))
    return {
        entry["name"]: {check["what"]: check["measured"] for check in entry["ours"]["checks"]}
        for entry in entries
    }


def test_fields(checks):
    measured = checks["fields"]
    assert len({measured[f"c_w = {price}: local fields"] for price in ("0.001", "0.003")}) == 1
    twins = []
    for twin in ("shuffled positions", "random labels", "one step"):
        (of_both,) = {measured[f"c_w = {price}, {twin}: the same"] for price in ("0.001", "0.003")}
        twins.append(of_both)
    places, labels, step = twins
    on_data = measured["c_w = 0.001: local fields"]
    said = f"| {on_data} | places shuffled {places}, random labels {labels}, one step {step} |"
    assert said in README


def test_modular(checks):
    measured = checks["modular"]
    mixed = measured["mixed (control): modular"]
    labels = measured["two halves, random labels: modular"]
    step = measured["two halves, one step: modular"]
    on_data = measured["two halves: two modules"]
    said = f"| {on_data} with two | mixed {mixed}, random labels {labels}, one step {step} |"
    assert said in README


def test_difficulty(checks):
    both = []
    twins: dict[str, list[str]] = {"random labels": [], "one step": []}
    for name in ("nonlinear nodes on a path", "nonlinear nodes"):
        measured = checks["difficulty"][f"{name}: rank correlation with the number of signs"]
        mean, low, high = re.findall(r"mean ([\d.]+) \(([\d.]+) to ([\d.]+)\)", measured)[0]
        both.append(f"{mean} ({low} to {high})")
        for twin, medians in twins.items():
            title = f"{name}: rank correlation with the number of signs, data less {twin}"
            against = checks["difficulty"][title].split(" against ")[1]
            medians.append(re.split(r"[ :]", against)[0])
    assert set(twins["random labels"]) == {"0"}
    step = " and ".join(twins["one step"])
    said = f"{' and '.join(both)} | random labels 0, one step {step} (medians) |"
    assert f"| rank correlation {said}" in README


def test_atlas(checks):
    measured = {name.split(":")[0]: value for name, value in checks["atlas"].items()}
    priced = {measured[arm].split(":")[0] for arm in ("layered", "recurrent", "residual", "local")}
    assert priced == {measured["convolutional"].split(":")[0]} == {"5 of 5"}
    assert "the five with a price came out as named in 5 of 5" in README
    unpriced = 5 - int(measured["no price"].split()[0])
    assert f"called recurrent, by little, in {unpriced} of 5" in README

    life = {name: value for name, value in checks["atlas"].items() if name.startswith("one life")}
    of_local = next(value for name, value in life.items() if name.startswith("one life: local"))
    others = {value.split(":")[0] for value in life.values() if value != of_local}
    assert others == {"5 of 5"}
    assert f"in {5 - int(of_local.split()[0])} of 5, goes on re-using some neurons" in README


def test_recurrent(checks):
    measured = checks["recurrent"]

    def medians(what: str) -> list[str]:
        """Of a number on data, with random labels and after one step."""
        labels, step = (
            measured[f"no depth term: {what}, data less {twin}"].split(" against ")
            for twin in ("random labels", "one step")
        )
        return [re.split(r"[ :]", said)[0] for said in (labels[0], labels[1], step[1])]

    on_data, labels, step = medians("share of re-used neurons")
    said = f"{on_data} of the neurons are re-used on data, {labels} with random labels, {step} "
    assert f"{said}after one step" in README
    on_data, labels, step = medians("accuracy lost without re-use")
    said = f"{on_data} of accuracy is lost on data, {labels} with random labels, {step} "
    assert f"{said}after one step" in README


def test_local_fields_and_kernels(checks):
    local = checks["locally_connected"]
    gain = local["MNIST-1D: gain in test accuracy"]
    shuffled = local["the same with shuffled positions (control)"].split(" (")[0]
    assert f"brings {gain.replace(' (', ' of test accuracy (')}, shuffled {shuffled}." in README

    kernels = checks["convolutional"]
    gain = kernels["gain in test accuracy from sharing"]
    shuffled = kernels["the same with shuffled positions"].removesuffix(" points")
    assert f"brings {gain} over the same network without it, {shuffled} with shuffled" in README
    assert f"with 30 channels it reaches {kernels['30 channels: test accuracy, median']}," in README


def test_growth(checks):
    measured = checks["growth"]
    hard, easy = measured["neurons, hard less easy"].split(" against ")
    said = f"the easy one takes {easy.split()[0]} neurons, the hard one {hard.split()[0]};"
    assert said in README

    title = "neurons at the end of the hard time, less those of a life without one at that age"
    after, without = (part.split()[0] for part in measured[title].split(" against "))
    title = "neurons shed after the hard time, less those that a life without one sheds then"
    shed = measured[title].split()[0]
    said = f"a network has {after} where one without has {without}, and then sheds {shed}."
    assert said in README
    assert f"in {measured['hard, our policy: loss under 11']} seeds" in README


def test_width(checks):
    measured = checks["width"]
    widest, narrowest = re.findall(
        r"\(([\d.]+) to ([\d.]+), 7 of 7",
        measured["range of living neurons at accuracy within 0.5 points"],
    )[0]
    assert f"ends with {widest} to {narrowest} living neurons at the same accuracy" in README
    on_data, on_labels = measured["prices x 0.1: living neurons, data less random labels"].split(
        " against "
    )
    assert on_labels.startswith("0:")
    assert f"at a price at which {on_data.split()[0]} live on data" in README


def test_kept(checks):
    ratios: dict[str, list[float]] = {"weight": [], "activity": []}
    for title, measured in checks["kept"].items():
        dial = title.split(", ")[1].split(":")[0]
        (mean,) = re.findall(r": \+([\d.]+) \(", measured)
        ratios[dial].append(math.exp(float(mean)))

    weight, activity = ratios["weight"], ratios["activity"]
    assert len(weight) == len(activity) == 6
    said = f"at prices of weights {min(weight):.1f} to {max(weight):.1f} times as high"
    assert said in README
    assert f"at prices of activity {min(activity):.0f} to {max(activity):.0f} times" in README
