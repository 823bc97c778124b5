"""Networks that are known to become something, named by what they become.

The settings are those of claims at quick scale (`experiments.claims`), or of the main job on
digits (`experiments.digits`); tests hold them against those.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A network to start.

    Attributes
    ----------
    title : str
        What it becomes.
    why : str
        Why it becomes that, in one sentence.
    verdict : str
        The verdict that says so.
    fields : dict
        Of the configuration; `steps` are those that its claim trains for.
    """

    title: str
    why: str
    verdict: str
    fields: dict[str, Any]


# The depth term is warmed up, or layers die before they form.
_SHELLS = {
    "task": "shells",
    "n_neurons": 400,
    "n_iterations": 4,
    "steps": 4000,
    "learning_rate": {"value": 2e-3, "milestones": [0.7], "factor": 0.2},
    "strengths": {
        "weight": {"value": 3e-4, "milestones": [0.2], "factor": 0.333},
        "activity": 1e-3,
        "bias": 3e-3,
        "self": 1.0,
        "depth": {"value": 0.1, "warmup": 1000, "milestones": [0.5], "factor": 5},
    },
}

# A reserve of eight that is filled quickly, as in the claim `grow_urn`.
_GROWTH = {
    "reserve": 8,
    "add_probability": 0.5,
    "delete_probability": 0.2,
    "every": 2,
    "spare": "gradient",
    "youth": 50,
    "threshold": 0.05,
    "newborn_scale": 0.3,
    "newborn_norm": 1.0,
}

# Prices under which neurons serve again, as in the claim `recurrent`.
_REUSING = {"weight": 5e-5, "activity": 1e-4, "bias": 1e-3}

# In the order of the buttons.
PRESETS = {
    "layered": Preset(
        "layered",
        "The depth term charges a neuron that fires at two iterations, so each settles in one, "
        "and layers appear.",
        "fully_connected",
        _SHELLS,
    ),
    "local": Preset(
        "local",
        "Long wires cost more than short ones, so each neuron keeps only the pixels around its "
        "own place.",
        "locally_connected",
        {
            "task": "digits",
            "n_neurons": 150,
            "n_iterations": 3,
            "steps": 1000,
            "batch_size": 100,
            "locality_power": 2.0,
            "hidden_positions": "learned",
            "learning_rate": {"value": 3e-3, "milestones": [0.6, 0.85], "factor": 0.2},
            "strengths": {"locality": 5e-2},
        },
    ),
    "convolutional": Preset(
        "convolutional",
        "Any difference between one site and the next costs, and so do long wires, so all sites "
        "end with the same small kernel.",
        "convolutional",
        {
            "task": "mnist1d",
            "task_options": {"ring": True},
            "hidden_positions": "lattice",
            "channels": 8,
            "n_neurons": 370,
            "n_iterations": 4,
            "steps": 2000,
            "batch_size": 100,
            "learning_rate": {"value": 3e-3, "milestones": [0.6, 0.85], "factor": 0.2},
            "strengths": {"locality": 3e-3, "symmetry": 1e-1},
            "locality_power": 4.0,
        },
    ),
    "residual": Preset(
        "residual",
        "With w0 = 1 a neuron hands on its own value for free and pays for any change, so values "
        "are carried past layers.",
        "residual",
        {
            "task": "digits",
            "n_neurons": 150,
            "n_iterations": 4,
            "steps": 1200,
            "self_target": 1.0,
            "strengths": {**_REUSING, "self": 1.0},
        },
    ),
    "recurrent": Preset(
        "recurrent",
        "Nothing charges a neuron that fires again, so the same neurons compute at every "
        "iteration.",
        "recurrent",
        {
            "task": "digits",
            "n_neurons": 150,
            "n_iterations": 4,
            "steps": 1200,
            "strengths": dict(_REUSING),
        },
    ),
    "grown": Preset(
        "grown from one",
        "It starts with one hidden neuron; neurons are born while the reserve is small, and those "
        "that send little die.",
        "fully_connected",
        {**_SHELLS, "growth": {**_GROWTH, "cap": 300}},
    ),
}
