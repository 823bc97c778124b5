"""What a discovery has to say: a record that the page and the command read."""

from dataclasses import dataclass

from analysis import StructureReport
from experiments.discover.confirm import Outcome
from experiments.discover.search import Point
from experiments.discover.sizes import Sizes
from urn import Run, TrainConfig


@dataclass(frozen=True)
class Discovery:
    """What a data set asks for.

    Attributes
    ----------
    text : str
        In words.
    outcomes : list of Outcome
        What each dial brings.
    front : list of Point
        Validation accuracy against weights: networks that no other beats in both.
    points : list of Point
        All networks.
    arm : str
        The kind that was chosen.
    config : TrainConfig
        Its configuration.
    run : Run
        Its network.
    report : StructureReport
        What emerged in it.
    sizes : Sizes
        What the time allowed.
    scores : dict
        {arm: test score, mean over fresh seeds}, as long as they were trained to be compared.
    score : float
        Test score of the network.
    """

    text: str
    outcomes: list[Outcome]
    front: list[Point]
    points: list[Point]
    arm: str
    config: TrainConfig
    run: Run
    report: StructureReport
    sizes: Sizes
    scores: dict[str, float]
    score: float

    @property
    def pays(self) -> list[str]:
        """Names of the dials that pay."""
        return [outcome.dial.name for outcome in self.outcomes if outcome.pays]
