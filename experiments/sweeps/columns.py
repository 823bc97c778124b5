"""The columns that a sweep keeps of every network. Nothing is measured here."""

EFFECTS = {
    "fully_connected": "block_density",
    "locally_connected": "locality_ratio",
    "convolutional": "kernel_share",
    "residual": "skip_share",
    "recurrent": "reuse_share",
    "modular": "coherence",
}
"""What the effect of each verdict is called in a table."""

UNLEARNED = "nothing learned"
"""The architecture of a network at chance: what shape its remains have says nothing."""


def columns_of_verdict(name: str) -> dict[str, str]:
    """The columns of a verdict, with what they hold: whether it is there, its p, its effect."""
    return {name: "INTEGER", f"{name}_p": "REAL", EFFECTS[name]: "REAL"}


COLUMNS = {
    "architecture": "TEXT",
    "summary": "TEXT",
    "validation_accuracy": "REAL",
    "test_accuracy": "REAL",
    "loss": "REAL",
    "living_neurons": "INTEGER",
    "connections": "INTEGER",
    "used_neurons": "INTEGER",
    "used_connections": "INTEGER",
    "density": "REAL",
    "depth": "INTEGER",
    "widths": "TEXT",
    "path_depth": "REAL",
    "path_depth_spread": "REAL",
    **{column: kind for name in EFFECTS for column, kind in columns_of_verdict(name).items()},
    "seconds": "REAL",
    "analysis_seconds": "REAL",
}
"""Columns of every sweep; the loss terms come on top, as R_weight and so on.

used: on a path from inputs to outputs. density: used connections over ordered pairs of used
neurons. path_depth: nonlinear nodes on a path, mean over the flow, and its standard deviation. A
verdict is 0 or 1, with its p and its effect, which is missing where there was nothing to judge.
"""

LATER = columns_of_verdict("modular")
"""Columns that stores begun before lack. They are read as missing, and added once such a store is
trained on: what older programs read stays as it was, so the version of the store does too."""
