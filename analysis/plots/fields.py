"""Receptive fields and kernels: where in the input a neuron looks, as strips or small images.

Draws given weights; does not measure locality or weight sharing.
"""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from analysis.plots.style import FONT, GREY, INK, SIGNED, new_figure, plain_axes

MOST_PANELS = 100


def receptive_fields(
    weights, positions, *, labels=None, max_neurons: int = MOST_PANELS, title: str | None = None
) -> Figure:
    """Incoming weights of each neuron, laid out where their sources sit.

    On a line every neuron is one strip, sorted by the centre of its field, so local wiring shows as a diagonal
    band. In a plane every neuron is a small image, in reading order of the centres. Each neuron is scaled to its
    own largest |weight|: blue positive, vermilion negative, white zero. Where several sources share a place the
    largest is shown.

    Parameters
    ----------
    weights : `(T, N)`, from N sources to T neurons. Neurons without any weight are left out.
    positions : `(N, 1)` or `(N, 2)` places of the sources, x before y, y growing downwards as in images.
    labels : T names shown beside strips or over images, the row numbers when None.
    max_neurons : the neurons with the most weight are shown above this number, and the figure says so.
    title : shown above.

    Raises
    ------
    ValueError : shapes that do not fit, values that are not finite, no neuron with a weight, `max_neurons` under 1.
    """
    weights, positions = np.asarray(weights, dtype=float), np.asarray(positions, dtype=float)
    if weights.ndim != 2 or not np.isfinite(weights).all():
        raise ValueError(
            f"weights must be a finite matrix (neurons, sources), got shape {weights.shape}"
        )
    if (
        positions.ndim != 2
        or positions.shape[0] != weights.shape[1]
        or positions.shape[1] not in (1, 2)
    ):
        raise ValueError(
            f"positions must have shape ({weights.shape[1]}, 1 or 2), got {positions.shape}"
        )
    if not np.isfinite(positions).all():
        raise ValueError("positions must be finite")
    if max_neurons < 1:
        raise ValueError(f"max_neurons must be at least 1, got {max_neurons}")
    labels = (
        [str(row) for row in range(len(weights))]
        if labels is None
        else [str(label) for label in labels]
    )
    if len(labels) != len(weights):
        raise ValueError(f"labels must name {len(weights)} neurons, got {len(labels)}")
    mass = np.abs(weights).sum(axis=1)
    kept = np.argsort(-mass, kind="stable")[: min(max_neurons, np.count_nonzero(mass))]
    if not kept.size:
        raise ValueError("weights must hold at least one that is not zero")
    centre = np.abs(weights[kept]) @ positions / mass[kept, None]  # (kept, dim)
    note = f"{len(kept)} of {np.count_nonzero(mass)} neurons, those with the most weight"
    note = note if len(kept) < np.count_nonzero(mass) else f"{len(kept)} neurons"
    if positions.shape[1] == 1:
        kept = kept[np.argsort(centre[:, 0], kind="stable")]
        figure = _strips(
            _raster(weights[kept], positions)[:, 0],
            positions[:, 0],
            [labels[row] for row in kept],
            note,
        )
    else:
        columns = int(np.ceil(np.sqrt(len(kept))))
        kept = kept[_reading_order(centre, columns)]
        figure = _mosaic(
            _raster(weights[kept], positions), columns, [labels[row] for row in kept], note
        )
    if title:
        figure.suptitle(title, fontsize=FONT + 3, color=INK)
    return figure


def kernels(kernels, *, title: str | None = None) -> Figure:
    """Kernels of a convolution: one row of panels for each output channel, one column for each input channel.

    `kernels` `(outputs, inputs, k)` or `(outputs, inputs, height, width)`; one colour scale for all, so that weak
    kernels look weak. Raises ValueError for other shapes and values that are not finite.
    """
    kernels = np.asarray(kernels, dtype=float)
    if kernels.ndim not in (3, 4) or 0 in kernels.shape or not np.isfinite(kernels).all():
        raise ValueError(
            f"kernels must be finite, (outputs, inputs, k) or (.., height, width), got {kernels.shape}"
        )
    outputs, inputs = kernels.shape[:2]
    # A one-dimensional kernel is drawn three pixels high, to be read like a bar code.
    panels = kernels if kernels.ndim == 4 else np.repeat(kernels[:, :, None, :], 3, axis=2)
    panels = panels.reshape(outputs * inputs, *panels.shape[2:])
    largest = np.abs(panels).max() or 1.0
    canvas, corners = _tile(panels / largest, inputs)
    pixel = min(0.11, 6.2 / canvas.shape[1], 8.0 / canvas.shape[0])  # inches
    figure = new_figure(pixel * canvas.shape[1] + 1.4, max(pixel * canvas.shape[0], 1.0) + 0.8)
    axes = figure.add_subplot()
    _draw_panels(axes, canvas, corners, panels.shape[1:])
    middle = panels.shape[2] / 2 - 0.5, panels.shape[1] / 2 - 0.5
    axes.set_xticks(
        [corners[k][1] + middle[0] for k in range(inputs)][:: _every(inputs)],
        range(inputs)[:: _every(inputs)],
    )
    rows = [corners[k * inputs][0] + middle[1] for k in range(outputs)]
    axes.set_yticks(rows[:: _every(outputs)], range(outputs)[:: _every(outputs)])
    axes.tick_params(length=0, labelsize=FONT)
    axes.set_xlabel("input channel", fontsize=FONT + 1)
    axes.set_ylabel("output channel", fontsize=FONT + 1)
    _sign_bar(figure, axes, largest, "weight")
    if title:
        figure.suptitle(title, fontsize=FONT + 3, color=INK)
    return figure


