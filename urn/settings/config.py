"""`TrainConfig`: the one description of a training run.

TOML files, flags and docs are derived from it.
"""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, model_validator

# Both names are defined elsewhere (`urn.data.options`, `urn.settings.registry`). They are imported
# from these two modules because those fill the lists of tasks and terms that they check against.
from urn.data.tasks import task_options
from urn.errors import InputError
from urn.loss.penalties import check_names
from urn.settings.fields import Amount, Count, Number, Positive, Strict, Whole
from urn.settings.schedules import Movable, Schedule, Scheduled, values_of

Rate = Annotated[Number, Field(ge=0, lt=1)]
"""The share of a running mean that a step leaves as it was."""
MOST_SCALE = 100
"""Largest multiple of He's weights. By judgement: four iterations then grow by 1e8, and their
squares are still numbers in float32."""
MOST_POWER = 100
"""Largest q. By judgement: distances are at most about 1, and their powers stay numbers."""
Chance = Annotated[Number, Field(ge=0, le=1)]
"""A probability."""


class GrowthRule(Strict):
    """The `growth` table of a configuration. As it stands: the rule and the numbers of Miconi 2016.

    The outgoing norm of neuron j is (sum_i |W_ij| over outputs + d_out mean_i |W_ij| over others
    that are alive) / 2.
    """

    start: Positive = Field(default=1, description="hidden neurons at the beginning")
    cap: Positive | None = Field(
        default=None, description="most hidden neurons (default: all that S holds)"
    )
    reserve: Count = Field(default=1, description="k: neurons below the threshold that are kept")
    threshold: Amount = Field(
        default=0.05, description="T_D: outgoing norm at or below which a neuron is in reserve"
    )
    delete_probability: Chance = Field(
        default=0.05, description="with which a neuron beyond the reserve dies, at each decision"
    )
    add_probability: Chance = Field(
        default=0.01, description="with which one is born while the reserve is too small"
    )
    spontaneous_probability: Chance = Field(
        default=1e-4, description="with which one is born at any time"
    )
    every: Positive = Field(default=1, description="updates between decisions")
    spare: Literal["chance", "young", "old", "gradient"] = Field(
        default="chance",
        description="who stays when the reserve is too large; gradient: those whose outgoing "
        "weights are asked for most",
    )
    youth: Count = Field(default=0, description="updates in which a newborn cannot die")
    inherit: bool = Field(
        default=False, description="newborns hear what the last dead neuron heard"
    )
    newborn_scale: Amount = Field(
        default=0.01, description="standard deviation of a newborn's incoming weights"
    )
    newborn_norm: Amount = Field(
        default=0.5, description="outgoing norm of a newborn, in thresholds"
    )
    newborn_second_moment: Amount = Field(
        default=0.0, description="what the optimiser remembers of a newborn's squared gradients"
    )


