"""The columns that a sweep keeps of every network. Nothing is measured here."""

EFFECTS = {
    "fully_connected": "block_density",
    "locally_connected": "locality_ratio",
    "convolutional": "kernel_share",
    "residual": "skip_share",
    "recurrent": "reuse_share",
}
"""What the effect of each verdict is called in a table."""

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
    **{
        column: kind
        for name in EFFECTS
        for column, kind in ((name, "INTEGER"), (f"{name}_p", "REAL"), (EFFECTS[name], "REAL"))
    },
    "seconds": "REAL",
    "analysis_seconds": "REAL",
}
"""Columns of every sweep; the loss terms come on top, as R_weight and so on.

used: on a path from inputs to outputs. density: used connections over ordered pairs of used
neurons. path_depth: nonlinear nodes on a path, mean over the flow, and its standard deviation. A
verdict is 0 or 1, with its p and its effect, which is missing where there was nothing to judge.
"""