def _raster(weights: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Weights `(T, N)` as images `(T, height, width)`, each scaled to its largest |weight|; height 1 on a line."""
    shape = [_sites(coordinate) for coordinate in positions.T[::-1]]
    place = [
        _bins(coordinate, size) for coordinate, size in zip(positions.T[::-1], shape, strict=True)
    ]
    flat = place[0] if len(place) == 1 else place[0] * shape[1] + place[1]
    order = np.argsort(
        np.abs(weights), axis=1, kind="stable"
    )  # at shared places the largest is written last
    images = np.zeros((len(weights), int(np.prod(shape))))
    rows = np.arange(len(weights))
    for column in order.T:
        images[rows, flat[column]] = weights[rows, column]
    images /= np.abs(images).max(axis=1, keepdims=True)
    return images.reshape(len(weights), *([1, *shape] if len(shape) == 1 else shape))


def _sites(coordinate: np.ndarray) -> int:
    """Number of bins along an axis: the lattice's sites where there are few, 64 for scattered points."""
    return min(len(np.unique(np.round(coordinate, 6))), 64)


def _bins(coordinate: np.ndarray, size: int) -> np.ndarray:
    span = np.ptp(coordinate)
    if span == 0:
        return np.zeros(len(coordinate), dtype=int)
    return np.round((coordinate - coordinate.min()) / span * (size - 1)).astype(int)


def _reading_order(centre: np.ndarray, columns: int) -> np.ndarray:
    """Row after row from the top, left to right within a row of `columns`."""
    by_height = np.argsort(centre[:, 1], kind="stable")
    row = np.empty(len(centre), dtype=int)
    row[by_height] = np.arange(len(centre)) // columns
    return np.lexsort((centre[:, 0], row))


def _strips(images: np.ndarray, coordinate: np.ndarray, labels: list[str], note: str) -> Figure:
    figure = new_figure(5.2, float(np.clip(0.8 + 0.11 * len(images), 1.8, 7.5)))
    axes = figure.add_subplot()
    low, high = coordinate.min(), coordinate.max()
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


def _mosaic(images: np.ndarray, columns: int, labels: list[str], note: str) -> Figure:
    canvas, corners = _tile(images, columns, gap=3)
    width = 5.0
    figure = new_figure(width + 1.2, width * canvas.shape[0] / canvas.shape[1] + 0.5)
    axes = figure.add_subplot()
    _draw_panels(axes, canvas, corners, images.shape[1:])
    size = float(np.clip(72 * width / columns / 9, 3.5, FONT))
    for (top, left), label in zip(corners, labels, strict=True):
        axes.text(
            left + images.shape[2] / 2 - 0.5,
            top - 0.8,
            label,
            fontsize=size,
            ha="center",
            va="bottom",
            color=INK,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(note, fontsize=FONT + 1)
    _sign_bar(figure, axes, 1.0, "weight / largest |weight| of the neuron")
    return figure


def _tile(
    panels: np.ndarray, columns: int, gap: int = 1
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Panels `(P, height, width)` side by side on one canvas (zero between them), and each panel's (top, left)."""
    height, width = panels.shape[1] + gap, panels.shape[2] + gap
    rows = -(-len(panels) // columns)
    canvas = np.zeros((rows * height + gap, min(columns, len(panels)) * width + gap))
    corners = [(gap + k // columns * height, gap + k % columns * width) for k in range(len(panels))]
    for panel, (top, left) in zip(panels, corners, strict=True):
        canvas[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
    return canvas, corners


def _draw_panels(axes, canvas, corners, shape) -> None:
    """The canvas and a thin frame around each panel."""
    axes.imshow(canvas, cmap=SIGNED, vmin=-1, vmax=1, interpolation="nearest")
    height, width = shape
    box = np.array([[0, 0], [0, height], [width, height], [width, 0], [0, 0]])[:, ::-1] - 0.5
    frames = [np.array([left, top]) + box[:, [1, 0]] for top, left in corners]
    axes.add_collection(LineCollection(frames, colors=GREY, linewidths=0.4))
    axes.spines[:].set_visible(False)


def _sign_bar(figure: Figure, axes, largest: float, label: str) -> None:
    bar = figure.colorbar(
        ScalarMappable(Normalize(-largest, largest), SIGNED),
        ax=axes,
        shrink=0.7,
        pad=0.02,
        aspect=25,
    )
    bar.set_label(label, fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT)


def _every(count: int) -> int:
    """Label every n-th of `count` rows, so that at most about 20 are labelled."""
    return max(1, -(-count // 20))
