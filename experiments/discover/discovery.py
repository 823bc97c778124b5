"""A discovery: search, confirmation, choice, and all that is written of it."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from experiments.commands.inspect import write_report, write_structure
from experiments.commands.inspection import Inspection
from experiments.commands.workers import Workers, check_workers
from experiments.discover.batches import Batches
from experiments.discover.confirm import LEVEL, Confirmed, confirm
from experiments.discover.dials import arms_and_dials
from experiments.discover.differences import difference, holm
from experiments.discover.finish import finish
from experiments.discover.jobs import Interrupted, constant_scores, in_worker, scores_on_test
from experiments.discover.page import write_page
from experiments.discover.request import Request, begin, own_request, table_of
from experiments.discover.result import Discovery
from experiments.discover.search import Best, Observer, Point, front, search
from experiments.discover.sizes import Sizes, Sizing
from experiments.discover.words import paragraph
from urn import Run, TrainConfig, resume, train
from urn.data.tasks import Dataset
from urn.io import atomic_write, to_json
from urn.provenance import provenance
from urn.runs.folders import RunFolder

RESULT = "discover.json"
"""All numbers."""

CHOSEN = "chosen.toml"
"""The configuration that was chosen."""

NETWORK = "network"
"""The run folder of its network."""

AS_GOOD = 0.01
"""Of a validation score: of the arms within a point of the best, that with the fewest weights is
chosen. By judgement."""

N_DRAWS = 200
"""From each null model of the verdicts: the fewest that give p < 0.01."""


def discover(
    X: ArrayLike,
    y: ArrayLike,
    positions: ArrayLike | None = None,
    *,
    minutes: float = 15.0,
    seed: int = 0,
    out: str | Path | None = None,
    workers: int = 1,
    sizes: Sizes | None = None,
    observer: Observer | None = None,
) -> Discovery:
    """Which architecture a data set asks for.

    Parameters
    ----------
    X : array-like
        `(N, d_in)`.
    y : array-like
        `(N,)` labels, or `(N,)` or `(N, d_out)` targets. Text and whole numbers of few values are
        labels.
    positions : array-like, optional
        `(d_in, dim)`, where each input sits.
    minutes : float
        About how long it may take.
    seed : int
        Of all that is random.
    out : path, optional
        Folder to write, new or empty; nothing is kept if left out.
    workers : int
        Processes that train. With more than one, a script must guard what it does by
        `if __name__ == "__main__"`.
    sizes : Sizes, optional
        In place of what the time allows.
    observer : callable, optional
        Told of every batch of networks.

    Raises
    ------
    InputError
        Naming what cannot be used.
    """
    check_workers(workers)
    # Without a folder all is done in one that goes again; the network stays in memory.
    table = table_of(X, y, positions)
    if out is None:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "discovery"
            return discover(
                X, y, positions, minutes=minutes, seed=seed, out=folder, workers=workers,
                sizes=sizes, observer=observer,
            )  # fmt: skip
    folder = Path(out)
    request = own_request("arrays", folder, table.kind, minutes=minutes, seed=seed)
    begin(request, folder, table)
    return go_on(request, folder, workers=workers, sizes=sizes, observer=observer)


def go_on(
    request: Request,
    folder: Path,
    *,
    workers: int = 1,
    sizes: Sizes | None = None,
    observer: Observer | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Discovery:
    """Do all that is not done yet in the folder of a discovery.

    Raises
    ------
    Interrupted
        Where `stop` says True; what is finished is kept.
    InputError
        For workers that cannot be, and what lies damaged in the folder.
    """
    check_workers(workers)
    if workers == 1:
        return _go_on(request, folder, None, sizes, observer or _nobody, stop)
    with Workers(workers, in_worker, lambda *progress: None) as crew:
        return _go_on(request, folder, crew, sizes, observer or _nobody, stop)


def _nobody(title: str, points: list[Point]) -> None:
    """Is told, and says nothing."""


def _go_on(
    request: Request,
    folder: Path,
    crew: Workers | None,
    given: Sizes | None,
    observe: Observer,
    stop: Callable[[], bool],
) -> Discovery:
    """`go_on`, in this process or with a crew."""
    data = request.load(folder)
    arms, dials = arms_and_dials(data)
    batches = Batches(folder, request.fields, data, request.seed, stop, crew)

    sizing = Sizing(folder, 60 * request.minutes, arms.values(), data, given)
    best, points = search(arms.values(), batches, sizing, observe)
    sizes = sizing.confirmation(batches.per_work, batches.spent)
    confirmed = confirm(
        arms, dials, best, batches, sizes, lambda title, more: observe(title, points + more)
    )
    points += confirmed.points

    # The network that is kept is trained again in a folder.
    name = chosen(confirmed)
    config, last = finish(arms[name], best[name], batches, sizing, points, observe)
    points += last
    run = _network(folder / NETWORK, config, data, stop)
    inspection = Inspection(run, N_DRAWS)
    write_report(inspection, write_structure(inspection))

    discovery = Discovery(
        paragraph(confirmed.outcomes, is_learned(confirmed, data)),
        confirmed.outcomes,
        front(points),
        points,
        name,
        config,
        run,
        inspection.report,
        sizing.sizes,
        {arm: float(batch.scores.mean()) for arm, batch in confirmed.batches.items()},
        float(scores_on_test(run, data).mean()),
    )
    _write(folder, request, data, discovery, best, batches.spent)
    return discovery


def chosen(confirmed: Confirmed) -> str:
    """The arm with the fewest weights among those about as good as the best, on validation data."""
    highest = max(point.accuracy for point in confirmed.points)
    good = [point for point in confirmed.points if point.accuracy >= highest - AS_GOOD]
    return min(good, key=lambda point: point.weights).arm


def is_learned(confirmed: Confirmed, data: Dataset) -> bool:
    """Whether any arm answers test samples better than the best constant answer."""
    constant = constant_scores(data)
    differences = [difference(batch.scores - constant) for batch in confirmed.batches.values()]
    q = holm([each.p for each in differences])
    return any(each.mean > 0 and p < LEVEL for each, p in zip(differences, q, strict=True))


def _network(folder: Path, config: TrainConfig, data: Dataset, stop: Callable[[], bool]) -> Run:
    """Train the network that was chosen, or go on with it."""
    # A folder with another configuration is refused by `train`: nothing of a user's is overwritten.
    if folder.exists() and RunFolder(folder).config() == config:
        run = resume(folder, data=data, stop=stop)
    else:
        run = train(config, folder, data=data, stop=stop)
    if run.status == "interrupted":
        raise Interrupted
    return run


def _write(
    folder: Path,
    request: Request,
    data: Dataset,
    discovery: Discovery,
    best: dict[str, Best],
    seconds: float,
) -> None:
    """Write the numbers, the configuration and the page."""
    # Names of keys stay as they are: other programs read them. Seconds are those of all batches, so
    # that a run that was gone on with has them too.
    result: dict[str, Any] = {
        "version": 1,
        "request": asdict(request),
        "sizes": discovery.sizes.to_dict(),
        "seconds": round(seconds, 1),
        "text": discovery.text,
        "pays": discovery.pays,
        "dials": [outcome.to_dict() for outcome in discovery.outcomes],
        "arms": {
            name: {
                "strengths": best[name].strengths,
                "test_score": score,
                "is_chosen": name == discovery.arm,
            }
            for name, score in discovery.scores.items()
        },
        "summary": discovery.report.summary,
        "network": {
            "arm": discovery.arm,
            "strengths": discovery.config.to_dict()["strengths"],
            "steps": discovery.config.steps,
            "test_score": discovery.score,
        },
        "front": [asdict(point) for point in discovery.front],
        "networks": [asdict(point) for point in discovery.points],
        "provenance": provenance(),
    }
    # The numbers come last: where they are, all else is.
    atomic_write(folder / CHOSEN, discovery.config.to_toml())
    write_page(folder, request.data, data, discovery)
    atomic_write(folder / RESULT, to_json(result))