class TrainConfig(Strict):
    """Everything that decides how a network is trained; immutable and validated.

    Every field is a flag of `urn train`, whose `--help` says what it means.

    Raises
    ------
    InputError
        Naming every field that cannot be and what would be right.
    """

    task: str = Field(
        default="digits",
        description="name of the task: shells, digits, mnist1d, idx, file, carry,"
        " adding, miconi_easy, miconi_hard, miconi_switch",
    )
    task_options: dict = Field(default={}, description="options of the task, as a table")
    n_neurons: Annotated[Whole, Field(ge=2, le=100_000)] = Field(
        default=300, description="S, inputs and outputs included"
    )
    n_iterations: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        default=4,
        description="I, how often W is applied (symbol streams: symbols per update;"
        " sequences: their length)",
    )
    activation: Literal["relu", "tanh"] = "relu"
    input_mode: Literal["pulse", "clamped", "elman"] = Field(
        default="pulse",
        description="input at l = 0 only, or put back every iteration;"
        " elman: streams read out from hidden neurons alone (sequences are read as such)",
    )
    initial_scale: Annotated[Number, Field(gt=0, le=MOST_SCALE)] = Field(
        default=1.0,
        description="the first weights, as a multiple of He's; with self_target 1 and many"
        " iterations a small one, or states explode",
    )
    steps: Count = Field(default=4000, description="updates")
    stationary: Count = Field(
        default=0,
        description="end before that, at so many rows of history in a row at which no weight came"
        " or went and the objective had not fallen (0: never)",
    )
    stationary_tolerance: Amount = Field(
        default=1e-3, description="the share of itself by which the objective may fall in them"
    )
    batch_size: Positive = Field(
        default=128, description="samples (symbol streams: streams) in an update"
    )
    learning_rate: Scheduled = Schedule(value=2e-3, milestones=(0.7,), factor=0.2)
    optimiser: Literal["proximal_adam", "rmsprop"] = Field(
        default="proximal_adam",
        description="rmsprop: changes clipped at `clip`,"
        " prices taken off every step as they are (Miconi 2016)",
    )
    betas: tuple[Rate, Rate] = Field(
        default=(0.9, 0.999), description="Adam's; the second is RMSProp's decay"
    )
    epsilon: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=1e-8, description="Adam's; RMSProp has it under the root"
    )
    clip: Annotated[Number, Field(gt=0)] = Field(
        default=1e-2, description="largest change of a weight in a step of rmsprop"
    )
    strengths: dict[str, Scheduled] = Field(
        default={"weight": Schedule(value=3e-4)},
        description="c of each term, a number or a schedule",
    )
    locality_power: Movable = Field(
        default=1.0, description="q in dist^q, over 0 and at most 100; a number or a schedule"
    )
    locality_floor: Amount = Field(default=0.0, description="what a wire of length 0 costs")
    self_target: Movable = Field(
        default=0.0,
        description="w0 of the self term: 0 prices carrying, 1 change; a number or a schedule",
    )
    shared_step: bool = Field(
        default=True,
        description="with the symmetry term, let what is shared take an Adam step of its own;"
        " without, only the price shares",
    )
    hidden_positions: Literal["none", "learned", "lattice"] = Field(
        default="none", description="where hidden neurons sit"
    )
    channels: Count = Field(
        default=0,
        description="hidden channels of the lattice; S = inputs + channels x sites + outputs",
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=0, description="seed of the weights and of the data order"
    )
    growth: GrowthRule | None = Field(
        default=None,
        description="a table: start small, neurons are born and die (default: no growth)",
    )
    remove_dead: bool = Field(
        default=True, description="drop neurons that can never fire or learn again (exact)"
    )
    remove_dangling: Count = Field(
        default=0,
        description="drop neurons that were idle (no path to an output) at so many checks in a row"
        " (0: never; not exact)",
    )
    check_every: Positive = Field(default=50, description="steps between checks for dead neurons")
    log_every: Positive = Field(default=100, description="steps between rows of history.csv")
    snapshots: Count = Field(
        default=10, description="how many snapshots of W to keep, evenly over training"
    )
    checkpoint_seconds: Annotated[Number, Field(gt=0)] = Field(
        default=20.0, description="seconds between checkpoints of a run folder"
    )
    device: str = Field(
        default="cpu", pattern=r"^(cpu|cuda(:[0-9]{1,3})?)$", description="cpu, cuda or cuda:N"
    )
    dtype: Literal["float32", "float64"] = "float32"

    # Fields take more than they hold: a number or a table where a Schedule is held, a list for a
    # tuple. A type checker would refuse these, so that it is shown no field; validation knows all.
    if TYPE_CHECKING:

        def __init__(self, **values: Any) -> None: ...

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        check_names(self.strengths)
        task_options(self.task, self.task_options)
        self._check_power()
        self._check_positions()
        self._check_optimiser()
        return self

    def _check_power(self) -> None:
        """Raise InputError for a power of distance that is not over 0 and at most 100."""
        for value in values_of(self.locality_power):
            if not 0 < value <= MOST_POWER:
                raise InputError(
                    f"locality_power: must be over 0 and at most {MOST_POWER}, not {value:g}"
                )

    def _check_positions(self) -> None:
        """Raise InputError for a term, a lattice or growth that needs other positions."""
        if "locality" in self.strengths and self.hidden_positions == "none":
            raise InputError("strengths.locality: needs hidden_positions, learned or lattice")
        if "symmetry" in self.strengths and self.hidden_positions != "lattice":
            raise InputError("strengths.symmetry: needs hidden_positions = lattice")

        is_lattice = self.hidden_positions == "lattice"
        if (self.channels > 0) != is_lattice:
            needs = "at least 1 with" if is_lattice else "0 without"
            raise InputError(
                f"channels: must be {needs} hidden_positions = lattice, not {self.channels}"
            )
        if self.growth is not None and is_lattice:
            raise InputError(
                "growth: neurons of a lattice come and go by whole channels;"
                " use hidden_positions learned or none"
            )

    def _check_optimiser(self) -> None:
        """Raise InputError for what an optimiser cannot do."""
        if self.optimiser == "rmsprop" and {"self", "symmetry"} & set(self.strengths):
            raise InputError(
                "optimiser: rmsprop knows no self and no symmetry term; use proximal_adam"
            )
        if self.betas[0] ** 2 >= self.betas[1]:
            raise InputError(
                f"betas: {self.betas}: the square of the first must be below the second,"
                " or removal is not exact"
            )

    def replace(self, **changes: Any) -> "TrainConfig":
        """A copy with some fields changed, validated again."""
        return TrainConfig(**{**self.to_dict(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Plain TOML types.

        Fields at their default are included, so that a run stays what it was when defaults change.
        """
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """As the text of a TOML file."""
        return tomli_w.dumps(self.to_dict())


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file; InputError names the file."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from None
    except (ValueError, RecursionError) as error:  # RecursionError: thousands of nested brackets
        raise InputError(f"{path}: not TOML: {error}") from None
