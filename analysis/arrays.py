"""Names for the kinds of arrays that this package passes around. Nothing else."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

Matrix: TypeAlias = Any
"""A dense array or a SciPy sparse one; SciPy comes without types."""
