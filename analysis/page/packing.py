"""Arrays and values as small JSON: typed arrays in base64, NaN as null."""

import base64

import numpy as np


def packed(array, dtype: str) -> dict:
    """A flat array as {"type", "data"}: little-endian `dtype` ("f4", "u2", ...) in base64, for a JavaScript typed array."""
    array = np.ascontiguousarray(array)
    if dtype[0] in "ui" and array.size:
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise ValueError(f"values from {array.min()} to {array.max()} do not fit {dtype}")
    if dtype[0] == "f":
        array = np.clip(array, np.finfo(dtype).min, np.finfo(dtype).max)
    return {"type": dtype, "data": base64.b64encode(array.astype(f"<{dtype}").tobytes()).decode()}


def plain(value: object) -> object:
    """Plain JSON types; what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
