"""Arrays and values as small JSON: typed arrays in base64, NaN as null."""

import base64

import numpy as np
from numpy.typing import ArrayLike


def packed(array: ArrayLike, dtype: str) -> dict[str, str]:
    """A flat array for a JavaScript typed array.

    Parameters
    ----------
    array : array
        Of any shape.
    dtype : str
        "f4", "u1", "u2", "u4" or "i2", little-endian. Floats beyond its range become its largest.

    Returns
    -------
    dict
        {"type": dtype, "data": base64}.

    Raises
    ------
    ValueError
        For whole numbers beyond the range of `dtype`.
    """
    values = np.ascontiguousarray(array)
    if dtype[0] in "ui" and values.size:
        limits = np.iinfo(dtype)
        if values.min() < limits.min or values.max() > limits.max:
            raise ValueError(f"values from {values.min()} to {values.max()} do not fit {dtype}")

    # float32 has no room for the largest float64: infinity would not draw.
    if dtype[0] == "f":
        values = np.clip(values, np.finfo(dtype).min, np.finfo(dtype).max)
    return {"type": dtype, "data": base64.b64encode(values.astype(f"<{dtype}").tobytes()).decode()}


def plain(value: object) -> object:
    """Plain JSON types; what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
