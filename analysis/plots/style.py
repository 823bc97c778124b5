"""The look the figures share: sizes, colours that survive colour blindness and grey printing, and
argument checks.

Draws nothing itself. Figures are made without pyplot, so no display, no global state and nothing to
close.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from analysis.network import Floats

# From Okabe & Ito (2008): readers with any common colour blindness tell these six apart, and blue
# is also clearly darker than orange in grey.
BLUE = "#0072B2"
ORANGE = "#E69F00"  # of the six
GREEN = "#009E73"  # of the six
VERMILION = "#D55E00"  # of the six
PURPLE = "#CC79A7"  # of the six
SKY = "#56B4E9"  # of the six

# The two signs of a weight: the eye parts blue and vermilion best of the six.
POSITIVE = BLUE
NEGATIVE = VERMILION  # see above

# By judgement.
INK = "#222222"  # text: near black
GREY = "#777777"  # frames
PALE = "#E4EAF0"  # a tint that white cells still stand out from

# Points. The smallest size that a journal column keeps readable.
FONT = 8

# Lightness falls steadily, and the faintest entry is already far from the white of an exact zero.
MAGNITUDE = LinearSegmentedColormap.from_list(
    "magnitude", ["#F2A65A", "#D1495B", "#6A2C70", "#16122B"]
)
# White at zero (hence an odd number of colours), blue for positive, vermilion for negative, and
# both ends equally dark.
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#7A2E00", VERMILION, "#FFFFFF", BLUE, "#003A5C"], N=257
)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` inches, laid out so that no label is cut off."""
    return Figure(figsize=(width, height), dpi=200, layout="constrained")


def titled(figure: Figure, title: str | None, size: float = FONT + 3) -> Figure:
    """Write `title` above the figure, unless it is None or empty, and return the figure."""
    if title:
        figure.suptitle(title, fontsize=size, color=INK)
    return figure


def short(value: object) -> str:
    """A setting in a few characters: numbers to three digits, whole ones to six, none for NaN."""
    if not isinstance(value, int | float | np.number):
        return str(value)
    if value != value:
        return "none"
    return f"{value:g}" if float(value).is_integer() else f"{value:.3g}"


def plain_axes(axes: Axes) -> None:
    """Take the top and right frame lines away and set the small type."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=FONT)
    axes.xaxis.label.set_fontsize(FONT + 1)
    axes.yaxis.label.set_fontsize(FONT + 1)


def square_matrix(weights: ArrayLike, name: str = "weights") -> Floats:
    """`weights` as a finite float array of shape `(S, S)`.

    Raises
    ------
    ValueError
        Naming the argument as `name`, for another shape and for NaN or infinity.
    """
    array = np.asarray(weights, dtype=float)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} must be a square matrix, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    return array
