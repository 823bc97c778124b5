"""What a page may ask for: each message a model that refuses what it does not know.

Values of the configuration are checked where they always are, by `TrainConfig`. The bounds here are
those of a session: how large a network may be, and how long a message.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from urn.errors import InputError, shown
from urn.settings.fields import Amount, Count, Number, Strict, Whole

LARGEST_NETWORK = 1000
"""S. By judgement: a step of a larger network takes longer than one likes to wait for."""
MOST_ITERATIONS = 12
"""I. By judgement: more layers than a screen has room for."""
MOST_SILENCED = 1000
"""Neurons; as many as a network may have."""
TASKS = ("digits", "mnist1d", "shells", "carry", "ring_field", "parity", "halves")
"""Tasks that read no file: a page must not choose what is read from the disk."""
TWINS = ("random_labels", "shuffled_positions")
"""What if: the twins of data that a button starts."""
DIALS = ("weight", "bias", "activity", "depth", "self", "locality", "symmetry", "outgoing", "w0")
"""Names of dials, but for q."""

Dial = Literal[
    "weight", "bias", "activity", "depth", "self", "locality", "symmetry", "outgoing", "w0", "q"
]
Seed = Annotated[Whole, Field(ge=0, lt=2**31)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")]


class Hello(Strict):
    """Tell everything again: a page has opened."""


class Run(Strict):
    """Train."""


class Pause(Strict):
    """Train no further."""


class Step(Strict):
    """Train so many steps, then pause."""

    n: Annotated[Whole, Field(ge=1, le=1000)] = 1


class Back(Strict):
    """Show the network as it was after so many steps, and pause."""

    step: Count


class Turned(Strict):
    """Turn a dial of the running network."""

    name: Dial
    value: Annotated[Amount, Field(le=1e6)]


class FromPreset(Strict):
    """Start the network of a preset."""

    name: Annotated[str, Field(max_length=40)]
    seed: Seed = 0


class Start(Strict):
    """Start a new network with other fields; strengths are those of now, or as given."""

    task: Literal["digits", "mnist1d", "shells", "carry"] | None = None
    n_neurons: Annotated[Whole, Field(ge=2, le=LARGEST_NETWORK)] | None = None
    n_iterations: Annotated[Whole, Field(ge=1, le=MOST_ITERATIONS)] | None = None
    seed: Seed | None = None
    rate: Annotated[Number, Field(gt=0, le=1)] | None = None
    dials: Annotated[dict[Dial, Amount], Field(max_length=len(DIALS) + 1)] = Field(default={})
    places: bool | None = None
    preset: Annotated[str, Field(max_length=40)] | None = None


class WhatIf(Strict):
    """Start the same network on labels in a random order, or on inputs at shuffled places."""

    kind: Literal["random_labels", "shuffled_positions"]
    on: bool = True


class Silence(Strict):
    """Measure what is left without these neurons; training goes on with them."""

    neurons: Annotated[tuple[Count, ...], Field(max_length=MOST_SILENCED)] = ()


class Order(Strict):
    """Sort W by the layers of the moment, or by place."""

    by: Literal["layers", "place"]


class Save(Strict):
    """Write a run folder of this name."""

    name: Name


Message = Any
"""One of the models of this module."""

MODELS: dict[str, type[Strict]] = {
    "hello": Hello,
    "run": Run,
    "pause": Pause,
    "step": Step,
    "back": Back,
    "dial": Turned,
    "preset": FromPreset,
    "start": Start,
    "whatif": WhatIf,
    "silence": Silence,
    "order": Order,
    "save": Save,
}
"""Models by what a message says in `do`."""


def read(fields: dict[str, Any]) -> Message:
    """The message in an object that a page sent.

    Raises
    ------
    InputError
        For one that is none.
    """
    do = fields.get("do")
    if not isinstance(do, str) or do not in MODELS:
        raise InputError(f"do: must be one of {', '.join(MODELS)}, not {shown(do)}")
    return MODELS[do](**{str(name): value for name, value in fields.items() if name != "do"})
