"""Receptive fields and kernels: what of the input a neuron reads, as strips or small images.

Draws given weights; does not measure locality or weight sharing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from analysis.network import Floats
from analysis.plots.style import FONT, GREY, INK, SIGNED, new_figure, plain_axes, titled

# Neurons in a figure. By judgement: more of them would be too small to read.
MOST_PANELS = 100

# Bins along an axis of scattered positions. By judgement: as fine as a small image shows.
MOST_BINS = 64

# Row and column of a panel's first pixel.
Corner = tuple[int, int]


def receptive_fields(
    weights: ArrayLike,
    positions: ArrayLike,
    *,
    labels: Sequence[object] | None = None,
    max_neurons: int = MOST_PANELS,
    title: str | None = None,
) -> Figure:
    """Incoming weights of each neuron, laid out by the positions of their sources.

    On a line every neuron is one strip, sorted by the centre of its field, so local wiring shows as
    a diagonal band. In a plane every neuron is a small image, in reading order of the centres. Each
    neuron is scaled to its own largest |weight|: blue positive, vermilion negative, white zero.
    Where several sources share a position the largest is shown.

    Parameters
    ----------
    weights : (T, N) array
        From N sources to T neurons. Neurons without any weight are left out.
    positions : (N, 1) or (N, 2) array
        Of the sources, x before y, y growing downwards as in images.
    labels : sequence of T names, or None
        Shown beside strips or over images; the row numbers when None.
    max_neurons : int
        The neurons with the most weight are shown above this number, and the figure says so.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For shapes that do not fit, values that are not finite, no neuron with a weight, and
        `max_neurons` under 1.
    """
    weights = np.asarray(weights, dtype=float)
    positions = np.asarray(positions, dtype=float)
    _check_fields(weights, positions, max_neurons)
    texts = [str(label) for label in (range(len(weights)) if labels is None else labels)]
    if len(texts) != len(weights):
        raise ValueError(f"labels must name {len(weights)} neurons, got {len(texts)}")

    mass = np.abs(weights).sum(axis=1)
    n_fields = np.count_nonzero(mass)
    shown = np.argsort(-mass, kind="stable")[: min(max_neurons, n_fields)]
    if not shown.size:
        raise ValueError("weights must hold at least one that is not zero")
    note = f"{len(shown)} neurons"
    if len(shown) < n_fields:
        note = f"{len(shown)} of {n_fields} neurons, those with the most weight"

    centre = np.abs(weights[shown]) @ positions / mass[shown, None]  # (shown, dim)
    if positions.shape[1] == 1:
        shown = shown[np.argsort(centre[:, 0], kind="stable")]
        images = _raster(weights[shown], positions)[:, 0]
        figure = _strips(images, positions[:, 0], [texts[row] for row in shown], note)
    else:
        columns = int(np.ceil(np.sqrt(len(shown))))
        shown = shown[_reading_order(centre, columns)]
        images = _raster(weights[shown], positions)
        figure = _mosaic(images, columns, [texts[row] for row in shown], note)
    return titled(figure, title)


def kernels(kernels: ArrayLike, *, title: str | None = None) -> Figure:
    """Kernels of a convolution: a row of panels an output channel, a column an input channel.

    Parameters
    ----------
    kernels : (outputs, inputs, k) or (outputs, inputs, height, width) array
        On one colour scale for all, so that weak kernels look weak.
    title : str or None
        Shown above.

    Raises
    ------
    ValueError
        For other shapes and values that are not finite.
    """
    kernels = np.asarray(kernels, dtype=float)
    if kernels.ndim not in (3, 4) or 0 in kernels.shape or not np.isfinite(kernels).all():
        raise ValueError(
            "kernels must be finite, (outputs, inputs, k) or (.., height, width),"
            f" got {kernels.shape}"
        )
    outputs, inputs = kernels.shape[:2]
    # A one-dimensional kernel is drawn three pixels high, so that it reads like a bar code.
    panels = kernels if kernels.ndim == 4 else np.repeat(kernels[:, :, None, :], 3, axis=2)
    panels = panels.reshape(outputs * inputs, *panels.shape[2:])
    largest = np.abs(panels).max() or 1.0

    canvas, corners = _tile(panels / largest, inputs)
    pixel = min(0.11, 6.2 / canvas.shape[1], 8.0 / canvas.shape[0])  # inches
    figure = new_figure(pixel * canvas.shape[1] + 1.4, max(pixel * canvas.shape[0], 1.0) + 0.8)
    axes = figure.add_subplot()
    _draw_panels(axes, canvas, corners, panels.shape[1:])

    across = [corners[k][1] + panels.shape[2] / 2 - 0.5 for k in range(inputs)]
    down = [corners[k * inputs][0] + panels.shape[1] / 2 - 0.5 for k in range(outputs)]
    axes.set_xticks(across[:: _every(inputs)], _numbers(inputs))
    axes.set_yticks(down[:: _every(outputs)], _numbers(outputs))
    axes.tick_params(length=0, labelsize=FONT)
    axes.set_xlabel("input channel", fontsize=FONT + 1)
    axes.set_ylabel("output channel", fontsize=FONT + 1)
    _sign_bar(figure, axes, largest, "weight")
    return titled(figure, title)


def _check_fields(weights: Floats, positions: Floats, max_neurons: int) -> None:
    """ValueError naming the argument of `receptive_fields` that does not fit."""
    if weights.ndim != 2 or not np.isfinite(weights).all():
        raise ValueError(
            f"weights must be a finite matrix (neurons, sources), got shape {weights.shape}"
        )
    n_sources = weights.shape[1]
    if positions.ndim != 2 or len(positions) != n_sources or positions.shape[1] not in (1, 2):
        raise ValueError(f"positions must have shape ({n_sources}, 1 or 2), got {positions.shape}")

    if not np.isfinite(positions).all():
        raise ValueError("positions must be finite")
    if max_neurons < 1:
        raise ValueError(f"max_neurons must be at least 1, got {max_neurons}")


def _raster(weights: Floats, positions: Floats) -> Floats:
    """Weights `(T, N)` as images `(T, height, width)`, each scaled to its largest |weight|.

    Height is 1 on a line.
    """
    axes = positions.T[::-1]  # y before x
    shape = [_n_bins(coordinate) for coordinate in axes]
    bins = [_bins(coordinate, size) for coordinate, size in zip(axes, shape, strict=True)]
    flat = bins[0] if len(bins) == 1 else bins[0] * shape[1] + bins[1]

    # Sources are written weakest first: where several share a position the largest stays.
    order = np.argsort(np.abs(weights), axis=1, kind="stable")
    images = np.zeros((len(weights), int(np.prod(shape))))
    rows = np.arange(len(weights))
    for column in order.T:
        images[rows, flat[column]] = weights[rows, column]
    images /= np.abs(images).max(axis=1, keepdims=True)
    return images.reshape(len(weights), *([1, *shape] if len(shape) == 1 else shape))


def _n_bins(coordinate: Floats) -> int:
    """Bins along an axis: the sites of a lattice where there are few, `MOST_BINS` at most."""
    return min(len(np.unique(np.round(coordinate, 6))), MOST_BINS)


def _bins(coordinate: Floats, size: int) -> NDArray[np.int64]:
    """Which of `size` even bins each coordinate falls into."""
    span = np.ptp(coordinate)
    if span == 0:
        return np.zeros(len(coordinate), dtype=int)
    return np.round((coordinate - coordinate.min()) / span * (size - 1)).astype(int)


def _reading_order(centre: Floats, columns: int) -> NDArray[np.int64]:
    """Row after row from the top, left to right within a row of `columns`."""
    by_height = np.argsort(centre[:, 1], kind="stable")
    row = np.empty(len(centre), dtype=int)
    row[by_height] = np.arange(len(centre)) // columns
    return np.lexsort((centre[:, 0], row))


def _strips(images: Floats, coordinate: Floats, labels: list[str], note: str) -> Figure:
    """A figure of fields on a line: a row of pixels for each neuron."""
    figure = new_figure(5.2, float(np.clip(0.8 + 0.11 * len(images), 1.8, 7.5)))
    axes = figure.add_subplot()
    low = coordinate.min()
    high = coordinate.max()
    half = (high - low or 1.0) / max(images.shape[1] - 1, 1) / 2
    axes.imshow(
        images,
        cmap=SIGNED,
        vmin=-1,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=(low - half, high + half, len(images) - 0.5, -0.5),
    )
    gaps = [[(low - half, row - 0.5), (high + half, row - 0.5)] for row in range(1, len(images))]
    axes.add_collection(LineCollection(gaps, colors="white", linewidths=0.5))

    step = max(1, -(-len(images) // 60))
    axes.set_yticks(range(0, len(images), step), labels[::step])
    plain_axes(axes)
    axes.tick_params(axis="y", length=0, labelsize=FONT - 2 if len(images) > 30 else FONT)
    axes.set_xlabel("position of the source")
    axes.set_ylabel(f"neuron, by centre of its field ({note})")
    _sign_bar(figure, axes, 1.0, "weight / largest |weight| of the neuron")
    return figure


def _mosaic(images: Floats, columns: int, labels: list[str], note: str) -> Figure:
    """A figure of fields in a plane: a small image for each neuron."""
    canvas, corners = _tile(images, columns, gap=3)
    width = 5.0
    figure = new_figure(width + 1.2, width * canvas.shape[0] / canvas.shape[1] + 0.5)
    axes = figure.add_subplot()
    _draw_panels(axes, canvas, corners, images.shape[1:])

    centred: dict[str, Any] = {
        "fontsize": float(np.clip(72 * width / columns / 9, 3.5, FONT)),
        "ha": "center",
        "va": "bottom",
        "color": INK,
    }
    for (top, left), label in zip(corners, labels, strict=True):
        axes.text(left + images.shape[2] / 2 - 0.5, top - 0.8, label, **centred)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(note, fontsize=FONT + 1)
    _sign_bar(figure, axes, 1.0, "weight / largest |weight| of the neuron")
    return figure


def _tile(panels: Floats, columns: int, gap: int = 1) -> tuple[Floats, list[Corner]]:
    """Panels `(P, height, width)` on one canvas, zeros between them, and the corner of each."""
    height = panels.shape[1] + gap
    width = panels.shape[2] + gap
    rows = -(-len(panels) // columns)
    canvas = np.zeros((rows * height + gap, min(columns, len(panels)) * width + gap))
    corners = [(gap + k // columns * height, gap + k % columns * width) for k in range(len(panels))]
    for panel, (top, left) in zip(panels, corners, strict=True):
        canvas[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
    return canvas, corners


def _draw_panels(
    axes: Axes, canvas: Floats, corners: Sequence[Corner], shape: tuple[int, ...]
) -> None:
    """The canvas and a thin frame around each panel."""
    axes.imshow(canvas, cmap=SIGNED, vmin=-1, vmax=1, interpolation="nearest")
    height, width = shape
    box = np.array([[0, 0], [0, height], [width, height], [width, 0], [0, 0]])[:, ::-1] - 0.5
    frames = [np.array([left, top]) + box[:, [1, 0]] for top, left in corners]
    axes.add_collection(LineCollection(frames, colors=GREY, linewidths=0.4))
    axes.spines[:].set_visible(False)


def _sign_bar(figure: Figure, axes: Axes, largest: float, label: str) -> None:
    """The colour scale of signed weights, from -largest to largest."""
    scale = ScalarMappable(Normalize(-largest, largest), SIGNED)
    bar = figure.colorbar(scale, ax=axes, shrink=0.7, pad=0.02, aspect=25)
    bar.set_label(label, fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT)


def _every(count: int) -> int:
    """Label every n-th of `count` rows, so that at most about 20 are labelled."""
    return max(1, -(-count // 20))


def _numbers(count: int) -> list[str]:
    """The labels of the rows that are labelled."""
    return [str(k) for k in range(0, count, _every(count))]
