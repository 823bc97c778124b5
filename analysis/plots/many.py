"""What figures of many networks share: equal columns, scales over decades, names, a colour bar."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike

from analysis.arrays import Floats
from analysis.plots.style import FONT, MAGNITUDE, plain_axes

# Ratio of largest to smallest above which an axis is logarithmic. By judgement.
DECADE = 10.0


def columns(*columns: ArrayLike) -> tuple[np.ndarray, ...]:
    """Arrays of the same length, which is not 0."""
    arrays = tuple(np.asarray(column) for column in columns)
    if any(array.ndim != 1 or len(array) != len(arrays[0]) for array in arrays):
        raise ValueError(
            f"one entry a network is needed in each, got shapes {[array.shape for array in arrays]}"
        )
    if not len(arrays[0]):
        raise ValueError("no network to draw")
    return arrays


def norm_of(numbers: Floats) -> Normalize:
    """From the smallest to the largest finite number; around it where they are the same."""
    low = np.nanmin(numbers)
    high = np.nanmax(numbers)
    return Normalize(low, high) if high > low else Normalize(low - 1, low + 1)


def spread_out(axes: Axes, which: str, values: np.ndarray) -> None:
    """A logarithmic scale for numbers that span more than a decade, on the axis `which` ("x", "y").

    Where there is a 0 the scale is linear below the smallest other number.
    """
    if not np.issubdtype(values.dtype, np.number):
        return
    positive = values[values > 0]
    if not len(positive) or values.min() < 0 or positive.max() <= DECADE * positive.min():
        return

    set_scale = getattr(axes, f"set_{which}scale")
    if len(positive) < len(values):
        set_scale("symlog", linthresh=positive.min())
        return
    set_scale("log")
    # An axis with few powers of ten names what lies between them too.
    if positive.max() < DECADE**2 * positive.min():
        axis = getattr(axes, f"{which}axis")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def dot_size(n: int) -> float:
    """Square points of a dot, so that n of them leave gaps."""
    return float(np.clip(4000 / n, 3, 18))


def name_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Name both axes, in the plain look of all figures."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    plain_axes(axes)


def colour_scale(figure: Figure, axes: Axes, norm: Normalize, numbers: Floats) -> Colorbar:
    """The colour scale beside `axes`; a single tick where all numbers are the same."""
    bar = figure.colorbar(ScalarMappable(norm, MAGNITUDE), ax=axes, shrink=0.8, pad=0.02)
    if np.nanmin(numbers) == np.nanmax(numbers):
        bar.set_ticks([np.nanmin(numbers)], labels=[f"{np.nanmin(numbers):.4g}"])
    bar.ax.tick_params(labelsize=FONT)
    return bar
