"""Geometry and short wires: hidden neurons find places of their own, and every neuron looks at a few neighbours.

Hidden neurons start at random places, which are learned together with W; only the length of wires is priced. Refuted when the
receptive fields are not concentrated (spread over that under permuted positions above 0.45), or when MNIST-1D gains less
than 6 points of test accuracy over the same network with the plain price on weights instead. Control: with the positions
shuffled in the data the same price must bring nothing (a third of the gain at most).
"""

from statistics import median

from matplotlib.figure import Figure

from analysis.plots import receptive_fields, sorted_matrices
from experiments.claims import Check, column, most, spread
from experiments.commands.judging import arrays, judge
from urn import Run, TrainConfig
from urn.data.tasks import MNIST1D, Dataset

CLAIM = "Where the data has a geometry, a price on the length of wires makes local receptive fields, and they generalise better"
SOURCE = "Golkar 2019 (arXiv 1911.11691): locally connected networks"
PAPER = "locally connected networks emerge; the figures are not at hand"

LOCAL, PLAIN, DIGITS = "MNIST-1D, locality", "MNIST-1D, no locality", "digits, locality"
LOCAL_SHUFFLED, PLAIN_SHUFFLED = "MNIST-1D shuffled, locality", "MNIST-1D shuffled, no locality"
MAX_SPREAD, MIN_GAIN, MAX_SHARE_SHUFFLED = 0.45, 0.06, 1 / 3


def arms(scale: str) -> dict[str, TrainConfig]:
    """MNIST-1D with and without locality, in order and shuffled, and digits."""
    S = 450 if scale == "paper" else 400

    def config(task: str, n_neurons: int, steps: int, rate: float, **fields) -> TrainConfig:
        return TrainConfig(
            task=task,
            n_neurons=n_neurons,
            steps=steps,
            batch_size=100,
            locality_power=2.0,
            log_every=200,
            snapshots=0,
            learning_rate={"value": rate, "milestones": [0.6, 0.85], "factor": 0.2},
            **fields,
        )

    def local(price: float | dict) -> dict:
        return {"hidden_positions": "learned", "strengths": {"locality": price}}

    size = ("mnist1d", S, 2000, 5e-3)
    # First wires are so dear that only short ones are left; then cheap enough for what is left to learn.
    price = {"value": 7e-2, "milestones": [0.5], "factor": 0.05}
    plain = {
        "n_iterations": 4,
        "strengths": {"weight": {"value": 3e-4, "milestones": [0.5], "factor": 0.1}},
    }  # the best found
    shuffled = {"task_options": {"shuffled": True}}
    return {
        LOCAL: config(*size, n_iterations=4, **local(price)),
        PLAIN: config(*size, **plain),
        LOCAL_SHUFFLED: config(*size, n_iterations=4, **local(price), **shuffled),
        PLAIN_SHUFFLED: config(*size, **plain, **shuffled),
        DIGITS: config("digits", 150, 1000, 3e-3, n_iterations=3, **local(5e-2)),
    }


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """Accuracy and the verdict; without positions there is none."""
    report = judge(run, data, n_null=200)
    verdict = report.verdicts["locally_connected"]
    return {
        "test accuracy": run.test_accuracy,
        "validation accuracy": run.history[-1]["validation_accuracy"],
        "locally connected": verdict.present,
        "spread / permuted": verdict.effect,
        "layers": [entry["ratio"] for entry in verdict.evidence["layers"]],
        "weights used": report.n_used_weights,
        "summary": report.summary,
    }


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """Local fields on both tasks, what they bring on MNIST-1D, and that it goes with the geometry."""
    found = []
    for arm in (LOCAL, DIGITS):
        verdict, ratio = (
            column(measured[arm], "locally connected"),
            column(measured[arm], "spread / permuted"),
        )
        found += [
            Check(
                f"{arm}: verdict locally connected", spread(verdict), "4 of 5 seeds", most(verdict)
            ),
            Check(
                f"{arm}: spread / permuted, median",
                spread(ratio),
                f"<= {MAX_SPREAD}",
                median(ratio) <= MAX_SPREAD,
            ),
        ]
    score = {arm: median(column(rows, "test accuracy")) for arm, rows in measured.items()}
    gain, control = score[LOCAL] - score[PLAIN], score[LOCAL_SHUFFLED] - score[PLAIN_SHUFFLED]
    both = f"{gain:+.1%} ({score[PLAIN]:.1%} to {score[LOCAL]:.1%})"
    shuffled = f"{control:+.1%} ({score[PLAIN_SHUFFLED]:.1%} to {score[LOCAL_SHUFFLED]:.1%})"
    return [
        *found,
        Check("MNIST-1D: gain in test accuracy", both, ">= 6 points", gain >= MIN_GAIN),
        Check(
            "the same with shuffled positions (control)",
            shuffled,
            "<= a third of it",
            control <= gain * MAX_SHARE_SHUFFLED,
        ),
    ]


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """Receptive fields on the inputs, and |W| with neurons in the order of their places, of the first seed."""
    drawn = {}
    for name, arm in (
        ("fields", LOCAL),
        ("fields_shuffled", LOCAL_SHUFFLED),
        ("fields_digits", DIGITS),
    ):
        W, _, positions = arrays(runs[arm][0])
        d_in = 64 if arm == DIGITS else 40
        title = f"{arm}: {measured[arm][0]['test accuracy']:.1%} of unseen samples"
        drawn[name] = receptive_fields(
            W[d_in:-10, :d_in], positions[:d_in], max_neurons=64, title=title
        )
    run, data = runs[LOCAL][0], MNIST1D().load()
    W, _, positions = arrays(run)
    panels = [("with locality, by place", W, judge(run, data, n_null=200).layer_of, positions)]
    other = runs[PLAIN][0]
    panels.append(("without", arrays(other)[0], judge(other, data, n_null=200).layer_of))
    return drawn | {"W": sorted_matrices(panels, n_inputs=40, n_outputs=10)}
