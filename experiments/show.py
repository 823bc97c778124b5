"""`urn.show`: the report page of a run in a notebook."""

from analysis.frame import HEIGHT, Frame
from experiments.commands.inspect import structure_of
from experiments.commands.inspection import N_DRAWS, Inspection
from experiments.report import page
from urn import Run
from urn.data.tasks import Dataset


def show(
    run: Run,
    *,
    data: Dataset | None = None,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    height: int = HEIGHT,
) -> Frame:
    """The report page of a run in a frame, for notebooks; it needs no network and no server.

    Parameters
    ----------
    run : Run
        In memory or loaded from a folder.
    data : Dataset, optional
        That it was trained on, where they are not those of a task.
    n_draws : int
        From each null model.
    seed : int
        Of the draws.
    height : int
        Of the frame, in pixels.

    Raises
    ------
    InputError
        Where the run was trained on other data.
    """
    # The same as `urn inspect --html` writes, but that no file is written.
    inspection = Inspection(run, n_draws, seed, data)
    text = page(inspection, structure_of(inspection))
    return Frame(text, f"{run.config.task}: {inspection.report.summary}", height)
